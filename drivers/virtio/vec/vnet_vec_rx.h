/*
 * What the vector receive bodies share. They are made for the primitives that were included before:
 * VEC_BATCH packets at a time, checked together; whatever is not a whole batch that the device
 * described well (the tail of a burst, the end of the ring, a batch that an in-order device
 * completed by one descriptor, a packet of several buffers, a lie) goes packet by packet through
 * the scalar verbs and vnet_rx_packet(), which also name what was wrong.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_RX_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_RX_H

#include "drivers/virtio/vec/vec_batch.h"
#include "drivers/virtio/vnet_rx.h"

/* What one burst has collected. */
struct vec_rx {
	struct mbuf **pkts;
	uint16_t done;
	uint64_t bytes;
};

/* One packet as the scalar path takes it, and all its buffers. */
ALWAYS_INLINE void vec_rx_one(struct vnet_rxq *q, struct virtqueue *vq, struct vec_rx *rx,
                              const struct vq_used *used, const unsigned path)
{
	struct vnet_rx_source src = {.vq = vq};
	struct mbuf *m = used->cookie;

	if (unlikely(!vnet_rx_packet(q, &src, used, path))) {
		q->stats.errors++;
		mbuf_free(m);
		return;
	}
	cpu_prefetch(mbuf_data(m));
	rx->bytes += m->pkt_len;
	rx->pkts[rx->done++] = m;
}

ALWAYS_INLINE uint16_t vec_rx_end(struct vnet_rxq *q, struct vec_rx *rx)
{
	if (unlikely(q->offloads))
		rx->done = vnet_rx_offloads(q, rx->pkts, rx->done, &rx->bytes);
	q->stats.packets += rx->done;
	q->stats.bytes += rx->bytes;
	return rx->done;
}

ALWAYS_INLINE bool vec_rx_refill_due(const struct vnet_rxq *q)
{
	return q->vq.free_cnt >= q->refill_at && likely(!q->vq.broken);
}

/* Buffers to refill with; a shortage of them is counted once. */
ALWAYS_INLINE unsigned vec_rx_refill_count(struct vnet_rxq *q)
{
	unsigned n = (unsigned)(q->vq.free_cnt - q->keep_free);

	const bool starved = n > q->pool->n;

	q->stats.nombuf += starved && !q->starved;
	q->starved = starved;
	if (unlikely(starved))
		n = q->pool->n;
	return n;
}

#endif
