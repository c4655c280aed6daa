/*
 * The vector bodies against the small device: every packet once, whole, with all fields that a
 * received packet has; every buffer back in the pool.
 */
#include "tests/unit/plat_test.h"
#include "tests/vec/ring_dev.h"
#include "tests/vec/vec_set.h"

#include <string.h>

#define PACKETS_MAX 4096
#define SEG_BYTES 60
#define HDR VIRTIO_NET_HDR_LEN

static struct {
	uint64_t seq; /* of the next packet that the device writes or expects */
	bool seen[PACKETS_MAX];
	const char *wrong;
	struct ring_port port;
} run;

static uint32_t mix(uint64_t n)
{
	n = (n + 1) * 0x9e3779b97f4a7c15ull;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(n >> 32);
}

/* Length of a packet: the shortest, the longest, and what is between. */
static uint32_t len_of(uint64_t seq)
{
	const uint32_t d = mix(seq);

	if (d % 16 == 0)
		return MEMPOOL_DATA_ROOM;
	return d % 16 == 1 ? 8 : 8 + (d >> 8) % (MEMPOOL_DATA_ROOM - 8);
}

static uint64_t features_of(const struct vec_run *r)
{
	return r->packed ? VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER : 0;
}

/* ---- receiving ---------------------------------------------------------------------------- */

static uint32_t device_writes(void *arg, uint64_t iova, uint32_t len)
{
	uint8_t *va = plat_test_va(iova);
	const uint32_t used = HDR + len_of(run.seq);

	(void)arg;
	if (len != HDR + MEMPOOL_DATA_ROOM)
		run.wrong = "length of a posted buffer";
	memset(va, 0, HDR);
	memcpy(va + HDR, &run.seq, sizeof(run.seq));
	run.seq++;
	return used;
}

static const char *check_packet(const struct mbuf *m)
{
	uint64_t seq;

	memcpy(&seq, m->buf + m->data_off, sizeof(seq));
	if (m->data_off != NETDEV_HEADROOM || m->nb_segs != 1 || m->next || m->port != 7 ||
	    m->buf_len != NETDEV_HEADROOM + MEMPOOL_DATA_ROOM)
		return "fields of a received packet";
	if (m->flags || m->packet_type || m->pool != run.port.pool)
		return "flags, type or pool of a received packet";
	if (seq >= run.seq || run.seen[seq])
		return "a packet came twice, or from nowhere";
	run.seen[seq] = true;
	if (m->pkt_len != len_of(seq) || m->data_len != m->pkt_len)
		return "length of a received packet";
	return run.wrong;
}

const char *vec_run_rx(const struct vec_set *set, const struct vec_run *r)
{
	const netdev_burst_fn rx = r->packed ? set->rx_packed : set->rx_split;
	struct ring_port *p = &run.port;
	struct mbuf *pkts[64];
	uint64_t bytes = 0;
	unsigned got = 0;

	memset(&run, 0, sizeof(run));
	ring_port_open(p, features_of(r), r->nentries);
	p->rxq.port = 7;
	p->rx.order = (enum ring_dev_order)r->order;
	p->rx.buffer = device_writes;
	rx(&p->rxq, NULL, 0);
	for (unsigned i = 0; got < r->packets; i++) {
		const unsigned want = r->packets - (unsigned)run.seq;
		const unsigned some = mix(r->seed + i) % 70;

		if (i > 100 * r->packets)
			return "packets are missing";
		ring_dev_run(&p->rx, some < want ? some : want);

		const uint16_t n = rx(&p->rxq, pkts, r->burst);

		for (unsigned k = 0; k < n; k++) {
			const char *bad = check_packet(pkts[k]);

			if (bad)
				return bad;
			bytes += pkts[k]->pkt_len;
			mbuf_free(pkts[k]);
		}
		got += n;
	}
	if (p->rxq.stats.packets != got || p->rxq.stats.bytes != bytes || p->rxq.stats.errors)
		return "counters";
	return ring_port_drain(p) ? NULL : "buffers are missing";
}

/* ---- sending ------------------------------------------------------------------------------ */

static uint32_t device_reads(void *arg, uint64_t iova, uint32_t len)
{
	static const uint8_t zero[HDR];
	const uint8_t *va = plat_test_va(iova);
	uint64_t seq;

	(void)arg;
	memcpy(&seq, va + HDR, sizeof(seq));
	if (memcmp(va, zero, HDR) != 0)
		run.wrong = "net header of a sent packet";
	else if (seq != run.seq)
		run.wrong = "a sent packet is missing, or there twice";
	else if (len < HDR + 8)
		run.wrong = "length of a sent packet";
	run.seq++;
	return 0;
}

static struct mbuf *make_packet(struct mempool *pool, const struct vec_run *r, uint64_t seq)
{
	const unsigned segs = r->chains && mix(seq) % r->chains == 0 ? 2 + mix(seq) % 3 : 1;
	struct mbuf *m = mbuf_alloc(pool), *tail = m;

	memset(mbuf_data(m) - NETDEV_HEADROOM, 0xa5, NETDEV_HEADROOM);
	m->data_off = (uint16_t)(32 + mix(seq) % 45 * 2);
	m->data_len = (uint16_t)(segs == 1 ? len_of(seq) : SEG_BYTES);
	m->pkt_len = m->data_len;
	memcpy(mbuf_data(m), &seq, sizeof(seq));
	for (unsigned i = 1; i < segs; i++) {
		tail->next = mbuf_alloc(pool);
		tail = tail->next;
		tail->data_len = SEG_BYTES;
		m->pkt_len += SEG_BYTES;
		m->nb_segs++;
	}
	return m;
}

const char *vec_run_tx(const struct vec_set *set, const struct vec_run *r)
{
	const netdev_burst_fn tx = r->packed ? set->tx_packed : set->tx_split;
	struct ring_port *p = &run.port;
	struct mbuf *pkts[64];
	uint64_t made = 0, sent = 0, bytes = 0;
	unsigned held = 0;

	memset(&run, 0, sizeof(run));
	ring_port_open(p, features_of(r), r->nentries);
	p->tx.order = (enum ring_dev_order)r->order;
	p->tx.batch = r->batch;
	p->tx.buffer = device_reads;
	for (unsigned i = 0; sent < r->packets || run.seq < sent; i++) {
		if (i > 100 * r->packets)
			return "packets are not sent";
		while (held < r->burst && made < r->packets)
			pkts[held++] = make_packet(p->pool, r, made++);

		const uint16_t n = tx(&p->txq, pkts, (uint16_t)held);

		sent += n;
		held -= n;
		memmove(pkts, pkts + n, held * sizeof(pkts[0]));
		ring_dev_run(&p->tx, mix(r->seed + i) % 70);
		if (run.wrong)
			return run.wrong;
	}
	for (uint64_t seq = 0; seq < made; seq++) {
		const unsigned segs = r->chains && mix(seq) % r->chains == 0 ? 2 + mix(seq) % 3 : 1;

		bytes += segs == 1 ? len_of(seq) : segs * SEG_BYTES;
	}
	if (p->txq.stats.packets != sent || p->txq.stats.bytes != bytes || p->txq.stats.errors)
		return "counters";
	/* as many as the ring has are taken back when there is no room for more */
	p->txq.reclaim_at = UINT16_MAX;
	tx(&p->txq, pkts, 0);
	if (p->txq.vq.free_cnt != r->nentries)
		return "descriptors are missing";
	return ring_port_drain(p) ? NULL : "buffers are missing";
}
