/* The kernel's image inside the loader, and the step into it. */
#ifndef ARCH_AARCH64_EFI_KERNEL_H
#define ARCH_AARCH64_EFI_KERNEL_H

#include <stdint.h>

struct kernel_header { /* boot.S */
	uint32_t code[2];
	uint64_t text_offset, image_bytes, flags, reserved[3];
	uint32_t magic, pe;
};

#define KERNEL_MAGIC 0x644d5241u /* "ARM", 0x64 */

_Static_assert(sizeof(struct kernel_header) == 64, "arm64 boot protocol");

extern const uint8_t kernel_file[], kernel_file_end[];

/** kernel_enter() - after ExitBootServices(): write the image and this code back to memory, switch
 * off MMU and caches, and go to the image's first byte with @handoff in x0. Does not return */
void kernel_enter(const void *handoff, const void *image, uint64_t bytes);

#endif
