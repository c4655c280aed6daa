/* testpmd: what each mode does to frames good, odd and hostile. */
#include "tests/unit/testpmd_fixture.h"

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
		(void)tag(want, len, "\x81\x00", tags);
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
