/*
 * Packets in the model device: frames scattered over receive buffers with their header, merged
 * where that was negotiated, and frames gathered from transmit buffers with every rule that their
 * header has (virtio 5.1.9).
 */
#include "tests/model/vdev_internal.h"

#include <stdlib.h>
#include <string.h>

#define ETH_HEADER_LEN 14
#define FRAME_STANDARD 1514
#define FRAME_LONGEST 65589 /* with a GUEST_TSO or GUEST_USO */
#define GUEST_GSO                                                                                  \
	(VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_USO4 |             \
	 VIRTIO_NET_F_GUEST_USO6)
#define SCRIBBLE 0xa5 /* what lies behind the used length must not matter (2.7.8.3) */

uint32_t vdev_net_hdr_len(const struct vdev *d)
{
	if (vdev_has(d, VIRTIO_NET_F_HASH_REPORT))
		return VIRTIO_NET_HDR_LEN_HASH;
	if (vdev_has(d, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF))
		return VIRTIO_NET_HDR_LEN;
	return VIRTIO_NET_HDR_LEN_LEGACY;
}

/* ---- frames ------------------------------------------------------------------------------- */

static struct vdev_frame *frame_new(uint32_t len)
{
	struct vdev_frame *f = calloc(1, sizeof(*f) + len);

	if (!f)
		abort();
	f->len = len;
	return f;
}

static void frame_push(struct vdev_fifo *fifo, struct vdev_frame *f)
{
	*fifo->tail = f;
	fifo->tail = &f->next;
	fifo->n++;
}

static struct vdev_frame *frame_pop(struct vdev_fifo *fifo)
{
	struct vdev_frame *f = fifo->head;

	if (!f)
		return NULL;
	fifo->head = f->next;
	if (!fifo->head)
		fifo->tail = &fifo->head;
	fifo->n--;
	f->next = NULL;
	return f;
}

void vdev_net_rx_push_hdr(struct vdev *d, unsigned pair, const struct virtio_net_hdr *hdr,
                          const void *data, uint32_t len)
{
	const struct virtio_net_hdr_hash none = {.hdr = *hdr};

	vdev_net_rx_push_hash(d, pair, &none, data, len);
}

void vdev_net_rx_push_hash(struct vdev *d, unsigned pair, const struct virtio_net_hdr_hash *hash,
                           const void *data, uint32_t len)
{
	struct vdev_frame *f = frame_new(len);

	f->hash = *hash;
	memcpy(f->data, data, len);
	frame_push(&d->queue[2 * pair].frames, f);
}

void vdev_net_rx_push(struct vdev *d, unsigned pair, const void *data, uint32_t len)
{
	const struct virtio_net_hdr none = {.flags = 0};

	vdev_net_rx_push_hdr(d, pair, &none, data, len);
}

struct vdev_frame *vdev_net_tx_pop(struct vdev *d, unsigned pair)
{
	return frame_pop(&d->queue[2 * pair + 1].frames);
}

/* ---- the shape of a buffer ---------------------------------------------------------------- */

static void check_rx_buffer(struct vdev_queue *q, const struct vdev_chain *c)
{
	struct vdev *d = q->d;
	const uint32_t hdr_len = vdev_net_hdr_len(d);
	uint32_t need = hdr_len + FRAME_STANDARD;

	if (c->readable)
		vdev_violate(d, "5.1.2: queue %u: device-readable memory in a receive queue",
		             q->index);
	if (vdev_has(d, GUEST_GSO))
		need = hdr_len + FRAME_LONGEST;
	if (vdev_has(d, VIRTIO_NET_F_MRG_RXBUF)) {
		if (c->writable < hdr_len)
			vdev_violate(d, "5.1.9.3.1: queue %u: buffer smaller than the net header",
			             q->index);
		return;
	}
	if (c->writable < need)
		vdev_violate(d, "5.1.9.3.1: queue %u: buffer of %u bytes, less than %u", q->index,
		             c->writable, need);
	need = hdr_len + ETH_HEADER_LEN + d->config.mtu;
	if (vdev_has(d, VIRTIO_NET_F_MTU) && c->writable < need)
		vdev_violate(d, "5.1.4.2: queue %u: buffer of %u bytes for an MTU of %u", q->index,
		             c->writable, d->config.mtu);
}

