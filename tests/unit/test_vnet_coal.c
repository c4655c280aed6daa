/* When the device notifies, and what it counts: commands with a result, as options and the console
 * give them, and devices that answer nonsense. */
#include "tests/unit/vnet_fixture.h"

#include "apps/commands.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "tests/unit/ctrl_lies.h"
#include "tests/unit/said.h"

#define PAIRS 4
#define CTRL (2 * PAIRS)
#define ALL VIRTIO_NET_F_NOTF_COAL
#define ONE VIRTIO_NET_F_VQ_NOTF_COAL
#define STATS VIRTIO_NET_F_DEVICE_STATS
#define TYPES 0x1000f000full

static struct port port;

static void start_with(enum layout layout, uint64_t offered, const char *words)
{
	port_open(&port, layout);
	vdev_pairs(&port.d, PAIRS);
	port.d.offered |= offered;
	port.d.stats_types = TYPES;
	plat_test_clear();
	options(words);
	port_start(&port);
}

static bool coal_is(unsigned queue, uint32_t packets, uint32_t usecs)
{
	const struct virtio_net_ctrl_coal *c = &port.d.ctrl.coal[queue];

	return c->max_packets == packets && c->max_usecs == usecs;
}

static int set(bool tx, int queue, uint32_t packets, uint32_t usecs)
{
	const struct netdev_queue_id id = {queue, tx};
	const struct netdev_coalesce c = {packets, usecs};

	return port.dev->ops->set_coalesce(port.dev, &id, &c);
}

static int get(bool tx, int queue, struct netdev_coalesce *c)
{
	const struct netdev_queue_id id = {queue, tx};

	return port.dev->ops->get_coalesce(port.dev, &id, c);
}

static void type(const char *line)
{
	plat_test_clear();
	plat_test_input(line);
	plat_test_input("\n");
	for (unsigned i = 0; i < 2000; i++)
		console_poll();
}

static void open_console(uint64_t offered, const char *words)
{
	start_with(MRG, offered, words);
	commands_init(NULL);
	console_live();
}

/* ---- coalescing --------------------------------------------------------------------------- */

Test(vnet_coal, options_hold_at_each_start)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_forms[l].legacy)
			continue;
		start_with((enum layout)l, l % 2 ? ALL : ONE,
		           "net.rxq=4 net.rx_coal=32,100 net.tx_coal=7,0");
		for (unsigned again = 0; again < 2; again++) {
			for (unsigned q = 0; q < CTRL; q++)
				cr_assert(q % 2 ? coal_is(q, 7, 0) : coal_is(q, 32, 100));
			port_stop(&port);
			cr_assert_eq(port.dev->ops->start(port.dev), 0);
		}
		exchange_frames_of(&port, 3, 20);
		port_close(&port);
	}
}

/* One queue that is stopped alone forgets what it alone was told. */
Test(vnet_coal, it_holds_when_a_queue_stops_and_starts)
{
	static const uint64_t can[] = {ONE, ALL | ONE, ALL};

	for (size_t i = 0; i < ARRAY_SIZE(can); i++) {
		const struct netdev_ops *ops;

		start_with(MRG, can[i] | VIRTIO_F_RING_RESET,
		           "net.rxq=4 net.rx_coal=32,100 net.tx_coal=7,0");
		ops = port.dev->ops;
		cr_assert_eq(set(false, 1, 3, 4), can[i] & ONE ? 0 : -EOPNOTSUPP);
		cr_assert_eq(ops->queue_stop(port.dev, 1, false), 0);
		cr_assert_eq(ops->queue_start(port.dev, 1, false), 0);
		cr_assert(can[i] & ONE ? coal_is(2, 3, 4) : coal_is(2, 32, 100));
		cr_assert_eq(ops->queue_resize(port.dev, 2, false, 128), 0);
		cr_assert_eq(ops->queue_resize(port.dev, 2, true, 64), 0);
		cr_assert(coal_is(4, 32, 100) && coal_is(5, 7, 0));
		/* what is told meanwhile holds later */
		cr_assert_eq(ops->queue_stop(port.dev, 3, true), 0);
		cr_assert_eq(set(true, -1, 5, 6), 0);
		if (can[i] & ONE) {
			struct netdev_coalesce c;

			cr_assert_eq(get(true, 3, &c), -EIO);
			cr_assert_eq(set(true, 3, 8, 9), 0);
		}
		cr_assert_eq(ops->queue_start(port.dev, 3, true), 0);
		cr_assert(coal_is(1, 5, 6));
		cr_assert(can[i] & ONE ? coal_is(7, 8, 9) : coal_is(7, 5, 6));
		exchange_frames_of(&port, 3, 20);
		port_close(&port);
	}
}

