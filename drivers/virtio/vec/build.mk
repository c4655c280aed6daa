# The vector paths: which files an architecture has, and the flags by which only they may use vector
# registers. Tests in tests/vec are named after the set of primitives that they include.

VEC_X86_SRCS := $(addprefix drivers/virtio/vec/vnet_vec_,sse.c avx2.c avx512.c x86_64.c)
VEC_AARCH64_SRCS := $(addprefix drivers/virtio/vec/vnet_vec_,neon.c aarch64.c)

VEC_FLAGS_sse := -msse4.1
VEC_FLAGS_avx2 := -mavx2
VEC_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512vl

# vec_target_flags: directory of objects, variable that holds the flags to compile with
define vec_target_flags
$(foreach isa,sse avx2 avx512,
$(1)/drivers/virtio/vec/vnet_vec_$(isa).o $(1)/tests/vec/vec_set_$(isa).o: \
	private $(2) := $$(filter-out -mgeneral-regs-only,$$($(2))) $(VEC_FLAGS_$(isa)))
endef
