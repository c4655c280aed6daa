/*
 * The C types that libfdt's header wants, without the C library: defined first, under the guard of
 * its own libfdt_env.h. The library itself is the distribution's, and calls a few functions of
 * <string.h>, which kernel/string.h has.
 */
#ifndef LIBFDT_ENV_H
#define LIBFDT_ENV_H

#include "kernel/string.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint16_t fdt16_t;
typedef uint32_t fdt32_t;
typedef uint64_t fdt64_t;

#define fdt16_to_cpu(x) __builtin_bswap16(x)
#define cpu_to_fdt16(x) __builtin_bswap16(x)
#define fdt32_to_cpu(x) __builtin_bswap32(x)
#define cpu_to_fdt32(x) __builtin_bswap32(x)
#define fdt64_to_cpu(x) __builtin_bswap64(x)
#define cpu_to_fdt64(x) __builtin_bswap64(x)

#endif
