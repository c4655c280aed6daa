/*
 * The stack on three lcores over a port of four queue pairs, by turns in one thread: who answers
 * what, by which queue, and what the others hear of it.
 */
#include "apps/echo.c"
#include "kernel/log.h"
#include "net/arp.h"
#include "net/share.h"
#include "net/stack.h"
#include "tests/unit/dhcp_fixture.h"

#define LCORES 3

static struct net_stack *stacks[LCORES];

static struct net_if *nif_of(unsigned lcore)
{
	return &stacks[lcore]->ifs[0];
}

static void open_world(const char *options)
{
	fake_world_start(&w, options);
	w.port.dev.nb_queues = FAKE_QUEUES_MAX;
	cr_assert_eq(net_share_create(&w.st, LCORES), 0);
	stacks[0] = &w.st;
	cr_assert_eq(echo_start(&w.st), 0);
	for (unsigned i = 1; i < LCORES; i++) {
		stacks[i] = net_share_stack(&w.st, i);
		cr_assert_eq(echo_start_lcore(stacks[i]), 0);
	}
}

/* What is told goes up, and then down. */
static void tell(void)
{
	for (unsigned i = LCORES; i-- > 0;)
		net_stack_timers(stacks[i], w.now_ns);
	for (unsigned i = 0; i < LCORES; i++)
		net_stack_timers(stacks[i], w.now_ns);
}

static void poll_all(void)
{
	for (unsigned i = 0; i < LCORES; i++)
		net_stack_poll(stacks[i]);
}

/* A frame comes in by a queue, and is handled by whom it concerns. */
static void arrive(uint16_t queue, unsigned len)
{
	w.port.inject_queue = queue;
	fake_inject(&w.port, frame, len);
	poll_all();
}

static void close_world(void)
{
	poll_all(); /* what is to be sent is sent */
	for (unsigned i = 0; i < LCORES; i++) {
		struct net_if_stats *s = &nif_of(i)->stats;

		cr_expect_eq(s->rx_packets, s->rx_delivered + fake_dropped(s), "lcore %u", i);
		arp_flush(nif_of(i));
	}
	cr_assert_eq(fake_leaks(&w.port), 0);
}

TestSuite(share, .fini = close_world);

Test(share, each_lcore_answers_by_its_own_queues)
{
	static const unsigned lcore_of[FAKE_QUEUES_MAX] = {0, 1, 2, 0};

	open_world("net.ip=10.0.2.15/24");
	tell();
	for (uint16_t q = 0; q < FAKE_QUEUES_MAX; q++) {
		const uint64_t before = nif_of(lcore_of[q])->stats.tx_packets;

		arrive(q, frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, OUR_IP));
		fake_forget(&w.port);
		arrive(q, frame_udp(frame, &FRAME_TO_US, "hello", 5));
		cr_assert_eq(w.port.nb_tx, 1, "queue %u", q);
		cr_assert_eq(fake_sent(&w.port, 0)->queue, q);
		cr_assert_gt(nif_of(lcore_of[q])->stats.tx_packets, before);
	}
	cr_assert_eq(echo_sum().echoed, FAKE_QUEUES_MAX);
	cr_assert_eq(echo_stats[1].echoed, 1);
	plat_test_clear();
	net_stack_print_stats(&w.st);
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "rx_packets         8"), "%s",
	                   plat_test_output());
}

Test(share, what_one_hears_by_arp_all_know)
{
	open_world("net.ip=10.0.2.15/24");
	tell();
	for (uint16_t q = 0; q < LCORES; q++) {
		const be32 who = fake_ip(10, 0, 2, 100u + q);

		fake_forget(&w.port);
		arrive(q, frame_arp(frame, ARP_OP_REQUEST, other_mac, who, NULL, OUR_IP));
		cr_assert_eq(w.port.nb_tx, 1, "one answer");
		cr_assert_eq(fake_sent(&w.port, 0)->queue, q);
		tell();
		poll_all();
		cr_assert_eq(w.port.nb_tx, 1, "and no other");
		for (unsigned i = 0; i < LCORES; i++)
			cr_assert_not_null(arp_lookup(nif_of(i), who), "lcore %u of %u's", i, q);
	}
}

