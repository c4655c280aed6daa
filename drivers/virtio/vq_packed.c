/*
 * Setting up a packed virtqueue, and its cold verbs. See vq_packed.h.
 */
#include "drivers/virtio/vq_packed.h"
#include "kernel/assert.h"
#include "kernel/plat.h"
#include "kernel/string.h"

struct vq_packed_layout vq_packed_layout(uint16_t nentries)
{
	struct vq_packed_layout l;

	assert(nentries && nentries <= VRING_SIZE_MAX);
	/* each event area on a line of its own: one is written by us, one by the device */
	l.driver_event = align_up(sizeof(struct vring_packed_desc) * nentries, CACHE_LINE);
	l.device_event = l.driver_event + CACHE_LINE;
	l.bytes = l.device_event + CACHE_LINE;
	return l;
}

void vq_packed_init(struct virtqueue *vq, void *mem, const struct vq_packed_layout *layout)
{
	uint8_t *base = mem;

	memset(mem, 0, layout->bytes);
	virtqueue_reset(vq);
	vq->is_packed = true;
	vq->packed = (struct vq_packed){
	    .desc = mem,
	    .driver_event = (void *)(base + layout->driver_event),
	    .device_event = (void *)(base + layout->device_event),
	    /* both wrap counters start at 1 (virtio 2.8.1) */
	    .avail_flags = VQ_PACKED_AVAIL,
	    .used_flags = VQ_PACKED_AVAIL | VQ_PACKED_USED,
	};
	vq->desc_iova = plat_iova(mem);
	vq->avail_iova = vq->desc_iova + layout->driver_event;
	vq->used_iova = vq->desc_iova + layout->device_event;
	vq_packed_intr_set(vq, false);
}

void vq_packed_intr_set(struct virtqueue *vq, bool on)
{
	uint32_t word = VRING_PACKED_EVENT_DISABLE << 16;

	if (on && vq->event_idx) {
		const bool lap = vq->packed.used_flags & VQ_PACKED_USED;

		word = VRING_PACKED_EVENT_DESC << 16 | vq->packed.used_pos |
		       (lap ? VRING_PACKED_EVENT_WRAP : 0);
	} else if (on) {
		word = VRING_PACKED_EVENT_ENABLE << 16;
	}
	ring_store_relaxed(&vq->packed.driver_event->word, word);
	/* full: the wish before the look at the ring that follows it (pair K, seen from here) */
	ring_fence_full();
}
