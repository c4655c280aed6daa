/*
 * The AVX2 primitives, to be compared with the scalar ones.
 */
#include "drivers/virtio/vec/vec_avx2.h" /* first: what follows is made of these */

#include "kernel/plat.h"

#define VEC_SET vec_set_avx2
#define VEC_SET_NAME "avx2"
#define VEC_SET_ISA ISA_AVX2
#define VEC_SET_SPLIT 1
#define VEC_SET_PACKED 1

#include "tests/vec/vec_set_make.h"
