/*
 * Interrupts of a port. Its Rx queues are silent but for the time that their lcore sleeps: it asks
 * for one before, looks at the ring once more, and silences the queue first thing when it wakes up
 * (virtio 2.7.7, 2.8.10). So each sleep takes one interrupt of a queue, or the few that a device
 * without EVENT_IDX raises until it sees that it shall not.
 */
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vq.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/string.h"

/* ---- handlers ----------------------------------------------------------------------------- */

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* Nobody knows whose it is. Most are of queues: a change of the configuration is seen at the next
 * link_poll, and is no news that would have it looked at behind every packet. */
static void shared_irq(struct vnet *vn, bool config)
{
	count(config ? &vn->config_interrupts : &vn->rxq[0].interrupts);
	for (unsigned i = 0; i < vn->nb_queues; i++)
		lcore_wake(vn->rxq[i].lcore);
}

void vnet_irq(struct virtio_dev *vd, unsigned vector)
{
	struct vnet *vn = vd->driver;

	if (vector == VIRTIO_IRQ_ANY || vector == VIRTIO_IRQ_ANY_QUEUE)
		shared_irq(vn, vector == VIRTIO_IRQ_ANY);
	if (vector > vn->nb_queues)
		return;
	if (!vector) {
		count(&vn->config_interrupts);
		__atomic_store_n(&vn->dev.news, true, __ATOMIC_RELAXED);
		return;
	}

	struct vnet_rxq *q = &vn->rxq[vector - 1];

	count(&q->interrupts);
	lcore_wake(q->lcore);
}

/* ---- the mode ----------------------------------------------------------------------------- */

void vnet_mode_init(struct vnet *vn, unsigned port)
{
	const char *mode = options_port_get("net.mode", port);

	vn->dev.mode = !strcmp(mode, "poll")        ? NETDEV_POLL
	               : !strcmp(mode, "interrupt") ? NETDEV_INTERRUPT
	                                            : NETDEV_ADAPTIVE;
}

void vnet_mode_check(struct vnet *vn)
{
	if (vn->dev.mode == NETDEV_POLL || vn->vd->irq_mode != VIRTIO_IRQ_NONE)
		return;
	log_warn("virtio_net",
	         "port %u: its device cannot interrupt: it is polled, as by net.mode=poll; give it "
	         "vectors (QEMU: vectors=%u)",
	         vn->dev.port, 2u * vn->nb_queues + 2u);
	vn->dev.mode = NETDEV_POLL;
}

/* ---- asking ------------------------------------------------------------------------------- */

void vnet_rx_route(struct netdev *dev, uint16_t queue, unsigned lcore)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);

	vn->rxq[queue].lcore = (uint16_t)lcore;
	if (vn->vd->ops->irq_route)
		vn->vd->ops->irq_route(vn->vd, queue, lcore);
}

/* Is the ring as full as it can be? What it lacks may be what the device waits for. */
static bool is_filled(const struct vnet_rxq *q)
{
	return q->vq.broken || q->vq.free_cnt < q->refill_at;
}

bool vnet_rx_arm(struct netdev *dev, uint16_t queue)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);
	struct vnet_rxq *q = &vn->rxq[queue];

	if (vn->vd->irq_mode == VIRTIO_IRQ_NONE || !is_filled(q))
		return false;
	if (!vn->started || q->vq.broken)
		return true; /* nothing comes before it is started */
	vq_intr_set(&q->vq, true);
	/* what became used before the device saw the wish raises no interrupt (virtio 2.7.7.1) */
	return !vq_has_used(&q->vq);
}

bool vnet_rx_disarm(struct netdev *dev, uint16_t queue)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);
	struct virtqueue *vq = &vn->rxq[queue].vq;

	if (!vn->started || vq->broken)
		return false;
	vq_intr_set(vq, false);
	return vq_has_used(vq);
}
