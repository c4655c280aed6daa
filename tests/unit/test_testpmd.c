/* testpmd: pairs of ports, what each mode does to frames good, odd and hostile, what it generates,
 * and that every packet is counted once. */
/* An archive's member that nobody names is not linked, and an application has no name. */
#include "apps/testpmd.c"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 3

static struct fake_netdev port[PORTS];
static unsigned nb_ports;
static struct net_stack st;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX];
static const uint8_t eth_peer[6] = {0x02, 0, 0, 0, 0, 0};

static unsigned parse(const char *options)
{
	options_reset();
	options_declare(testpmd_options, ARRAY_SIZE(testpmd_options));
	return options_parse(options, "test");
}

static void start(unsigned n, const char *options)
{
	cr_assert_eq(parse(options), 0, "%s", plat_test_output());
	nb_ports = n;
	for (unsigned i = 0; i < n; i++) {
		fake_netdev_init(&port[i]);
		port[i].dev.port = (uint16_t)i;
		port[i].dev.mac[5] = (uint8_t)(0xa0 + i);
		cr_assert_eq(app_testpmd.take_port(&port[i].dev), 0);
	}
	cr_assert_eq(app_testpmd.start(&st), 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static unsigned turn(void)
{
	return app_testpmd.poll(&st);
}

static void stop(void)
{
	for (unsigned i = 0; i < pmd.nb_streams; i++) {
		const struct fwd_stream *s = &pmd.streams[i];

		cr_assert_eq(s->received + s->generated,
		             s->sent + s->full + s->unsendable + s->consumed);
	}
	for (unsigned i = 0; i < nb_ports; i++)
		cr_assert_eq(fake_leaks(&port[i]), 0, "%u packets leaked", fake_leaks(&port[i]));
}

TestSuite(testpmd, .fini = stop);

/* @len bytes of the frame go in at port 0. Return: what comes out at @out, NULL for nothing. */
static const struct fake_frame *pass(unsigned len, unsigned out)
{
	fake_forget(&port[out]);
	fake_inject(&port[0], frame, len);
	cr_assert_eq(turn(), 1);
	return port[out].nb_tx ? fake_sent(&port[out], 0) : NULL;
}

static void assert_bytes(const struct fake_frame *f, const uint8_t *want, unsigned len)
{
	cr_assert_not_null(f);
	cr_assert_eq(f->len, len);
	for (unsigned i = 0; i < len; i++)
		cr_assert_eq(f->bytes[i], want[i], "byte %u of %u: %02x, not %02x", i, len,
		             f->bytes[i], want[i]);
}

/* ---- options ------------------------------------------------------------------------------ */

Test(testpmd, good_options_are_taken)
{
	static const char *const good[] = {
	    "fwd=io burst=1", "fwd=txonly txpkts=42",    "txpkts=2048,2048,2048,2048,1536",
	    "burst=512",      "txpkts=64,1,1,1,1,1,1,1", "tx_first=65535",
	    "fwd_retry=1",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect_eq(parse(good[i]), 0, "%s", good[i]);
}

Test(testpmd, bad_options_are_refused)
{
	static const char *const bad[] = {
	    "fwd=csum",
	    "burst=0",
	    "burst=513",
	    "txpkts=41",
	    "txpkts=2049",
	    "txpkts=64,",
	    "txpkts=,64",
	    "txpkts=64,0",
	    "txpkts=64;64",
	    "txpkts=",
	    "txpkts=20,64",
	    "txpkts=2048,2048,2048,2048,1537",
	    "fwd_retry=2",
	    "tx_first=65536",
	    "txpkts=64,1,1,1,1,1,1,1,1",
	    "txpkts=42949672960064",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(parse(bad[i]), 1, "%s", bad[i]);
	cr_assert_not_null(strstr(plat_test_output(), "allowed: io mac macswap 5tswap rxonly"));
}

Test(testpmd, without_a_port_it_does_not_start)
{
	cr_assert_eq(parse(""), 0);
	cr_assert_eq(app_testpmd.start(&st), -ENODEV);
	cr_assert_not_null(strstr(plat_test_output(), "no port to forward from"));
}

/* ---- pairs, bursts, rings ----------------------------------------------------------------- */

Test(testpmd, ports_are_paired_and_an_odd_last_one_with_itself)
{
	static const unsigned to[] = {1, 0, 2};

	start(3, "");
	for (unsigned from = 0; from < 3; from++) {
		for (unsigned i = 0; i < 3; i++)
			fake_forget(&port[i]);
		fake_inject(&port[from], data, 100 + from);
		cr_assert_eq(turn(), 1);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(port[i].nb_tx, i == to[from]);
		assert_bytes(fake_sent(&port[to[from]], 0), data, 100 + from);
	}
}

Test(testpmd, a_burst_is_as_long_as_it_was_told)
{
	start(1, "burst=5");
	for (unsigned i = 0; i < 12; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 5);
	cr_assert_eq(turn(), 5);
	cr_assert_eq(turn(), 2);
	cr_assert_eq(turn(), 0);
	for (unsigned i = 0; i < 12; i++)
		assert_bytes(fake_sent(&port[0], i), data, 60 + i);
}

Test(testpmd, what_a_full_ring_does_not_take_is_freed_and_counted)
{
	start(2, "");
	port[1].tx_room = 3;
	for (unsigned i = 0; i < 8; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 8);
	cr_assert_eq(port[1].nb_tx, 3);
	cr_assert_eq(port[1].dev.tx_dropped, 5);
	cr_assert_eq(pmd.streams[0].full, 5);
	plat_test_clear();
	show_fwd_stats("");
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(),
	                          "port 0 to 1: 8 received, 0 generated, 3 sent, dropped: 5 ring "
	                          "full, 0 unsendable, 0 by fwd=io"));
}

static netdev_burst_fn real_tx;
static unsigned tx_calls;

static uint16_t tx_one_every_third_time(void *queue, struct mbuf **pkts, uint16_t n)
{
	cr_assert_gt(n, 0);
	return tx_calls++ % 3 ? 0 : real_tx(queue, pkts, 1);
}

Test(testpmd, with_fwd_retry_a_full_ring_gets_more_time)
{
	start(1, "fwd_retry=1");
	real_tx = port[0].dev.tx_burst;
	port[0].dev.tx_burst = tx_one_every_third_time;
	for (unsigned i = 0; i < 8; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 8);
	for (unsigned i = 0; i < 8; i++)
		assert_bytes(fake_sent(&port[0], i), data, 60 + i);
	cr_assert_eq(port[0].dev.tx_dropped, 0);
}

Test(testpmd, the_retries_end)
{
	start(1, "fwd_retry=1");
	real_tx = port[0].dev.tx_burst;
	port[0].dev.tx_burst = tx_one_every_third_time;
	port[0].tx_room = 0;
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(tx_calls, 1 + RETRIES);
	cr_assert_eq(port[0].dev.tx_dropped, 1);
}

Test(testpmd, what_a_device_left_undone_is_done_or_the_packet_dropped)
{
	static const uint8_t zeros[108];
	uint8_t want[FAKE_FRAME_MAX];
	unsigned len;
	uint16_t sum;

	start(2, "");
	port[0].dev.rx_offloads = MBUF_RX_CSUM_NONE | MBUF_USO;
	len = frame_udp(want, &FRAME_TO_US, data, 100);
	memcpy(frame, want, len);
	sum = cpu_to_be16(frame_udp_sum(zeros, sizeof(zeros), PEER_IP, OUR_IP));
	memcpy(frame + 40, &sum, 2); /* of the pseudo header alone */

	struct mbuf *m = fake_inject(&port[0], frame, len);

	m->flags = MBUF_RX_CSUM_NONE;
	m->csum_start = 34;
	m->csum_offset = 6;
	fake_inject(&port[0], frame, len)->flags = MBUF_USO | MBUF_RX_CSUM_GOOD;
	cr_assert_eq(turn(), 2);
	cr_assert_eq(port[1].nb_tx, 1);
	cr_assert_eq(fake_sent(&port[1], 0)->flags, 0);
	assert_bytes(fake_sent(&port[1], 0), want, len);
	cr_assert_eq(pmd.streams[0].unsendable, 1);
}

/* ---- mac, macswap, rxonly ----------------------------------------------------------------- */

Test(testpmd, mac_sets_both_addresses)
{
	uint8_t want[FAKE_FRAME_MAX];

	start(2, "fwd=mac");
	for (unsigned len = 0; len < 100; len++) {
		memcpy(frame, data, len);
		memcpy(want, data, len);
		if (len >= 14) {
			memcpy(want, eth_peer, 6);
			want[5] = 1;
			memcpy(want + 6, port[1].dev.mac, 6);
		}
		assert_bytes(pass(len, 1), want, len);
	}
}

Test(testpmd, macswap_swaps_them)
{
	uint8_t want[FAKE_FRAME_MAX];

	start(2, "fwd=macswap");
	for (unsigned len = 0; len < 100; len++) {
		memcpy(frame, data, len);
		memcpy(want, data, len);
		if (len >= 14) {
			memcpy(want, data + 6, 6);
			memcpy(want + 6, data, 6);
		}
		assert_bytes(pass(len, 1), want, len);
	}
}

Test(testpmd, rxonly_frees)
{
	start(1, "fwd=rxonly");
	for (unsigned len = 0; len < 100; len++)
		cr_assert_null(pass(len, 0));
	cr_assert_eq(pmd.streams[0].consumed, 100);
}

/* ---- 5tswap ------------------------------------------------------------------------------- */

static unsigned frame_udp6(uint8_t *out, unsigned payload)
{
	memcpy(out, our_mac, 6);
	memcpy(out + 6, peer_mac, 6);
	memcpy(out + 12, "\x86\xdd\x60\0\0\0\0\0\x11\x40", 10);
	out[19] = (uint8_t)(payload + 8);
	memcpy(out + 22, data, 32 + 8 + payload);
	return 14 + 40 + 8 + payload;
}

/* Put @n tags of @type behind the addresses. */
static unsigned tag(uint8_t *f, unsigned len, const char *type, unsigned n)
{
	for (; n; n--, len += 4) {
		memmove(f + 16, f + 12, len - 12);
		memcpy(f + 12, type, 2);
		memcpy(f + 14, "\x00\x05", 2);
	}
	return len;
}

static void swap(uint8_t *p, unsigned a, unsigned b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t t = p[a + i];

		p[a + i] = p[b + i];
		p[b + i] = t;
	}
}

/* Every length of a frame: a header that is not wholly there stays as it is. @ip, @ports: where
 * they are, 0 when they are not to be swapped */
static void check_5tswap(unsigned len, unsigned ip, unsigned src, unsigned bytes, unsigned ports)
{
	uint8_t want[FAKE_FRAME_MAX];

	for (unsigned n = 0; n <= len; n++) {
		memcpy(want, frame, n);
		if (n >= 14)
			swap(want, 0, 6, 6);
		if (ip && n >= ip)
			swap(want, src, src + bytes, bytes);
		if (ports && n >= ports + 4)
			swap(want, ports, ports + 2, 2);
		assert_bytes(pass(n, 1), want, n);
	}
}

Test(testpmd, 5tswap_swaps_addresses_and_ports_of_what_is_there)
{
	struct frame_spec s = FRAME_TO_US;
	unsigned len;

	start(2, "fwd=5tswap");
	len = frame_udp(frame, &s, data, 20);
	check_5tswap(len, 34, 26, 4, 34);
	frame[23] = 6; /* TCP */
	check_5tswap(len, 34, 26, 4, 34);
	frame[23] = 132; /* SCTP: not known */
	check_5tswap(len, 34, 26, 4, 0);
	frame[14] = 0x65;
	check_5tswap(len, 0, 0, 0, 0);
	frame[14] = 0x44;
	check_5tswap(len, 0, 0, 0, 0);
	s.options = data;
	s.options_len = 40;
	check_5tswap(frame_udp(frame, &s, data, 20), 74, 26, 4, 74);
	s.options_len = 0;
	s.frag = 0x2000; /* the first fragment has the ports */
	check_5tswap(frame_udp(frame, &s, data, 20), 34, 26, 4, 34);
	s.frag = 1; /* the others have none */
	check_5tswap(frame_udp(frame, &s, data, 20), 34, 26, 4, 0);
	len = frame_udp6(frame, 20);
	check_5tswap(len, 54, 22, 16, 54);
	frame[14] = 0x40;
	check_5tswap(len, 0, 0, 0, 0);
	check_5tswap(frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, OUR_IP), 0, 0, 0, 0);
}

