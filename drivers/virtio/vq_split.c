/*
 * Setting up a split virtqueue, and its cold verbs. See vq_split.h.
 */
#include "drivers/virtio/vq_split.h"
#include "kernel/assert.h"
#include "kernel/plat.h"
#include "kernel/string.h"

struct vq_split_layout vq_split_layout(uint16_t nentries, size_t align)
{
	/* each ring ends with the other side's event index, used or not */
	const size_t desc = sizeof(struct vring_desc) * nentries;
	const size_t avail = sizeof(struct vring_avail) + sizeof(uint16_t) * (nentries + 1u);
	const size_t used = sizeof(struct vring_used) + sizeof(struct vring_used_elem) * nentries +
	                    sizeof(uint16_t);
	struct vq_split_layout l;

	assert(is_power_of_two(nentries) && nentries <= VRING_SIZE_MAX);
	l.avail = desc;
	l.used = align_up(desc + avail, align);
	l.bytes = align_up(l.used + used, align);
	return l;
}

void vq_split_init(struct virtqueue *vq, void *mem, const struct vq_split_layout *layout)
{
	uint8_t *base = mem;
	const uint16_t n = vq->nentries;

	memset(mem, 0, layout->bytes);
	virtqueue_reset(vq);
	vq->is_packed = false;
	vq->split.desc = mem;
	vq->split.avail = (void *)(base + layout->avail);
	vq->split.used = (void *)(base + layout->used);
	vq->split.used_event = &vq->split.avail->ring[n];
	vq->split.avail_event = (void *)&vq->split.used->ring[n];
	vq->desc_iova = plat_iova(mem);
	vq->avail_iova = vq->desc_iova + layout->avail;
	vq->used_iova = vq->desc_iova + layout->used;

	vq_split_intr_set(vq, false);
}

bool vq_split_has_used(const struct virtqueue *vq)
{
	return !vq->broken && ring_load_acquire(&vq->split.used->idx) != vq->used_cons_idx;
}

void vq_split_intr_set(struct virtqueue *vq, bool on)
{
	if (vq->event_idx) {
		/* the device interrupts when its index passes this one */
		uint16_t event_idx = (uint16_t)(vq->used_cons_idx - (on ? 0 : 1));

		ring_store_relaxed(vq->split.used_event, event_idx);
	} else {
		ring_store_relaxed(&vq->split.avail->flags, on ? 0 : VRING_AVAIL_F_NO_INTERRUPT);
	}
	/* full: the wish before the look at the ring that follows it (pair K, seen from here) */
	ring_fence_full();
}
