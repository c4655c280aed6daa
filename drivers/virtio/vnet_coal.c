/* Notification coalescing: for all queues of a direction, and for one. See vnet_coal.h. */
#include "drivers/virtio/vnet_coal.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/string.h"

#define DIGITS 7

static struct vnet *to_vnet(struct netdev *dev)
{
	return container_of(dev, struct vnet, dev);
}

/* ---- options ------------------------------------------------------------------------------ */

static bool read_number(const char **text, uint32_t max, uint32_t *out)
{
	const char *from = *text;

	for (*out = 0; **text >= '0' && **text <= '9' && *text - from < DIGITS; (*text)++)
		*out = *out * 10 + (uint32_t)(**text - '0');
	return *text != from && *out <= max;
}

static bool parse(const char *text, struct netdev_coalesce *c)
{
	return read_number(&text, NETDEV_COALESCE_PACKETS_MAX, &c->packets) && *text++ == ',' &&
	       read_number(&text, NETDEV_COALESCE_USECS_MAX, &c->usecs) && !*text;
}

bool vnet_coal_valid(const char *text)
{
	struct netdev_coalesce c;

	return parse(text, &c);
}

/* ---- commands ----------------------------------------------------------------------------- */

static struct virtio_net_ctrl_coal words(const struct netdev_coalesce *c)
{
	return (struct virtio_net_ctrl_coal){.max_packets = c->packets, .max_usecs = c->usecs};
}

static struct virtio_net_ctrl_hdr command(uint8_t which)
{
	return (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_NOTF_COAL, which};
}

static const struct virtqueue *ring_of(const struct vnet *vn, bool tx, unsigned queue)
{
	return tx ? &vn->txq[queue].vq : &vn->rxq[queue].vq;
}

/* A queue that is stopped may not be named; it is told of when it starts. */
static int tell_queue(struct vnet *vn, bool tx, unsigned queue, const struct netdev_coalesce *c)
{
	const struct virtio_net_ctrl_coal_vq data = {
	    .vq_index = (uint16_t)(2 * queue + tx),
	    .coal = words(c),
	};

	if (ring_of(vn, tx, queue)->stopped)
		return 0;
	return vnet_ctrl_command(vn, command(VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET), &data,
	                         sizeof(data));
}

/* All queues of a direction; a device that takes them only one by one is told so. */
static int tell_all(struct vnet *vn, bool tx, const struct netdev_coalesce *c)
{
	const struct virtio_net_ctrl_coal data = words(c);
	int err = 0;

	if (virtio_has(vn->vd, VIRTIO_NET_F_NOTF_COAL))
		return vnet_ctrl_command(vn,
		                         command(tx ? VIRTIO_NET_CTRL_NOTF_COAL_TX_SET
		                                    : VIRTIO_NET_CTRL_NOTF_COAL_RX_SET),
		                         &data, sizeof(data));
	for (unsigned i = 0; !err && i < vn->nb_active; i++)
		err = tell_queue(vn, tx, i, c);
	return err;
}

static struct vnet_coal *coal_of(struct vnet *vn, bool tx, unsigned queue)
{
	return &vn->coal[2 * queue + tx];
}

static void remember_all(struct vnet *vn, bool tx, const struct netdev_coalesce *c)
{
	vn->coal_all[tx] = (struct vnet_coal){*c, true};
	for (unsigned i = 0; i < vn->nb_queues; i++)
		coal_of(vn, tx, i)->given = false; /* the last command counts */
}

/* ---- netdev ------------------------------------------------------------------------------- */

/* Can this queue, or can all, be told? */
static int check(const struct vnet *vn, const struct netdev_queue_id *id)
{
	const uint64_t all = VIRTIO_NET_F_NOTF_COAL, one = VIRTIO_NET_F_VQ_NOTF_COAL;

	if (!(vn->vd->features & (id->queue < 0 ? all | one : one)))
		return -EOPNOTSUPP;
	if (id->queue >= vn->nb_active)
		return -ENOENT;
	return vn->started && !vn->failed ? 0 : -EIO;
}

