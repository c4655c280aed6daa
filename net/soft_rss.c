/*
 * The rings between the queues of a port, and what goes through them. A ring's slot has one owner
 * at a time: its giver from collected on, its taker from given on (both written with release, read
 * with acquire).
 *
 *	slot:   ... | mbufs in return | packets     | empty ...
 *	            ^ collected       ^ taken       ^ given (at most SOFT_RSS_SLOTS ahead of
 *collected)
 */
#include "net/soft_rss.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "net/mempool.h"
#include "net/rss_hash.h"

struct ring {
	uint32_t given __attribute__((aligned(CACHE_LINE))); /* the giver's */
	uint32_t collected;
	uint32_t taken __attribute__((aligned(CACHE_LINE))); /* the taker's */
	struct mbuf *slot[SOFT_RSS_SLOTS] __attribute__((aligned(CACHE_LINE)));
};

/* A queue; its lcore's alone, its counters too. */
struct soft_queue {
	struct soft_rss *rss;
	netdev_burst_fn rx_burst; /* the driver's */
	void *rx;
	struct mempool *pool;
	unsigned index;
	bool rings_first; /* takes turns, so that neither starves */
	uint64_t given, full;
	uint64_t taken, nombuf;
} __attribute__((aligned(CACHE_LINE)));

struct soft_rss {
	struct netdev_rss rss;
	struct netdev_rss *device; /* what the port had before: reports of hashes, or NULL */
	struct rss_hash hash;
	uint8_t reta[RSS_RETA_LEN];
	unsigned n; /* queues */
	const struct netdev *dev;
	struct soft_queue *queue;
	struct ring *ring; /* from queue i to k: i * n + k */
};

/* ---- giving ------------------------------------------------------------------------------- */

static inline struct ring *ring_of(const struct soft_rss *s, unsigned from, unsigned to)
{
	return &s->ring[from * s->n + to];
}

/* What takers have left in return goes home. */
static void collect(struct soft_queue *q)
{
	for (unsigned i = 0; i < q->rss->n; i++) {
		struct ring *r = ring_of(q->rss, q->index, i);
		const uint32_t taken = __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE);

		for (; r->collected != taken; r->collected++)
			mbuf_free(r->slot[r->collected % SOFT_RSS_SLOTS]);
	}
}

static void give(struct soft_queue *q, unsigned to, struct mbuf *m)
{
	struct ring *r = ring_of(q->rss, q->index, to);

	if (unlikely(r->given - r->collected == SOFT_RSS_SLOTS)) {
		q->full++;
		mbuf_free(m);
		return;
	}
	r->slot[r->given % SOFT_RSS_SLOTS] = m;
	__atomic_store_n(&r->given, r->given + 1, __ATOMIC_RELEASE);
	q->given++;
}

static unsigned queue_for(const struct soft_rss *s, struct mbuf *m)
{
	uint32_t hash;

	if (!rss_hash_frame(&s->hash, mbuf_data(m), m->data_len, &hash))
		return 0;
	return s->reta[hash % RSS_RETA_LEN];
}

/* Whoever has a queue to which something was given may sleep. */
static NOINLINE void wake_takers(const struct soft_queue *q)
{
	for (unsigned i = 0; i < q->rss->n; i++) {
		const struct ring *r = ring_of(q->rss, q->index, i);

		if (r->given != __atomic_load_n(&r->taken, __ATOMIC_RELAXED))
			lcore_wake(q->rss->dev->queue[i].lcore);
	}
}

/* From the device. Return: packets that stay here, in front of @pkts. */
static uint16_t receive(struct soft_queue *q, struct mbuf **pkts, uint16_t n)
{
	const uint16_t came = q->rx_burst(q->rx, pkts, n);
	uint16_t kept = 0;

	for (uint16_t i = 0; i < came; i++) {
		const unsigned to = queue_for(q->rss, pkts[i]);

		if (to == q->index)
			pkts[kept++] = pkts[i];
		else
			give(q, to, pkts[i]);
	}
	if (kept != came && q->rss->dev->mode != NETDEV_POLL)
		wake_takers(q);
	return kept;
}

/* ---- taking ------------------------------------------------------------------------------- */

/* The mbufs of @m are @pool's from now on. Return: as many of it for those who had them; NULL:
 * there are too few. */
static struct mbuf *exchange(struct mbuf *m, struct mempool *pool)
{
	struct mbuf *back = NULL;

	if (unlikely(pool->n < m->nb_segs))
		return NULL;
	for (struct mbuf *s = m; s; s = s->next) {
		struct mbuf *mine = *mempool_take(pool, 1);

		mine->pool = s->pool;
		mine->next = back;
		back = mine;
		s->pool = pool;
	}
	return back;
}

/* Up to @n packets that one queue has for us; those for which there is no mbuf go back. */
static uint16_t take_from(struct soft_queue *q, struct ring *r, struct mbuf **pkts, uint16_t n)
{
	const uint32_t given = __atomic_load_n(&r->given, __ATOMIC_ACQUIRE);
	uint32_t taken = r->taken;
	uint16_t got = 0;

	for (; taken != given && got < n; taken++) {
		struct mbuf **slot = &r->slot[taken % SOFT_RSS_SLOTS];
		struct mbuf *back = exchange(*slot, q->pool);

		if (unlikely(!back)) {
			q->nombuf++;
			continue;
		}
		pkts[got++] = *slot;
		*slot = back;
	}
	if (taken != r->taken)
		__atomic_store_n(&r->taken, taken, __ATOMIC_RELEASE);
	q->taken += got;
	return got;
}

