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
 * head of that list, and leave the ids that came back there.
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

/* These, loaded once. */
ALWAYS_INLINE struct vec_used vec_split_used_load(const struct virtqueue *vq, uint32_t hdr_len)
{
	const struct vec_used used =
	    vec_split_used(&vq->split.used->ring[vec_split_used_pos(vq)], hdr_len);

	vec_loaded();
	return used;
}

/* What vec_split_take() took is still with the device. */
ALWAYS_INLINE void vec_split_untake(const struct virtqueue *vq, struct mbuf *const *m)
{
	const uint16_t *ids = &vq->ids[vec_split_used_pos(vq)];

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		if (m[i])
			vq->slot[ids[i]].cookie = m[i];
	}
}

/* Take the cookies of the eight buffers of @used, their ids below nentries. False: one id is not
 * with the device, or there twice; then nothing has changed. */
ALWAYS_INLINE bool vec_split_take(const struct virtqueue *vq, struct vec_used used, struct mbuf **m)
{
	uint16_t *ids = &vq->ids[vec_split_used_pos(vq)];
	uint64_t below = 0; /* sets the highest bit when one is NULL: no pointer has it */

	vec_used_ids(ids, used);
	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct vq_slot *slot = &vq->slot[ids[i]];
		struct mbuf *own = slot->cookie;

		slot->cookie = NULL;
		m[i] = own;
		below |= (uintptr_t)own - 1u;
	}
	if (likely(!(below >> 63)))
		return true;
	vec_split_untake(vq, m);
	return false;
}

/* And they stay taken. */
ALWAYS_INLINE void vec_split_taken(struct virtqueue *vq)
{
	vq->used_cons_idx = (uint16_t)(vq->used_cons_idx + VEC_BATCH);
	vq->free_cnt = (uint16_t)(vq->free_cnt + VEC_BATCH);
}

/* Scalar verbs have taken back what was used since used_cons_idx was @from: the last of it is at
 * the head of their list. */
ALWAYS_INLINE void vec_split_popped(struct virtqueue *vq, uint16_t from)
{
	uint16_t id = vq->desc_head;

	for (uint16_t idx = vq->used_cons_idx; idx != from; id = vq->slot[id].next) {
		idx--;
		vq->ids[idx & (vq->nentries - 1u)] = id;
	}
}

#endif
