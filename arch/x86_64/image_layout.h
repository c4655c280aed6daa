/* Where the parts of the kernel image lie: symbols of linker.ld. */
#ifndef ARCH_X86_64_IMAGE_LAYOUT_H
#define ARCH_X86_64_IMAGE_LAYOUT_H

#include "kernel/compiler.h"

extern const uint8_t image_start[], text_end[], rodata_start[], rodata_end[], data_start[],
    image_end[];
extern uint8_t early_tables[], early_tables_end[]; /* boot.asm: free after paging_init() */

#endif
