/* The whole stack with application echo: bursts, options, counters that add up, hostile mixes. */
/* An archive's member that nobody names is not linked, and an application has no name. */
#include "apps/echo.c"
#include "net/arp.h"
#include "net/stack.h"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX];

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
	cr_assert_eq(app_echo.start(&w.st), 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
	fake_world_turn(&w, 20000);
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(net_stack, .init = start, .fini = stop);

Test(net_stack, echoes_every_size_untouched)
{
	for (unsigned len = 0; len <= 1472; len++) {
		fake_forget(&w.port);
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, len));
		cr_assert_eq(net_stack_poll(&w.st), 1);

		const struct fake_frame *f = fake_sent(&w.port, 0);

		cr_assert_eq(f->len, 42 + len);
		cr_assert_eq(memcmp(f->bytes + 42, data, len), 0);
		cr_assert_eq(frame_udp_sum(f->bytes + 34, 8 + len, OUR_IP, PEER_IP), 0xffff);
	}
	cr_assert_eq(w.nif->stats.tx_packets, 1473);
}

Test(net_stack, answers_leave_by_the_queue_that_the_question_came_in_by)
{
	w.port.dev.nb_queues = FAKE_QUEUES_MAX;
	net_if_deal(w.nif);
	for (uint16_t q = 0; q < FAKE_QUEUES_MAX; q++) {
		fake_forget(&w.port);
		w.port.inject_queue = q;
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 10u + q));
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 20u + q));
		net_stack_poll(&w.st);
		for (unsigned i = 0; i < 2; i++) {
			cr_assert_eq(fake_sent(&w.port, i)->len, 52u + 10u * i + q);
			cr_assert_eq(fake_sent(&w.port, i)->queue, q);
		}
	}

	/* some each, in one turn */
	fake_forget(&w.port);
	for (uint16_t q = FAKE_QUEUES_MAX; q-- > 0;) {
		w.port.inject_queue = q;
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, q));
	}
	cr_assert_eq(net_stack_poll(&w.st), FAKE_QUEUES_MAX);
	for (unsigned i = 0; i < FAKE_QUEUES_MAX; i++)
		cr_assert_eq(fake_sent(&w.port, i)->queue, fake_sent(&w.port, i)->len - 42);
}

Test(net_stack, what_nobody_asked_for_leaves_by_the_first_queue)
{
	w.port.dev.nb_queues = FAKE_QUEUES_MAX;
	net_if_deal(w.nif);
	for (uint16_t q = 0; q < FAKE_QUEUES_MAX; q++) {
		fake_forget(&w.port);
		w.port.inject_queue = q;
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 10));
		net_stack_poll(&w.st);
		cr_assert_eq(w.nif->queue, 0);

		/* between two turns: an application on its own account */
		struct udp_addr to = {.nif = w.nif, .ip = PEER_IP, .port = cpu_to_be16(99)};
		struct udp_pcb pcb = {.port = cpu_to_be16(1), .st = &w.st};

		cr_assert_eq(udp_sendto(&pcb, mbuf_alloc(w.port.dev.queue[0].pool), &to), 0);
		fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 20));
		net_stack_poll(&w.st);
		cr_assert_eq(fake_sent(&w.port, 0)->queue, q);
		cr_assert_eq(fake_sent(&w.port, 1)->queue, 0);
		cr_assert_eq(fake_sent(&w.port, 1)->len, 42);
		cr_assert_eq(fake_sent(&w.port, 2)->queue, q);
	}
}

Test(net_stack, echo_does_not_answer_what_would_be_answered)
{
	static const uint16_t ports[] = {0, 7, 19};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		s.sport = ports[i];
		fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	}
	net_stack_poll(&w.st);
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(echo_stats[0].looped, 3);
	s.sport = 20;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	s.sport = 7 + 256;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	net_stack_poll(&w.st);
	cr_assert_eq(w.port.nb_tx, 2);
}

Test(net_stack, echo_answers_no_broadcasts)
{
	struct frame_spec s = FRAME_TO_US;

	s.dst = IPV4_BROADCAST;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	s.dst = fake_ip(10, 0, 2, 255);
	s.dst_mac = broadcast_mac;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	net_stack_poll(&w.st);
	cr_assert_eq(w.port.nb_tx, 0);
	plat_test_clear();
	echo_show("");
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "2 dropped because they were broadcast"));
}

