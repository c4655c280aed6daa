/* ICMP: echo of every size, and who is told about closed ports, and how often. */
#include "net/icmp.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX];

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(icmp, .init = start, .fini = stop);

static void receive(unsigned len)
{
	fake_inject(&w.port, frame, len);
	net_stack_poll(&w.st);
}

static void check_reply(const struct fake_frame *f, unsigned len)
{
	cr_assert_eq(f->len, 34 + 4 + len);
	cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
	cr_assert_eq(f->bytes[23], 1);
	cr_assert_arr_eq(f->bytes, peer_mac, 6);
	cr_assert_eq(memcmp(f->bytes + 30, &(be32){PEER_IP}, 4), 0);
	cr_assert_eq(f->bytes[34], 0);
	cr_assert_eq(f->bytes[35], 0);
	cr_assert_eq(frame_sum(f->bytes + 34, f->len - 34, 0), 0xffff);
	cr_assert_arr_eq(f->bytes + 38, data, len);
}

Test(icmp, answers_echo_of_every_size)
{
	for (unsigned len = 4; len <= 1476; len++) { /* identifier and sequence, then 0..1472 */
		fake_forget(&w.port);
		receive(frame_icmp(frame, &FRAME_TO_US, 8, 0, data, len));
		check_reply(fake_sent(&w.port, 0), len);
	}
	cr_assert_eq(w.nif->stats.rx_delivered, 1473);
}

Test(icmp, answers_echo_in_segments)
{
	for (unsigned first = 42; first < 200; first++) {
		unsigned len = frame_icmp(frame, &FRAME_TO_US, 8, 0, data, 1000);

		fake_forget(&w.port);
		fake_inject_split(&w.port, frame, len, first, 333);
		net_stack_poll(&w.st);
		check_reply(fake_sent(&w.port, 0), 1000);
	}
}

Test(icmp, answers_echo_with_options_without_them)
{
	struct frame_spec s = FRAME_TO_US;

	s.options = (const uint8_t[]){148, 4, 0, 0};
	s.options_len = 4;
	receive(frame_icmp(frame, &s, 8, 0, data, 100));
	check_reply(fake_sent(&w.port, 0), 100);
}

Test(icmp, drops_what_is_broken_or_not_for_it)
{
	unsigned len = frame_icmp(frame, &FRAME_TO_US, 8, 0, data, 100);
	struct frame_spec s = FRAME_TO_US;

	for (unsigned bit = 34 * 8; bit < len * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		receive(len);
		frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	receive(frame_icmp(frame, &FRAME_TO_US, 8, 1, data, 100));  /* code */
	receive(frame_icmp(frame, &FRAME_TO_US, 0, 0, data, 100));  /* a reply to nothing */
	receive(frame_icmp(frame, &FRAME_TO_US, 13, 0, data, 100)); /* timestamp */
	s.dst = IPV4_BROADCAST;
	receive(frame_icmp(frame, &s, 8, 0, data, 100));
	cr_assert_eq(w.nif->stats.drop_icmp, (len - 34) * 8 + 4);
	cr_assert_eq(w.port.nb_tx, 0);
}

Test(icmp, drops_what_is_cut_off)
{
	struct frame_spec s = FRAME_TO_US;

	s.proto = 1;
	for (unsigned len = 0; len < 8; len++)
		receive(frame_ip(frame, &s, data, len));
	cr_assert_eq(w.nif->stats.drop_short, 8);
}

Test(icmp, counts_errors_and_never_answers_them)
{
	static const uint8_t errors[] = {3, 4, 5, 11, 12};

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		receive(frame_icmp(frame, &FRAME_TO_US, errors[i], 3, data, 32));
	cr_assert_eq(w.nif->stats.icmp_errors, ARRAY_SIZE(errors));
	cr_assert_eq(w.port.nb_tx, 0);
}

static void check_unreach(const struct fake_frame *f, unsigned code, unsigned quoted)
{
	cr_assert_eq(f->len, 34 + 8 + quoted);
	cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
	cr_assert_eq(f->bytes[34], 3);
	cr_assert_eq(f->bytes[35], code);
	cr_assert_eq(frame_sum(f->bytes + 34, f->len - 34, 0), 0xffff);
	cr_assert_arr_eq(f->bytes + 38, ((const uint8_t[]){0, 0, 0, 0}), 4);
	cr_assert_arr_eq(f->bytes + 42, frame + 14, quoted);
}

Test(icmp, tells_of_a_closed_port_with_header_and_8_bytes)
{
	receive(frame_udp(frame, &FRAME_TO_US, data, 100));
	check_unreach(fake_sent(&w.port, 0), 3, 28);
	cr_assert_eq(w.nif->stats.drop_no_port, 1);
}

Test(icmp, quotes_options_too_and_packets_in_segments)
{
	struct frame_spec s = FRAME_TO_US;
	unsigned len;

	s.options = data + 1;
	s.options = (const uint8_t[40]){1, 1, 1, 1, 1, 1};
	s.options_len = 40;
	len = frame_udp(frame, &s, data, 100);
	fake_inject_split(&w.port, frame, len, 14 + 60 + 8, 7);
	net_stack_poll(&w.st);
	check_unreach(fake_sent(&w.port, 0), 3, 68);
}

Test(icmp, tells_of_an_unknown_protocol_even_without_payload)
{
	struct frame_spec s = FRAME_TO_US;

	s.proto = 6;
	receive(frame_ip(frame, &s, data, 20));
	check_unreach(fake_sent(&w.port, 0), 2, 28);
	receive(frame_ip(frame, &s, data, 3));
	check_unreach(fake_sent(&w.port, 1), 2, 23);
	receive(frame_ip(frame, &s, data, 0));
	check_unreach(fake_sent(&w.port, 2), 2, 20);
	cr_assert_eq(w.nif->stats.drop_proto, 3);
}

Test(icmp, tells_nobody_about_broadcasts_and_fragments)
{
	struct frame_spec s = FRAME_TO_US;

	s.dst = IPV4_BROADCAST;
	receive(frame_udp(frame, &s, data, 10));
	s.dst = fake_ip(10, 0, 2, 255);
	receive(frame_udp(frame, &s, data, 10));
	s.dst_mac = broadcast_mac;
	receive(frame_udp(frame, &s, data, 10));
	s = FRAME_TO_US;
	s.frag = 0x2000;
	receive(frame_udp(frame, &s, data, 10));
	cr_assert_eq(w.port.nb_tx, 0);
}

static unsigned errors_after(unsigned packets)
{
	fake_forget(&w.port);
	for (unsigned i = 0; i < packets; i++)
		receive(frame_udp(frame, &FRAME_TO_US, data, 10));

	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += w.port.tx[i].bytes[13] == 0 && w.port.tx[i].bytes[23] == 1;
	return n;
}

Test(icmp, tells_at_most_100_times_a_second_in_bursts_of_20)
{
	cr_assert_eq(errors_after(200), ICMP_ERRORS_BURST);
	cr_assert_eq(errors_after(10), 0);
	fake_world_turn(&w, 100);
	cr_assert_eq(errors_after(200), 10);
	fake_world_turn(&w, 10000);
	cr_assert_eq(errors_after(200), ICMP_ERRORS_BURST);
	cr_assert_eq(w.nif->stats.drop_no_port, 610);
	cr_assert_eq(w.nif->stats.icmp_limited, 610 - 2 * ICMP_ERRORS_BURST - 10);
}