Test(testpmd, 5tswap_looks_behind_two_tags)
{
	start(2, "fwd=5tswap");
	check_5tswap(tag(frame, frame_udp(frame, &FRAME_TO_US, data, 20), "\x81\x00", 1), 38, 30, 4,
	             38);
	check_5tswap(tag(frame, frame_udp(frame, &FRAME_TO_US, data, 20), "\x88\xa8", 2), 42, 34, 4,
	             42);
	check_5tswap(tag(frame, frame_udp6(frame, 20), "\x81\x00", 2), 62, 30, 16, 62);
	check_5tswap(tag(frame, frame_udp(frame, &FRAME_TO_US, data, 20), "\x81\x00", 3), 0, 0, 0,
	             0);
}

Test(testpmd, 5tswap_leaves_checksums_right)
{
	start(1, "fwd=5tswap");

	const struct fake_frame *f = pass(frame_udp(frame, &FRAME_TO_US, data, 200), 0);

	cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
	cr_assert_eq(frame_udp_sum(f->bytes + 34, 208, OUR_IP, PEER_IP), 0xffff);
}

Test(testpmd, 5tswap_changes_only_the_first_segment)
{
	uint8_t want[FAKE_FRAME_MAX];
	unsigned len;

	start(1, "fwd=5tswap");
	len = frame_udp(frame, &FRAME_TO_US, data, 500);
	memcpy(want, frame, len);
	swap(want, 0, 6, 6);
	swap(want, 26, 30, 4);
	fake_inject_split(&port[0], frame, len, 36, 100);
	cr_assert_eq(turn(), 1);
	assert_bytes(fake_sent(&port[0], 0), want, len);
}

