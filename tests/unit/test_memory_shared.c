/*
 * Memory that devices see, apart from ours: the allocator and the mempool compiled as for the
 * hosted build, over a block whose upper half is shared.
 */
#define MEM_SHARED_OFFSET ((size_t)64 << 10)
#include "kernel/memory.c"
#include "net/mempool.c"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>

#define BUFS 12

static uint8_t block[2 * MEM_SHARED_OFFSET] __attribute__((aligned(PAGE_SIZE)));
static uint8_t *const shared = block + MEM_SHARED_OFFSET;

static void start(void)
{
	memset(block, 0xa5, sizeof(block)); /* it holds anything */
	mem_reset();
	mem_add(block, MEM_SHARED_OFFSET);
}

TestSuite(memory_shared, .init = start);

static bool is(const uint8_t *p, size_t n, uint8_t value)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != value)
			return false;
	}
	return true;
}

Test(memory_shared, a_byte_is_ours_or_shared)
{
	uint8_t *a = mem_alloc("a", 100, 8);
	uint8_t *b = mem_alloc_shared("b", 100, 64);
	uint8_t *c = mem_alloc("c", 100, 8);

	cr_assert_eq(a, block);
	cr_assert_eq(b, shared + 128);
	cr_assert(is(a, 100, 0) && is(b, 100, 0) && is(c, 100, 0));
	cr_assert(is(mem_shared(a), 100, 0xa5) && is(mem_shared(c), 100, 0xa5));
	cr_assert(is(block + 128, 100, 0xa5));
	cr_assert_eq(mem_total_bytes() - mem_free_bytes(), (size_t)(c + 100 - block));
	cr_assert_null(mem_alloc_shared("too much", MEM_SHARED_OFFSET - 300, 8));
}

Test(memory_shared, of_a_pool_devices_see_the_buffers_and_nothing_else)
{
	struct mempool *p = mempool_create("pool", BUFS, 2000);
	struct mbuf *m[BUFS];

	cr_assert_not_null(p);
	cr_assert(is(shared, MEM_SHARED_OFFSET, 0xa5), "nothing was written there");
	cr_assert_eq(mempool_get_bulk(p, m, BUFS), BUFS);
	for (unsigned i = 0; i < BUFS; i++) {
		cr_assert((uint8_t *)m[i] >= block && (uint8_t *)(m[i] + 1) <= shared);
		cr_assert(mbuf_buf(m[i]) >= shared);
		cr_assert(mbuf_buf(m[i]) + m[i]->buf_len <= block + sizeof(block));
		cr_assert_eq(m[i]->iova, plat_test_iova(mbuf_buf(m[i])));
		memset(mbuf_buf(m[i]), (int)i, m[i]->buf_len);
	}
	for (unsigned i = 0; i < BUFS; i++)
		cr_assert(is(mbuf_buf(m[i]), m[i]->buf_len, (uint8_t)i));
	memset(shared, 0xff, MEM_SHARED_OFFSET);
	for (unsigned i = 0; i < BUFS; i++)
		mbuf_free(m[i]);
	cr_assert_eq(p->n, BUFS);
}
