/* Forwarding between two ports, of which each has a neighbour in its ARP cache. */
#include "net/forward.h"
#include "kernel/options.h"
#include "net/arp.h"
#include "net/icmp.h"
#include "net/mempool.h"
#include "net/stack.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OUR_IP1 fake_ip(198, 51, 100, 1)
#define PEER_IP1 fake_ip(198, 51, 100, 2)
#define GATEWAY fake_ip(198, 51, 100, 254)
#define BEHIND_GATEWAY fake_ip(10, 7, 7, 7)
#define NOWHERE fake_ip(172, 16, 0, 1)

#define FORWARDED                                                                                  \
	((struct frame_spec){.dst_mac = our_mac,                                                   \
	                     .src_mac = peer_mac,                                                  \
	                     .src = PEER_IP,                                                       \
	                     .dst = PEER_IP1,                                                      \
	                     .sport = 1000,                                                        \
	                     .dport = 2000})

static const uint8_t our_mac1[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t peer_mac1[6] = {0x02, 0, 0, 0, 1, 2};
static const struct route routes[] = {
    {.dst = 0x0000000a, .prefix = 8, .ifi = 1, .gw = 0}, /* 10.0.0.0/8; the gateway is set below */
};

static struct fake_world w;
static struct fake_netdev port1;
static struct net_if *nif1;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX];

static void add_port1(void)
{
	fake_netdev_init(&port1);
	port1.dev.port = 1;
	memcpy(port1.dev.mac, our_mac1, 6);
	cr_assert_eq(net_stack_add_port(&w.st, &port1.dev), 0);
	nif1 = &w.st.ifs[1];
}

static void neighbour1(be32 ip, const uint8_t *mac)
{
	const unsigned len = frame_arp(frame, ARP_OP_REQUEST, mac, ip, NULL, OUR_IP1);

	memcpy(frame, our_mac1, 6);
	fake_inject(&port1, frame, len);
	net_stack_poll(&w.st);
}

static void start(void)
{
	struct route given[1] = {routes[0]};

	fake_world_start(&w, "net0.ip=10.0.2.15/24 net1.ip=198.51.100.1/24");
	add_port1();
	neighbour1(PEER_IP1, peer_mac1);
	neighbour1(GATEWAY, other_mac);
	given[0].gw = GATEWAY;
	cr_assert_eq(forward_start(&w.st, given, 1), 0);
	w.nif->stats = nif1->stats = (struct net_if_stats){0};
	fake_forget(&w.port);
	fake_forget(&port1);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
}

static void stop(void)
{
	for (unsigned i = 0; i < w.st.nb_ifs; i++) {
		const struct net_if_stats *s = &w.st.ifs[i].stats;

		cr_assert_eq(s->rx_packets, s->rx_delivered + s->rx_forwarded + fake_dropped(s),
		             "port %u", i);
	}
	fake_world_turn(&w, 10000);
	cr_assert_eq(fake_leaks(&w.port) + fake_leaks(&port1), 0);
	cr_assert_eq(arp_nb_waiting(w.nif) + arp_nb_waiting(nif1), 0);
}

TestSuite(forward, .init = start, .fini = stop);

/* What has come in at port 0 has been handled, and what it caused was sent. */
static void turn(void)
{
	net_stack_poll(&w.st);
	net_stack_poll(&w.st);
}

static unsigned arrives(const struct frame_spec *s, unsigned len)
{
	const unsigned n = frame_udp(frame, s, data, len);

	fake_inject(&w.port, frame, n);
	turn();
	return n;
}

/* The frame that came in left through port 1, to @mac, with a TTL one less. */
static void check_forwarded(unsigned len, const uint8_t *mac)
{
	const struct fake_frame *f = fake_sent(&port1, 0);

	cr_assert_eq(port1.nb_tx, 1);
	cr_assert_eq(f->len, len);
	cr_assert_arr_eq(f->bytes, mac, 6);
	cr_assert_arr_eq(f->bytes + 6, our_mac1, 6);
	frame[22]--;
	frame_fix_ip_csum(frame);
	cr_assert_arr_eq(f->bytes + 12, frame + 12, len - 12);
	fake_forget(&port1);
}

