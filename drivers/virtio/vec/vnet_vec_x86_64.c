/*
 * The vector paths of x86_64 for the table in vnet_paths.c: names and rules are those of DPDK's
 * virtio driver, but that packed rings have AVX2 too.
 */
#include "drivers/virtio/vec/vnet_vec.h"
#include "drivers/virtio/vec/vnet_vec_rows.h"

const struct vnet_path vnet_vec_paths[] = {
    VNET_PACKED_VEC_RX(avx512, ISA_AVX512), VNET_PACKED_VEC_TX(avx512, ISA_AVX512),
    VNET_PACKED_MRG_RX(avx512, ISA_AVX512), VNET_PACKED_VEC_RX(avx2, ISA_AVX2),
    VNET_PACKED_VEC_TX(avx2, ISA_AVX2),     VNET_PACKED_MRG_RX(avx2, ISA_AVX2),
    VNET_SPLIT_VEC_RX(avx2, ISA_AVX2),      VNET_SPLIT_SIMPLE_TX(avx2, ISA_AVX2),
    VNET_SPLIT_MRG_RX(avx2, ISA_AVX2),      VNET_SPLIT_VEC_RX(sse, ISA_SSE),
    VNET_SPLIT_SIMPLE_TX(sse, ISA_SSE),     VNET_SPLIT_MRG_RX(sse, ISA_SSE),
};
const unsigned vnet_nb_vec_paths = ARRAY_SIZE(vnet_vec_paths);