/* ---- icmpecho ----------------------------------------------------------------------------- */

Test(testpmd, icmpecho_answers_every_arp_request_at_its_own_port)
{
	uint8_t want[FAKE_FRAME_MAX];
	unsigned len;

	start(2, "fwd=icmpecho");
	for (unsigned tags = 0; tags <= 2; tags++) {
		len = frame_arp(want, ARP_OP_REPLY, port[0].dev.mac, FAR_IP, peer_mac, PEER_IP);
		len = tag(want, len, "\x81\x00", tags);
		len = frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, FAR_IP);
		len = tag(frame, len, "\x81\x00", tags);
		for (unsigned n = 0; n < len; n++)
			cr_assert_null(pass(n, 0), "%u bytes", n);
		assert_bytes(pass(len, 0), want, len);
	}
	cr_assert_eq(port[1].nb_tx, 0);
}

Test(testpmd, icmpecho_drops_other_arp)
{
	static const unsigned wrong[] = {14, 15, 16, 17, 18, 19, 20, 21};
	unsigned len;

	start(1, "fwd=icmpecho");
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		len = frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, FAR_IP);
		frame[wrong[i]] ^= 0x10;
		cr_assert_null(pass(len, 0), "byte %u", wrong[i]);
	}
	cr_assert_null(pass(frame_arp(frame, ARP_OP_REPLY, peer_mac, PEER_IP, our_mac, OUR_IP), 0));
	cr_assert_null(
	    pass(frame_arp(frame, ARP_OP_REQUEST, broadcast_mac, PEER_IP, NULL, OUR_IP), 0));
}

