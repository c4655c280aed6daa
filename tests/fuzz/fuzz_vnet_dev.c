/* The device of fuzz_vnet.c; see fuzz_vnet_dev.h. */
#include "tests/fuzz/fuzz_vnet_dev.h"
#include "drivers/virtio/vq.h"
#include "kernel/errno.h"

#include <string.h>

/* Scalar paths only: with all sanitizers clang takes minutes for the vector ones. */
const struct vnet_path vnet_vec_paths[1];
const unsigned vnet_nb_vec_paths;

static struct fuzz_dev *of(struct virtio_dev *vd)
{
	return vd->transport;
}

/* ---- transport ---------------------------------------------------------------------------- */

static uint64_t get_features(struct virtio_dev *vd)
{
	return of(vd)->offered;
}

static void set_features(struct virtio_dev *vd, uint64_t features)
{
	fuzz_require(!(features & ~of(vd)->offered), "features that were not offered: %llx",
	             (unsigned long long)features);
	vd->features |= of(vd)->forced;
}

static uint8_t get_status(struct virtio_dev *vd)
{
	struct fuzz_dev *d = of(vd);

	if (d->resets_left) {
		d->resets_left--;
		return VIRTIO_STATUS_ACKNOWLEDGE;
	}
	return d->refuses_features ? d->status & (uint8_t)~VIRTIO_STATUS_FEATURES_OK : d->status;
}

static void set_status(struct virtio_dev *vd, uint8_t status)
{
	struct fuzz_dev *d = of(vd);
	const bool was_live = d->status & VIRTIO_STATUS_DRIVER_OK;

	d->status = status;
	if (status)
		return;
	d->resets_left = d->reset_delay < 250 ? d->reset_delay : was_live ? 1u << 16 : 0;
	d->queue[FUZZ_RX].vq = d->queue[FUZZ_TX].vq = NULL;
}

static int config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	struct fuzz_dev *d = of(vd);

	if (offset > d->config_bytes || len > d->config_bytes - offset)
		return -ERANGE;
	if (d->config_moves)
		d->config[offset]++;
	memcpy(out, d->config + offset, len);
	return 0;
}

static int config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len)
{
	(void)vd, (void)offset, (void)in, (void)len;
	return -ERANGE;
}

static uint32_t config_generation(struct virtio_dev *vd)
{
	struct fuzz_dev *d = of(vd);

	return d->config_moves ? d->generation++ : d->generation;
}

static unsigned nb_queues(struct virtio_dev *vd)
{
	(void)vd;
	return 2;
}

static uint16_t queue_size(struct virtio_dev *vd, uint16_t index)
{
	return of(vd)->queue_max[index & 1];
}

static int queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct fuzz_dev *d = of(vd);
	struct fuzz_queue *q = &d->queue[vq->index & 1];

	(void)vector;
	if (d->refuses_queues)
		return -EIO;
	*q = (struct fuzz_queue){.vq = vq, .wrap = true};
	if (vq->is_packed) {
		q->mem = vq->packed.desc;
		q->bytes = vq_packed_layout(vq->nentries).bytes;
	} else {
		q->mem = vq->split.desc;
		q->bytes = vq_split_layout(vq->nentries,
		                           vd->legacy ? VIRTIO_LEGACY_RING_ALIGN : CACHE_LINE)
		               .bytes;
	}
	return 0;
}

static enum virtio_irq_mode irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	(void)wanted;
	of(vd)->irq = fn;
	return of(vd)->irq_mode;
}

static int set_config_vector(struct virtio_dev *vd, uint16_t vector)
{
	(void)vector;
	return of(vd)->refuses_vector ? -EIO : 0;
}

static void notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	struct fuzz_queue *q = &of(vd)->queue[vq->index & 1];

	fuzz_require(q->vq == vq, "a notification of a queue that is not enabled");
	q->notified++;
}

static struct virtio_transport_ops fuzz_ops = {
    .name = "fuzz",
    .get_features = get_features,
    .set_features = set_features,
    .get_status = get_status,
    .set_status = set_status,
    .config_read = config_read,
    .config_write = config_write,
    .config_generation = config_generation,
    .nb_queues = nb_queues,
    .queue_size = queue_size,
    .queue_enable = queue_enable,
    .irq_setup = irq_setup,
    .set_config_vector = set_config_vector,
    .notify = notify,
};

/* ---- what it is like ---------------------------------------------------------------------- */

static uint16_t open_size(uint8_t byte, bool packed)
{
	if (byte >= 240)
		return (uint16_t)(byte == 255 ? 0
		                              : byte); /* a size that cannot be, or an odd one */
	return (uint16_t)(packed ? 1 + byte % 70 : 1 << byte % 7);
}

