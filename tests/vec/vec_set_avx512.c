/*
 * The AVX-512 primitives, to be compared with the scalar ones.
 */
#include "drivers/virtio/vec/vec_avx512.h" /* first: what follows is made of these */

#include "kernel/plat.h"

#define VEC_SET vec_set_avx512
#define VEC_SET_NAME "avx512"
#define VEC_SET_ISA ISA_AVX512
#define VEC_SET_SPLIT 0
#define VEC_SET_PACKED 1

#include "tests/vec/vec_set_make.h"
