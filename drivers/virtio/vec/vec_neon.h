/*
 * The primitives with NEON. Structure loads take the words of several elements apart, so used
 * buffers are kept as one register of low words and one of lengths for each four.
 */
#ifndef DRIVERS_VIRTIO_VEC_NEON_H
#define DRIVERS_VIRTIO_VEC_NEON_H

#include "drivers/virtio/vec/vec_batch.h"
#include <arm_neon.h>

/* low[i]: [ low low low low ], len[i]: [ len len len len ] of elements 4i to 4i + 3 */
struct vec_used {
	uint32x4_t low[2], len[2];
};

ALWAYS_INLINE uint64x2_t vec_pair(uint64_t lower, uint64_t upper)
{
	return vcombine_u64(vcreate_u64(lower), vcreate_u64(upper));
}

ALWAYS_INLINE uint64x2_t vec_load128(const void *p)
{
	return vld1q_u64(p);
}

ALWAYS_INLINE void vec_store128(void *p, uint64x2_t v)
{
	vst1q_u64(p, v);
}

/* ---- used buffers ------------------------------------------------------------------------- */

/*	[ id0 len0 id1 len1 ... ] taken apart: [ id0 id1 id2 id3 ] [ len0 len1 len2 len3 ]	*/
ALWAYS_INLINE struct vec_used vec_split_used(const struct vring_used_elem *used, uint32_t hdr_len)
{
	const uint32x4_t trim = vdupq_n_u32(hdr_len);
	struct vec_used v;

	VEC_UNROLL
	for (unsigned i = 0; i < 2; i++) {
		const uint32x4x2_t four = vld2q_u32(&used[4 * i].id);

		v.low[i] = four.val[0];
		v.len[i] = vsubq_u32(four.val[1], trim);
	}
	return v;
}

/*	[ addr addr len id:flags ... ] taken apart: the fourth register has four id:flags	*/
ALWAYS_INLINE bool vec_packed_is_used(const struct vring_packed_desc *d, uint16_t used_flags)
{
	const uint32_t bits = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
	const uint32x4_t want = vdupq_n_u32((uint32_t)used_flags << 16);
	const uint32x4_t a = vld4q_u32((const void *)&d[0]).val[3];
	const uint32x4_t b = vld4q_u32((const void *)&d[4]).val[3];
	const uint32x4_t differ = vorrq_u32(veorq_u32(a, want), veorq_u32(b, want));

	return !vmaxvq_u32(vandq_u32(differ, vdupq_n_u32(bits << 16)));
}

/*	[ addr addr len id:flags ... ] taken apart, the flags masked out of the fourth register	*/
ALWAYS_INLINE struct vec_used vec_packed_used(const struct vring_packed_desc *d, uint16_t id,
                                              uint32_t hdr_len)
{
	static const uint32_t count[4] = {0, 1, 2, 3};
	const uint32x4_t first = vaddq_u32(vdupq_n_u32(id), vld1q_u32(count));
	const uint32x4_t trim = vdupq_n_u32(hdr_len), id_mask = vdupq_n_u32(0xffff);
	struct vec_used v;

	VEC_UNROLL
	for (unsigned i = 0; i < 2; i++) {
		const uint32x4x4_t four = vld4q_u32((const void *)&d[4 * i]);
		const uint32x4_t expected = vaddq_u32(first, vdupq_n_u32(4 * i));

		v.low[i] = veorq_u32(vandq_u32(four.val[3], id_mask), expected);
		v.len[i] = vsubq_u32(four.val[2], trim);
	}
	return v;
}

ALWAYS_INLINE bool vec_used_within(struct vec_used v, uint32_t low_max, uint32_t len_max)
{
	const uint32x4_t low = vmaxq_u32(v.low[0], v.low[1]);
	const uint32x4_t len = vmaxq_u32(v.len[0], v.len[1]);
	const uint32x4_t above =
	    vorrq_u32(vcgtq_u32(low, vdupq_n_u32(low_max)), vcgtq_u32(len, vdupq_n_u32(len_max)));

	return !vmaxvq_u32(above);
}

ALWAYS_INLINE uint32_t vec_used_bytes(struct vec_used v)
{
	return vaddvq_u32(vaddq_u32(v.len[0], v.len[1]));
}