/* Its sender was told, from our address, with its header and 8 bytes behind it. */
static void check_told(unsigned type, unsigned code, uint32_t rest)
{
	const struct fake_frame *f = fake_sent(&w.port, 0);
	const be32 src = OUR_IP, dst = PEER_IP, second = cpu_to_be32(rest);

	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(port1.nb_tx, 0);
	cr_assert_arr_eq(f->bytes, peer_mac, 6);
	cr_assert_eq(f->bytes[23], IP_PROTO_ICMP);
	cr_assert_arr_eq(f->bytes + 26, &src, 4);
	cr_assert_arr_eq(f->bytes + 30, &dst, 4);
	cr_assert_eq(f->bytes[34], type);
	cr_assert_eq(f->bytes[35], code);
	cr_assert_arr_eq(f->bytes + 38, &second, 4);
	cr_assert_eq(frame_sum(f->bytes + 34, f->len - 34, 0), 0xffff);
	cr_assert_arr_eq(f->bytes + 42, frame + 14, 28);
	fake_forget(&w.port);
}

static void check_silence(void)
{
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(port1.nb_tx, 0);
}

Test(forward, to_a_neighbour_of_another_port)
{
	for (unsigned len = 0; len <= 1472; len += 23) {
		const unsigned n = arrives(&FORWARDED, len);

		check_forwarded(n, peer_mac1);
	}
	cr_assert_eq(w.nif->stats.rx_forwarded, 65);
	cr_assert_eq(nif1->stats.tx_packets, 65);
}

Test(forward, through_the_gateway_of_a_route)
{
	struct frame_spec s = FORWARDED;

	s.dst = BEHIND_GATEWAY;
	check_forwarded(arrives(&s, 50), other_mac);
}

Test(forward, a_subnet_of_ours_is_nearer_than_a_route_around_it)
{
	struct frame_spec s = FORWARDED;
	unsigned n;

	s.dst = fake_ip(10, 0, 2, 2); /* out where it came from, not by 10.0.0.0/8 */
	n = arrives(&s, 50);
	cr_assert_eq(port1.nb_tx, 0);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(fake_sent(&w.port, 0)->len, n);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, peer_mac, 6);
	fake_forget(&w.port);
}

Test(forward, every_ttl)
{
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		const unsigned n = frame_udp(frame, &FORWARDED, data, 40);

		frame[22] = (uint8_t)ttl;
		frame_fix_ip_csum(frame);
		fake_inject(&w.port, frame, n);
		turn();
		if (ttl > 1)
			check_forwarded(n, peer_mac1);
		else
			check_told(ICMP_TIME_EXCEEDED, 0, 0);
	}
	cr_assert_eq(w.nif->stats.drop_ttl, 2);
}

Test(forward, without_a_route_the_sender_is_told)
{
	struct frame_spec s = FORWARDED;

	s.dst = NOWHERE;
	arrives(&s, 100);
	check_told(ICMP_UNREACH, ICMP_UNREACH_NET, 0);
	cr_assert_eq(w.nif->stats.drop_no_route, 1);
}

Test(forward, a_port_without_an_address_is_no_way)
{
	net_if_clear_addr(nif1);
	arrives(&FORWARDED, 100);
	check_told(ICMP_UNREACH, ICMP_UNREACH_NET, 0);
	net_if_set_addr(nif1, OUR_IP1, ipv4_mask(24), 0, "static");
	neighbour1(PEER_IP1, peer_mac1);
	fake_forget(&w.port);
	fake_forget(&port1);
	check_forwarded(arrives(&FORWARDED, 100), peer_mac1);
}

Test(forward, the_subnet_of_a_new_address_is_a_route)
{
	struct frame_spec s = FORWARDED;

	net_if_set_addr(nif1, fake_ip(203, 0, 113, 1), ipv4_mask(24), 0, "dhcp");
	turn();
	fake_forget(&port1);
	s.dst = fake_ip(203, 0, 113, 9);
	arrives(&s, 100);
	cr_assert_eq(fake_sent(&port1, 0)->bytes[13], 0x06, "asked for by ARP");
	fake_forget(&port1);
	arrives(&FORWARDED, 100); /* the old one is none any more */
	check_told(ICMP_UNREACH, ICMP_UNREACH_NET, 0);
}

