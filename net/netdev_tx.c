/*
 * Sending on what was received: work that one port's device left undone (checksum offload, virtio
 * 5.1.9.4; VLAN stripping) goes to the next one's, or is done in software where that cannot.
 */
#include "kernel/errno.h"
#include "net/csum.h"
#include "net/netdev.h"
#include "net/vlan.h"

int netdev_tx_prepare(const struct netdev *dev, struct mbuf *m)
{
	const uint32_t gso = m->flags & MBUF_GSO;
	uint32_t flags = gso;

	if (gso & ~dev->tx_offloads)
		return -EOPNOTSUPP;
	if (m->flags & MBUF_RX_CSUM_NONE) {
		if (dev->tx_offloads & MBUF_TX_CSUM)
			flags |= MBUF_TX_CSUM;
		else if (m->csum_start + m->csum_offset + 2u <= m->data_len)
			csum_complete(m);
		else /* what it said was good for the frame with its padding */
			return -EINVAL;
	}
	if (m->flags & MBUF_RX_VLAN) {
		if (dev->tx_offloads & MBUF_TX_VLAN)
			flags |= MBUF_TX_VLAN;
		else if (!vlan_insert(m))
			return -EINVAL;
	}
	m->flags = flags;
	return 0;
}