void fuzz_dev_open(struct fuzz_dev *d, struct fuzz_in *in)
{
	const uint8_t rings = fuzz_u8(in), more = fuzz_u8(in), odd = fuzz_u8(in);
	const bool legacy = rings & 8;
	const bool packed = (rings & 1) && !legacy;

	memset(d, 0, sizeof(*d));
	d->in = in;
	d->offered = VIRTIO_NET_F_MAC;
	d->offered |= legacy ? 0 : VIRTIO_F_VERSION_1;
	d->offered |= (rings & 4) ? VIRTIO_NET_F_MRG_RXBUF : 0;
	d->offered |= (rings & 16) ? VIRTIO_F_ANY_LAYOUT : 0;
	d->offered |= (rings & 32) ? VIRTIO_F_EVENT_IDX : 0;
	d->offered |= (rings & 64) ? VIRTIO_F_INDIRECT_DESC : 0;
	d->offered |= (rings & 128) ? VIRTIO_NET_F_MTU : 0;
	d->offered |= (more & 1) ? VIRTIO_NET_F_STATUS : 0;
	d->offered |= (more & 2) ? VIRTIO_NET_F_SPEED_DUPLEX : 0;
	d->offered |= (more & 32) ? VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CSUM : 0;
	d->offered |= (more & 64) ? VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_HOST_TSO6 : 0;
	d->offered |= (more & 128) && !legacy ? VIRTIO_NET_F_GUEST_USO6 | VIRTIO_NET_F_HOST_USO : 0;
	d->forced |= packed ? VIRTIO_F_RING_PACKED : 0;
	d->forced |= (rings & 2) && !legacy ? VIRTIO_F_IN_ORDER : 0;
	d->offered |= d->forced;
	d->irq_mode = (enum virtio_irq_mode)(more >> 2 & 3);
	d->config_bytes = (more & 16) ? (unsigned)(more >> 5) : FUZZ_CONFIG_BYTES;
	d->refuses_features = odd == 1;
	d->refuses_queues = odd == 2;
	d->refuses_vector = odd == 3;
	d->config_moves = odd == 4;
	d->reset_delay = odd >= 5 ? odd : 0;
	d->queue_max[FUZZ_RX] = open_size(fuzz_u8(in), packed);
	d->queue_max[FUZZ_TX] = open_size(fuzz_u8(in), packed);
	fuzz_bytes(in, d->config, 12);
	fuzz_ops.queue_size_is_fixed = legacy;
	d->vd = (struct virtio_dev){
	    .ops = &fuzz_ops,
	    .transport = d,
	    .device_id = VIRTIO_ID_NET,
	    .legacy = legacy,
	    .name = "fuzz",
	};
}

/* ---- what it does ------------------------------------------------------------------------- */

/* The length that it says a buffer has: an edge of what is right, or anything. */
static uint32_t act_len(struct fuzz_dev *d, const struct vnet *vn)
{
	const struct vnet_rxq *rx = &vn->rxq[0];
	const uint8_t kind = fuzz_u8(d->in);

	switch (kind) {
	case 0:
		return rx->hdr_len + 60u;
	case 1:
		return rx->hdr_len;
	case 2:
		return rx->hdr_len - 1u;
	case 3:
		return rx->buf_bytes;
	case 4:
		return rx->buf_bytes + 1;
	case 5:
		return fuzz_u32(d->in);
	case 6:
		return rx->data_room + 1;
	default:
		return kind * 8u;
	}
}

/* The net header of a buffer that is with the device: how many there are, and with offloads the
 * fields of the last act_hdr(). */
static void act_num_buffers(const struct fuzz_dev *d, const struct fuzz_queue *q, unsigned id,
                            uint16_t nb)
{
	struct mbuf *m = id < q->vq->nentries ? q->vq->slot[id].cookie : NULL;
	uint8_t *end;

	if (!m || q->vq->index != FUZZ_RX)
		return;
	end = m->buf + NETDEV_HEADROOM;
	memcpy(end - sizeof(nb), &nb, sizeof(nb));
	memcpy(end - VIRTIO_NET_HDR_LEN, &d->hdr, VIRTIO_NET_HDR_LEN_LEGACY);
	memcpy(end, d->tag, sizeof(d->tag));
}

/* What the headers of received packets say from now on, and how their data begins. */
static void act_hdr(struct fuzz_dev *d)
{
	fuzz_bytes(d->in, &d->hdr, VIRTIO_NET_HDR_LEN_LEGACY);
	d->tag[12] = (d->hdr.flags & 128) ? 0x81 : 0x08; /* 802.1Q, IPv4 */
}

/* Use @n buffers as the specification says; with IN_ORDER one entry may stand for several. The
 * first has its own length. */
static void act_use_split(struct fuzz_queue *q, unsigned n, const uint32_t len[2], bool batch)
{
	const struct vq_split *r = &q->vq->split;
	const unsigned mask = q->vq->nentries - 1u;

	for (uint16_t i = 0, first = q->used; i < n && q->seen != r->avail->idx; i++) {
		const uint16_t id = r->avail->ring[q->seen++ & mask];

		r->used->ring[(batch ? first : q->used) & mask] =
		    (struct vring_used_elem){.id = id, .len = len[i > 0]};
		q->used++;
	}
	r->used->idx = q->used;
}