Test(vnet_coal, without_an_option_nothing_is_told)
{
	start_with(MRG, ALL | ONE | STATS, "net.rxq=4");
	cr_assert_eq(port.d.ctrl.commands, 1);
	cr_assert_eq(port.vd.features & (ALL | ONE | STATS), ALL | ONE | STATS);
	port_close(&port);

	/* nor is there a control queue for it that the device does not have */
	port_open(&port, MRG);
	port.d.offered |= ALL | ONE | STATS;
	port_start(&port);
	cr_assert_not(port.vd.features & (ALL | ONE | STATS));
	port_close(&port);
}

Test(vnet_coal, what_cannot_be_had_is_told)
{
	struct netdev_coalesce c;

	start_with(MRG, 0, "net.rxq=4 net.rx_coal=32,100");
	cr_assert(said("net.rx_coal=32,100 cannot be had: no VIRTIO_NET_F_NOTF_COAL"));
	cr_assert_eq(set(false, -1, 1, 1), -EOPNOTSUPP);
	port_close(&port);

	start_with(MRG, ALL, "net.rxq=4");
	cr_assert_eq(set(false, 0, 1, 1), -EOPNOTSUPP);
	cr_assert_eq(get(false, 0, &c), -EOPNOTSUPP);
	port_close(&port);
}

Test(vnet_coal, the_last_command_counts)
{
	struct netdev_coalesce c;

	start_with(MRG, ALL | ONE, "net.rxq=4");
	cr_assert_eq(set(false, -1, 10, 20), 0);
	cr_assert_eq(set(false, 2, 30, 40), 0);
	cr_assert_eq(set(true, 3, 50, 60), 0);
	cr_assert_eq(get(false, 2, &c), 0);
	cr_assert(c.packets == 30 && c.usecs == 40);
	cr_assert_eq(get(true, 0, &c), 0);
	cr_assert(c.packets == 0 && c.usecs == 0);
	for (unsigned again = 0; again < 2; again++) {
		cr_assert(coal_is(0, 10, 20) && coal_is(4, 30, 40) && coal_is(7, 50, 60));
		cr_assert(coal_is(1, 0, 0));
		port_stop(&port);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
	}
	cr_assert_eq(set(false, -1, 1, 2), 0);
	port_stop(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert(coal_is(4, 1, 2) && coal_is(7, 50, 60));
	port_close(&port);
}

Test(vnet_coal, limits_and_queues_that_there_are_not)
{
	struct netdev_coalesce c;
	unsigned commands;

	start_with(MRG, ALL | ONE, "net.rxq=2");
	commands = port.d.ctrl.commands;
	cr_assert_eq(set(false, -1, 65536, 0), -EINVAL);
	cr_assert_eq(set(false, -1, 0, 1000001), -EINVAL);
	cr_assert_eq(set(false, 2, 1, 1), -ENOENT);
	cr_assert_eq(get(false, 2, &c), -ENOENT);
	cr_assert_eq(get(false, -1, &c), -ENOENT);
	cr_assert_eq(port.d.ctrl.commands, commands);
	port_stop(&port);
	cr_assert_eq(set(false, -1, 1, 1), -EIO);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	port_close(&port);
}

Test(vnet_coal, answers_that_are_none_mean_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(ctrl_lies); i++) {
		struct netdev_coalesce c = {5, 5};

		start_with(MRG, ALL | ONE, "net.rxq=4");
		plat_test_time_step_ns = 1000000;
		cr_assert_eq(set(false, 0, 30, 40), 0);
		vdev_lie(&port.d, CTRL, ctrl_lies[i].lie, 0, ctrl_lies[i].value);
		cr_assert_lt(get(false, 0, &c), 0);
		cr_assert(c.packets == 5 && c.usecs == 5, "they were believed");
		cr_assert(said("control command 6.3 failed"));
		exchange_frames(&port, 20);
		port_stop(&port);
		port.d.queue[CTRL].lie = VDEV_TRUTH;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		vdev_lie(&port.d, CTRL, ctrl_lies[i].lie, 0, ctrl_lies[i].value);
		cr_assert_lt(set(true, 0, 1, 1), 0);
		port_close(&port);
	}
	/* parts of a result */
	start_with(MRG, ALL | ONE, "net.rxq=4");
	for (uint32_t bytes = 0; bytes < 8; bytes++) {
		struct netdev_coalesce c = {5, 5};

		vdev_lie(&port.d, CTRL, VDEV_LIE_RESULT, 0, bytes);
		cr_assert_eq(get(false, 0, &c), -EIO);
		cr_assert_eq(c.packets, 5);
	}
	/* and more than there is room for: what is there is there */
	for (uint32_t bytes = 10; bytes && bytes < 1u << 31; bytes = bytes * 7) {
		struct netdev_coalesce c = {5, 5};

		vdev_lie(&port.d, CTRL, VDEV_LIE_LEN, 0, bytes);
		cr_assert_eq(get(false, 0, &c), 0);
		cr_assert_eq(c.packets, 0);
	}
	port_close(&port);
	plat_test_time_step_ns = 0;
}

