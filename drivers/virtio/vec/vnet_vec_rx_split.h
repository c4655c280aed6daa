/*
 * The vector receive body of split rings without IN_ORDER; see vnet_vec_rx.h, and vec_split.h for
 * how ids are kept.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_RX_SPLIT_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_RX_SPLIT_H

#include "drivers/virtio/vec/vec_split.h"
#include "drivers/virtio/vec/vnet_vec_rx.h"

/* The next eight used elements. False: they need a closer look. */
ALWAYS_INLINE bool vec_rx_split_batch(const struct vnet_rxq *q, struct virtqueue *vq,
                                      struct vec_rx *rx, const unsigned path)
{
	struct mbuf **m = &rx->pkts[rx->done];
	const struct vec_used used = vec_split_used_load(vq, q->hdr_len);

	if (virtqueue_lie(!vec_used_within(used, vq->nentries - 1u, q->data_room)) ||
	    virtqueue_lie(!vec_split_take(vq, used, m)))
		return false;
	if ((path & VNET_MRG) && !vec_one_buffer_each(m, q->hdr_len)) {
		vec_split_untake(vq, m);
		return false;
	}
	vec_split_taken(vq);
	vec_rx_mbufs(m, used, vec_rearm(q->port, q->data_room));
	rx->bytes += vec_used_bytes(used);
	rx->done = (uint16_t)(rx->done + VEC_BATCH);
	return true;
}

/* Hand @n buffers from the top of the pool to the device. */
ALWAYS_INLINE void vec_rx_split_add(struct vnet_rxq *q, unsigned n)
{
	struct mbuf *const *fresh = mempool_take(q->pool, n);
	const uint64_t offset = NETDEV_HEADROOM - (uint64_t)q->hdr_len;
	const uint32_t len = q->buf_bytes;
	struct virtqueue vq = q->vq;
	unsigned i = 0;

	while (i < n) {
		if (likely(n - i >= VEC_BATCH && vec_split_room(&vq))) {
			vec_split_post(&vq, vec_split_free_ids(&vq), &fresh[i], offset, len);
			vec_split_added(&vq);
			i += VEC_BATCH;
		} else {
			const struct vq_buf buf = {fresh[i]->iova + offset, len};

			vec_split_next(&vq);
			vq_split_add(&vq, &buf, 1, fresh[i], VRING_DESC_F_WRITE);
			i++;
		}
	}
	vq_split_publish(&vq);
	virtqueue_save(&q->vq, &vq, 0);
}

/* Once a burst a call costs little, and mergeable or not is the same here. */
static NOINLINE void vec_rx_split_refill(struct vnet_rxq *q)
{
	const unsigned n = vec_rx_refill_count(q);

	if (!n)
		return;
	vec_rx_split_add(q, n);
	if (vq_split_need_kick(&q->vq))
		virtqueue_notify(&q->vq);
}

/** vnet_vec_rx_split() - netdev_rx_burst() for a split ring, VNET_MRG in @path or not; with @n == 0
 * it only fills the ring */
ALWAYS_INLINE uint16_t vnet_vec_rx_split(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n,
                                         const unsigned path)
{
	struct vec_rx rx = {.pkts = pkts};
	struct virtqueue vq = q->vq;
	unsigned alone = 0; /* packets to take one by one before the next try */
	struct vq_used used;

	if ((uint16_t)(vq.used_idx_shadow - vq.used_cons_idx) < n)
		vq_split_used_refresh(&vq);
	while (rx.done < n) {
		if (!alone && n - rx.done >= VEC_BATCH && vec_split_used_ready(&vq)) {
			if (vec_rx_split_batch(q, &vq, &rx, path))
				continue;
			alone = VEC_BATCH;
		}

		const uint16_t from = vq.used_cons_idx;

		if (!vq_split_used_pop(&vq, &used, 0))
			break;
		vec_rx_one(q, &vq, &rx, &used, path);
		vec_split_popped(&vq, from);
		alone -= alone > 0;
	}
	virtqueue_save(&q->vq, &vq, 0);
	if (vec_rx_refill_due(q))
		vec_rx_split_refill(q);
	return vec_rx_end(q, &rx);
}

#endif
