/* IPv4: every check of a received header, and where a sent datagram goes. */
#include "net/ipv4.h"
#include "kernel/errno.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX];
static unsigned received, received_len;

static void receive(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	(void)pcb;
	(void)from;
	received++;
	received_len = m->pkt_len;
	mbuf_free(m);
}

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
	cr_assert_not_null(udp_bind(&w.st, 7, receive, NULL));
}

static void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
	fake_world_turn(&w, 10000);
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(ipv4, .init = start, .fini = stop);

/* Return: was it delivered? */
static bool arrives(unsigned len)
{
	unsigned before = received;

	fake_inject(&w.port, frame, len);
	net_stack_poll(&w.st);
	return received != before;
}

static unsigned udp_frame(const struct frame_spec *s)
{
	return frame_udp(frame, s, "hello", 5);
}

/* A byte of a good frame is changed, the header's checksum is right. */
static bool arrives_with(unsigned at, unsigned value)
{
	unsigned len = udp_frame(&FRAME_TO_US);

	frame[at] = (uint8_t)value;
	frame_fix_ip_csum(frame);
	return arrives(len);
}

Test(ipv4, delivers_a_good_datagram)
{
	cr_assert(arrives(udp_frame(&FRAME_TO_US)));
	cr_assert_eq(received_len, 5);
}

Test(ipv4, does_not_look_at_ttl_tos_and_the_reserved_flag)
{
	cr_assert(arrives_with(22, 0));
	cr_assert(arrives_with(15, 0xff));
	cr_assert(arrives_with(20, 0xc0)); /* reserved and DF */
}

Test(ipv4, drops_other_versions_and_header_lengths)
{
	for (unsigned v = 0; v < 16; v++)
		for (unsigned ihl = 0; ihl < 16; ihl++)
			if (v != 4 || ihl < 5)
				cr_assert_not(arrives_with(14, v << 4 | ihl));
	cr_assert_eq(w.nif->stats.drop_ip_header, 15 * 16 + 5);
}

Test(ipv4, drops_total_lengths_that_lie)
{
	for (unsigned total = 0; total < 20; total++)
		cr_assert_not(arrives_with(17, total));
	cr_assert_eq(w.nif->stats.drop_ip_header, 20);
	for (unsigned total = 34; total < 256; total++)
		cr_assert_not(arrives_with(17, total));
	cr_assert_not(arrives_with(16, 0xff));
	cr_assert_eq(w.nif->stats.drop_short, 256 - 34 + 1);
}

Test(ipv4, cuts_off_the_padding_of_a_short_frame)
{
	unsigned len = udp_frame(&FRAME_TO_US);

	memset(frame + len, 0x77, 60 - len);
	cr_assert(arrives(60));
	cr_assert_eq(received_len, 5);
	fake_inject_split(&w.port, frame, 60, 45, 3); /* padding in segments of its own */
	net_stack_poll(&w.st);
	cr_assert_eq(received, 2);
	cr_assert_eq(received_len, 5);
}

Test(ipv4, drops_a_header_with_any_bit_changed)
{
	unsigned len = udp_frame(&FRAME_TO_US);

	for (unsigned bit = 14 * 8; bit < 34 * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(arrives(len), "bit %u of byte %u", bit % 8, bit / 8);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert_geq(w.nif->stats.drop_ip_csum, 100);
}

Test(ipv4, drops_sources_that_no_host_has)
{
	static const uint8_t bad[][4] = {
	    {0, 0, 0, 0},   {0, 1, 2, 3},         {127, 0, 0, 1},  {224, 0, 0, 1}, {240, 0, 0, 1},
	    {10, 0, 2, 15}, {255, 255, 255, 255}, {10, 0, 2, 255}, {239, 1, 1, 1}, {254, 1, 1, 1},
	};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(&s.src, bad[i], 4);
		cr_assert_not(arrives(udp_frame(&s)), "%u.%u.%u.%u", bad[i][0], bad[i][1],
		              bad[i][2], bad[i][3]);
	}
	cr_assert_eq(w.nif->stats.drop_ip_header, ARRAY_SIZE(bad));
}

Test(ipv4, takes_our_address_and_both_broadcasts_only)
{
	struct frame_spec s = FRAME_TO_US;

	s.dst = fake_ip(10, 0, 2, 16);
	cr_assert_not(arrives(udp_frame(&s)));
	s.dst = fake_ip(127, 0, 0, 1);
	cr_assert_not(arrives(udp_frame(&s)));
	s.dst = fake_ip(224, 0, 0, 1);
	cr_assert_not(arrives(udp_frame(&s)));
	s.dst = 0;
	cr_assert_not(arrives(udp_frame(&s)));
	cr_assert_eq(w.nif->stats.drop_not_for_us, 4);
	s.dst = IPV4_BROADCAST;
	cr_assert(arrives(udp_frame(&s)));
	s.dst = fake_ip(10, 0, 2, 255);
	cr_assert(arrives(udp_frame(&s)));
	s.dst_mac = broadcast_mac;
	cr_assert(arrives(udp_frame(&s)));
}