static void check_pong(unsigned tags, unsigned options_len, unsigned len)
{
	struct frame_spec ask = FRAME_TO_US, reply = FRAME_TO_US;
	uint8_t want[FAKE_FRAME_MAX];
	unsigned n;

	ask.options = reply.options = data;
	ask.options_len = reply.options_len = options_len;
	reply.dst_mac = peer_mac;
	reply.src_mac = our_mac;
	reply.dst = PEER_IP;
	reply.src = OUR_IP;
	n = tag(want, frame_icmp(want, &reply, 0, 0, data, len), "\x81\x00", tags);
	tag(frame, frame_icmp(frame, &ask, 8, 0, data, len), "\x81\x00", tags);
	assert_bytes(pass(n, 0), want, n);
	for (unsigned cut = 1; cut <= n; cut++)
		cr_assert_null(pass(n - cut, 0), "%u of %u bytes", n - cut, n);
}

Test(testpmd, icmpecho_answers_pings)
{
	start(1, "fwd=icmpecho");
	for (unsigned len = 4; len < 70; len++)
		check_pong(len % 3, len % 11 * 4, len);
	check_pong(0, 0, 1000);
}

Test(testpmd, icmpecho_answers_what_lies_in_segments)
{
	unsigned len;

	start(1, "fwd=icmpecho");
	len = frame_icmp(frame, &FRAME_TO_US, 8, 0, data, 1000);
	fake_inject_split(&port[0], frame, len, 42, 100);
	fake_inject_split(&port[0], frame, len, 41, 100);
	cr_assert_eq(turn(), 2);
	cr_assert_eq(port[0].nb_tx, 1, "the ICMP header must be in the first segment");
	cr_assert_eq(frame_sum(fake_sent(&port[0], 0)->bytes + 34, len - 34, 0), 0xffff);
}

