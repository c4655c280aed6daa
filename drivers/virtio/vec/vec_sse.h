/*
 * The primitives for split rings with SSE4.1: two used elements in a register.
 */
#ifndef DRIVERS_VIRTIO_VEC_SSE_H
#define DRIVERS_VIRTIO_VEC_SSE_H

#include "drivers/virtio/vec/vec_x86.h"

#define VEC_REGS (VEC_BATCH / 2)

/* v[i]: [ low, len | low, len ] of elements 2i and 2i + 1 */
struct vec_used {
	__m128i v[VEC_REGS];
};

/*
 *	in    [ id0 len0 | id1 len1 ]
 *	out   [ id0 len0 - hdr_len | id1 len1 - hdr_len ]
 */
ALWAYS_INLINE struct vec_used vec_split_used(const struct vring_used_elem *used, uint32_t hdr_len)
{
	const __m128i trim = _mm_setr_epi32(0, (int)hdr_len, 0, (int)hdr_len);
	struct vec_used out;

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_REGS; i++)
		out.v[i] = _mm_sub_epi32(_mm_loadu_si128((const void *)&used[2 * i]), trim);
	return out;
}

ALWAYS_INLINE bool vec_used_within(struct vec_used v, uint32_t low_max, uint32_t len_max)
{
	const __m128i limit =
	    _mm_setr_epi32((int)low_max, (int)len_max, (int)low_max, (int)len_max);
	__m128i most = limit;

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_REGS; i++)
		most = _mm_max_epu32(most, v.v[i]);
	most = _mm_xor_si128(most, limit);
	return _mm_testz_si128(most, most);
}

/*	[ low len | low len ]  summed, the upper halves: [ len | len ], then both	*/
ALWAYS_INLINE uint32_t vec_used_bytes(struct vec_used v)
{
	__m128i sum = _mm_add_epi32(_mm_add_epi32(v.v[0], v.v[1]), _mm_add_epi32(v.v[2], v.v[3]));

	sum = _mm_srli_epi64(sum, 32);
	return (uint32_t)_mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_srli_si128(sum, 8)));
}

/*
 *	even words of two registers  [ low0 low1 low2 low3 ], packed to 16 bits with the next four
 */
ALWAYS_INLINE void vec_used_ids(uint16_t *ids, struct vec_used v)
{
	const __m128 a = _mm_shuffle_ps(_mm_castsi128_ps(v.v[0]), _mm_castsi128_ps(v.v[1]), 0x88);
	const __m128 b = _mm_shuffle_ps(_mm_castsi128_ps(v.v[2]), _mm_castsi128_ps(v.v[3]), 0x88);

	_mm_storeu_si128((void *)ids, _mm_packus_epi32(_mm_castps_si128(a), _mm_castps_si128(b)));
}

/*
 *	in    [ low len | low len ]
 *	out   [ packet_type=0 | pkt_len | data_len vlan=0 | hash=0 ]  for each half
 */
ALWAYS_INLINE void vec_rx_mbufs(struct mbuf *const *m, struct vec_used v, uint64_t rearm)
{
	/* -1 writes zero; 4..7 is the first length, 12..15 the second */
	const __m128i first =
	    _mm_setr_epi8(-1, -1, -1, -1, 4, 5, 6, 7, 4, 5, -1, -1, -1, -1, -1, -1);
	const __m128i second =
	    _mm_setr_epi8(-1, -1, -1, -1, 12, 13, 14, 15, 12, 13, -1, -1, -1, -1, -1, -1);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];

		vec_rearm_store(own, rearm);
		_mm_storeu_si128((void *)&own->packet_type,
		                 _mm_shuffle_epi8(v.v[i / 2], i & 1 ? second : first));
	}
}

#undef VEC_REGS
#endif
