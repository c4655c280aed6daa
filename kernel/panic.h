/* The end of the machine when our own code is wrong, or nothing sensible can go on. */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include "kernel/compiler.h"

/**
 * panic() - print a message and a backtrace, end the machine with a status that is not 0
 *
 * May be called from everywhere, interrupt handlers included. Flushes the console first. A panic
 * inside a panic ends at once.
 */
NORETURN COLD void panic(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