Test(vnet_coal, a_device_that_refuses_at_the_start_is_told_of)
{
	port_open(&port, MRG);
	vdev_pairs(&port.d, PAIRS);
	port.d.offered |= ALL;
	plat_test_clear();
	options("net.rx_coal=1,1");
	port_probe(&port);
	vdev_lie(&port.d, 2, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert(said("notifies at another pace"));
	exchange_frames(&port, 20);
	port_close(&port);
}

Test(vnet_coal, the_console_sets_and_shows)
{
	open_console(ALL | ONE, "net.rxq=4");
	type("port config 0 coalesce rx all 32 100");
	cr_assert(said("port 0: coalesce: done"), "%s", plat_test_output());
	type("port config 0 coalesce tx 1 7 9");
	cr_assert(said("port 0: coalesce: done"));
	cr_assert(coal_is(6, 32, 100) && coal_is(3, 7, 9));
	type("show port 0 coalesce");
	cr_assert(said("port 0: Rx queue 3: 32 packets, 100 us"));
	cr_assert(said("port 0: Tx queue 1: 7 packets, 9 us"));
	type("port config 0 coalesce rx all 65536 1");
	cr_assert(said("at most 65535 packets"));
	type("port config 0 coalesce rx 4 1 1");
	cr_assert(said("there is no such queue"));
	type("port config 1 coalesce rx all 1 1");
	cr_assert(said("give a number below 1"));
	port_close(&port);
}

Test(vnet_coal, words_that_are_none)
{
	static const char *const lines[] = {
	    "port config 0 coalesce",
	    "port config 0 coalesce rx",
	    "port config 0 coalesce rx all 1",
	    "port config 0 coalesce up all 1 1",
	    "port config 0 coalesce rx x 1 1",
	    "port config 0 coalesce rx all 1 x",
	    "port config 0 coalesce rx all 1 1 1",
	    "port config 0 coalesce rx all -1 1",
	    "port config 0 coalesce rx 1111111111 1 1",
	};
	static const char *const values[] = {"net.rx_coal=1",         "net.rx_coal=1,",
	                                     "net.rx_coal=,1",        "net.rx_coal=65536,1",
	                                     "net.tx_coal=1,1000001", "net.tx_coal=1,1,1",
	                                     "net.tx_coal=1,12345678"};

	open_console(ALL | ONE, "net.rxq=4");
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		type(lines[i]);
		cr_assert(said("rx or tx, all or a queue"), "%s: %s", lines[i], plat_test_output());
	}
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		cr_assert_eq(options_parse(values[i], "test"), 1, "%s", values[i]);
	port_close(&port);
}

/* ---- statistics --------------------------------------------------------------------------- */

/* What was emitted, as text. */
static char counters[8192];

static void collect(void *arg, const char *direction, int queue, const char *name, uint64_t value)
{
	size_t len = strlen(counters);

	(void)arg;
	if (strncmp(direction, "device", 6) != 0)
		return; /* our own */
	snprintf(counters + len, sizeof(counters) - len, "%s_q%d_%s %llu\n", direction, queue, name,
	         (unsigned long long)value);
}

static const char *ask(void)
{
	counters[0] = '\0';
	port.dev->ops->xstats(port.dev, collect, NULL);
	return counters;
}

static bool shown(const char *name, unsigned queue, unsigned type, unsigned counter)
{
	char line[120];

	snprintf(line, sizeof(line), "%s %llu\n", name,
	         (unsigned long long)vdev_stats_value(queue, type, counter));
	return strstr(counters, line) != NULL;
}

