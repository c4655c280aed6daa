/* UDP: ports, lengths, checksums both ways, with and without the device's help. */
#include "net/udp.h"
#include "kernel/errno.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX], got[FAKE_FRAME_MAX];
static unsigned received, got_len;
static struct udp_addr got_from;
static struct udp_pcb *got_pcb;
static enum { KEEP_NOTHING, REPLY, REPLY_UNCHANGED } behaviour;

static void receive(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	struct mbuf *s = m;

	received++;
	got_pcb = pcb;
	got_from = *from;
	got_len = 0;
	do {
		memcpy(got + got_len, mbuf_data(s), s->data_len);
		got_len += s->data_len;
	} while ((s = s->next));
	cr_assert_eq(got_len, m->pkt_len);
	if (behaviour == REPLY)
		cr_assert_eq(udp_sendto(pcb, m, from), 0);
	else if (behaviour == REPLY_UNCHANGED)
		cr_assert_eq(udp_reply_unchanged(pcb, m, from), 0);
	else
		mbuf_free(m);
}

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
	cr_assert_not_null(udp_bind(&w.st, 7, receive, &w));
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(udp, .init = start, .fini = stop);

static bool arrives(unsigned len, uint32_t flags)
{
	unsigned before = received;
	struct mbuf *m = fake_inject(&w.port, frame, len);

	m->flags = flags;
	net_stack_poll(&w.st);
	return received != before;
}

Test(udp, delivers_payload_and_sender_for_every_size)
{
	for (unsigned len = 0; len <= 1472; len++) {
		cr_assert(arrives(frame_udp(frame, &FRAME_TO_US, data, len), 0), "%u", len);
		cr_assert_eq(got_len, len);
		cr_assert_eq(memcmp(got, data, len), 0);
	}
	cr_assert_eq(got_from.ip, PEER_IP);
	cr_assert_eq(got_from.port, cpu_to_be16(40000));
	cr_assert_eq(got_from.nif, w.nif);
	cr_assert_eq(got_pcb->arg, &w);
	cr_assert_eq(got_pcb->st, &w.st);
	cr_assert_eq(w.nif->stats.rx_delivered, 1473);
}

Test(udp, says_which_datagrams_came_by_broadcast)
{
	const be32 to[] = {OUR_IP, IPV4_BROADCAST, OUR_IP, fake_ip(10, 0, 2, 255), OUR_IP};
	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < ARRAY_SIZE(to); i++) {
		s.dst = to[i];
		cr_assert(arrives(frame_udp(frame, &s, data, 10), 0));
		cr_assert_eq(got_from.broadcast, i % 2, "datagram %u", i);
	}
}

Test(udp, drops_a_datagram_with_any_bit_changed)
{
	unsigned len = frame_udp(frame, &FRAME_TO_US, data, 61);

	for (unsigned bit = 34 * 8; bit < len * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_not(arrives(len, 0), "bit %u of byte %u", bit % 8, bit / 8);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert_geq(w.nif->stats.drop_udp_csum, len * 8 - 34 * 8 - 16);
}

Test(udp, drops_one_whose_pseudo_header_is_not_in_the_checksum)
{
	unsigned len = frame_udp(frame, &FRAME_TO_US, data, 10);

	frame[29] ^= 1; /* source address */
	frame_fix_ip_csum(frame);
	cr_assert_not(arrives(len, 0));
	cr_assert_eq(w.nif->stats.drop_udp_csum, 1);
}

Test(udp, does_not_check_what_has_no_checksum_or_was_checked_by_the_device)
{
	unsigned len = frame_udp(frame, &FRAME_TO_US, data, 10);

	frame[40] ^= 0x5a;
	cr_assert_not(arrives(len, 0));
	cr_assert(arrives(len, MBUF_RX_CSUM_GOOD));
	cr_assert(arrives(len, MBUF_RX_CSUM_NONE));
	frame[40] = frame[41] = 0;
	cr_assert(arrives(len, 0));
}

Test(udp, drops_lengths_that_lie_and_trims_the_shorter_one)
{
	static const struct {
		uint16_t len;
		bool good;
	} cases[] = {{0, false}, {7, false},  {8, true},      {9, true},
	             {18, true}, {19, false}, {0xffff, false}};
	unsigned dropped = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned len = frame_udp(frame, &FRAME_TO_US, data, 10);

		frame[38] = (uint8_t)(cases[i].len >> 8);
		frame[39] = (uint8_t)cases[i].len;
		frame[40] = frame[41] = 0;
		if (cases[i].good) {
			uint16_t csum =
			    (uint16_t)~frame_udp_sum(frame + 34, cases[i].len, PEER_IP, OUR_IP);

			frame[40] = (uint8_t)(csum >> 8);
			frame[41] = (uint8_t)csum;
		}
		cr_assert_eq(arrives(len, 0), cases[i].good, "length %u", cases[i].len);
		if (cases[i].good)
			cr_assert_eq(got_len, cases[i].len - 8u);
		dropped += !cases[i].good;
	}
	cr_assert_eq(w.nif->stats.drop_udp_length, dropped);
}