int vnet_set_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                      const struct netdev_coalesce *want)
{
	struct vnet *vn = to_vnet(dev);
	int err = check(vn, id);

	if (want->packets > NETDEV_COALESCE_PACKETS_MAX || want->usecs > NETDEV_COALESCE_USECS_MAX)
		return -EINVAL;
	if (err)
		return err;
	if (id->queue < 0) {
		err = tell_all(vn, id->tx, want);
		if (!err)
			remember_all(vn, id->tx, want);
		return err;
	}
	err = tell_queue(vn, id->tx, (unsigned)id->queue, want);
	if (!err)
		*coal_of(vn, id->tx, (unsigned)id->queue) = (struct vnet_coal){*want, true};
	return err;
}

int vnet_get_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                      struct netdev_coalesce *now)
{
	struct vnet *vn = to_vnet(dev);
	struct virtio_net_ctrl_coal_vq data = {.vq_index = (uint16_t)(2 * id->queue + id->tx)};
	const size_t asked = offsetof(struct virtio_net_ctrl_coal_vq, coal);
	const struct vnet_query q = {&data, asked, &data.coal, sizeof(data.coal)};
	int got = id->queue < 0 ? -ENOENT : check(vn, id);

	if (got)
		return got;
	if (ring_of(vn, id->tx, (unsigned)id->queue)->stopped)
		return -EIO;
	got = vnet_ctrl_query(vn, command(VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET), &q);
	if (got < 0)
		return got;
	if (got != sizeof(data.coal)) /* what it did not write cannot be believed */
		return -EIO;
	*now = (struct netdev_coalesce){data.coal.max_packets, data.coal.max_usecs};
	return 0;
}

/* ---- start -------------------------------------------------------------------------------- */

int vnet_coal_init(struct vnet *vn, unsigned port)
{
	static const char *const keys[] = {"net.rx_coal", "net.tx_coal"};
	const uint64_t can = VIRTIO_NET_F_NOTF_COAL | VIRTIO_NET_F_VQ_NOTF_COAL;

	for (unsigned tx = 0; tx < 2; tx++) {
		const char *text = options_port_get(keys[tx], port);

		if (!text)
			continue;
		if (!(vn->vd->features & can))
			log_warn("virtio_net", "port %u: %s=%s cannot be had: no %s", port,
			         keys[tx], text, "VIRTIO_NET_F_NOTF_COAL");
		else
			vn->coal_all[tx].given = parse(text, &vn->coal_all[tx].want);
	}
	if (!(vn->vd->features & can))
		return 0;
	vn->coal = mem_alloc("coalescing", 2u * vn->nb_queues * sizeof(*vn->coal), CACHE_LINE);
	return vn->coal ? 0 : -ENOMEM;
}

static void warn(const struct vnet *vn)
{
	log_warn("virtio_net", "port %u: the device notifies at another pace than wanted",
	         vn->dev.port);
}

void vnet_coal_queue_start(struct vnet *vn, bool tx, unsigned queue)
{
	const struct vnet_coal *c;

	if (!vn->coal)
		return;
	c = coal_of(vn, tx, queue);
	if (!c->given && !virtio_has(vn->vd, VIRTIO_NET_F_NOTF_COAL))
		c = &vn->coal_all[tx];
	if (c->given && tell_queue(vn, tx, queue, &c->want))
		warn(vn);
}

void vnet_coal_start(struct vnet *vn)
{
	int err = 0;

	if (!vn->coal)
		return;
	for (unsigned tx = 0; !err && tx < 2; tx++) {
		if (vn->coal_all[tx].given)
			err = tell_all(vn, tx, &vn->coal_all[tx].want);
	}
	for (unsigned i = 0; !err && i < 2u * vn->nb_active; i++) {
		if (vn->coal[i].given)
			err = tell_queue(vn, i & 1, i / 2, &vn->coal[i].want);
	}
	if (err)
		warn(vn);
}
