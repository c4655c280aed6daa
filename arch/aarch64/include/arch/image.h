/* How far the kernel image lies from where it was linked; for arch/bare/image_layout.h. */
#ifndef ARCH_IMAGE_H
#define ARCH_IMAGE_H

#define IMAGE_MOVED ((uint64_t)(uintptr_t)image_start) /* linked at 0 */

#endif
