/*
 * A virtqueue: ring state only, it knows nothing of packets. The seven verbs that work on it are
 * in vq_split.h. Index discipline: _idx is a free-running 16-bit counter, _pos a position in a
 * ring, id a buffer id as the device knows it.
 *
 *	vq_split_add(vq, bufs, n, flags, cookie);  (for each buffer of the burst)
 *	vq_split_publish(vq);			   (once a burst)
 *	if (vq_split_need_kick(vq))		   (at most once a burst)
 *		virtqueue_notify(vq);
 *	while (vq_split_used_pop(vq, &used)) ...
 *
 * What the device says is checked in used_pop. A device that breaks the protocol sets @broken;
 * the queue is then left alone.
 */
#ifndef DRIVERS_VIRTIO_VIRTQUEUE_H
#define DRIVERS_VIRTIO_VIRTQUEUE_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"

#define VQ_SEGS_MAX 16 /* buffers in one chain */

/* One piece of memory handed to the device. */
struct vq_buf {
	uint64_t iova;
	uint32_t len;
};

/* What we know of a buffer id; the device cannot touch it. */
struct vq_slot {
	void *cookie;     /* the buffer's owner; NULL: not with the device */
	uint16_t nb_desc; /* ring descriptors it takes */
	uint16_t next;    /* next in the free list, or in the chain */
};

/* What used_pop gives back. */
struct vq_used {
	void *cookie;
	uint32_t len; /* bytes the device says it wrote; the consumer checks it */
};

struct virtqueue {
	struct {
		struct vring_desc *desc;
		struct vring_avail *avail;
		struct vring_used *used;
		uint16_t *used_event;  /* with EVENT_IDX: ours to write, behind avail.ring */
		uint16_t *avail_event; /* with EVENT_IDX: the device's, behind used.ring */
	} split;
	struct vq_slot *slot;

	uint16_t nentries;
	uint16_t free_cnt;        /* descriptors not with the device */
	uint16_t desc_head;       /* first of the free list */
	uint16_t avail_idx;       /* next entry of the avail ring */
	uint16_t kick_idx;        /* avail_idx when need_kick was asked last */
	uint16_t used_cons_idx;   /* next used entry to look at */
	uint16_t used_idx_shadow; /* the device's used index as last read */
	bool event_idx;
	bool broken;

	/* cold */
	struct virtio_dev *vd;
	uint64_t kicks;
	struct vring_desc *indirect; /* nentries tables of VQ_SEGS_MAX; NULL: chains are used */
	uint64_t indirect_iova;
	uint64_t desc_iova, avail_iova, used_iova;
	volatile void *notify_addr; /* the transport's own */
	uint16_t index;             /* the device's number of this queue */
	const char *broken_why;
} __attribute__((aligned(CACHE_LINE)));

/** virtqueue_break() - the device broke the protocol: count it, and never look at the ring again */
COLD void virtqueue_break(struct virtqueue *vq, const char *why);

/** virtqueue_notify() - tell the device of published buffers; counted */
static inline void virtqueue_notify(struct virtqueue *vq)
{
	vq->kicks++;
	vq->vd->ops->notify(vq->vd, vq);
}

#endif
