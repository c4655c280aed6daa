/*
 * The primitives for packed rings with AVX-512 (F, BW, VL): four descriptors, or eight used
 * buffers, in a register.
 */
#ifndef DRIVERS_VIRTIO_VEC_AVX512_H
#define DRIVERS_VIRTIO_VEC_AVX512_H

#include "drivers/virtio/vec/vec_x86.h"

/* [ low0 len0 | ... | low7 len7 ] */
struct vec_used {
	__m512i v;
};

ALWAYS_INLINE __m512i vec_load512(const void *p)
{
	return _mm512_loadu_si512(p);
}

/* The 16 bytes at @offset of four mbufs. */
ALWAYS_INLINE __m512i vec_load4x128(struct mbuf *const *m, const size_t offset)
{
	const uint8_t *const p[4] = {(void *)m[0], (void *)m[1], (void *)m[2], (void *)m[3]};
	const __m256i a =
	    _mm256_loadu2_m128i((const void *)(p[1] + offset), (const void *)(p[0] + offset));
	const __m256i b =
	    _mm256_loadu2_m128i((const void *)(p[3] + offset), (const void *)(p[2] + offset));

	return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* { 0, hide } for the first descriptor, nothing for the others. */
ALWAYS_INLINE __m512i vec_first_meta(uint64_t hide)
{
	return _mm512_maskz_set1_epi64(1 << 1, (long long)hide);
}

/* { even, odd + id * i } of four descriptors. */
ALWAYS_INLINE __m512i vec_metas(uint64_t even, uint64_t odd)
{
	const long long one = 1ll << VEC_META_ID_SHIFT;
	const __m512i ids = _mm512_setr_epi64(0, 0, 0, one, 0, 2 * one, 0, 3 * one);

	return _mm512_add_epi64(
	    ids, _mm512_mask_set1_epi64(_mm512_set1_epi64((long long)even), 0xaa, (long long)odd));
}

/* ---- used buffers ------------------------------------------------------------------------- */

/*	[ addr | len id flags ] four times	only the two bits of each flags count	*/
ALWAYS_INLINE bool vec_packed_is_used(const struct vring_packed_desc *d, uint16_t used_flags)
{
	const uint64_t bits = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
	const __m512i mask = _mm512_set1_epi64((long long)(bits << 48));
	const __m512i want = _mm512_set1_epi64((long long)((uint64_t)used_flags << 48));
	/* does one differ from what is wanted? (a ^ c) | (b ^ c) */
	const __m512i differ =
	    _mm512_ternarylogic_epi64(vec_load512(&d[0]), vec_load512(&d[4]), want, 0x7e);

	return !_mm512_mask_test_epi64_mask(0xaa, differ, mask);
}

/*
 *	odd qwords of two registers  [ len0 id0 flags0 | ... | len7 id7 flags7 ]
 *	rotated by half              [ id0 flags0 len0 | ... ]
 *	out                          [ id0 ^ expected, len0 - hdr_len | ... ]
 */
ALWAYS_INLINE struct vec_used vec_packed_used(const struct vring_packed_desc *d, uint16_t id,
                                              uint32_t hdr_len)
{
	const __m512i odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
	const __m512i expected =
	    _mm512_add_epi64(_mm512_set1_epi64(id), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7));
	const __m512i trim = _mm512_set1_epi64((long long)((uint64_t)hdr_len << 32));
	const __m512i no_flags = _mm512_set1_epi64((long long)0xffffffff0000ffff);
	const __m512i q = _mm512_ror_epi64(
	    _mm512_permutex2var_epi64(vec_load512(&d[0]), odd, vec_load512(&d[4])), 32);
	/* (q ^ expected) & no_flags */
	const __m512i v = _mm512_ternarylogic_epi64(q, expected, no_flags, 0x28);

	return (struct vec_used){_mm512_sub_epi32(v, trim)};
}

ALWAYS_INLINE bool vec_used_within(struct vec_used v, uint32_t low_max, uint32_t len_max)
{
	const __m512i limit = _mm512_set1_epi64((long long)((uint64_t)len_max << 32 | low_max));

	return !_mm512_cmpgt_epu32_mask(v.v, limit);
}

