/* The vector instruction sets of the x86_64 processor that runs the tests. */
#ifndef TESTS_VEC_HOST_ISA_H
#define TESTS_VEC_HOST_ISA_H

#include "kernel/plat.h"

static inline unsigned vec_host_isa(void)
{
	return (__builtin_cpu_supports("sse4.2") ? ISA_SSE : 0) |
	       (__builtin_cpu_supports("avx2") ? ISA_AVX2 : 0) |
	       (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
	            ? ISA_AVX512
	            : 0);
}

#endif
