/*
 * See ring_dev.h.
 */
#include "tests/vec/ring_dev.h"

#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vq.h"
#include "kernel/atomic.h"
#include "kernel/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define DATA_ROOM MEMPOOL_DATA_ROOM

/* ---- the device --------------------------------------------------------------------------- */

struct fetched {
	uint16_t id, nb_desc;
	uint32_t len;
};

static uint32_t use(struct ring_dev *d, uint64_t iova, uint32_t len)
{
	return d->buffer ? d->buffer(d->arg, iova, len) : d->len;
}

static bool split_fetch(struct ring_dev *d, struct fetched *f)
{
	const struct virtqueue *vq = d->vq;

	if (d->pos == ring_load_acquire(&vq->split.avail->idx))
		return false;
	f->id = vq->split.avail->ring[d->pos++ % vq->nentries];

	const struct vring_desc *desc = &vq->split.desc[f->id];

	f->nb_desc = 1;
	f->len = use(d, desc->addr, desc->len);
	while (desc->flags & VRING_DESC_F_NEXT)
		desc = &vq->split.desc[desc->next];
	return true;
}

static bool packed_fetch(struct ring_dev *d, struct fetched *f)
{
	const struct virtqueue *vq = d->vq;
	const struct vring_packed_desc *desc = &vq->packed.desc[d->pos];
	uint16_t flags = ring_load_acquire(&desc->flags);

	if (!(flags & VQ_PACKED_AVAIL) == d->wrap || !(flags & VQ_PACKED_USED) != d->wrap)
		return false;
	*f = (struct fetched){.id = desc->id};
	f->len = use(d, desc->addr, desc->len);
	for (;;) {
		flags = vq->packed.desc[d->pos].flags;
		f->nb_desc++;
		if (++d->pos == vq->nentries) {
			d->pos = 0;
			d->wrap = !d->wrap;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return true;
	}
}

static void split_complete(struct ring_dev *d, const struct fetched *f, unsigned n)
{
	struct virtqueue *vq = d->vq;

	for (unsigned i = 0; i < n; i++) {
		const unsigned at = d->order == RING_DEV_REVERSED               ? n - 1 - i
		                    : d->order == RING_DEV_MIXED && (i ^ 1) < n ? i ^ 1
		                                                                : i;

		vq->split.used->ring[d->used_idx % vq->nentries] =
		    (struct vring_used_elem){f[at].id, f[at].len};
		d->used_idx++;
	}
	ring_store_release(&vq->split.used->idx, d->used_idx);
}

/* @pos and @wrap are where the first of them was. */
static void packed_complete(struct ring_dev *d, const struct fetched *f, unsigned n, uint16_t pos,
                            bool wrap)
{
	struct virtqueue *vq = d->vq;
	const unsigned batch = d->batch ? d->batch : 1;

	for (unsigned i = 0; i < n;) {
		const unsigned k = n - i < batch ? n - i : batch;
		struct vring_packed_desc *desc = &vq->packed.desc[pos];

		desc->id = f[i + k - 1].id;
		desc->len = f[i + k - 1].len;
		ring_store_release(&desc->flags,
		                   (uint16_t)(wrap ? VQ_PACKED_AVAIL | VQ_PACKED_USED : 0));
		for (unsigned j = 0; j < k; j++, i++) {
			pos = (uint16_t)(pos + f[i].nb_desc);
			if (pos >= vq->nentries) {
				pos = (uint16_t)(pos - vq->nentries);
				wrap = !wrap;
			}
		}
	}
}

unsigned ring_dev_run(struct ring_dev *d, unsigned max)
{
	static struct fetched f[RING_DEV_GROUP_MAX];
	const uint16_t pos = d->pos;
	const bool wrap = d->wrap;
	unsigned n = 0;

	if (max > RING_DEV_GROUP_MAX)
		max = RING_DEV_GROUP_MAX;
	while (n < max && (d->vq->is_packed ? packed_fetch(d, &f[n]) : split_fetch(d, &f[n])))
		n++;
	if (d->vq->is_packed)
		packed_complete(d, f, n, pos, wrap);
	else
		split_complete(d, f, n);
	return n;
}

/* ---- the port ----------------------------------------------------------------------------- */

static void notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	struct ring_port *p = container_of(vd, struct ring_port, vd);

	(vq == &p->rxq.vq ? &p->rx : &p->tx)->notified++;
}

