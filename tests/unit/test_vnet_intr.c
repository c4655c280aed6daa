/*
 * A port's interrupts on the device model: silent but for the time between arming and disarming,
 * one for each sleep, on every kind of ring with event index and with flags; and what keeps an
 * lcore awake. That none is lost when a packet comes in the middle of the arming is shown by
 * test_vq_order.c, for every interleaving, and with threads by test_threads.c.
 */
#include "kernel/lcore.h"
#include "net/idle.h"
#include "net/share.h"
#include "tests/unit/said.h"
#include "tests/unit/vnet_fixture.h"

#include <criterion/criterion.h>

#define LEN 100
#define MOMENTS 2000

static struct port port;

struct intr_case {
	enum layout layout;
	bool event_idx;
};

ParameterizedTestParameters(vnet_intr, asks_for_one_and_gets_one)
{
	static struct intr_case cases[LAYOUTS * 2];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		cases[i] = (struct intr_case){(enum layout)(i / 2), i & 1};
	return cr_make_param_array(struct intr_case, cases, ARRAY_SIZE(cases));
}

static uint64_t interrupts(void)
{
	return port_stats(&port).interrupts;
}

static bool arm(void)
{
	return port.dev->ops->rx_arm(port.dev, 0);
}

static bool disarm(void)
{
	return port.dev->ops->rx_disarm(port.dev, 0);
}

static unsigned seq_in, seq_out;

static void arrive(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		frame_push(&port, seq_in++, LEN);
	vdev_step(&port.d, NETDEV_BURST);
}

static unsigned receive(void)
{
	struct mbuf *pkts[NETDEV_BURST];
	const uint16_t n = netdev_rx_burst(port.dev, 0, pkts, NETDEV_BURST);

	for (unsigned i = 0; i < n; i++) {
		frame_check(pkts[i], seq_out++, LEN);
		mbuf_free(pkts[i]);
	}
	return n;
}

static void open_port(const struct intr_case *c, const char *words)
{
	port_open(&port, c->layout);
	if (!c->event_idx)
		port.d.offered &= ~VIRTIO_F_EVENT_IDX;
	port.d.queue_max[0] = port.d.queue_max[1] = 16;
	cr_assert_eq(options_parse(words, "test"), 0);
	port_start(&port);
}

ParameterizedTest(struct intr_case *c, vnet_intr, asks_for_one_and_gets_one)
{
	open_port(c, "net.mode=interrupt");
	cr_expect_eq(port.dev->mode, NETDEV_INTERRUPT);
	for (unsigned i = 0; i < MOMENTS; i++) {
		const uint64_t before = interrupts();
		const unsigned early = mix(1, i) % 4 == 0 ? 1 + mix(2, i) % 3 : 0;
		const unsigned late = mix(3, i) % 3;

		if (early)
			arrive(early);
		cr_expect_eq(interrupts(), before, "moment %u: awake, and disturbed", i);
		cr_assert_eq(arm(), !early, "moment %u", i);
		if (late)
			arrive(late);
		if (!early)
			cr_assert_eq(interrupts() - before, late ? 1 : 0, "moment %u: %u frames", i,
			             late);
		cr_assert_eq(disarm(), early || late, "moment %u", i);
		cr_assert_eq(receive(), early + late, "moment %u", i);
	}
	port_close(&port);
}

/* ---- what keeps it awake, and what does not ------------------------------------------------- */

static const struct intr_case usual = {MRG, true};

Test(vnet_intr, stays_awake_while_the_ring_lacks_buffers)
{
	struct mbuf *held[256];
	unsigned n;

	open_port(&usual, "net.mode=interrupt");
	cr_assert(arm());
	disarm();
	/* somebody has all of the pool */
	n = mempool_get_bulk(port.dev->queue[0].pool, held, ARRAY_SIZE(held));
	arrive(12);
	while (receive())
		n += mempool_get_bulk(port.dev->queue[0].pool, held + n,
		                      (unsigned)ARRAY_SIZE(held) - n);
	cr_expect_not(arm(), "the device may be waiting for buffers");
	while (n)
		mempool_put(held[--n]);
	receive();
	cr_expect(arm());
	disarm();
	port_close(&port);
}

