/*
 * The transmit body. One function for all paths: @path is a literal in each wrapper. Sent buffers
 * are reclaimed when they have piled up, the net header is written into the headroom, and the
 * usual packet of one segment takes one descriptor. A packet of several segments takes one with an
 * indirect table, or else a chain.
 */
#ifndef DRIVERS_VIRTIO_VNET_TX_H
#define DRIVERS_VIRTIO_VNET_TX_H

#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vq_split.h"

/* Free what the device has sent (virtio 2.7.14); the length it reports means nothing here. */
static NOINLINE void vnet_tx_reclaim(struct vnet_txq *q)
{
	struct vq_used used;

	while (vq_split_used_pop(&q->vq, &used))
		mbuf_free(used.cookie);
}

/* The pieces of a packet, net header in front. Return: how many, 0 when there are too many. */
static unsigned vnet_tx_gather(const struct vnet_txq *q, struct mbuf *m, struct vq_buf *bufs)
{
	const uint64_t hdr_iova = mbuf_data_iova(m) - q->hdr_len;
	unsigned n = 0;

	if (q->hdr_alone) {
		bufs[n++] = (struct vq_buf){hdr_iova, q->hdr_len};
		bufs[n++] = (struct vq_buf){mbuf_data_iova(m), m->data_len};
	} else {
		bufs[n++] = (struct vq_buf){hdr_iova, (uint32_t)(q->hdr_len + m->data_len)};
	}
	for (m = m->next; m; m = m->next) {
		if (n == VQ_SEGS_MAX)
			return 0;
		bufs[n++] = (struct vq_buf){mbuf_data_iova(m), m->data_len};
	}
	return n;
}

/* Send a packet that needs several pieces. Return: 1 sent, 0 no room now, -1 it can never be. */
static NOINLINE int vnet_tx_add_segs(struct vnet_txq *q, struct mbuf *m)
{
	struct virtqueue *vq = &q->vq;
	struct vq_buf bufs[VQ_SEGS_MAX];
	const unsigned n = vnet_tx_gather(q, m, bufs);

	if (!n || (!vq->indirect && n > vq->nentries))
		return -1;
	if (vq->free_cnt < (vq->indirect ? 1 : n))
		return 0;
	vnet_hdr_clear(m);
	if (!vq->indirect) {
		vq_split_add(vq, bufs, n, 0, m);
		return 1;
	}

	/* the table belongs to the descriptor that will point to it (virtio 2.7.5.3) */
	const size_t table = (size_t)vq->desc_head * VQ_SEGS_MAX;
	const struct vq_buf one = {vq->indirect_iova + table * sizeof(struct vring_desc),
	                           (uint32_t)(n * sizeof(struct vring_desc))};

	for (unsigned i = 0; i < n; i++)
		vq->indirect[table + i] = (struct vring_desc){
		    .addr = bufs[i].iova,
		    .len = bufs[i].len,
		    .flags = i + 1 < n ? VRING_DESC_F_NEXT : 0,
		    .next = (uint16_t)(i + 1 < n ? i + 1 : 0),
		};
	vq_split_add(vq, &one, 1, VRING_DESC_F_INDIRECT, m);
	return 1;
}

/** vnet_tx_burst() - netdev_tx_burst() for a path (virtio 5.1.6.2) */
ALWAYS_INLINE uint16_t vnet_tx_burst(struct vnet_txq *q, struct mbuf **pkts, uint16_t n,
                                     const unsigned path)
{
	struct virtqueue *vq = &q->vq;
	uint64_t bytes = 0, packets = 0;
	uint16_t i;

	(void)path;
	if (vq->free_cnt < q->reclaim_at || vq->free_cnt < n)
		vnet_tx_reclaim(q);
	if (unlikely(vq->broken))
		return 0;

	for (i = 0; i < n; i++) {
		struct mbuf *m = pkts[i];

		/* read before the device has it: the reclaim of a later turn reuses m */
		const uint32_t len = m->pkt_len;

		if (likely(m->nb_segs == 1 && !q->hdr_alone)) {
			if (unlikely(!vq->free_cnt))
				break;
			vnet_hdr_clear(m);
			const struct vq_buf buf = {mbuf_data_iova(m) - q->hdr_len,
			                           len + q->hdr_len};

			vq_split_add(vq, &buf, 1, 0, m);
		} else {
			int sent = vnet_tx_add_segs(q, m);

			if (!sent)
				break;
			if (sent < 0) {
				q->stats.errors++;
				mbuf_free(m);
				continue;
			}
		}
		packets++;
		bytes += len;
	}
	if (likely(packets)) {
		q->stats.packets += packets;
		q->stats.bytes += bytes;
		vq_split_publish(vq);
		if (vq_split_need_kick(vq))
			virtqueue_notify(vq);
	}
	return i;
}

#endif