Test(forward, what_is_too_long_is_told_with_the_mtu)
{
	port1.dev.mtu = 1000;
	arrives(&FORWARDED, 1000 - 28 + 1);
	check_told(ICMP_UNREACH, ICMP_UNREACH_FRAG, 1000);
	cr_assert_eq(w.nif->stats.drop_too_long, 1);
	check_forwarded(arrives(&FORWARDED, 1000 - 28), peer_mac1);
}

Test(forward, a_neighbour_that_does_not_answer)
{
	struct frame_spec s = FORWARDED;

	s.dst = fake_ip(198, 51, 100, 77);
	arrives(&s, 64);
	cr_assert_eq(port1.nb_tx, 1, "asked by ARP");
	cr_assert_eq(fake_sent(&port1, 0)->bytes[13], 0x06);
	cr_assert_eq(w.port.nb_tx, 0);
	fake_world_turn(&w, 1500); /* the second announcement */
	fake_forget(&w.port);
	fake_world_turn(&w, 2500);
	turn();
	fake_forget(&port1);
	frame[22]--; /* it was on its way already */
	frame_fix_ip_csum(frame);
	check_told(ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
	cr_assert_eq(nif1->stats.tx_unresolved, 1);

	/* for some seconds nobody is asked again */
	arrives(&s, 64);
	frame[22]--;
	frame_fix_ip_csum(frame);
	check_told(ICMP_UNREACH, ICMP_UNREACH_HOST, 0);
}

Test(forward, lengths_of_what_waited_are_not_believed_again)
{
	struct frame_spec s = FORWARDED;
	struct mbuf *m;

	s.dst = fake_ip(198, 51, 100, 77);
	m = fake_inject(&w.port, frame, frame_udp(frame, &s, data, 4));
	turn();
	mbuf_data(m)[14] = 0x4f;
	memset(mbuf_data(m) + 16, 0xff, 2);
	fake_world_turn(&w, 4000);
	turn();
	cr_assert_eq(nif1->stats.tx_unresolved, 1);
	cr_assert_eq(fake_sent(&w.port, w.port.nb_tx - 1)->bytes[23], IP_PROTO_ICMP);
}

Test(forward, nobody_is_told_of_what_we_sent_ourselves)
{
	struct udp_addr to = {.nif = nif1, .ip = fake_ip(198, 51, 100, 77), .port = cpu_to_be16(9)};
	struct udp_pcb pcb = {.port = cpu_to_be16(1), .st = &w.st};

	cr_assert_eq(udp_sendto(&pcb, mbuf_alloc(port1.dev.queue[0].pool), &to), 0);
	fake_world_turn(&w, 4000);
	cr_assert_eq(nif1->stats.tx_unresolved, 1);
	for (unsigned i = 0; i < port1.nb_tx; i++)
		cr_assert_eq(fake_sent(&port1, i)->bytes[13], 0x06, "nothing but ARP");
}

Test(forward, what_we_send_to_another_port_of_ours_has_no_way)
{
	struct udp_addr to = {.nif = w.nif, .ip = OUR_IP1, .port = cpu_to_be16(9)};
	struct udp_pcb pcb = {.port = cpu_to_be16(1), .st = &w.st};

	cr_assert_lt(udp_sendto(&pcb, mbuf_alloc(w.port.dev.queue[0].pool), &to), 0);
	turn();
	check_silence();
	cr_assert_eq(w.nif->stats.tx_no_route, 1);
}

Test(forward, one_that_answers_late_gets_what_waited)
{
	struct frame_spec s = FORWARDED;
	const unsigned n = frame_udp(frame, &s, data, 64);

	s.dst = fake_ip(198, 51, 100, 77);
	for (unsigned i = 0; i < 5; i++)
		arrives(&s, 64);
	fake_forget(&port1);
	neighbour1(s.dst, peer_mac1);
	net_stack_poll(&w.st);
	cr_assert_eq(port1.nb_tx, 6, "five datagrams and the answer to the question");
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(fake_sent(&port1, i)->len, n);
}

Test(forward, what_was_sent_to_many_is_not_forwarded_nor_answered)
{
	struct frame_spec s = FORWARDED;
	static const uint8_t group_mac[6] = {1, 0, 0x5e, 0, 0, 1};
	const be32 many[] = {fake_ip(198, 51, 100, 255), fake_ip(224, 0, 0, 1),
	                     fake_ip(255, 255, 255, 254), fake_ip(127, 0, 0, 1),
	                     fake_ip(0, 0, 0, 1)};

	for (unsigned i = 0; i < ARRAY_SIZE(many); i++) {
		s.dst = many[i];
		arrives(&s, 64);
		check_silence();
	}
	s = FORWARDED;
	s.dst_mac = broadcast_mac;
	arrives(&s, 64);
	s.dst_mac = group_mac;
	arrives(&s, 64);
	s.dst_mac = other_mac;
	arrives(&s, 64);
	check_silence();
	cr_assert_eq(w.nif->stats.drop_not_for_us, ARRAY_SIZE(many) + 3);
}

Test(forward, wrong_headers_are_dropped_as_by_a_host)
{
	const unsigned n = frame_udp(frame, &FORWARDED, data, 64);

	for (unsigned bit = 14 * 8; bit < 34 * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		fake_inject(&w.port, frame, n);
		turn();
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	check_silence();
	cr_assert_eq(w.nif->stats.rx_forwarded, 0);
}

Test(forward, fragments_and_options_go_through)
{
	static const uint8_t option[4] = {1, 1, 1, 0};
	struct frame_spec s = FORWARDED;
	unsigned n;

	s.proto = IP_PROTO_UDP;
	s.frag = 0x2000 | 100;
	n = frame_ip(frame, &s, data, 800);
	fake_inject(&w.port, frame, n);
	turn();
	check_forwarded(n, peer_mac1);

	s = FORWARDED;
	s.options = option;
	s.options_len = 4;
	check_forwarded(arrives(&s, 64), peer_mac1);
}

Test(forward, no_errors_about_errors_and_later_fragments)
{
	struct frame_spec s = FORWARDED;
	unsigned n;

	s.dst = NOWHERE;
	n = frame_icmp(frame, &s, ICMP_UNREACH, ICMP_UNREACH_PORT, data, 36);
	fake_inject(&w.port, frame, n);
	s.proto = IP_PROTO_UDP;
	s.frag = 100;
	n = frame_ip(frame, &s, data, 800);
	fake_inject(&w.port, frame, n);
	turn();
	check_silence();
	cr_assert_eq(w.nif->stats.drop_no_route, 2);
}

Test(forward, padding_does_not_travel)
{
	const unsigned n = frame_udp(frame, &FORWARDED, data, 4);

	memset(frame + n, 0x77, 60 - n);
	fake_inject(&w.port, frame, 60);
	turn();
	check_forwarded(n, peer_mac1);
}

Test(forward, packets_in_segments_go_through_whole)
{
	const unsigned n = frame_udp(frame, &FORWARDED, data, 700);

	fake_inject_split(&w.port, frame, n, 200, 111);
	turn();
	check_forwarded(n, peer_mac1);
}

Test(forward, a_priority_tag_does_not_travel)
{
	w.port.dev.rx_offloads = MBUF_RX_VLAN;
	for (unsigned offload = 0; offload < 2; offload++) {
		const unsigned n = frame_udp(frame, &FORWARDED, data, 64);
		struct mbuf *m = fake_inject(&w.port, frame, n);

		port1.dev.tx_offloads = offload ? MBUF_TX_VLAN : 0;
		m->flags = MBUF_RX_VLAN;
		m->vlan_tci = 5 << 13;
		turn();
		cr_assert_eq(fake_sent(&port1, 0)->flags, 0);
		check_forwarded(n, peer_mac1);
	}
}

Test(forward, an_unfinished_checksum_is_finished_or_left_to_the_next_device)
{
	for (unsigned offload = 0; offload < 2; offload++) {
		const unsigned n = frame_udp(frame, &FORWARDED, data, 64);
		struct mbuf *m;

		port1.dev.tx_offloads = offload ? MBUF_TX_CSUM : 0;
		/* a local sender leaves the sum of the pseudo header there */
		frame[40] = frame[41] = 0;
		const uint16_t whole = frame_sum(frame + 34, n - 34, 0);
		const uint16_t good = frame_udp_sum(frame + 34, n - 34, PEER_IP, PEER_IP1);
		const uint32_t pseudo = (uint32_t)good + (uint16_t)~whole;

		frame[40] = (uint8_t)((pseudo + (pseudo >> 16)) >> 8);
		frame[41] = (uint8_t)(pseudo + (pseudo >> 16));
		m = fake_inject(&w.port, frame, n);
		m->flags = MBUF_RX_CSUM_NONE;
		m->csum_start = 34;
		m->csum_offset = 6;
		turn();

		const struct fake_frame *f = fake_sent(&port1, 0);

		cr_assert_eq(f->flags, offload ? MBUF_TX_CSUM : 0);
		if (offload)
			cr_assert_eq(f->csum_start, 34);
		else
			cr_assert_eq(frame_udp_sum(f->bytes + 34, n - 34, PEER_IP, PEER_IP1),
			             0xffff);
		fake_forget(&port1);
	}
}

Test(forward, an_unfinished_checksum_of_padding_is_none)
{
	const unsigned n = frame_udp(frame, &FORWARDED, data, 4);
	struct mbuf *m = fake_inject(&w.port, frame, 60);

	m->flags = MBUF_RX_CSUM_NONE;
	m->csum_start = (uint16_t)n;
	m->csum_offset = 6;
	turn();
	check_silence();
	cr_assert_eq(w.nif->stats.drop_too_long, 1);
}

Test(forward, both_of_our_addresses_answer_ping_from_anywhere)
{
	const be32 ours[] = {OUR_IP, OUR_IP1};

	for (unsigned i = 0; i < 2; i++) {
		struct frame_spec s = FORWARDED;

		s.dst = ours[i];
		fake_inject(&w.port, frame, frame_icmp(frame, &s, ICMP_ECHO, 0, data, 40));
		turn();
		cr_assert_eq(w.port.nb_tx, 1);
		cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes + 26, &ours[i], 4,
		                 "from the address asked");
		cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, peer_mac, 6);
		cr_assert_eq(fake_sent(&w.port, 0)->bytes[34], ICMP_ECHO_REPLY);
		fake_forget(&w.port);
	}
	cr_assert_eq(nif1->stats.rx_delivered, 1);
}

