/*
 * The filters of the model device (virtio 5.1.9.5.1 to 5.1.9.5.4). It keeps what it is told, and
 * notes what it may not be told; what it receives it does not filter, as that is best effort.
 */
#include "tests/model/vdev_internal.h"

#include <string.h>

static uint8_t rx_mode(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;
	const uint8_t command = c->what.command;
	const bool extra = command > VIRTIO_NET_CTRL_RX_ALLMULTI;

	if (!vdev_has(d, extra ? VIRTIO_NET_F_CTRL_RX_EXTRA : VIRTIO_NET_F_CTRL_RX)) {
		vdev_violate(d, "5.1.9.5.1.2: RX command %u was not negotiated", command);
		return VIRTIO_NET_ERR;
	}
	if (command > VIRTIO_NET_CTRL_RX_NOBCAST || c->len != 1 || c->data[0] > 1) {
		vdev_violate(d, "5.1.9.5.1: RX command %u of %u bytes, %u", command, c->len,
		             c->data[0]);
		return VIRTIO_NET_ERR;
	}
	c->mode[command] = c->data[0];
	return VIRTIO_NET_OK;
}

/* One of the two tables at *@at. Return: its entries, appended to c->macs; -1 when it is cut off or
 * holds addresses of the other kind. */
static int mac_table(struct vdev_ctrl *c, uint32_t *at, unsigned have, bool multicast)
{
	uint32_t n;

	if (c->len - *at < sizeof(n))
		return -1;
	memcpy(&n, c->data + *at, sizeof(n));
	*at += (uint32_t)sizeof(n);
	if (n > VDEV_MACS_MAX - have || c->len - *at < 6 * n)
		return -1;
	for (uint32_t i = 0; i < n; i++, *at += 6) {
		memcpy(c->macs[have + i], c->data + *at, 6);
		if ((c->data[*at] & 1) != multicast)
			return -1;
	}
	return (int)n;
}

static uint8_t mac_tables(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;
	uint32_t at = 0;
	const int unicast = mac_table(c, &at, 0, false);
	const int multicast = unicast < 0 ? -1 : mac_table(c, &at, (unsigned)unicast, true);

	if (multicast < 0 || at != c->len) {
		vdev_violate(d, "5.1.9.5.2.2: MAC_TABLE_SET: %u bytes are not two tables", c->len);
		return VIRTIO_NET_ERR;
	}
	c->nb_unicast = (unsigned)unicast;
	c->nb_multicast = (unsigned)multicast;
	return VIRTIO_NET_OK;
}

static uint8_t mac(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;

	if (!vdev_has(d, VIRTIO_NET_F_CTRL_RX)) {
		vdev_violate(d, "5.1.9.5.2.2: a MAC command without CTRL_RX");
		return VIRTIO_NET_ERR;
	}
	if (c->what.command == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return mac_tables(d);
	if (c->what.command != VIRTIO_NET_CTRL_MAC_ADDR_SET || c->len != 6 ||
	    !vdev_has(d, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
		vdev_violate(d, "5.1.9.5.2: MAC command %u of %u bytes", c->what.command, c->len);
		return VIRTIO_NET_ERR;
	}
	memcpy(c->mac, c->data, 6);
	memcpy(d->config.mac, c->data, 6);
	c->mac_set = true;
	return VIRTIO_NET_OK;
}

static uint8_t vlan(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;
	uint16_t vid;

	memcpy(&vid, c->data, sizeof(vid));
	if (!vdev_has(d, VIRTIO_NET_F_CTRL_VLAN) || c->len != sizeof(vid) ||
	    vid >= sizeof(c->vlan) || c->what.command > VIRTIO_NET_CTRL_VLAN_DEL) {
		vdev_violate(d,
		             "5.1.9.5.3: VLAN command %u of %u bytes, VLAN %u, or not negotiated",
		             c->what.command, c->len, vid);
		return VIRTIO_NET_ERR;
	}
	c->vlan[vid] = c->what.command == VIRTIO_NET_CTRL_VLAN_ADD;
	return VIRTIO_NET_OK;
}

static uint8_t announce(struct vdev *d)
{
	struct vdev_ctrl *c = &d->ctrl;

	if (!vdev_has(d, VIRTIO_NET_F_GUEST_ANNOUNCE) || c->len ||
	    c->what.command != VIRTIO_NET_CTRL_ANNOUNCE_ACK) {
		vdev_violate(d, "5.1.9.5.4: ANNOUNCE command %u of %u bytes, or not negotiated",
		             c->what.command, c->len);
		return VIRTIO_NET_ERR;
	}
	if (!(d->config.status & VIRTIO_NET_S_ANNOUNCE))
		vdev_violate(d, "5.1.9.5.4: ANNOUNCE_ACK, but nothing was to be announced");
	d->config.status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
	c->announced++;
	return VIRTIO_NET_OK;
}

int vdev_filter_command(struct vdev *d)
{
	switch (d->ctrl.what.class) {
	case VIRTIO_NET_CTRL_RX:
		return rx_mode(d);
	case VIRTIO_NET_CTRL_MAC:
		return mac(d);
	case VIRTIO_NET_CTRL_VLAN:
		return vlan(d);
	case VIRTIO_NET_CTRL_ANNOUNCE:
		return announce(d);
	default:
		return -1;
	}
}
