/*
 * A port whose device failed: it broke the protocol, asks for a reset (virtio 2.1.1), does not send
 * any more, or is not there any more. It is told to forget its rings at once, and when it has, the
 * port is stopped and started again: at first soon, then after ever longer waits of at most
 * RECOVER_WAIT_MAX_NS. A device that fails again and again is left at that pace if it can be
 * reached anew, like another process that may be replaced; hardware is tried only every
 * RECOVER_WAIT_SLOW_NS then.
 */
#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/plat.h"

#define RECOVER_WAIT_MIN_NS 100000000ull
#define RECOVER_WAIT_MAX_NS 1000000000ull
#define RECOVER_WAIT_SLOW_NS 10000000000ull
#define RECOVER_BRISK_TRIES 8
#define RECOVER_SETTLED_NS 5000000000ull /* a port that ran for so long is well */
#define NS_PER_SECOND 1000000000ull
#define NS_PER_MS 1000000ull

/* ---- the link ----------------------------------------------------------------------------- */

/* netdev_tx_burst() while the link is down. Devices drop what they are given then, and QEMU's lose
 * count of a packed ring (10.0.2: its Tx queue never moves again). */
static uint16_t tx_without_link(void *queue, struct mbuf **pkts, uint16_t n)
{
	struct vnet_txq *q = queue;
	const struct vnet *vn = q->vq.vd->driver;

	(void)n;
	return vn->choice.tx->tx(q, pkts, 0); /* what was sent before comes back */
}

void vnet_link_set(struct vnet *vn, bool up)
{
	const netdev_burst_fn tx = up ? vn->choice.tx->tx : tx_without_link;

	if (vn->dev.link_up == up && vn->dev.tx_burst == tx)
		return;
	lcore_park();
	/* switches may have forgotten us, and what was announced meanwhile went nowhere */
	vn->dev.announce |= up && !vn->dev.link_up;
	vn->dev.link_up = up;
	vn->dev.tx_burst = tx;
	lcore_resume();
}

/* ---- failure ------------------------------------------------------------------------------ */

void vnet_fail(struct vnet *vn)
{
	struct vnet_recovery *r = &vn->recovery;
	const bool was_up = vn->dev.link_up;

	/* not waited for: this is the loop */
	lcore_park();
	vn->failed = true;
	vn->vd->ops->set_status(vn->vd, 0);
	vnet_queues_settle(vn);
	vnet_queues_give_up(vn, "the port failed");
	vnet_link_set(vn, false);
	lcore_resume();
	if (was_up && !r->quiet)
		log_info("virtio_net", "port %u: link down", vn->dev.port);
	r->failed++;
	r->wanted = true;
	r->asked_ns = 0;
	/* the first try comes at once, but after what others have to do now */
	__atomic_store_n(&vn->dev.news, true, __ATOMIC_RELAXED);
	if (plat_time_ns() - r->tried_ns < RECOVER_SETTLED_NS && !r->excused)
		return;
	r->wait_ns = 0;
	r->failures = 0;
}

static bool is_there(const struct vnet *vn)
{
	return !vn->vd->ops->present || vn->vd->ops->present(vn->vd);
}

static bool is_gone(struct vnet *vn)
{
	if (is_there(vn))
		return false;
	vn->recovery.excused = true;
	log_warn("virtio_net", "port %u: its card %s is taken out; port is down", vn->dev.port,
	         vn->vd->name);
	return true;
}

static READS_OTHERS bool queue_is_broken(const struct vnet *vn, const struct virtqueue *vq,
                                         const char *direction)
{
	if (!__atomic_load_n(&vq->broken, __ATOMIC_ACQUIRE) || vq->stopped)
		return false;
	log_err("virtio_net", "port %u: %s queue %u is broken: the device gave a %s; port is down",
	        vn->dev.port, direction, vq->index / 2, vq->broken_why);
	return true;
}

static bool is_broken(struct vnet *vn)
{
	for (unsigned i = 0; i < vn->nb_active; i++) {
		if (queue_is_broken(vn, &vn->rxq[i].vq, "Rx") ||
		    queue_is_broken(vn, &vn->txq[i].vq, "Tx"))
			return true;
	}
	return vnet_ctrl_needs_reset(vn);
}

/* The device says so with a configuration interrupt. */
static bool needs_reset(const struct vnet *vn)
{
	struct virtio_dev *vd = vn->vd;
	uint8_t status;

	if (vd->irq_mode < VIRTIO_IRQ_EVENTS &&
	    vn->config_seen == __atomic_load_n(&vn->config_interrupts, __ATOMIC_RELAXED))
		return false;
	status = vd->ops->get_status(vd);
	if (!(status & VIRTIO_STATUS_NEEDS_RESET))
		return false;
	/* one that has left, as was logged, does not know any more what it agreed to */
	log_err("virtio_net", "port %u: the device %s; port is down", vn->dev.port,
	        vd->ops->open && !(status & VIRTIO_STATUS_FEATURES_OK) ? "is gone"
	                                                               : "needs a reset");
	return true;
}

