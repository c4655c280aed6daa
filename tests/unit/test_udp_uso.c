/* Datagrams that come several in one (MBUF_USO), frames whose VLAN tag was taken out. */
#include "kernel/errno.h"
#include "net/udp.h"
#include "net/udp_split.h"
#include "tests/unit/fake_netdev.h"
#include <criterion/criterion.h>
#include <string.h>

#define PAYLOAD 1900 /* of a packet here: as much as a fake frame holds, and more than the MTU */

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX], got[FAKE_FRAME_MAX];
static unsigned received, got_len, got_longest;
static struct udp_pcb *pcb;
static int answer; /* what sending it back may give beside 0 */

static void receive(struct udp_pcb *at, struct mbuf *m, const struct udp_addr *from)
{
	struct mbuf *s = m;
	unsigned len = 0;
	int err;

	cr_assert_eq(at, pcb);
	cr_assert_eq(from->ip, PEER_IP);
	cr_assert_eq(from->port, cpu_to_be16(FRAME_TO_US.sport));
	do {
		memcpy(got + got_len, mbuf_data(s), s->data_len);
		got_len += s->data_len;
		len += s->data_len;
	} while ((s = s->next));
	cr_assert_eq(len, m->pkt_len);
	got_longest = len > got_longest ? len : got_longest;
	received++;
	err = udp_reply_unchanged(at, m, from);
	cr_assert(!err || err == answer);
}

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
	pcb = udp_bind(&w.st, 7, receive, NULL);
	cr_assert_not_null(pcb);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static void stop(void)
{
	const struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(udp_uso, .init = start, .fini = stop);

/* A packet of @len bytes of payload in datagrams of @size, in segments of @first and @each bytes.
 */
static void arrives(unsigned len, uint16_t size, unsigned first, unsigned each)
{
	struct mbuf *m;
	unsigned n = frame_udp(frame, &FRAME_TO_US, data, len);

	frame[40] ^= 0x55; /* the checksum is open */
	m = fake_inject_split(&w.port, frame, n, first < n ? first : n, each);
	m->flags = MBUF_RX_CSUM_NONE | MBUF_USO;
	m->gso_size = size;
	received = got_len = got_longest = 0;
	fake_forget(&w.port);
	net_stack_poll(&w.st);
}

/* Each answer is a datagram of its own: lengths, sums and payload. */
static void check_answers(unsigned len, unsigned size)
{
	for (unsigned i = 0, at = 0; at < len; i++, at += size) {
		const struct fake_frame *f = fake_sent(&w.port, i);
		const unsigned part = len - at < size ? len - at : size;

		cr_assert_eq(f->len, 42 + part);
		cr_assert_eq(f->flags, 0);
		cr_assert_eq(f->bytes[16] << 8 | f->bytes[17], (int)(28 + part));
		cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
		cr_assert_eq(f->bytes[38] << 8 | f->bytes[39], (int)(8 + part));
		cr_assert_eq(frame_udp_sum(f->bytes + 34, 8 + part, OUR_IP, PEER_IP), 0xffff);
		cr_assert_eq(memcmp(f->bytes + 42, data + at, part), 0);
	}
}

Test(udp_uso, come_one_by_one_where_nobody_said_otherwise)
{
	static const struct {
		unsigned len, first, each;
		uint16_t size;
	} cases[] = {
	    {PAYLOAD, 2000, 1, 1000}, {PAYLOAD, 100, 77, 1000}, {PAYLOAD, 42, 33, 1472},
	    {1000, 2000, 1, 500},     {1000, 60, 33, 333},      {128, 2000, 1, 1},
	    {128, 50, 7, 1},          {1, 2000, 1, 1},          {1000, 2000, 1, 1000},
	    {1000, 500, 600, 60000},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const unsigned n = (cases[i].len + cases[i].size - 1) / cases[i].size;
		const uint64_t before = w.nif->stats.rx_delivered;

		arrives(cases[i].len, cases[i].size, cases[i].first, cases[i].each);
		cr_assert_eq(received, n, "case %zu: %u of %u", i, received, n);
		cr_assert_eq(got_len, cases[i].len);
		cr_assert_eq(memcmp(got, data, got_len), 0);
		cr_assert_eq(w.nif->stats.rx_delivered, before + n);
		cr_assert_eq(w.port.nb_tx, n);
		check_answers(cases[i].len, cases[i].size);
	}
}

Test(udp_uso, more_than_any_sender_makes_are_dropped)
{
	arrives(129, 1, 2000, 1);
	cr_assert_eq(received, 0);
	arrives(129, 0, 2000, 1);
	cr_assert_eq(received, 0);
	pcb->takes_uso = true;
	w.port.dev.tx_offloads = MBUF_TX_CSUM | MBUF_USO;
	arrives(129, 1, 2000, 1);
	cr_assert_eq(received, 0);
	cr_assert_eq(w.nif->stats.drop_udp_length, 3);
}

Test(udp_uso, without_payload_there_is_nothing_to_cut)
{
	arrives(0, 100, 2000, 1);
	cr_assert_eq(received, 0);
	cr_assert_eq(w.nif->stats.drop_udp_length, 1);
}

Test(udp_uso, what_finds_no_buffer_is_counted)
{
	struct mbuf *held[256];
	unsigned n =
	    mempool_get_bulk(w.port.dev.queue[0].pool, held, w.port.dev.queue[0].pool->n - 3);

	arrives(1000, 100, 2000, 1);
	cr_assert_eq(received, 3);
	cr_assert_eq(w.nif->stats.drop_no_mbuf, 7);
	while (n)
		mempool_put(held[--n]);
}

Test(udp_uso, come_and_go_in_one_where_everybody_can)
{
	const struct fake_frame *f;

	pcb->takes_uso = true;
	w.port.dev.tx_offloads = MBUF_TX_CSUM | MBUF_USO;
	arrives(PAYLOAD, 1000, 100, 300);
	cr_assert_eq(received, 1);
	cr_assert_eq(got_len, PAYLOAD);
	f = fake_sent(&w.port, 0);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(f->len, 42 + PAYLOAD);
	cr_assert_eq(f->flags, MBUF_TX_CSUM | MBUF_USO);
	cr_assert_eq(f->gso_size, 1000);
	cr_assert_eq(f->csum_start, 34);
	cr_assert_eq(f->csum_offset, 6);
	/* the sum of the pseudo header, with the length of the whole */
	cr_assert_eq(frame_udp_sum(f->bytes + 34, 0, OUR_IP, PEER_IP) + 8 + PAYLOAD,
	             (f->bytes[40] << 8 | f->bytes[41]));
}

Test(udp_uso, come_singly_where_the_way_back_is_too_narrow)
{
	static const uint32_t offloads[] = {0, MBUF_TX_CSUM, MBUF_TX_CSUM | MBUF_TSO4};

	pcb->takes_uso = true;
	for (unsigned i = 0; i < 3; i++) {
		w.port.dev.tx_offloads = offloads[i];
		arrives(PAYLOAD, 1000, 2000, 1);
		cr_assert_eq(received, 2);
		cr_assert_eq(got_longest, 1000);
	}
	w.port.dev.tx_offloads = MBUF_TX_CSUM | MBUF_USO;
	arrives(PAYLOAD, 1472, 2000, 1);
	cr_assert_eq(received, 1, "just so");
	answer = -EMSGSIZE;
	arrives(PAYLOAD, 1473, 2000, 1);
	cr_assert_eq(received, 2);
	cr_assert_eq(w.nif->stats.tx_too_long, 1);
}

Test(udp_uso, a_port_that_nobody_has_is_answered_once)
{
	struct frame_spec s = FRAME_TO_US;
	struct mbuf *m;

	s.dport = 9;
	m = fake_inject(&w.port, frame, frame_udp(frame, &s, data, 1000));
	m->flags = MBUF_RX_CSUM_GOOD | MBUF_USO;
	m->gso_size = 10;
	net_stack_poll(&w.st);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(fake_sent(&w.port, 0)->bytes[34], 3);
	cr_assert_eq(w.nif->stats.drop_no_port, 1);
}

/* ---- VLAN --------------------------------------------------------------------------------- */

static unsigned tagged_arrives(uint16_t tci, uint32_t flags)
{
	struct mbuf *m = fake_inject(&w.port, frame, frame_udp(frame, &FRAME_TO_US, data, 100));

	m->flags = flags;
	m->vlan_tci = tci;
	received = 0;
	got_len = 0;
	net_stack_poll(&w.st);
	return received;
}

Test(udp_uso, a_frame_of_a_vlan_is_not_ours_though_its_tag_is_gone)
{
	w.port.dev.rx_offloads = MBUF_RX_VLAN;
	cr_assert_eq(tagged_arrives(5, MBUF_RX_VLAN), 0);
	cr_assert_eq(tagged_arrives(0xe001, MBUF_RX_VLAN), 0);
	cr_assert_eq(w.nif->stats.drop_proto, 2);
	cr_assert_eq(tagged_arrives(0xe000, MBUF_RX_VLAN), 1, "of no VLAN: a priority only");
	cr_assert_eq(tagged_arrives(5, 0), 1, "of another packet");
}