Test(udp, drops_an_ip_payload_too_short_for_a_header)
{
	struct frame_spec s = FRAME_TO_US;

	s.proto = 17;
	for (unsigned len = 0; len < 8; len++)
		cr_assert_not(arrives(frame_ip(frame, &s, data, len), 0));
	cr_assert_eq(w.nif->stats.drop_short, 8);
}

Test(udp, finds_every_one_of_64_ports_even_when_they_collide)
{
	for (unsigned i = 1; i < UDP_PCBS_MAX; i++) /* one is bound already */
		cr_assert_not_null(udp_bind(&w.st, (uint16_t)(7 + 256 * i), receive, NULL));
	cr_assert_null(udp_bind(&w.st, 12345, receive, NULL), "a 65th");

	struct frame_spec s = FRAME_TO_US;

	for (unsigned i = 0; i < UDP_PCBS_MAX; i++) {
		s.dport = (uint16_t)(7 + 256 * i);
		cr_assert(arrives(frame_udp(frame, &s, data, 10), 0));
		cr_assert_eq(got_pcb->port, cpu_to_be16(s.dport));
	}
	s.dport = 12345;
	cr_assert_not(arrives(frame_udp(frame, &s, data, 10), 0));
	cr_assert_eq(w.nif->stats.drop_no_port, 1);
}

Test(udp, gives_a_port_once_and_neither_0_nor_the_dhcp_clients)
{
	cr_assert_null(udp_bind(&w.st, 7, receive, NULL));
	cr_assert_null(udp_bind(&w.st, 0, receive, NULL));
	cr_assert_null(udp_bind(&w.st, 68, receive, NULL));
}

Test(udp, port_0_is_nobodys)
{
	struct frame_spec s = FRAME_TO_US;

	s.dport = 0;
	cr_assert_not(arrives(frame_udp(frame, &s, data, 10), 0));
	cr_assert_eq(w.nif->stats.drop_no_port, 1);
}

/* ---- output ------------------------------------------------------------------------------- */

static void check_reply(unsigned len)
{
	const struct fake_frame *f = fake_sent(&w.port, 0);

	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(f->len, 42 + len);
	cr_assert_eq(f->bytes[35], 7);
	cr_assert_eq(f->bytes[36] << 8 | f->bytes[37], 40000);
	cr_assert_eq(f->bytes[38] << 8 | f->bytes[39], (int)(8 + len));
	cr_assert_neq(f->bytes[40] << 8 | f->bytes[41], 0, "not summed");
	cr_assert_eq(frame_udp_sum(f->bytes + 34, 8 + len, OUR_IP, PEER_IP), 0xffff);
	cr_assert_eq(memcmp(f->bytes + 42, data, len), 0);
	cr_assert_eq(f->flags, 0);
}

static void reply_to_every_size(void)
{
	for (unsigned len = 0; len <= 1472; len++) {
		fake_forget(&w.port);
		cr_assert(arrives(frame_udp(frame, &FRAME_TO_US, data, len), 0));
		check_reply(len);
	}
}

Test(udp, sends_with_a_checksum_for_every_size)
{
	behaviour = REPLY;
	reply_to_every_size();
}

Test(udp, an_unchanged_reply_has_a_good_checksum_for_every_size)
{
	behaviour = REPLY_UNCHANGED;
	reply_to_every_size();
}

