/*
 * The primitives with AVX2: four used elements, or two packed descriptors, in a register.
 */
#ifndef DRIVERS_VIRTIO_VEC_AVX2_H
#define DRIVERS_VIRTIO_VEC_AVX2_H

#include "drivers/virtio/vec/vec_x86.h"

/* [ low0 len0 | low1 len1 | low2 len2 | low3 len3 ], then elements 4 to 7 */
struct vec_used {
	__m256i v[2];
};

ALWAYS_INLINE __m256i vec_load256(const void *p)
{
	return _mm256_loadu_si256(p);
}

/* ---- used buffers ------------------------------------------------------------------------- */

ALWAYS_INLINE struct vec_used vec_split_used(const struct vring_used_elem *used, uint32_t hdr_len)
{
	const __m256i trim = _mm256_set1_epi64x((long long)((uint64_t)hdr_len << 32));

	return (struct vec_used){{_mm256_sub_epi32(vec_load256(&used[0]), trim),
	                          _mm256_sub_epi32(vec_load256(&used[4]), trim)}};
}

/*	[ addr | len id flags | addr | len id flags ]	only the two bits of each flags count	*/
ALWAYS_INLINE bool vec_packed_is_used(const struct vring_packed_desc *d, uint16_t used_flags)
{
	const uint64_t bits = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
	const __m256i mask =
	    _mm256_set_epi64x((long long)(bits << 48), 0, (long long)(bits << 48), 0);
	const __m256i want = _mm256_set1_epi64x((long long)((uint64_t)used_flags << 48));
	__m256i differ = _mm256_setzero_si256();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2)
		differ = _mm256_or_si256(differ, _mm256_xor_si256(vec_load256(&d[i]), want));
	return _mm256_testz_si256(differ, mask);
}

/*
 * Two registers of two descriptors.
 *
 *	in    [ addr0 | len0 id0 flags0 | addr1 | ... ]  [ addr2 | len2 id2 flags2 | addr3 | ... ]
 *	hi    [ len0 id0 flags0 | len2 ... | len1 ... | len3 ... ]
 *	out   [ id0 ^ expected, len0 - hdr_len | 1 | 2 | 3 ]
 */
ALWAYS_INLINE __m256i vec_packed_used4(const struct vring_packed_desc *d, __m256i expected,
                                       __m256i trim)
{
	/* of each half: 4 and 5 the id, 0..3 the length */
	const __m256i pick = _mm256_broadcastsi128_si256(
	    _mm_setr_epi8(4, 5, -1, -1, 0, 1, 2, 3, 12, 13, -1, -1, 8, 9, 10, 11));
	const __m256i hi = _mm256_unpackhi_epi64(vec_load256(&d[0]), vec_load256(&d[2]));
	const __m256i v = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(hi, 0xd8), pick);

	return _mm256_sub_epi32(_mm256_xor_si256(v, expected), trim);
}

ALWAYS_INLINE struct vec_used vec_packed_used(const struct vring_packed_desc *d, uint16_t id,
                                              uint32_t hdr_len)
{
	const __m256i trim = _mm256_set1_epi64x((long long)((uint64_t)hdr_len << 32));
	const __m256i first = _mm256_set1_epi64x(id);

	return (struct vec_used){
	    {vec_packed_used4(&d[0], _mm256_add_epi64(first, _mm256_setr_epi64x(0, 1, 2, 3)), trim),
	     vec_packed_used4(&d[4], _mm256_add_epi64(first, _mm256_setr_epi64x(4, 5, 6, 7)),
	                      trim)}};
}

ALWAYS_INLINE bool vec_used_within(struct vec_used v, uint32_t low_max, uint32_t len_max)
{
	const __m256i limit =
	    _mm256_set1_epi64x((long long)((uint64_t)len_max << 32 | (uint64_t)low_max));
	__m256i most = _mm256_max_epu32(_mm256_max_epu32(v.v[0], v.v[1]), limit);

	most = _mm256_xor_si256(most, limit);
	return _mm256_testz_si256(most, most);
}

