/*
 * The packet header between driver and device (virtio 5.1.9), in front of every frame: 20 bytes
 * with HASH_REPORT, 10 on legacy devices without MRG_RXBUF, else 12. It lies in the mbuf's headroom
 * directly before the data, so that header and frame are one piece of memory.
 */
#ifndef DRIVERS_VIRTIO_VNET_HDR_H
#define DRIVERS_VIRTIO_VNET_HDR_H

#include "drivers/virtio/virtio_spec.h"
#include "kernel/atomic.h"
#include "net/mbuf.h"

static_assert(NETDEV_HEADROOM % CACHE_LINE >= VIRTIO_NET_HDR_LEN, "in one line with the data");
static_assert(MBUF_HEADROOM_MIN >= VIRTIO_NET_HDR_LEN_HASH + 4, "header and VLAN tag");

/* The header in front of the data; 2-byte aligned where the data is. */
struct vnet_hdr_bytes {
	uint32_t word[3];
} __attribute__((packed, aligned(2)));

/** vnet_hdr_len() - of a device with these features (virtio 5.1.9.1, 5.1.9.3.1) */
static inline uint16_t vnet_hdr_len(bool legacy, uint64_t features)
{
	if (features & VIRTIO_NET_F_HASH_REPORT)
		return VIRTIO_NET_HDR_LEN_HASH;
	return legacy && !(features & VIRTIO_NET_F_MRG_RXBUF) ? VIRTIO_NET_HDR_LEN_LEGACY
	                                                      : VIRTIO_NET_HDR_LEN;
}

/** vnet_hdr_clear() - write the header of a packet without offloads: all zero (virtio 5.1.9.2).
 * Always 12 bytes, ending at the data: a shorter one is their tail, a longer one is for
 * vnet_tx_offload() */
static inline void vnet_hdr_clear(struct mbuf *m)
{
	struct vnet_hdr_bytes *h = (void *)(mbuf_data(m) - VIRTIO_NET_HDR_LEN);

	h->word[0] = 0;
	h->word[1] = 0;
	h->word[2] = 0;
}

/** vnet_hdr_num_buffers() - how many buffers hold the frame, with MRG_RXBUF (virtio 5.1.9.4);
 * @hdr_len is 12 or 20 */
static inline uint16_t vnet_hdr_num_buffers(struct mbuf *m, uint32_t hdr_len)
{
	const struct virtio_net_hdr *h = (void *)(mbuf_data(m) - hdr_len);

	/* once: what was checked is what is used */
	return ring_load_relaxed(&h->num_buffers);
}

#endif
