/*
 * The control queue of the model device (virtio 5.1.9.5): commands are carried out when the driver
 * notifies, as it waits for the answer; what it may not send is noted.
 */
#include "tests/model/vdev_internal.h"

#include <string.h>

#define GUEST_OFFLOADS                                                                             \
	(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |             \
	 VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)

bool vdev_is_ctrl(const struct vdev_queue *q)
{
	const struct vdev *d = q->d;
	const bool pairs = vdev_has(d, VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS);

	return vdev_has(d, VIRTIO_NET_F_CTRL_VQ) &&
	       q->index == 2 * (pairs ? d->config.max_virtqueue_pairs : 1);
}

void vdev_ctrl_check(struct vdev_queue *q, const struct vdev_chain *c)
{
	if (c->readable < sizeof(struct virtio_net_ctrl_hdr) || c->writable < 1)
		vdev_violate(q->d, "5.1.9.5: queue %u: a command of %u bytes with room for %u",
		             q->index, c->readable, c->writable);
}

static uint8_t pairs_set(struct vdev *d, const uint8_t *data, uint32_t len)
{
	uint16_t pairs;

	if (!vdev_has(d, VIRTIO_NET_F_MQ) || len != sizeof(pairs)) {
		vdev_violate(d, "5.1.9.5.6: VQ_PAIRS_SET of %u bytes, or not negotiated", len);
		return VIRTIO_NET_ERR;
	}
	memcpy(&pairs, data, sizeof(pairs));
	if (!pairs || pairs > d->config.max_virtqueue_pairs) {
		vdev_violate(d, "5.1.9.5.6.1: %u queue pairs of %u", pairs,
		             d->config.max_virtqueue_pairs);
		return VIRTIO_NET_ERR;
	}
	for (unsigned i = 0; i < 2u * pairs; i++) {
		if (!d->queue[i].enabled)
			vdev_violate(d, "5.1.9.5.6.1: %u queue pairs, but queue %u is not set up",
			             pairs, i);
	}
	d->ctrl.pairs = pairs;
	d->ctrl.steers = false; /* 5.1.9.5.5: the last command counts */
	return VIRTIO_NET_OK;
}

static uint8_t guest_offloads(struct vdev *d, const uint8_t *data, uint32_t len)
{
	uint64_t offloads;

	if (!vdev_has(d, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) || len != sizeof(offloads)) {
		vdev_violate(d, "5.1.9.5.9: GUEST_OFFLOADS_SET of %u bytes, or not negotiated",
		             len);
		return VIRTIO_NET_ERR;
	}
	memcpy(&offloads, data, sizeof(offloads));
	if (offloads & ~(d->features & GUEST_OFFLOADS))
		vdev_violate(d, "5.1.9.5.9.2: offloads 0x%llx switched on that are not negotiated",
		             (unsigned long long)(offloads & ~(d->features & GUEST_OFFLOADS)));
	d->ctrl.offloads = offloads;
	return VIRTIO_NET_OK;
}

static uint8_t carry_out(struct vdev *d)
{
	const struct vdev_ctrl *c = &d->ctrl;
	int ack = vdev_filter_command(d);

	if (ack < 0)
		ack = vdev_coal_command(d);
	if (ack >= 0)
		return (uint8_t)ack;
	if (c->what.class == VIRTIO_NET_CTRL_MQ &&
	    c->what.command == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
		return pairs_set(d, c->data, c->len);
	if (c->what.class == VIRTIO_NET_CTRL_MQ &&
	    c->what.command == VIRTIO_NET_CTRL_MQ_HASH_CONFIG)
		return vdev_hash_config(d);
	if (c->what.class == VIRTIO_NET_CTRL_MQ && c->what.command == VIRTIO_NET_CTRL_MQ_RSS_CONFIG)
		return vdev_rss_config(d);
	if (c->what.class == VIRTIO_NET_CTRL_GUEST_OFFLOADS &&
	    c->what.command == VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET)
		return guest_offloads(d, c->data, c->len);
	vdev_violate(d, "5.1.9.5: control command %u.%u", c->what.class, c->what.command);
	return VIRTIO_NET_ERR;
}

/* Into what the driver lets be written. */
static void scatter(const struct vdev_chain *c, const uint8_t *from, uint32_t len)
{
	for (unsigned i = 0; i < c->nb_segs && len; i++) {
		const struct vdev_seg *s = &c->seg[i];
		const uint32_t n = s->len < len ? s->len : len;

		if (!s->write)
			continue;
		memcpy(s->va, from, n);
		from += n;
		len -= n;
	}
}

/* Carries out one command and writes the answer. */
static void command(struct vdev_queue *q, struct vdev_chain *c)
{
	struct vdev_ctrl *ctrl = &q->d->ctrl;
	uint8_t answer[1 + sizeof(ctrl->result)];
	uint32_t len = 1;

	ctrl->result_len = 0;
	ctrl->len = c->readable - (uint32_t)sizeof(ctrl->what);
	if (ctrl->len > sizeof(ctrl->data))
		ctrl->len = sizeof(ctrl->data);
	vdev_gather(c, 0, (uint8_t *)&ctrl->what, sizeof(ctrl->what));
	vdev_gather(c, sizeof(ctrl->what), ctrl->data, ctrl->len);
	ctrl->commands++;
	answer[0] = carry_out(q->d);
	if (vdev_lie_due(q, VDEV_LIE_ACK))
		answer[0] = (uint8_t)q->lie_value;
	if (ctrl->result_len && vdev_lie_due(q, VDEV_LIE_RESULT))
		ctrl->result_len = q->lie_value;
	memcpy(answer + 1, ctrl->result, sizeof(ctrl->result));
	/* 5.1.9.5.11.13: as much as there is room for */
	len += ctrl->result_len;
	scatter(c, answer, len < c->writable ? len : c->writable);
	vdev_complete(q, c, len < c->writable ? len : c->writable);
}

unsigned vdev_ctrl_step(struct vdev_queue *q)
{
	struct vdev_chain *c;
	unsigned done = 0;

	if (q->lie == VDEV_LIE_SILENT)
		return 0;
	vdev_fetch(q, 1);
	while ((c = vdev_pick(q))) {
		/* what is too short was noted when it was fetched */
		if (c->readable < sizeof(struct virtio_net_ctrl_hdr) || !c->writable)
			vdev_complete(q, c, 0);
		else
			command(q, c);
		done++;
		vdev_fetch(q, 1);
	}
	return done;
}