Test(testpmd, icmpecho_gives_an_answer_to_a_group_an_address)
{
	struct frame_spec s = FRAME_TO_US;

	start(1, "fwd=icmpecho");
	s.dst_mac = broadcast_mac;

	const struct fake_frame *f = pass(frame_icmp(frame, &s, 8, 0, data, 60), 0);

	cr_assert_not_null(f);
	cr_assert_arr_eq(f->bytes, peer_mac, 6);
	cr_assert_arr_eq(f->bytes + 6, port[0].dev.mac, 6);
}

Test(testpmd, icmpecho_drops_what_has_no_answer)
{
	struct frame_spec s = FRAME_TO_US;

	start(1, "fwd=icmpecho");
	cr_assert_null(pass(frame_icmp(frame, &s, 0, 0, data, 60), 0), "a reply");
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 1, data, 60), 0), "another code");
	cr_assert_null(pass(frame_udp(frame, &s, data, 60), 0));
	cr_assert_null(pass(frame_udp6(frame, 60), 0));
	s.frag = 0x2000;
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "a first fragment");
	s.frag = 7;
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "a later fragment");
	s.frag = 0x4000;
	cr_assert_not_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "don't fragment");
	s.dst = fake_ip(224, 0, 0, 1);
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "to a group");
	s.dst = 0xffffffff;
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "to all");
	s = FRAME_TO_US;
	s.src = fake_ip(224, 0, 0, 1);
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "from a group");
	s = FRAME_TO_US;
	s.src_mac = broadcast_mac;
	cr_assert_null(pass(frame_icmp(frame, &s, 8, 0, data, 60), 0), "from a group's station");

	unsigned len = frame_icmp(frame, &FRAME_TO_US, 8, 0, data, 60);

	frame[17] = 27;
	cr_assert_null(pass(len, 0), "a length without the ICMP header");
}

/* ---- all modes ---------------------------------------------------------------------------- */

Test(testpmd, random_frames_do_no_harm)
{
	static const char *const names[] = {"io", "mac", "macswap", "5tswap", "icmpecho", "rxonly"};

	start(2, "");
	srand(1);
	for (unsigned round = 0; round < 6000; round++) {
		const char *name = names[round % ARRAY_SIZE(names)];
		unsigned len;

		for (pmd.mode = modes; strcmp(pmd.mode->name, name);)
			pmd.mode++;
		len = round % 2 ? frame_icmp(frame, &FRAME_TO_US, 8, 0, data, 40)
		                : tag(frame, frame_udp(frame, &FRAME_TO_US, data, 40), "\x81\x00",
		                      round % 3);
		for (unsigned i = 0; i < 3; i++)
			frame[(unsigned)rand() % len] = (uint8_t)rand();
		fake_forget(&port[0]);
		fake_forget(&port[1]);
		fake_inject_split(&port[0], frame, (unsigned)rand() % (len + 1),
		                  (unsigned)rand() % 90, 1 + (unsigned)rand() % 50);
		cr_assert_eq(turn(), 1);
	}
}

/* ---- generated packets -------------------------------------------------------------------- */