/*	[ low len | ... ] summed, the upper halves: [ len | len | len | len ], then all	*/
ALWAYS_INLINE uint32_t vec_used_bytes(struct vec_used v)
{
	const __m256i four = _mm256_srli_epi64(_mm256_add_epi32(v.v[0], v.v[1]), 32);
	const __m128i two =
	    _mm_add_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));

	return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_si128(two, 8)));
}

/*
 *	even words   [ low0 low1 low4 low5 | low2 low3 low6 low7 ]
 *	in order     [ low0 low1 low2 low3 | low4 low5 low6 low7 ]  then packed to 16 bits
 */
ALWAYS_INLINE void vec_used_ids(uint16_t *ids, struct vec_used v)
{
	const __m256 even =
	    _mm256_shuffle_ps(_mm256_castsi256_ps(v.v[0]), _mm256_castsi256_ps(v.v[1]), 0x88);
	const __m256i low = _mm256_permute4x64_epi64(_mm256_castps_si256(even), 0xd8);

	_mm_storeu_si128((void *)ids, _mm_packus_epi32(_mm256_castsi256_si128(low),
	                                               _mm256_extracti128_si256(low, 1)));
}

/*
 *	in    [ low len | low len ]  in each half
 *	out   [ packet_type=0 | pkt_len | data_len vlan=0 | hash=0 ]  of its first, of its second
 */
ALWAYS_INLINE void vec_rx_mbufs(struct mbuf *const *m, struct vec_used v, uint64_t rearm)
{
	/* -1 writes zero; 4..7 is the first length, 12..15 the second */
	const __m256i first = _mm256_broadcastsi128_si256(
	    _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, 4, 5, -1, -1, -1, -1, -1, -1));
	const __m256i second = _mm256_broadcastsi128_si256(
	    _mm_setr_epi8(-1, -1, -1, -1, 12, 13, 14, 15, 12, 13, -1, -1, -1, -1, -1, -1));

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];
		const __m256i words = _mm256_shuffle_epi8(v.v[i / 4], i & 1 ? second : first);

		vec_rearm_store(own, rearm);
		_mm_storeu_si128((void *)&own->packet_type, i & 2
		                                                ? _mm256_extracti128_si256(words, 1)
		                                                : _mm256_castsi256_si128(words));
	}
}

/* ---- packed descriptors ------------------------------------------------------------------- */

/*
 *	two   [ iova0 | ... | iova1 | ... ]
 *	out   [ iova0 + offset | meta | iova1 + offset | meta + one id ]
 */
ALWAYS_INLINE void vec_packed_post(struct vring_packed_desc *d, struct mbuf *const *m,
                                   uint64_t offset, uint64_t meta, uint64_t hide)
{
	const long long one = 1ll << VEC_META_ID_SHIFT;
	const __m256i two_ids = _mm256_setr_epi64x(0, 2 * one, 0, 2 * one);
	__m256i add = _mm256_setr_epi64x((long long)offset, (long long)meta, (long long)offset,
	                                 (long long)meta + one);
	__m256i mask = _mm256_setr_epi64x(0, (long long)hide, 0, 0);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2) {
		const __m256i two =
		    _mm256_inserti128_si256(_mm256_castsi128_si256(vec_load64(&m[i]->iova)),
		                            vec_load64(&m[i + 1]->iova), 1);

		_mm256_storeu_si256((void *)&d[i],
		                    _mm256_xor_si256(_mm256_add_epi64(two, add), mask));
		add = _mm256_add_epi64(add, two_ids);
		mask = _mm256_setzero_si256();
	}
}

/*
 *	a     [ data_off nb_segs port buf_len | iova ]  of two packets
 *	b     [ packet_type pkt_len | ... ]             likewise
 *	d     [ iova | pkt_len ]
 *	out   [ iova + data_off - hdr_len | pkt_len + meta ]
 */
