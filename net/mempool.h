/*
 * A fixed set of mbufs, kept as a stack: the buffer freed last, still in the cache, is taken
 * first. One pool belongs to one lcore.
 */
#ifndef NET_MEMPOOL_H
#define NET_MEMPOOL_H

#include "net/mbuf.h"

#define MEMPOOL_DATA_ROOM 2048 /* default: one Ethernet frame with its net header */

struct mempool {
	struct mbuf **stack; /* stack[0..n-1] are free */
	unsigned n;          /* free now */
	unsigned size;       /* all */
	uint16_t data_room;
	uint64_t empty; /* requests that found too little */
	const char *name;
};

/**
 * mempool_create() - make a pool of @n mbufs with @data_room bytes behind the headroom
 *
 * Return: the pool, or NULL when memory is short. @name must live for ever.
 */
struct mempool *mempool_create(const char *name, unsigned n, uint16_t data_room);

/** mempool_fits() - how many mbufs mempool_create() surely makes from @bytes of free memory in one
 * range, wherever it starts; one more may fit */
unsigned mempool_fits(size_t bytes, uint16_t data_room);

/**
 * mempool_get_bulk() - take up to @n mbufs, not reset
 *
 * Return: how many were taken; fewer than @n is counted in @empty.
 */
static inline unsigned mempool_get_bulk(struct mempool *p, struct mbuf **out, unsigned n)
{
	if (unlikely(n > p->n)) {
		n = p->n;
		p->empty++;
	}
	for (unsigned i = 0; i < n; i++)
		out[i] = p->stack[--p->n];
	return n;
}

/** mempool_take() - take @n mbufs, which are there. Return: the array, to be read before any mbuf
 * is given back */
static inline struct mbuf *const *mempool_take(struct mempool *p, unsigned n)
{
	p->n -= n;
	return &p->stack[p->n];
}

/** mbuf_alloc() - one empty packet, NULL when the pool is empty */
static inline struct mbuf *mbuf_alloc(struct mempool *p)
{
	struct mbuf *m;

	if (!mempool_get_bulk(p, &m, 1))
		return NULL;
	mbuf_reset(m);
	return m;
}

/** mempool_put() - give one segment back */
static inline void mempool_put(struct mbuf *m)
{
	struct mempool *p = m->pool;

	p->stack[p->n++] = m;
}

/** mbuf_free() - give all segments of a packet back; NULL is fine */
static inline void mbuf_free(struct mbuf *m)
{
	while (m) {
		struct mbuf *next = m->next;

		mempool_put(m);
		m = next;
	}
}

#endif