static uint16_t take(struct soft_queue *q, struct mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	for (unsigned i = 0; got < n && i < q->rss->n; i++)
		got = (uint16_t)(got + take_from(q, ring_of(q->rss, i, q->index), pkts + got,
		                                 (uint16_t)(n - got)));
	return got;
}

static bool soft_rx_waiting(const struct netdev *dev, uint16_t queue)
{
	const struct soft_rss *s = container_of(dev->rss, struct soft_rss, rss);
	bool waiting = false;

	for (unsigned i = 0; i < s->n && !waiting; i++) {
		const struct ring *r = ring_of(s, i, queue);

		waiting = __atomic_load_n(&r->given, __ATOMIC_ACQUIRE) != r->taken;
	}
	return waiting;
}

/* netdev.rx_burst. Whoever goes first can fill all of @n, so they take turns. */
static uint16_t soft_rx_burst(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct soft_queue *q = queue;
	const bool rings_first = q->rings_first;
	uint16_t got;

	q->rings_first = !rings_first;
	collect(q);
	got = rings_first ? take(q, pkts, n) : receive(q, pkts, n);
	pkts += got;
	n = (uint16_t)(n - got);
	return (uint16_t)(got + (rings_first ? receive(q, pkts, n) : take(q, pkts, n)));
}

/* ---- configuration ------------------------------------------------------------------------ */

static void configure(struct soft_rss *s, const struct rss *rss)
{
	s->rss.now = *rss;
	rss_hash_init(&s->hash, rss);
	for (unsigned i = 0; i < RSS_RETA_LEN; i++)
		s->reta[i] = rss->reta[i];
}

/* Hashes that the device reports are to be the same. */
static int tell_device(const struct soft_rss *s, struct netdev *dev, const struct rss *rss)
{
	struct rss known = *rss;

	if (!s->device)
		return 0;
	known.types &= s->device->types_known;
	return s->device->set(dev, &known);
}

static int soft_set(struct netdev *dev, const struct rss *rss)
{
	struct soft_rss *s = container_of(dev->rss, struct soft_rss, rss);
	const int err = tell_device(s, dev, rss);

	if (err)
		return err;
	lcore_park();
	configure(s, rss);
	lcore_resume();
	return 0;
}

static READS_OTHERS void soft_xstats(const struct netdev *dev, netdev_xstat_fn emit, void *arg)
{
	const struct soft_rss *s = container_of(dev->rss, struct soft_rss, rss);

	for (unsigned i = 0; i < s->n; i++) {
		const struct soft_queue *q = &s->queue[i];

		emit(arg, "rx", (int)i, "soft_rss_given", q->given);
		emit(arg, "rx", (int)i, "soft_rss_ring_full", q->full);
		emit(arg, "rx", (int)i, "soft_rss_taken", q->taken);
		emit(arg, "rx", (int)i, "soft_rss_nombuf", q->nombuf);
	}
}

/* ---- set-up ------------------------------------------------------------------------------- */

static struct soft_rss *soft_alloc(const struct netdev *dev)
{
	const unsigned n = dev->nb_queues;
	const size_t rings = (size_t)n * n * sizeof(struct ring);
	struct soft_rss *s;

	if (rings > mem_free_bytes() / 2) /* there is more to be started */
		return NULL;
	s = mem_alloc("software RSS", sizeof(*s), CACHE_LINE);
	if (!s)
		return NULL;
	s->n = n;
	s->queue = mem_alloc("software RSS", n * sizeof(*s->queue), CACHE_LINE);
	s->ring = mem_alloc("software RSS", rings, CACHE_LINE);
	return s->queue && s->ring ? s : NULL;
}

static void attach(struct soft_rss *s, struct netdev *dev)
{
	struct rss rss;

	rss_read_options(dev->port, s->n, &rss);
	configure(s, &rss);
	s->rss.types_known = RSS_ALL;
	s->rss.steers = true;
	s->rss.set = soft_set;
	s->rss.xstats = soft_xstats;
	s->device = dev->rss;
	for (unsigned i = 0; i < s->n; i++) {
		s->queue[i] = (struct soft_queue){
		    .rss = s,
		    .rx_burst = dev->rx_burst,
		    .rx = dev->queue[i].rx,
		    .pool = dev->queue[i].pool,
		    .index = i,
		};
		dev->queue[i].rx = &s->queue[i];
	}
	s->dev = dev;
	dev->rx_burst = soft_rx_burst;
	dev->rx_waiting = soft_rx_waiting;
	dev->rss = &s->rss;
}

void soft_rss_attach(struct netdev *dev)
{
	const enum rss_mode mode = rss_mode(dev->port);
	struct soft_rss *s;

	if (mode != RSS_SOFTWARE && (mode != RSS_AUTO || (dev->rss && dev->rss->steers)))
		return;
	if (dev->nb_queues == 1) {
		if (mode == RSS_SOFTWARE)
			log_warn("rss",
			         "port %u: net.rss=software: there is one queue pair (net.rxq)",
			         dev->port);
		return;
	}
	s = soft_alloc(dev);
	if (!s) {
		log_warn("rss", "port %u: no memory for rings between %u queues; no RSS", dev->port,
		         dev->nb_queues);
		return;
	}
	attach(s, dev);
	log_info("rss", "port %u: flows are spread over %u queues in software", dev->port, s->n);
}
