/* A port without a device, and the peer behind it. */
#include "tests/unit/fake_netdev.h"
#include "net/arp.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

const uint8_t our_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 2};
const uint8_t other_mac[6] = {0x02, 0, 0, 0, 0, 0x99};
const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* ---- the port ----------------------------------------------------------------------------- */

static uint16_t fake_rx_burst(void *queue, struct mbuf **pkts, uint16_t n)
{
	const struct fake_queue *q = queue;
	struct fake_netdev *f = q->port;
	uint16_t got = 0;

	while (got < n && f->rx_tail != f->rx_head &&
	       f->rx_queue[f->rx_tail % FAKE_RX_MAX] == q->index)
		pkts[got++] = f->rx[f->rx_tail++ % FAKE_RX_MAX];
	return got;
}

/* A driver relies on these. */
static void fake_check_sent(const struct mbuf *m)
{
	unsigned segs = 0;
	uint32_t len = 0;

	cr_assert_geq(m->data_off, MBUF_HEADROOM_MIN, "no room for the driver's header");
	for (const struct mbuf *s = m; s; s = s->next) {
		cr_assert_leq(s->data_off + s->data_len, s->buf_len, "data outside the buffer");
		len += s->data_len;
		segs++;
	}
	cr_assert_eq(len, m->pkt_len, "pkt_len %u, segments %u", m->pkt_len, len);
	cr_assert_eq(segs, m->nb_segs, "nb_segs %u, segments %u", m->nb_segs, segs);
	cr_assert_eq(m->flags & ~(MBUF_TX_CSUM | MBUF_USO), 0, "receive flags are sent: %x",
	             m->flags);
}

static uint16_t fake_tx_burst(void *queue, struct mbuf **pkts, uint16_t n)
{
	const struct fake_queue *q = queue;
	struct fake_netdev *f = q->port;
	uint16_t done = 0;

	for (; done < n && f->tx_room; done++, f->tx_room--) {
		struct mbuf *m = pkts[done];

		cr_assert_lt(f->nb_tx, FAKE_TX_MAX, "more frames than the test expects");

		struct fake_frame *t = &f->tx[f->nb_tx++];

		fake_check_sent(m);
		t->len = 0;
		t->queue = q->index;
		t->flags = m->flags;
		t->csum_start = m->csum_start;
		t->csum_offset = m->csum_offset;
		t->gso_size = m->gso_size;
		for (struct mbuf *s = m; s; s = s->next) {
			cr_assert_leq(t->len + s->data_len, FAKE_FRAME_MAX);
			memcpy(t->bytes + t->len, mbuf_data(s), s->data_len);
			t->len += s->data_len;
		}
		mbuf_free(m);
	}
	return done;
}

void fake_netdev_init(struct fake_netdev *f)
{
	memset(f, 0, sizeof(*f));
	f->rx_pool = mempool_create("test rx", 128, MEMPOOL_DATA_ROOM);
	f->dev = (struct netdev){
	    .rx_burst = fake_rx_burst,
	    .tx_burst = fake_tx_burst,
	    .queue = f->queues,
	    .nb_queues = 1,
	    .mtu = 1500,
	    .link_up = true,
	};
	f->queues[0].pool = mempool_create("test", 256, MEMPOOL_DATA_ROOM);
	cr_assert(f->rx_pool && f->queues[0].pool);
	for (uint16_t i = 0; i < FAKE_QUEUES_MAX; i++) {
		f->of[i] = (struct fake_queue){.port = f, .index = i};
		f->queues[i].rx = f->queues[i].tx = &f->of[i];
		f->queues[i].pool = f->queues[0].pool;
	}
	f->tx_room = UINT32_MAX;
	memcpy(f->dev.mac, our_mac, 6);
}

static struct mbuf *fake_segment(struct fake_netdev *f, const uint8_t *bytes, unsigned len)
{
	struct mbuf *m;

	cr_assert_eq(mempool_get_bulk(f->rx_pool, &m, 1), 1, "the test injects too much at once");
	ASAN_UNPOISON_MEMORY_REGION(mbuf_buf(m), m->buf_len);
	mbuf_reset(m);
	memset(mbuf_buf(m), 0xee, m->buf_len);
	cr_assert_leq(len, mbuf_tailroom(m));
	if (len)
		memcpy(mbuf_data(m), bytes, len);
	m->data_len = (uint16_t)len;
	ASAN_POISON_MEMORY_REGION(mbuf_data(m) + len, mbuf_tailroom(m));
	return m;
}

struct mbuf *fake_inject_split(struct fake_netdev *f, const void *bytes, unsigned len,
                               unsigned first, unsigned each)
{
	unsigned at = first < len ? first : len;
	struct mbuf *m = fake_segment(f, bytes, at), *last = m;

	for (unsigned n; at < len; at += n) {
		n = len - at < each ? len - at : each;
		last->next = fake_segment(f, (const uint8_t *)bytes + at, n);
		last = last->next;
		m->nb_segs++;
	}
	m->pkt_len = len;
	cr_assert_lt(f->rx_head - f->rx_tail, FAKE_RX_MAX);
	f->rx_queue[f->rx_head % FAKE_RX_MAX] = f->inject_queue;
	f->rx[f->rx_head++ % FAKE_RX_MAX] = m;
	return m;
}

struct mbuf *fake_inject(struct fake_netdev *f, const void *bytes, unsigned len)
{
	return fake_inject_split(f, bytes, len, len, 1);
}

const struct fake_frame *fake_sent(const struct fake_netdev *f, unsigned i)
{
	cr_assert_lt(i, f->nb_tx, "frame %u was expected, %u were sent", i, f->nb_tx);
	return &f->tx[i];
}

void fake_forget(struct fake_netdev *f)
{
	f->nb_tx = 0;
}

