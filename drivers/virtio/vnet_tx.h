/*
 * The transmit body. One function for all paths: @path is a literal in each wrapper. Sent buffers
 * are reclaimed when they have piled up, the net header is written into the headroom, and the
 * usual packet of one segment takes one descriptor. A packet of several segments takes one with an
 * indirect table, or else a chain.
 */
#ifndef DRIVERS_VIRTIO_VNET_TX_H
#define DRIVERS_VIRTIO_VNET_TX_H

#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vnet_offload.h"
#include "drivers/virtio/vq.h"

/* Free what the device has sent (virtio 2.7.14); the length it reports means nothing here. */
ALWAYS_INLINE void vnet_tx_reclaim(struct vnet_txq *q, const unsigned path)
{
	struct virtqueue vq = q->vq;
	struct vq_used used;

	vq_used_prefetch(&vq, path & VNET_RING);
	while (vq_used_pop(&vq, &used, path & VNET_RING))
		mbuf_free(used.cookie);
	virtqueue_save(&q->vq, &vq, path & VNET_RING);
}

/* The pieces of a packet, net header in front. Return: how many, 0 when there are too many. */
static unsigned vnet_tx_gather(const struct vnet_txq *q, struct mbuf *m, struct vq_buf *bufs)
{
	const uint64_t hdr_iova = mbuf_data_iova(m) - q->hdr_len;
	unsigned n = 0;

	if (q->hdr_alone) {
		bufs[n++] = (struct vq_buf){hdr_iova, q->hdr_len};
		bufs[n++] = (struct vq_buf){mbuf_data_iova(m), m->data_len};
	} else {
		bufs[n++] = (struct vq_buf){hdr_iova, (uint32_t)(q->hdr_len + m->data_len)};
	}
	for (m = m->next; m; m = m->next) {
		if (n == VQ_SEGS_MAX)
			return 0;
		bufs[n++] = (struct vq_buf){mbuf_data_iova(m), m->data_len};
	}
	return n;
}

/* Send a packet of any number of pieces. Return: 1 sent, 0 no room now, -1 it can never be. */
ALWAYS_INLINE int vnet_tx_add_segs(const struct vnet_txq *q, struct virtqueue *vq, struct mbuf *m,
                                   const unsigned path)
{
	struct vq_buf bufs[VQ_SEGS_MAX];
	const unsigned n = vnet_tx_gather(q, m, bufs);
	const bool table = vq->indirect && n > 1;

	/* no chain is longer than the ring, be it in a table or not (virtio 2.7.5.3.1) */
	if (!n || n > vq->nentries)
		return -1;
	if (vq->free_cnt < (table ? 1 : n))
		return 0;
	if (!table) {
		vq_add(vq, bufs, n, m, path & VNET_RING);
		return 1;
	}

	/* the table belongs to the id that will point to it */
	const size_t at = (size_t)vq->desc_head * VQ_SEGS_MAX;
	const struct vq_buf one = {vq->indirect_iova + at * sizeof(struct vring_desc),
	                           (uint32_t)(n * sizeof(struct vring_desc))};

	vq_indirect_fill(&vq->indirect[at], bufs, n, path & VNET_RING);
	vq_add(vq, &one, 1, m, VRING_DESC_F_INDIRECT | (path & VNET_RING));
	return 1;
}

/* Write the net header. False: the packet cannot be sent as it is. */
static inline bool vnet_tx_header(const struct vnet_txq *q, struct mbuf *m)
{
	if (q->full_hdr)
		return vnet_tx_offload(q, m);
	vnet_hdr_clear(m);
	return true;
}

/* What one burst has sent. */
struct vnet_tx_sum {
	uint64_t packets, bytes;
};

/* Send a packet whose header is not just zeros, or that does not lie in one piece with it; or drop
 * it, when it cannot be sent. */
ALWAYS_INLINE bool vnet_tx_odd(struct vnet_txq *q, struct virtqueue *vq, struct mbuf *m,
                               struct vnet_tx_sum *sum, const unsigned path)
{
	int sent = -1;

	/* what the device cuts into segments may be longer (virtio 5.1.4.2) */
	if ((m->pkt_len <= q->frame_max || m->flags & q->offloads & MBUF_GSO) &&
	    vnet_tx_header(q, m))
		sent = vnet_tx_add_segs(q, vq, m, path);
	if (sent < 0) {
		q->stats.errors++;
		mbuf_free(m);
		return true;
	}
	sum->packets += (unsigned)sent;
	sum->bytes += sent ? m->pkt_len : 0; /* with the VLAN tag that it may have got */
	return sent;
}

/* Put one packet into the ring. False: there is no room now; else it is the device's, or was
 * dropped and counted. */
ALWAYS_INLINE bool vnet_tx_one(struct vnet_txq *q, struct virtqueue *vq, struct mbuf *m,
                               struct vnet_tx_sum *sum, const unsigned path)
{
	const uint32_t len = m->pkt_len;

	if (unlikely(m->nb_segs != 1 || len > q->frame_max || q->odd))
		return vnet_tx_odd(q, vq, m, sum, path);
	if (unlikely(!vq->free_cnt))
		return false;

	const struct vq_buf buf = {mbuf_data_iova(m) - q->hdr_len, len + q->hdr_len};

	vnet_hdr_clear(m);
	vq_add(vq, &buf, 1, m, path & VNET_RING);
	sum->packets++;
	sum->bytes += len;
	return true;
}

/* Show the device what the burst has put into the ring, at least one packet. */
ALWAYS_INLINE void vnet_tx_end(struct vnet_txq *q, struct virtqueue *vq,
                               const struct vnet_tx_sum *sum, const unsigned path)
{
	vq_publish(vq, path & VNET_RING);
	virtqueue_save(&q->vq, vq, path & VNET_RING);
	q->stats.packets += sum->packets;
	q->stats.bytes += sum->bytes;
	if (vq_need_kick(&q->vq, path & VNET_RING))
		virtqueue_notify(&q->vq);
}

/** vnet_tx_burst() - netdev_tx_burst() for a path (virtio 5.1.9.2) */
ALWAYS_INLINE uint16_t vnet_tx_burst(struct vnet_txq *q, struct mbuf **pkts, uint16_t n,
                                     const unsigned path)
{
	if (q->vq.free_cnt < q->reclaim_at || q->vq.free_cnt < n)
		vnet_tx_reclaim(q, path);
	if (unlikely(q->vq.broken))
		return 0;

	struct virtqueue vq = q->vq;
	struct vnet_tx_sum sum = {.packets = 0};
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (!vnet_tx_one(q, &vq, pkts[i], &sum, path))
			break;
	}
	if (likely(sum.packets))
		vnet_tx_end(q, &vq, &sum, path);
	return i;
}

#endif
