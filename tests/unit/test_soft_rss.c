/*
 * Receive-side scaling in software: every packet comes out at the queue that its hash chooses,
 * once, whole and in the order of its flow, or is counted as dropped; every mbuf comes home. By
 * turns in one thread, and with a thread for each queue, which keeps packets for a while and frees
 * them itself.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "kernel/lcore.h"
#include "kernel/options.h"
#include "drivers/virtio/virtio_net.h"
#include "net/mempool.h"
#include "net/rss_hash.h"
#include "net/soft_rss.h"
#include "tests/unit/flow_frames.h"
#include "tests/unit/said.h"

#define QUEUES 4
#define POOL 700
#define FLOWS 48 /* each comes by one queue of the device */
#define FRAMES (THREADS_FRAMES / 4)
#define SILENCE_S 30
#define KEEP 64 /* packets that a thread holds, as a Tx ring does */

/* A queue of the device: it has flows i, i + QUEUES, ... */
struct source {
	unsigned index;
	struct mempool *pool;
	unsigned left;       /* frames to come */
	unsigned next;       /* flow, of the queue's */
	uint32_t seq[FLOWS]; /* next of each flow */
	uint64_t came;
};

static const struct option lcore_options[] = {{.key = "lcores", .kind = OPTION_TEXT}};
static struct source source[QUEUES];
static struct netdev_queue queues[QUEUES];
static struct netdev dev;

/* ---- the device --------------------------------------------------------------------------- */

static struct mbuf *segment(struct source *s, const uint8_t *data, unsigned len)
{
	struct mbuf *m = mbuf_alloc(s->pool);