unsigned fake_leaks(const struct fake_netdev *f)
{
	return f->rx_pool->size - f->rx_pool->n + f->dev.queue[0].pool->size -
	       f->dev.queue[0].pool->n;
}

/* ---- the world ---------------------------------------------------------------------------- */

void fake_world_start(struct fake_world *w, const char *options)
{
	uint8_t frame[64];

	memset(w, 0, sizeof(*w));
	fake_netdev_init(&w->port);
	options_reset();
	options_declare(net_stack_options, net_stack_nb_options);
	cr_assert_eq(options_parse(options, "test"), 0);
	w->now_ns = plat_test_time_ns = 5000000000ull;
	cr_assert_eq(net_stack_init(&w->st), 0);
	cr_assert_eq(net_stack_add_port(&w->st, &w->port.dev), 0);
	w->nif = &w->st.ifs[0];
	if (!w->nif->ip)
		return;
	fake_inject(&w->port, frame,
	            frame_arp(frame, ARP_OP_REQUEST, peer_mac, PEER_IP, NULL, w->nif->ip));
	net_stack_poll(&w->st);
	w->nif->stats = (struct net_if_stats){0};
	fake_forget(&w->port);
}

void fake_world_turn(struct fake_world *w, uint64_t ms)
{
	for (uint64_t t = 0; t < ms; t += 100) {
		w->now_ns += 100000000;
		net_stack_timers(&w->st, w->now_ns);
		net_stack_poll(&w->st);
	}
}

uint64_t fake_dropped(const struct net_if_stats *s)
{
	return s->drop_short + s->drop_not_for_us + s->drop_proto + s->drop_ip_header +
	       s->drop_ip_csum + s->drop_fragment + s->drop_udp_csum + s->drop_udp_length +
	       s->drop_no_port + s->drop_no_mbuf + s->drop_icmp + s->drop_arp + s->drop_ttl +
	       s->drop_no_route + s->drop_too_long;
}

/* ---- frames ------------------------------------------------------------------------------- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint16_t frame_sum(const uint8_t *p, unsigned len, uint32_t start)
{
	uint32_t sum = start;

	for (unsigned i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t frame_udp_sum(const uint8_t *udp, unsigned len, be32 src, be32 dst)
{
	uint8_t pseudo[12];

	memcpy(pseudo, &src, 4);
	memcpy(pseudo + 4, &dst, 4);
	put16(pseudo + 8, 17);
	put16(pseudo + 10, len);
	return frame_sum(udp, len, frame_sum(pseudo, 12, 0));
}

void frame_fix_ip_csum(uint8_t *frame)
{
	put16(frame + 24, 0);
	put16(frame + 24, (uint16_t)~frame_sum(frame + 14, (frame[14] & 15u) * 4, 0));
}

unsigned frame_ip(uint8_t *out, const struct frame_spec *s, const void *payload, unsigned len)
{
	unsigned hdr_len = 20 + s->options_len;

	memcpy(out, s->dst_mac, 6);
	memcpy(out + 6, s->src_mac, 6);
	put16(out + 12, 0x0800);
	memset(out + 14, 0, hdr_len);
	out[14] = (uint8_t)(0x40 | hdr_len / 4);
	put16(out + 16, hdr_len + len);
	put16(out + 18, 0x1234);
	put16(out + 20, s->frag);
	out[22] = 17; /* TTL: a host takes any */
	out[23] = s->proto;
	memcpy(out + 26, &s->src, 4);
	memcpy(out + 30, &s->dst, 4);
	if (s->options_len)
		memcpy(out + 34, s->options, s->options_len);
	frame_fix_ip_csum(out);
	if (len)
		memcpy(out + 14 + hdr_len, payload, len);
	return 14 + hdr_len + len;
}

unsigned frame_udp(uint8_t *out, const struct frame_spec *s, const void *payload, unsigned len)
{
	struct frame_spec ip = *s;
	uint8_t udp[FAKE_FRAME_MAX];

	cr_assert_leq(len, sizeof(udp) - 8 - 34);
	put16(udp, s->sport);
	put16(udp + 2, s->dport);
	put16(udp + 4, len + 8);
	put16(udp + 6, 0);
	if (len)
		memcpy(udp + 8, payload, len);

	uint16_t csum = (uint16_t)~frame_udp_sum(udp, len + 8, s->src, s->dst);

	put16(udp + 6, csum ? csum : 0xffff);
	ip.proto = 17;
	return frame_ip(out, &ip, udp, len + 8);
}

unsigned frame_icmp(uint8_t *out, const struct frame_spec *s, uint8_t type, uint8_t code,
                    const void *payload, unsigned len)
{
	struct frame_spec ip = *s;
	uint8_t icmp[FAKE_FRAME_MAX] = {type, code};

	memcpy(icmp + 4, payload, len);
	put16(icmp + 2, (uint16_t)~frame_sum(icmp, len + 4, 0));
	ip.proto = 1;
	return frame_ip(out, &ip, icmp, len + 4);
}

unsigned frame_arp(uint8_t *out, uint16_t op, const uint8_t *sha, be32 spa, const uint8_t *tha,
                   be32 tpa)
{
	memcpy(out, tha ? tha : broadcast_mac, 6);
	memcpy(out + 6, sha, 6);
	put16(out + 12, 0x0806);
	put16(out + 14, 1);
	put16(out + 16, 0x0800);
	out[18] = 6;
	out[19] = 4;
	put16(out + 20, op);
	memcpy(out + 22, sha, 6);
	memcpy(out + 28, &spa, 4);
	memset(out + 32, 0, 6);
	if (tha)
		memcpy(out + 32, tha, 6);
	memcpy(out + 38, &tpa, 4);
	return 42;
}
