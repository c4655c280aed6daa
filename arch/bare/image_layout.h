/* Where the parts of the kernel image lie: symbols of the linker scripts. */
#ifndef ARCH_BARE_IMAGE_LAYOUT_H
#define ARCH_BARE_IMAGE_LAYOUT_H

#include "kernel/compiler.h"
#include <arch/image.h>

extern const uint8_t image_start[], text_end[], rodata_start[], rodata_end[], data_start[],
    image_end[];

/* Used before the final page tables are in force, free memory afterwards. */
extern uint8_t early_tables[], early_tables_end[];

#endif