Test(net_stack, echo_says_when_its_port_is_taken)
{
	cr_assert_eq(app_echo.start(&w.st), -EADDRINUSE);
	cr_assert_not_null(strstr(plat_test_output(), "UDP port 7 is taken"));
}

Test(net_stack, handles_32_packets_a_turn_and_sends_them_as_one_burst)
{
	unsigned len = frame_udp(frame, &FRAME_TO_US, data, 22);

	for (unsigned i = 0; i < 40; i++)
		fake_inject(&w.port, frame, len);
	cr_assert_eq(net_stack_poll(&w.st), 32);
	cr_assert_eq(w.port.nb_tx, 32);
	cr_assert_eq(net_stack_poll(&w.st), 8);
	cr_assert_eq(net_stack_poll(&w.st), 0);
	cr_assert_eq(w.port.nb_tx, 40);
}

Test(net_stack, drops_and_counts_what_the_driver_does_not_take)
{
	unsigned len = frame_udp(frame, &FRAME_TO_US, data, 22);

	w.port.tx_room = 5;
	for (unsigned i = 0; i < 32; i++)
		fake_inject(&w.port, frame, len);
	net_stack_poll(&w.st);
	cr_assert_eq(w.nif->stats.tx_packets, 5);
	cr_assert_eq(w.nif->stats.tx_ring_full, 27);
	w.port.tx_room = UINT32_MAX;
}

Test(net_stack, sends_more_than_its_list_holds)
{
	struct udp_pcb *pcb = udp_bind(&w.st, 99, echo_recv, NULL);
	struct udp_addr to = {.nif = w.nif, .ip = PEER_IP, .port = 1};

	for (unsigned i = 0; i < 3 * NET_OUT_MAX; i++) {
		struct mbuf *m = mbuf_alloc(i % 2 ? w.port.dev.queue[0].pool : w.port.rx_pool);

		cr_assert(m, "packet %u", i);
		udp_sendto(pcb, m, &to);
	}
	net_if_flush(w.nif);
	cr_assert_eq(w.port.nb_tx, 3 * NET_OUT_MAX);
}

Test(net_stack, serves_several_ports)
{
	static struct fake_netdev second;
	struct frame_spec s = FRAME_TO_US;

	fake_netdev_init(&second);
	second.dev.port = 1;
	cr_assert_eq(options_parse("net1.ip=192.0.2.15/24 net1.gw=192.0.2.1", "test"), 0);
	cr_assert_eq(net_stack_add_port(&w.st, &second.dev), 0);
	cr_assert_eq(w.st.ifs[1].ip, fake_ip(192, 0, 2, 15));
	s.src = fake_ip(192, 0, 2, 1);
	s.dst = fake_ip(192, 0, 2, 15);
	fake_inject(&second, frame,
	            frame_arp(frame, ARP_OP_REQUEST, other_mac, s.src, NULL, s.dst));
	fake_inject(&second, frame, frame_udp(frame, &s, data, 10));
	fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 10));
	cr_assert_eq(net_stack_poll(&w.st), 3);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(second.nb_tx, 3); /* announcement, ARP reply, echo */
	cr_assert_arr_eq(second.tx[2].bytes, other_mac, 6);
	fake_inject(&second, frame, frame_udp(frame, &FRAME_TO_US, data, 10));
	net_stack_poll(&w.st);
	cr_assert_eq(w.st.ifs[1].stats.drop_not_for_us, 1, "the other port's address");
}

/* ---- options ------------------------------------------------------------------------------ */

static int add_port(const char *options)
{
	static struct net_stack st;
	static struct fake_netdev port;

	fake_netdev_init(&port);
	options_reset();
	options_declare(net_stack_options, net_stack_nb_options);
	if (options_parse(options, "test"))
		return 1;
	cr_assert_eq(net_stack_init(&st), 0);
	plat_test_clear();
	int err = net_stack_add_port(&st, &port.dev);

	console_flush();
	return err;
}

