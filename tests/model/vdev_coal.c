/*
 * Notification coalescing and statistics of the model device (virtio 5.1.9.5.10, 5.1.9.5.11). It
 * keeps what it is told, and notes what it may not be told; it notifies as always, as all of this
 * is best effort.
 */
#include "tests/model/vdev_internal.h"

#include <string.h>

#define RX_TYPES 0xffffull

/* ---- coalescing --------------------------------------------------------------------------- */

static bool is_packet_queue(const struct vdev *d, unsigned index)
{
	return index < VDEV_QUEUES_MAX && d->queue[index].enabled &&
	       !vdev_is_ctrl(&d->queue[index]);
}

static uint8_t coal_all(struct vdev *d, bool tx)
{
	struct vdev_ctrl *c = &d->ctrl;
	struct virtio_net_ctrl_coal coal;

	if (!vdev_has(d, VIRTIO_NET_F_NOTF_COAL) || c->len != sizeof(coal)) {
		vdev_violate(d, "5.1.9.5.10.5: NOTF_COAL command %u of %u bytes, or not negotiated",
		             c->what.command, c->len);
		return VIRTIO_NET_ERR;
	}
	memcpy(&coal, c->data, sizeof(coal));
	c->coal_all[tx] = coal;
	for (unsigned i = tx; i < VDEV_QUEUES_MAX; i += 2)
		c->coal[i] = coal;
	return VIRTIO_NET_OK;
}

static uint8_t coal_one(struct vdev *d, bool get)
{
	struct vdev_ctrl *c = &d->ctrl;
	struct virtio_net_ctrl_coal_vq vq;
	const size_t asked = offsetof(struct virtio_net_ctrl_coal_vq, coal);

	if (!vdev_has(d, VIRTIO_NET_F_VQ_NOTF_COAL) || c->len != (get ? asked : sizeof(vq))) {
		vdev_violate(d, "5.1.9.5.10.5: NOTF_COAL command %u of %u bytes, or not negotiated",
		             c->what.command, c->len);
		return VIRTIO_NET_ERR;
	}
	memcpy(&vq, c->data, c->len);
	if (!is_packet_queue(d, vq.vq_index)) {
		vdev_violate(d, "5.1.9.5.10.5: coalescing of queue %u", vq.vq_index);
		return VIRTIO_NET_ERR;
	}
	if (!get) {
		c->coal[vq.vq_index] = vq.coal;
		return VIRTIO_NET_OK;
	}
	memcpy(c->result, &c->coal[vq.vq_index], sizeof(vq.coal));
	c->result_len = sizeof(vq.coal);
	return VIRTIO_NET_OK;
}

/* ---- statistics --------------------------------------------------------------------------- */

/* Bytes of a reply, by the structures of 5.1.9.5.11.3 to .11. */
static unsigned reply_bytes(unsigned type)
{
	static const uint8_t counters[] = {
	    [VIRTIO_NET_STATS_RX_BASIC] = 6, [VIRTIO_NET_STATS_RX_CSUM] = 4,
	    [VIRTIO_NET_STATS_RX_GSO] = 4,   [VIRTIO_NET_STATS_RX_SPEED] = 2,
	    [VIRTIO_NET_STATS_TX_BASIC] = 6, [VIRTIO_NET_STATS_TX_CSUM] = 2,
	    [VIRTIO_NET_STATS_TX_GSO] = 6,   [VIRTIO_NET_STATS_TX_SPEED] = 2,
	    [VIRTIO_NET_STATS_CVQ] = 2,
	};

	return (unsigned)sizeof(struct virtio_net_stats_reply_hdr) + 8u * counters[type];
}

uint64_t vdev_stats_value(unsigned queue, unsigned type, unsigned counter)
{
	return 1000000ull * (queue + 1) + 1000 * type + counter;
}

/* A lie about the reply that ends at the result's end now. */
static void lie_about_reply(struct vdev_ctrl *c, unsigned at, uint32_t kind)
{
	struct virtio_net_stats_reply_hdr *hdr = (void *)(c->result + at);

	switch ((enum vdev_stats_lie)kind) {
	case VDEV_STATS_SIZE_ZERO:
		hdr->size = 0;
		break;
	case VDEV_STATS_SIZE_SHORT:
		hdr->size = sizeof(*hdr) - 1;
		break;
	case VDEV_STATS_SIZE_LONG:
		hdr->size++;
		break;
	case VDEV_STATS_SIZE_HUGE:
		hdr->size = UINT16_MAX;
		break;
	case VDEV_STATS_TYPE:
		hdr->type = 77;
		break;
	case VDEV_STATS_TYPE_BEYOND:
		hdr->type = 255;
		break;
	case VDEV_STATS_QUEUE:
		hdr->vq_index++;
		break;
	case VDEV_STATS_CUT:
		c->result_len = at + sizeof(*hdr) / 2;
		break;
	case VDEV_STATS_MISSING:
		c->result_len = at;
		break;
	case VDEV_STATS_TWICE:
		memcpy(c->result + c->result_len, c->result + at, c->result_len - at);
		c->result_len += c->result_len - at;
		break;
	case VDEV_STATS_LIES:
		break;
	}
}

