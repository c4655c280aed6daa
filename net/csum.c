/*
 * The Internet checksum over a chain of segments (RFC 1071). A segment that starts at an odd place
 * of the packet has its bytes in the other half of each word: its sum is rotated by 8 bits.
 */
#include "net/csum.h"

static uint64_t csum_swap(uint64_t sum)
{
	return sum << 8 | sum >> 56;
}

uint64_t csum_chain(const struct mbuf *m, uint64_t sum)
{
	bool odd = false;

	for (; m; m = m->next) {
		uint64_t part = csum_bytes(m->buf + m->data_off, m->data_len, 0);

		sum = csum_add(sum, odd ? csum_swap(part) : part);
		odd ^= m->data_len & 1;
	}
	return sum;
}
