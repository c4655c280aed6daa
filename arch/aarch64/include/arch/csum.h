/*
 * The inner loop of the Internet checksum: 64-bit words added to a 128-bit sum, whose carries are
 * folded in at the end.
 */
#ifndef ARCH_CSUM_H
#define ARCH_CSUM_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t csum_load64(const uint8_t *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t csum_fold128(unsigned __int128 sum)
{
	const uint64_t low = (uint64_t)sum;
	const uint64_t both = low + (uint64_t)(sum >> 64);

	return both + (both < low);
}

/**
 * csum_words() - one's complement sum of @nwords 64-bit words at @p, and @sum
 *
 * Reads nothing else. Any alignment. Return: the sum, carry added.
 */
static inline uint64_t csum_words(const void *p, size_t nwords, uint64_t sum)
{
	const uint8_t *at = p;
	unsigned __int128 wide = sum;

	for (; nwords >= 2; nwords -= 2, at += 16)
		wide += (unsigned __int128)csum_load64(at) + csum_load64(at + 8);
	if (nwords)
		wide += csum_load64(at);
	return csum_fold128(wide);
}

/** csum_words20() - one's complement sum of the 20 bytes at @p: an IPv4 header without options */
static inline uint64_t csum_words20(const void *p)
{
	const uint8_t *at = p;
	uint32_t last;

	__builtin_memcpy(&last, at + 16, sizeof(last));
	return csum_fold128((unsigned __int128)csum_load64(at) + csum_load64(at + 8) + last);
}

#endif
