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

/* What the user and the framing ask of the paths. */
#define VNET_WISH_VECTORIZED (1u << 0)  /* net.vectorized=1 */
#define VNET_WISH_RX_OFFLOADS (1u << 1) /* some Rx offload but hashes */
#define VNET_WISH_LRO (1u << 2)         /* this one of them */
#define VNET_WISH_TX_OFFLOADS (1u << 3) /* some Tx offload */
#define VNET_WISH_HDR_ALONE (1u << 4)   /* the header has a descriptor to itself */
#define VNET_WISH_HDR_HASH (1u << 5)    /* a header of 20 bytes */
#define VNET_WISHES 6

/* One row: a way to receive, a way to send, or both. */
struct vnet_path {
	const char *name;      /* as in DPDK's guide */
	uint64_t need, forbid; /* features negotiated */
	unsigned need_wish, forbid_wish;
	unsigned isa; /* ISA_ bit that its code has to have; 0: none */
	const char *rx_name, *tx_name;
	netdev_burst_fn rx, tx;
};

/* All that the choice depends on. */
struct vnet_wish {
	uint64_t features; /* negotiated */
	unsigned isa;      /* ISA_ bits that may be used */
	unsigned wish;
};

struct vnet_choice {
	const struct vnet_path *rx, *tx;
	/* NULL, or why a vectorized path was asked for and refused; a mergeable row has vector
	 * code all the same when rx->isa says so */
	const char *why_no_vec_rx, *why_no_vec_tx;
};

/** vnet_path_select() - for each direction the first row of the table that fits @w. Pure. Neither
 * is NULL: the last scalar row of each ring needs nothing more */
struct vnet_choice vnet_path_select(const struct vnet_wish *w);

/** vnet_isa_allowed() - the ISA_ bits that an isa= option leaves; "auto" leaves all */
unsigned vnet_isa_allowed(const char *option);

/** vnet_isa_name() - of a row: "scalar", "sse", ... */
const char *vnet_isa_name(unsigned isa);

/* The vector rows of the architecture, best first (vec/vnet_vec_<arch>.c). */
extern const struct vnet_path vnet_vec_paths[];
extern const unsigned vnet_nb_vec_paths;

#endif
