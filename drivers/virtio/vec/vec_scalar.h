/*
 * The vector primitives in plain C: their contract, and the reference for the tests. None checks
 * what it is given but those that say so; none branches on it. Arrays have VEC_BATCH elements.
 */
#ifndef DRIVERS_VIRTIO_VEC_SCALAR_H
#define DRIVERS_VIRTIO_VEC_SCALAR_H

#include "drivers/virtio/vec/vec_batch.h"

/*
 * Used buffers as the device reports them, their lengths without the net header. The low word is
 * an id (split), or what an id differs from the one expected (packed). Each set of primitives has
 * its own form of this.
 */
struct vec_used {
	uint32_t low[VEC_BATCH], len[VEC_BATCH];
};

/** vec_split_used() - load eight used elements; a length below @hdr_len wraps to a huge one */
static inline struct vec_used vec_split_used(const struct vring_used_elem *used, uint32_t hdr_len)
{
	struct vec_used v;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		v.low[i] = used[i].id;
		v.len[i] = used[i].len - hdr_len;
	}
	return v;
}

/** vec_packed_is_used() - do the AVAIL and USED bits of eight descriptors equal @used_flags?
 * Says nothing of the rest, which may be read only behind an acquire fence */
static inline bool vec_packed_is_used(const struct vring_packed_desc *d, uint16_t used_flags)
{
	unsigned differ = 0;

	for (unsigned i = 0; i < VEC_BATCH; i++)
		differ |= (unsigned)d[i].flags ^ used_flags;
	return !(differ & (VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED));
}

/** vec_packed_used() - load eight used descriptors, of which the ids @id, @id + 1, ... are
 * expected; @id + 7 does not overflow */
static inline struct vec_used vec_packed_used(const struct vring_packed_desc *d, uint16_t id,
                                              uint32_t hdr_len)
{
	struct vec_used v;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		v.low[i] = (uint32_t)d[i].id ^ (id + i);
		v.len[i] = d[i].len - hdr_len;
	}
	return v;
}

/** vec_used_within() - is no low word above @low_max, and no length above @len_max? */
static inline bool vec_used_within(struct vec_used v, uint32_t low_max, uint32_t len_max)
{
	bool within = true;

	for (unsigned i = 0; i < VEC_BATCH; i++)
		within &= v.low[i] <= low_max && v.len[i] <= len_max;
	return within;
}

/** vec_used_bytes() - sum of the lengths, which are at most 65535 each */
static inline uint32_t vec_used_bytes(struct vec_used v)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < VEC_BATCH; i++)
		sum += v.len[i];
	return sum;
}

/** vec_used_ids() - the low words, which are at most 65535 each */
static inline void vec_used_ids(uint16_t *ids, struct vec_used v)
{
	for (unsigned i = 0; i < VEC_BATCH; i++)
		ids[i] = (uint16_t)v.low[i];
}

/** vec_rx_mbufs() - make one received packet of each mbuf: next, data_off to buf_len from @rearm,
 * packet_type to hash, flags; the rest stays */
static inline void vec_rx_mbufs(struct mbuf *const *m, struct vec_used v, uint64_t rearm)
{
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		vec_rearm_store(m[i], rearm);
		m[i]->packet_type = 0;
		m[i]->pkt_len = v.len[i];
		m[i]->data_len = (uint16_t)v.len[i];
		m[i]->vlan_tci = 0;
		m[i]->hash = 0;
	}
}

/** vec_one_buffer_each() - do the net headers of eight mergeable buffers just received say that
 * each holds a packet by itself? */
static inline bool vec_one_buffer_each(struct mbuf *const *m, uint32_t hdr_len)
{
	bool one = true;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		uint16_t nb;

		__builtin_memcpy(&nb,
		                 mbuf_buf(m[i]) + NETDEV_HEADROOM - hdr_len +
		                     offsetof(struct virtio_net_hdr, num_buffers),
		                 sizeof(nb));
		one &= nb == 1;
	}
	return one;
}

/** vec_split_post() - write eight descriptors for the device to write to: of id ids[i], at @offset
 * from m[i]'s buffer, @len bytes, no chain; and the cookie of each slot */
static inline void vec_split_post(const struct virtqueue *vq, const uint16_t *ids,
                                  struct mbuf *const *m, uint64_t offset, uint32_t len)
{
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		vq->split.desc[ids[i]] = (struct vring_desc){
		    .addr = m[i]->iova + offset, .len = len, .flags = VRING_DESC_F_WRITE};
		vq->slot[ids[i]].cookie = m[i];
	}
}

