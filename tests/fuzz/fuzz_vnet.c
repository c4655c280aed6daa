/*
 * The fuzzer is the network device (virtio 2.7, 2.8, 5.1), on every path of the driver. After each
 * step the books are checked: every mbuf is in exactly one place, the pool, the driver's slots or
 * our hands; packets are whole; a broken queue does nothing any more; stop brings everything home.
 */
#include "drivers/virtio/virtio_net.h"
#include "drivers/virtio/vq.h"
#include "kernel/errno.h"
#include "kernel/options.h"
#include "tests/fuzz/fuzz_vnet_dev.h"
#include "tests/unit/plat_test.h"
#include "tests/vec/host_isa.h"

#include <stdio.h>
#include <string.h>

#define OURS_MAX 64
#define MBUFS_MAX 4096
#define STEPS_MAX 512
#define BURST_MAX 64

struct world {
	struct fuzz_dev d;
	struct vnet *vn;
	struct netdev *dev;
	bool started;
	bool lost; /* the device did not stop: it keeps what it has */
	unsigned starts;

	uint8_t *mbufs; /* the pool's elements: size, distance */
	size_t stride;

	struct mbuf *ours[OURS_MAX]; /* packets */
	unsigned nb_ours;
	uint64_t received, received_bytes, accepted;
};

/* ---- the books ---------------------------------------------------------------------------- */

static uint8_t seen[MBUFS_MAX];

static void count_mbuf(const struct world *w, const struct mbuf *m, const char *where)
{
	const size_t at = (size_t)((const uint8_t *)m - w->mbufs);
	const size_t i = at / w->stride;

	if ((const uint8_t *)m < w->mbufs || at % w->stride || i >= w->dev->queue[0].pool->size)
		fuzz_require(false, "%s: no mbuf of the pool", where);
	if (seen[i])
		fuzz_require(false, "mbuf %zu is in two places, one is %s", i, where);
	seen[i] = 1;
}

static unsigned count_packet(const struct world *w, const struct mbuf *m, const char *where)
{
	unsigned n = 0;

	for (; m; m = m->next, n++)
		count_mbuf(w, m, where);
	return n;
}

static void check_positions(const struct virtqueue *vq)
{
	fuzz_require(vq->free_cnt <= vq->nentries, "%u of %u descriptors are free", vq->free_cnt,
	             vq->nentries);
	fuzz_require(!vq->is_packed || (vq->packed.used_pos < vq->nentries &&
	                                vq->packed.avail_pos < vq->nentries),
	             "positions %u and %u of %u", vq->packed.used_pos, vq->packed.avail_pos,
	             vq->nentries);
}

/* Where vector code works, the ids that are not with the device wait in a queue as long as the
 * ring. */
static void check_ids(const struct virtqueue *vq)
{
	memset(seen, 0, vq->nentries);
	for (unsigned i = 0; i < vq->free_cnt; i++) {
		const uint16_t id = vq->ids[(vq->avail_idx + i) & (vq->nentries - 1u)];

		fuzz_require(id < vq->nentries && !vq->slot[id].cookie, "id %u is not free", id);
		fuzz_require(!seen[id], "id %u is free twice", id);
		seen[id] = 1;
	}
}

static void check_books(const struct world *w)
{
	const struct mempool *pool = w->dev->queue[0].pool;
	const struct virtqueue *rx = &w->vn->rxq[0].vq, *tx = &w->vn->txq[0].vq;
	unsigned n = 0;

	fuzz_require(pool->n <= pool->size, "%u free mbufs of %u", pool->n, pool->size);
	memset(seen, 0, pool->size);
	for (unsigned i = 0; i < pool->n; i++, n++)
		count_mbuf(w, pool->stack[i], "the pool");
	for (unsigned i = 0; i < w->nb_ours; i++)
		n += count_packet(w, w->ours[i], "in our hands");
	for (unsigned id = 0; w->started && id < rx->nentries; id++) {
		if (rx->slot[id].cookie) {
			count_mbuf(w, rx->slot[id].cookie, "the Rx ring");
			n++;
		}
	}
	for (unsigned id = 0; w->started && id < tx->nentries; id++)
		n += count_packet(w, tx->slot[id].cookie, "the Tx ring");
	fuzz_require(w->lost || n == pool->size, "%u mbufs of %u are somewhere", n, pool->size);
	if (w->started) {
		check_positions(rx);
		check_positions(tx);
	}
	if (w->started && rx->ids && !rx->broken)
		check_ids(rx);
	if (w->started && tx->ids && !tx->broken)
		check_ids(tx);
}

