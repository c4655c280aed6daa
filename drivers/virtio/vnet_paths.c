/*
 * The wrappers that give each path its name in profiles and debuggers, and the table that chooses
 * among them. Names and rules are those of DPDK's virtio driver.
 */
#include "drivers/virtio/vnet_paths.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_rx.h"
#include "drivers/virtio/vnet_tx.h"

/* Some names serve two paths, as in DPDK: then the queue says which it is, once a burst. */
static bool rx_mergeable(const struct vnet_rxq *q)
{
	return q->mergeable;
}

static bool rx_in_order(const struct vnet_rxq *q)
{
	return q->in_order;
}

static bool tx_in_order(const struct vnet_txq *q)
{
	return q->in_order;
}

/* ---- split ------------------------------------------------------------------------------- */

static uint16_t virtio_recv_mergeable_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_rx_burst(q, pkts, n, VNET_MRG);
}

static uint16_t virtio_recv_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_rx_burst(q, pkts, n, 0);
}

static uint16_t virtio_xmit_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_tx_burst(q, pkts, n, 0);
}

static uint16_t virtio_recv_pkts_inorder(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_mergeable(q))
		return vnet_rx_burst(q, pkts, n, VNET_IN_ORDER | VNET_MRG);
	return vnet_rx_burst(q, pkts, n, VNET_IN_ORDER);
}

static uint16_t virtio_xmit_pkts_inorder(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_tx_burst(q, pkts, n, VNET_IN_ORDER);
}

/* ---- packed ------------------------------------------------------------------------------- */

static uint16_t virtio_recv_mergeable_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_in_order(q))
		return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER | VNET_MRG);
	return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_MRG);
}

static uint16_t virtio_recv_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_in_order(q))
		return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER);
	return vnet_rx_burst(q, pkts, n, VNET_PACKED);
}

static uint16_t virtio_xmit_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (tx_in_order(q))
		return vnet_tx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER);
	return vnet_tx_burst(q, pkts, n, VNET_PACKED);
}

#define PACKED VIRTIO_F_RING_PACKED
#define IN_ORDER VIRTIO_F_IN_ORDER
#define MRG VIRTIO_NET_F_MRG_RXBUF
#define PATH(title, needs, forbids, rx_fn, tx_fn)                                                  \
	{                                                                                          \
		.name = (title), .need = (needs), .forbid = (forbids), .rx_name = #rx_fn,          \
		.tx_name = #tx_fn, .rx = (rx_fn), .tx = (tx_fn)                                    \
	}

/* Best first; the last row needs nothing. */
static const struct vnet_path paths[] = {
    PATH("Packed virtqueue in-order mergeable path", PACKED | IN_ORDER | MRG, 0,
         virtio_recv_mergeable_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue in-order non-mergeable path", PACKED | IN_ORDER, MRG,
         virtio_recv_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue mergeable path", PACKED | MRG, IN_ORDER,
         virtio_recv_mergeable_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue non-mergeable path", PACKED, MRG | IN_ORDER, virtio_recv_pkts_packed,
         virtio_xmit_pkts_packed),
    PATH("Split virtqueue in-order mergeable path", IN_ORDER | MRG, PACKED,
         virtio_recv_pkts_inorder, virtio_xmit_pkts_inorder),
    PATH("Split virtqueue in-order non-mergeable path", IN_ORDER, PACKED | MRG,
         virtio_recv_pkts_inorder, virtio_xmit_pkts_inorder),
    PATH("Split virtqueue mergeable path", MRG, PACKED | IN_ORDER, virtio_recv_mergeable_pkts,
         virtio_xmit_pkts),
    PATH("Split virtqueue non-mergeable path", 0, PACKED | MRG | IN_ORDER, virtio_recv_pkts,
         virtio_xmit_pkts),
};

const struct vnet_path *vnet_path_select(uint64_t features)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const struct vnet_path *p = &paths[i];

		if ((features & p->need) == p->need && !(features & p->forbid))
			return p;
	}
	return NULL;
}

void vnet_queues_fill(struct vnet *vn)
{
	for (unsigned i = 0; i < vn->nb_queues; i++)
		vn->path->rx(&vn->rxq[i], NULL, 0); /* takes nothing, fills the ring */
}