static void check_generated(const struct fake_frame *f, unsigned len)
{
	const uint8_t *b = f->bytes;

	cr_assert_eq(f->len, len);
	cr_assert_eq(frame_sum(b + 14, 20, 0), 0xffff);
	cr_assert_eq((unsigned)b[16] << 8 | b[17], len - 14);
	cr_assert_eq((unsigned)b[38] << 8 | b[39], len - 34);
	cr_assert_arr_eq(b + 12, "\x08\x00\x45", 3);
	cr_assert_eq(b[23], 17);
	cr_assert_arr_eq(b + 26, "\xc6\x12\x00\x01\xc6\x12\x00\x02\x00\x09\x00\x09", 12);
	cr_assert_arr_eq(b + 40, "\0\0", 2);
	for (unsigned i = 42; i < len; i++)
		cr_assert_eq(b[i], 0, "what was in the buffer is sent");
}

Test(testpmd, txonly_sends_and_does_not_receive)
{
	start(2, "fwd=txonly burst=4 txpkts=99");
	memset(port[1].dev.pool->stack[port[1].dev.pool->n - 1]->buf, 0xee, MEMPOOL_DATA_ROOM);
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 8);
	for (unsigned p = 0; p < 2; p++) {
		cr_assert_eq(port[p].nb_tx, 4);
		for (unsigned i = 0; i < 4; i++) {
			check_generated(fake_sent(&port[p], i), 99);
			cr_assert_arr_eq(fake_sent(&port[p], i)->bytes, eth_peer, 5);
			cr_assert_eq(fake_sent(&port[p], i)->bytes[5], p);
			cr_assert_arr_eq(fake_sent(&port[p], i)->bytes + 6, port[p].dev.mac, 6);
		}
	}
	cr_assert_eq(port[0].rx_head - port[0].rx_tail, 1);
	mbuf_free(port[0].rx[port[0].rx_tail++]);
}

Test(testpmd, txonly_makes_packets_of_several_segments)
{
	start(1, "fwd=txonly burst=2 txpkts=42,1,500,7,7,7,7,900");
	cr_assert_eq(turn(), 2);
	check_generated(fake_sent(&port[0], 1), 1471);
}

Test(testpmd, txonly_counts_what_was_sent)
{
	start(1, "fwd=txonly");
	port[0].tx_room = 7;
	cr_assert_eq(turn(), 7);
	cr_assert_eq(turn(), 0);
	cr_assert_eq(port[0].dev.tx_dropped, 25 + 32);
}

Test(testpmd, txonly_sends_what_there_are_buffers_for)
{
	struct mbuf *held[256];
	unsigned n;

	start(1, "fwd=txonly txpkts=42,42,42");
	n = mempool_get_bulk(port[0].dev.pool, held, port[0].dev.pool->n - 8);
	cr_assert_eq(turn(), 2);
	cr_assert_eq(port[0].dev.pool->n, 8);
	mempool_get_bulk(port[0].dev.pool, held + n, 8);
	cr_assert_eq(turn(), 0);
	for (unsigned i = 0; i < n + 8; i++)
		mempool_put(held[i]);
}

static struct mbuf *held[256];
static unsigned nb_held;

/* As a driver does it: what was sent comes back when something is sent the next time. */
static uint16_t tx_and_hold(void *queue, struct mbuf **pkts, uint16_t n)
{
	(void)queue;
	while (nb_held)
		mbuf_free(held[--nb_held]);
	for (; nb_held < n; nb_held++)
		held[nb_held] = pkts[nb_held];
	return n;
}

Test(testpmd, txonly_goes_on_when_all_buffers_were_with_the_device)
{
	start(1, "fwd=txonly burst=512");
	port[0].dev.tx_burst = tx_and_hold;
	cr_assert_eq(turn(), port[0].dev.pool->size);
	cr_assert_eq(port[0].dev.pool->n, 0);
	cr_assert_eq(turn(), 0);
	cr_assert_eq(turn(), port[0].dev.pool->size);
	(void)turn();
}

Test(testpmd, tx_first_sends_bursts_before_it_forwards)
{
	start(2, "fwd=macswap tx_first=3 burst=16 txpkts=100");
	for (unsigned p = 0; p < 2; p++) {
		cr_assert_eq(port[p].nb_tx, 48);
		for (unsigned i = 0; i < 48; i++)
			check_generated(fake_sent(&port[p], i), 100);
	}
	cr_assert_eq(turn(), 0);
	fake_forget(&port[1]);
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(port[1].nb_tx, 1);
}