static unsigned lines_shown(void)
{
	unsigned n = 0;

	for (const char *p = counters; *p; p++)
		n += *p == '\n';
	return n;
}

Test(vnet_coal, the_device_tells_what_it_counts)
{
	const uint64_t offloads = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 |
	                          VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_CSUM |
	                          VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |
	                          VIRTIO_NET_F_SPEED_DUPLEX;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_forms[l].legacy || !layout_is_mrg((enum layout)l))
			continue;
		start_with((enum layout)l, STATS | offloads,
		           "net.rxq=4 net.rx_offloads=csum,lro net.tx_offloads=csum,tso");
		ask();
		cr_assert_eq(lines_shown(), 2 + PAIRS * 32, "%u", lines_shown());
		cr_assert(shown("device_q-1_commands_ok", CTRL, VIRTIO_NET_STATS_CVQ, 1));
		cr_assert(shown("device_rx_q0_drop_overruns", 0, VIRTIO_NET_STATS_RX_BASIC, 5));
		cr_assert(shown("device_tx_q3_gso_bytes_noseg", 7, VIRTIO_NET_STATS_TX_GSO, 5));
		cr_assert(shown("device_rx_q2_csum_bad", 4, VIRTIO_NET_STATS_RX_CSUM, 3));
		port_close(&port);
	}
}

Test(vnet_coal, only_types_that_there_are_are_asked_for)
{
	/* no offloads: only what needs no feature */
	start_with(MRG, STATS, "net.rxq=2");
	ask();
	cr_assert_eq(lines_shown(), 2 + 2 * 12);
	port_close(&port);

	start_with(MRG, STATS, "net.rxq=2");
	port.d.stats_types = 1ull << VIRTIO_NET_STATS_TX_BASIC | 1ull << 40 | 1ull << 7;
	ask();
	cr_assert_eq(lines_shown(), 2 * 6);
	port.d.stats_types = 0;
	ask();
	cr_assert_eq(lines_shown(), 0);
	port_close(&port);

	start_with(MRG, 0, "net.rxq=2");
	ask();
	cr_assert_eq(lines_shown(), 0);
	port_stop(&port);
	ask();
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	port_close(&port);
}

Test(vnet_coal, replies_that_make_no_sense_are_told_of_and_survived)
{
	static const enum layout layouts[] = {MRG, PACKED_MRG};

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		start_with(layouts[l], STATS, "net.rxq=2");
		for (uint32_t lie = 0; lie < VDEV_STATS_LIES; lie++) {
			for (unsigned after = 1; after < 6; after++) {
				plat_test_clear();
				vdev_lie(&port.d, CTRL, VDEV_LIE_STATS, after, lie);
				ask();
				cr_assert(said("statistics of queue") && said("make no sense"),
				          "lie %u: %s", lie, counters);
				cr_assert_eq(port.d.queue[CTRL].lie, VDEV_TRUTH);
			}
		}
		for (uint32_t bytes = 0; bytes < 56; bytes++) {
			vdev_lie(&port.d, CTRL, VDEV_LIE_RESULT, 2, bytes);
			ask();
		}
		plat_test_clear();
		ask();
		cr_assert_eq(lines_shown(), 2 + 2 * 12);
		cr_assert_not(said("make no sense"));
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(vnet_coal, a_device_that_does_not_answer_is_asked_once)
{
	for (size_t i = 0; i < ARRAY_SIZE(ctrl_lies); i++) {
		start_with(MRG, STATS, "net.rxq=4");
		plat_test_time_step_ns = 1000000;
		vdev_lie(&port.d, CTRL, ctrl_lies[i].lie, 0, ctrl_lies[i].value);
		ask();
		cr_assert_eq(lines_shown(), 0);
		cr_assert(said("control command 8.0 failed"));
		exchange_frames(&port, 20);
		port_close(&port);
	}
	plat_test_time_step_ns = 0;
}

Test(vnet_coal, the_console_shows_it_among_all_counters)
{
	open_console(STATS, "net.rxq=2");
	type("show port xstats 0");
	cr_assert(said("rx_good_packets: 0\r\n") && said("device_commands: "));
	cr_assert(said("device_tx_q1_drop_malformed: 4016005\r\n"), "%s", plat_test_output());
	port_close(&port);
}
