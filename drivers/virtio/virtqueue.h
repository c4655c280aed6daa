/*
 * A virtqueue: ring state only, it knows nothing of packets. The seven verbs that work on it are
 * in vq_split.h and vq_packed.h; vq.h chooses between them by a literal. Index discipline: _idx is
 * a free-running 16-bit counter, _pos a position in a ring, id a buffer id as the device knows it.
 *
 *	vq_add(vq, bufs, n, cookie, flags | ring);  (for each buffer of the burst)
 *	vq_publish(vq, ring);			    (once a burst)
 *	if (vq_need_kick(vq, ring))		    (at most once a burst)
 *		virtqueue_notify(vq);
 *	while (vq_used_pop(vq, &used, ring)) ...
 *
 * A body that calls the verbs in a loop works on a local copy and saves it at the end: stores to
 * ring memory could, for all the compiler knows, change the queue's own fields, which it would
 * have to load again for every packet.
 *
 * What the device says is checked in used_pop. A device that breaks the protocol sets @broken;
 * the queue is then left alone.
 */
#ifndef DRIVERS_VIRTIO_VIRTQUEUE_H
#define DRIVERS_VIRTIO_VIRTQUEUE_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"

/* The kind of ring, a literal for the verbs: what it does not need is compiled away. The low 16
 * bits are left to the flags of a descriptor, so that add takes both in one. */
#define VQ_PACKED (1u << 16)
#define VQ_IN_ORDER (1u << 17)
#define VQ_ONE (1u << 19) /* packed: no buffer of this queue takes more than one descriptor */
#define VQ_DESC_FLAGS 0xffffu

/* packed.used_flags that no descriptor matches: the queue is broken */
#define VQ_USED_FLAGS_NEVER 1

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

struct vq_split {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *used_event;  /* with EVENT_IDX: ours to write, behind avail.ring */
	uint16_t *avail_event; /* with EVENT_IDX: the device's, behind used.ring */
};

struct vq_packed {
	struct vring_packed_desc *desc;
	struct vring_packed_event *driver_event; /* ours to write */
	struct vring_packed_event *device_event; /* the device's */
	uint16_t avail_pos;                      /* next descriptor to fill */
	uint16_t publish_pos;   /* first descriptor that the device may not see yet */
	uint16_t used_pos;      /* next descriptor that the device uses */
	uint16_t avail_flags;   /* AVAIL and USED of what we fill in this lap */
	uint16_t used_flags;    /* AVAIL and USED of what the device uses in this lap */
	uint16_t publish_flags; /* held back, of the descriptor at publish_pos */
	uint32_t event_seen;    /* the device's wish when need_kick was asked last ... */
	uint16_t event_from;    /* ... what it had used by then, in a space of two laps ... */
	bool event_passed;      /* ... and whether we have passed its position since */
};

struct virtqueue {
	union {
		struct vq_split split;
		struct vq_packed packed;
	};
	struct vq_slot *slot;
	uint16_t *ids; /* split, vector paths: free ids in ring order; or NULL */

	uint16_t nentries;
	uint16_t free_cnt;        /* descriptors not with the device */
	uint16_t desc_head;       /* next id: head of the free list, or next in turn (IN_ORDER) */
	uint16_t avail_idx;       /* split: next entry of the avail ring */
	uint16_t kick_idx;        /* split: avail_idx when need_kick was asked last */
	uint16_t used_cons_idx;   /* split: next used entry to look at */
	uint16_t used_idx_shadow; /* split: the device's used index as last read */

	/* with IN_ORDER: one used entry may stand for a batch of buffers */
	uint16_t order_head; /* id of the oldest buffer with the device */
	uint16_t batch_id;   /* id of the last buffer of the batch being popped */
	uint16_t batch_left; /* of the batch being popped; split: 1 until its last buffer */
	bool event_idx;
	bool is_packed; /* which member of the union it is */
	bool broken;
	uint32_t batch_len; /* what the device said of the batch's last buffer */
	uint32_t full_len;  /* of the others: used completely; the capacity of every buffer */

