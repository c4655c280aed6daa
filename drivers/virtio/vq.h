/*
 * The verbs for either ring: @ring is a literal of VQ_PACKED and VQ_IN_ORDER in every caller, so
 * the choice is made by the compiler.
 */
#ifndef DRIVERS_VIRTIO_VQ_H
#define DRIVERS_VIRTIO_VQ_H

#include "drivers/virtio/vq_packed.h"
#include "drivers/virtio/vq_split.h"
#include <arch/cpu.h>

ALWAYS_INLINE void vq_add(struct virtqueue *vq, const struct vq_buf *bufs, unsigned n, void *cookie,
                          const unsigned how)
{
	if (how & VQ_PACKED)
		vq_packed_add(vq, bufs, n, cookie, how);
	else
		vq_split_add(vq, bufs, n, cookie, how);
}

/* The format of an indirect table is the ring's own (virtio 2.7.5.3, 2.8.19). */
ALWAYS_INLINE void vq_indirect_fill(void *table, const struct vq_buf *bufs, unsigned n,
                                    const unsigned ring)
{
	struct vring_packed_desc *packed = table;
	struct vring_desc *split = table;

	for (unsigned i = 0; i < n; i++) {
		const bool more = i + 1 < n;

		if (ring & VQ_PACKED)
			packed[i] =
			    (struct vring_packed_desc){.addr = bufs[i].iova, .len = bufs[i].len};
		else
			split[i] = (struct vring_desc){
			    .addr = bufs[i].iova,
			    .len = bufs[i].len,
			    .flags = more ? VRING_DESC_F_NEXT : 0,
			    .next = (uint16_t)(more ? i + 1 : 0),
			};
	}
}

ALWAYS_INLINE void vq_publish(struct virtqueue *vq, const unsigned ring)
{
	if (ring & VQ_PACKED)
		vq_packed_publish(vq);
	else
		vq_split_publish(vq);
}

ALWAYS_INLINE bool vq_need_kick(struct virtqueue *vq, const unsigned ring)
{
	return (ring & VQ_PACKED) ? vq_packed_need_kick(vq) : vq_split_need_kick(vq);
}

/* What the device has likely written for the next VQ_AHEAD buffers: a hint. Several lines that
 * another processor wrote, on their way at once, take little longer than one. */
#define VQ_AHEAD 32

ALWAYS_INLINE void vq_used_prefetch(const struct virtqueue *vq, const unsigned ring)
{
	const void *at = ring & VQ_PACKED
	                     ? (const void *)&vq->packed.desc[vq->packed.used_pos]
	                     : &vq->split.used->ring[vq->used_cons_idx & (vq->nentries - 1)];
	const size_t bytes = VQ_AHEAD * (ring & VQ_PACKED ? sizeof(struct vring_packed_desc)
	                                                  : sizeof(struct vring_used_elem));

	/* there, one descriptor stands for a batch */
	if ((ring & VQ_PACKED) && (ring & VQ_IN_ORDER))
		return;
	/* the first line is looked at right away */
	for (size_t i = CACHE_LINE; i <= bytes; i += CACHE_LINE)
		cpu_prefetch((const uint8_t *)at + i);
}

ALWAYS_INLINE bool vq_used_pop(struct virtqueue *vq, struct vq_used *out, const unsigned ring)
{
	return (ring & VQ_PACKED) ? vq_packed_used_pop(vq, out, ring)
	                          : vq_split_used_pop(vq, out, ring);
}

/* The cold ones look which ring it is. */
static inline bool vq_has_used(const struct virtqueue *vq)
{
	return vq->is_packed ? vq_packed_has_used(vq) : vq_split_has_used(vq);
}

static inline void vq_intr_set(struct virtqueue *vq, bool on)
{
	if (vq->is_packed)
		vq_packed_intr_set(vq, on);
	else
		vq_split_intr_set(vq, on);
}

#endif
