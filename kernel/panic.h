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

/**
 * panic_begin() - for whoever reports the end: no interrupts any more, and the other lcores stand
 *
 * Does not return when another lcore is at it. Return: false when this one is.
 */
COLD bool panic_begin(void);

/** panic_title() - begin the report: what is wrong, and on which lcore, where there are several */
COLD void panic_title(const char *what);

#endif
