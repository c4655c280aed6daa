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
#include "drivers/virtio/vq_split.h"
#include <arch/cpu.h>

/* Give the device buffers for all descriptors that are free. */
static NOINLINE void vnet_rx_refill(struct vnet_rxq *q)
{
	struct virtqueue *vq = &q->vq;
	struct mbuf *fresh[VNET_BATCH];
	const unsigned per_buf = q->hdr_alone ? 2 : 1;
	unsigned room = (unsigned)(vq->free_cnt - q->keep_free) / per_buf;
	unsigned added = 0;

	while (added < room) {
		unsigned n = room - added < VNET_BATCH ? room - added : VNET_BATCH;
		unsigned got = mempool_get_bulk(q->pool, fresh, n);

		for (unsigned i = 0; i < got; i++) {
			struct mbuf *m = fresh[i];
			const uint64_t iova = m->iova + NETDEV_HEADROOM - q->hdr_len;
			const struct vq_buf whole = {iova, q->buf_bytes};
			const struct vq_buf split[2] = {
			    {iova, q->hdr_len}, {iova + q->hdr_len, q->buf_bytes - q->hdr_len}};

			if (likely(per_buf == 1))
				vq_split_add(vq, &whole, 1, VRING_DESC_F_WRITE, m);
			else
				vq_split_add(vq, split, 2, VRING_DESC_F_WRITE, m);
		}
		added += got;
		if (unlikely(got < n)) {
			q->stats.nombuf += n - got;
			break;
		}
	}
	if (!added)
		return;
	vq_split_publish(vq);
	if (vq_split_need_kick(vq))
		virtqueue_notify(vq);
}

/* A length that does not fit the buffer: the device wrote, or says that it wrote, outside of it. */
COLD static void vnet_rx_bad_length(struct vnet_rxq *q, uint32_t len)
{
	if (len > q->buf_bytes)
		virtqueue_break(&q->vq, "used length above the buffer's capacity");
}

/* Link the further @more buffers of a frame behind @head. False when the device did not deliver
 * them; then @head is still one good packet to be freed. */
static NOINLINE bool vnet_rx_merge(struct vnet_rxq *q, struct mbuf *head, unsigned more)
{
	struct mbuf *tail = head;

	for (; more; more--) {
		struct vq_used used;

		if (!vq_split_used_pop(&q->vq, &used)) {
			/* all buffers of a frame become used together (virtio 5.1.6.4.1) */
			if (!q->vq.broken)
				virtqueue_break(&q->vq, "num_buffers above what was used");
			return false;
		}

		struct mbuf *m = used.cookie;

		m->next = NULL;
		m->data_off = (uint16_t)(NETDEV_HEADROOM - q->hdr_len);
		m->data_len = (uint16_t)used.len;
		tail->next = m;
		tail = m;
		if (unlikely(used.len > q->buf_bytes)) {
			vnet_rx_bad_length(q, used.len);
			return false;
		}
		head->nb_segs++;
		head->pkt_len += used.len;
	}
	return true;
}

/* Make a packet of the first buffer of a frame. NULL: dropped and counted. */
ALWAYS_INLINE struct mbuf *vnet_rx_packet(struct vnet_rxq *q, const struct vq_used *used,
                                          const unsigned path)
{
	const uint16_t hdr_len = (path & VNET_MRG) ? VIRTIO_NET_HDR_LEN : q->hdr_len;
	const uint32_t data_len = used->len - hdr_len;
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
	if (unlikely(data_len > q->data_room)) {
		vnet_rx_bad_length(q, used->len);
		goto drop;
	}
	if (path & VNET_MRG) {
		const uint16_t nb = vnet_hdr_num_buffers(m);

		if (unlikely(nb != 1) && (!nb || !vnet_rx_merge(q, m, nb - 1u)))
			goto drop;
	}
	return m;
drop:
	q->stats.errors++;
	mbuf_free(m);
	return NULL;
}

/** vnet_rx_burst() - netdev_rx_burst() for a path (virtio 5.1.6.4) */
ALWAYS_INLINE uint16_t vnet_rx_burst(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n,
                                     const unsigned path)
{
	uint64_t bytes = 0;
	uint16_t done = 0;
	struct vq_used used;

	while (done < n && vq_split_used_pop(&q->vq, &used)) {
		struct mbuf *m = vnet_rx_packet(q, &used, path);

		if (unlikely(!m))
			continue;
		cpu_prefetch(mbuf_data(m));
		bytes += m->pkt_len;
		pkts[done++] = m;
	}
	q->stats.packets += done;
	q->stats.bytes += bytes;
	if (q->vq.free_cnt >= q->refill_at && likely(!q->vq.broken))
		vnet_rx_refill(q);
	return done;
}

#endif
