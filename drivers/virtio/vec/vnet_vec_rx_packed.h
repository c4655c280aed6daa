/*
 * The vector receive body of packed rings; vnet_vec_rx.h tells how both go about it.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_RX_PACKED_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_RX_PACKED_H

#include "drivers/virtio/vec/vec_packed.h"
#include "drivers/virtio/vec/vnet_vec_rx.h"

/* The eight descriptors from used_pos on. False: they are not all used, or need a closer look. */
ALWAYS_INLINE bool vec_rx_packed_batch(const struct vnet_rxq *q, struct virtqueue *vq,
                                       struct vec_rx *rx, const unsigned path)
{
	const uint16_t pos = vq->packed.used_pos;
	struct mbuf **m = &rx->pkts[rx->done];

	if (!vec_packed_used_ready(vq))
		return false;

	const struct vec_used used = vec_packed_used_load(vq, pos, q->hdr_len);

	if (virtqueue_lie(!vec_used_within(used, 0, q->data_room)))
		return false;
	vec_slots_get(m, &vq->slot[pos]);
	if ((path & VNET_MRG) && !vec_one_buffer_each(m, q->hdr_len))
		return false;
	vec_slots_clear(&vq->slot[pos]);
	vec_packed_used_skip(vq);

	vec_rx_mbufs(m, used, vec_rearm(q->port, q->data_room));
	rx->bytes += vec_used_bytes(used);
	rx->done = (uint16_t)(rx->done + VEC_BATCH);
	return true;
}

/* Hand @n buffers from the top of the pool to the device. */
ALWAYS_INLINE void vec_rx_packed_add(struct vnet_rxq *q, unsigned n)
{
	struct mbuf *const *fresh = mempool_take(q->pool, n);
	const uint64_t offset = NETDEV_HEADROOM - (uint64_t)q->hdr_len;
	const uint32_t len = q->buf_bytes;
	struct virtqueue vq = q->vq;
	unsigned i = 0;

	while (i < n) {
		if (likely(n - i >= VEC_BATCH && vec_packed_room(&vq))) {
			const uint64_t meta = vec_packed_meta(&vq, len, VRING_DESC_F_WRITE);

			vec_packed_post(&vq.packed.desc[vq.packed.avail_pos], &fresh[i], offset,
			                meta, vec_packed_hide(&vq, VRING_DESC_F_WRITE));
			vec_packed_added(&vq, &fresh[i]);
			i += VEC_BATCH;
		} else {
			const struct vq_buf buf = {fresh[i]->iova + offset, len};

			vq_packed_add(&vq, &buf, 1, fresh[i], VRING_DESC_F_WRITE | VQ_IN_ORDER);
			i++;
		}
	}
	vq_packed_publish(&vq);
	virtqueue_save(&q->vq, &vq, VQ_PACKED | VQ_IN_ORDER);
}

/* Once a burst a call costs little, and mergeable or not is the same here. */
static NOINLINE void vec_rx_packed_refill(struct vnet_rxq *q)
{
	const unsigned n = vec_rx_refill_count(q);

	if (!n)
		return;
	vec_rx_packed_add(q, n);
	if (vq_packed_need_kick(&q->vq))
		virtqueue_notify(&q->vq);
}

/** vnet_vec_rx_packed() - netdev_rx_burst() for a packed ring with IN_ORDER, VNET_MRG in @path or
 * not; with @n == 0 it only fills the ring */
ALWAYS_INLINE uint16_t vnet_vec_rx_packed(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n,
                                          const unsigned path)
{
	struct vec_rx rx = {.pkts = pkts};
	struct virtqueue vq = q->vq;
	unsigned alone = 0; /* packets to take one by one before the next try */

	while (rx.done < n && likely(!vq.broken)) {
		struct vq_used used;

		if (!alone && n - rx.done >= VEC_BATCH && vec_rx_packed_batch(q, &vq, &rx, path))
			continue;
		if (!vq_packed_used_pop(&vq, &used, VQ_IN_ORDER))
			break;
		vec_rx_one(q, &vq, &rx, &used, VNET_PACKED | VNET_IN_ORDER | path);
		alone = alone ? alone - 1 : VEC_BATCH - 1;
	}
	virtqueue_save(&q->vq, &vq, VQ_PACKED | VQ_IN_ORDER);
	if (vec_rx_refill_due(q))
		vec_rx_packed_refill(q);
	return vec_rx_end(q, &rx);
}

#endif
