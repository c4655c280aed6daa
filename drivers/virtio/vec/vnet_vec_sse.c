/*
 * The vector paths with SSE4.1; compiled with -msse4.1.
 */
#include "drivers/virtio/vec/vec_sse.h" /* first: the bodies work with these primitives */

#include "drivers/virtio/vec/vnet_vec.h"
#include "drivers/virtio/vec/vnet_vec_rx_split.h"
#include "drivers/virtio/vec/vnet_vec_tx_split.h"

uint16_t virtio_recv_pkts_vec_sse(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, 0);
}

uint16_t virtio_recv_mergeable_pkts_sse(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, VNET_MRG);
}

uint16_t virtio_xmit_pkts_simple_sse(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_split(q, pkts, n);
}
