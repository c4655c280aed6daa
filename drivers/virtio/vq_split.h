/*
 * The split virtqueue by seven verbs (virtio 2.7): layout and init set it up, add and publish hand
 * buffers to the device, need_kick asks whether it wants to be told, used_pop takes buffers back,
 * intr_set asks for interrupts or does without.
 *
 *	 descriptor table        available ring            used ring
 *	 (ours)                  (ours)                    (the device's)
 *	 +----+-----+---+----+   +-------+-----+------+    +-------+-----+---------+
 *	 |addr| len |flg|next|   | flags | idx | id.. |    | flags | idx | id,len..|
 *	 +----+-----+---+----+   +-------+-----+------+    +-------+-----+---------+
 *	        ^                    ^ pair A: stored last     ^ pair U: loaded first
 *	        | id
 *	 slot[id]: cookie, chain length, free list; private, never read back from the ring
 *
 * The verbs are inline because they are the inner loop; what is cold is in vq_split.c.
 */
#ifndef DRIVERS_VIRTIO_VQ_SPLIT_H
#define DRIVERS_VIRTIO_VQ_SPLIT_H

#include "drivers/virtio/virtqueue.h"
#include "kernel/atomic.h"

/* Where the three parts lie in one piece of memory. */
struct vq_split_layout {
	size_t avail, used, bytes;
};

/**
 * vq_split_layout() - sizes and offsets (virtio 2.7, and 2.7.2 for the legacy alignment)
 * @nentries: power of two, 1..VRING_SIZE_MAX
 * @align:    of the used ring: CACHE_LINE, or VIRTIO_LEGACY_RING_ALIGN
 */
struct vq_split_layout vq_split_layout(uint16_t nentries, size_t align);

/**
 * vq_split_init() - start with an empty ring
 * @vq:  nentries, event_idx and slot are set
 * @mem: zeroed or used before, at least layout.bytes, aligned to @align
 *
 * Interrupts are off. Buffers that a former life of the ring held must have been taken out.
 */
void vq_split_init(struct virtqueue *vq, void *mem, const struct vq_split_layout *layout);

/** vq_split_intr_set() - ask for an interrupt at the next used buffer, or for none (virtio 2.7.7).
 * Without EVENT_IDX a hint; with it "off" means "not within the next 65535 buffers" */
void vq_split_intr_set(struct virtqueue *vq, bool on);

/** vq_split_has_used() - is there something for used_pop? Nothing is checked; false for a queue
 * that was given up */
bool vq_split_has_used(const struct virtqueue *vq);

/* The id that follows: with IN_ORDER in ring order (virtio 2.7.5), else from the free list. */
ALWAYS_INLINE uint16_t vq_split_next_id(const struct virtqueue *vq, uint16_t id,
                                        const unsigned ring)
{
	if (ring & VQ_IN_ORDER)
		return (uint16_t)((id + 1u) & (vq->nentries - 1u));
	return vq->slot[id].next;
}

/**
 * vq_split_add() - put a buffer into the ring, not yet visible to the device (virtio 2.7.13.1-2)
 * @bufs:   its pieces, @n of them, 1..free_cnt
 * @cookie: given back by used_pop; not NULL
 * @how:    the ring's kind, and VRING_DESC_F_WRITE for memory that the device writes
 */
ALWAYS_INLINE void vq_split_add(struct virtqueue *vq, const struct vq_buf *bufs, unsigned n,
                                void *cookie, const unsigned how)
{
	const uint16_t head = vq->desc_head;
	uint16_t id = head;

	for (unsigned i = 0; i < n; i++) {
		const uint16_t next = vq_split_next_id(vq, id, how);
		struct vring_desc *d = &vq->split.desc[id];

		d->addr = bufs[i].iova;
		d->len = bufs[i].len;
		d->flags = (uint16_t)((how & VQ_DESC_FLAGS) | (i + 1 < n ? VRING_DESC_F_NEXT : 0));
		d->next = next;
		id = next;
	}
	vq->slot[head].cookie = cookie;
	vq->slot[head].nb_desc = (uint16_t)n;
	vq->desc_head = id;
	vq->free_cnt = (uint16_t)(vq->free_cnt - n);
	vq->split.avail->ring[vq->avail_idx & (vq->nentries - 1)] = head;
	vq->avail_idx++;
}

/** vq_split_publish() - make everything added visible to the device (virtio 2.7.13.3) */
ALWAYS_INLINE void vq_split_publish(struct virtqueue *vq)
{
	/* release: descriptors and avail.ring[] before avail.idx (pair A) */
	ring_store_release(&vq->split.avail->idx, vq->avail_idx);
}