static void act_use_packed(struct fuzz_queue *q, unsigned n, const uint32_t len[2], bool batch)
{
	const struct virtqueue *vq = q->vq;
	const uint16_t both = VQ_PACKED_AVAIL | VQ_PACKED_USED;
	struct vring_packed_desc *first = &vq->packed.desc[q->seen];
	bool wrap = q->wrap;

	for (unsigned i = 0; i < n; i++) {
		struct vring_packed_desc *d = &vq->packed.desc[q->seen];
		const uint16_t id = d->id;

		if ((d->flags & both) != (q->wrap ? VQ_PACKED_AVAIL : VQ_PACKED_USED) ||
		    id >= vq->nentries || !vq->slot[id].cookie)
			break;
		if (!batch) {
			first = d;
			wrap = q->wrap;
		}
		first->id = id;
		first->len = len[i > 0];
		first->flags = wrap ? both : 0;
		q->seen = (uint16_t)(q->seen + vq->slot[id].nb_desc);
		if (q->seen >= vq->nentries) {
			q->seen = (uint16_t)(q->seen - vq->nentries);
			q->wrap = !q->wrap;
		}
	}
}

static void act_use(struct fuzz_dev *d, const struct vnet *vn, struct fuzz_queue *q)
{
	const uint8_t how = fuzz_u8(d->in);
	const uint8_t nb = fuzz_u8(d->in);
	const uint32_t first_len = act_len(d, vn);
	const uint32_t len[2] = {first_len, (how & 32) ? act_len(d, vn) : first_len};
	const unsigned n = 1 + (how & 31);

	for (unsigned id = 0; id < q->vq->nentries; id++)
		act_num_buffers(d, q, id, (how & 64) ? (uint16_t)(nb * 256u + 1) : nb % 40);
	if (q->vq->is_packed)
		act_use_packed(q, n, len, how & 128);
	else
		act_use_split(q, n, len, how & 128);
}

/* A used entry, or descriptor, where the driver looks next, with any id and length. */
static void act_lie(struct fuzz_dev *d, const struct vnet *vn, struct fuzz_queue *q)
{
	const uint16_t wild = fuzz_u16(d->in);
	const uint16_t id = (wild & 0x8000) ? wild : (uint16_t)(wild % (q->vq->nentries + 1u));
	const uint32_t len = act_len(d, vn);

	act_num_buffers(d, q, id, fuzz_u8(d->in));
	if (q->vq->is_packed) {
		struct vring_packed_desc *desc = &q->vq->packed.desc[q->vq->packed.used_pos];

		desc->id = id;
		desc->len = len;
		desc->flags = q->vq->packed.used_flags;
		return;
	}

	const uint16_t pos = q->vq->used_cons_idx & (q->vq->nentries - 1u);

	q->vq->split.used->ring[pos] = (struct vring_used_elem){.id = id, .len = len};
	q->used = (uint16_t)(q->vq->used_cons_idx + 1 + (fuzz_u8(d->in) & 3));
	q->vq->split.used->idx = q->used;
}

/* A few bytes anywhere in the ring's memory. */
static void act_scribble(struct fuzz_dev *d, struct fuzz_queue *q)
{
	const unsigned n = 1 + fuzz_u8(d->in) % 8;
	const size_t at = fuzz_u16(d->in) % q->bytes;
	uint8_t bytes[8];

	fuzz_bytes(d->in, bytes, n);
	memcpy((uint8_t *)q->mem + at, bytes, n < q->bytes - at ? n : q->bytes - at);
}

/* The words by which it suppresses notifications. */
static void act_event(struct fuzz_dev *d, struct fuzz_queue *q)
{
	const uint16_t a = fuzz_u16(d->in);
	const uint8_t b = fuzz_u8(d->in);

	if (q->vq->is_packed) {
		q->vq->packed.device_event->word = (uint32_t)b << 16 | a;
		return;
	}
	q->vq->split.used->flags = b;
	memcpy(q->vq->split.avail_event, &a, sizeof(a));
}

void fuzz_dev_act(struct fuzz_dev *d, struct vnet *vn)
{
	const uint8_t what = fuzz_u8(d->in);
	struct fuzz_queue *q = &d->queue[what >> 7];

	if (!q->vq)
		return;
	switch (what & 7) {
	case 0:
	case 1:
		act_use(d, vn, q);
		break;
	case 2:
		act_lie(d, vn, q);
		break;
	case 3:
		act_scribble(d, q);
		break;
	case 4:
		act_event(d, q);
		break;
	case 5:
		if (!q->vq->is_packed)
			q->vq->split.used->idx = q->used = (uint16_t)(q->used + fuzz_u16(d->in));
		break;
	case 6:
		d->config[fuzz_u8(d->in) % FUZZ_CONFIG_BYTES] = fuzz_u8(d->in);
		d->generation++;
		d->status ^= (what & 64) ? VIRTIO_STATUS_NEEDS_RESET : 0;
		break;
	default:
		if (what & 8)
			act_hdr(d);
		else if (d->irq)
			d->irq(&d->vd, fuzz_u8(d->in));
		break;
	}
}
