/*
 * A virtqueue: ring state only, it knows nothing of packets. The seven verbs that work on it are
 * in vq_split.h. Index discipline: _idx is a free-running 16-bit counter, _pos a position in a
 * ring, id a buffer id as the device knows it.
 *
 *	vq_split_add(vq, bufs, n, cookie);	(for each buffer of the burst)
 *	vq_split_publish(vq);			(once a burst)
 *	if (vq_split_need_kick(vq))		(at most once a burst)
 *		ops->notify(vd, vq);
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
	} split;
	struct vq_slot *slot;
	struct vring_desc *indirect; /* nentries tables of VQ_SEGS_MAX, NULL: not used */
	uint64_t indirect_iova;

	uint16_t nentries;
	uint16_t free_cnt;        /* descriptors not with the device */
	uint16_t desc_head;       /* first of the free list */
	uint16_t avail_idx;       /* next entry of the avail ring */
	uint16_t kick_idx;        /* avail_idx when need_kick was asked last */
	uint16_t used_cons_idx;   /* next used entry to look at */
	uint16_t used_idx_shadow; /* the device's used index as last read */
	bool event_idx;
	bool device_writes; /* Rx: the device writes the buffers */
	bool broken;

	/* cold */
	uint16_t index;
	uint16_t vector;     /* what the transport set, VIRTIO_NO_VECTOR for none */
	uint16_t notify_off; /* the transport's own */
	volatile void *notify_addr;
	uint64_t desc_iova, avail_iova, used_iova;
	struct virtio_dev *vd;
	uint64_t kicks;
	const char *broken_why;
} __attribute__((aligned(CACHE_LINE)));

#endif
