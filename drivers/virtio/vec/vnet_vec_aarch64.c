/*
 * The vector paths of aarch64 for the table in vnet_paths.c; names and rules are those of DPDK's
 * virtio driver.
 */
#include "drivers/virtio/vec/vnet_vec.h"
#include "drivers/virtio/vec/vnet_vec_rows.h"

const struct vnet_path vnet_vec_paths[] = {
    VNET_PACKED_VEC_RX(neon, ISA_NEON), VNET_PACKED_VEC_TX(neon, ISA_NEON),
    VNET_SPLIT_VEC_RX(neon, ISA_NEON),  VNET_SPLIT_SIMPLE_TX(neon, ISA_NEON),
    VNET_PACKED_MRG_RX(neon, ISA_NEON), VNET_SPLIT_MRG_RX(neon, ISA_NEON),
};
const unsigned vnet_nb_vec_paths = ARRAY_SIZE(vnet_vec_paths);