/*	[ low len | ... ], the upper halves: [ len | ... ], then all	*/
ALWAYS_INLINE uint32_t vec_used_bytes(struct vec_used v)
{
	const __m512i eight = _mm512_srli_epi64(v.v, 32);
	const __m256i four =
	    _mm256_add_epi32(_mm512_castsi512_si256(eight), _mm512_extracti64x4_epi64(eight, 1));
	const __m128i two =
	    _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));

	return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_si128(two, 8)));
}

ALWAYS_INLINE void vec_rx_mbufs2(struct mbuf *a, struct mbuf *b, __m128i word_a, __m128i word_b,
                                 uint64_t rearm)
{
	vec_rearm_store(a, rearm);
	_mm_storeu_si128((void *)&a->packet_type, word_a);
	vec_rearm_store(b, rearm);
	_mm_storeu_si128((void *)&b->packet_type, word_b);
}

/*
 *	in    [ low len | low len ]  in each quarter
 *	out   [ packet_type=0 | pkt_len | data_len vlan=0 | hash=0 ]  of its first, of its second
 */
ALWAYS_INLINE void vec_rx_mbufs(struct mbuf *const *m, struct vec_used v, uint64_t rearm)
{
	/* -1 writes zero; 4..7 is the first length, 12..15 the second */
	const __m512i first = _mm512_broadcast_i32x4(
	    _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, 4, 5, -1, -1, -1, -1, -1, -1));
	const __m512i second = _mm512_broadcast_i32x4(
	    _mm_setr_epi8(-1, -1, -1, -1, 12, 13, 14, 15, 12, 13, -1, -1, -1, -1, -1, -1));
	const __m512i even = _mm512_shuffle_epi8(v.v, first);
	const __m512i odd = _mm512_shuffle_epi8(v.v, second);

	vec_rx_mbufs2(m[0], m[1], _mm512_castsi512_si128(even), _mm512_castsi512_si128(odd), rearm);
	vec_rx_mbufs2(m[2], m[3], _mm512_extracti32x4_epi32(even, 1),
	              _mm512_extracti32x4_epi32(odd, 1), rearm);
	vec_rx_mbufs2(m[4], m[5], _mm512_extracti32x4_epi32(even, 2),
	              _mm512_extracti32x4_epi32(odd, 2), rearm);
	vec_rx_mbufs2(m[6], m[7], _mm512_extracti32x4_epi32(even, 3),
	              _mm512_extracti32x4_epi32(odd, 3), rearm);
}

/* ---- packed descriptors ------------------------------------------------------------------- */

/*
 *	four  [ iova | packet_type pkt_len ]  of four mbufs; the second half is left out
 *	out   [ iova + offset | meta + id * i ]
 */
ALWAYS_INLINE void vec_packed_post(struct vring_packed_desc *d, struct mbuf *const *m,
                                   uint64_t offset, uint64_t meta, uint64_t hide)
{
	const __m512i add = vec_metas(offset, meta);
	const __m512i four_ids =
	    _mm512_maskz_set1_epi64(0xaa, (VEC_BATCH / 2ll) << VEC_META_ID_SHIFT);
	const __m512i a = vec_load4x128(&m[0], offsetof(struct mbuf, iova));
	const __m512i b = vec_load4x128(&m[4], offsetof(struct mbuf, iova));

	/* where the mask has a 0 the second operand stands alone */
	_mm512_storeu_si512(&d[0], _mm512_xor_si512(_mm512_mask_add_epi64(add, 0x55, a, add),
	                                            vec_first_meta(hide)));

	const __m512i add4 = _mm512_add_epi64(add, four_ids);

	_mm512_storeu_si512(&d[4], _mm512_mask_add_epi64(add4, 0x55, b, add4));
}

/*
 * Four packets.
 *
 *	a     [ data_off nb_segs port buf_len | iova ]
 *	b     [ packet_type pkt_len | ... ]
 *	out   [ iova + data_off | pkt_len ]
 */
