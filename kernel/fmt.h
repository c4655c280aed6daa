/*
 * printf for the freestanding build: %d %i %u %x %X %c %s %p %% with the flags 0 - + and space,
 * width and precision (also *), and the lengths hh h l ll z j. No floating point.
 */
#ifndef KERNEL_FMT_H
#define KERNEL_FMT_H

#include "kernel/compiler.h"
#include <stdarg.h>

/**
 * fmt_buf() - format into @buf like snprintf
 *
 * Always terminates @buf when @size > 0. Return: the length the whole text has.
 */
size_t fmt_buf(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
size_t fmt_vbuf(char *buf, size_t size, const char *fmt, va_list ap);

#endif
