/*
 * The vector transmit body of packed rings with IN_ORDER; see vnet_vec_tx.h.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_TX_PACKED_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_TX_PACKED_H

#include "drivers/virtio/vec/vec_packed.h"
#include "drivers/virtio/vec/vnet_vec_tx.h"

#define VEC_TX_PATH (VNET_PACKED | VNET_IN_ORDER)

/* Are eight buffers or more left of a batch that the device completed by its last one? */
ALWAYS_INLINE bool vec_tx_in_batch(const struct virtqueue *vq)
{
	return vq->batch_left >= VEC_BATCH && vq->order_head + VEC_BATCH <= vq->nentries &&
	       vq->packed.used_pos + VEC_BATCH <= vq->nentries;
}

/* Take back and free the next eight buffers, which the device has used. False: they are not all
 * of one descriptor; nothing has changed. */
ALWAYS_INLINE bool vec_tx_packed_free(struct virtqueue *vq)
{
	struct vq_slot *slot = &vq->slot[vq->order_head];
	struct mbuf *m[VEC_BATCH];

	if (unlikely(!vec_slots_get(m, slot)))
		return false;
	vec_slots_clear(slot);
	if (vq->batch_left)
		vq->batch_left = (uint16_t)(vq->batch_left - VEC_BATCH);
	vec_packed_used_skip(vq);
	vec_tx_free(m);
	return true;
}

/* Eight descriptors that the device used one by one. The length it reports means nothing here. */
ALWAYS_INLINE bool vec_tx_packed_used(const struct virtqueue *vq)
{
	if (!vec_packed_used_ready(vq))
		return false;
	return !virtqueue_lie(
	    !vec_used_within(vec_packed_used_load(vq, vq->order_head, 0), 0, UINT32_MAX));
}

/* Free what the device has sent (virtio 2.8.22). */
ALWAYS_INLINE void vec_tx_packed_reclaim(struct vnet_txq *q)
{
	struct virtqueue vq = q->vq;
	unsigned alone = 0; /* packets to take one by one before the next try */
	struct vq_used used;

	while (likely(!vq.broken)) {
		if ((vec_tx_in_batch(&vq) || (!alone && vec_tx_packed_used(&vq))) &&
		    vec_tx_packed_free(&vq))
			continue;
		if (!vq_packed_used_pop(&vq, &used, VQ_IN_ORDER))
			break;
		mbuf_free(used.cookie);
		alone = alone ? alone - 1 : VEC_BATCH - 1;
	}
	virtqueue_save(&q->vq, &vq, VEC_TX_PATH);
}

/* Put eight packets into the ring. */
ALWAYS_INLINE void vec_tx_packed_batch(const struct vnet_txq *q, struct virtqueue *vq,
                                       struct mbuf *const *m, struct vnet_tx_sum *sum)
{
	const uint64_t meta = vec_packed_meta(vq, q->hdr_len, 0);

	vec_hdr_clear(m);
	sum->packets += VEC_BATCH;
	sum->bytes += vec_packed_send(&vq->packed.desc[vq->packed.avail_pos], m, q->hdr_len, meta,
	                              vec_packed_hide(vq, 0));
	vec_packed_added(vq, m);
}

/** vnet_vec_tx_packed() - netdev_tx_burst() for a packed ring with IN_ORDER */
ALWAYS_INLINE uint16_t vnet_vec_tx_packed(struct vnet_txq *q, struct mbuf **pkts, uint16_t n)
{
	if (q->vq.free_cnt < q->reclaim_at || q->vq.free_cnt < n)
		vec_tx_packed_reclaim(q);
	if (unlikely(q->vq.broken))
		return 0;

	struct virtqueue vq = q->vq;
	struct vnet_tx_sum sum = {.packets = 0};
	uint16_t i = 0;

	while (i < n) {
		if (n - i >= VEC_BATCH && vec_packed_room(&vq) &&
		    vec_tx_plain(&pkts[i], VEC_TX_FLAGS, q->frame_max)) {
			vec_tx_packed_batch(q, &vq, &pkts[i], &sum);
			i = (uint16_t)(i + VEC_BATCH);
			continue;
		}
		if (!vnet_tx_one(q, &vq, pkts[i], &sum, VEC_TX_PATH))
			break;
		i++;
	}
	if (likely(sum.packets))
		vnet_tx_end(q, &vq, &sum, VEC_TX_PATH);
	return i;
}

#endif
