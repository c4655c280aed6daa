/*
 * The inner loop of the Internet checksum: a chain of add-with-carry on 64-bit words, of which two
 * are loaded at once. Loads, sub and cbnz leave the carry alone, so it lives through the loop.
 */
#ifndef ARCH_CSUM_H
#define ARCH_CSUM_H

#include <stddef.h>
#include <stdint.h>

#define CSUM_PASS_WORDS 4

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
	size_t passes = nwords / CSUM_PASS_WORDS;
	uint64_t a, b, c, d;

	/* volatile: with the same operands the memory may still have changed */
	if (passes)
		__asm__ volatile("adds %[sum], %[sum], xzr\n" /* no carry */
		                 "1:\n\t"
		                 "ldp %[a], %[b], [%[p]], #32\n\t"
		                 "ldp %[c], %[d], [%[p], #-16]\n\t"
		                 "adcs %[sum], %[sum], %[a]\n\t"
		                 "adcs %[sum], %[sum], %[b]\n\t"
		                 "adcs %[sum], %[sum], %[c]\n\t"
		                 "adcs %[sum], %[sum], %[d]\n\t"
		                 "sub %[passes], %[passes], #1\n\t"
		                 "cbnz %[passes], 1b\n\t"
		                 "adc %[sum], %[sum], xzr"
		                 : [sum] "+r"(sum), [p] "+r"(at), [passes] "+r"(passes),
		                   [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c), [d] "=&r"(d)
		                 :
		                 : "cc", "memory");

	unsigned __int128 wide = sum;

	for (nwords %= CSUM_PASS_WORDS; nwords; nwords--, at += 8)
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
