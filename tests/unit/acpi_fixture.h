/*
 * ACPI tables made by hand, good and hostile. Every table lies in a heap block of exactly its size,
 * so that the sanitizer sees a read behind its end.
 */
#ifndef TESTS_UNIT_ACPI_FIXTURE_H
#define TESTS_UNIT_ACPI_FIXTURE_H

#include "kernel/acpi.h"

#include "kernel/errno.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 128
#define PHYS_STEP 0x100000ull

struct block {
	uint8_t *data;
	size_t len;
};

static struct block blocks[BLOCKS_MAX];
static unsigned nb_blocks;
static uint8_t rsdp[36];

static inline const void *map(uint64_t phys, size_t len)
{
	const uint64_t i = phys / PHYS_STEP;
	const uint64_t at = phys % PHYS_STEP;

	cr_assert_leq(phys, UINT64_MAX - len, "a range that wraps around");
	if (i == 0 || i > nb_blocks || at + len > blocks[i - 1].len)
		return NULL;
	return blocks[i - 1].data + at;
}

static inline void sum(uint8_t *p, size_t len, size_t checksum_at)
{
	uint8_t s = 0;

	p[checksum_at] = 0;
	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	p[checksum_at] = (uint8_t)-s;
}

/* Puts a table into memory and gives its address; a header with the right checksum is added. */
static inline uint64_t add_table(const char *signature, const void *body, size_t len)
{
	const size_t total = sizeof(struct acpi_header) + len;
	uint8_t *t = malloc(total);
	struct acpi_header *h = (void *)t;

	cr_assert(nb_blocks < BLOCKS_MAX);
	memset(h, 0, sizeof(*h));
	memcpy(h->signature, signature, 4);
	h->length = (uint32_t)total;
	if (len)
		memcpy(t + sizeof(*h), body, len);
	sum(t, total, 9);
	blocks[nb_blocks++] = (struct block){t, total};
	return nb_blocks * PHYS_STEP;
}

static inline struct acpi_header *table_at(uint64_t phys)
{
	return (void *)blocks[phys / PHYS_STEP - 1].data;
}

/* A length that lies, with a checksum that is right over it as far as there is memory. */
static inline void set_length(uint64_t phys, uint32_t len)
{
	const struct block *b = &blocks[phys / PHYS_STEP - 1];
	struct acpi_header *h = table_at(phys);

	h->length = len;
	sum(b->data, len >= 10 && len < b->len ? len : b->len, 9);
}

static inline void make_rsdp(uint64_t rsdt, uint64_t xsdt)
{
	const uint32_t rsdt32 = (uint32_t)rsdt, len = 36;

	memset(rsdp, 0, sizeof(rsdp));
	memcpy(rsdp, "RSD PTR ", 8);
	rsdp[15] = xsdt ? 2 : 0;
	memcpy(rsdp + 16, &rsdt32, 4);
	memcpy(rsdp + 20, &len, 4);
	memcpy(rsdp + 24, &xsdt, 8);
	sum(rsdp, 20, 8);
	sum(rsdp, 36, 32);
}

static inline unsigned init_with(const uint64_t *phys, unsigned n)
{
	make_rsdp(0, add_table("XSDT", phys, n * sizeof(*phys)));
	return acpi_init(rsdp, map);
}

static inline unsigned init_with_one(const char *signature, const void *body, size_t len)
{
	const uint64_t phys = add_table(signature, body, len);

	return init_with(&phys, 1);
}

static inline void forget(void)
{
	for (unsigned i = 0; i < nb_blocks; i++)
		free(blocks[i].data);
	nb_blocks = 0;
}

#endif