	if (!m)
		return NULL;
	memcpy(mbuf_data(m), data, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

/* The flow's next frame: headers, in every third a second segment, number of flow and frame. */
static struct mbuf *frame_of(struct source *s, unsigned flow)
{
	uint8_t frame[FLOW_FRAME_MAX];
	const unsigned len = flow_frame(frame, (enum flow_kind)(flow % FLOW_KINDS), flow, flow % 3);
	const uint32_t tail[2] = {flow, s->seq[flow]};
	struct mbuf *m = segment(s, frame, len), *last = m;

	if (!m)
		return NULL;
	if (s->seq[flow] % 3 == 0) {
		last = segment(s, frame, 0);
		if (!last) {
			mbuf_free(m);
			return NULL;
		}
		m->next = last;
		m->nb_segs = 2;
	}
	memcpy(mbuf_data(last) + last->data_len, tail, sizeof(tail));
	last->data_len = (uint16_t)(last->data_len + sizeof(tail));
	m->pkt_len = len + (uint32_t)sizeof(tail);
	s->seq[flow]++;
	return m;
}

static uint16_t device_rx(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct source *s = queue;
	uint16_t got = 0;

	for (; got < n && s->left; got++, s->left--) {
		pkts[got] = frame_of(s, s->index + QUEUES * s->next);
		if (!pkts[got])
			break;
		s->next = (s->next + 1) % (FLOWS / QUEUES);
	}
	s->came += got;
	return got;
}

static void open_port(const char *words, unsigned nb_queues)
{
	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	options_declare(lcore_options, 1);
	cr_assert_eq(options_parse(words, "test"), 0);
	dev = (struct netdev){.rx_burst = device_rx, .queue = queues};
	dev.nb_queues = (uint16_t)nb_queues;
	for (unsigned i = 0; i < QUEUES; i++) {
		source[i] = (struct source){.index = i};
		source[i].pool = mempool_create("test", POOL, 512);
		cr_assert_not_null(source[i].pool);
		queues[i] = (struct netdev_queue){.rx = &source[i], .pool = source[i].pool};
	}
	soft_rss_attach(&dev);
}

static void arrive(unsigned queue, unsigned n)
{
	source[queue].left += n;
}

/* ---- what comes out ----------------------------------------------------------------------- */

static struct {
	uint32_t
	    seq[FLOWS]; /* the least that may come next; the taker's, whose queue is the flow's */
	uint64_t got[QUEUES];
} out;

static unsigned oracle(unsigned flow)
{
	const struct rss *r = &dev.rss->now;
	uint8_t frame[FLOW_FRAME_MAX];
	const unsigned len = flow_frame(frame, (enum flow_kind)(flow % FLOW_KINDS), flow, flow % 3);
	struct rss_hash h;
	uint32_t hash;

	rss_hash_init(&h, r);
	return rss_hash_frame(&h, frame, len, &hash) ? r->reta[hash % RSS_RETA_LEN] : 0;
}

static uint32_t flow_of(const struct mbuf *m, uint32_t *seq)
{
	const struct mbuf *last = m->next ? m->next : m;
	uint32_t tail[2];

	memcpy(tail, mbuf_buf(last) + last->data_off + last->data_len - sizeof(tail), sizeof(tail));
	*seq = tail[1];
	return tail[0];
}

static void check(unsigned queue, const struct mbuf *m, bool stays)
{
	uint32_t seq;
	const uint32_t flow = flow_of(m, &seq);

	cr_assert_lt(flow, FLOWS);
	for (const struct mbuf *s = m; s; s = s->next)
		cr_assert_eq(s->pool, source[queue].pool, "an mbuf of another's pool");
	if (stays) { /* nobody changes where flows go */
		cr_assert_eq(oracle(flow), queue, "flow %u came out at queue %u", flow, queue);
		cr_assert_geq(seq, out.seq[flow], "flow %u: frame %u again", flow, seq);
		out.seq[flow] = seq + 1;
	}
	out.got[queue]++;
}

static unsigned poll_queue(unsigned queue, uint16_t burst)
{
	struct mbuf *pkts[NETDEV_BURST];
	const uint16_t n = netdev_rx_burst(&dev, (uint16_t)queue, pkts, burst);

	for (uint16_t i = 0; i < n; i++) {
		check(queue, pkts[i], true);
		mbuf_free(pkts[i]);
	}
	return n;
}

struct sums {
	uint64_t given, full, taken, nombuf;
};

static void add_up(void *arg, const char *direction, int queue, const char *name, uint64_t value)
{
	struct sums *s = arg;

	cr_assert(!strcmp(direction, "rx") && queue >= 0 && queue < QUEUES);
	if (!strcmp(name, "soft_rss_given"))
		s->given += value;
	else if (!strcmp(name, "soft_rss_ring_full"))
		s->full += value;
	else if (!strcmp(name, "soft_rss_taken"))
		s->taken += value;
	else if (!strcmp(name, "soft_rss_nombuf"))
		s->nombuf += value;
}

/* All is out: the books agree, and every mbuf is at home. */
static struct sums settle(void)
{
	struct sums s = {0};
	uint64_t came = 0, got = 0;

	for (unsigned i = 0; i < QUEUES; i++)
		(void)netdev_rx_burst(&dev, (uint16_t)i, NULL,
		                      0); /* what is in return comes home */
	dev.rss->xstats(&dev, add_up, &s);
	for (unsigned i = 0; i < QUEUES; i++) {
		came += source[i].came;
		got += out.got[i];
		cr_assert_eq(source[i].pool->n, POOL, "queue %u: %u mbufs of %u", i,
		             source[i].pool->n, POOL);
		for (unsigned k = 0; k < POOL; k++)
			cr_assert_eq(source[i].pool->stack[k]->pool, source[i].pool);
	}
	cr_assert_eq(s.given, s.taken + s.nombuf);
	cr_assert_eq(came, got + s.full + s.nombuf);
	return s;
}

/* ---- by turns ----------------------------------------------------------------------------- */

Test(soft_rss, only_where_it_is_asked_for)
{
	static const struct {
		const char *words;
		unsigned queues;
		bool there;
	} cases[] = {
	    {"", 4, false},
	    {"net.rss=device", 4, false},
	    {"net.rss=software", 4, true},
	    {"net.rss=auto", 4, true},
	    {"net.rss=auto", 1, false},
	    {"net.rss=software", 1, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_port(cases[i].words, cases[i].queues);
		cr_assert_eq(dev.rss != NULL, cases[i].there, "%s", cases[i].words);
		cr_assert_eq(dev.rx_burst != device_rx, cases[i].there);
	}
	cr_assert(said("net.rss=software: there is one queue pair (net.rxq)"));
}

Test(soft_rss, without_memory_the_port_stays_as_it_is)
{
	plat_test_memory(QUEUES * (POOL * 776ul + 512) + 40000);
	open_port("net.rss=software", QUEUES);
	cr_assert_null(dev.rss);
	cr_assert(said("no memory for rings between 4 queues"));
}

Test(soft_rss, every_packet_comes_out_where_its_hash_says)
{
	open_port("net.rss=software", QUEUES);
	for (unsigned round = 0; round < 200; round++) {
		arrive(round % QUEUES, 1 + round % 40);
		for (unsigned i = 0; i < QUEUES; i++)
			poll_queue(i, (uint16_t)(1 + round % NETDEV_BURST));
	}
	for (unsigned i = 0; i < 2000; i++)
		poll_queue(i % QUEUES, NETDEV_BURST);

	const struct sums s = settle();

	cr_assert(s.given && !s.full && !s.nombuf);
	for (unsigned i = 0; i < QUEUES; i++)
		cr_assert(out.got[i]);
}

Test(soft_rss, wakes_a_sleeper_for_what_it_was_given)
{
	open_port("net.rss=software net.rss_reta=1", QUEUES);
	lcore_asleep(0, true); /* it has all queues here */
	arrive(0, 20);
	poll_queue(0, NETDEV_BURST);
	cr_expect(dev.rx_waiting(&dev, 1));
	cr_expect_not(dev.rx_waiting(&dev, 0));
	cr_expect_eq(plat_test_woken, 0, "nobody sleeps at a port that is polled");
	dev.mode = NETDEV_INTERRUPT;
	poll_queue(0, NETDEV_BURST);
	cr_expect_eq(plat_test_woken, 0, "nothing new");
	arrive(0, 20);
	poll_queue(0, NETDEV_BURST);
	cr_expect_eq(plat_test_woken, 1);
	for (unsigned i = 0; i < 4; i++)
		poll_queue(1, NETDEV_BURST);
	cr_expect_not(dev.rx_waiting(&dev, 1));
	settle();
}

Test(soft_rss, a_ring_that_is_full_drops_and_counts)
{
	open_port("net.rss=software net.rss_reta=1", QUEUES);
	arrive(0, 500);
	for (unsigned i = 0; i < 40; i++)
		poll_queue(0, NETDEV_BURST);
	/* what is of no type stays here; of the rest so many wait */
	cr_assert(!source[0].left);
	for (unsigned i = 0; i < 40; i++)
		poll_queue(1, NETDEV_BURST);

	const struct sums s = settle();

	cr_assert_eq(s.taken, SOFT_RSS_SLOTS);
	cr_assert_eq(s.full, 500 - SOFT_RSS_SLOTS - out.got[0]);
}

Test(soft_rss, without_an_mbuf_of_ones_own_the_packet_goes_back_and_is_counted)
{
	struct mbuf *held[POOL];

	open_port("net.rss=software net.rss_reta=1", QUEUES);
	cr_assert_eq(mempool_get_bulk(source[1].pool, held, POOL - 5), POOL - 5);
	arrive(0, 40);
	poll_queue(0, NETDEV_BURST);
	poll_queue(0, NETDEV_BURST);

	struct mbuf *pkts[NETDEV_BURST];
	const uint16_t n = netdev_rx_burst(&dev, 1, pkts, NETDEV_BURST);

	cr_assert(n >= 3 && n <= 5, "%u", n);
	for (unsigned i = 0; i < n; i++) {
		check(1, pkts[i], true);
		mbuf_free(pkts[i]);
	}
	for (unsigned i = 0; i < POOL - 5; i++)
		mbuf_free(held[i]);

	const struct sums s = settle();

	cr_assert(s.nombuf && s.nombuf + s.taken + out.got[0] == 40);
}

Test(soft_rss, neither_the_device_nor_the_rings_starve)
{
	for (unsigned burst = 1; burst <= NETDEV_BURST; burst *= 32) {
		uint64_t own = 0, others = 0;

		memset(&out, 0, sizeof(out));
		open_port("net.rss=software net.rss_reta=1", QUEUES);
		arrive(0, 4000);
		arrive(1, 4000);
		for (unsigned i = 0; i < 64; i++) {
			struct mbuf *m[NETDEV_BURST];
			const uint64_t before = source[1].came;
			uint16_t n;

			poll_queue(0, NETDEV_BURST);
			n = netdev_rx_burst(&dev, 1, m, (uint16_t)burst);
			own += source[1].came - before;
			for (uint16_t k = 0; k < n; k++) {
				uint32_t seq;

				others += flow_of(m[k], &seq) % QUEUES == 0;
				mbuf_free(m[k]);
			}
		}
		cr_assert(own >= 16 * burst && others >= 16 * burst, "burst %u: %llu, %llu", burst,
		          (unsigned long long)own, (unsigned long long)others);
	}
}

static int device_set(struct netdev *d, const struct rss *rss)
{
	(void)d;
	return rss->types == RSS_TCPV4 ? 0 : -5;
}

Test(soft_rss, hashes_that_the_device_reports_are_configured_alike)
{
	static struct netdev_rss reports = {.types_known = RSS_TCPV4, .set = device_set};
	struct rss r;

	open_port("", QUEUES);
	dev.rss = &reports;
	cr_assert_eq(options_parse("net.rss=auto", "test"), 0);
	soft_rss_attach(&dev);
	r = dev.rss->now;
	r.types = RSS_ALL;
	cr_assert_eq(dev.rss->set(&dev, &r), 0);
	r.types = RSS_UDPV4;
	cr_assert_eq(dev.rss->set(&dev, &r), -5);
	cr_assert_eq(dev.rss->now.types, RSS_ALL);
}

Test(soft_rss, what_is_set_holds_for_the_next_packet)
{
	struct rss r;

	open_port("net.rss=software", QUEUES);
	for (unsigned round = 0; round < 50; round++) {
		r = dev.rss->now;
		r.types = round % 5 ? RSS_ALL : RSS_UDP;
		flow_bytes(r.key, sizeof(r.key), round);
		for (unsigned i = 0; i < RSS_RETA_LEN; i++)
			r.reta[i] = (uint8_t)((i + round) % QUEUES);
		cr_assert_eq(dev.rss->set(&dev, &r), 0);
		arrive(round % QUEUES, FLOWS);
		for (unsigned i = 0; i < 8 * QUEUES; i++)
			poll_queue(i % QUEUES, NETDEV_BURST);
	}
	settle();
}

/* ---- with threads ------------------------------------------------------------------------- */

struct worker {
	unsigned queue;
	struct mbuf *kept[KEEP];
	unsigned n;
};

static struct worker worker[QUEUES];
static unsigned rounds_done, stop, ended;

/* Frees them in another order, later, all by the queue's own lcore. */
static void keep(struct worker *w, struct mbuf *m)
{
	if (w->n == KEEP) {
		for (unsigned i = 0; i < KEEP; i++)
			mbuf_free(w->kept[i]);
		w->n = 0;
	}
	w->kept[w->n++] = m;
}

static void work_turn(struct worker *w, bool stays)
{
	struct mbuf *pkts[NETDEV_BURST];
	const uint16_t n = netdev_rx_burst(&dev, (uint16_t)w->queue, pkts, NETDEV_BURST);

	for (uint16_t i = 0; i < n; i++) {
		check(w->queue, pkts[i], stays);
		keep(w, pkts[i]);
	}
	if (!n)
		sched_yield();
}

static bool stays; /* set before the threads are */

static void work(void *arg)
{
	struct worker *w = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		lcore_rest_if_asked(w->queue);
		work_turn(w, stays);
		if (!source[w->queue].left)
			__atomic_fetch_or(&rounds_done, 1u << w->queue, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELEASE);
}

static void run_threads(bool changes)
{
	const time_t start = time(NULL);
	struct rss r;

	plat_test_cpus = QUEUES;
	plat_test_time_step_ns = 100;
	stays = !changes;
	open_port("net.rss=software", QUEUES);
	for (unsigned i = 0; i < QUEUES; i++) {
		worker[i].queue = i;
		source[i].left = FRAMES;
	}
	cr_assert_eq(lcore_plan(QUEUES, "work"), QUEUES);
	for (unsigned i = 1; i < QUEUES; i++)
		lcore_start(i, work, &worker[i]);
	for (unsigned turn = 1; source[0].left || __atomic_load_n(&rounds_done, __ATOMIC_ACQUIRE) !=
	                                              (1u << QUEUES) - 2;
	     turn++) {
		work_turn(&worker[0], stays);
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		if (!changes || turn % 64)
			continue;
		r = dev.rss->now;
		for (unsigned i = 0; i < RSS_RETA_LEN; i++)
			r.reta[i] = (uint8_t)((i * turn / 64) % QUEUES);
		cr_assert_eq(dev.rss->set(&dev, &r), 0);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < QUEUES - 1) {
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		sched_yield();
	}
	/* alone again */
	for (unsigned i = 0; i < 64 * QUEUES; i++)
		work_turn(&worker[i % QUEUES], stays);
	for (unsigned i = 0; i < QUEUES; i++) {
		while (worker[i].n)
			mbuf_free(worker[i].kept[--worker[i].n]);
	}
	cr_assert(settle().taken);
}

Test(soft_rss, queues_of_several_lcores, .timeout = 60)
{
	run_threads(false);
}

Test(soft_rss, changes_while_packets_flow, .timeout = 60)
{
	run_threads(true);
}
