/*
 * The vector paths with AVX2; compiled with -mavx2.
 */
#include "drivers/virtio/vec/vec_avx2.h" /* first: the bodies work with these primitives */

#include "drivers/virtio/vec/vnet_vec.h"
#include "drivers/virtio/vec/vnet_vec_rx_packed.h"
#include "drivers/virtio/vec/vnet_vec_rx_split.h"
#include "drivers/virtio/vec/vnet_vec_tx_packed.h"
#include "drivers/virtio/vec/vnet_vec_tx_split.h"

uint16_t virtio_recv_pkts_vec_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, 0);
}

uint16_t virtio_recv_mergeable_pkts_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, VNET_MRG);
}

uint16_t virtio_xmit_pkts_simple_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_split(q, pkts, n);
}

uint16_t virtio_recv_pkts_packed_vec_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, 0);
}

uint16_t virtio_recv_mergeable_pkts_packed_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, VNET_MRG);
}

uint16_t virtio_xmit_pkts_packed_vec_avx2(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_packed(q, pkts, n);
}