static void check_counters(const struct world *w)
{
	struct netdev_stats s = {0};

	w->dev->ops->stats(w->dev, 0, &s);
	fuzz_require(s.rx_packets == w->received && s.rx_bytes == w->received_bytes,
	             "%llu packets received, %llu counted", (unsigned long long)w->received,
	             (unsigned long long)s.rx_packets);
	fuzz_require(s.tx_packets + s.tx_errors == w->accepted,
	             "%llu packets accepted, %llu counted", (unsigned long long)w->accepted,
	             (unsigned long long)(s.tx_packets + s.tx_errors));
	fuzz_require(w->d.vd.stats.broken <= FUZZ_QUEUES * (uint64_t)w->starts,
	             "a queue broke more than once");
}

static void check_received(const struct world *w, const struct mbuf *m)
{
	const struct mbuf *s = m;
	uint32_t len = 0;
	unsigned segs = 0;

	do {
		fuzz_require(segs < w->dev->queue[0].pool->size, "a packet without end");
		fuzz_require(s->data_off + s->data_len <= s->buf_len, "data outside of the buffer");
		len += s->data_len;
		segs++;
	} while ((s = s->next));
	fuzz_require(m->pkt_len == len, "pkt_len %u, segments %u", m->pkt_len, len);
	fuzz_require(m->nb_segs == segs, "nb_segs %u of %u", m->nb_segs, segs);
	fuzz_require(m->data_off == NETDEV_HEADROOM + ((m->flags & MBUF_RX_VLAN) ? 4 : 0) &&
	                 !(m->flags & ~w->dev->rx_offloads),
	             "offset %u, flags %x", m->data_off, m->flags);
	fuzz_require(
	    !(m->flags & MBUF_RX_CSUM_NONE) ||
		(m->csum_start >= 14 && m->csum_start + m->csum_offset + 2u <= m->data_len),
	    "checksum at %u + %u of %u", m->csum_start, m->csum_offset, m->data_len);
	fuzz_require(!(m->flags & MBUF_GSO) ||
	                 (m->gso_size && (m->flags & (MBUF_RX_CSUM_NONE | MBUF_RX_CSUM_GOOD))),
	             "segments of %u, flags %x", m->gso_size, m->flags);
	fuzz_require(!(m->flags & MBUF_RX_HASH) ||
	                 (m->hash_type && m->hash_type <= VIRTIO_NET_HASH_REPORT_MAX),
	             "hash of type %u", m->hash_type);
}

/* ---- what the driver is asked to do ------------------------------------------------------- */

static void do_rx(struct world *w, struct fuzz_in *in)
{
	const struct virtqueue *vq = &w->vn->rxq[0].vq;
	const unsigned room = OURS_MAX - w->nb_ours;
	const unsigned kicks = w->d.queue[FUZZ_RX].notified;
	const bool broken = vq->broken;
	const uint8_t wish = fuzz_u8(in);
	const uint16_t want = (uint16_t)min_u64(wish % (BURST_MAX + 1u), room);
	struct mbuf *pkts[BURST_MAX];
	const uint16_t n = netdev_rx_burst(w->dev, 0, pkts, want);

	fuzz_require(n <= want, "%u packets of %u", n, want);
	fuzz_require(!broken || (vq->broken && !n), "packets from a broken queue");
	fuzz_require(w->d.queue[FUZZ_RX].notified <= kicks + 1, "more than one kick in a burst");
	for (unsigned i = 0; i < n; i++) {
		check_received(w, pkts[i]);
		w->received++;
		w->received_bytes += pkts[i]->pkt_len + ((pkts[i]->flags & MBUF_RX_VLAN) ? 4 : 0);
		w->ours[w->nb_ours++] = pkts[i];
	}
}

