/*
 * Receive-side scaling by the device: asked for or not, refused with a reason, told at each start
 * and at the console; every packet comes by the queue that its hash, computed a second time,
 * chooses.
 */
#include "tests/unit/vnet_fixture.h"

#include "apps/commands.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "net/rss_hash.h"
#include "net/soft_rss.h"
#include "tests/unit/ctrl_lies.h"
#include "tests/unit/flow_frames.h"
#include "tests/unit/said.h"

#define PAIRS 4
#define CTRL (2 * PAIRS)
#define ON "net.rxq=4 net.rss=device "
#define HASHES "net.rx_offloads=rss_hash "
#define OTHER_KEY "00112233445566778899aabbccddeeffFFEEDDCCBBAA998877665544332211000123456789abcdef"

static struct port port;

static void open_rss(enum layout layout, const char *words)
{
	port_open(&port, layout);
	vdev_pairs(&port.d, PAIRS);
	port.d.offered |= VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT;
	port.d.config.rss_max_key_size = 40;
	port.d.config.rss_max_indirection_table_length = 128;
	port.d.config.supported_hash_types = RSS_ALL;
	plat_test_clear();
	options(words);
}

static void start_rss(enum layout layout, const char *words)
{
	open_rss(layout, words);
	port_start(&port);
}

/* Which queue, and what of the hash, our own computation says. */
static unsigned oracle(const uint8_t *frame, unsigned len, uint32_t *value, uint16_t *report)
{
	const struct rss *r = &port.dev->rss->now;
	struct rss_hash h;

	rss_hash_init(&h, r);
	*value = 0;
	*report = rss_hash_frame(&h, frame, len, value);
	return *report && port.dev->rss->steers ? r->reta[*value % RSS_RETA_LEN] : 0;
}

/* Flows of every kind; the device has chosen as we would have. */
static void flows(unsigned seed, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t frame[FLOW_FRAME_MAX];
		const unsigned len = flow_frame(frame, (enum flow_kind)(i % FLOW_KINDS),
		                                seed + i / FLOW_KINDS, i % 3);
		struct mbuf *m = NULL;
		uint32_t value;
		uint16_t report;
		const unsigned pair = oracle(frame, len, &value, &report);

		cr_assert_eq(vdev_net_rx_wire(&port.d, frame, len), pair);
		vdev_step(&port.d, 1);
		cr_assert_eq(netdev_rx_burst(port.dev, (uint16_t)pair, &m, 1), 1);
		cr_assert_eq(m->pkt_len, len);
		if (port.vd.features & VIRTIO_NET_F_HASH_REPORT) {
			cr_assert_eq(!!(m->flags & MBUF_RX_HASH), report != 0);
			cr_assert(!report || (m->hash == value && m->hash_type == report));
		}
		mbuf_free(m);
	}
}

static bool has_vector_rx(void)
{
	return container_of(port.dev, struct vnet, dev)->choice.rx->isa;
}

/* The same, a burst at a time: what vector code takes eight by eight. */
static void flows_in_bursts(unsigned n)
{
	struct {
		unsigned n;
		uint16_t report[64];
		uint32_t value[64];
	} want[PAIRS] = {0};

	for (unsigned i = 0; i < n; i++) {
		uint8_t frame[FLOW_FRAME_MAX];
		const unsigned len = flow_frame(frame, (enum flow_kind)(i % FLOW_KINDS), i, i % 3);
		uint32_t value;
		uint16_t report;
		const unsigned pair = oracle(frame, len, &value, &report);

		want[pair].report[want[pair].n] = report;
		want[pair].value[want[pair].n++] = value;
		vdev_net_rx_wire(&port.d, frame, len);
	}
	vdev_step(&port.d, n);
	for (uint16_t q = 0; q < PAIRS; q++) {
		struct mbuf *m[64];

		cr_assert_geq(want[q].n, 8);
		cr_assert_eq(netdev_rx_burst(port.dev, q, m, 64), want[q].n);
		for (unsigned i = 0; i < want[q].n; i++) {
			const uint16_t report = want[q].report[i];

			cr_assert_eq(!!(m[i]->flags & MBUF_RX_HASH), report != 0);
			cr_assert(!report ||
			          (m[i]->hash == want[q].value[i] && m[i]->hash_type == report));
			mbuf_free(m[i]);
		}
	}
}