Test(vnet_intr, a_broken_queue_and_a_stopped_port_disturb_nobody)
{
	open_port(&usual, "net.mode=interrupt");
	vdev_lie(&port.d, 0, VDEV_LIE_ID_RANGE, 0, 0);
	arrive(1);
	cr_expect_not(arm(), "it looks like a packet");
	receive();
	cr_assert(port.vd.stats.broken);
	cr_expect(arm());
	cr_expect_not(disarm());
	port.dev->ops->link_poll(port.dev); /* reported, and reset */
	port.dev->ops->stop(port.dev);
	cr_expect(arm());
	cr_expect_not(disarm());
	port.dev = NULL;
	(void)vdev_close(&port.d);
}

Test(vnet_intr, polls_where_no_interrupt_would_come)
{
	port_open(&port, MRG);
	port.d.vectors = 0;
	cr_assert_eq(options_parse("net.mode=adaptive", "test"), 0);
	port_start(&port);
	cr_expect_eq(port.dev->mode, NETDEV_POLL);
	cr_expect(said("port 0: its device cannot interrupt: it is polled"));
	cr_expect_not(arm());
	port_close(&port);
}

Test(vnet_intr, a_change_of_configuration_is_news)
{
	open_port(&usual, "net.mode=interrupt");
	cr_expect_not(port.dev->news);
	vdev_config_change(&port.d, &(struct virtio_net_config){.status = 0});
	cr_expect(port.dev->news);
	port.dev->ops->link_poll(port.dev);
	cr_expect_not(port.dev->link_up);
	port_close(&port);
}

/* With one vector, or the pin, for two queues and the configuration. */
Test(vnet_intr, a_shared_interrupt_counts_once_and_has_the_configuration_seen)
{
	for (unsigned vectors = 0; vectors < 2; vectors++) {
		struct netdev_stats s = {.interrupts = 0};

		port_open(&port, MRG);
		vdev_pairs(&port.d, 2);
		port.d.vectors = vectors;
		port.d.intx = true;
		options("net.mode=interrupt net.rxq=2");
		port_start(&port);
		for (uint16_t i = 0; i < 100; i++) {
			struct mbuf *m;

			cr_assert(port.dev->ops->rx_arm(port.dev, i % 2));
			frame_push_to(&port, i % 2, i, LEN);
			vdev_step(&port.d, 1);
			cr_assert(port.dev->ops->rx_disarm(port.dev, i % 2));
			cr_assert_eq(netdev_rx_burst(port.dev, i % 2, &m, 1), 1);
			mbuf_free(m);
			cr_assert_not(port.dev->news, "a packet is none");
		}
		port.dev->ops->stats(port.dev, 0, &s);
		port.dev->ops->stats(port.dev, 1, &s);
		cr_assert_eq(s.interrupts, 100);
		port.dev->ops->link_poll(port.dev);
		vdev_config_change(&port.d, &(struct virtio_net_config){.status = 0});
		cr_assert_eq(port.dev->news, !vectors, "the pin tells");
		port.dev->ops->link_poll(port.dev);
		cr_assert_not(port.dev->link_up);
		port_close(&port);
	}
}

/* ---- the lcore ------------------------------------------------------------------------------ */

static struct net_stack st;
static struct idle idle;

static void open_idle(const char *words)
{
	open_port(&usual, words);
	st = (struct net_stack){.nb_lcores = 1};
	idle_init(&idle, &st);
}

static void frame_comes(uint64_t until_ns)
{
	cr_expect_gt(until_ns, 0, "a reason not to sleep");
	arrive(1);
}

static void nothing_comes(uint64_t until_ns)
{
	(void)until_ns;
}

Test(idle, whoever_polls_another_port_never_sleeps_and_says_so)
{
	static struct netdev polled;
	static struct netdev_queue queue;

	polled = (struct netdev){.queue = &queue, .nb_queues = 1};
	open_port(&usual, "net.mode=interrupt");
	polled.ops = port.dev->ops;
	cr_assert_eq(netdev_register(&polled), 0);
	st = (struct net_stack){.nb_lcores = 1};
	idle_init(&idle, &st);
	cr_expect_not(idle.on);
	cr_expect(said("lcore 0 never sleeps: it polls port 1, so that port 0 is polled, too"));

	/* it is another one's */
	queue.lcore = 1;
	plat_test_clear();
	idle_init(&idle, &st);
	cr_expect(idle.on);
	cr_expect_not(said("never sleeps"));
	port_close(&port);
}