/* A packet of our own; NULL when the pool is empty. Each segment is at an odd place. */
static struct mbuf *make_packet(struct world *w, struct fuzz_in *in)
{
	const uint8_t shape = fuzz_u8(in);
	const unsigned segs = (shape & 3) == 3 ? 1u + shape / 8 : 1;
	struct mbuf *head = NULL, *tail = NULL;

	for (unsigned i = 0; i < segs; i++) {
		struct mbuf *m = mbuf_alloc(w->dev->queue[0].pool);

		if (!m)
			break;
		m->data_off = (uint16_t)(MBUF_HEADROOM_MIN + (shape & 4) * 8u);
		m->data_len = (uint16_t)(1 + (shape * 37u + i) % mbuf_tailroom(m));
		if (tail) {
			tail->next = m;
			head->nb_segs++;
		} else {
			head = m;
		}
		head->pkt_len += m->data_len;
		tail = m;
	}
	return head;
}

/* Offloads that an application might ask for. */
static void set_offloads(const struct world *w, struct mbuf *m, struct fuzz_in *in)
{
	m->flags = fuzz_u16(in) & w->dev->tx_offloads;
	m->csum_start = fuzz_u8(in);
	m->csum_offset = fuzz_u8(in);
	m->gso_size = fuzz_u16(in);
}

static void do_tx(struct world *w, struct fuzz_in *in)
{
	const struct virtqueue *vq = &w->vn->txq[0].vq;
	const unsigned kicks = w->d.queue[FUZZ_TX].notified;
	const uint8_t how = fuzz_u8(in);
	const unsigned want = how & 31;
	struct mbuf *pkts[32];
	uint16_t n = 0, sent;

	for (; n < want; n++) {
		if ((how & 128) && w->nb_ours) /* forward what was received */
			pkts[n] = w->ours[--w->nb_ours];
		else
			pkts[n] = make_packet(w, in);
		if (!pkts[n])
			break;
		if (how & 64)
			set_offloads(w, pkts[n], in);
		else
			(void)netdev_tx_prepare(w->dev, pkts[n]); /* sent in any case */
	}

	const bool broken = vq->broken;

	sent = netdev_tx_burst(w->dev, 0, pkts, n);
	fuzz_require(sent <= n, "%u packets of %u", sent, n);
	fuzz_require(!broken || (vq->broken && !sent), "a broken queue takes packets");
	fuzz_require(w->d.queue[FUZZ_TX].notified <= kicks + 1, "more than one kick in a burst");
	w->accepted += sent;
	for (unsigned i = sent; i < n; i++)
		mbuf_free(pkts[i]);
}

static void do_free(struct world *w, struct fuzz_in *in)
{
	for (unsigned n = fuzz_u8(in) & 63; n && w->nb_ours; n--)
		mbuf_free(w->ours[--w->nb_ours]);
}

static void do_start(struct world *w)
{
	w->starts++;
	w->started = w->dev->ops->start(w->dev) == 0;
}

static void do_stop(struct world *w)
{
	w->dev->ops->stop(w->dev);
	w->started = false;
	if (w->d.resets_left)
		w->lost = true;
}

static void do_interrupts(struct world *w, bool on)
{
	struct virtqueue *vq = &w->vn->rxq[0].vq;

	if (vq->is_packed)
		vq_packed_intr_set(vq, on);
	else
		vq_split_intr_set(vq, on);
}

static void see_counter(void *arg, const char *direction, int queue, const char *name,
                        uint64_t value)
{
	const struct world *w = arg;

	(void)value;
	fuzz_require(direction && name && queue >= -1 && queue < (int)w->dev->nb_queues,
	             "a counter of queue %d", queue);
}

