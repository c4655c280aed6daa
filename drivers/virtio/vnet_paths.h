/*
 * The paths of the driver by DPDK's names, and the choice among them: policy is one table and one
 * pure function.
 */
#ifndef DRIVERS_VIRTIO_VNET_PATHS_H
#define DRIVERS_VIRTIO_VNET_PATHS_H

#include "drivers/virtio/virtqueue.h"
#include "net/netdev.h"

/* What the bodies in vnet_rx.h and vnet_tx.h are specialised by. */
#define VNET_PACKED VQ_PACKED
#define VNET_IN_ORDER VQ_IN_ORDER
#define VNET_RING (VNET_PACKED | VNET_IN_ORDER)
#define VNET_MRG (1u << 18)

struct vnet_path {
	const char *name;      /* as in DPDK's guide */
	uint64_t need, forbid; /* features negotiated */
	const char *rx_name, *tx_name;
	netdev_burst_fn rx, tx;
};

/** vnet_path_select() - the first row of the table that the negotiated @features allow, NULL when
 * none does (a feature was accepted that no path implements) */
const struct vnet_path *vnet_path_select(uint64_t features);

#endif
