/*
 * The vector bodies against the small device: every packet once, whole, with all fields that a
 * received packet has; every buffer back in the pool.
 */
#include "tests/unit/plat_test.h"
#include "tests/vec/ring_dev.h"
#include "tests/vec/vec_set.h"

#include <string.h>

#define PACKETS_MAX ((1u << 17) + 1000)
#define SEG_BYTES 60
#define HDR VIRTIO_NET_HDR_LEN
#define USED_BEFORE 0x5a5a5a5a

static struct {
	const struct vec_run *r;
	uint64_t seq;     /* of the next packet that the device writes or expects */
	unsigned segs;    /* of which it has written so many buffers */
	bool full;        /* it fills each completely */
	uint64_t batched; /* packets that show that they were one of eight */
	uint64_t written; /* buffers in all */
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

/* Forget the last run. */
static void run_start(const struct vec_run *r)
{
	run.r = r;
	run.seq = run.written = run.batched = 0;
	run.segs = 0;
	run.full = false;
	run.wrong = NULL;
	memset(run.seen, 0, r->packets * sizeof(run.seen[0]));
	ring_port_open(&run.port, features_of(r), r->nentries);
}

/* Pieces of a packet: some have two to four. */
static unsigned segs_of(const struct vec_run *r, uint64_t seq)
{
	return r->chains && mix(seq) % r->chains == 0 ? 2 + mix(seq) % 3 : 1;
}

static uint32_t pkt_len_of(const struct vec_run *r, uint64_t seq)
{
	const unsigned segs = segs_of(r, seq);

	if (run.full)
		return MEMPOOL_DATA_ROOM;
	return segs == 1 ? len_of(seq) : segs * SEG_BYTES;
}

/* ---- receiving ---------------------------------------------------------------------------- */

static uint32_t device_writes(void *arg, uint64_t iova, uint32_t len)
{
	uint8_t *va = plat_test_va(iova);
	const unsigned segs = segs_of(run.r, run.seq);
	const struct virtio_net_hdr hdr = {.num_buffers = (uint16_t)(run.r->mrg ? segs : 0)};
	uint32_t used = SEG_BYTES;

	(void)arg;
	if (len != HDR + MEMPOOL_DATA_ROOM)
		run.wrong = "length of a posted buffer";
	if (!run.segs++) {
		used = HDR + pkt_len_of(run.r, run.seq) - (segs - 1) * SEG_BYTES;
		memcpy(va, &hdr, sizeof(hdr));
		va += HDR;
	}
	memcpy(va, &run.seq, sizeof(run.seq));
	run.written++;
	if (run.segs == segs) {
		run.segs = 0;
		run.seq++;
	}
	return used;
}

/* Complete up to @n packets, those of several buffers only when there is room for them, and then by
 * themselves and in order. */
static void device_receives(struct ring_dev *d, unsigned n, uint64_t taken)
{
	if (!run.r->chains) {
		ring_dev_run(d, n);
		return;
	}
	for (; n; n--) {
		const unsigned segs = segs_of(run.r, run.seq);
		const uint64_t posted = taken + d->vq->nentries - d->vq->free_cnt;

		if (posted - run.written < segs)
			break;
		ring_dev_run(d, segs);
	}
}

/* Are the further buffers of the packet there, with as much as the device has written? */
static bool chain_is_whole(const struct mbuf *m, uint64_t seq)
{
	unsigned segs = 1;

	for (m = m->next; m; m = m->next, segs++) {
		uint64_t own;

		memcpy(&own, mbuf_data(m), sizeof(own));
		if (own != seq || m->data_len != SEG_BYTES || m->data_off != NETDEV_HEADROOM - HDR)
			return false;
	}
	return segs == segs_of(run.r, seq);
}

static const char *check_packet(const struct mbuf *m)
{
	uint64_t seq;

	memcpy(&seq, mbuf_data(m), sizeof(seq));
	if (m->data_off != NETDEV_HEADROOM || m->port != 7 ||
	    m->buf_len != NETDEV_HEADROOM + MEMPOOL_DATA_ROOM)
		return "fields of a received packet";
	if (m->flags || m->packet_type || m->pool != run.port.pool)
		return "flags, type or pool of a received packet";
	if (seq >= run.seq || run.seen[seq])
		return "a packet came twice, or from nowhere";
	run.seen[seq] = true;
	run.batched += !m->hash; /* which a packet taken alone keeps from its last life */
	if (m->nb_segs != segs_of(run.r, seq) || !chain_is_whole(m, seq))
		return "buffers of a received packet";
	if (m->pkt_len != pkt_len_of(run.r, seq) ||
	    m->data_len != m->pkt_len - (m->nb_segs - 1u) * SEG_BYTES)
		return "length of a received packet";
	return run.wrong;
}

/* As it may come back from who had it. */
static void make_used(struct mbuf *m)
{
	m->hash = USED_BEFORE;
	m->flags = USED_BEFORE;
}

const char *vec_run_rx(const struct vec_set *set, const struct vec_run *r)
{
	const netdev_burst_fn rx = r->packed ? (r->mrg ? set->rx_packed_mrg : set->rx_packed)
	                                     : (r->mrg ? set->rx_split_mrg : set->rx_split);
	struct ring_port *p = &run.port;
	struct mbuf *pkts[64];
	uint64_t bytes = 0, taken = 0;
	unsigned got = 0;

	run_start(r);
	run.full = r->batch > 1;
	for (unsigned i = 0; i < p->pool->n; i++)
		make_used(p->pool->stack[i]);
	p->rxq.port = 7;
	p->rx.batch = r->batch;
	p->rx.order = (enum ring_dev_order)r->order;
	p->rx.buffer = device_writes;
	rx(&p->rxq, NULL, 0);
	for (unsigned i = 0; got < r->packets; i++) {
		const unsigned want = r->packets - (unsigned)run.seq;
		const unsigned some = r->whole ? 64 : mix(r->seed + i) % 70;

		if (i > 100 * r->packets)
			return "packets are missing";
		device_receives(&p->rx, some < want ? some : want, taken);

		const uint16_t n = rx(&p->rxq, pkts, r->burst);

		if (n > r->burst)
			return "more packets than were asked for";
		for (unsigned k = 0; k < n; k++) {
			const char *bad = check_packet(pkts[k]);

			if (bad)
				return bad;
			bytes += pkts[k]->pkt_len;
			taken += pkts[k]->nb_segs;
			make_used(pkts[k]);
			mbuf_free(pkts[k]);
		}
		got += n;
	}
	if (p->rxq.stats.packets != got || p->rxq.stats.bytes != bytes || p->rxq.stats.errors)
		return "counters";
	if (r->whole && run.batched != got)
		return "packets of whole batches are taken one by one";
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
	/* eight are sent with more of their headroom cleared than the header */
	run.batched += !memcmp(va + HDR - VEC_HDR_CLEAR, zero, VEC_HDR_CLEAR - HDR);
	run.seq++;
	return 0;
}

static struct mbuf *make_packet(struct mempool *pool, const struct vec_run *r, uint64_t seq)
{
	const unsigned segs = segs_of(r, seq);
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

	run_start(r);
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
		ring_dev_run(&p->tx, r->whole ? 64 : mix(r->seed + i) % 70);
		if (run.wrong)
			return run.wrong;
	}
	for (uint64_t seq = 0; seq < made; seq++)
		bytes += pkt_len_of(r, seq);
	if (p->txq.stats.packets != sent || p->txq.stats.bytes != bytes || p->txq.stats.errors)
		return "counters";
	if (r->whole && run.batched != sent)
		return "packets of whole batches are sent one by one";
	/* as many as the ring has are taken back when there is no room for more */
	p->txq.reclaim_at = UINT16_MAX;
	tx(&p->txq, pkts, 0);
	if (p->txq.vq.free_cnt != r->nentries)
		return "descriptors are missing";
	return ring_port_drain(p) ? NULL : "buffers are missing";
}