ALWAYS_INLINE void vec_used_ids(uint16_t *ids, struct vec_used v)
{
	vst1q_u16(ids, vcombine_u16(vmovn_u32(v.low[0]), vmovn_u32(v.low[1])));
}

/*
 *	in    [ len len len len ]
 *	out   [ packet_type=0 | pkt_len | data_len vlan=0 | hash=0 ]	for each
 */
ALWAYS_INLINE void vec_rx_mbufs(struct mbuf *const *m, struct vec_used v, uint64_t rearm)
{
	/* 255 writes zero; the others are the bytes of one length */
	static const uint8_t pick[4][16] = {
	    {255, 255, 255, 255, 0, 1, 2, 3, 0, 1, 255, 255, 255, 255, 255, 255},
	    {255, 255, 255, 255, 4, 5, 6, 7, 4, 5, 255, 255, 255, 255, 255, 255},
	    {255, 255, 255, 255, 8, 9, 10, 11, 8, 9, 255, 255, 255, 255, 255, 255},
	    {255, 255, 255, 255, 12, 13, 14, 15, 12, 13, 255, 255, 255, 255, 255, 255},
	};

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint8x16_t len = vreinterpretq_u8_u32(v.len[i / 4]);
		struct mbuf *own = m[i];

		vec_rearm_store(own, rearm);
		vst1q_u8((void *)&own->packet_type, vqtbl1q_u8(len, vld1q_u8(pick[i % 4])));
	}
}

/*	header  [ flags ... csum_start | csum_offset num_buffers ... ]	the latter all 1	*/
static inline bool vec_one_buffer_each(struct mbuf *const *m, uint32_t hdr_len)
{
	const uint64x2_t one = vec_pair(0, 1ull << VEC_NUM_BUFFERS_SHIFT);
	uint64x2_t differ = vdupq_n_u64(0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint64x2_t hdr = vec_load128(mbuf_buf(m[i]) + NETDEV_HEADROOM - hdr_len);

		differ = vorrq_u64(differ, veorq_u64(hdr, one));
	}
	return !(vgetq_lane_u64(differ, 1) & 0xffffull << VEC_NUM_BUFFERS_SHIFT);
}

/* ---- split descriptors -------------------------------------------------------------------- */

/*	[ iova | 0 ]  +  [ offset | len flags next=0 ]	*/
static inline void vec_split_post(const struct virtqueue *vq, const uint16_t *ids,
                                  struct mbuf *const *m, uint64_t offset, uint32_t len)
{
	const uint64x2_t add =
	    vec_pair(offset, len | (uint64_t)VRING_DESC_F_WRITE << VEC_META_ID_SHIFT);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];

		vec_store128(&vq->split.desc[ids[i]], vaddq_u64(vec_pair(own->iova, 0), add));
		vq->slot[ids[i]].cookie = own;
	}
}

/*
 *	a     [ data_off nb_segs port buf_len | iova ]
 *	out   [ iova + (a & 0xffff) | pkt_len ]
 */
ALWAYS_INLINE uint64x2_t vec_send1(const struct mbuf *m)
{
	const uint64x2_t a = vec_load128(&m->data_off);
	const uint64x1_t off = vand_u64(vget_low_u64(a), vcreate_u64(0xffff));

	return vcombine_u64(vadd_u64(vget_high_u64(a), off), vcreate_u64(m->pkt_len));
}

static inline uint64_t vec_split_send(const struct virtqueue *vq, const uint16_t *ids,
                                      struct mbuf *const *m, uint32_t hdr_len)
{
	const uint64x2_t add = vec_pair(-(uint64_t)hdr_len, hdr_len);
	uint64x2_t sum = vdupq_n_u64(0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];
		const uint64x2_t d = vec_send1(own);

		sum = vaddq_u64(sum, d);
		vec_store128(&vq->split.desc[ids[i]], vaddq_u64(d, add));
		vq->slot[ids[i]].cookie = own;
	}
	return vgetq_lane_u64(sum, 1);
}

/* ---- packed descriptors ------------------------------------------------------------------- */