Test(share, an_answer_that_comes_in_elsewhere_sends_what_waits)
{
	struct frame_spec s = FRAME_TO_US;

	open_world("net.ip=10.0.2.15/24");
	tell();
	s.src = fake_ip(10, 0, 2, 77);
	fake_forget(&w.port);
	arrive(2, frame_udp(frame, &s, "hello", 5));
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(fake_sent(&w.port, 0)->bytes[13], 6, "lcore 2 asks for its neighbour");
	cr_assert_eq(fake_sent(&w.port, 0)->queue, 2);
	cr_assert_eq(arp_nb_waiting(nif_of(2)), 1);
	fake_forget(&w.port);
	arrive(1, frame_arp(frame, ARP_OP_REPLY, other_mac, s.src, our_mac, OUR_IP));
	tell();
	poll_all();
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(fake_sent(&w.port, 0)->queue, 2);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, other_mac, 6);
}

Test(share, a_lease_that_another_lcore_gets_is_everybodys)
{
	open_world("net.ip=dhcp");
	for (unsigned i = 1; i < LCORES; i++) {
		cr_assert_not(net_if_ready(nif_of(i)));
		net_stack_timers(stacks[i], w.now_ns + 100 * NS_PER_S);
	}
	cr_assert_eq(nb_messages(), 1, "one client");
	w.port.inject_queue = 1;
	answer(OFFER, good);
	poll_all();
	tell();
	net_if_flush(w.nif);
	cr_assert_eq(message_type(), REQUEST);
	cr_assert_eq(w.port.tx[w.port.nb_tx - 1].queue, 0);
	w.port.inject_queue = 2;
	answer(ACK, good);
	poll_all();
	tell();
	for (unsigned i = 0; i < LCORES; i++) {
		cr_assert_eq(nif_of(i)->ip, OUR_IP, "lcore %u", i);
		cr_assert_eq(nif_of(i)->mask, fake_ip(255, 255, 255, 0));
		cr_assert_eq(nif_of(i)->gw, PEER_IP);
		cr_assert_eq(nif_of(i)->broadcast, fake_ip(10, 0, 2, 255));
	}
	/* and when it is over */
	net_if_clear_addr(w.nif);
	tell();
	for (unsigned i = 0; i < LCORES; i++)
		cr_assert_eq(nif_of(i)->ip | nif_of(i)->broadcast, 0);
}

Test(share, a_datagram_too_long_for_a_copy_is_dropped_and_counted)
{
	static const uint8_t longest[NET_SHARE_DATA_MAX + 1];
	struct frame_spec s = {.dst_mac = broadcast_mac,
	                       .src_mac = peer_mac,
	                       .src = SERVER_IP,
	                       .dst = 0xffffffff,
	                       .sport = 67,
	                       .dport = 68};

	open_world("net.ip=dhcp");
	arrive(1, frame_udp(frame, &s, longest, NET_SHARE_DATA_MAX));
	cr_assert_eq(nif_of(1)->stats.share_lost, 0);
	tell();
	arrive(1, frame_udp(frame, &s, longest, NET_SHARE_DATA_MAX + 1));
	cr_assert_eq(nif_of(1)->stats.share_lost, 1);
	tell();
}

Test(share, the_first_lcore_alone_tells_of_a_conflict)
{
	open_world("net.ip=10.0.2.15/24");
	tell();
	plat_test_clear();
	arrive(2, frame_arp(frame, ARP_OP_REQUEST, other_mac, OUR_IP, NULL, PEER_IP));
	cr_assert_eq(nif_of(2)->stats.arp_conflicts, 0);
	cr_assert_null(strstr(plat_test_output(), "also uses our address"));
	tell();
	console_flush();
	cr_assert_eq(nif_of(0)->stats.arp_conflicts, 1);
	cr_assert_eq(nif_of(1)->stats.arp_conflicts, 0);
	cr_assert_not_null(strstr(plat_test_output(), "also uses our address"));
}

Test(share, a_full_ring_loses_copies_and_no_address)
{
	open_world("net.ip=off");
	for (unsigned n = 0; n < NET_SHARE_SLOTS + 3; n++)
		arrive(0, frame_arp(frame, ARP_OP_REQUEST, other_mac, fake_ip(10, 0, 3, n + 1),
		                    NULL, PEER_IP));
	/* two others, each with a ring of its own */
	cr_assert_eq(nif_of(0)->stats.share_lost, 2 * 3);
	net_if_set_addr(w.nif, OUR_IP, fake_ip(255, 255, 255, 0), 0, "static");
	net_stack_timers(&w.st, w.now_ns);
	for (unsigned i = 1; i < LCORES; i++)
		net_stack_timers(stacks[i], w.now_ns);
	cr_assert_eq(nif_of(1)->ip, 0, "there was no room");
	tell();
	for (unsigned i = 0; i < LCORES; i++)
		cr_assert_eq(nif_of(i)->ip, OUR_IP);
}

