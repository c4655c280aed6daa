/*
 * Memory for a port's queues: rings, private slots, and the pool of packet buffers, sized by what
 * the machine has. Taken once, used again by every start.
 */
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vq.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"

#define POOL_MIN 16                                      /* fewer buffers do not make a port */
#define PAIR_BUFS_MIN 64                                 /* of each pair when there are several */
#define POOL_EXTRA (4u * NETDEV_BURST)                   /* in the hands of the stack */
#define FRAME_ANY_MAX (65589u + VIRTIO_NET_HDR_LEN_HASH) /* virtio 5.1.9.3: the longest */
#define ETHERNET_FRAME_MIN_ROOM 1514u /* virtio 5.1.9.3.1: what a device may always send */
#define LRO_SEGS_MAX (VQ_SEGS_MAX - 1)
#define DATA_ROOM_MAX 32768u /* an mbuf's lengths have 16 bits */

static size_t ring_align(const struct vnet *vn)
{
	return vn->vd->legacy ? VIRTIO_LEGACY_RING_ALIGN : CACHE_LINE;
}

static size_t ring_bytes(const struct vnet *vn, uint16_t nentries)
{
	return virtio_has(vn->vd, VIRTIO_F_RING_PACKED)
	           ? vq_packed_layout(nentries).bytes
	           : vq_split_layout(nentries, ring_align(vn)).bytes;
}

int vnet_ring_alloc(struct vnet *vn, struct virtqueue *vq, uint16_t index, uint16_t nentries)
{
	vq->index = index;
	vq->nentries = nentries;
	vq->vd = vn->vd;
	vq->event_idx = virtio_has(vn->vd, VIRTIO_F_EVENT_IDX);
	vq->slot = mem_alloc("virtqueue slots", sizeof(struct vq_slot) * nentries, CACHE_LINE);
	vq->mem = mem_alloc_shared("virtqueue", ring_bytes(vn, nentries), PAGE_SIZE);
	return vq->slot && vq->mem ? 0 : -ENOMEM;
}

/* The free ids of a split ring that vector code works on. */
static int ids_alloc(const struct vnet *vn, struct virtqueue *vq, const struct vnet_path *path)
{
	if (!path->isa || virtio_has(vn->vd, VIRTIO_F_RING_PACKED))
		return 0;
	vq->ids = mem_alloc("virtqueue ids", sizeof(*vq->ids) * vq->nentries, CACHE_LINE);
	return vq->ids ? 0 : -ENOMEM;
}

/* Tables for packets of several segments; without the memory for them chains do. */
static void indirect_alloc(struct vnet *vn, struct virtqueue *vq)
{
	const size_t bytes = sizeof(struct vring_desc) * VQ_SEGS_MAX * vq->nentries;

	if (!virtio_has(vn->vd, VIRTIO_F_INDIRECT_DESC) ||
	    bytes * vn->nb_queues > mem_free_bytes() / 8)
		return;
	vq->indirect = mem_alloc_shared("indirect tables", bytes, CACHE_LINE);
	if (vq->indirect)
		vq->indirect_iova = plat_iova(vq->indirect);
}

/* The longest frame that may come; with MRG_RXBUF a device may wait for ever for the room that a
 * frame needs. */
static uint64_t frame_longest(const struct vnet *vn)
{
	if (virtio_has(vn->vd, VIRTIO_NET_F_MRG_RXBUF))
		return FRAME_ANY_MAX;
	return max_u64(vn->mtu_max + ETHERNET_OVERHEAD, ETHERNET_FRAME_MIN_ROOM);
}

/* The room a buffer needs so that every frame fits into it, or with MRG_RXBUF into those that the
 * ring has (virtio 5.1.4.2). */
static uint16_t data_room(const struct vnet *vn)
{
	const bool mrg = virtio_has(vn->vd, VIRTIO_NET_F_MRG_RXBUF);
	const unsigned per_buf = vnet_hdr_is_alone(vn->vd) ? 2 : 1;
	unsigned bufs = mrg && vn->rxd >= per_buf ? vn->rxd / per_buf : 1;

	/* what came as several segments in one is to be sent on in one */
	if (vn->dev.rx_offloads & MBUF_GSO)
		bufs = (unsigned)min_u64(bufs, LRO_SEGS_MAX);

	const uint64_t share = align_up((frame_longest(vn) + bufs - 1) / bufs, CACHE_LINE);

	return (uint16_t)min_u64(max_u64(MEMPOOL_DATA_ROOM, share), DATA_ROOM_MAX);
}

