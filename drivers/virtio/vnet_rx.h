/*
 * The receive body. One function for all paths: @path is a literal in each wrapper, so what a path
 * does not need is compiled away. Buffers come back from the device, their lengths are checked
 * against their capacity, frames that were spread over several buffers (MRG_RXBUF) are linked, and
 * the ring is filled up again.
 *
 *	posted buffer:  | net header |          data room          |
 *	                ^ headroom - hdr_len    ^ headroom
 *	first segment:               |<- frame ...                 |
 *	next segments:  |<- frame goes on here, there is no header |
 */
#ifndef DRIVERS_VIRTIO_VNET_RX_H
#define DRIVERS_VIRTIO_VNET_RX_H

#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vnet_offload.h"
#include "drivers/virtio/vq.h"
#include <arch/cpu.h>

/* ---- refill ------------------------------------------------------------------------------- */

/* Only a split ring may have the header in a descriptor of its own. */
ALWAYS_INLINE unsigned vnet_rx_ring(const unsigned path)
{
	return (path & VNET_RING) | (path & VNET_PACKED ? VQ_ONE : 0);
}

/* Hand @n buffers from the top of the pool to the device; the descriptors for them are free. */
ALWAYS_INLINE void vnet_rx_add(struct vnet_rxq *q, unsigned n, const unsigned path)
{
	struct mbuf *const *fresh = mempool_take(q->pool, n);
	const uint64_t offset = NETDEV_HEADROOM - (uint64_t)q->hdr_len;
	const uint32_t len = q->buf_bytes;
	struct virtqueue vq = q->vq;

	for (unsigned i = 0; i < n; i++) {
		const struct vq_buf buf = {fresh[i]->iova + offset, len};

		vq_add(&vq, &buf, 1, fresh[i], VRING_DESC_F_WRITE | vnet_rx_ring(path));
	}
	vq_publish(&vq, path & VNET_RING);
	virtqueue_save(&q->vq, &vq, path & VNET_RING);
}

/* The same for legacy devices without ANY_LAYOUT: the header has a descriptor to itself. */
static COLD void vnet_rx_add_alone(struct vnet_rxq *q, unsigned n)
{
	struct mbuf *const *fresh = mempool_take(q->pool, n);

	for (unsigned i = 0; i < n; i++) {
		const uint64_t data = fresh[i]->iova + NETDEV_HEADROOM;
		const struct vq_buf two[2] = {{data - q->hdr_len, q->hdr_len},
		                              {data, q->data_room}};

		vq_split_add(&q->vq, two, 2, fresh[i], VRING_DESC_F_WRITE);
	}
	vq_split_publish(&q->vq);
}

/* Give the device buffers for the descriptors that are free. */
ALWAYS_INLINE void vnet_rx_refill_ring(struct vnet_rxq *q, const unsigned path)
{
	unsigned n = (unsigned)(q->vq.free_cnt - q->keep_free);

	if (unlikely(q->hdr_alone))
		n /= 2;
	if (unlikely(n > q->pool->n)) {
		q->stats.nombuf += !q->starved;
		q->starved = true;
		n = q->pool->n;
		if (!n)
			return;
	} else {
		q->starved = false;
	}
	if (unlikely(q->hdr_alone))
		vnet_rx_add_alone(q, n);
	else
		vnet_rx_add(q, n, path);
	if (vq_need_kick(&q->vq, path & VNET_RING))
		virtqueue_notify(&q->vq);
}

/* Once a burst a call costs little, and mergeable or not is the same here. */
static NOINLINE void vnet_rx_refill_split(struct vnet_rxq *q)
{
	vnet_rx_refill_ring(q, 0);
}

static NOINLINE void vnet_rx_refill_split_in_order(struct vnet_rxq *q)
{
	vnet_rx_refill_ring(q, VNET_IN_ORDER);
}

static NOINLINE void vnet_rx_refill_packed(struct vnet_rxq *q)
{
	vnet_rx_refill_ring(q, VNET_PACKED);
}

static NOINLINE void vnet_rx_refill_packed_in_order(struct vnet_rxq *q)
{
	vnet_rx_refill_ring(q, VNET_PACKED | VNET_IN_ORDER);
}

ALWAYS_INLINE void vnet_rx_refill(struct vnet_rxq *q, const unsigned path)
{
	if (path & VNET_PACKED)
		(path & VNET_IN_ORDER ? vnet_rx_refill_packed_in_order : vnet_rx_refill_packed)(q);
	else
		(path & VNET_IN_ORDER ? vnet_rx_refill_split_in_order : vnet_rx_refill_split)(q);
}

/* ---- packets ------------------------------------------------------------------------------ */

/* Where buffers come from: those that were taken out of the ring already but not looked into, their
 * used length in pkt_len; then the ring. */
struct vnet_rx_source {
	struct virtqueue *vq;
	struct mbuf **taken;
	unsigned nb_taken;
};

/** vnet_rx_pop_late() - vq_used_pop() for the rest of a frame that goes on behind its burst */
COLD bool vnet_rx_pop_late(struct virtqueue *vq, struct vq_used *out, unsigned ring);

ALWAYS_INLINE bool vnet_rx_next(struct vnet_rx_source *src, struct vq_used *out,
                                const unsigned path)
{
	struct mbuf *m;

	if (!(path & VNET_MRG))
		return vq_used_pop(src->vq, out, vnet_rx_ring(path));
	if (unlikely(!src->nb_taken))
		return vnet_rx_pop_late(src->vq, out, vnet_rx_ring(path));
	m = *src->taken++;
	src->nb_taken--;
	*out = (struct vq_used){.cookie = m, .len = m->pkt_len};
	return true;
}

