/*
 * The vector bodies against devices that lie in the middle of what would be a whole batch.
 */
#include "tests/vec/ring_dev.h"
#include "tests/vec/vec_set.h"

#include "drivers/virtio/vq_packed.h"

#define NENTRIES 64
#define GIVEN 32
#define FEW 4
#define CAPACITY (VIRTIO_NET_HDR_LEN + MEMPOOL_DATA_ROOM)

static struct ring_port port;

static void tell(const struct virtqueue *vq, bool packed, unsigned at, enum vec_lie lie)
{
	struct vring_used_elem *e = &vq->split.used->ring[at];
	struct vring_packed_desc *d = &vq->packed.desc[at];
	/* of no slot: the first and the last such id, or one that has no 16 bits */
	const uint32_t ids[] = {at & 1   ? NENTRIES
	                        : packed ? 0xffff
	                                 : 0x10000,
	                        at       ? at - 1
	                        : packed ? NENTRIES - 1
	                                 : 1,
	                        packed ? NENTRIES / 2 : NENTRIES - 1};
	const uint32_t len = lie == VEC_LIE_LEN_LONG ? CAPACITY + 1 : VIRTIO_NET_HDR_LEN - 1;

	if (lie <= VEC_LIE_ID_IDLE && packed)
		d->id = (uint16_t)ids[lie];
	else if (lie <= VEC_LIE_ID_IDLE)
		e->id = ids[lie];
	else if (packed)
		d->len = len;
	else
		e->len = len;
}

/* The rest of the run: packets freed, everything taken out of the rings. */
static const char *home(struct mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		mbuf_free(pkts[i]);
	return ring_port_drain(&port) ? NULL : "buffers are missing";
}

const char *vec_run_lie(const struct vec_set *set, bool packed, enum vec_lie lie, unsigned at)
{
	const netdev_burst_fn rx = packed ? set->rx_packed : set->rx_split;
	const bool breaks = lie != VEC_LIE_LEN_SHORT;
	struct mbuf *pkts[2 * GIVEN];
	/* the two ids that belong together: whichever comes second is the lie */
	const unsigned from = !packed && lie == VEC_LIE_ID_REPEATED && !at ? 1 : at;
	uint16_t n;

	ring_port_open(&port, packed ? VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER : 0, NENTRIES);
	port.rxq.keep_free = NENTRIES / 2 - (packed ? 8 : 0);
	port.rxq.refill_at = 0;
	rx(&port.rxq, pkts, 0);
	port.rxq.refill_at = UINT16_MAX;
	ring_dev_run(&port.rx, GIVEN);
	tell(&port.rxq.vq, packed, at, lie);
	n = rx(&port.rxq, pkts, 2 * GIVEN);

	/* an id further on completes, in order, all before it: they come with full lengths */
	if (packed && lie == VEC_LIE_ID_IDLE)
		return n >= at ? home(pkts, n) : "packets before the lie are missing";
	if (n != (breaks ? from : GIVEN - 1))
		return "number of packets";
	if (port.rxq.vq.broken != breaks || port.vd.stats.broken != breaks)
		return "is the queue broken?";
	if (port.rxq.stats.errors != (lie >= VEC_LIE_LEN_LONG))
		return "number of errors";
	if (breaks && rx(&port.rxq, pkts, 2 * GIVEN))
		return "a broken queue gives packets";
	return home(pkts, n);
}

/* @n packets of @segs segments each. Return: how many were accepted. */
static unsigned send_some(netdev_burst_fn tx, unsigned n, unsigned segs)
{
	unsigned accepted = 0;

	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = mbuf_alloc(port.pool), *tail = m;

		m->data_len = 60;
		for (unsigned s = 1; s < segs; s++) {
			tail->next = mbuf_alloc(port.pool);
			tail = tail->next;
			tail->data_len = 60;
		}
		m->nb_segs = (uint16_t)segs;
		m->pkt_len = 60 * segs;
		accepted += tx(&port.txq, &m, 1);
	}
	return accepted;
}

/* Take back what was sent. */
static void reclaim(netdev_burst_fn tx)
{
	port.txq.reclaim_at = UINT16_MAX;
	tx(&port.txq, NULL, 0);
	port.txq.reclaim_at = 0;
}

const char *vec_run_no_tables(const struct vec_set *set)
{
	ring_port_open(&port, 0, NENTRIES);
	port.txq.reclaim_at = 0;
	if (send_some(set->tx_split, 3, 2) != 3)
		return "packets that can never be sent come back";
	if (port.txq.stats.errors != 3 || port.txq.stats.packets ||
	    port.txq.vq.free_cnt != NENTRIES)
		return "counters";
	return port.pool->n == port.pool->size ? home(NULL, 0) : "buffers are missing";
}