static bool is_stuck(struct vnet *vn)
{
	const uint64_t patience_ns = vn->watchdog.patience_ns;
	const struct vnet_txq *q = vnet_watchdog_stalled(vn);

	if (!q)
		return false;
	/* it stood still because its link was down for a while: that may happen often */
	vn->recovery.excused = patience_ns == VNET_WATCHDOG_LINK_NS;
	/* the next time without a packet sent in between is nothing new */
	vn->recovery.quiet = vn->watchdog.bites++ > 0;
	if (!vn->recovery.quiet)
		log_err("virtio_net",
		        "port %u: Tx queue %u: the device has sent none of its packets for %u ms; "
		        "port is down",
		        vn->dev.port, q->vq.index / 2, (unsigned)(patience_ns / NS_PER_MS));
	return true;
}

void vnet_health(struct vnet *vn)
{
	vn->recovery.quiet = vn->recovery.excused = false;
	if (is_gone(vn) || is_broken(vn) || needs_reset(vn) || is_stuck(vn))
		vnet_fail(vn);
}

/* ---- recovery ----------------------------------------------------------------------------- */

/* One more try, the next so long after its end: it may have waited for the device. */
static void back_off(const struct vnet *vn, struct vnet_recovery *r)
{
	const bool replaceable = vn->vd->ops->open != NULL;

	r->wait_ns = min_u64(max_u64(2 * r->wait_ns, RECOVER_WAIT_MIN_NS), RECOVER_WAIT_MAX_NS);
	if (replaceable || ++r->failures < RECOVER_BRISK_TRIES)
		return;
	r->wait_ns = RECOVER_WAIT_SLOW_NS;
	if (r->failures == RECOVER_BRISK_TRIES)
		log_err("virtio_net",
		        "port %u: its device failed %u times in a row: tried only every %u s from "
		        "now on; reset or replace it",
		        vn->dev.port, r->failures,
		        (unsigned)(RECOVER_WAIT_SLOW_NS / NS_PER_SECOND));
}

/* Has the device done its reset? It is told again when it has not for a while. */
static bool is_reset(const struct vnet *vn, struct vnet_recovery *r, uint64_t now_ns)
{
	struct virtio_dev *vd = vn->vd;

	if (vd->ops->open || !vd->ops->get_status(vd))
		return true;
	if (!r->asked_ns) {
		r->asked_ns = now_ns;
		vd->ops->set_status(vd, 0);
		return !vd->ops->get_status(vd);
	}
	if (now_ns - r->asked_ns < VIRTIO_RESET_TIMEOUT_NS)
		return false;
	if (!r->failures)
		log_err("virtio_net", "port %u: the device does not reset (status 0x%02x)",
		        vn->dev.port, vd->ops->get_status(vd));
	r->asked_ns = 0;
	r->tried_ns = now_ns;
	back_off(vn, r);
	return false;
}

/* A card that is not there holds no buffers. It is looked for every now and then. */
static void wait_for_card(struct vnet *vn, struct vnet_recovery *r, uint64_t now_ns)
{
	if (vn->started)
		vn->dev.ops->stop(&vn->dev);
	r->wanted = true;
	r->failures = 0;
	r->asked_ns = 0;
	r->tried_ns = now_ns;
	r->wait_ns = RECOVER_WAIT_MAX_NS / 2;
}

void vnet_recover(struct vnet *vn)
{
	struct vnet_recovery *r = &vn->recovery;
	const uint64_t now_ns = plat_time_ns();
	struct netdev *dev = &vn->dev;
	int err;

	if (!r->wanted || now_ns - r->tried_ns < r->wait_ns)
		return;
	if (!is_there(vn)) {
		wait_for_card(vn, r, now_ns);
		return;
	}
	if (!is_reset(vn, r, now_ns))
		return;
	back_off(vn, r);
	dev->ops->stop(dev);
	err = dev->ops->start(dev);
	r->asked_ns = 0;
	r->tried_ns = plat_time_ns();
	if (!err) {
		if (!r->quiet)
			log_info("virtio_net", "port %u: runs again, link %s", dev->port,
			         dev->link_up ? "up" : "down");
		r->away = false;
		return;
	}
	r->wanted = true;
	if (!r->away && err == -EAGAIN)
		log_info("virtio_net", "port %u: waiting for its device to come back", dev->port);
	r->away = err == -EAGAIN;
}