static void reply(struct vdev *d, unsigned index, unsigned type)
{
	struct vdev_ctrl *c = &d->ctrl;
	const unsigned at = c->result_len, bytes = reply_bytes(type);
	const struct virtio_net_stats_reply_hdr hdr = {
	    .type = (uint8_t)type, .vq_index = (uint16_t)index, .size = (uint16_t)bytes};

	memcpy(c->result + at, &hdr, sizeof(hdr));
	for (unsigned i = 0; i < (bytes - sizeof(hdr)) / 8; i++) {
		const uint64_t value = vdev_stats_value(index, type, i);

		memcpy(c->result + at + sizeof(hdr) + 8u * i, &value, sizeof(value));
	}
	c->result_len += bytes;
	for (unsigned i = 0; i < VDEV_QUEUES_MAX; i++) {
		if (vdev_is_ctrl(&d->queue[i]) && vdev_lie_due(&d->queue[i], VDEV_LIE_STATS))
			lie_about_reply(c, at, d->queue[i].lie_value);
	}
}

/* The types that a queue has, as far as their features were negotiated. */
static uint64_t types_of(const struct vdev *d, const struct vdev_queue *q)
{
	uint64_t types = d->stats_types;

	if (!vdev_has(d, VIRTIO_NET_F_GUEST_CSUM))
		types &= ~(1ull << VIRTIO_NET_STATS_RX_CSUM);
	if (!vdev_has(d, VIRTIO_NET_F_CSUM))
		types &= ~(1ull << VIRTIO_NET_STATS_TX_CSUM);
	if (!vdev_has(d, VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6))
		types &= ~(1ull << VIRTIO_NET_STATS_RX_GSO);
	if (!vdev_has(d, VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_USO))
		types &= ~(1ull << VIRTIO_NET_STATS_TX_GSO);
	if (vdev_is_ctrl(q))
		return types & 1ull << VIRTIO_NET_STATS_CVQ;
	return types & (vdev_is_rx(q) ? RX_TYPES : RX_TYPES << VIRTIO_NET_STATS_TX_BASIC);
}

static uint8_t stats_get(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;
	struct virtio_net_ctrl_queue_stats want;

	if (!c->stats_queried)
		vdev_violate(d, "5.1.9.5.11.13: STATS_GET without STATS_QUERY");
	if (!c->len || c->len % sizeof(want)) {
		vdev_violate(d, "5.1.9.5.11.2: STATS_GET of %u bytes", c->len);
		return VIRTIO_NET_ERR;
	}
	for (uint32_t at = 0; at < c->len; at += sizeof(want)) {
		memcpy(&want, c->data + at, sizeof(want));
		if (want.vq_index >= VDEV_QUEUES_MAX || !d->queue[want.vq_index].enabled ||
		    (want.types_bitmap & ~types_of(d, &d->queue[want.vq_index]))) {
			vdev_violate(d, "5.1.9.5.11.13: types 0x%llx of queue %u",
			             (unsigned long long)want.types_bitmap, want.vq_index);
			return VIRTIO_NET_ERR;
		}
		for (unsigned type = 0; type < 64; type++) {
			if (want.types_bitmap >> type & 1)
				reply(d, want.vq_index, type);
		}
	}
	return VIRTIO_NET_OK;
}

static uint8_t stats(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;

	if (!vdev_has(d, VIRTIO_NET_F_DEVICE_STATS)) {
		vdev_violate(d, "5.1.9.5.11: a STATS command without DEVICE_STATS");
		return VIRTIO_NET_ERR;
	}
	if (c->what.command == VIRTIO_NET_CTRL_STATS_GET)
		return stats_get(d);
	if (c->what.command != VIRTIO_NET_CTRL_STATS_QUERY || c->len) {
		vdev_violate(d, "5.1.9.5.11.1: STATS command %u of %u bytes", c->what.command,
		             c->len);
		return VIRTIO_NET_ERR;
	}
	c->stats_queried = true;
	memcpy(c->result, &d->stats_types, sizeof(d->stats_types));
	c->result_len = sizeof(d->stats_types);
	return VIRTIO_NET_OK;
}

int vdev_coal_command(struct vdev *d)
{
	const struct virtio_net_ctrl_hdr *what = &d->ctrl.what;

	if (what->class == VIRTIO_NET_CTRL_STATS)
		return stats(d);
	if (what->class != VIRTIO_NET_CTRL_NOTF_COAL)
		return -1;
	switch (what->command) {
	case VIRTIO_NET_CTRL_NOTF_COAL_TX_SET:
	case VIRTIO_NET_CTRL_NOTF_COAL_RX_SET:
		return coal_all(d, what->command == VIRTIO_NET_CTRL_NOTF_COAL_TX_SET);
	case VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET:
	case VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET:
		return coal_one(d, what->command == VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET);
	default:
		return -1;
	}
}
