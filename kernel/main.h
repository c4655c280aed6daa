/* The portable kernel's entry, called by the platform when its contract (plat.h) holds. */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

#include "kernel/compiler.h"

#define BOOT_CMDLINES_MAX 2
#define BOOT_CMDLINE_LEN 2048

/* What the boot loader said, as far as the portable part cares. Memory is handed over through
 * mem_add() before kmain(). */
struct boot_args {
	const char *loader;                          /* "pvh", "multiboot2", "uefi", "hosted" */
	const char *cmdline[BOOT_CMDLINES_MAX];      /* option lines, later ones win */
	const char *cmdline_from[BOOT_CMDLINES_MAX]; /* "command line", "fw_cfg" */
	bool cmdline_cut[BOOT_CMDLINES_MAX];         /* was longer; ends with a whole word */
	unsigned nb_cmdlines;
};

/** kmain() - run ringzero; returns never */
NORETURN void kmain(const struct boot_args *boot);

#endif
