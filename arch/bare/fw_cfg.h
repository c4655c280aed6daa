/* QEMU's fw_cfg: named files from the machine's command line (QEMU docs/specs/fw_cfg). */
#ifndef ARCH_BARE_FW_CFG_H
#define ARCH_BARE_FW_CFG_H

#include "kernel/compiler.h"

/* How the machine reaches it. */
struct fw_cfg_regs {
	void (*select)(uint16_t key);
	void (*read)(void *buf, size_t len); /* the next bytes of the selected item */
};

/**
 * fw_cfg_read() - read a file as text; @regs: NULL when the machine has none
 * @buf: gets at most @size - 1 bytes and a 0 byte
 *
 * Return: the file's length, which may be more than what fitted; -1 when there is no fw_cfg or no
 * such file.
 */
int64_t fw_cfg_read(const struct fw_cfg_regs *regs, const char *name, char *buf, size_t size);

#endif
