/* What every bare platform does with struct boot_info once it is filled. */
#ifndef ARCH_BARE_BOOT_SETUP_H
#define ARCH_BARE_BOOT_SETUP_H

#include "arch/bare/boot_info.h"
#include "arch/bare/fw_cfg.h"

/**
 * boot_memory_init() - map free memory and hand it to the allocator; needs paging_init()
 * @low_reserved: bytes from address 0 on that stay unused
 *
 * Too little of it is a panic.
 */
void boot_memory_init(struct boot_info *bi, uint64_t low_reserved);

/** boot_args_fill() - the command lines for kmain(): @cmdline, which is bi->cmdline or behind its
 * first word, and QEMU's file opt/ringzero/cmdline; @fw_cfg: NULL when there is none */
void boot_args_fill(struct boot_args *args, const struct boot_info *bi, const char *cmdline,
                    const struct fw_cfg_regs *fw_cfg);

#endif
