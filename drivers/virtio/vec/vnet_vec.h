/*
 * The vector paths by the names that profiles and debuggers show; the ISA stands behind each. On
 * the console the names are without it.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_H

#include "net/mbuf.h"

uint16_t virtio_recv_pkts_vec_sse(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_pkts_vec_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_pkts_vec_neon(void *q, struct mbuf **pkts, uint16_t n);

uint16_t virtio_recv_mergeable_pkts_sse(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_mergeable_pkts_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_mergeable_pkts_neon(void *q, struct mbuf **pkts, uint16_t n);

uint16_t virtio_xmit_pkts_simple_sse(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_xmit_pkts_simple_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_xmit_pkts_simple_neon(void *q, struct mbuf **pkts, uint16_t n);

uint16_t virtio_recv_pkts_packed_vec_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_pkts_packed_vec_avx512(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_pkts_packed_vec_neon(void *q, struct mbuf **pkts, uint16_t n);

uint16_t virtio_recv_mergeable_pkts_packed_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_mergeable_pkts_packed_avx512(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_recv_mergeable_pkts_packed_neon(void *q, struct mbuf **pkts, uint16_t n);

uint16_t virtio_xmit_pkts_packed_vec_avx2(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_xmit_pkts_packed_vec_avx512(void *q, struct mbuf **pkts, uint16_t n);
uint16_t virtio_xmit_pkts_packed_vec_neon(void *q, struct mbuf **pkts, uint16_t n);

#endif