/* Buffers of one queue pair. */
static int pool_alloc(struct vnet *vn, uint16_t pair, size_t budget)
{
	const uint16_t room = vn->data_room;
	const unsigned wanted = (unsigned)(vn->rxd + vn->txd) + POOL_EXTRA;
	const size_t memory = min_u64(budget, mem_largest_bytes(CACHE_LINE));
	const unsigned n = (unsigned)min_u64(wanted, mempool_fits(memory, room));
	struct mempool *pool;

	if (n < POOL_MIN) {
		log_err("virtio_net",
		        "%s: memory for %u packet buffers of %u bytes, at least %u are needed; "
		        "give the machine more memory",
		        vn->vd->name, n, room, POOL_MIN);
		return -ENOMEM;
	}
	if (n < wanted && !pair) /* the others fare alike */
		log_info("virtio_net", "%s: %u packet buffers instead of %u, memory is short",
		         vn->vd->name, n, wanted);
	pool = mempool_create(vn->dev.name, n, room);
	vn->rxq[pair].pool = vn->dev.queue[pair].pool = pool;
	return pool ? 0 : -ENOMEM;
}

/* How many buffers the Rx ring is filled with. */
static unsigned rx_fill(const struct vnet *vn, const struct vnet_rxq *q)
{
	const unsigned fill = q->vq.nentries / (q->hdr_alone ? 2u : 1u);

	if (q->pool->size < fill + vn->txd + POOL_EXTRA)
		return (unsigned)min_u64(fill, q->pool->size / 2);
	return fill;
}

static bool holds_longest(const struct vnet *vn, unsigned bufs)
{
	return (uint64_t)bufs * vn->data_room >= frame_longest(vn);
}

static void warn_short(const struct vnet *vn, unsigned bufs, const char *so)
{
	log_warn(
	    "virtio_net",
	    "%s: %u Rx buffers of %u bytes cannot hold a frame of %u bytes, and the device may "
	    "wait for ever for the room (virtio 5.1.4.2); %s",
	    vn->vd->name, bufs, vn->data_room, (unsigned)frame_longest(vn), so);
}

/* When the Rx ring is filled up again. */
static int rx_thresholds(struct vnet *vn, struct vnet_rxq *q)
{
	const unsigned per_buf = q->hdr_alone ? 2 : 1;
	const unsigned fill = rx_fill(vn, q);
	unsigned batch;

	if (!fill) {
		log_err("virtio_net",
		        "%s: %u Rx descriptors are too few, %u are needed; raise net.rxd",
		        vn->vd->name, q->vq.nentries, per_buf);
		return -EINVAL;
	}
	if (q == vn->rxq && !holds_longest(vn, fill))
		warn_short(vn, fill, "raise net.rxd, or give the machine more memory");
	batch =
	    (unsigned)min_u64(max_u64(min_u64(fill / 8, VNET_REFILL_MAX), VNET_BATCH), fill / 4);
	/* the device can do without the buffers that wait for their batch, or there is none */
	if (!batch || !holds_longest(vn, fill - batch))
		batch = 1;
	q->keep_free = (uint16_t)(q->vq.nentries - fill * per_buf);
	q->refill_at = (uint16_t)(q->keep_free + batch * per_buf);
	return 0;
}

/* Sent buffers are freed when some have piled up: not so many that receiving starves, and always
 * in a ring so small that a packet of VQ_SEGS_MAX pieces might wait for them. */
static uint16_t tx_reclaim_at(uint16_t txd, const struct mempool *pool)
{
	if (txd <= VNET_BATCH + VQ_SEGS_MAX)
		return txd;
	return (uint16_t)(txd - min_u64(VNET_BATCH, pool->size / 4));
}

