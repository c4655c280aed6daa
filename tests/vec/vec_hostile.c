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

static void tell(bool packed, unsigned at, enum vec_lie lie)
{
	struct virtqueue *vq = &port.rxq.vq;
	struct vring_used_elem *e = &vq->split.used->ring[at];
	struct vring_packed_desc *d = &vq->packed.desc[at];
	const uint32_t ids[] = {packed ? 0xffff : 0x10000,
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
	tell(packed, at, lie);
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