/* After a lie nobody knows where the next frame begins. */
static COLD void vnet_rx_abandon(struct mbuf **bufs, unsigned n)
{
	for (; n; n--) {
		struct mbuf *m = *bufs++;

		m->next = NULL;
		mbuf_free(m);
	}
}

/* Link the further @more buffers of a frame behind @head. False when the device did not deliver
 * them; then @head is still one good packet to be freed. */
ALWAYS_INLINE bool vnet_rx_merge(const struct vnet_rxq *q, struct vnet_rx_source *src,
                                 struct mbuf *head, unsigned more, const unsigned path)
{
	struct mbuf *tail = head;

	for (; more; more--) {
		struct vq_used used;

		if (!vnet_rx_next(src, &used, path)) {
			/* all buffers of a frame become used together (virtio 5.1.9.4.1) */
			if (!src->vq->broken)
				virtqueue_break(src->vq, "num_buffers above what was used");
			return false;
		}

		struct mbuf *m = used.cookie;

		m->next = NULL;
		m->data_off = (uint16_t)(NETDEV_HEADROOM - q->hdr_len);
		m->data_len = (uint16_t)used.len;
		tail->next = m;
		tail = m;
		if (virtqueue_lie(used.len > q->buf_bytes)) {
			virtqueue_break(src->vq, "used length above the buffer's capacity");
			return false;
		}
		head->nb_segs++;
		head->pkt_len += used.len;
	}
	return true;
}

/* Make a packet of the first buffer of a frame. False: it is to be dropped. */
ALWAYS_INLINE bool vnet_rx_packet(const struct vnet_rxq *q, struct vnet_rx_source *src,
                                  const struct vq_used *used, const unsigned path)
{
	const uint32_t data_len = used->len - q->hdr_len;
	struct mbuf *m = used->cookie;

	m->next = NULL;
	m->data_off = NETDEV_HEADROOM;
	m->nb_segs = 1;
	m->port = q->port;
	m->flags = 0;
	m->packet_type = 0;
	m->data_len = (uint16_t)data_len;
	m->pkt_len = data_len;
	/* one comparison for both ends: a length below the header wraps to a huge one */
	if (virtqueue_lie(data_len > q->data_room)) {
		if (used->len > q->buf_bytes)
			virtqueue_break(src->vq, "used length above the buffer's capacity");
		return false;
	}
	if (path & VNET_MRG) {
		const uint16_t nb = vnet_hdr_num_buffers(m, q->hdr_len);

		if (unlikely(nb != 1))
			return nb && vnet_rx_merge(q, src, m, nb - 1u, path);
	}
	return true;
}

/* What came back becomes up to @n packets. Return: how many. */
ALWAYS_INLINE uint16_t vnet_rx_packets(struct vnet_rxq *q, struct vnet_rx_source *src,
                                       struct mbuf **pkts, uint16_t n, const unsigned path)
{
	uint64_t bytes = 0;
	uint16_t done = 0;
	struct vq_used used;

	while ((path & VNET_MRG ? src->nb_taken : done < n) && vnet_rx_next(src, &used, path)) {
		struct mbuf *m = used.cookie;

		if (unlikely(!vnet_rx_packet(q, src, &used, path))) {
			q->stats.errors++;
			mbuf_free(m);
			if (!(path & VNET_MRG) || !src->vq->broken)
				continue;
			vnet_rx_abandon(src->taken, src->nb_taken);
			break;
		}
		if (!(path & VNET_MRG))
			cpu_prefetch(mbuf_data(m));
		bytes += m->pkt_len;
		pkts[done++] = m;
	}
	if (unlikely(q->offloads))
		done = vnet_rx_offloads(q, pkts, done, &bytes);
	q->stats.packets += done;
	q->stats.bytes += bytes;
	return done;
}

ALWAYS_INLINE void vnet_rx_refill_if_due(struct vnet_rxq *q, const unsigned path)
{
	if (q->vq.free_cnt >= q->refill_at && likely(!q->vq.broken))
		vnet_rx_refill(q, path);
}

/*
 * A header that tells how many buffers a frame has was written by another processor, and is on its
 * way for as long as the rest of a burst takes: buffers are taken out of the ring first, and the
 * ring is filled, before any of them is looked into.
 */
ALWAYS_INLINE uint16_t vnet_rx_burst_mrg(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n,
                                         const unsigned path)
{
	struct vnet_rx_source src = {.vq = &q->vq, .taken = pkts};
	struct virtqueue vq = q->vq;
	struct vq_used used;

	while (src.nb_taken < n && vq_used_pop(&vq, &used, vnet_rx_ring(path))) {
		struct mbuf *m = used.cookie;

		cpu_prefetch(mbuf_buf(m) + NETDEV_HEADROOM - VIRTIO_NET_HDR_LEN);
		m->pkt_len = used.len;
		pkts[src.nb_taken++] = m;
	}
	virtqueue_save(&q->vq, &vq, path & VNET_RING);
	vnet_rx_refill_if_due(q, path);
	return vnet_rx_packets(q, &src, pkts, n, path);
}

/** vnet_rx_burst() - netdev_rx_burst() for a path (virtio 5.1.9.4); with @n == 0 it only fills the
 * ring */
ALWAYS_INLINE uint16_t vnet_rx_burst(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n,
                                     const unsigned path)
{
	struct virtqueue vq = q->vq;
	struct vnet_rx_source src = {.vq = &vq};
	uint16_t done;

	if (path & VNET_MRG)
		return vnet_rx_burst_mrg(q, pkts, n, path);
	done = vnet_rx_packets(q, &src, pkts, n, path);
	virtqueue_save(&q->vq, &vq, path & VNET_RING);
	vnet_rx_refill_if_due(q, path);
	return done;
}

#endif