unsigned vnet_queues_afford(const struct vnet *vn, unsigned wanted, size_t budget)
{
	const size_t rings = ring_bytes(vn, vn->rxd) + ring_bytes(vn, vn->txd) + 2 * PAGE_SIZE;
	const size_t slots = (sizeof(struct vq_slot) + sizeof(uint16_t)) * (vn->rxd + vn->txd);
	const size_t bufs = (sizeof(struct mbuf) + NETDEV_HEADROOM + data_room(vn)) * PAIR_BUFS_MIN;
	const size_t fit = max_u64(budget / (rings + slots + bufs), 1);

	if (fit >= wanted)
		return wanted;
	log_warn("virtio_net", "%s: memory for %u queue pairs instead of %u", vn->vd->name,
	         (unsigned)fit, wanted);
	return (unsigned)fit;
}

static int rings_alloc(struct vnet *vn, uint16_t pair)
{
	struct vnet_rxq *rx = &vn->rxq[pair];
	struct vnet_txq *tx = &vn->txq[pair];
	int err = vnet_ring_alloc(vn, &rx->vq, (uint16_t)(2 * pair), vn->rxd);

	if (!err)
		err = vnet_ring_alloc(vn, &tx->vq, (uint16_t)(2 * pair + 1), vn->txd);
	if (!err)
		err = ids_alloc(vn, &rx->vq, vn->choice.rx);
	if (!err)
		err = ids_alloc(vn, &tx->vq, vn->choice.tx);
	if (err) {
		log_err("virtio_net", "%s: no memory for rings of %u and %u entries", vn->vd->name,
		        vn->rxd, vn->txd);
		return err;
	}
	indirect_alloc(vn, &tx->vq);
	rx->hdr_len = tx->hdr_len = vn->hdr_len;
	rx->offloads = vn->dev.rx_offloads;
	rx->gate = &vn->filter.live;
	tx->offloads = vn->dev.tx_offloads;
	tx->full_hdr = tx->offloads || tx->hdr_len > VIRTIO_NET_HDR_LEN;
	tx->frame_max = vn->tx_frame_max;
	rx->mergeable = virtio_has(vn->vd, VIRTIO_NET_F_MRG_RXBUF);
	rx->in_order = tx->in_order = virtio_has(vn->vd, VIRTIO_F_IN_ORDER);
	rx->hdr_alone = tx->hdr_alone = vnet_hdr_is_alone(vn->vd);
	tx->odd = tx->full_hdr || tx->hdr_alone;
	return 0;
}

static int bufs_alloc(struct vnet *vn, uint16_t pair, size_t budget)
{
	struct vnet_rxq *rx = &vn->rxq[pair];
	int err = pool_alloc(vn, pair, budget);

	if (err)
		return err;
	rx->data_room = vn->data_room;
	rx->buf_bytes = rx->data_room + rx->hdr_len;
	rx->vq.full_len = rx->buf_bytes;
	vn->txq[pair].reclaim_at = tx_reclaim_at(vn->txd, rx->pool);
	return rx_thresholds(vn, rx);
}

int vnet_queues_alloc(struct vnet *vn, size_t budget)
{
	const size_t before = mem_free_bytes();
	int err = 0;

	vn->data_room = data_room(vn);
	for (uint16_t i = 0; !err && i < vn->nb_queues; i++)
		err = rings_alloc(vn, i);
	for (uint16_t i = 0; !err && i < vn->nb_queues; i++) {
		const size_t taken = before - mem_free_bytes();
		const size_t left = budget > taken ? budget - taken : 0;

		err = bufs_alloc(vn, i, left / (vn->nb_queues - i));
	}
	return err;
}

void vnet_ring_init(const struct vnet *vn, struct virtqueue *vq)
{
	if (virtio_has(vn->vd, VIRTIO_F_RING_PACKED)) {
		const struct vq_packed_layout l = vq_packed_layout(vq->nentries);

		vq_packed_init(vq, vq->mem, &l);
	} else {
		const struct vq_split_layout l = vq_split_layout(vq->nentries, ring_align(vn));

		vq_split_init(vq, vq->mem, &l);
	}
}

