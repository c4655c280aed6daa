/*
 * The NEON primitives, to be compared with the scalar ones.
 */
#include "drivers/virtio/vec/vec_neon.h" /* first: what follows is made of these */

#include "kernel/plat.h"

#define VEC_SET vec_set_neon
#define VEC_SET_NAME "neon"
#define VEC_SET_ISA ISA_NEON
#define VEC_SET_SPLIT 1
#define VEC_SET_PACKED 1

#include "tests/vec/vec_set_make.h"
