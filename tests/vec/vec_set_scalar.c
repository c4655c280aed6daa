/*
 * The scalar primitives: the reference.
 */
#include "drivers/virtio/vec/vec_scalar.h" /* first: what follows is made of these */

#include "kernel/plat.h"

#define VEC_SET vec_set_scalar
#define VEC_SET_NAME "scalar"
#define VEC_SET_ISA 0
#define VEC_SET_SPLIT 1
#define VEC_SET_PACKED 1

#include "tests/vec/vec_set_make.h"
