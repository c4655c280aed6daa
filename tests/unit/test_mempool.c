/* net/mempool.c: layout of the elements, taking and giving back, and pools that do not fit. */
#include "kernel/memory.h"
#include "net/mempool.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

Test(mempool, every_mbuf_is_ready_for_use)
{
	struct mempool *p = mempool_create("test", 16, MEMPOOL_DATA_ROOM);
	struct mbuf *m[16];

	cr_assert_not_null(p);
	cr_assert_eq(mempool_get_bulk(p, m, 16), 16);
	for (unsigned i = 0; i < 16; i++) {
		cr_assert(i == 0 || m[i] > m[i - 1], "taken in the order of addresses");
		cr_assert_eq((uintptr_t)m[i] % CACHE_LINE, 0);
		cr_assert_eq(m[i]->pool, p);
		cr_assert_eq(m[i]->buf_len, NETDEV_HEADROOM + MEMPOOL_DATA_ROOM);
		cr_assert_eq(m[i]->iova, plat_test_iova(mbuf_buf(m[i])));
		cr_assert_eq(m[i]->data_off, NETDEV_HEADROOM);
		cr_assert_eq(m[i]->nb_segs, 1);
		cr_assert_null(m[i]->next);
		cr_assert_eq(m[i]->flags | m[i]->pkt_len | m[i]->data_len | m[i]->hash, 0);
		cr_assert_eq(m[i]->vlan_tci | m[i]->csum_start | m[i]->csum_offset, 0);
		cr_assert_eq(mbuf_tailroom(m[i]), MEMPOOL_DATA_ROOM);
	}
}

Test(mempool, buffers_do_not_overlap)
{
	struct mempool *p = mempool_create("test", 8, 100);
	struct mbuf *m[8];

	cr_assert_eq(mempool_get_bulk(p, m, 8), 8);
	for (unsigned i = 0; i < 8; i++)
		memset(mbuf_buf(m[i]), (int)i + 1, m[i]->buf_len);
	for (unsigned i = 0; i < 8; i++) {
		cr_assert_eq(m[i]->pool, p, "a neighbour's header was overwritten");
		for (unsigned b = 0; b < m[i]->buf_len; b++)
			cr_assert_eq(mbuf_buf(m[i])[b], i + 1);
	}
}

Test(mempool, the_buffer_freed_last_is_taken_first)
{
	struct mempool *p = mempool_create("test", 4, 64);
	struct mbuf *a = mbuf_alloc(p), *b = mbuf_alloc(p);

	mbuf_free(a);
	mbuf_free(b);
	cr_assert_eq(mbuf_alloc(p), b);
	cr_assert_eq(mbuf_alloc(p), a);
}

Test(mempool, an_empty_pool_gives_less_and_counts_it)
{
	struct mempool *p = mempool_create("test", 3, 64);
	struct mbuf *m[4];

	cr_assert_eq(mempool_get_bulk(p, m, 4), 3);
	cr_assert_eq(p->empty, 1);
	cr_assert_null(mbuf_alloc(p));
	cr_assert_eq(p->empty, 2);
	cr_assert_eq(p->n, 0);
	mbuf_free(m[0]);
	cr_assert_eq(mbuf_alloc(p), m[0]);
	cr_assert_eq(p->empty, 2);
}

Test(mempool, freeing_a_chain_gives_every_segment_back)
{
	struct mempool *p = mempool_create("test", 3, 64);
	struct mbuf *m[3];

	cr_assert_eq(mempool_get_bulk(p, m, 3), 3);
	m[0]->next = m[1];
	m[1]->next = m[2];
	m[2]->next = NULL;
	mbuf_free(m[0]);
	cr_assert_eq(p->n, 3);
	mbuf_free(NULL);
}

Test(mempool, what_fits_is_what_can_be_made)
{
	/* about 52 mbufs: the number at which most is lost to alignment */
	for (size_t bytes = 63648; bytes < 64880; bytes += 24) {
		plat_test_memory(bytes);
		mem_alloc("shift", 8, 8);

		const unsigned fits = mempool_fits(mem_free_bytes(), 1000);

		cr_assert_geq(fits, 40);
		cr_assert_null(mempool_create("test", fits + 2, 1000), "%zu", bytes);
		cr_assert_not_null(mempool_create("test", fits, 1000), "%zu", bytes);
	}
}

Test(mempool, nothing_fits_into_next_to_nothing)
{
	cr_assert_eq(mempool_fits(0, 1000), 0);
	cr_assert_eq(mempool_fits(sizeof(struct mempool), 1000), 0);
	cr_assert_eq(mempool_fits(1000, 1000), 0);
}

Test(mempool, a_pool_that_does_not_fit_takes_nothing)
{
	plat_test_memory((size_t)1 << 20);

	const size_t before = mem_free_bytes();

	cr_assert_null(mempool_create("test", 1000, MEMPOOL_DATA_ROOM));
	cr_assert_eq(mem_free_bytes(), before);
	cr_assert_not_null(mempool_create("test", 400, MEMPOOL_DATA_ROOM));
}

Test(mempool, impossible_sizes_are_refused)
{
	cr_assert_null(mempool_create("test", 0, 64));
	cr_assert_null(mempool_create("test", 1, UINT16_MAX));
	cr_assert_null(mempool_create("test", UINT32_MAX, 2048));
	cr_assert_not_null(mempool_create("test", 1, UINT16_MAX - NETDEV_HEADROOM));
}
