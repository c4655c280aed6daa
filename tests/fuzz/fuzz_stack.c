/*
 * The fuzzer is the network, and the clock: frames of any bytes, or well-formed ones of which a few
 * bytes are changed, with checksums made right so that they get deep into the stack. Invariants:
 * the counters add up, what is sent is whole, and every mbuf comes home.
 */
#include "kernel/options.h"
#include "net/arp.h"
#include "net/csum.h"
#include "net/forward.h"
#include "net/mempool.h"
#include "net/net_stack.h"
#include "net/udp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plat_test.h"

#include <string.h>

#define RX_MAX NETDEV_BURST
#define FRAME_MAX 1514
#define INJECT_MAX (FRAME_MAX + 512)
#define UDP_MAX (INJECT_MAX - ETH_HDR_LEN - IPV4_HDR_LEN - UDP_HEADER_LEN)
#define ECHO_PORT 7
#define CHANGE_PORT 9
#define KEEP_PORT 11
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

static const uint8_t our_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 2};

struct world {
	struct net_stack st;
	struct netdev dev;
	struct netdev_queue queue;
	struct mbuf *rx[RX_MAX];
	unsigned nb_rx, room;
	uint64_t now_ns;
	uint64_t injected;
	uint32_t dhcp_xid; /* of the last message that the stack sent as a client */
	struct mbuf *kept; /* by the application */
	bool several;      /* datagrams in one packet have come */
};

static struct world world;

/* ---- the port ----------------------------------------------------------------------------- */

static uint16_t port_rx(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct world *w = queue;
	const uint16_t got = (uint16_t)min_u64(n, w->nb_rx);

	memcpy(pkts, w->rx, got * sizeof(*pkts));
	memmove(w->rx, w->rx + got, (w->nb_rx - got) * sizeof(*pkts));
	w->nb_rx -= got;
	return got;
}

/* What a driver relies on; and what a DHCP server has to know. */
static void check_sent(struct world *w, struct mbuf *m)
{
	const uint8_t *frame = mbuf_data(m);
	unsigned segs = 0;
	uint32_t len = 0;

	fuzz_require(m->data_off >= MBUF_HEADROOM_MIN, "no room for the driver's header");
	for (const struct mbuf *s = m; s; s = s->next, segs++) {
		fuzz_require(s->data_off + s->data_len <= s->buf_len, "data outside the buffer");
		len += s->data_len;
	}
	fuzz_require(len == m->pkt_len && segs == m->nb_segs, "lengths of a packet that is sent");
	fuzz_require(len >= ETH_HDR_LEN && (len <= FRAME_MAX || (m->flags & MBUF_USO)),
	             "a frame of %u bytes", len);
	fuzz_require(!(m->flags & ~w->dev.tx_offloads), "receive flags are sent: %x", m->flags);
	fuzz_require(!memcmp(frame + 6, our_mac, 6), "a frame that is not from us");
	if (m->data_len > 50 && frame[34] == 0 && frame[35] == 68)
		memcpy(&w->dhcp_xid, frame + 46, sizeof(w->dhcp_xid));
}

static uint16_t port_tx(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct world *w = queue;
	uint16_t sent = 0;

	for (; sent < n && w->room; sent++, w->room--) {
		check_sent(w, pkts[sent]);
		mbuf_free(pkts[sent]);
	}
	return sent;
}

/* ---- the application ---------------------------------------------------------------------- */

static void check_delivered(const struct mbuf *m)
{
	const struct mbuf *s = m;
	unsigned segs = 0;
	uint32_t len = 0;

	do {
		fuzz_require(s->data_off + s->data_len <= s->buf_len, "data outside the buffer");
		len += s->data_len;
		segs++;
	} while ((s = s->next));
	fuzz_require(len == m->pkt_len && segs == m->nb_segs && len <= UDP_MAX,
	             "a datagram of %u bytes, segments %u", m->pkt_len, len);
}

static void app_echo(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	check_delivered(m);
	pcb->takes_uso = true; /* from now on */
	udp_reply_unchanged(pcb, m, from);
}

static void app_change(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	check_delivered(m);
	if (m->data_len)
		mbuf_data(m)[0] ^= 0xff;
	udp_sendto(pcb, m, from);
}

static void app_keep(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	(void)pcb, (void)from;
	check_delivered(m);
	mbuf_free(world.kept);
	world.kept = m;
}

/* ---- frames ------------------------------------------------------------------------------- */

static uint32_t sum16(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i++)
		sum += (i & 1) ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Make the checksums of an IPv4 frame right, wherever its own lengths allow; with @no_udp the
 * datagram has none. */
