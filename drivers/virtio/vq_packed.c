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

bool vq_packed_has_used(const struct virtqueue *vq)
{
	const struct vring_packed_desc *d = &vq->packed.desc[vq->packed.used_pos];
	const uint16_t owner = ring_load_acquire(&d->flags) & (VQ_PACKED_AVAIL | VQ_PACKED_USED);

	return vq->batch_left || owner == vq->packed.used_flags;
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

/* A position in a space of two laps, which is as far as its wrap counter tells laps apart. */
static unsigned place(unsigned pos, bool wrap, unsigned n)
{
	return wrap ? pos : pos + n;
}

/* How far @it lies behind @us, 1..2n. */
static unsigned behind(unsigned us, unsigned it, unsigned n)
{
	return us > it ? us - it : us + 2 * n - it;
}

/*
 * With EVENT_IDX the device names a position, and we kick when it lies behind us: also when we
 * passed it some bursts ago, and as long as it names no other. A device that is busy says so by
 * the flags, so a position left behind means that it forgot to move it (QEMU does, after a send
 * that had to wait), and that nothing else would wake it.
 *
 * Behind us can be more than a lap, which looks like ahead. But a position is new since we asked
 * last, or was seen then; and a new one is not before what the device had used at that time.
 */
bool vq_packed_need_kick(struct virtqueue *vq)
{
	struct vq_packed *r = &vq->packed;
	const unsigned n = vq->nentries;
	const unsigned us = place(r->avail_pos, r->avail_flags & VQ_PACKED_AVAIL, n);

	/* full: our descriptor's flags before our load of the device's wish (pair K) */
	ring_fence_full();

	/* offset and flags in one load: they belong together */
	const uint32_t event = ring_load_relaxed(&r->device_event->word);
	const unsigned wish = (event >> 16) & VRING_PACKED_EVENT_MASK;
	const unsigned it =
	    place(event & (VRING_PACKED_EVENT_WRAP - 1), event & VRING_PACKED_EVENT_WRAP, n);
	const bool passed = behind(us, it, n) <= behind(us, r->event_from, n);

	r->event_passed = passed || (r->event_passed && event == r->event_seen);
	r->event_seen = event;
	r->event_from = (uint16_t)place(r->used_pos, r->used_flags & VQ_PACKED_USED, n);
	if (likely(wish != VRING_PACKED_EVENT_DESC))
		return wish == VRING_PACKED_EVENT_ENABLE;
	return r->event_passed;
}