Test(idle, sleeps_until_a_packet_comes)
{
	open_idle("net.mode=interrupt");
	cr_assert(idle.on);
	cr_expect(idle_wants(&idle, 0, 1000), "at the first empty turn");
	plat_test_rest = frame_comes;
	cr_expect(idle_sleep(&idle, 12345));
	cr_expect_eq(plat_test_rest_until_ns, 12345);
	cr_expect_eq(interrupts(), 1);
	cr_expect_eq(idle.sleeps, 1);
	cr_expect_eq(idle.wakes, 1);
	/* it is there still, and the lcore must not sleep */
	plat_test_rest = nothing_comes;
	cr_expect(idle_sleep(&idle, 12345));
	cr_expect_eq(plat_test_rest_until_ns, 0);
	cr_expect_eq(receive(), 1);
	cr_expect_not(idle_sleep(&idle, 12345), "a timer");
	cr_expect_not(idle_sleep(&idle, 12345), "another");
	cr_expect_eq(idle.sleeps, 2, "timers do not count");
	port_close(&port);
}

Test(idle, an_adaptive_port_is_polled_for_a_while)
{
	const uint64_t patience = IDLE_ADAPTIVE_NS; /* one cycle is one nanosecond here */

	open_idle("net.mode=adaptive");
	cr_expect_not(idle_wants(&idle, 0, 1000));
	cr_expect_not(idle_wants(&idle, 0, 1000 + patience - 1));
	cr_expect(idle_wants(&idle, 0, 1000 + patience));
	cr_expect(idle_wants(&idle, 0, 1000 + 9 * patience), "woken by a timer");
	cr_expect_not(idle_wants(&idle, 7, 1000 + 10 * patience), "there was traffic");
	cr_expect(idle_wants(&idle, 7, 1000 + 11 * patience));
	port_close(&port);
}

Test(idle, a_polled_port_keeps_its_lcore_awake)
{
	open_idle("net.mode=poll");
	cr_expect_not(idle.on);
	port_close(&port);
}

Test(idle, news_and_messages_keep_it_awake)
{
	open_idle("net.mode=interrupt");
	port.dev->news = true;
	plat_test_rest = nothing_comes;
	idle_sleep(&idle, 12345);
	cr_expect_eq(plat_test_rest_until_ns, 0);
	port.dev->news = false;
	idle_sleep(&idle, 12345);
	cr_expect_eq(plat_test_rest_until_ns, 12345);
	port_close(&port);
}

/* ---- telling -------------------------------------------------------------------------------- */

static char told[400];

static void tell(const struct idle_news *news)
{
	const size_t len = strlen(told);

	snprintf(told + len, sizeof(told) - len, "%s%llu ", news->woken_by ? "wakes" : "sleeps",
	         (unsigned long long)news->times);
}

Test(idle, tells_what_it_did_in_order_and_not_too_often)
{
	uint64_t now_ns = 1000000000000;

	open_idle("net.mode=interrupt");
	idle_tell(&idle, tell, now_ns);
	cr_expect_str_eq(told, "");
	idle.sleeps = 1;
	idle_tell(&idle, tell, now_ns);
	idle.wakes = 1;
	idle_tell(&idle, tell, now_ns);
	idle.sleeps = 2;
	idle.wakes = 2;
	idle_tell(&idle, tell, now_ns);
	idle.wakes = 3;
	idle.sleeps = 4;
	idle_tell(&idle, tell, now_ns);
	cr_expect_str_eq(told, "sleeps1 wakes1 sleeps1 wakes1 wakes1 sleeps2 ");
	told[0] = '\0';
	for (unsigned i = 0; i < 100; i++) {
		idle.wakes = idle.sleeps++;
		idle_tell(&idle, tell, now_ns);
	}
	cr_expect_leq(strlen(told), (IDLE_TELL_BURST - 4) * strlen("wakes1 sleeps1 "));
	told[0] = '\0';
	idle_tell(&idle, tell, now_ns + 1000000000);
	cr_expect_str_eq(told, "wakes94 sleeps94 ");
	port_close(&port);
}
