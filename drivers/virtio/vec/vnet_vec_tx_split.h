/*
 * The vector transmit body of split rings without IN_ORDER, DPDK's "simple Tx"; see vnet_vec_tx.h.
 * Its free ids are a queue as in vnet_vec_rx.h, so every packet takes one descriptor: what has
 * more segments than one needs an indirect table, and cannot be sent without.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_TX_SPLIT_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_TX_SPLIT_H

#include "drivers/virtio/vec/vec_split.h"
#include "drivers/virtio/vec/vnet_vec_tx.h"

/* Take back and free the next eight sent packets. The length reported means nothing here. */
ALWAYS_INLINE bool vec_tx_split_batch_used(struct virtqueue *vq)
{
	const struct vec_used used = vec_split_used_load(vq, 0);
	struct mbuf *m[VEC_BATCH];

	if (virtqueue_lie(!vec_used_within(used, vq->nentries - 1u, UINT32_MAX)) ||
	    virtqueue_lie(!vec_split_take(vq, used, m)))
		return false;
	vec_split_taken(vq);
	vec_tx_free(m);
	return true;
}

/* Free what the device has sent (virtio 2.7.14). */
ALWAYS_INLINE void vec_tx_split_reclaim(struct vnet_txq *q)
{
	struct virtqueue vq = q->vq;
	struct vq_used used;

	vq_used_prefetch(&vq, 0);
	vq_split_used_refresh(&vq);
	for (;;) {
		if (vec_split_used_ready(&vq) && vec_tx_split_batch_used(&vq))
			continue;

		const uint16_t from = vq.used_cons_idx;

		if (!vq_split_used_pop(&vq, &used, 0))
			break;
		vec_split_popped(&vq, from);
		mbuf_free(used.cookie);
	}
	virtqueue_save(&q->vq, &vq, 0);
}

/* A packet alone: in one descriptor, or in one with a table. False: no room now. */
ALWAYS_INLINE bool vec_tx_split_one(struct vnet_txq *q, struct virtqueue *vq, struct mbuf *m,
                                    struct vnet_tx_sum *sum)
{
	if (unlikely(!vq->free_cnt))
		return false;
	vec_split_next(vq);
	if (unlikely(m->nb_segs != 1 && !vq->indirect)) {
		q->stats.errors++;
		mbuf_free(m);
		return true;
	}
	return vnet_tx_one(q, vq, m, sum, 0);
}

/** vnet_vec_tx_split() - netdev_tx_burst() for a split ring, its ids in a queue */
ALWAYS_INLINE uint16_t vnet_vec_tx_split(struct vnet_txq *q, struct mbuf **pkts, uint16_t n)
{
	if (q->vq.free_cnt < q->reclaim_at || q->vq.free_cnt < n)
		vec_tx_split_reclaim(q);
	if (unlikely(q->vq.broken))
		return 0;

	struct virtqueue vq = q->vq;
	struct vnet_tx_sum sum = {.packets = 0};
	uint16_t i = 0;

	while (i < n) {
		if (n - i >= VEC_BATCH && vec_split_room(&vq) &&
		    vec_tx_plain(&pkts[i], VEC_TX_FLAGS, q->frame_max)) {
			vec_hdr_clear(&pkts[i]);
			sum.packets += VEC_BATCH;
			sum.bytes +=
			    vec_split_send(&vq, vec_split_free_ids(&vq), &pkts[i], q->hdr_len);
			vec_split_added(&vq);
			i = (uint16_t)(i + VEC_BATCH);
			continue;
		}
		if (!vec_tx_split_one(q, &vq, pkts[i], &sum))
			break;
		i++;
	}
	if (likely(sum.packets))
		vnet_tx_end(q, &vq, &sum, 0);
	return i;
}

#endif