void vdev_net_check(struct vdev_queue *q, const struct vdev_chain *c)
{
	struct vdev *d = q->d;
	const bool any_layout = vdev_has(d, VIRTIO_F_VERSION_1 | VIRTIO_F_ANY_LAYOUT);

	if (vdev_is_ctrl(q)) {
		vdev_ctrl_check(q, c);
		return;
	}
	if (vdev_is_rx(q))
		check_rx_buffer(q, c);
	else if (c->writable)
		vdev_violate(d, "5.1.2: queue %u: device-writable memory in a transmit queue",
		             q->index);
	if (!any_layout && (c->nb_segs < 2 || c->seg[0].len != vdev_net_hdr_len(d)))
		vdev_violate(d,
		             "5.1.9.8: queue %u: the net header has no descriptor of its own, "
		             "without VIRTIO_F_ANY_LAYOUT",
		             q->index);
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* Where the next byte goes in the buffer in hand. */
struct cursor {
	const struct vdev_chain *c;
	unsigned seg;
	uint32_t offset, written;
};

static uint32_t cursor_write(struct cursor *cur, const uint8_t *data, uint32_t len)
{
	uint32_t done = 0;

	while (done < len && cur->seg < cur->c->nb_segs) {
		const struct vdev_seg *s = &cur->c->seg[cur->seg];
		const uint32_t room = s->len - cur->offset;
		const uint32_t n = len - done < room ? len - done : room;

		memcpy(s->va + cur->offset, data + done, n);
		done += n;
		cur->offset += n;
		if (cur->offset == s->len) {
			cur->seg++;
			cur->offset = 0;
		}
	}
	cur->written += done;
	return done;
}

static void cursor_scribble(struct cursor *cur)
{
	uint32_t left = VDEV_FRAME_MAX;

	for (; cur->seg < cur->c->nb_segs && left; cur->seg++, cur->offset = 0) {
		const struct vdev_seg *s = &cur->c->seg[cur->seg];
		const uint32_t len = (uint32_t)min_u64(s->len - cur->offset, left);

		memset(s->va + cur->offset, SCRIBBLE, len);
		left -= len;
	}
}

/* Takes as many buffers as @bytes need. 0: there are not enough now; the queue keeps them. */
static unsigned rx_gather(struct vdev_queue *q, uint32_t bytes)
{
	const bool merge = vdev_has(q->d, VIRTIO_NET_F_MRG_RXBUF);
	uint64_t room = 0;
	unsigned n = 0;

	while (room < bytes && (n == 0 || merge)) {
		if (!q->nb_pending)
			vdev_fetch(q, 1);

		struct vdev_chain *c = vdev_pick(q);

		if (!c)
			break;
		q->picked[n++] = c;
		room += c->writable;
	}
	if (room >= bytes)
		return n;

	/* back to where they came from */
	memmove(&q->pending[n], q->pending, q->nb_pending * sizeof(q->pending[0]));
	memcpy(q->pending, q->picked, n * sizeof(q->pending[0]));
	q->nb_pending += n;
	if (n && (!merge || n == q->size)) {
		q->dropped++;
		free(frame_pop(&q->frames));
	}
	return 0;
}

static void rx_header(struct vdev_queue *q, struct vdev_frame *f, unsigned n)
{
	f->hdr.num_buffers = (uint16_t)n;
	if (vdev_lie_due(q, VDEV_LIE_NUM_BUFFERS))
		f->hdr.num_buffers = (uint16_t)q->lie_value;
	if (vdev_lie_due(q, VDEV_LIE_CSUM)) {
		f->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		f->hdr.csum_start = (uint16_t)q->lie_value;
	}
}

bool vdev_net_rx_one(struct vdev_queue *q)
{
	const uint32_t hdr_len = vdev_net_hdr_len(q->d);
	struct vdev_frame *f = q->frames.head;

	if (!f || q->torn)
		return false;

	const unsigned n = rx_gather(q, hdr_len + f->len);

	if (!n)
		return q->frames.head != f; /* dropped: go on with the next */
	frame_pop(&q->frames);
	rx_header(q, f, n);

	const bool torn = n > 1 && vdev_lie_due(q, VDEV_LIE_MERGE_TORN);
	uint32_t hdr_done = 0, done = 0;

	for (unsigned i = 0; i < n; i++) {
		struct cursor cur = {.c = q->picked[i]};

		hdr_done +=
		    cursor_write(&cur, (const uint8_t *)&f->hash + hdr_done, hdr_len - hdr_done);
		done += cursor_write(&cur, f->data + done, f->len - done);
		cursor_scribble(&cur);
		if (torn && i + 1 == n) {
			q->torn = q->picked[i];
			q->torn_len = cur.written;
		} else {
			vdev_complete(q, q->picked[i], cur.written);
		}
	}
	q->packets++;
	free(f);
	return true;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Reads the bytes from @from on of a buffer. */
void vdev_gather(const struct vdev_chain *c, uint32_t from, uint8_t *out, uint32_t len)
{
	uint32_t at = 0, done = 0;

	for (unsigned i = 0; i < c->nb_segs && done < len; i++) {
		const struct vdev_seg *s = &c->seg[i];

		if (from < at + s->len) {
			const uint32_t skip = from + done - at;
			const uint32_t n = len - done < s->len - skip ? len - done : s->len - skip;

			memcpy(out + done, s->va + skip, n);
			done += n;
		}
		at += s->len;
	}
}

/* RFC 1071 from csum_start to the end, stored at csum_start + csum_offset */
static void fill_csum(struct vdev_frame *f)
{
	uint32_t sum = 0;
	const unsigned at = (unsigned)f->hdr.csum_start + f->hdr.csum_offset;

	for (uint32_t i = f->hdr.csum_start; i < f->len; i++)
		sum += (i - f->hdr.csum_start) & 1 ? f->data[i] : (uint32_t)f->data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	f->data[at] = (uint8_t)(sum >> 8);
	f->data[at + 1] = (uint8_t)sum;
}

/* Which feature allows a gso_type; 0: none. */
static uint64_t gso_feature(uint8_t type)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return VIRTIO_NET_F_HOST_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return VIRTIO_NET_F_HOST_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return VIRTIO_NET_F_HOST_USO;
	default:
		return 0;
	}
}

