/*
 * The SSE4.1 primitives, to be compared with the scalar ones.
 */
#include "drivers/virtio/vec/vec_sse.h" /* first: what follows is made of these */

#include "kernel/plat.h"

#define VEC_SET vec_set_sse
#define VEC_SET_NAME "sse"
#define VEC_SET_ISA ISA_SSE
#define VEC_SET_SPLIT 1
#define VEC_SET_PACKED 0

#include "tests/vec/vec_set_make.h"