Test(udp, an_unchanged_reply_is_summed_when_the_question_was_not)
{
	static const uint32_t flags[] = {0, MBUF_RX_CSUM_GOOD, MBUF_RX_CSUM_NONE};

	behaviour = REPLY_UNCHANGED;
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		unsigned len = frame_udp(frame, &FRAME_TO_US, data, 99);

		if (flags[i] == MBUF_RX_CSUM_NONE)
			frame[40] = 0x12; /* a local sender leaves an unfinished sum there */
		else
			frame[40] = frame[41] = 0;
		fake_forget(&w.port);
		cr_assert(arrives(len, flags[i]));
		check_reply(99);
	}
}

Test(udp, an_unchanged_reply_to_a_checked_question_is_good)
{
	behaviour = REPLY_UNCHANGED;
	cr_assert(arrives(frame_udp(frame, &FRAME_TO_US, data, 99), MBUF_RX_CSUM_GOOD));
	check_reply(99);
}

Test(udp, an_unchanged_reply_to_a_broadcast_is_summed_anew)
{
	struct frame_spec s = FRAME_TO_US;

	behaviour = REPLY_UNCHANGED;
	s.dst = IPV4_BROADCAST;
	s.dst_mac = broadcast_mac;
	cr_assert(arrives(frame_udp(frame, &s, data, 50), 0));
	check_reply(50);
}

Test(udp, an_unchanged_reply_to_segments_options_and_trimmed_ones_is_good)
{
	struct frame_spec s = FRAME_TO_US;
	unsigned len;

	behaviour = REPLY_UNCHANGED;
	s.options = (const uint8_t[]){1, 1, 1, 1};
	for (s.options_len = 0; s.options_len <= 4; s.options_len += 4) {
		len = frame_udp(frame, &s, data, 701);
		for (unsigned first = 42 + s.options_len; first < 60; first++) {
			fake_forget(&w.port);
			fake_inject_split(&w.port, frame, len, first, 97);
			net_stack_poll(&w.st);
			check_reply(701);
		}
	}
	len = frame_udp(frame, &FRAME_TO_US, data, 5);
	memset(frame + len, 0xaa, 13);
	fake_forget(&w.port);
	cr_assert(arrives(60, 0));
	check_reply(5);
}

Test(udp, a_sum_of_zero_is_sent_as_ffff)
{
	uint8_t payload[2] = {0, 0};
	unsigned len = frame_udp(frame, &FRAME_TO_US, payload, 2);

	memcpy(payload, frame + 40, 2); /* now the rest sums up to 0xffff */
	frame_udp(frame, &FRAME_TO_US, payload, 2);
	cr_assert_eq(frame[40] << 8 | frame[41], 0xffff);
	for (behaviour = REPLY; behaviour <= REPLY_UNCHANGED; behaviour++) {
		fake_forget(&w.port);
		cr_assert(arrives(len, 0));
		cr_assert_eq(fake_sent(&w.port, 0)->bytes[40], 0xff);
		cr_assert_eq(fake_sent(&w.port, 0)->bytes[41], 0xff);
	}
}

Test(udp, leaves_the_sum_to_a_device_that_can)
{
	behaviour = REPLY;
	w.port.dev.tx_offloads = MBUF_TX_CSUM;
	cr_assert(arrives(frame_udp(frame, &FRAME_TO_US, data, 33), 0));

	struct fake_frame f = *fake_sent(&w.port, 0);

	cr_assert_eq(f.flags, MBUF_TX_CSUM);
	cr_assert_eq(f.csum_start, 34);
	cr_assert_eq(f.csum_offset, 6);

	/* what the device does, virtio 5.1.9.2 */
	uint16_t csum = (uint16_t)~frame_sum(f.bytes + f.csum_start, f.len - f.csum_start, 0);

	f.bytes[40] = (uint8_t)(csum >> 8);
	f.bytes[41] = (uint8_t)csum;
	cr_assert_eq(frame_udp_sum(f.bytes + 34, 41, OUR_IP, PEER_IP), 0xffff);
}

Test(udp, sends_nothing_without_an_address)
{
	struct udp_pcb pcb = {.port = cpu_to_be16(9), .st = &w.st};

	fake_world_start(&w, "net.ip=off");

	struct mbuf *m = mbuf_alloc(w.port.dev.queue[0].pool);

	cr_assert_eq(udp_sendto(&pcb, m, &(struct udp_addr){.nif = w.nif, .ip = IPV4_BROADCAST}),
	             -EHOSTUNREACH);
	cr_assert_eq(w.nif->stats.tx_no_route, 1);
}
