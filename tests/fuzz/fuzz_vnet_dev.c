/* The device of fuzz_vnet.c; see fuzz_vnet_dev.h. */
#include "tests/fuzz/fuzz_vnet_dev.h"
#include "drivers/virtio/vq.h"
#include "kernel/errno.h"
#include "tests/unit/plat_test.h"

#include <string.h>

#define ACK_OK 0
#define ACK_ERR 1

static struct fuzz_dev *of(struct virtio_dev *vd)
{
	return vd->transport;
}

static const struct vnet *port_of(const struct fuzz_dev *d)
{
	return d->vd.driver;
}

/* ---- what it does ------------------------------------------------------------------------- */

/* The length that it says a buffer has: an edge of what is right, or anything. */
static uint32_t act_len(struct fuzz_dev *d)
{
	const struct vnet_rxq *rx = &port_of(d)->rxq[0];
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
	const unsigned hdr_len = port_of(d)->hdr_len;
	struct mbuf *m = id < q->vq->nentries ? q->vq->slot[id].cookie : NULL;
	struct virtio_net_hdr_hash hdr = d->hdr;

	if (!m || q->vq->index != FUZZ_RX)
		return;
	hdr.hdr.num_buffers = nb;
	memcpy(mbuf_buf(m) + NETDEV_HEADROOM - hdr_len, &hdr, hdr_len);
	memcpy(mbuf_buf(m) + NETDEV_HEADROOM, d->tag, sizeof(d->tag));
}

