/* How far the kernel image lies from where it was linked. */
#ifndef ARCH_IMAGE_H
#define ARCH_IMAGE_H

#include <stdint.h>

extern const uint8_t image_start[];

#define IMAGE_MOVED ((uint64_t)(uintptr_t)image_start) /* linked at 0 */

#endif
