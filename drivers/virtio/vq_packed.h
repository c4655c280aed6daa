/*
 * The packed virtqueue by the same seven verbs (virtio 2.8). One ring of descriptors that both
 * sides write; two flag bits, compared with a wrap counter, say whose a descriptor is.
 *
 *	+----+-----+----+-------+
 *	|addr| len | id | flags |	AVAIL = wrap, USED = !wrap	made available by us
 *	+----+-----+----+-------+	AVAIL = USED = wrap		used by the device
 *
 *	     used_pos      publish_pos     avail_pos
 *	        v               v              v
 *	| free  |  the device's |  added, not  | free ...
 *	|       |               |  published   |
 *
 * The device reads in ring order, so holding back one store hides a whole burst: add writes every
 * descriptor completely but for the flags of the burst's first one, and publish stores those.
 *
 * A ring may have any size, so positions wrap by comparison. Buffer ids come from a free list and
 * are not positions; with IN_ORDER they are handed out in turn, so that a batch completed by one
 * used descriptor can be counted off.
 */
#ifndef DRIVERS_VIRTIO_VQ_PACKED_H
#define DRIVERS_VIRTIO_VQ_PACKED_H

#include "drivers/virtio/virtqueue.h"
#include "kernel/atomic.h"

#define VQ_PACKED_AVAIL VRING_PACKED_DESC_F_AVAIL
#define VQ_PACKED_USED VRING_PACKED_DESC_F_USED

/* Sizes and offsets: the descriptor ring, then the driver's and the device's event areas. */
struct vq_packed_layout {
	size_t driver_event, device_event, bytes;
};

/**
 * vq_packed_layout() - sizes and offsets (virtio 2.8.10.1)
 * @nentries: 1..VRING_SIZE_MAX, any number
 */
struct vq_packed_layout vq_packed_layout(uint16_t nentries);

/** vq_packed_init() - start with an empty ring; as vq_split_init() */
void vq_packed_init(struct virtqueue *vq, void *mem, const struct vq_packed_layout *layout);

/** vq_packed_intr_set() - ask for an interrupt at the next used buffer, or for none (virtio
 * 2.8.10) */
void vq_packed_intr_set(struct virtqueue *vq, bool on);

/** vq_packed_has_used() - as vq_split_has_used() */
bool vq_packed_has_used(const struct virtqueue *vq);

ALWAYS_INLINE uint16_t vq_packed_next_id(struct virtqueue *vq, uint16_t id, const unsigned ring)
{
	const uint16_t next = (uint16_t)(id + 1);

	if (!(ring & VQ_IN_ORDER))
		return vq->slot[id].next;
	return unlikely(next == vq->nentries) ? 0 : next;
}

/** vq_packed_add() - as vq_split_add(); all descriptors of a buffer carry its id (virtio 2.8.21) */
ALWAYS_INLINE void vq_packed_add(struct virtqueue *vq, const struct vq_buf *bufs, unsigned n,
                                 void *cookie, const unsigned how)
{
	struct vq_packed *r = &vq->packed;
	const uint16_t id = vq->desc_head;
	uint16_t pos = r->avail_pos;

	for (unsigned i = 0; i < n; i++) {
		struct vring_packed_desc *d = &r->desc[pos];
		const uint16_t f = (uint16_t)(r->avail_flags | (how & VQ_DESC_FLAGS) |
		                              (i + 1 < n ? VRING_DESC_F_NEXT : 0));

		d->addr = bufs[i].iova;
		d->len = bufs[i].len;
		d->id = id;
		if (pos == r->publish_pos)
			r->publish_flags = f; /* hides all that follows */
		else
			d->flags = f;
		if (unlikely(++pos == vq->nentries)) {
			pos = 0;
			r->avail_flags ^= VQ_PACKED_AVAIL | VQ_PACKED_USED;
		}
	}
	r->avail_pos = pos;
	vq->desc_head = vq_packed_next_id(vq, id, how);
	vq->slot[id].cookie = cookie;
	if (!(how & VQ_ONE))
		vq->slot[id].nb_desc = (uint16_t)n;
	vq->free_cnt = (uint16_t)(vq->free_cnt - n);
}

