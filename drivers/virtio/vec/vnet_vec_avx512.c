/*
 * The vector paths with AVX-512; compiled with -mavx512f -mavx512bw -mavx512vl.
 */
#include "drivers/virtio/vec/vec_avx512.h" /* first: the bodies work with these primitives */

#include "drivers/virtio/vec/vnet_vec.h"
#include "drivers/virtio/vec/vnet_vec_rx_packed.h"
#include "drivers/virtio/vec/vnet_vec_tx_packed.h"

uint16_t virtio_recv_pkts_packed_vec_avx512(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, 0);
}

uint16_t virtio_recv_mergeable_pkts_packed_avx512(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, VNET_MRG);
}

uint16_t virtio_xmit_pkts_packed_vec_avx512(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_packed(q, pkts, n);
}
