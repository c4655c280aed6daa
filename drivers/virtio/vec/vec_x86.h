/*
 * The one header of the project that includes the x86 intrinsics, and the primitives for which
 * 128 bits are enough on every x86 ISA; see vec_scalar.h for what each does.
 */
#ifndef DRIVERS_VIRTIO_VEC_X86_H
#define DRIVERS_VIRTIO_VEC_X86_H

#include "drivers/virtio/vec/vec_batch.h"

/* gcc's immintrin.h wants malloc() from the C library, which is not there, unless it believes that
 * it has seen it */
#define _MM_MALLOC_H_INCLUDED
#define __MM_MALLOC_H
#include <immintrin.h>

/* Zero extended to 128 bits. */
ALWAYS_INLINE __m128i vec_load64(const void *p)
{
	return _mm_loadl_epi64(p);
}

/*	header  [ flags ... csum_start | csum_offset num_buffers ... ]	the latter all 1	*/
static inline bool vec_one_buffer_each(struct mbuf *const *m, uint32_t hdr_len)
{
	const __m128i mask = _mm_set_epi64x(0xffffll << VEC_NUM_BUFFERS_SHIFT, 0);
	const __m128i one = _mm_set_epi64x(1ll << VEC_NUM_BUFFERS_SHIFT, 0);
	__m128i differ = _mm_setzero_si128();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const uint8_t *hdr = mbuf_buf(m[i]) + NETDEV_HEADROOM - hdr_len;

		differ =
		    _mm_or_si128(differ, _mm_xor_si128(_mm_loadu_si128((const void *)hdr), one));
	}
	return _mm_testz_si128(differ, mask);
}

/*
 *	m[i]  [ iova | 0 ]
 *	add   [ offset | len flags next=0 ]	the upper half is zero before
 */
static inline void vec_split_post(const struct virtqueue *vq, const uint16_t *ids,
                                  struct mbuf *const *m, uint64_t offset, uint32_t len)
{
	const uint64_t meta = len | (uint64_t)VRING_DESC_F_WRITE << VEC_META_ID_SHIFT;
	const __m128i add = _mm_set_epi64x((long long)meta, (long long)offset);

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];
		const unsigned id = ids[i];

		_mm_storeu_si128((void *)&vq->split.desc[id],
		                 _mm_add_epi64(vec_load64(&own->iova), add));
		vq->slot[id].cookie = own;
	}
}

/*
 *	a     [ data_off nb_segs port buf_len | iova ]
 *	b     [ packet_type pkt_len | ... ]
 *	out   [ iova + data_off - hdr_len | pkt_len + hdr_len, flags next=0 ]
 */
static inline uint64_t vec_split_send(const struct virtqueue *vq, const uint16_t *ids,
                                      struct mbuf *const *m, uint32_t hdr_len)
{
	const __m128i low16 = _mm_set_epi64x(0, 0xffff);
	const __m128i add = _mm_set_epi64x(hdr_len, -(long long)hdr_len);
	__m128i sum = _mm_setzero_si128();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *own = m[i];
		const unsigned id = ids[i];
		const __m128i a = _mm_loadu_si128((const void *)&own->data_off);
		const __m128i b = _mm_srli_epi64(vec_load64(&own->packet_type), 32);
		const __m128i d = _mm_unpacklo_epi64(_mm_srli_si128(a, 8), b);

		sum = _mm_add_epi64(sum, b);
		_mm_storeu_si128((void *)&vq->split.desc[id],
		                 _mm_add_epi64(_mm_add_epi64(d, _mm_and_si128(a, low16)), add));
		vq->slot[id].cookie = own;
	}
	return (uint64_t)_mm_cvtsi128_si64(sum);
}

/* nb_segs is never 0, so that their union is 1 only when all are. */
static inline bool vec_tx_plain(struct mbuf *const *m, uint32_t flags, uint32_t len_max)
{
	__m128i all = _mm_setzero_si128(), most = _mm_setzero_si128();
	uint32_t all_flags = 0;

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const struct mbuf *own = m[i];

		all = _mm_or_si128(all, _mm_loadu_si128((const void *)&own->data_off));
		most = _mm_max_epu32(most, _mm_loadu_si128((const void *)&own->packet_type));
		all_flags |= own->flags;
	}
	return _mm_extract_epi16(all, 1) == 1 && (uint32_t)_mm_extract_epi32(most, 1) <= len_max &&
	       !(all_flags & flags);
}

static inline void vec_hdr_clear(struct mbuf *const *m)
{
	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++)
		_mm_storeu_si128((void *)(mbuf_buf(m[i]) + m[i]->data_off - VEC_HDR_CLEAR),
		                 _mm_setzero_si128());
}

/*	m[i]  [ next | pool ]	all the same		*/
static inline bool vec_free_plain(struct mbuf *const *m, const struct mempool *pool)
{
	const __m128i want = _mm_set_epi64x((long long)(uintptr_t)pool, 0);
	__m128i differ = _mm_setzero_si128();

	VEC_UNROLL
	for (unsigned i = 0; i < VEC_BATCH; i++) {
		const __m128i have = _mm_loadu_si128((const void *)&m[i]->next);

		differ = _mm_or_si128(differ, _mm_xor_si128(have, want));
	}
	return _mm_testz_si128(differ, differ);
}

#endif