ALWAYS_INLINE __m512i vec_packed_send4(struct mbuf *const *m, __m512i *sum)
{
	const __m512i low16 = _mm512_maskz_set1_epi64(0x55, 0xffff);
	const __m512i a = vec_load4x128(m, offsetof(struct mbuf, data_off));
	const __m512i b =
	    _mm512_srli_epi64(vec_load4x128(m, offsetof(struct mbuf, packet_type)), 32);
	/* the upper half of a, the lower one of b */
	const __m512i d = _mm512_castpd_si512(
	    _mm512_shuffle_pd(_mm512_castsi512_pd(a), _mm512_castsi512_pd(b), 0x55));

	*sum = _mm512_add_epi64(*sum, d);
	return _mm512_add_epi64(d, _mm512_and_si512(a, low16));
}

ALWAYS_INLINE uint64_t vec_packed_send(struct vring_packed_desc *d, struct mbuf *const *m,
                                       uint64_t hdr_len, uint64_t meta, uint64_t hide)
{
	const __m512i add = vec_metas(-hdr_len, meta);
	const __m512i four_ids =
	    _mm512_maskz_set1_epi64(0xaa, (VEC_BATCH / 2ll) << VEC_META_ID_SHIFT);
	__m512i sum = _mm512_setzero_si512();
	const __m512i a = _mm512_add_epi64(vec_packed_send4(&m[0], &sum), add);
	const __m512i b = _mm512_add_epi64(vec_packed_send4(&m[4], &sum), add);

	_mm512_storeu_si512(&d[0], _mm512_xor_si512(a, vec_first_meta(hide)));
	_mm512_storeu_si512(&d[4], _mm512_add_epi64(b, four_ids));

	/* the upper qwords of each 128 bits */
	const __m256i half =
	    _mm256_add_epi64(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64(sum, 1));
	const __m128i two =
	    _mm_add_epi64(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));

	return (uint64_t)_mm_extract_epi64(two, 1);
}

/* ---- slots -------------------------------------------------------------------------------- */

/*	m     [ m0 | ... | m7 ]
 *	out   [ m0 | 1 | m1 | 1 | ... ]		1: nb_desc=1 next=0		*/
ALWAYS_INLINE void vec_slots_set(struct vq_slot *slot, struct mbuf *const *m)
{
	const __m512i one = _mm512_set1_epi64(1);
	const __m512i p = vec_load512(m);

	_mm512_storeu_si512(&slot[0], _mm512_mask_permutexvar_epi64(
					  one, 0x55, _mm512_setr_epi64(0, 0, 1, 0, 2, 0, 3, 0), p));
	_mm512_storeu_si512(&slot[4], _mm512_mask_permutexvar_epi64(
					  one, 0x55, _mm512_setr_epi64(4, 0, 5, 0, 6, 0, 7, 0), p));
}

/*	in    [ m0 | nb_desc next | m1 | ... ]  [ m4 | nb_desc next | ... ]	*/
ALWAYS_INLINE bool vec_slots_get(struct mbuf **m, const struct vq_slot *slot)
{
	const __m512i even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
	const __m512i nb_desc = _mm512_set1_epi64(0xffff);
	const __m512i a = vec_load512(&slot[0]), b = vec_load512(&slot[4]);
	/* does one differ from 1? (a ^ c) | (b ^ c) */
	const __m512i differ = _mm512_ternarylogic_epi64(a, b, _mm512_set1_epi64(1), 0x7e);

	_mm512_storeu_si512(m, _mm512_permutex2var_epi64(a, even, b));
	return !_mm512_mask_test_epi64_mask(0xaa, differ, nb_desc);
}

ALWAYS_INLINE void vec_slots_clear(struct vq_slot *slot)
{
	const __m512i idle = _mm512_maskz_set1_epi64(0xaa, 1);

	_mm512_storeu_si512(&slot[0], idle);
	_mm512_storeu_si512(&slot[4], idle);
}

#endif