/* ---- ports of which not every lcore has a queue ------------------------------------------- */

static struct fake_netdev second; /* a queue more: the first lcore has none of it */

static void open_two(const char *options)
{
	fake_world_start(&w, options);
	fake_netdev_init(&second);
	second.dev.port = 1;
	second.dev.mac[5] = 0x99;
	w.port.dev.nb_queues = 2;
	w.st.ifs[0].queue_last = 1;
	cr_assert_eq(net_stack_add_port(&w.st, &second.dev), 0);
	cr_assert_eq(net_share_create(&w.st, LCORES), 0);
	stacks[0] = &w.st;
	for (unsigned i = 1; i < LCORES; i++)
		stacks[i] = net_share_stack(&w.st, i);
	cr_assert_eq(second.dev.queue[0].lcore, 2);
	for (unsigned i = 0; i < LCORES; i++)
		cr_assert_eq(stacks[i]->ifs[1].pool == second.dev.queue[0].pool, i == 2,
		             "each has buffers of its own");
	tell();
	fake_forget(&w.port);
	fake_forget(&second);
}

static void assert_second_is_sent(unsigned n)
{
	for (unsigned i = 0; i < 2; i++) {
		net_stack_timers(stacks[i], w.now_ns);
		net_stack_poll(stacks[i]);
	}
	cr_assert_eq(second.nb_tx, 0, "not by those without a queue of it");
	net_stack_timers(stacks[2], w.now_ns);
	net_stack_poll(stacks[2]);
	cr_assert_eq(second.nb_tx, n);
	cr_assert_eq(fake_leaks(&second), 0);
}

Test(share, a_port_of_another_lcore_is_announced_by_that)
{
	open_two("net.ip=10.0.2.15/24");
	second.dev.announce = true;
	w.now_ns += NS_PER_S;
	net_stack_timers(stacks[0], w.now_ns);
	assert_second_is_sent(1);
	cr_assert_eq(fake_sent(&second, 0)->bytes[13], 6);

	/* and it answers for itself */
	fake_forget(&second);
	fake_inject(&second, frame,
	            frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, OUR_IP));
	net_stack_poll(stacks[2]);
	cr_assert_eq(second.nb_tx, 1);
}

Test(share, the_first_lcore_sends_by_ports_of_others)
{
	struct udp_pcb pcb = {.port = cpu_to_be16(1), .st = &w.st};
	struct udp_addr to = {.ip = PEER_IP, .port = cpu_to_be16(99)};
	struct mbuf *m;

	open_two("net.ip=10.0.2.15/24");
	second.dev.tx_offloads = MBUF_TX_CSUM;
	fake_inject(&second, frame,
	            frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, OUR_IP));
	poll_all();
	tell();
	fake_forget(&second);
	to.nif = &w.st.ifs[1];
	m = net_alloc(to.nif);
	memcpy(mbuf_data(m), "hello", 5);
	m->data_len = 5;
	m->pkt_len = 5;
	cr_assert_eq(udp_sendto(&pcb, m, &to), 0);
	assert_second_is_sent(1);
	cr_assert_eq(frame_udp_sum(fake_sent(&second, 0)->bytes + 34, 8 + 5, OUR_IP, PEER_IP),
	             0xffff, "nobody else fills in the checksum");

	/* too much at once, and whoever is not the first has no way */
	fake_forget(&second);
	for (unsigned i = 0; i < NET_SHARE_SLOTS + 3; i++) {
		m = net_alloc(to.nif);
		cr_assert_eq(udp_sendto(&pcb, m, &to), 0);
	}
	assert_second_is_sent(NET_SHARE_SLOTS);
	cr_assert_eq(to.nif->stats.share_lost, 3);
	to.nif = &stacks[1]->ifs[1];
	pcb.st = stacks[1];
	cr_assert_eq(udp_sendto(&pcb, net_alloc(to.nif), &to), 0);
	poll_all();
	cr_assert_eq(to.nif->stats.share_lost, 1);
}
