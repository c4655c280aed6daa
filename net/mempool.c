/*
 * Making a mempool: one allocation holds the pool, its stack and its mbufs, so that a pool that
 * does not fit takes nothing.
 *
 *	| struct mempool | stack: n pointers | up to a cache line | n elements |
 */
#include "net/mempool.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"

static size_t element_bytes(uint16_t data_room)
{
	return align_up(sizeof(struct mbuf) + NETDEV_HEADROOM + data_room, CACHE_LINE);
}

unsigned mempool_fits(size_t bytes, uint16_t data_room)
{
	/* a line may be lost in front of the pool, and one behind its stack */
	const size_t once = sizeof(struct mempool) + 2 * CACHE_LINE;

	if (bytes < once)
		return 0;
	return (unsigned)min_u64(
	    (bytes - once) / (element_bytes(data_room) + sizeof(struct mbuf *)), UINT32_MAX);
}

struct mempool *mempool_create(const char *name, unsigned n, uint16_t data_room)
{
	const size_t head =
	    align_up(sizeof(struct mempool) + n * sizeof(struct mbuf *), CACHE_LINE);
	const size_t element = element_bytes(data_room);
	struct mempool *p;

	if (!n || data_room > UINT16_MAX - NETDEV_HEADROOM)
		return NULL;
	p = mem_take(name, head + n * element, CACHE_LINE);
	if (!p)
		return NULL;

	*p = (struct mempool){
	    .name = name,
	    .stack = (struct mbuf **)(p + 1),
	    .size = n,
	    .data_room = data_room,
	};

	/* the lowest address on top of the stack */
	for (unsigned i = n; i-- > 0;) {
		struct mbuf *m = (void *)((uint8_t *)p + head + i * element);

		*m = (struct mbuf){
		    .pool = p,
		    .buf_len = (uint16_t)(NETDEV_HEADROOM + data_room),
		    .iova = plat_iova(mbuf_buf(m)),
		};
		mbuf_reset(m);
		p->stack[p->n++] = m;
	}
	log_debug("mempool", "%s: %u mbufs of %zu bytes", name, n, element);
	return p;
}
