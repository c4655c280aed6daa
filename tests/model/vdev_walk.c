/*
 * The walk over the descriptors of one buffer, which is the same for both rings and their indirect
 * tables: what may be in a descriptor, and in which order.
 */
#include "tests/model/vdev_internal.h"

#include <stdlib.h>
#include <string.h>

/* Where the specification says it, for either ring. */
struct sections {
	const char *length, *desc, *order, *bytes, *align, *ring;
};

static const struct sections *sections(const struct vdev_queue *q)
{
	static const struct sections split = {"2.7.5.3.1", "2.7.5", "2.7.4.2",
	                                      "2.7.5.2",   "2.7.1", "2.7"};
	static const struct sections packed = {"2.8.17", "2.8.5",  "2.8.17",
	                                       "2.8.5",  "2.8.11", "2.8"};

	return vdev_has(q->d, VIRTIO_F_RING_PACKED) ? &packed : &split;
}

bool vdev_bad(struct vdev_queue *q, const char *section, const char *why)
{
	vdev_violate(q->d, "%s: %s (queue %u)", section, why, q->index);
	return false;
}

void vdev_walk_begin(struct vdev_walk *w, struct vdev_queue *q)
{
	w->q = q;
	w->nb_segs = w->nb_descs = 0;
	w->bytes = 0;
	w->indirect = false;
}

bool vdev_walk_desc(struct vdev_walk *w, uint16_t at)
{
	if (w->nb_descs == w->q->size || w->nb_descs == VDEV_SEGS_MAX)
		return vdev_bad(w->q, sections(w->q)->length,
		                "chain longer than the queue size, or a loop");
	w->desc[w->nb_descs++] = at;
	return true;
}

bool vdev_walk_seg(struct vdev_walk *w, uint64_t addr, uint32_t len, bool write)
{
	struct vdev_queue *q = w->q;
	const struct sections *s = sections(q);

	if (w->nb_segs >= q->size || w->nb_segs == VDEV_SEGS_MAX)
		return vdev_bad(q, s->length, "chain longer than the queue size, or a loop");
	if (!len)
		return vdev_bad(q, s->desc, "descriptor of 0 bytes, which devices refuse");
	if (!write && w->nb_segs && w->seg[w->nb_segs - 1].write)
		return vdev_bad(q, s->order,
		                "device-readable element behind a device-writable one");
	w->bytes += len;
	if (w->bytes > UINT32_MAX)
		return vdev_bad(q, s->bytes, "chain longer than 2^32 bytes");

	struct vdev_seg *seg = &w->seg[w->nb_segs++];

	seg->iova = addr;
	seg->len = len;
	seg->write = write;
	seg->va = vdev_memory_at(&q->d->memory, addr, len);
	if (!seg->va)
		return vdev_bad(q, s->desc, "buffer outside the memory the device can reach");
	return true;
}

struct vdev_chain *vdev_walk_end(const struct vdev_walk *w, uint16_t id)
{
	const size_t segs = w->nb_segs * sizeof(w->seg[0]);
	const size_t descs = w->nb_descs * sizeof(w->desc[0]);
	struct vdev_chain *c = calloc(1, sizeof(*c) + segs + descs);

	if (!c)
		abort();
	c->id = id;
	c->indirect = w->indirect;
	c->nb_segs = w->nb_segs;
	c->nb_descs = (uint16_t)w->nb_descs;
	memcpy(c->seg, w->seg, segs);
	c->desc = (void *)&c->seg[c->nb_segs];
	memcpy(c->desc, w->desc, descs);
	for (unsigned i = 0; i < c->nb_segs; i++) {
		if (c->seg[i].write)
			c->writable += c->seg[i].len;
		else
			c->readable += c->seg[i].len;
	}
	return c;
}

void *vdev_part(struct vdev_queue *q, const char *part, const struct vdev_place *at)
{
	void *va = vdev_memory_at(&q->d->memory, at->iova, at->bytes);

	if (at->iova % at->align) {
		vdev_violate(q->d, "%s: queue %u: %s not aligned to %u bytes", sections(q)->align,
		             q->index, part, (unsigned)at->align);
		return NULL;
	}
	if (!va)
		vdev_violate(q->d, "%s: queue %u: %s outside the memory the device can reach",
		             sections(q)->ring, q->index, part);
	return va;
}