/** vec_split_send() - write eight descriptors with header and data of one-segment packets, and the
 * cookie of each slot. Return: sum of their lengths */
static inline uint64_t vec_split_send(const struct virtqueue *vq, const uint16_t *ids,
                                      struct mbuf *const *m, uint32_t hdr_len)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		vq->split.desc[ids[i]] = (struct vring_desc){.addr = mbuf_data_iova(m[i]) - hdr_len,
		                                             .len = m[i]->pkt_len + hdr_len};
		vq->slot[ids[i]].cookie = m[i];
		sum += m[i]->pkt_len;
	}
	return sum;
}

/** vec_packed_store() - one descriptor's upper 8 bytes from a number */
static inline void vec_packed_store(struct vring_packed_desc *d, uint64_t addr, uint64_t meta)
{
	d->addr = addr;
	__builtin_memcpy(&d->len, &meta, sizeof(meta));
}

/**
 * vec_packed_post() - write eight descriptors with the ids @id, @id + 1, ...
 * @offset: of the memory, from each mbuf's buffer
 * @meta:   length, id and flags of the first
 * @hide:   changes the first one's @meta by xor, so that the device does not see it yet
 */
static inline void vec_packed_post(struct vring_packed_desc *d, struct mbuf *const *m,
                                   uint64_t offset, uint64_t meta, uint64_t hide)
{
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint64_t own = meta + ((uint64_t)i << VEC_META_ID_SHIFT);

		vec_packed_store(&d[i], m[i]->iova + offset, i ? own : own ^ hide);
	}
}

/** vec_packed_send() - as vec_packed_post() for header and data of one-segment packets; @meta has
 * the header's length. Return: sum of the packets' lengths */
static inline uint64_t vec_packed_send(struct vring_packed_desc *d, struct mbuf *const *m,
                                       uint64_t hdr_len, uint64_t meta, uint64_t hide)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint64_t own = meta + m[i]->pkt_len + ((uint64_t)i << VEC_META_ID_SHIFT);

		vec_packed_store(&d[i], mbuf_data_iova(m[i]) - hdr_len, i ? own : own ^ hide);
		sum += m[i]->pkt_len;
	}
	return sum;
}

/** vec_slots_set() - eight slots in a row hold one-descriptor buffers */
static inline void vec_slots_set(struct vq_slot *slot, struct mbuf *const *m)
{
	for (unsigned i = 0; i < VEC_BATCH; i++)
		slot[i] = (struct vq_slot){.cookie = m[i], .nb_desc = 1};
}

/** vec_slots_get() - read the cookies of eight slots in a row. Return: are all buffers of one
 * descriptor? */
static inline bool vec_slots_get(struct mbuf **m, const struct vq_slot *slot)
{
	bool single = true;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		m[i] = slot[i].cookie;
		single &= slot[i].nb_desc == 1;
	}
	return single;
}

/** vec_slots_clear() - eight slots in a row are not with the device */
static inline void vec_slots_clear(struct vq_slot *slot)
{
	for (unsigned i = 0; i < VEC_BATCH; i++)
		slot[i] = (struct vq_slot){.cookie = NULL, .nb_desc = 1};
}

/** vec_tx_plain() - are eight packets of one segment each, none longer than @len_max, without any
 * flag of @flags? */
static inline bool vec_tx_plain(struct mbuf *const *m, uint32_t flags, uint32_t len_max)
{
	bool plain = true;

	for (unsigned i = 0; i < VEC_BATCH; i++)
		plain &= m[i]->nb_segs == 1 && m[i]->pkt_len <= len_max && !(m[i]->flags & flags);
	return plain;
}

/** vec_hdr_clear() - the VEC_HDR_CLEAR bytes before the data of eight packets */
static inline void vec_hdr_clear(struct mbuf *const *m)
{
	for (unsigned i = 0; i < VEC_BATCH; i++)
		__builtin_memset(mbuf_data(m[i]) - VEC_HDR_CLEAR, 0, VEC_HDR_CLEAR);
}

/** vec_free_plain() - are eight mbufs, none NULL, single segments of @pool? */
static inline bool vec_free_plain(struct mbuf *const *m, const struct mempool *pool)
{
	bool plain = true;

	for (unsigned i = 0; i < VEC_BATCH; i++)
		plain &= !m[i]->next && m[i]->pool == pool;
	return plain;
}

#endif