/*	[ iova | 0 ]  +  [ offset | meta + id * i ]	*/
ALWAYS_INLINE void vec_packed_post(struct vring_packed_desc *d, struct mbuf *const *m,
                                   uint64_t offset, uint64_t meta, uint64_t hide)
{
	const uint64x2_t one_id = vec_pair(0, 1ull << VEC_META_ID_SHIFT);
	uint64x2_t add = vec_pair(offset, meta), mask = vec_pair(0, hide);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint64x2_t v = vaddq_u64(vec_pair(m[i]->iova, 0), add);

		vec_store128(&d[i], veorq_u64(v, mask));
		add = vaddq_u64(add, one_id);
		mask = vdupq_n_u64(0);
	}
}

ALWAYS_INLINE uint64_t vec_packed_send(struct vring_packed_desc *d, struct mbuf *const *m,
                                       uint64_t hdr_len, uint64_t meta, uint64_t hide)
{
	const uint64x2_t one_id = vec_pair(0, 1ull << VEC_META_ID_SHIFT);
	uint64x2_t add = vec_pair(-hdr_len, meta), mask = vec_pair(0, hide);
	uint64x2_t sum = vdupq_n_u64(0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint64x2_t v = vec_send1(m[i]);

		sum = vaddq_u64(sum, v);
		vec_store128(&d[i], veorq_u64(vaddq_u64(v, add), mask));
		add = vaddq_u64(add, one_id);
		mask = vdupq_n_u64(0);
	}
	return vgetq_lane_u64(sum, 1);
}

/* ---- slots -------------------------------------------------------------------------------- */

/*	[ m | nb_desc=1 next=0 ]	*/
ALWAYS_INLINE void vec_slots_set(struct vq_slot *slot, struct mbuf *const *m)
{
	const uint64x2_t one = vdupq_n_u64(1);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2) {
		const uint64x2x2_t two = {{vec_load128(&m[i]), one}};

		vst2q_u64((void *)&slot[i], two);
	}
}

/*	[ m0 | nb_desc next | m1 | ... ] taken apart: [ m0 | m1 ]  [ nb_desc next | ... ]	*/
ALWAYS_INLINE bool vec_slots_get(struct mbuf **m, const struct vq_slot *slot)
{
	const uint64x2_t one = vdupq_n_u64(1);
	uint64x2_t differ = vdupq_n_u64(0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2) {
		const uint64x2x2_t two = vld2q_u64((const void *)&slot[i]);

		differ = vorrq_u64(differ, veorq_u64(two.val[1], one));
		vec_store128(&m[i], two.val[0]);
	}
	differ = vandq_u64(differ, vdupq_n_u64(0xffff));
	return !vmaxvq_u32(vreinterpretq_u32_u64(differ));
}

ALWAYS_INLINE void vec_slots_clear(struct vq_slot *slot)
{
	const uint64x2_t idle = vec_pair(0, 1);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++)
		vec_store128(&slot[i], idle);
}

/* ---- packets ------------------------------------------------------------------------------ */

/* nb_segs is never 0, so that their union is 1 only when all are. */
static inline bool vec_tx_plain(struct mbuf *const *m, uint32_t flags, uint32_t len_max)
{
	uint64x2_t all = vdupq_n_u64(0);
	uint32x4_t most = vdupq_n_u32(0);
	uint32_t all_flags = 0;

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const struct mbuf *own = m[i];

		all = vorrq_u64(all, vec_load128(&own->data_off));
		most = vmaxq_u32(most, vld1q_u32(&own->packet_type));
		all_flags |= own->flags;
	}
	return vgetq_lane_u16(vreinterpretq_u16_u64(all), 1) == 1 &&
	       vgetq_lane_u32(most, 1) <= len_max && !(all_flags & flags);
}

static inline void vec_hdr_clear(struct mbuf *const *m)
{
	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++)
		vst1q_u8(mbuf_buf(m[i]) + m[i]->data_off - VEC_HDR_CLEAR, vdupq_n_u8(0));
}

/*	m[i]  [ next | pool ]	all the same	*/
static inline bool vec_free_plain(struct mbuf *const *m, const struct mempool *pool)
{
	const uint64x2_t want = vec_pair(0, (uintptr_t)pool);
	uint64x2_t differ = vdupq_n_u64(0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++)
		differ = vorrq_u64(differ, veorq_u64(vec_load128(&m[i]->next), want));
	return !vmaxvq_u32(vreinterpretq_u32_u64(differ));
}

#endif
