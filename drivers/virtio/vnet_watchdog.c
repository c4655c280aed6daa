/*
 * The Tx watchdog: a device that has packets and has not given one back for WATCHDOG_NS is stuck.
 * Buffers come back lazily, so that a queue that stands still may only have nothing to do: its used
 * buffers are taken back before it is believed to be stuck. Counted is only time in which we ran,
 * too: while the machine was stopped, so was its device. A device that does not send after its
 * reset either, as nobody takes the packets from it, is given ever more time.
 *
 * Once a link has come up there is little patience until the first packet is sent: QEMU's devices
 * (10.0.2) lose count of a packed ring when they are given a packet without a link, which cannot be
 * helped, as its loss is noticed later. Such a queue never moves again.
 */
#include "drivers/virtio/vnet.h"
#include "kernel/lcore.h"
#include "kernel/plat.h"

#define WATCHDOG_NS 5000000000ull
#define WATCHDOG_MAX_NS 80000000000ull
#define WATCHDOG_STEP_NS 300000000ull /* more at a time than between two looks is not believed */

/* Where the device is in the ring as far as we have looked. */
static READS_OTHERS uint32_t device_at(const struct virtqueue *vq)
{
	if (vq->is_packed)
		return vq->packed.used_pos | (uint32_t)vq->packed.used_flags << 16;
	return vq->used_cons_idx;
}

static READS_OTHERS bool has_packets(const struct virtqueue *vq)
{
	return vq->free_cnt < vq->nentries && !vq->broken;
}

/* If it has moved, all is well with it. */
static void look(struct vnet_watchdog *w, struct vnet_txq *q)
{
	if (device_at(&q->vq) != q->seen_at) {
		w->patience_ns = WATCHDOG_NS;
		w->bites = 0;
	}
	q->seen_at = device_at(&q->vq);
	q->stall_ns = 0;
}

static bool stands_still(const struct vnet_txq *q)
{
	return device_at(&q->vq) == q->seen_at && has_packets(&q->vq);
}

static bool is_stalled(struct vnet *vn, struct vnet_txq *q, uint64_t passed_ns)
{
	struct vnet_watchdog *w = &vn->watchdog;

	if (stands_still(q)) {
		q->stall_ns += passed_ns;
		if (q->stall_ns < w->patience_ns)
			return false;
		lcore_park();
		vnet_txq_reclaim(vn, q);
		lcore_resume();
		if (stands_still(q)) {
			w->patience_ns = min_u64(2 * w->patience_ns, WATCHDOG_MAX_NS);
			return true;
		}
	}
	look(w, q);
	return false;
}

void vnet_watchdog_start(struct vnet *vn)
{
	vn->watchdog.patience_ns = max_u64(vn->watchdog.patience_ns, WATCHDOG_NS);
	for (unsigned i = 0; i < vn->nb_active; i++) {
		vn->txq[i].seen_at = device_at(&vn->txq[i].vq);
		vn->txq[i].stall_ns = 0;
	}
}

void vnet_watchdog_link_up(struct vnet *vn)
{
	/* what was sent until now does not count */
	lcore_park();
	for (unsigned i = 0; i < vn->nb_active; i++) {
		vnet_txq_reclaim(vn, &vn->txq[i]);
		look(&vn->watchdog, &vn->txq[i]);
	}
	lcore_resume();
	if (!vn->watchdog.bites)
		vn->watchdog.patience_ns = VNET_WATCHDOG_LINK_NS;
}

const struct vnet_txq *vnet_watchdog_stalled(struct vnet *vn)
{
	const uint64_t now_ns = plat_time_ns();
	const uint64_t passed_ns = min_u64(now_ns - vn->watchdog.looked_ns, WATCHDOG_STEP_NS);

	vn->watchdog.looked_ns = now_ns;
	/* without a link nobody expects the device to send what it had already */
	for (unsigned i = 0; vn->dev.link_up && i < vn->nb_active; i++) {
		if (is_stalled(vn, &vn->txq[i], passed_ns))
			return &vn->txq[i];
	}
	return NULL;
}
