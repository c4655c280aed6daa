/*
 * Reading decisions, stopping at a broken invariant, and kernel/memory.h on the heap: one block
 * for each mem_alloc(), so that AddressSanitizer knows where it ends. It replaces kernel/memory.c.
 */
#include "tests/fuzz/fuzz.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "tests/unit/plat_test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX 256

static void *blocks[BLOCKS_MAX];
static unsigned nb_blocks;
static size_t total_bytes, free_bytes;

void fuzz_bytes(struct fuzz_in *in, void *out, size_t n)
{
	const size_t left = (size_t)(in->end - in->at);
	const size_t take = n < left ? n : left;

	memset(out, 0, n);
	if (take)
		memcpy(out, in->at, take);
	in->at += take;
}

uint8_t *fuzz_rest(struct fuzz_in *in, size_t max, size_t *len)
{
	const size_t left = (size_t)(in->end - in->at);
	uint8_t *copy;

	*len = left < max ? left : max;
	copy = malloc(*len ? *len : 1);
	if (!copy)
		abort();
	fuzz_bytes(in, copy, *len);
	return copy;
}

void fuzz_require(bool holds, const char *fmt, ...)
{
	va_list ap;

	if (holds)
		return;
	fflush(stdout);
	fprintf(stderr, "%s\nbroken invariant: ", plat_test_output());
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void fuzz_quiet(void)
{
	log_set_levels("error");
	log_set_json(false);
	plat_test_clear();
}

/* ---- kernel/memory.h ---------------------------------------------------------------------- */

void mem_reset(void)
{
	while (nb_blocks)
		free(blocks[--nb_blocks]);
	total_bytes = free_bytes = 0;
}

void mem_add(void *base, size_t len)
{
	(void)base;
	total_bytes += len;
	free_bytes += len;
}

void *mem_take(const char *what, size_t bytes, size_t align)
{
	const size_t size = (size_t)align_up(bytes, align);
	void *p;

	fuzz_require(bytes > 0 && is_power_of_two(align), "mem_alloc(%s, %zu, %zu)", what, bytes,
	             align);
	if (size > free_bytes)
		return NULL;
	fuzz_require(nb_blocks < BLOCKS_MAX, "mem_alloc(%s): one of too many", what);
	p = aligned_alloc(align, size);
	if (!p)
		abort();
	blocks[nb_blocks++] = p;
	free_bytes -= size;
	return memset(p, 0xa5, size); /* it holds anything */
}

void *mem_alloc(const char *what, size_t bytes, size_t align)
{
	void *p = mem_take(what, bytes, align);

	return p ? memset(p, 0, bytes) : NULL;
}

void *mem_alloc_shared(const char *what, size_t bytes, size_t align)
{
	return mem_alloc(what, bytes, align);
}

size_t mem_free_bytes(void)
{
	return free_bytes;
}

size_t mem_largest_bytes(size_t align)
{
	return (size_t)align_down(free_bytes, align);
}

size_t mem_total_bytes(void)
{
	return total_bytes;
}

void fuzz_memory(size_t bytes)
{
	mem_reset();
	mem_add(NULL, bytes);
}

/* ---- libFuzzer ---------------------------------------------------------------------------- */

/* Freed memory need not be watched for long: the next input starts anew. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=8:detect_leaks=0:allocator_may_return_null=0";
}
