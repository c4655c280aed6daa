/*
 * What the vector bodies do to a packed ring in batches, receiving and sending alike: the verbs of
 * vq_packed.h for VEC_BATCH buffers of one descriptor each that lie in a row, in the ring and by
 * their ids.
 */
#ifndef DRIVERS_VIRTIO_VEC_VEC_PACKED_H
#define DRIVERS_VIRTIO_VEC_VEC_PACKED_H

#include "drivers/virtio/vec/vec_batch.h"
#include "drivers/virtio/vq_packed.h"

/* Room for a batch, without a wrap of positions or ids? */
ALWAYS_INLINE bool vec_packed_room(const struct virtqueue *vq)
{
	return vq->free_cnt >= VEC_BATCH && vq->packed.avail_pos + VEC_BATCH <= vq->nentries &&
	       vq->desc_head + VEC_BATCH <= vq->nentries;
}

/* Length, id and flags of the next descriptor. */
ALWAYS_INLINE uint64_t vec_packed_meta(const struct virtqueue *vq, uint32_t len, uint16_t flags)
{
	return len | (uint64_t)vq->desc_head << VEC_META_ID_SHIFT |
	       (uint64_t)(vq->packed.avail_flags | flags) << VEC_META_FLAGS_SHIFT;
}

/* How to hide the next descriptor if it is the burst's first: AVAIL turned round makes of the flags
 * those that the device left there, until vq_packed_publish() stores these. */
ALWAYS_INLINE uint64_t vec_packed_hide(struct virtqueue *vq, uint16_t flags)
{
	struct vq_packed *r = &vq->packed;

	if (r->avail_pos != r->publish_pos)
		return 0;
	r->publish_flags = r->avail_flags | flags;
	return (uint64_t)VQ_PACKED_AVAIL << VEC_META_FLAGS_SHIFT;
}

/* A batch of descriptors was written: remember whose they are. */
ALWAYS_INLINE void vec_packed_added(struct virtqueue *vq, struct mbuf *const *m)
{
	struct vq_packed *r = &vq->packed;

	vec_slots_set(&vq->slot[vq->desc_head], m);
	vq->desc_head = (uint16_t)(vq->desc_head + VEC_BATCH);
	vq->free_cnt = (uint16_t)(vq->free_cnt - VEC_BATCH);
	r->avail_pos = (uint16_t)(r->avail_pos + VEC_BATCH);
	if (unlikely(vq->desc_head == vq->nentries))
		vq->desc_head = 0;
	if (unlikely(r->avail_pos == vq->nentries)) {
		r->avail_pos = 0;
		r->avail_flags ^= VQ_PACKED_AVAIL | VQ_PACKED_USED;
	}
}

/* Has the device used each of the next eight descriptors? They are with it, and do not wrap. The
 * queue is not broken. */
ALWAYS_INLINE bool vec_packed_used_ready(const struct virtqueue *vq)
{
	const struct vq_packed *r = &vq->packed;

	if (vq->batch_left || r->used_pos + VEC_BATCH > vq->nentries ||
	    vq->order_head + VEC_BATCH > vq->nentries ||
	    virtqueue_lie(vq->nentries - vq->free_cnt < VEC_BATCH) ||
	    !vec_packed_is_used(&r->desc[r->used_pos], r->used_flags))
		return false;
	/* acquire: eight flags before ids and lengths, which were not read with them (pair U) */
	atomic_thread_fence(memory_order_acquire);
	return true;
}

/* These, loaded once; ids from @id on are expected. */
ALWAYS_INLINE struct vec_used vec_packed_used_load(const struct virtqueue *vq, uint16_t id,
                                                   uint32_t hdr_len)
{
	const struct vec_used used =
	    vec_packed_used(&vq->packed.desc[vq->packed.used_pos], id, hdr_len);

	vec_loaded();
	return used;
}

/* A batch of buffers was taken back. */
ALWAYS_INLINE void vec_packed_used_skip(struct virtqueue *vq)
{
	struct vq_packed *r = &vq->packed;

	vq->free_cnt = (uint16_t)(vq->free_cnt + VEC_BATCH);
	vq->order_head = (uint16_t)(vq->order_head + VEC_BATCH);
	r->used_pos = (uint16_t)(r->used_pos + VEC_BATCH);
	if (unlikely(vq->order_head == vq->nentries))
		vq->order_head = 0;
	if (unlikely(r->used_pos == vq->nentries)) {
		r->used_pos = 0;
		r->used_flags ^= VQ_PACKED_AVAIL | VQ_PACKED_USED;
	}
}

#endif