/* What the headers of received packets say from now on, and how their data begins. */
static void act_hdr(struct fuzz_dev *d)
{
	fuzz_bytes(d->in, &d->hdr, sizeof(d->hdr));
	d->tag[12] = (d->hdr.hdr.flags & 128) ? 0x81 : 0x08; /* 802.1Q, IPv4 */
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

static void act_use(struct fuzz_dev *d, struct fuzz_queue *q)
{
	const uint8_t how = fuzz_u8(d->in);
	const uint8_t nb = fuzz_u8(d->in);
	const uint32_t first_len = act_len(d);
	const uint32_t len[2] = {first_len, (how & 32) ? act_len(d) : first_len};
	const unsigned n = 1 + (how & 31);

	for (unsigned id = 0; id < q->vq->nentries; id++)
		act_num_buffers(d, q, id, (how & 64) ? (uint16_t)(nb * 256u + 1) : nb % 40);
	if (q->vq->is_packed)
		act_use_packed(q, n, len, how & 128);
	else
		act_use_split(q, n, len, how & 128);
}

/* A used entry, or descriptor, up to 15 behind where the driver looks next, with any id and length;
 * or only one of them is a lie, in the middle of what was used as it should be. */
static void act_lie(struct fuzz_dev *d, struct fuzz_queue *q)
{
	const struct virtqueue *vq = q->vq;
	const uint16_t wild = fuzz_u16(d->in);
	const uint16_t id = (wild & 0x8000) ? wild : (uint16_t)(wild % (2u * vq->nentries));
	const uint8_t how = fuzz_u8(d->in);
	const unsigned behind = how & 15;
	const bool now = how & 16, id_stays = how & 32, len_stays = how & 64;
	const uint32_t len = act_len(d);

	act_num_buffers(d, q, id, fuzz_u8(d->in));
	if (vq->is_packed) {
		const unsigned pos = vq->packed.used_pos + behind;
		struct vring_packed_desc *desc = &vq->packed.desc[pos % vq->nentries];
		const uint16_t lap = pos < vq->nentries ? 0 : VQ_PACKED_AVAIL | VQ_PACKED_USED;

		desc->id = id_stays ? desc->id : id;
		desc->len = len_stays ? desc->len : len;
		desc->flags = now ? vq->packed.used_flags ^ lap : desc->flags;
		return;
	}

	const uint16_t idx = (uint16_t)(vq->used_cons_idx + behind);
	struct vring_used_elem *e = &vq->split.used->ring[idx & (vq->nentries - 1u)];

	*e = (struct vring_used_elem){id_stays ? e->id : id, len_stays ? e->len : len};
	if (now)
		q->used = vq->split.used->idx = (uint16_t)(idx + 1);
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

void fuzz_dev_act(struct fuzz_dev *d)
{
	const uint8_t what = fuzz_u8(d->in);
	struct fuzz_queue *q = &d->queue[what >> 7];

	if (!q->vq)
		return;
	switch (what & 7) {
	case 0:
	case 1:
		act_use(d, q);
		break;
	case 2:
		act_lie(d, q);
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

/* ---- the control queue -------------------------------------------------------------------- */

/* Where the answer to the oldest command goes, and in *@room how much fits; NULL: there is no
 * command. Nobody but act_lie() writes to this ring, and it leaves addresses and lengths alone. */
static uint8_t *ack_of(const struct fuzz_queue *q, uint32_t *room)
{
	const uint16_t both = VQ_PACKED_AVAIL | VQ_PACKED_USED;
	const struct virtqueue *vq = q->vq;
	const struct vq_split *r = &vq->split;

	if (vq->is_packed) {
		const struct vring_packed_desc *d = vq->packed.desc;
		const uint16_t flags = d[q->seen].flags & both;

		*room = d[(q->seen + 1) % vq->nentries].len;
		if (flags != (q->wrap ? VQ_PACKED_AVAIL : VQ_PACKED_USED))
			return NULL;
		return plat_test_va(d[(q->seen + 1) % vq->nentries].addr);
	}
	if (q->seen == r->avail->idx)
		return NULL;

	const struct vring_desc *d = &r->desc[r->desc[r->avail->ring[q->seen % vq->nentries]].next];

	*room = d->len;
	return plat_test_va(d->addr);
}

/* A command was given. Some are answered as they should be, some never. */
static void act_command(struct fuzz_dev *d, struct fuzz_queue *q)
{
	const uint8_t how = fuzz_u8(d->in);
	const uint32_t len[2] = {how, how};
	uint32_t room = 0;
	uint8_t *ack = ack_of(q, &room);

	for (uint32_t i = 1; ack && (how & 8) && i < room && fuzz_more(d->in); i++)
		ack[i] = fuzz_u8(d->in); /* a result, if there is to be one */
	if (ack && (how & 3) != 3)
		*ack = (how & 4) ? ACK_ERR : ACK_OK;
	if ((how & 3) == 2)
		act_lie(d, q);
	else if ((how & 3) != 3 && q->vq->is_packed)
		act_use_packed(q, 1, len, false);
	else if ((how & 3) != 3)
		act_use_split(q, 1, len, false);
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
	memset(d->queue, 0, sizeof(d->queue));
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
	return (of(vd)->offered & VIRTIO_NET_F_CTRL_VQ) ? 3 : 2;
}

static uint16_t queue_size(struct virtio_dev *vd, uint16_t index)
{
	fuzz_require(index < FUZZ_QUEUES, "queue %u", index);
	return of(vd)->queue_max[index];
}

static int queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct fuzz_dev *d = of(vd);
	struct fuzz_queue *q = &d->queue[vq->index];

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
	struct fuzz_queue *q = &of(vd)->queue[vq->index];

	fuzz_require(q->vq == vq, "a notification of a queue that is not enabled");
	q->notified++;
	if (vq->index == FUZZ_CTRL)
		act_command(of(vd), q);
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

/* Features by the bits of the input; what a legacy device cannot have it does not offer. */
static uint64_t open_features(uint8_t rings, uint8_t more, uint8_t ctrl, bool legacy)
{
	const struct {
		bool chosen;
		uint64_t features;
	} offers[] = {
	    {true, VIRTIO_NET_F_MAC},
	    {!legacy, VIRTIO_F_VERSION_1},
	    {(rings & 1) && !legacy, VIRTIO_F_RING_PACKED},
	    {(rings & 2) && !legacy, VIRTIO_F_IN_ORDER},
	    {rings & 4, VIRTIO_NET_F_MRG_RXBUF},
	    {rings & 16, VIRTIO_F_ANY_LAYOUT},
	    {rings & 32, VIRTIO_F_EVENT_IDX},
	    {rings & 64, VIRTIO_F_INDIRECT_DESC},
	    {rings & 128, VIRTIO_NET_F_MTU},
	    {more & 1, VIRTIO_NET_F_STATUS},
	    {more & 2, VIRTIO_NET_F_SPEED_DUPLEX},
	    {more & 32, VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CSUM},
	    {more & 64, VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_HOST_TSO6},
	    {(more & 128) && !legacy, VIRTIO_NET_F_GUEST_USO6 | VIRTIO_NET_F_HOST_USO},
	    {ctrl & 1, VIRTIO_NET_F_CTRL_VQ},
	    {ctrl & 2, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS},
	    {(ctrl & 4) && !legacy, VIRTIO_NET_F_HASH_REPORT},
	    {(ctrl & 8) && !legacy, VIRTIO_NET_F_DEVICE_STATS | VIRTIO_NET_F_VQ_NOTF_COAL},
	    {ctrl & 16, VIRTIO_NET_F_CTRL_RX},
	};
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offers); i++)
		features |= offers[i].chosen ? offers[i].features : 0;
	return features;
}

void fuzz_dev_open(struct fuzz_dev *d, struct fuzz_in *in)
{
	const uint8_t rings = fuzz_u8(in), more = fuzz_u8(in), odd = fuzz_u8(in);
	const uint8_t ctrl = fuzz_u8(in);
	const bool legacy = rings & 8;

	memset(d, 0, sizeof(*d));
	d->in = in;
	d->offered = open_features(rings, more, ctrl, legacy);
	d->irq_mode = (enum virtio_irq_mode)(more >> 2 & 3);
	d->config_bytes = (more & 16) ? (unsigned)(more >> 5) : FUZZ_CONFIG_BYTES;
	d->refuses_features = odd == 1;
	d->refuses_queues = odd == 2;
	d->refuses_vector = odd == 3;
	d->config_moves = odd == 4;
	d->reset_delay = odd >= 5 ? odd : 0;
	for (unsigned i = 0; i < FUZZ_QUEUES; i++)
		d->queue_max[i] = open_size(fuzz_u8(in), d->offered & VIRTIO_F_RING_PACKED);
	fuzz_bytes(in, d->config, 12);
	memset(d->config + 12, 0xff, sizeof(d->config) - 12);
	fuzz_ops.queue_size_is_fixed = legacy;
	d->vd = (struct virtio_dev){
	    .ops = &fuzz_ops,
	    .transport = d,
	    .device_id = VIRTIO_ID_NET,
	    .legacy = legacy,
	    .name = "fuzz",
	};
}
