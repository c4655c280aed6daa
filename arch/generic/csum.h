/*
 * The inner loop of the Internet checksum in plain C: for an instruction set that has none of its
 * own, and what the tests hold the others against.
 */
#ifndef ARCH_GENERIC_CSUM_H
#define ARCH_GENERIC_CSUM_H

#include <stddef.h>
#include <stdint.h>

/** csum_words_generic() - one's complement sum of @nwords 64-bit words at @p, and @sum */
static inline uint64_t csum_words_generic(const void *p, size_t nwords, uint64_t sum)
{
	const uint8_t *at = p;

	for (size_t i = 0; i < nwords; i++) {
		uint64_t word;

		__builtin_memcpy(&word, at + i * 8, 8);
		sum += word;
		sum += sum < word;
	}
	return sum;
}

/** csum_words20_generic() - one's complement sum of the 20 bytes at @p */
static inline uint64_t csum_words20_generic(const void *p)
{
	uint32_t last;

	__builtin_memcpy(&last, (const uint8_t *)p + 16, 4);
	return csum_words_generic(p, 2, last);
}

#endif
