/*
 * The vector instruction sets of the processor that runs the tests, and those that the tests name:
 * as options (the least first, and one that is not for this processor), one that has code for
 * split rings alone, and one that has it for both.
 */
#ifndef TESTS_VEC_HOST_ISA_H
#define TESTS_VEC_HOST_ISA_H

#include "kernel/plat.h"

#ifdef __aarch64__

#define VEC_OPTIONS "neon"
#define VEC_OPTION_FOREIGN "avx512"
#define VEC_ISA_ALL ISA_NEON
#define VEC_ISA_BOTH ISA_NEON
#define VEC_ISA_SPLIT 0 /* NEON has code for packed rings too */

static inline unsigned vec_host_isa(void)
{
	return ISA_NEON;
}

#else

#define VEC_OPTIONS "sse", "avx2", "avx512"
#define VEC_OPTION_FOREIGN "neon"
#define VEC_ISA_ALL (ISA_SSE | ISA_AVX2 | ISA_AVX512)
#define VEC_ISA_BOTH ISA_AVX2
#define VEC_ISA_SPLIT ISA_SSE

static inline unsigned vec_host_isa(void)
{
	return (__builtin_cpu_supports("sse4.2") ? ISA_SSE : 0) |
	       (__builtin_cpu_supports("avx2") ? ISA_AVX2 : 0) |
	       (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
	            ? ISA_AVX512
	            : 0);
}

#endif

#endif