Test(net_stack, takes_good_addresses_only)
{
	static const char *const good[] = {
	    "net.ip=10.0.2.15/24", "net.ip=10.0.2.14/31",
	    "net.ip=10.0.2.0/32",  "net.ip=10.0.2.1/8 net.gw=10.9.9.9",
	    "net.ip=off",          "net.ip=10.0.2.15/32 net.gw=192.0.2.1",
	};
	static const char *const bad[] = {
	    "net.ip=10.0.2.0/24",
	    "net.ip=10.0.2.255/24",
	    "net.ip=127.0.0.1/8",
	    "net.ip=224.0.0.1/24",
	    "net.ip=0.0.0.0/0",
	    "net.ip=255.255.255.255/32",
	    "net.ip=10.0.2.15/24 net.gw=10.0.3.1",
	    "net.ip=10.0.2.15/31 net.gw=10.0.3.1",
	    "net.ip=10.0.2.15/32 net.gw=10.0.2.15",
	    "net.ip=10.0.2.15/32 net.gw=224.0.0.1",
	    "net.ip=10.0.2.15/24 net.gw=10.0.2.15",
	    "net.ip=10.0.2.15/24 net.gw=10.0.2.255",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		cr_assert_eq(add_port(good[i]), 0, "%s", good[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		int err = add_port(bad[i]);

		cr_assert(err == 1 || err == -EINVAL, "%s", bad[i]);
		if (err != 1)
			cr_assert_not_null(strstr(plat_test_output(), "give "), "%s", bad[i]);
	}
}

Test(net_stack, reports_a_static_address)
{
	log_set_json(true);
	cr_assert_eq(add_port("net.ip=10.0.2.15/24"), 0);
	cr_assert_not_null(
	    strstr(plat_test_output(), "net: port 0 10.0.2.15/24 gateway none by static"));
	cr_assert_not_null(strstr(plat_test_output(), "\"gw\":\"\",\"source\":\"static\"}"));
	log_set_json(false);
	cr_assert_eq(add_port("net.ip=10.0.2.15/24"), 0);
	cr_assert_null(strstr(plat_test_output(), "{"));
}

Test(net_stack, is_ready_without_an_address_when_told_so)
{
	fake_world_start(&w, "net.ip=off");
	cr_assert(net_if_ready(w.nif));
	fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 10));
	fake_inject(&w.port, frame,
	            frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, OUR_IP));
	fake_inject(&w.port, frame, frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, 0));
	net_stack_poll(&w.st);
	fake_world_turn(&w, 5000);
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(w.nif->stats.drop_not_for_us, 3);
}

Test(net_stack, without_an_address_takes_nothing_for_the_address_0)
{
	struct frame_spec s = FRAME_TO_US;

	fake_world_start(&w, "net.ip=dhcp");
	cr_assert_eq(app_echo.start(&w.st), 0);
	fake_forget(&w.port);
	s.dst = 0;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	s.dst = 0xffffffff;
	fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
	net_stack_poll(&w.st);
	cr_assert_eq(w.nif->stats.drop_not_for_us, 2);
	cr_assert_eq(w.port.nb_tx, 0);
}

Test(net_stack, prints_every_counter)
{
	plat_test_clear();
	w.nif->stats.arp_conflicts = 4711;
	net_stack_print_stats(&w.st);
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "port 0: 10.0.2.15/24"));
	cr_assert_not_null(strstr(plat_test_output(), "drop_udp_csum"));
	cr_assert_not_null(strstr(plat_test_output(), "arp_waiting        0"));
	cr_assert_not_null(strstr(plat_test_output(), "arp_conflicts      4711"));
}

/* ---- hostile mixes ------------------------------------------------------------------------ */