void vnet_queues_init(struct vnet *vn)
{
	for (uint16_t i = 0; i < vn->nb_queues; i++) {
		vnet_ring_init(vn, &vn->rxq[i].vq);
		vnet_ring_init(vn, &vn->txq[i].vq);
		vn->rxq[i].vq.stopped = vn->txq[i].vq.stopped = false;
		vn->rxq[i].port = vn->dev.port;
	}
}

int vnet_ring_resize(struct vnet *vn, struct virtqueue *vq, unsigned nentries)
{
	const bool tx = vq->index & 1;
	struct vnet_rxq *rx = &vn->rxq[vq->index / 2];
	const uint16_t before = vq->nentries;

	if (!nentries || (!vq->is_packed && !is_power_of_two(nentries)))
		return -EINVAL;
	if (nentries > (tx ? vn->txd : vn->rxd))
		return -ENOSPC;
	vq->nentries = (uint16_t)nentries;
	if (tx) {
		vn->txq[vq->index / 2].reclaim_at = tx_reclaim_at(vq->nentries, rx->pool);
		return 0;
	}
	if (holds_longest(vn, rx_fill(vn, rx)))
		return rx_thresholds(vn, rx);
	warn_short(vn, rx_fill(vn, rx), "not resized");
	vq->nentries = before;
	return -EINVAL;
}

/* Return: packets. */
static unsigned queue_drain(struct virtqueue *vq)
{
	unsigned n = 0;

	for (unsigned id = 0; id < vq->nentries; id++) {
		n += vq->slot[id].cookie != NULL;
		mbuf_free(vq->slot[id].cookie);
		vq->slot[id].cookie = NULL;
	}
	return n;
}

void vnet_rxq_drain(struct vnet_rxq *q)
{
	/* a posted Rx buffer is one segment, whatever its last life left in next */
	for (unsigned id = 0; id < q->vq.nentries; id++) {
		struct mbuf *m = q->vq.slot[id].cookie;

		if (m)
			m->next = NULL;
	}
	queue_drain(&q->vq);
}

unsigned vnet_txq_drain(struct vnet_txq *q)
{
	const unsigned n = queue_drain(&q->vq);

	q->lost += n;
	return n;
}

unsigned vnet_queues_drain(struct vnet *vn)
{
	unsigned unsent = 0;

	for (uint16_t i = 0; i < vn->nb_queues; i++) {
		vnet_rxq_drain(&vn->rxq[i]);
		unsent += vnet_txq_drain(&vn->txq[i]);
	}
	return unsent;
}

void vnet_queues_give_up(struct vnet *vn, const char *why)
{
	for (unsigned i = 0; i < vn->nb_queues; i++) {
		virtqueue_give_up(&vn->rxq[i].vq, why);
		virtqueue_give_up(&vn->txq[i].vq, why);
	}
	virtqueue_give_up(&vn->ctrl.vq, why);
}

void vnet_txq_reclaim(struct vnet *vn, struct vnet_txq *q)
{
	const uint16_t at = q->reclaim_at;
	struct mbuf *none[1];

	q->reclaim_at = q->vq.nentries;
	(void)vn->choice.tx->tx(q, none, 0);
	q->reclaim_at = at;
}

/* Received packets that nobody has read yet. No refill, so that they are at most a ring full. */
void vnet_rxq_discard(struct vnet *vn, struct vnet_rxq *q)
{
	const uint16_t at = q->refill_at;
	const struct vnet_queue_stats before = q->stats;
	struct mbuf *pkts[NETDEV_BURST];
	uint16_t n;

	q->refill_at = UINT16_MAX;
	while (!q->vq.broken && (n = vn->choice.rx->rx(q, pkts, NETDEV_BURST)) != 0) {
		q->stats.errors += n;
		for (unsigned i = 0; i < n; i++)
			mbuf_free(pkts[i]);
	}
	q->stats.packets = before.packets;
	q->stats.bytes = before.bytes;
	q->refill_at = at;
}

void vnet_queues_settle(struct vnet *vn)
{
	for (unsigned i = 0; i < vn->nb_active; i++) {
		vnet_rxq_discard(vn, &vn->rxq[i]);
		if (!vn->txq[i].vq.broken)
			vnet_txq_reclaim(vn, &vn->txq[i]);
	}
}