static const struct virtio_transport_ops ops = {.name = "ring", .notify = notify};

static void *memory(size_t bytes)
{
	void *p = aligned_alloc(PAGE_SIZE, align_up(bytes, PAGE_SIZE));

	if (!p)
		abort();
	memset(p, 0xa5, bytes);
	return p;
}

/* Until the port is drained: ends, but for what 16 bytes are aligned to, where no memory is. */
static void *guarded(struct ring_port *p, size_t bytes)
{
	const size_t len = align_up(bytes, PAGE_SIZE), all = len + PAGE_SIZE;
	uint8_t *base = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED || p->nb_maps == RING_DEV_MAPS ||
	    mprotect(base + len, PAGE_SIZE, PROT_NONE))
		abort();
	p->map[p->nb_maps].base = base;
	p->map[p->nb_maps++].bytes = all;
	memset(base, 0xa5, len);
	return base + len - align_up(bytes, 16);
}

static void queue_open(struct ring_port *p, struct virtqueue *vq, uint16_t nentries)
{
	*vq = (struct virtqueue){.nentries = nentries, .vd = &p->vd};
	vq->slot = guarded(p, sizeof(*vq->slot) * nentries);
	if (virtio_has(&p->vd, VIRTIO_F_RING_PACKED)) {
		const struct vq_packed_layout l = vq_packed_layout(nentries);

		vq_packed_init(vq, guarded(p, l.bytes), &l);
	} else {
		const struct vq_split_layout l = vq_split_layout(nentries, CACHE_LINE);

		vq->ids = guarded(p, sizeof(*vq->ids) * nentries);
		vq_split_init(vq, guarded(p, l.bytes), &l);
	}
}

/* Every port gets the same memory: there is one at a time. */
static struct mempool *pool_open(unsigned n)
{
	static void *arena;
	const size_t bytes = (size_t)n * (MEMPOOL_DATA_ROOM + 512) + PAGE_SIZE;
	struct mempool *pool;

	free(arena);
	arena = memory(bytes);
	mem_reset();
	mem_add(arena, bytes);
	pool = mempool_create("ring", n, DATA_ROOM);
	if (!pool)
		abort();
	return pool;
}

void ring_port_open(struct ring_port *p, uint64_t features, uint16_t nentries)
{
	const bool in_order = features & VIRTIO_F_IN_ORDER;

	memset(p, 0, sizeof(*p));
	p->vd.ops = &ops;
	p->vd.features = features;
	p->pool = pool_open(2u * nentries + 256);
	p->rxq = (struct vnet_rxq){.pool = p->pool,
	                           .buf_bytes = DATA_ROOM + VIRTIO_NET_HDR_LEN,
	                           .data_room = DATA_ROOM,
	                           .refill_at = nentries < 2 * VNET_BATCH ? 1 : VNET_BATCH,
	                           .hdr_len = VIRTIO_NET_HDR_LEN,
	                           .in_order = in_order};
	p->txq = (struct vnet_txq){
	    .reclaim_at = (uint16_t)(nentries < 2 * VNET_BATCH ? nentries : nentries - VNET_BATCH),
	    .hdr_len = VIRTIO_NET_HDR_LEN,
	    .frame_max = UINT32_MAX,
	    .in_order = in_order};
	queue_open(p, &p->rxq.vq, nentries);
	queue_open(p, &p->txq.vq, nentries);
	p->rxq.vq.full_len = p->rxq.buf_bytes;
	p->rx = (struct ring_dev){.vq = &p->rxq.vq, .wrap = true, .len = VIRTIO_NET_HDR_LEN + 64};
	p->tx = (struct ring_dev){.vq = &p->txq.vq, .wrap = true};
}

bool ring_port_drain(struct ring_port *p)
{
	struct virtqueue *vqs[2] = {&p->rxq.vq, &p->txq.vq};

	for (unsigned i = 0; i < 2; i++) {
		for (unsigned id = 0; id < vqs[i]->nentries; id++) {
			struct mbuf *m = vqs[i]->slot[id].cookie;

			if (m && !i)
				m->next = NULL;
			mbuf_free(m);
		}
	}
	while (p->nb_maps) {
		p->nb_maps--;
		munmap(p->map[p->nb_maps].base, p->map[p->nb_maps].bytes);
	}
	return p->pool->n == p->pool->size;
}
