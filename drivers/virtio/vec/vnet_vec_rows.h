/*
 * The kinds of vector rows, to be made for each ISA. DPDK's simple Tx has the promise that all
 * packets are of one segment; here it is the indirect descriptor that makes one of every packet.
 * The mergeable rows are those of vnet_paths.c over again, with vector code for the packets that
 * one buffer holds.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_ROWS_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_ROWS_H

#include "drivers/virtio/vnet_paths.h"
#include "kernel/plat.h"

#define VNET_SPLIT_VEC_RX(suffix, isa_bit)                                                         \
	{                                                                                          \
		.name = "Split virtqueue vectorized Rx path",                                      \
		.forbid = VIRTIO_F_RING_PACKED | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_IN_ORDER,       \
		.need_wish = VNET_WISH_VECTORIZED,                                                 \
		.forbid_wish = VNET_WISH_RX_OFFLOADS | VNET_WISH_LRO | VNET_WISH_HDR_ALONE,        \
		.isa = (isa_bit), .rx_name = "virtio_recv_pkts_vec",                               \
		.rx = virtio_recv_pkts_vec_##suffix                                                \
	}

#define VNET_SPLIT_MRG_RX(suffix, isa_bit)                                                         \
	{                                                                                          \
		.name = "Split virtqueue mergeable path", .need = VIRTIO_NET_F_MRG_RXBUF,          \
		.forbid = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER,                                \
		.need_wish = VNET_WISH_VECTORIZED,                                                 \
		.forbid_wish = VNET_WISH_RX_OFFLOADS | VNET_WISH_LRO | VNET_WISH_HDR_ALONE,        \
		.isa = (isa_bit), .rx_name = "virtio_recv_mergeable_pkts",                         \
		.rx = virtio_recv_mergeable_pkts_##suffix                                          \
	}

#define VNET_SPLIT_SIMPLE_TX(suffix, isa_bit)                                                      \
	{                                                                                          \
		.name = "Split virtqueue simple Tx path", .need = VIRTIO_F_INDIRECT_DESC,          \
		.forbid = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER,                                \
		.need_wish = VNET_WISH_VECTORIZED,                                                 \
		.forbid_wish = VNET_WISH_TX_OFFLOADS | VNET_WISH_HDR_ALONE | VNET_WISH_HDR_HASH,   \
		.isa = (isa_bit), .tx_name = "virtio_xmit_pkts_simple",                            \
		.tx = virtio_xmit_pkts_simple_##suffix                                             \
	}

#define VNET_PACKED_VEC_RX(suffix, isa_bit)                                                        \
	{                                                                                          \
		.name = "Packed virtqueue vectorized Rx path",                                     \
		.need = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER,                                  \
		.forbid = VIRTIO_NET_F_MRG_RXBUF, .need_wish = VNET_WISH_VECTORIZED,               \
		.forbid_wish = VNET_WISH_LRO | VNET_WISH_HDR_ALONE, .isa = (isa_bit),              \
		.rx_name = "virtio_recv_pkts_packed_vec",                                          \
		.rx = virtio_recv_pkts_packed_vec_##suffix                                         \
	}

#define VNET_PACKED_MRG_RX(suffix, isa_bit)                                                        \
	{                                                                                          \
		.name = "Packed virtqueue in-order mergeable path",                                \
		.need = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_MRG_RXBUF,         \
		.need_wish = VNET_WISH_VECTORIZED,                                                 \
		.forbid_wish = VNET_WISH_LRO | VNET_WISH_HDR_ALONE,                                \
		.isa = (isa_bit), .rx_name = "virtio_recv_mergeable_pkts_packed",                  \
		.rx = virtio_recv_mergeable_pkts_packed_##suffix                                   \
	}

#define VNET_PACKED_VEC_TX(suffix, isa_bit)                                                        \
	{                                                                                          \
		.name = "Packed virtqueue vectorized Tx path",                                     \
		.need = VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER,                                  \
		.need_wish = VNET_WISH_VECTORIZED,                                                 \
		.forbid_wish = VNET_WISH_HDR_ALONE | VNET_WISH_HDR_HASH, .isa = (isa_bit),         \
		.tx_name = "virtio_xmit_pkts_packed_vec",                                          \
		.tx = virtio_xmit_pkts_packed_vec_##suffix                                         \
	}

#endif