ALWAYS_INLINE uint64_t vec_packed_send(struct vring_packed_desc *d, struct mbuf *const *m,
                                       uint64_t hdr_len, uint64_t meta, uint64_t hide)
{
	const long long one = 1ll << VEC_META_ID_SHIFT, back = -(long long)hdr_len;
	const __m256i two_ids = _mm256_setr_epi64x(0, 2 * one, 0, 2 * one);
	const __m256i low16 = _mm256_setr_epi64x(0xffff, 0, 0xffff, 0);
	__m256i add = _mm256_setr_epi64x(back, (long long)meta, back, (long long)meta + one);
	__m256i mask = _mm256_setr_epi64x(0, (long long)hide, 0, 0);
	__m256i sum = _mm256_setzero_si256();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2) {
		const __m256i a = _mm256_loadu2_m128i((const void *)&m[i + 1]->data_off,
		                                      (const void *)&m[i]->data_off);
		const __m256i b =
		    _mm256_srli_epi64(_mm256_loadu2_m128i((const void *)&m[i + 1]->packet_type,
		                                          (const void *)&m[i]->packet_type),
		                      32);
		/* the upper half of a, the lower one of b */
		const __m256i two = _mm256_castpd_si256(
		    _mm256_shuffle_pd(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b), 0x5));
		const __m256i addr = _mm256_add_epi64(two, _mm256_and_si256(a, low16));

		sum = _mm256_add_epi64(sum, two);
		_mm256_storeu_si256((void *)&d[i],
		                    _mm256_xor_si256(_mm256_add_epi64(addr, add), mask));
		add = _mm256_add_epi64(add, two_ids);
		mask = _mm256_setzero_si256();
	}
	return (uint64_t)_mm256_extract_epi64(sum, 1) + (uint64_t)_mm256_extract_epi64(sum, 3);
}

/* ---- slots -------------------------------------------------------------------------------- */

/*	m     [ m0 | m1 | m2 | m3 ]
 *	out   [ m0 | 1 | m1 | 1 ]  [ m2 | 1 | m3 | 1 ]		1: nb_desc=1 next=0	*/
ALWAYS_INLINE void vec_slots_set(struct vq_slot *slot, struct mbuf *const *m)
{
	const __m256i one = _mm256_set1_epi64x(1);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 4) {
		/* m0 m2 m1 m3, so that unpacking within the halves gives the right order */
		const __m256i p = _mm256_permute4x64_epi64(vec_load256(&m[i]), 0xd8);

		_mm256_storeu_si256((void *)&slot[i], _mm256_unpacklo_epi64(p, one));
		_mm256_storeu_si256((void *)&slot[i + 2], _mm256_unpackhi_epi64(p, one));
	}
}

/*	in    [ m0 | nb_desc next | m1 | ... ]  [ m2 | nb_desc next | m3 | ... ]
 *	lo    [ m0 | m2 | m1 | m3 ]			reordered: the cookies		*/
ALWAYS_INLINE bool vec_slots_get(struct mbuf **m, const struct vq_slot *slot)
{
	const __m256i nb_desc = _mm256_setr_epi64x(0, 0xffff, 0, 0xffff);
	const __m256i one = _mm256_set1_epi64x(1);
	__m256i differ = _mm256_setzero_si256();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 4) {
		const __m256i a = vec_load256(&slot[i]), b = vec_load256(&slot[i + 2]);
		const __m256i lo = _mm256_unpacklo_epi64(a, b);

		differ = _mm256_or_si256(differ, _mm256_xor_si256(a, one));
		differ = _mm256_or_si256(differ, _mm256_xor_si256(b, one));
		_mm256_storeu_si256((void *)&m[i], _mm256_permute4x64_epi64(lo, 0xd8));
	}
	return _mm256_testz_si256(differ, nb_desc);
}

ALWAYS_INLINE void vec_slots_clear(struct vq_slot *slot)
{
	const __m256i idle = _mm256_setr_epi64x(0, 1, 0, 1);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i += 2)
		_mm256_storeu_si256((void *)&slot[i], idle);
}

#endif