/** vq_packed_publish() - make everything added visible; something was added (virtio 2.8.21.1) */
ALWAYS_INLINE void vq_packed_publish(struct virtqueue *vq)
{
	struct vq_packed *r = &vq->packed;

	/* release: all descriptors of the burst before the flags of its first (pair A) */
	ring_store_release(&r->desc[r->publish_pos].flags, r->publish_flags);
	r->publish_pos = r->avail_pos;
}

/**
 * vq_packed_need_kick() - does the device want a notification for what was published since the
 * last call, at least one buffer? (virtio 2.8.21.2)
 */
bool vq_packed_need_kick(struct virtqueue *vq);

/* The id of the next used buffer in ring order, which is the last of a batch with IN_ORDER. */
ALWAYS_INLINE bool vq_packed_used_peek(struct virtqueue *vq, uint16_t *id, uint32_t *len)
{
	const struct vring_packed_desc *d = &vq->packed.desc[vq->packed.used_pos];
	/* acquire: flags before id and length (pair U) */
	const uint16_t flags = ring_load_acquire(&d->flags);

	if ((flags & (VQ_PACKED_AVAIL | VQ_PACKED_USED)) != vq->packed.used_flags)
		return false;
	/* once: what was checked is what is used */
	*id = ring_load_relaxed(&d->id);
	*len = ring_load_relaxed(&d->len);
	if (virtqueue_lie(*id >= vq->nentries || !vq->slot[*id].cookie)) {
		virtqueue_break(vq, "used id that is not with the device");
		return false;
	}
	return true;
}

/* How many buffers become used before the one of @last, which is outstanding. */
ALWAYS_INLINE uint16_t vq_packed_ahead(const struct virtqueue *vq, uint16_t last)
{
	const int ahead = last - vq->order_head;

	return (uint16_t)(ahead >= 0 ? ahead : ahead + vq->nentries);
}

/* The oldest buffer, which a descriptor of its own or of its batch's last one completes. */
ALWAYS_INLINE bool vq_packed_used_in_order(struct virtqueue *vq, uint16_t *id, uint32_t *len)
{
	if (vq->batch_left) {
		*len = --vq->batch_left ? vq->full_len : vq->batch_len;
	} else if (!vq_packed_used_peek(vq, id, len)) {
		return false;
	} else if (unlikely(*id != vq->order_head)) {
		vq->batch_left = vq_packed_ahead(vq, *id);
		vq->batch_len = *len;
		*len = vq->full_len;
	}
	*id = vq->order_head;
	vq->order_head = vq_packed_next_id(vq, *id, VQ_IN_ORDER);
	return true;
}

/** vq_packed_used_pop() - as vq_split_used_pop() (virtio 2.8.22). With IN_ORDER a batch comes out
 * one by one; buffers without a descriptor of their own were used completely (virtio 2.8.8) */
ALWAYS_INLINE bool vq_packed_used_pop(struct virtqueue *vq, struct vq_used *out,
                                      const unsigned ring)
{
	struct vq_packed *r = &vq->packed;
	uint16_t id;

	if (ring & VQ_IN_ORDER) {
		if (!vq_packed_used_in_order(vq, &id, &out->len))
			return false;
	} else if (!vq_packed_used_peek(vq, &id, &out->len)) {
		return false;
	}

	struct vq_slot *slot = &vq->slot[id];
	const uint16_t nb_desc = ring & VQ_ONE ? 1 : slot->nb_desc;

	out->cookie = slot->cookie;
	slot->cookie = NULL;
	if (!(ring & VQ_IN_ORDER)) {
		slot->next = vq->desc_head;
		vq->desc_head = id;
	}
	vq->free_cnt = (uint16_t)(vq->free_cnt + nb_desc);
	r->used_pos = (uint16_t)(r->used_pos + nb_desc);
	if (unlikely(r->used_pos >= vq->nentries)) {
		r->used_pos = (uint16_t)(r->used_pos - vq->nentries);
		r->used_flags ^= VQ_PACKED_AVAIL | VQ_PACKED_USED;
	}
	return true;
}

#endif
