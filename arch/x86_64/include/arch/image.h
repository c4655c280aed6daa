/* How far the kernel image lies from where it was linked. */
#ifndef ARCH_IMAGE_H
#define ARCH_IMAGE_H

#define IMAGE_MOVED 0 /* every loader puts it there */

#endif