Test(ipv4, drops_a_broadcast_frame_with_a_unicast_datagram)
{
	struct frame_spec s = FRAME_TO_US;

	s.dst_mac = broadcast_mac;
	cr_assert_not(arrives(udp_frame(&s)));
	cr_assert_eq(w.nif->stats.drop_not_for_us, 1);
}

Test(ipv4, drops_frames_for_other_macs)
{
	static const uint8_t multicast[6] = {0x01, 0, 0x5e, 0, 0, 1};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < 48; i++) {
		uint8_t mac[6];

		memcpy(mac, our_mac, 6);
		mac[i / 8] ^= (uint8_t)(1u << i % 8);
		s.dst_mac = mac;
		cr_assert_not(arrives(udp_frame(&s)));
	}
	s.dst_mac = multicast;
	cr_assert_not(arrives(udp_frame(&s)));
	cr_assert_eq(w.nif->stats.drop_not_for_us, 49);
}

Test(ipv4, drops_ether_types_that_nobody_handles)
{
	unsigned len = udp_frame(&FRAME_TO_US);

	frame[12] = 0x86;
	frame[13] = 0xdd;
	cr_assert_not(arrives(len));
	cr_assert_eq(w.nif->stats.drop_proto, 1);
}

Test(ipv4, drops_fragments)
{
	static const uint16_t frags[] = {0x2000, 0x0001, 0x1fff, 0x2001, 0x6000};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < ARRAY_SIZE(frags); i++) {
		s.frag = frags[i];
		cr_assert_not(arrives(udp_frame(&s)));
	}
	cr_assert_eq(w.nif->stats.drop_fragment, ARRAY_SIZE(frags));
	s.frag = 0x4000; /* DF */
	cr_assert(arrives(udp_frame(&s)));
}

struct options_case {
	uint8_t bytes[40];
	unsigned len;
	bool good;
};

Test(ipv4, skips_options_that_are_whole_and_refuses_source_routes)
{
	static const struct options_case cases[] = {
	    {{1, 1, 1, 1}, 4, true},
	    {{0, 99, 99, 99}, 4, true},          /* nothing counts behind the end */
	    {{148, 4, 0, 0}, 4, true},           /* router alert */
	    {{7, 7, 4, 0, 0, 0, 0, 0}, 8, true}, /* record route */
	    {{7, 40, 4}, 40, true},
	    {{1, 1, 1, 7}, 4, false},   /* length missing */
	    {{7, 0, 0, 0}, 4, false},   /* length 0 */
	    {{7, 1, 0, 0}, 4, false},   /* length 1 */
	    {{7, 5, 0, 0}, 4, false},   /* behind the header */
	    {{7, 255, 0, 0}, 4, false}, /* far behind it */
	    {{1, 131, 3, 4}, 4, false}, /* loose source route */
	    {{137, 7, 4, 0, 0, 0, 0, 0}, 8, false},
	};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		s.options = cases[i].bytes;
		s.options_len = cases[i].len;
		cr_assert_eq(arrives(udp_frame(&s)), cases[i].good, "case %u", i);
		if (cases[i].good)
			cr_assert_eq(received_len, 5);
	}
	cr_assert_eq(w.nif->stats.drop_ip_header, 7);
}

Test(ipv4, drops_what_is_cut_off_anywhere)
{
	struct frame_spec s = FRAME_TO_US;

	s.options = (const uint8_t[]){1, 1, 1, 1, 1, 1, 1, 1};
	for (s.options_len = 0; s.options_len <= 8; s.options_len += 8) {
		unsigned len = udp_frame(&s);

		for (unsigned cut = 0; cut < len; cut++)
			cr_assert_not(arrives(cut), "at %u", cut);
	}
	cr_assert_eq(w.nif->stats.drop_short, w.nif->stats.rx_packets);
}

Test(ipv4, wants_headers_in_one_segment_and_the_payload_anywhere)
{
	struct frame_spec s = FRAME_TO_US;
	unsigned len;

	s.options = (const uint8_t[]){1, 1, 1, 1};
	for (s.options_len = 0; s.options_len <= 4; s.options_len += 4) {
		len = udp_frame(&s);
		for (unsigned first = 0; first <= len; first++) {
			unsigned before = received;

			fake_inject_split(&w.port, frame, len, first, 1);
			net_stack_poll(&w.st);
			cr_assert_eq(received - before, first >= 42 + s.options_len, "first %u",
			             first);
		}
	}
}

