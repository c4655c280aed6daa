/*
 * What the vector bodies do to a split ring in batches, receiving and sending alike. Every buffer
 * takes one descriptor, so the ids of the free ones form a queue as long as the ring, and
 * used_cons_idx and avail_idx are its two ends:
 *
 *	vq->ids[]	|  with the device  |  free ids, in the order  |
 *			|  (out of date)    |  of their coming back    |
 *			^ used_cons_idx     ^ avail_idx                ^ used_cons_idx, a lap on
 *
 * A batch of used ids is stored there as it is, and copied to the available ring as it is. With a
 * device that keeps the order, id and position stay the same for ever; any other is served as
 * quickly. The scalar verbs have a list of free ids instead: they are given the next id at the
 * head of that list, and leave the id that came back there.
 */
#ifndef DRIVERS_VIRTIO_VEC_VEC_SPLIT_H
#define DRIVERS_VIRTIO_VEC_VEC_SPLIT_H

#include "drivers/virtio/vec/vec_batch.h"
#include "drivers/virtio/vq_split.h"

ALWAYS_INLINE unsigned vec_split_used_pos(const struct virtqueue *vq)
{
	return vq->used_cons_idx & (vq->nentries - 1u);
}

/* The ids of the next buffers to make available. */
ALWAYS_INLINE const uint16_t *vec_split_free_ids(const struct virtqueue *vq)
{
	return &vq->ids[vq->avail_idx & (vq->nentries - 1u)];
}

/* ---- making available --------------------------------------------------------------------- */

/* Room for a batch, without a wrap? */
ALWAYS_INLINE bool vec_split_room(const struct virtqueue *vq)
{
	return vq->free_cnt >= VEC_BATCH &&
	       (vq->avail_idx & (vq->nentries - 1u)) + VEC_BATCH <= vq->nentries;
}

/* The descriptors of a batch were written: make them available. */
ALWAYS_INLINE void vec_split_added(struct virtqueue *vq)
{
	const uint16_t *ids = vec_split_free_ids(vq);

	__builtin_memcpy(&vq->split.avail->ring[ids - vq->ids], ids, sizeof(*ids) * VEC_BATCH);
	vq->avail_idx = (uint16_t)(vq->avail_idx + VEC_BATCH);
	vq->free_cnt = (uint16_t)(vq->free_cnt - VEC_BATCH);
}

/* Before a buffer is added by vq_split_add(). */
ALWAYS_INLINE void vec_split_next(struct virtqueue *vq)
{
	vq->desc_head = *vec_split_free_ids(vq);
}

/* ---- taking back -------------------------------------------------------------------------- */

/* Are eight used elements known that do not wrap? */
ALWAYS_INLINE bool vec_split_used_ready(const struct virtqueue *vq)
{
	return (uint16_t)(vq->used_idx_shadow - vq->used_cons_idx) >= VEC_BATCH &&
	       vec_split_used_pos(vq) + VEC_BATCH <= vq->nentries;
}

/* Take the cookies of eight ids. False: one id is not with the device, or there twice; then
 * nothing has changed. */
ALWAYS_INLINE bool vec_split_cookies(struct vq_slot *slot, const uint16_t *ids, struct mbuf **m)
{
	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct vq_slot *own = &slot[ids[i]];

		m[i] = own->cookie;
		own->cookie = NULL;
	}
	if (likely(!vec_any_null(m)))
		return true;
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		if (m[i])
			slot[ids[i]].cookie = m[i];
	}
	return false;
}

/* Take back the eight buffers of @used, their ids below nentries. False: as above. */
ALWAYS_INLINE bool vec_split_take(struct virtqueue *vq, struct vec_used used, struct mbuf **m)
{
	uint16_t *ids = &vq->ids[vec_split_used_pos(vq)];

	vec_used_ids(ids, used);
	if (unlikely(!vec_split_cookies(vq->slot, ids, m)))
		return false;
	vq->used_cons_idx = (uint16_t)(vq->used_cons_idx + VEC_BATCH);
	vq->free_cnt = (uint16_t)(vq->free_cnt + VEC_BATCH);
	return true;
}

/* One buffer by the scalar verb. */
ALWAYS_INLINE bool vec_split_pop(struct virtqueue *vq, struct vq_used *out)
{
	uint16_t *id = &vq->ids[vec_split_used_pos(vq)];

	if (!vq_split_used_pop(vq, out, 0))
		return false;
	*id = vq->desc_head;
	return true;
}

#endif
