/*
 * One queue alone (virtio 2.6.1, VIRTIO_F_RING_RESET): stopped, started, given another size, while
 * the others go on. All lcores are parked meanwhile, which takes as long as the device takes.
 */
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_coal.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"

/* Can it be done now? @vq: the queue. */
static int find(struct netdev *dev, uint16_t queue, bool tx, struct virtqueue **vq)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);

	if (queue >= vn->nb_queues)
		return -EINVAL;
	*vq = tx ? &vn->txq[queue].vq : &vn->rxq[queue].vq;
	if (!virtio_has(vn->vd, VIRTIO_F_RING_RESET))
		return -EOPNOTSUPP;
	return vn->started && !vn->failed && queue < vn->nb_active ? 0 : -EIO;
}

/* What the device used is used; the rest comes back. */
static void take_back(struct vnet *vn, unsigned pair, bool tx)
{
	struct vnet_rxq *rx = &vn->rxq[pair];
	struct vnet_txq *txq = &vn->txq[pair];

	if (tx && !txq->vq.broken)
		vnet_txq_reclaim(vn, txq);
	if (!tx)
		vnet_rxq_discard(vn, rx);
	virtqueue_give_up(tx ? &txq->vq : &rx->vq, "the queue is stopped");
	if (tx)
		vnet_txq_drain(txq);
	else
		vnet_rxq_drain(rx);
}

/* A device that does not let go of one queue gets a reset as a whole. */
static int stop_parked(struct vnet *vn, struct virtqueue *vq)
{
	const int err = vn->vd->ops->queue_reset(vn->vd, vq);

	if (err) {
		vnet_fail(vn);
		return -EIO;
	}
	take_back(vn, vq->index / 2, vq->index & 1);
	vq->stopped = true;
	return 0;
}

static int start_parked(struct vnet *vn, struct virtqueue *vq)
{
	const bool tx = vq->index & 1;
	const unsigned pair = vq->index / 2;

	vnet_ring_init(vn, vq);
	if (vn->vd->ops->queue_enable(vn->vd, vq,
	                              tx ? VIRTIO_MSI_NO_VECTOR : vnet_rx_vector(vn->vd, pair))) {
		vnet_fail(vn);
		return -EIO;
	}
	vq->stopped = false;
	vnet_coal_queue_start(vn, tx, pair);
	if (tx)
		vnet_watchdog_start(vn);
	else
		vn->choice.rx->rx(&vn->rxq[pair], NULL, 0); /* fills the ring */
	return 0;
}

int vnet_queue_stop(struct netdev *dev, uint16_t queue, bool tx)
{
	struct virtqueue *vq;
	int err = find(dev, queue, tx, &vq);

	if (err)
		return err;
	if (vq->stopped)
		return -EBUSY;
	lcore_park();
	err = stop_parked(container_of(dev, struct vnet, dev), vq);
	lcore_resume();
	return err;
}

int vnet_queue_start(struct netdev *dev, uint16_t queue, bool tx)
{
	struct virtqueue *vq;
	int err = find(dev, queue, tx, &vq);

	if (err)
		return err;
	if (!vq->stopped)
		return -EBUSY;
	lcore_park();
	err = start_parked(container_of(dev, struct vnet, dev), vq);
	lcore_resume();
	return err;
}

int vnet_queue_resize(struct netdev *dev, uint16_t queue, bool tx, unsigned nentries)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);
	struct virtqueue *vq;
	int err = find(dev, queue, tx, &vq), started = 0;

	if (err)
		return err;

	const bool runs = !vq->stopped;

	lcore_park();
	if (runs)
		err = stop_parked(vn, vq);
	if (!err) {
		err = vnet_ring_resize(vn, vq, nentries);
		if (runs)
			started = start_parked(vn, vq);
	}
	lcore_resume();
	return err ? err : started;
}