/* ---- output ------------------------------------------------------------------------------- */

static int send_to(be32 ip, unsigned len)
{
	struct udp_pcb pcb = {.port = cpu_to_be16(7), .st = &w.st};
	struct mbuf *m = mbuf_alloc(w.port.dev.queue[0].pool);
	int err;

	memset(mbuf_data(m), 0x5a, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	err =
	    udp_sendto(&pcb, m, &(struct udp_addr){.nif = w.nif, .ip = ip, .port = cpu_to_be16(9)});
	net_if_flush(w.nif);
	return err;
}

Test(ipv4, sends_a_header_that_is_right_in_every_field)
{
	static const uint8_t expect[] = {0x45, 0, 0,  38, 0, 0,  0x40, 0, 64, 17,
	                                 0,    0, 10, 0,  2, 15, 10,   0, 2,  2};
	uint8_t header[20];

	for (unsigned i = 0; i < 3; i++) { /* the second uses what the first found out */
		fake_forget(&w.port);
		cr_assert_eq(send_to(PEER_IP, 10), 0);

		const struct fake_frame *f = fake_sent(&w.port, 0);

		memcpy(header, f->bytes + 14, 20);
		cr_assert_eq(frame_sum(header, 20, 0), 0xffff);
		header[10] = header[11] = 0;
		cr_assert_arr_eq(header, expect, 20);
		cr_assert_arr_eq(f->bytes, peer_mac, 6);
		cr_assert_arr_eq(f->bytes + 6, our_mac, 6);
		cr_assert_eq(f->len, 52);
	}
}

Test(ipv4, has_a_good_checksum_for_every_length)
{
	for (unsigned len = 0; len <= 1472; len++) {
		fake_forget(&w.port);
		cr_assert_eq(send_to(PEER_IP, len), 0);
		cr_assert_eq(frame_sum(fake_sent(&w.port, 0)->bytes + 14, 20, 0), 0xffff);
	}
	cr_assert_eq(send_to(PEER_IP, 1473), -EMSGSIZE);
	cr_assert_eq(send_to(PEER_IP, 1473), -EMSGSIZE);
	cr_assert_eq(w.nif->stats.tx_too_long, 2);
	cr_assert_eq(w.nif->stats.tx_no_route, 0);
}

Test(ipv4, sends_through_the_gateway_what_is_not_on_the_link)
{
	cr_assert_eq(send_to(FAR_IP, 1), 0);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, peer_mac, 6); /* 10.0.2.2 */
	cr_assert_eq(memcmp(fake_sent(&w.port, 0)->bytes + 30, &(be32){FAR_IP}, 4), 0);
}

Test(ipv4, sends_broadcasts_to_everybody)
{
	cr_assert_eq(send_to(IPV4_BROADCAST, 1), 0);
	cr_assert_eq(send_to(fake_ip(10, 0, 2, 255), 1), 0);
	cr_assert_eq(send_to(PEER_IP, 1), 0);
	cr_assert_eq(send_to(IPV4_BROADCAST, 1), 0);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, broadcast_mac, 6);
	cr_assert_arr_eq(fake_sent(&w.port, 1)->bytes, broadcast_mac, 6);
	cr_assert_arr_eq(fake_sent(&w.port, 2)->bytes, peer_mac, 6);
	cr_assert_arr_eq(fake_sent(&w.port, 3)->bytes, broadcast_mac, 6);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(frame_sum(fake_sent(&w.port, i)->bytes + 14, 20, 0), 0xffff);
}

Test(ipv4, refuses_destinations_that_are_nowhere)
{
	static const uint8_t bad[][4] = {
	    {0, 0, 0, 0}, {127, 0, 0, 1}, {224, 0, 0, 1}, {240, 0, 0, 1}, {10, 0, 2, 15}};
	be32 ip;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(&ip, bad[i], 4);
		cr_assert_eq(send_to(ip, 1), -EHOSTUNREACH);
	}
	cr_assert_eq(w.nif->stats.tx_no_route, ARRAY_SIZE(bad));
	cr_assert_eq(w.port.nb_tx, 0);
}

Test(ipv4, has_no_way_out_of_the_subnet_without_a_gateway)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24");
	cr_assert_eq(send_to(FAR_IP, 1), -EHOSTUNREACH);
	cr_assert_eq(send_to(PEER_IP, 1), 0);
}
