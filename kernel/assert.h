/*
 * Assertions are for our own mistakes: a broken contract panics with file and line, in every
 * build. What a device, a peer or a user sends is never asserted, and an assertion has no side
 * effects.
 */
#ifndef KERNEL_ASSERT_H
#define KERNEL_ASSERT_H

#include "kernel/panic.h"

#undef assert
#define assert(cond)                                                                               \
	((cond) ? (void)0 : panic("%s:%d: assertion failed: %s", __FILE__, __LINE__, #cond))

#endif