/* Where the headers of a segmentable packet end, by what stands in it. */
static uint32_t gso_headers(const struct vdev_frame *f)
{
	if (f->hdr.gso_type == VIRTIO_NET_HDR_GSO_UDP_L4)
		return f->hdr.csum_start + 8u;
	if (f->hdr.csum_start + 20u > f->len)
		return UINT32_MAX;
	return f->hdr.csum_start + (f->data[f->hdr.csum_start + 12] >> 4) * 4u;
}

static void check_tx_gso(struct vdev_queue *q, const struct vdev_frame *f)
{
	struct vdev *d = q->d;
	const uint64_t feature = gso_feature(f->hdr.gso_type);

	if (!vdev_has(d, feature)) {
		vdev_violate(d, "5.1.9.2.1: queue %u: gso_type %u not negotiated", q->index,
		             f->hdr.gso_type);
		return;
	}
	if (!(f->hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		vdev_violate(d, "5.1.9.2.1: queue %u: gso_type %u without NEEDS_CSUM", q->index,
		             f->hdr.gso_type);
	if (!f->hdr.gso_size)
		vdev_violate(d, "5.1.9.2.1: queue %u: gso_size 0", q->index);
	if (vdev_has(d, VIRTIO_NET_F_GUEST_HDRLEN) && f->hdr.hdr_len != gso_headers(f))
		vdev_violate(d, "5.1.9.2.1: queue %u: hdr_len %u of headers of %u bytes", q->index,
		             f->hdr.hdr_len, gso_headers(f));
	if (f->hdr.hdr_len > f->len)
		vdev_violate(d, "5.1.9.2.1: queue %u: hdr_len beyond the frame", q->index);
}

static void check_tx_header(struct vdev_queue *q, struct vdev_frame *f)
{
	struct vdev *d = q->d;
	const uint8_t allowed = vdev_has(d, VIRTIO_NET_F_CSUM) ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0;

	if (f->hdr.flags & ~allowed)
		vdev_violate(d, "5.1.9.2.1: queue %u: header flags 0x%02x not negotiated", q->index,
		             f->hdr.flags);
	if (f->hdr.num_buffers)
		vdev_violate(d, "5.1.9.2.1: queue %u: num_buffers %u", q->index,
		             f->hdr.num_buffers);
	if (f->hash.hash_value || f->hash.hash_report || f->hash.padding)
		vdev_violate(d, "5.1.9.2.1: queue %u: a hash in a sent packet", q->index);
	if (f->hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		check_tx_gso(q, f);
	else if (vdev_has(d, VIRTIO_NET_F_MTU) &&
	         f->len > (uint32_t)d->config.mtu + ETH_HEADER_LEN + 4)
		vdev_violate(d, "5.1.4.2: queue %u: frame of %u bytes for an MTU of %u", q->index,
		             f->len, d->config.mtu);
	if (!(f->hdr.flags & allowed))
		return;
	if ((uint32_t)f->hdr.csum_start + f->hdr.csum_offset + 2 > f->len)
		vdev_violate(d, "5.1.9.2.1: queue %u: checksum outside the frame", q->index);
	else if (f->hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		fill_csum(f);
}

bool vdev_net_tx_fetch(struct vdev_queue *q)
{
	const unsigned before = q->nb_pending;
	const uint32_t hdr_len = vdev_net_hdr_len(q->d);

	vdev_fetch(q, before + 1);
	if (q->nb_pending == before)
		return false;

	const struct vdev_chain *c = q->pending[before];

	q->packets++;
	if (q->index / 2u >= q->d->ctrl.pairs)
		vdev_violate(q->d, "5.1.9.5.6.1: queue %u: a packet beyond the %u pairs in use",
		             q->index, q->d->ctrl.pairs);
	if (c->readable < hdr_len + ETH_HEADER_LEN || c->readable > VDEV_FRAME_MAX) {
		vdev_violate(q->d, "5.1.9.2: queue %u: a packet of %u bytes with its header",
		             q->index, c->readable);
		return true;
	}

	struct vdev_frame *f = frame_new(c->readable - hdr_len);

	vdev_gather(c, 0, (uint8_t *)&f->hash, hdr_len);
	vdev_gather(c, hdr_len, f->data, f->len);
	f->nb_descs = c->nb_segs;
	f->indirect = c->indirect;
	check_tx_header(q, f);
	frame_push(&q->frames, f);
	return true;
}
