/*
 * The Internet checksum (RFC 1071, RFC 1624). Sums are kept as 64-bit one's complement numbers of
 * words in memory order, and folded once at the end: the result can be stored without a swap.
 *
 *	sum = csum_bytes(header, 20, 0);
 *	ok = csum_good(sum);				(a block that contains its checksum)
 *	hdr->csum = csum_final(csum_fold(sum));		(one whose checksum field is 0)
 */
#ifndef NET_CSUM_H
#define NET_CSUM_H

#include "net/mbuf.h"
#include "net/wire.h"
#include <arch/csum.h>

/** csum_add() - one's complement sum of two sums */
static inline uint64_t csum_add(uint64_t a, uint64_t b)
{
	a += b;
	return a + (a < b);
}

/** csum_fold32() - the 16-bit sum, not complemented; 0 only when every byte was 0 */
static inline uint16_t csum_fold32(uint32_t sum)
{
	/* the upper half of x + rotated x is the sum of both halves with its carry */
	sum += sum << 16 | sum >> 16;
	return (uint16_t)(sum >> 16);
}

static inline uint16_t csum_fold(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	return csum_fold32((uint32_t)(sum >> 32));
}

/** csum_final() - what goes into the checksum field */
static inline uint16_t csum_final(uint16_t folded)
{
	return (uint16_t)~folded;
}

/**
 * csum_good() - is this the sum of a block that contains its right checksum?
 *
 * The block must have a byte that is not 0. A good sum folds to 0xffff, so it is a multiple of it,
 * which takes a multiplication to find out instead of the folding.
 */
static inline bool csum_good(uint64_t sum)
{
	return sum % 0xffff == 0;
}

/** csum_tail() - add the last @n bytes (0..7) of a block, at @p */
static inline uint64_t csum_tail(const uint8_t *p, size_t n, uint64_t sum)
{
	uint64_t last = 0;

	if (n & 4) {
		last = load_u32(p);
		p += 4;
	}
	if (n & 2) {
		last += load_u16(p);
		p += 2;
	}
	if (n & 1)
		last += *p;
	return csum_add(sum, last);
}

/** csum_bytes() - add @n bytes at @p to @sum; an odd block ends in a zero byte that is not there */
static inline uint64_t csum_bytes(const void *p, size_t n, uint64_t sum)
{
	sum = csum_words(p, n / 8, sum);
	if (n % 8)
		sum = csum_tail((const uint8_t *)p + (n & ~(size_t)7), n % 8, sum);
	return sum;
}

/** csum_chain() - add all data of a packet, of which segments may have odd lengths */
uint64_t csum_chain(const struct mbuf *m, uint64_t sum);

/** csum_packet() - csum_chain(), quick for the usual single segment */
static inline uint64_t csum_packet(struct mbuf *m, uint64_t sum)
{
	if (likely(!m->next))
		return csum_bytes(mbuf_data(m), m->data_len, sum);
	return csum_chain(m, sum);
}

/** csum_complete() - fill in the checksum of a packet with MBUF_RX_CSUM_NONE: from csum_start to
 * the end, stored csum_offset behind that, in the first segment (virtio 5.1.9.2) */
void csum_complete(struct mbuf *m);

/** csum_replace() - a checksum after one 16-bit word of its block changed (RFC 1624, equation 3) */
static inline uint16_t csum_replace(uint16_t csum, uint16_t old, uint16_t new)
{
	return csum_final(csum_fold((uint64_t)(uint16_t)~csum + (uint16_t)~old + new));
}

#endif
