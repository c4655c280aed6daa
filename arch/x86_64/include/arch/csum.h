/*
 * The inner loop of the Internet checksum: a chain of add-with-carry on 64-bit words, one
 * instruction each. lea, dec and jumps leave the carry alone, so it lives through the loop. The
 * first pass enters the chain in its middle, as many words before its end as do not fill a pass.
 */
#ifndef ARCH_CSUM_H
#define ARCH_CSUM_H

#include <stddef.h>
#include <stdint.h>

#define CSUM_PASS_WORDS 32 /* what 8-bit displacements reach: -128 to 120 */
#define CSUM_ADC_BYTES 4   /* one instruction: prefix, opcode, rsi, 8-bit displacement */

/**
 * csum_words() - one's complement sum of @nwords 64-bit words at @p, and @sum
 *
 * Reads nothing else. Any alignment. Return: the sum, carry added.
 */
static inline uint64_t csum_words(const void *p, size_t nwords, uint64_t sum)
{
	size_t first = nwords % CSUM_PASS_WORDS;
	size_t passes = nwords / CSUM_PASS_WORDS;
	uintptr_t at = (uintptr_t)p + first * 8 - 128;
	uintptr_t entry;

	/* volatile: with the same operands the memory may still have changed */
	__asm__ volatile(
	    "lea 2f(%%rip), %[entry]\n\t"
	    "sub %[back], %[entry]\n\t" /* no borrow: the chain starts without carry */
	    "jmp *%[entry]\n"
	    "1:\n\t"
	    ".irp at,-128,-120,-112,-104,-96,-88,-80,-72,-64,-56,-48,-40,-32,-24,-16,-8,"
	    "0,8,16,24,32,40,48,56,64,72,80,88,96,104,112,120\n\t"
	    "%{disp8%} adcq \\at(%[p]), %[sum]\n\t"
	    ".endr\n"
	    "2:\n\t"
	    "lea 256(%[p]), %[p]\n\t"
	    "dec %[passes]\n\t"
	    "jns 1b\n\t"
	    "adc $0, %[sum]"
	    : [sum] "+r"(sum), [p] "+S"(at), [passes] "+r"(passes), [entry] "=&r"(entry)
	    : [back] "r"(first * CSUM_ADC_BYTES)
	    : "cc", "memory");
	return sum;
}

/** csum_words20() - one's complement sum of the 20 bytes at @p: an IPv4 header without options */
static inline uint64_t csum_words20(const void *p)
{
	const uint8_t *at = p;
	uint32_t last;

	__builtin_memcpy(&last, at + 16, 4);

	uint64_t sum = last;

	__asm__("addq %[a], %[sum]\n\t"
	        "adcq %[b], %[sum]\n\t"
	        "adcq $0, %[sum]"
	        : [sum] "+r"(sum)
	        : [a] "m"(*(const char(*)[8])at), [b] "m"(*(const char(*)[8])(at + 8))
	        : "cc");
	return sum;
}

#endif