/** vq_split_need_kick() - does the device want a notification for what was published since the
 * last call? (virtio 2.7.13.4, 2.7.10) */
ALWAYS_INLINE bool vq_split_need_kick(struct virtqueue *vq)
{
	/* full: our avail.idx store before our load of the device's wish (pair K) */
	ring_fence_full();
	if (likely(vq->event_idx)) {
		uint16_t event_idx = ring_load_relaxed(vq->split.avail_event);
		uint16_t old_idx = vq->kick_idx;

		vq->kick_idx = vq->avail_idx;
		return (uint16_t)(vq->avail_idx - event_idx - 1) <
		       (uint16_t)(vq->avail_idx - old_idx);
	}
	return !(ring_load_relaxed(&vq->split.used->flags) & VRING_USED_F_NO_NOTIFY);
}

/* Reads the device's used index. False when there is nothing new, or when the index claims more
 * buffers than the device has. */
ALWAYS_INLINE bool vq_split_used_refresh(struct virtqueue *vq)
{
	if (unlikely(vq->broken))
		return false;
	/* acquire: pairs with the device's release of used.idx (pair U) */
	vq->used_idx_shadow = ring_load_acquire(&vq->split.used->idx);
	if (vq->used_idx_shadow == vq->used_cons_idx)
		return false;
	if (virtqueue_lie((uint16_t)(vq->used_idx_shadow - vq->used_cons_idx) >
	                  vq->nentries - vq->free_cnt)) {
		virtqueue_break(vq, "used index ahead of what was made available");
		return false;
	}
	return true;
}

/* The used entry at used_cons_idx. The id is checked here. */
ALWAYS_INLINE bool vq_split_used_peek(struct virtqueue *vq, uint16_t *id, uint32_t *len)
{
	if (vq->used_cons_idx == vq->used_idx_shadow && !vq_split_used_refresh(vq))
		return false;

	const struct vring_used_elem *e =
	    &vq->split.used->ring[vq->used_cons_idx & (vq->nentries - 1)];
	/* once: what was checked is what is used */
	const uint32_t used_id = ring_load_relaxed(&e->id);

	if (virtqueue_lie(used_id >= vq->nentries || !vq->slot[used_id].cookie)) {
		virtqueue_break(vq, "used id that is not with the device");
		return false;
	}
	*id = (uint16_t)used_id;
	*len = ring_load_relaxed(&e->len);
	return true;
}

/* The oldest buffer, which a used entry of its own or of its batch's last one completes. */
ALWAYS_INLINE bool vq_split_used_in_order(struct virtqueue *vq, uint16_t *id, uint32_t *len)
{
	if (!vq->batch_left) {
		if (!vq_split_used_peek(vq, &vq->batch_id, &vq->batch_len))
			return false;
	} else if (virtqueue_lie(vq->used_cons_idx == vq->used_idx_shadow)) {
		virtqueue_break(vq, "in-order batch longer than the used index says");
		return false;
	}
	*id = vq->order_head;
	vq->batch_left = *id != vq->batch_id;
	*len = vq->batch_left ? vq->full_len : vq->batch_len;
	return true;
}

/**
 * vq_split_used_pop() - take back one buffer that the device has used (virtio 2.7.14)
 *
 * The id is checked here: it must be one that the device was given and has not returned. The
 * length is not: only the consumer knows the buffer's capacity. With IN_ORDER a batch comes out
 * one by one; buffers without an entry of their own were used completely (virtio 2.7.9). False
 * when there is none, or when the device lied, with vq->broken set.
 */
ALWAYS_INLINE bool vq_split_used_pop(struct virtqueue *vq, struct vq_used *out, const unsigned ring)
{
	uint16_t id;

	if (ring & VQ_IN_ORDER) {
		if (!vq_split_used_in_order(vq, &id, &out->len))
			return false;
	} else if (!vq_split_used_peek(vq, &id, &out->len)) {
		return false;
	}

	struct vq_slot *slot = &vq->slot[id];

	out->cookie = slot->cookie;
	slot->cookie = NULL;
	if (ring & VQ_IN_ORDER) {
		vq->order_head = (uint16_t)((id + slot->nb_desc) & (vq->nentries - 1u));
	} else {
		/* the chain goes to the front of the free list as it is linked */
		struct vq_slot *tail = slot;

		for (unsigned i = 1; unlikely(i < slot->nb_desc); i++)
			tail = &vq->slot[tail->next];
		tail->next = vq->desc_head;
		vq->desc_head = id;
	}
	vq->free_cnt = (uint16_t)(vq->free_cnt + slot->nb_desc);
	vq->used_cons_idx++;
	return true;
}

#endif