static unsigned random_frame(void)
{
	struct frame_spec s = FRAME_TO_US;
	unsigned len = (unsigned)rand() % 200;
	uint8_t options[40];

	for (unsigned i = 0; i < sizeof(options); i++)
		options[i] = (uint8_t)(rand() % 2 ? 1 : rand());
	s.options = options;
	s.options_len = rand() % 4 ? 0 : (unsigned)(rand() % 11) * 4;
	s.dport = rand() % 4 ? 7 : (uint16_t)rand();
	s.sport = (uint16_t)rand();
	s.proto = rand() % 2 ? 1 : (uint8_t)rand();
	s.frag = rand() % 8 ? 0 : (uint16_t)rand();
	if (rand() % 4 == 0)
		s.src = fake_ip(10, 0, 2, (unsigned)rand() % 256);
	if (rand() % 8 == 0)
		s.dst = rand() % 2 ? IPV4_BROADCAST : fake_ip(10, 0, 2, 255);
	if (rand() % 8 == 0)
		s.dst_mac = broadcast_mac;
	switch (rand() % 6) {
	case 0:
		return frame_arp(frame, (uint16_t)(rand() % 3), other_mac,
		                 fake_ip(10, 0, 2, (unsigned)rand() % 256), NULL,
		                 rand() % 2 ? OUR_IP : PEER_IP);
	case 1:
		return frame_icmp(frame, &s, (uint8_t)(rand() % 20), 0, data, 4 + len);
	case 2:
		return frame_ip(frame, &s, data, len);
	default:
		return frame_udp(frame, &s, data, len);
	}
}

static void bend(unsigned len)
{
	unsigned n = rand() % 3 ? 0 : (unsigned)rand() % 4;

	for (unsigned i = 0; i < n; i++)
		frame[(unsigned)rand() % len] = (uint8_t)rand();
	if (rand() % 2 && len >= 34)
		if ((frame[14] & 15u) * 4 + 14 <= len)
			frame_fix_ip_csum(frame);
}

static void hostile_turn(void)
{
	unsigned packets = 1 + (unsigned)rand() % 20;

	for (unsigned i = 0; i < packets; i++) {
		unsigned len = random_frame();

		bend(len);
		if (rand() % 4 == 0)
			len = (unsigned)rand() % (len + 1);

		struct mbuf *m =
		    rand() % 3 ? fake_inject(&w.port, frame, len)
			       : fake_inject_split(&w.port, frame, len, (unsigned)rand() % 80, 50);

		if (rand() % 8 == 0)
			m->flags = rand() % 2 ? MBUF_RX_CSUM_GOOD : MBUF_RX_CSUM_NONE;
	}
	fake_forget(&w.port);
	w.port.tx_room = rand() % 8 ? UINT32_MAX : (unsigned)rand() % 10;
	net_stack_poll(&w.st);
	w.now_ns += (uint64_t)(rand() % 1000) * 1000000;
	net_stack_timers(&w.st, w.now_ns);
}

static void check_sums(void)
{
	for (unsigned i = 0; i < w.port.nb_tx; i++) {
		const struct fake_frame *f = &w.port.tx[i];

		cr_assert_geq(f->len, 42 - 8);
		cr_assert_arr_eq(f->bytes + 6, our_mac, 6);
		if (f->bytes[13] != 0)
			continue;
		cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
		cr_assert_eq(f->bytes[16] << 8 | f->bytes[17], (int)f->len - 14);
	}
}

Test(net_stack, counts_every_packet_of_a_hostile_mix_exactly_once)
{
	struct net_if_stats *s = &w.nif->stats;

	for (unsigned seed = 1; seed <= 20; seed++) {
		srand(seed);
		for (unsigned turn = 0; turn < 500; turn++) {
			hostile_turn();
			check_sums();
			cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s),
			             "seed %u, turn %u", seed, turn);
			cr_assert_leq(fake_leaks(&w.port), ARP_WAITING_MAX);
		}
	}

	/* the mix is one: every way was taken */
	cr_assert(s->rx_delivered && s->drop_short && s->drop_not_for_us && s->drop_proto &&
	          s->drop_ip_header && s->drop_ip_csum && s->drop_fragment && s->drop_udp_csum &&
	          s->drop_udp_length && s->drop_no_port && s->drop_icmp && s->drop_arp);
	w.port.tx_room = UINT32_MAX;
}

Test(net_stack, survives_noise)
{
	struct net_if_stats *s = &w.nif->stats;

	srand(7);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned len = (unsigned)rand() % 120;

		for (unsigned k = 0; k < len; k++)
			frame[k] = (uint8_t)rand();
		if (len >= 15) {
			memcpy(frame, our_mac, 6);
			frame[12] = 8;
			frame[13] = rand() % 4 ? 0 : 6;
			frame[14] = (uint8_t)(0x45 + rand() % 3);
		}
		fake_inject(&w.port, frame, len);
		net_stack_poll(&w.st);
		fake_forget(&w.port);
	}
	cr_assert_eq(s->rx_packets, 100000);
}
