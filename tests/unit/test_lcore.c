/*
 * Lcores: what lcores= may say, how many come of it, parking them, and what their stacks tell each
 * other, with a thread for each. Built with TSan this shows that the parking's and the rings' own
 * words are all that orders the memory behind them.
 */
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/options.h"
#include "kernel/plat.h"
#include "net/arp.h"
#include "net/mempool.h"
#include "net/share.h"
#include "net/stack.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#define LCORES 4
#define PARKS 200
#define HEARD 2000
#define SILENCE_S 20

/* ---- the option, and how many ------------------------------------------------------------- */

Test(lcore, an_option_is_a_count_or_a_list)
{
	static const char *const good[] = {"1", "4", "64", "0-3", "5-5", "0,2", "0-1,4,6-9"};
	static const char *const bad[] = {"",    "0",    "x",   "-1",    "3-1", "1-",
	                                  "1,,", "0-3,", "1 2", "12345", "0x1", "1-2-3"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect(lcores_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_not(lcores_valid(bad[i]), "%s", bad[i]);
}

static const struct option lcores_option = {.key = "lcores", .kind = OPTION_TEXT};

static unsigned plan(const char *line, unsigned most)
{
	options_reset();
	options_declare(&lcores_option, 1);
	cr_assert_eq(options_parse(line, "test"), 0);
	plat_test_bound = UINT16_MAX;
	plat_test_clear();
	return lcore_plan(most, "work");
}

Test(lcore, as_many_as_there_are_processors_and_work_for)
{
	static const struct {
		const char *line;
		unsigned most, n;
		uint16_t bound;
	} cases[] = {
	    {"", 1, 1, UINT16_MAX}, /* nothing to share: wherever it may run */
	    {"", 8, 4, 0},
	    {"", 3, 3, 0},
	    {"lcores=2", 8, 2, 0},
	    {"lcores=9", 8, 4, 0},
	    {"lcores=1", 8, 1, 0},
	    {"lcores=2-3", 8, 2, 2},
	    {"lcores=3", 2, 2, 0},
	    {"lcores=3,1", 8, 2, 3},
	    {"lcores=1-1", 8, 1, 1},
	    {"lcores=0-200", 3, 3, 0},
	    {"lcores=0,9,2", 8, 2, 0},
	    {"lcores=9,2,0", 8, 2, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cr_expect_eq(plan(cases[i].line, cases[i].most), cases[i].n, "%s of %u",
		             cases[i].line, cases[i].most);
		cr_expect_eq(lcore_count(), cases[i].n);
		cr_expect_eq(plat_test_bound, cases[i].bound, "%s", cases[i].line);
	}
	plan("lcores=9", 8);
	cr_expect_not_null(strstr(plat_test_output(), "4 lcores instead of 9"));
	plan("lcores=7-8", 8);
	cr_expect(said("lcore 0 cannot be bound to processor 7"));
	cr_expect(said("lcore 1 does not start on processor 8: there is none, or it is taken"));
	plan("lcores=0,9,2", 8);
	cr_expect(said("lcore 1 does not start on processor 9"));
	cr_expect(said("lcore 1 on processor 2"));
}

/* ---- parking ------------------------------------------------------------------------------ */

static struct {
	uint64_t
	    owned[LCORES]; /* written by their lcores in turns, and by the first one meanwhile */
	unsigned stop;
	unsigned ended;
} turns;

static void count_turns(void *arg)
{
	const unsigned i = (unsigned)(uintptr_t)arg;

	while (!__atomic_load_n(&turns.stop, __ATOMIC_RELAXED)) {
		lcore_rest_if_asked(i);
		turns.owned[i]++;
	}
	__atomic_fetch_add(&turns.ended, 1, __ATOMIC_RELEASE);
}

static void wait_ended(unsigned n)
{
	const time_t start = time(NULL);

	while (__atomic_load_n(&turns.ended, __ATOMIC_ACQUIRE) < n) {
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		sched_yield();
	}
}

Test(lcore, nobody_runs_while_parked)
{
	cr_assert_eq(plan("lcores=4", LCORES), LCORES);
	lcore_park(); /* nobody is there yet */
	lcore_resume();
	for (unsigned i = 1; i < LCORES; i++)
		lcore_start(i, count_turns, (void *)(uintptr_t)i);
	cr_assert_eq(plat_test_starts, LCORES - 1);
	for (unsigned n = 0; n < PARKS; n++) {
		uint64_t before[LCORES];

		lcore_park();
		lcore_park();
		lcore_resume();
		memcpy(before, turns.owned, sizeof(before));
		for (unsigned i = 1; i < LCORES; i++)
			turns.owned[i] += 1000;
		sched_yield();
		for (unsigned i = 1; i < LCORES; i++)
			cr_assert_eq(turns.owned[i], before[i] + 1000, "lcore %u ran", i);
		lcore_resume();
	}
	__atomic_store_n(&turns.stop, 1, __ATOMIC_RELAXED);
	wait_ended(LCORES - 1);
}

#if !defined(__SANITIZE_THREAD__) /* the other one looks at what is printed while it is */

static void rest_late(void *arg)
{
	const time_t start = time(NULL);

	(void)arg;
	while (!lcore_to_rest())
		sched_yield();
	while (!strstr(plat_test_output(), "lcore 1 has not come to rest for 1 s")) {
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		sched_yield();
	}
	lcore_rest_if_asked(1);
	__atomic_store_n(&turns.ended, 1, __ATOMIC_RELEASE);
}

Test(lcore, one_that_is_late_is_waited_for_and_told_of)
{
	cr_assert_eq(plan("lcores=2", LCORES), 2);
	plat_test_clear(); /* there is room for the line, where it is */
	lcore_start(1, rest_late, NULL);
	plat_test_time_step_ns = 100;
	lcore_park();
	lcore_resume();
	wait_ended(1);
}

#endif

static unsigned errands;

static void errand(void *arg)
{
	cr_assert_eq(arg, &turns);
	errands++;
}

Test(lcore, an_errand_is_done_between_two_turns_and_once)
{
	cr_assert_eq(plan("lcores=3", LCORES), 3);
	for (unsigned i = 1; i < 3; i++)
		lcore_start(i, count_turns, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < 3; i++) {
		lcore_run(i, errand, &turns);
		cr_assert_eq(errands, i + 1);
	}
	lcore_park();
	lcore_resume();
	cr_expect_eq(errands, 3);
	__atomic_store_n(&turns.stop, 1, __ATOMIC_RELAXED);
	wait_ended(2);
}

/* As one that sleeps: it goes on only when it is woken. */
static void sleep_turns(void *arg)
{
	const unsigned i = (unsigned)(uintptr_t)arg;
	const uint64_t me = UINT64_C(1) << i;

	while (!__atomic_load_n(&turns.stop, __ATOMIC_RELAXED)) {
		lcore_rest_if_asked(i);
		/* also read while it runs; the first one adds to it while it is parked */
		__atomic_store_n(&turns.owned[i], turns.owned[i] + 1, __ATOMIC_RELAXED);
		lcore_asleep(i, true);
		if (!lcore_to_rest()) {
			while (!(__atomic_fetch_and(&plat_test_woken, ~me, __ATOMIC_SEQ_CST) & me))
				sched_yield();
		}
		lcore_asleep(i, false);
	}
	__atomic_fetch_add(&turns.ended, 1, __ATOMIC_RELEASE);
}

/* Sooner or later, whatever it is doing just now. */
static void wait_turns(unsigned i, uint64_t n)
{
	const time_t start = time(NULL);

	while (__atomic_load_n(&turns.owned[i], __ATOMIC_RELAXED) < n) {
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		lcore_wake(i);
		sched_yield();
	}
}

Test(lcore, sleepers_are_woken_and_nobody_else)
{
	cr_assert_eq(plan("lcores=2", LCORES), 2);
	plat_test_time_step_ns = 10; /* parking gives up some day */
	lcore_wake(1);
	cr_assert_eq(plat_test_woken, 0, "it does not sleep");
	lcore_start(1, sleep_turns, (void *)(uintptr_t)1);
	wait_turns(1, 100);
	for (unsigned n = 0; n < PARKS; n++) {
		lcore_park();
		turns.owned[1] += 1000;
		lcore_resume();
	}
	__atomic_store_n(&turns.stop, 1, __ATOMIC_RELAXED);
	for (const time_t start = time(NULL); !__atomic_load_n(&turns.ended, __ATOMIC_ACQUIRE);) {
		cr_assert_lt(time(NULL) - start, SILENCE_S);
		lcore_wake(1);
		sched_yield();
	}
	cr_assert_eq(plat_test_woken & ~UINT64_C(2), 0, "another than the one that sleeps");
}

/* ---- stacks ------------------------------------------------------------------------------- */

/* A port where each queue hears ARP replies of neighbours, one after the other, and nothing that is
 * sent comes back. */
struct wire {
	unsigned heard;
	struct mempool *pool;
	uint16_t index;
} __attribute__((aligned(CACHE_LINE)));

static struct wire wires[LCORES];
static struct netdev_queue queues[LCORES];
static struct netdev dev;
static struct net_stack first;
static const uint8_t neighbour_mac[6] = {2, 0, 0, 0, 9, 9};

static be32 neighbour(unsigned queue, unsigned n)
{
	return cpu_to_be32(0x0a000200u + 16 * (queue + 1) + n % 8);
}

static uint16_t wire_rx(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct wire *w = queue;

	if (!n || w->heard >= HEARD)
		return 0;

	struct mbuf *m = mbuf_alloc(w->pool);

	cr_assert_not_null(m);

	struct eth_hdr *eth = (void *)mbuf_data(m);
	struct arp_hdr *arp = (void *)(mbuf_data(m) + ETH_HDR_LEN);

	memset(eth->dst, 0xff, 6);
	mac_copy(eth->src, neighbour_mac);
	eth->type = cpu_to_be16(ETH_TYPE_ARP);
	*arp = (struct arp_hdr){.htype = cpu_to_be16(ARP_HTYPE_ETHERNET),
	                        .ptype = cpu_to_be16(ETH_TYPE_IPV4),
	                        .hlen = 6,
	                        .plen = 4,
	                        .op = cpu_to_be16(ARP_OP_REQUEST),
	                        .spa = neighbour(w->index, w->heard++),
	                        .tpa = cpu_to_be32(0x0a00020f)};
	mac_copy(arp->sha, neighbour_mac);
	m->data_len = ETH_HDR_LEN + ARP_HDR_LEN;
	m->pkt_len = m->data_len;
	pkts[0] = m;
	return 1;
}

static uint16_t wire_tx(void *queue, struct mbuf **pkts, uint16_t n)
{
	(void)queue;
	for (uint16_t i = 0; i < n; i++)
		mbuf_free(pkts[i]);
	return n;
}

static void stack_turns(void *arg)
{
	struct net_stack *st = arg;
	uint64_t ns = 0;

	while (!__atomic_load_n(&turns.stop, __ATOMIC_RELAXED)) {
		lcore_rest_if_asked(st->lcore);
		net_stack_poll(st);
		net_stack_timers(st, ns += 100000);
		sched_yield();
	}
	__atomic_fetch_add(&turns.ended, 1, __ATOMIC_RELEASE);
}

static void make_port(void)
{
	dev = (struct netdev){.rx_burst = wire_rx,
	                      .tx_burst = wire_tx,
	                      .queue = queues,
	                      .nb_queues = LCORES,
	                      .mtu = 1500,
	                      .mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};
	for (uint16_t i = 0; i < LCORES; i++) {
		wires[i] = (struct wire){.pool = mempool_create("test", 256, MEMPOOL_DATA_ROOM),
		                         .index = i};
		cr_assert_not_null(wires[i].pool);
		queues[i] =
		    (struct netdev_queue){.rx = &wires[i], .tx = &wires[i], .pool = wires[i].pool};
	}
}

/* An old value is as good as a new one. */
static READS_OTHERS unsigned heard_by(unsigned i)
{
	return *(volatile unsigned *)&wires[i].heard;
}

static void run_until_all_heard(void)
{
	const time_t start = time(NULL);
	uint64_t ns = 0;
	bool all = false;

	for (unsigned n = 0; !all; n++) {
		net_stack_poll(&first);
		net_stack_timers(&first, ns += 100000);
		if (n % 64 == 0) {
			lcore_park();
			lcore_resume();
		}
		all = true;
		for (unsigned i = 0; i < LCORES; i++)
			all &= heard_by(i) >= HEARD;
		cr_assert_lt(time(NULL) - start, 3 * SILENCE_S);
		sched_yield();
	}
}

Test(lcore, stacks_hear_of_all_neighbours_and_packets_stay_at_home)
{
	options_reset();
	options_declare(&lcores_option, 1);
	options_declare(net_stack_options, net_stack_nb_options);
	cr_assert_eq(options_parse("lcores=4 net.ip=10.0.2.15/24", "test"), 0);
	make_port();
	cr_assert_eq(lcore_plan(LCORES, "work"), LCORES);
	cr_assert_eq(net_stack_init(&first), 0);
	cr_assert_eq(net_stack_add_port(&first, &dev), 0);
	cr_assert_eq(net_share_create(&first, LCORES), 0);
	for (unsigned i = 1; i < LCORES; i++)
		lcore_start(i, stack_turns, net_share_stack(&first, i));
	run_until_all_heard();
	/* what is still on its way from one to the other */
	for (unsigned n = 0; n < 100; n++) {
		net_stack_timers(&first, 1);
		lcore_park();
		lcore_resume();
	}
	lcore_park();
	for (unsigned i = 0; i < LCORES; i++) {
		struct net_if *nif = &(i ? net_share_stack(&first, i) : &first)->ifs[0];

		cr_expect_eq(nif->ip, cpu_to_be32(0x0a00020f));
		cr_expect_eq(wires[i].pool->n, wires[i].pool->size, "lcore %u: %u of %u", i,
		             wires[i].pool->n, wires[i].pool->size);
		cr_expect_geq(nif->stats.rx_packets, HEARD);
		for (unsigned q = 0; q < LCORES; q++)
			cr_expect_not_null(arp_lookup(nif, neighbour(q, HEARD - 1)),
			                   "lcore %u of queue %u's", i, q);
	}
	lcore_resume();
	__atomic_store_n(&turns.stop, 1, __ATOMIC_RELAXED);
	wait_ended(LCORES - 1);
}
