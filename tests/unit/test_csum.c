/* net/csum.h against the definition in RFC 1071, and the assembly against plain C. */
#include "arch/generic/csum.h"
#include "net/csum.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* a block that ends where memory ends: reading one byte more is a fault */
static uint8_t *fenced(size_t len)
{
	const size_t room = 16384;
	uint8_t *p =
	    mmap(NULL, room + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq((void *)p, MAP_FAILED);
	cr_assert_eq(mprotect(p + room, 4096, PROT_NONE), 0);
	return p + room - len;
}

static void fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rand();
}

static uint16_t big_endian(uint16_t v)
{
	return __builtin_bswap16(v);
}

Test(csum, is_the_one_of_the_example_in_rfc_1071)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	cr_assert_eq(big_endian(csum_fold(csum_bytes(example, 8, 0))), 0xddf2);
}

Test(csum, is_right_for_every_length_and_reads_nothing_behind)
{
	for (unsigned len = 0; len < 2000; len++) {
		static uint8_t *end;

		if (!end)
			end = fenced(0);

		uint8_t *p = end - len;

		fill(p, len);
		cr_assert_eq(big_endian(csum_fold(csum_bytes(p, len, 0))), frame_sum(p, len, 0),
		             "length %u", len);
	}
}

Test(csum, of_the_assembly_is_that_of_plain_c_to_the_last_bit_that_counts)
{
	uint8_t *p = fenced(4096 + 1) + 1; /* not aligned */

	for (unsigned round = 0; round < 3; round++) {
		if (round == 0)
			memset(p, 0xff, 4096); /* every addition carries */
		else if (round == 1)
			memset(p, 0, 4096);
		else
			fill(p, 4096);
		for (size_t words = 0; words <= 512; words++) {
			uint64_t start = round == 2 ? (uint64_t)rand() << 40 : UINT64_MAX;

			cr_assert_eq(csum_fold(csum_words(p, words, start)),
			             csum_fold(csum_words_generic(p, words, start)),
			             "round %u, %zu words", round, words);
		}
		cr_assert_eq(csum_fold(csum_words20(p)), csum_fold(csum_words20_generic(p)));
	}
	p = fenced(20);
	fill(p, 20);
	cr_assert_eq(csum_fold(csum_words20(p)), csum_fold(csum_words20_generic(p)));
}

Test(csum, folds_with_every_carry)
{
	static const uint64_t sums[] = {0,
	                                1,
	                                0xffff,
	                                0x10000,
	                                UINT32_MAX,
	                                UINT64_MAX,
	                                UINT64_MAX - 1,
	                                0xffff0000ffff0001,
	                                0x8000800080008000};

	for (unsigned i = 0; i < ARRAY_SIZE(sums); i++) {
		uint64_t expect = sums[i];

		while (expect >> 16)
			expect = (expect & 0xffff) + (expect >> 16);
		cr_assert_eq(csum_fold(sums[i]), expect, "%llx", (unsigned long long)sums[i]);
		cr_assert_eq(csum_good(sums[i]), expect == 0xffff || sums[i] == 0);
	}
	cr_assert_eq(csum_add(UINT64_MAX, UINT64_MAX), UINT64_MAX);
	cr_assert_eq(csum_add(UINT64_MAX, 1), 1);
}

Test(csum, of_a_block_with_its_checksum_is_good_and_with_any_bit_changed_is_not)
{
	uint8_t block[64];

	for (unsigned round = 0; round < 50; round++) {
		fill(block, sizeof(block));
		block[10] = block[11] = 0;

		uint16_t csum = csum_final(csum_fold(csum_bytes(block, sizeof(block), 0)));

		memcpy(&block[10], &csum, 2);
		cr_assert(csum_good(csum_bytes(block, sizeof(block), 0)));
		for (unsigned bit = 0; bit < 8 * sizeof(block); bit++) {
			block[bit / 8] ^= (uint8_t)(1u << bit % 8);
			cr_assert_not(csum_good(csum_bytes(block, sizeof(block), 0)), "bit %u",
			              bit);
			block[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

Test(csum, of_a_chain_is_that_of_its_bytes_however_they_are_cut)
{
	static struct fake_netdev port;
	uint8_t bytes[1500];

	fake_netdev_init(&port);
	for (unsigned round = 0; round < 300; round++) {
		unsigned len = (unsigned)rand() % 1500, first = (unsigned)rand() % 100;
		unsigned each = 20 + (unsigned)rand() % 200;

		fill(bytes, len);

		struct mbuf *m = fake_inject_split(&port, bytes, len, first, each);

		cr_assert_eq(big_endian(csum_fold(csum_packet(m, 0))), frame_sum(bytes, len, 0),
		             "%u bytes, %u first, then %u", len, first, each);
		mbuf_free(m);
		port.rx_tail = port.rx_head;
	}
}

Test(csum, after_a_replaced_word_is_what_a_new_sum_would_be)
{
	for (unsigned round = 0; round < 20000; round++) {
		uint16_t block[4];

		fill((uint8_t *)block, sizeof(block));
		if (round % 3 == 0)
			block[2] = round % 2 ? 0 : 0xffff;

		block[0] |= 1; /* so that the sums are not those of all zeros */

		const uint16_t csum = csum_final(csum_fold(csum_bytes(block, 8, 0)));
		const uint16_t old = block[2];

		block[2] = (uint16_t)rand();
		cr_assert_eq(csum_replace(csum, old, block[2]),
		             csum_final(csum_fold(csum_bytes(block, 8, 0))));
	}
}
