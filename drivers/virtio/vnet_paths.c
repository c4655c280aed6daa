/*
 * The wrappers that give each path its name in profiles and debuggers, and the table that chooses
 * among them. Names and rules are those of DPDK's virtio driver.
 */
#include "drivers/virtio/vnet_paths.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_rx.h"
#include "drivers/virtio/vnet_tx.h"

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

/* Best first; the last row of the table needs nothing. */
static const struct vnet_path paths[] = {
    {
	.name = "Split virtqueue mergeable path",
	.need = VIRTIO_NET_F_MRG_RXBUF,
	.forbid = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER,
	.rx_name = "virtio_recv_mergeable_pkts",
	.tx_name = "virtio_xmit_pkts",
	.rx = virtio_recv_mergeable_pkts,
	.tx = virtio_xmit_pkts,
    },
    {
	.name = "Split virtqueue non-mergeable path",
	.forbid = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MRG_RXBUF,
	.rx_name = "virtio_recv_pkts",
	.tx_name = "virtio_xmit_pkts",
	.rx = virtio_recv_pkts,
	.tx = virtio_xmit_pkts,
    },
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
		vnet_rx_refill(&vn->rxq[i]);
}
