/*
 * The Internet checksum over a chain of segments (RFC 1071). A segment that starts at an odd place
 * of the packet has its bytes in the other half of each word: its sum is rotated by 8 bits.
 */
#include "net/csum.h"

static uint64_t csum_swap(uint64_t sum)
{
	return sum << 8 | sum >> 56;
}

/* The sum of a packet from byte @skip of its first segment on. */
static uint64_t csum_from(const struct mbuf *m, uint32_t skip)
{
	uint64_t sum = csum_bytes(mbuf_data(m) + skip, m->data_len - skip, 0);
	uint64_t rest = m->next ? csum_chain(m->next, 0) : 0;

	return csum_add(sum, (m->data_len - skip) & 1 ? csum_swap(rest) : rest);
}

void csum_complete(struct mbuf *m)
{
	assert(m->csum_start + m->csum_offset + 2u <= m->data_len);

	/* the field holds the sum of the pseudo header, which is to be part of the result */
	uint16_t csum = csum_final(csum_fold(csum_from(m, m->csum_start)));

	/* 0 would say that there is none (RFC 768); for TCP both are the same number */
	if (!csum)
		csum = 0xffff;
	__builtin_memcpy(mbuf_data(m) + m->csum_start + m->csum_offset, &csum, sizeof(csum));
}

uint64_t csum_chain(const struct mbuf *m, uint64_t sum)
{
	bool odd = false;

	for (; m; m = m->next) {
		uint64_t part = csum_bytes(mbuf_data(m), m->data_len, 0);

		sum = csum_add(sum, odd ? csum_swap(part) : part);
		odd ^= m->data_len & 1;
	}
	return sum;
}