static void fix_sums(uint8_t *frame, unsigned len, bool no_udp)
{
	uint8_t *ip = frame + ETH_HDR_LEN;
	const unsigned ihl = len > ETH_HDR_LEN ? (ip[0] & 15u) * 4 : 0;

	if (len < ETH_HDR_LEN + 28u || ihl < 20 || ETH_HDR_LEN + ihl + 8 > len)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, fold(sum16(ip, ihl, 0)));

	const unsigned total = (unsigned)ip[2] << 8 | ip[3];
	uint8_t *l4 = ip + ihl;
	const unsigned room = len - ETH_HDR_LEN - ihl;
	unsigned n = total > ihl ? total - ihl : 0;

	if (ip[9] == IP_PROTO_ICMP && n <= room) {
		put16(l4 + 2, 0);
		put16(l4 + 2, fold(sum16(l4, n, 0)));
	} else if (ip[9] == IP_PROTO_UDP) {
		n = (unsigned)l4[4] << 8 | l4[5];
		put16(l4 + 6, 0);
		if (!no_udp && n <= room)
			put16(l4 + 6, fold(sum16(l4, n, sum16(ip + 12, 8, IP_PROTO_UDP + n))));
	}
}

/* The headers of a frame to us, by kind; what follows them comes from the input. */
static unsigned template(const struct world *w, uint8_t kind, uint8_t *f, unsigned payload)
{
	const be32 ip = w->st.ifs[0].ip;
	const unsigned l4 = kind == 1 ? 0 : 8;

	memset(f, 0, ETH_HDR_LEN + 28);
	memcpy(f, kind == 4 || !ip ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : our_mac, 6);
	memcpy(f + 6, peer_mac, 6);
	put16(f + 12, kind == 1 ? ETH_TYPE_ARP : ETH_TYPE_IPV4);
	f += ETH_HDR_LEN;
	if (kind == 1) {
		memcpy(f, "\0\1\10\0\6\4\0\2", 8);
		memcpy(f + 8, peer_mac, 6);
		memcpy(f + 14, "\12\0\2\2", 4);
		memcpy(f + 18, our_mac, 6);
		memcpy(f + 24, &ip, 4);
		return ETH_HDR_LEN + 28;
	}
	f[0] = 0x45;
	put16(f + 2, 20 + l4 + payload);
	f[8] = 64;
	f[9] = kind == 2 ? IP_PROTO_ICMP : IP_PROTO_UDP;
	memcpy(f + 12, "\12\0\2\2", 4);
	memcpy(f + 16, kind == 4 ? (const void *)"\xff\xff\xff\xff" : &ip, 4);
	if (kind == 2) {
		f[20] = ICMP_ECHO;
	} else {
		put16(f + 20, kind == 4 ? DHCP_SERVER_PORT : 4000);
		put16(f + 22, kind == 4 ? DHCP_CLIENT_PORT : ECHO_PORT);
		put16(f + 24, 8 + payload);
	}
	return ETH_HDR_LEN + 20 + l4;
}

/* A server's answer up to the options: who, to whom, which address. */
static unsigned dhcp_head(const struct world *w, uint8_t *p)
{
	memset(p, 0, 240);
	memcpy(p, "\2\1\6\0", 4);
	memcpy(p + 4, &w->dhcp_xid, 4);
	memcpy(p + 16, "\12\0\2\17", 4);
	memcpy(p + 28, our_mac, 6);
	memcpy(p + 236, "\x63\x82\x53\x63", 4);
	return 240;
}

static void inject(struct world *w, const uint8_t *frame, unsigned len, unsigned first,
                   uint8_t gso_size)
{
	struct mbuf *head = NULL, *tail = NULL;
	unsigned at = 0;

	if (w->nb_rx == RX_MAX)
		return;
	do {
		struct mbuf *m = mbuf_alloc(w->dev.queue[0].pool);
		const unsigned n = (unsigned)min_u64(len - at, at || !first ? len - at : first);

		if (!m) {
			mbuf_free(head);
			return;
		}
		memcpy(mbuf_data(m), frame + at, n);
		m->data_len = (uint16_t)n;
		at += n;
		if (tail) {
			tail->next = m;
			head->nb_segs++;
		} else {
			head = m;
		}
		tail = m;
	} while (at < len);
	head->pkt_len = len;
	if (gso_size) {
		head->flags = MBUF_RX_CSUM_NONE | MBUF_USO;
		head->gso_size = gso_size;
		w->several = true;
	}
	w->rx[w->nb_rx++] = head;
	w->injected++;
}

/* kind, length, bytes, then places that are changed. */
static void act_frame(struct world *w, struct fuzz_in *in)
{
	const uint8_t how = fuzz_u8(in), kind = how & 7, nb_changes = fuzz_u8(in) & 7;
	const unsigned payload = fuzz_u8(in) * (how & 8 ? 5u : 1u);
	uint8_t frame[INJECT_MAX];
	unsigned len = 0, first;

	if (kind && kind < 5)
		len = template(w, kind, frame, payload + (kind == 4 ? 240 : 0));
	if (kind == 4)
		len += dhcp_head(w, frame + len);
	fuzz_bytes(in, frame + len, payload);
	len += payload;
	for (unsigned i = 0; i < nb_changes; i++) {
		const unsigned at = fuzz_u8(in);
		const uint8_t v = fuzz_u8(in);

		if (at < len)
			frame[at] = v;
	}
	if (!(how & 16))
		fix_sums(frame, len, how & 64);
	first = (how & 32) ? 1u + fuzz_u8(in) : 0;
	inject(w, frame, len, first, (how & 128) ? fuzz_u8(in) : 0);
}