/* ---- whether ------------------------------------------------------------------------------ */

Test(vnet_rss, steering_stays_the_devices_unless_an_option_says_otherwise)
{
	static const char *const words[] = {"", "net.rss=off", "net.rss=software"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		open_rss(MRG, "net.rxq=4");
		options(words[i]);
		port_start(&port);
		cr_assert_not(port.vd.features & VIRTIO_NET_F_RSS);
		cr_assert_not(port.d.ctrl.steers);
		cr_assert_eq(port.d.ctrl.pairs, PAIRS);
		cr_assert_null(port.dev->rss);
		port_close(&port);
	}
}

Test(vnet_rss, told_at_each_start_on_every_path)
{
	for (unsigned i = 0; i < 2 * LAYOUTS; i++) { /* with vector code and without */
		const unsigned l = i / 2;

		if (layout_forms[l].legacy)
			continue;
		start_rss((enum layout)l,
		          i % 2 ? ON HASHES "net.vectorized=1" : "net.rxq=4 net.rss=auto " HASHES);
		cr_assert(port.vd.features & VIRTIO_NET_F_RSS);
		cr_assert_eq(has_vector_rx(), i % 2 && layout_is_packed((enum layout)l) ==
		                                           layout_is_in_order((enum layout)l));
		for (unsigned again = 0; again < 2; again++) {
			cr_assert(port.d.ctrl.steers);
			cr_assert_eq(port.d.ctrl.commands, 1);
			cr_assert_eq(port.d.ctrl.pairs, PAIRS);
			cr_assert_eq(port.d.ctrl.rss.types, RSS_ALL);
			cr_assert_eq(port.d.ctrl.rss.mask, 127);
			for (unsigned k = 0; k < 128; k++)
				cr_assert_eq(port.d.ctrl.rss.table[k], k % PAIRS);
			flows(again, 20 * FLOW_KINDS);
			flows_in_bursts(64);
			port_stop(&port);
			cr_assert_eq(port.dev->ops->start(port.dev), 0);
		}
		for (uint16_t q = 0; q < PAIRS; q++)
			exchange_frames_of(&port, q, 20);
		port_close(&port);
	}
}

Test(vnet_rss, options_say_what_and_where_to)
{
	start_rss(MRG, ON "net.rss_types=ipv4-udp,ipv6 net.rss_reta=3,1 net.rss_key=" OTHER_KEY);
	cr_assert_eq(port.d.ctrl.rss.types, RSS_UDPV4 | RSS_IPV6);
	cr_assert_eq(port.d.ctrl.rss.key[15], 0xff);
	cr_assert_eq(port.d.ctrl.rss.table[126], 3);
	cr_assert_eq(port.d.ctrl.rss.table[127], 1);
	flows(1, 10 * FLOW_KINDS);
	port_close(&port);
}