Test(forward, errors_are_sent_within_a_rate)
{
	struct frame_spec s = FORWARDED;

	s.dst = NOWHERE;
	for (unsigned i = 0; i < 50; i++) {
		fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
		turn();
	}
	cr_assert_eq(w.port.nb_tx, ICMP_ERRORS_BURST);
	cr_assert_eq(w.nif->stats.icmp_limited, 50 - ICMP_ERRORS_BURST);
	cr_assert_eq(w.nif->stats.drop_no_route, 50);
}

/* Silent neighbours everywhere: what waits is bounded, errors about it go out, all comes home. */
Test(forward, a_flood_to_neighbours_that_do_not_exist)
{
	struct frame_spec s = FORWARDED;

	srand(3);
	for (unsigned i = 0; i < 3000; i++) {
		s.dst = fake_ip(198, 51, 100, 3 + (unsigned)rand() % 200);
		s.src = rand() % 2 ? PEER_IP : fake_ip(198, 51, 100, 3 + (unsigned)rand() % 200);
		fake_inject(&w.port, frame, frame_udp(frame, &s, data, 10));
		net_stack_poll(&w.st);
		if (i % 10 == 0)
			fake_world_turn(&w, 100);
		fake_forget(&w.port);
		fake_forget(&port1);
	}
	cr_assert_gt(nif1->stats.tx_unresolved, 0);
}