/* Commands with a result. */
static void do_ask(struct world *w, bool coalesce)
{
	const struct netdev_queue_id id = {0, coalesce};
	struct netdev_coalesce c;

	if (!coalesce)
		w->dev->ops->xstats(w->dev, see_counter, w);
	else
		(void)w->dev->ops->get_coalesce(w->dev, &id, &c);
}

static void step(struct world *w, struct fuzz_in *in)
{
	const uint8_t what = fuzz_u8(in);

	switch (what & 15) {
	case 0:
	case 1:
	case 2:
		do_rx(w, in);
		break;
	case 3:
	case 4:
		do_tx(w, in);
		break;
	case 5:
		do_free(w, in);
		break;
	case 6:
		w->dev->ops->link_poll(w->dev);
		break;
	case 7:
		do_interrupts(w, what & 16);
		break;
	case 8:
		do_stop(w);
		break;
	case 9:
		(void)w->dev->ops->set_lro(w->dev, what & 16);
		break;
	case 10:
		do_ask(w, what & 16);
		break;
	default:
		fuzz_dev_act(&w->d);
		break;
	}
}

/* ---- one input ---------------------------------------------------------------------------- */

/* What the user asks for. A vector path is refused with some offloads, so none has to be there. */
static void wish(struct fuzz_in *in)
{
	static const char *const isas[] = {"auto", "avx2", "sse", "scalar"};
	const uint8_t vec = fuzz_u8(in), offloads = fuzz_u8(in);
	char line[256];

	snprintf(line, sizeof(line),
	         "net.vectorized=%u isa=%s net.rx_offloads=off%s%s%s%s net.tx_offloads=off%s%s",
	         vec & 1, isas[vec >> 1 & 3], (offloads & 1) ? ",csum" : "",
	         (offloads & 2) ? ",lro" : "", (offloads & 4) ? ",vlan_strip" : "",
	         (offloads & 8) ? ",rss_hash" : "", (offloads & 16) ? ",csum,tso,uso" : "",
	         (offloads & 32) ? ",vlan_insert" : "");
	fuzz_require(options_parse(line, "fuzz") == 0, "%s: %s", line, plat_test_output());
}

static bool probe(struct world *w, struct fuzz_in *in)
{
	const size_t budget = 16384u + 2048u * fuzz_u8(in);
	const struct mempool *pool;

	w->dev = virtio_net_probe(&w->d.vd, budget);
	if (!w->dev)
		return false;
	w->vn = container_of(w->dev, struct vnet, dev);
	pool = w->dev->queue[0].pool;
	fuzz_require(pool->size <= MBUFS_MAX && pool->size >= 2, "a pool of %u", pool->size);

	/* the lowest address is on top of a new pool's stack */
	w->mbufs = (uint8_t *)pool->stack[pool->size - 1];
	w->stride = (size_t)((uint8_t *)pool->stack[pool->size - 2] - w->mbufs);
	return true;
}

static void finish(struct world *w)
{
	while (w->nb_ours)
		mbuf_free(w->ours[--w->nb_ours]);
	if (w->started)
		do_stop(w);
	check_books(w);
	fuzz_require(w->lost || w->dev->queue[0].pool->n == w->dev->queue[0].pool->size,
	             "%u mbufs of %u are home", w->dev->queue[0].pool->n,
	             w->dev->queue[0].pool->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	struct world *w = &world;
	struct fuzz_in in = {data, data + size};

	memset(w, 0, sizeof(*w));
	fuzz_quiet();
	fuzz_memory(8u << 20);
	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	plat_test_time_step_ns = 1000000;
	plat_test_isa = vec_host_isa();
	fuzz_dev_open(&w->d, &in);
	wish(&in);
	if (!probe(w, &in))
		return 0;

	for (unsigned i = 0; i < STEPS_MAX && fuzz_more(&in) && !w->lost; i++) {
		if (!w->started)
			do_start(w);
		else
			step(w, &in);
		check_books(w);
		check_counters(w);
	}
	finish(w);
	return 0;
}