	/* cold */
	struct virtio_dev *vd;
	void *mem; /* of the ring */
	uint64_t kicks;
	struct vring_desc *indirect; /* nentries tables of VQ_SEGS_MAX; NULL: chains are used */
	uint64_t indirect_iova;
	uint64_t desc_iova, avail_iova, used_iova; /* packed: ring, driver area, device area */
	volatile void *notify_addr;                /* the transport's own */
	uint16_t index;                            /* the device's number of this queue */
	bool stopped;                              /* it alone: vnet_queue_stop() */
	const char *broken_why;
} __attribute__((aligned(CACHE_LINE)));

/** virtqueue_reset() - the state of an empty queue of vq->nentries; for vq_split_init() and
 * vq_packed_init() */
void virtqueue_reset(struct virtqueue *vq);

/** virtqueue_give_up() - never look at the ring again */
static inline void virtqueue_give_up(struct virtqueue *vq, const char *why)
{
	vq->broken_why = why;
	vq->broken = true;
	/* nothing that was read but not yet checked is looked at any more */
	vq->batch_left = 0;
	if (vq->is_packed)
		vq->packed.used_flags = VQ_USED_FLAGS_NEVER;
	else
		vq->used_idx_shadow = vq->used_cons_idx;
}

/** virtqueue_break() - the device broke the protocol: count it and give the queue up. No function
 * call, so that a local copy stays in registers */
static inline void virtqueue_break(struct virtqueue *vq, const char *why)
{
	__atomic_fetch_add(&vq->vd->stats.broken, 1, __ATOMIC_RELAXED); /* of all queues */
	virtqueue_give_up(vq, why);
}

/* What the device says is checked, always: only the benchmark, to learn what that costs, compiles
 * the driver without. */
#ifndef VIRTQUEUE_CHECKS
#define VIRTQUEUE_CHECKS true
#endif

/** virtqueue_lie() - is @lie so? Around the condition of every check of what the device said */
ALWAYS_INLINE bool virtqueue_lie(bool lie)
{
	return VIRTQUEUE_CHECKS && unlikely(lie);
}

/** virtqueue_save() - write back what verbs changed in a body's local copy. need_kick is asked of
 * the queue itself, so what that remembers is not among it */
ALWAYS_INLINE void virtqueue_save(struct virtqueue *vq, const struct virtqueue *local,
                                  const unsigned ring)
{
	vq->free_cnt = local->free_cnt;
	vq->desc_head = local->desc_head;
	if (ring & VQ_PACKED) {
		vq->packed.avail_pos = local->packed.avail_pos;
		vq->packed.publish_pos = local->packed.publish_pos;
		vq->packed.used_pos = local->packed.used_pos;
		vq->packed.avail_flags = local->packed.avail_flags;
		vq->packed.used_flags = local->packed.used_flags;
	} else {
		vq->avail_idx = local->avail_idx;
		vq->used_cons_idx = local->used_cons_idx;
		vq->used_idx_shadow = local->used_idx_shadow;
	}
	if (ring & VQ_IN_ORDER) {
		vq->order_head = local->order_head;
		vq->batch_id = local->batch_id;
		vq->batch_len = local->batch_len;
		vq->batch_left = local->batch_left;
	}
	if (unlikely(local->broken)) {
		vq->broken_why = local->broken_why; /* and counted */
		/* release: the first lcore looks at both while this one runs */
		__atomic_store_n(&vq->broken, true, __ATOMIC_RELEASE);
	}
}

/** virtqueue_notify() - tell the device of published buffers; counted */
static inline void virtqueue_notify(struct virtqueue *vq)
{
	vq->kicks++;
	vq->vd->ops->notify(vq->vd, vq);
}

#endif