Test(vnet_rss, what_cannot_be_had_is_told_and_done_without)
{
	static const struct {
		uint64_t lacks;
		unsigned key, table;
		uint32_t types;
		const char *words, *says;
	} cases[] = {
	    {VIRTIO_NET_F_RSS, 40, 128, RSS_ALL, ON, "no VIRTIO_NET_F_RSS (QEMU: rss=on)"},
	    {VIRTIO_NET_F_MQ, 40, 128, RSS_ALL, ON, "there is one queue pair"},
	    {VIRTIO_NET_F_CTRL_VQ, 40, 128, RSS_ALL, ON, "there is one queue pair"},
	    {0, 40, 128, RSS_ALL, "net.rss=device", "there is one queue pair (net.rxq)"},
	    {0, 39, 128, RSS_ALL, ON, "keys or tables are shorter"},
	    {0, 40, 127, RSS_ALL, ON, "keys or tables are shorter"},
	    {0, 0, 0, 0, ON, "keys or tables are shorter"},
	    {0, 40, 128, 0, ON, "no hash types"},
	    {0, 40, 128, 0xfffffe00, ON, "no hash types"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		/* not more than there may be ports */
		for (unsigned automatic = 0; automatic < (i < 4 ? 2 : 1); automatic++) {
			open_rss(MRG, cases[i].words);
			if (automatic)
				options("net.rss=auto");
			port.d.offered &= ~cases[i].lacks;
			port.d.config.rss_max_key_size = (uint8_t)cases[i].key;
			port.d.config.rss_max_indirection_table_length = (uint16_t)cases[i].table;
			port.d.config.supported_hash_types = cases[i].types;
			port_start(&port);
			cr_assert_not(port.vd.features & VIRTIO_NET_F_RSS);
			cr_assert_eq(said("net.rss=device cannot be had"), !automatic);
			cr_assert(automatic || said(cases[i].says), "no \"%s\" in: %s",
			          cases[i].says, plat_test_output());
			cr_assert_null(port.dev->rss);
			exchange_frames(&port, 20);
			port_close(&port);
		}
	}
}

Test(vnet_rss, types_that_the_device_has_not_are_not_asked_for)
{
	open_rss(MRG, ON);
	port.d.config.supported_hash_types = 0xffffff00 | RSS_TCPV6;
	port_start(&port);
	cr_assert_eq(port.d.ctrl.rss.types, RSS_TCPV6 | RSS_UDPV6_EX);
	flows(1, FLOW_KINDS);
	port_close(&port);
}

Test(vnet_rss, a_device_that_says_no_spreads_as_it_likes)
{
	for (size_t i = 0; i < ARRAY_SIZE(ctrl_lies); i++) {
		const bool answers = ctrl_lies[i].lie == VDEV_LIE_ACK;
		struct rss rss;

		open_rss(MRG, ON HASHES);
		plat_test_time_step_ns = 1000000;
		port_probe(&port);
		vdev_lie(&port.d, CTRL, ctrl_lies[i].lie, 0, ctrl_lies[i].value);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert(said("control command 4.1 failed"));
		cr_assert(said(ctrl_lies[i].says));
		cr_assert(said("no RSS: the device spreads packets as it likes"));
		/* as many pairs as without RSS, and hashes all the same, if it still answers */
		cr_assert_eq(port.d.ctrl.pairs,
		             answers || ctrl_lies[i].lie == VDEV_LIE_ID_RANGE ? PAIRS : 1);
		cr_assert_eq(port.d.ctrl.hash.hash_types, answers ? RSS_ALL : 0);
		rss = port.dev->rss->now;
		cr_assert_eq(port.dev->rss->set(port.dev, &rss), answers ? 0 : -EIO);
		exchange_frames(&port, 20);
		port_stop(&port);
		port.d.queue[CTRL].lie = VDEV_TRUTH;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert(port.d.ctrl.steers);
		flows(1, FLOW_KINDS);
		port_close(&port);
	}
	plat_test_time_step_ns = 0;
}

/* ---- at run time -------------------------------------------------------------------------- */

static void type(const char *line)
{
	plat_test_clear();
	plat_test_input(line);
	plat_test_input("\n");
	for (unsigned i = 0; i < 1000; i++)
		console_poll();
}

static void open_console(const char *words)
{
	start_rss(MRG, words);
	commands_init(NULL);
	console_live();
}

Test(vnet_rss, the_console_changes_types_key_and_table)
{
	open_console(ON HASHES);
	type("port config all rss udp");
	cr_assert(said("port 0: rss: done"));
	cr_assert_eq(port.d.ctrl.rss.types, RSS_UDP);
	flows(1, 10 * FLOW_KINDS);

	type("port config 0 rss-hash-key ipv4-tcp " OTHER_KEY);
	cr_assert(said("port 0: rss: done"));
	cr_assert_eq(port.d.ctrl.rss.types, RSS_TCPV4);
	cr_assert_eq(port.d.ctrl.rss.key[39], 0xef);

	type("port config all rss default");
	cr_assert_eq(port.d.ctrl.rss.types, RSS_ALL);
	type("port config 0 rss reta (0,3),(127,2),(5,0)");
	cr_assert(said("port 0: rss: done"));
	cr_assert_eq(port.d.ctrl.rss.table[0], 3);
	cr_assert_eq(port.d.ctrl.rss.table[127], 2);
	cr_assert_eq(port.d.ctrl.rss.table[5], 0);
	cr_assert_eq(port.d.ctrl.rss.table[6], 2);
	flows(2, 10 * FLOW_KINDS);

	/* and it holds */
	port_stop(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(port.d.ctrl.rss.table[127], 2);
	cr_assert_eq(port.d.ctrl.rss.key[39], 0xef);
	type("port config all rss none");
	cr_assert_eq(port.d.ctrl.rss.types, 0);
	flows(3, FLOW_KINDS);
	port_close(&port);
}

Test(vnet_rss, the_console_shows_it_as_testpmd_does)
{
	open_console(ON "net.rss_reta=0,1,2");
	type("show port 0 rss reta 128 (0x3,0x8000000000000000)");
	cr_assert(said("RSS RETA configuration: hash index=0, queue=0\r\n"
	               "RSS RETA configuration: hash index=1, queue=1\r\n"
	               "RSS RETA configuration: hash index=127, queue=1\r\n"),
	          "%s", plat_test_output());
	cr_assert_not(said("hash index=2,"));
	type("show port 0 rss reta 2 (f)");
	cr_assert(said("hash index=1,") && !said("hash index=2,"));
	type("show port 0 rss-hash");
	cr_assert(said("RSS functions:\r\n  ip  udp  tcp  ipv4  ipv4-frag  ipv4-tcp  ipv4-udp  "
	               "ipv4-other\r\n  ipv6  ipv6-frag"),
	          "%s", plat_test_output());
	cr_assert_not(said("RSS key"));
	type("show port 0 rss-hash key");
	cr_assert(said("RSS key:\r\n6D5A56DA255B0EC24167253D43A38FB0D0CA2BCBAE7B30B477CB2DA380"
	               "30F20C6A42B73BBEAC01FA\r\n"));
	type("port config all rss none");
	type("show port 0 rss-hash");
	cr_assert(said("RSS disabled"));
	port_close(&port);
}

Test(vnet_rss, words_that_are_none_change_nothing)
{
	static const char *const lines[] = {
	    "port config all rss",
	    "port config all rss udp tcp",
	    "port config all rss sctp",
	    "port config 0 rss-hash-key ipv4",
	    "port config 0 rss-hash-key ipv4 00",
	    "port config 0 rss reta",
	    "port config 0 rss reta (0,4)",
	    "port config 0 rss reta (128,0)",
	    "port config 0 rss reta (0,1)(1,1)",
	    "port config 0 rss reta (0,1),",
	    "port config 0 rss reta (0 1)",
	    "port config 0 rss reta (0,1) (2,2)",
	    "port config 7 rss reta (0,1)",
	    "port config x rss reta (0,1)",
	    "port config all rss reta (0,1)",
	    "show port 0 rss reta 129 (1)",
	    "show port 0 rss reta 128",
	    "show port 0 rss reta 128 (1,1,1)",
	    "show port 0 rss reta 128 1",
	    "show port 0 rss reta 128 (",
	    "show port 1 rss-hash",
	};

	/* around a key that is good */
	static const char *const keyed[][2] = {
	    {"none", ""},
	    {"ipv9 ", ""},
	    {"ipv4 ", "00"},
	};

	open_console(ON);
	for (size_t i = 0; i < ARRAY_SIZE(lines) + ARRAY_SIZE(keyed); i++) {
		const size_t k = i - ARRAY_SIZE(lines);
		char line[160];

		if (i < ARRAY_SIZE(lines))
			snprintf(line, sizeof(line), "%s", lines[i]);
		else
			snprintf(line, sizeof(line), "port config 0 rss-hash-key %s%s%s",
			         keyed[k][0], OTHER_KEY, keyed[k][1]);
		type(line);
		cr_assert(!said("done") && !said("hash index"), "%s: %s", line, plat_test_output());
		cr_assert_eq(port.d.ctrl.commands, 1);
	}
	port_close(&port);
}

Test(vnet_rss, what_the_device_refuses_is_not_remembered)
{
	struct rss before, other;

	open_console(ON);
	before = other = port.dev->rss->now;
	other.types = RSS_UDPV4;
	other.reta[0] = 3;
	vdev_lie(&port.d, CTRL, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
	cr_assert_eq(port.dev->rss->set(port.dev, &other), -EIO);
	cr_assert_eq(memcmp(&port.dev->rss->now, &before, sizeof(before)), 0);
	vdev_lie(&port.d, CTRL, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
	type("port config all rss udp");
	cr_assert(said("port 0: rss: the device did not do it"));
	port_stop(&port);
	cr_assert_eq(port.dev->rss->set(port.dev, &other), -EIO);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(port.d.ctrl.rss.types, RSS_ALL);
	port_close(&port);
}

Test(vnet_rss, hashes_without_steering_are_configured_alike)
{
	open_console("net.rxq=4 net.rss_types=tcp " HASHES);
	cr_assert_eq(port.d.ctrl.hash.hash_types, RSS_TCP);
	flows(1, FLOW_KINDS);
	type("port config 0 rss-hash-key all " OTHER_KEY);
	cr_assert(said("done"), "%s", plat_test_output());
	flows(2, FLOW_KINDS);
	type("port config 0 rss reta (0,1)");
	cr_assert(said("no table"));
	cr_assert_eq(port.d.ctrl.pairs, PAIRS);
	port_close(&port);
}

Test(vnet_rss, a_port_without_hashes_says_what_to_do)
{
	open_console("net.rxq=4");
	type("port config all rss udp");
	cr_assert(said("nobody hashes here: net.rss="), "%s", plat_test_output());
	type("show port 0 rss-hash");
	cr_assert(said("nobody hashes here: net.rss="), "%s", plat_test_output());
	port_close(&port);
}

/* ---- in software, over this driver -------------------------------------------------------- */

Test(vnet_rss, in_software_over_every_path)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_hdr_alone((enum layout)l))
			continue;
		open_rss((enum layout)l, "net.rxq=4 net.rss=software net.vectorized=1");
		port_probe(&port);
		soft_rss_attach(port.dev);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		for (unsigned i = 0; i < 20 * FLOW_KINDS; i++) {
			uint8_t frame[FLOW_FRAME_MAX];
			const unsigned len =
			    flow_frame(frame, (enum flow_kind)(i % FLOW_KINDS), i, i % 3);
			const uint16_t by = (uint16_t)(i % PAIRS);
			struct mbuf *m = NULL;
			uint32_t value;
			uint16_t report;
			const uint16_t to = (uint16_t)oracle(frame, len, &value, &report);

			vdev_net_rx_push(&port.d, by, frame, len);
			vdev_step(&port.d, 1);
			/* its own comes at once; else it is there next time */
			cr_assert_eq(netdev_rx_burst(port.dev, by, &m, 1), by == to);
			if (by != to)
				cr_assert_eq(netdev_rx_burst(port.dev, to, &m, 1), 1);
			cr_assert_eq(memcmp(mbuf_data(m), frame, len), 0);
			cr_assert_eq(netdev_tx_burst(port.dev, to, &m, 1), 1);
			vdev_drain(&port.d);
			free(vdev_net_tx_pop(&port.d, to));
			(void)netdev_rx_burst(port.dev, by, NULL, 0);
		}
		port_close(&port);
	}
}

Test(vnet_rss, all_counters_of_a_port)
{
	open_console(ON);
	exchange_frames_of(&port, 2, 7);
	type("show port xstats all");
	cr_assert(said("###### NIC extended statistics for port 0 \r\nrx_good_packets: 7\r\n"));
	cr_assert(said("rx_q2_packets: 7\r\n") && said("tx_q2_packets: 7\r\n"));
	type("show port xstats 1");
	cr_assert(said("port \"1\": give all, or a number below 1"));
	port_close(&port);
}