const char *vec_run_lie_tx(const struct vec_set *set, bool packed, enum vec_lie lie, unsigned at)
{
	const netdev_burst_fn tx = packed ? set->tx_packed : set->tx_split;
	const bool breaks = lie <= VEC_LIE_ID_IDLE; /* lengths mean nothing */
	const unsigned sent = GIVEN + (packed ? 8 : 0);
	/* the two ids that belong together: whichever comes second is the lie */
	const unsigned from = !packed && lie == VEC_LIE_ID_REPEATED && !at ? 1 : at;
	const struct virtqueue *vq = &port.txq.vq;

	ring_port_open(&port, packed ? VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER : 0, NENTRIES);
	port.txq.reclaim_at = 0;
	send_some(tx, sent, 1);
	ring_dev_run(&port.tx, GIVEN);
	tell(vq, packed, at, lie);
	reclaim(tx);

	const unsigned back = sent - (NENTRIES - vq->free_cnt);

	/* an id further on completes, in order, all before it */
	if (packed && lie == VEC_LIE_ID_IDLE)
		return back >= at ? home(NULL, 0) : "packets before the lie are missing";
	if (back != (breaks ? from : GIVEN))
		return "number of packets";
	if (vq->broken != breaks || port.vd.stats.broken != breaks)
		return "is the queue broken?";
	return home(NULL, 0);
}

const char *vec_run_too_many(const struct vec_set *set, bool tx)
{
	struct ring_port *p = &port;
	struct virtqueue *vq = tx ? &p->txq.vq : &p->rxq.vq;
	struct mbuf *pkts[2 * GIVEN];
	uint16_t n = 0;

	ring_port_open(p, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER, NENTRIES);
	if (tx) {
		for (unsigned i = 0; i < FEW; i++)
			pkts[i] = mbuf_alloc(p->pool);
		set->tx_packed(&p->txq, pkts, FEW);
	} else {
		p->rxq.keep_free = NENTRIES - FEW;
		p->rxq.refill_at = 0;
		set->rx_packed(&p->rxq, pkts, 0);
		p->rxq.refill_at = UINT16_MAX;
	}
	for (uint16_t i = 0; i < GIVEN; i++)
		vq->packed.desc[i] = (struct vring_packed_desc){
		    .len = 100, .id = i, .flags = VQ_PACKED_AVAIL | VQ_PACKED_USED};
	if (tx) {
		p->txq.reclaim_at = UINT16_MAX;
		set->tx_packed(&p->txq, pkts, 0);
	} else {
		n = set->rx_packed(&p->rxq, pkts, GIVEN);
		if (n != FEW)
			return "number of packets";
	}
	if (vq->free_cnt != NENTRIES || !vq->broken)
		return "more came back than was given";
	return home(pkts, n);
}

const char *vec_run_batch_told_twice(const struct vec_set *set, bool tx)
{
	const unsigned last = GIVEN - 11; /* of the batch */
	struct virtqueue *vq = tx ? &port.txq.vq : &port.rxq.vq;
	struct mbuf *pkts[2 * GIVEN];
	uint16_t n = 0;

	ring_port_open(&port, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER, NENTRIES);
	port.txq.reclaim_at = 0;
	port.rxq.keep_free = NENTRIES - GIVEN;
	port.rxq.refill_at = 0;
	if (tx)
		send_some(set->tx_packed, GIVEN, 1);
	else
		set->rx_packed(&port.rxq, pkts, 0);
	port.rxq.refill_at = UINT16_MAX;
	for (uint16_t i = 0; i < GIVEN; i++)
		vq->packed.desc[i] =
		    (struct vring_packed_desc){.len = 100,
		                               .id = i ? i : (uint16_t)last,
		                               .flags = VQ_PACKED_AVAIL | VQ_PACKED_USED};
	if (tx)
		reclaim(set->tx_packed);
	else
		n = set->rx_packed(&port.rxq, pkts, 2 * GIVEN);
	if (n != (tx ? 0 : GIVEN) || vq->free_cnt != NENTRIES || vq->broken)
		return "not all came back once";
	return home(pkts, n);
}

const char *vec_run_beyond(const struct vec_set *set, bool ids)
{
	struct virtqueue *vq = &port.txq.vq;
	/* a packet with many descriptors and one id, so that ids and positions end apart */
	const unsigned segs = ids ? 13 : 9, more = ids ? 11 : 3;
	const uint16_t id = (uint16_t)(1 + more), pos = (uint16_t)((segs + more) % 16);

	ring_port_open(&port, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER, 16);
	port.txq.reclaim_at = 0;
	send_some(set->tx_packed, 1, segs);
	ring_dev_run(&port.tx, 1);
	reclaim(set->tx_packed);
	send_some(set->tx_packed, more, 1);
	ring_dev_run(&port.tx, more);
	reclaim(set->tx_packed);
	if (vq->order_head != id || vq->packed.used_pos != pos)
		return "positions and ids";
	send_some(set->tx_packed, 8, 1);
	for (uint16_t i = 0; i < 8; i++) {
		vq->packed.desc[pos + i].id = (uint16_t)(id + i);
		vq->packed.desc[pos + i].flags = vq->packed.used_flags;
	}
	reclaim(set->tx_packed);
	/* four came back, the fifth is none */
	if (vq->broken != ids || vq->free_cnt != 12)
		return ids ? "an id that there is not" : "a descriptor that there is not";
	return home(NULL, 0);
}