/* ---- one input ---------------------------------------------------------------------------- */

static void check_counters(const struct world *w)
{
	const struct net_if_stats *s = &w->st.ifs[0].stats;
	const uint64_t sum = s->rx_delivered + s->drop_short + s->drop_not_for_us + s->drop_proto +
	                     s->drop_ip_header + s->drop_ip_csum + s->drop_fragment +
	                     s->drop_udp_csum + s->drop_udp_length + s->drop_no_port +
	                     s->drop_no_mbuf + s->drop_icmp + s->drop_arp + s->rx_forwarded +
	                     s->drop_ttl + s->drop_no_route + s->drop_too_long;

	fuzz_require(s->rx_packets == sum, "%llu packets came in, %llu are accounted for",
	             (unsigned long long)s->rx_packets, (unsigned long long)sum);
	/* several in one become more */
	fuzz_require(w->several ? s->rx_packets + w->nb_rx >= w->injected
	                        : s->rx_packets + w->nb_rx == w->injected,
	             "packets that were not counted");
}

static void turn(struct world *w, uint64_t ns)
{
	w->now_ns = plat_test_time_ns += ns;
	net_stack_timers(&w->st, w->now_ns);
	net_stack_poll(&w->st);
	check_counters(w);
}

static bool start(struct world *w, uint8_t how)
{
	static const char *const options[] = {"net.ip=10.0.2.15/24", "net.ip=dhcp", "net.ip=off",
	                                      "net.ip=10.0.2.15/31 net.gw=10.0.2.14"};
	static const struct route route = {.dst = 0x000000c0, .prefix = 8, .gw = 0x0202000a};

	memset(w, 0, sizeof(*w));
	fuzz_memory(4u << 20);
	options_reset();
	options_declare(net_stack_options, net_stack_nb_options);
	if (options_parse(options[how & 3], "fuzz"))
		return false;
	w->now_ns = plat_test_time_ns = 5 * NS_PER_S;
	plat_test_seed = 1;
	w->room = UINT32_MAX;
	w->queue = (struct netdev_queue){
	    .rx = w, .tx = w, .pool = mempool_create("fuzz", 128, MEMPOOL_DATA_ROOM)};
	w->dev = (struct netdev){
	    .rx_burst = port_rx,
	    .tx_burst = port_tx,
	    .queue = &w->queue,
	    .nb_queues = 1,
	    .mtu = (how & 4) ? NETDEV_MTU_MIN : 1500,
	    .link_up = true,
	    .tx_offloads = (how & 16)  ? MBUF_TX_CSUM | MBUF_USO
	                   : (how & 8) ? MBUF_TX_CSUM
	                               : 0,
	};
	memcpy(w->dev.mac, our_mac, 6);
	return !net_stack_init(&w->st) && ((how >> 5) != 1 || !forward_start(&w->st, &route, 1)) &&
	       udp_bind(&w->st, ECHO_PORT, app_echo, NULL) &&
	       udp_bind(&w->st, CHANGE_PORT, app_change, NULL) &&
	       udp_bind(&w->st, KEEP_PORT, app_keep, NULL) && !net_stack_add_port(&w->st, &w->dev);
}

static void finish(struct world *w)
{
	w->room = UINT32_MAX;
	turn(w, 0);
	turn(w, 0);
	/* nobody answers for those who wait for an address */
	for (unsigned s = 0; s < ARP_TRIES + 3; s++)
		turn(w, NS_PER_S);
	mbuf_free(w->kept);
	fuzz_require(w->dev.queue[0].pool->n == w->dev.queue[0].pool->size,
	             "%u of %u mbufs are home", w->dev.queue[0].pool->n,
	             w->dev.queue[0].pool->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, data + size};
	struct world *w = &world;

	fuzz_quiet();
	fuzz_require(start(w, fuzz_u8(&in)), "the stack does not start");
	while (fuzz_more(&in)) {
		const uint8_t what = fuzz_u8(&in);

		switch (what & 7) {
		case 0:
			turn(w, (what >> 3) * 100 * NS_PER_MS);
			break;
		case 1:
			turn(w, fuzz_u16(&in) * NS_PER_S);
			break;
		case 2:
			w->room = what >> 3;
			break;
		case 3:
			w->room = UINT32_MAX;
			break;
		default:
			act_frame(w, &in);
			break;
		}
	}
	finish(w);
	return 0;
}
