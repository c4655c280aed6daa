/*
 * The transport of drivers that run on a vDPA device: every access to registers goes through its
 * table, whoever supplies that, but for the notification, which goes to the doorbell at once.
 */
#include "drivers/virtio/virtio_vdpa.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/mmio.h"
#include "kernel/string.h"
#include <arch/barrier.h>

static struct vdpa_dev *vdpa_of(const struct virtio_dev *vd)
{
	return vd->transport;
}

static bool vdpa_present(struct virtio_dev *vd)
{
	return vdpa_of(vd)->ops->present(vdpa_of(vd));
}

static uint64_t vdpa_get_features(struct virtio_dev *vd)
{
	return vdpa_of(vd)->ops->get_features(vdpa_of(vd));
}

static void vdpa_set_features(struct virtio_dev *vd, uint64_t features)
{
	/* a refusal shows as FEATURES_OK that does not stay */
	(void)vdpa_of(vd)->ops->set_features(vdpa_of(vd), features);
}

static uint8_t vdpa_get_status(struct virtio_dev *vd)
{
	return vdpa_of(vd)->ops->get_status(vdpa_of(vd));
}

static void vdpa_set_status(struct virtio_dev *vd, uint8_t status)
{
	vdpa_of(vd)->ops->set_status(vdpa_of(vd), status);
}

static int vdpa_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	return vdpa_of(vd)->ops->get_config(vdpa_of(vd), offset, out, len);
}

static int vdpa_config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len)
{
	return vdpa_of(vd)->ops->set_config(vdpa_of(vd), offset, in, len);
}

static uint32_t vdpa_config_generation(struct virtio_dev *vd)
{
	return vdpa_of(vd)->ops->get_generation(vdpa_of(vd));
}

static unsigned vdpa_nb_queues(struct virtio_dev *vd)
{
	return vdpa_of(vd)->ops->nb_vrings(vdpa_of(vd));
}

static uint16_t vdpa_queue_size(struct virtio_dev *vd, uint16_t index)
{
	return vdpa_of(vd)->ops->vring_num_max(vdpa_of(vd), index);
}

static void vectors_follow(struct virtio_dev *vd)
{
	const struct vdpa_dev *dev = vdpa_of(vd);

	vd->nb_vectors = dev->nb_vectors;
	if (dev->irq_mode > vd->irq_mode) /* worse */
		vd->irq_mode = dev->irq_mode;
}

static int vdpa_queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct vdpa_dev *dev = vdpa_of(vd);
	const struct vdpa_ops *ops = dev->ops;
	const struct vdpa_vring_addr addr = {vq->desc_iova, vq->avail_iova, vq->used_iova};
	int err = ops->set_vring_num(dev, vq->index, vq->nentries);

	if (!err)
		err = ops->set_vring_addr(dev, vq->index, &addr);
	if (!err)
		err = ops->set_vring_base(dev, vq->index, vdpa_base_start(vd->features));
	if (!err)
		err = ops->set_vring_vector(dev, vq->index, vector);
	if (!err)
		err = ops->set_vring_enable(dev, vq->index, true);
	vq->notify_addr = err ? NULL : ops->doorbell(dev, vq->index);
	vectors_follow(vd);
	return err;
}

static int vdpa_queue_reset(struct virtio_dev *vd, const struct virtqueue *vq)
{
	return vdpa_of(vd)->ops->set_vring_enable(vdpa_of(vd), vq->index, false);
}

static enum virtio_irq_mode vdpa_irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	vdpa_of(vd)->ops->irq_setup(vdpa_of(vd), wanted, fn, vd);
	vd->nb_vectors = vdpa_of(vd)->nb_vectors;
	return vdpa_of(vd)->irq_mode;
}

static void vdpa_irq_route(struct virtio_dev *vd, unsigned i, unsigned lcore)
{
	vdpa_of(vd)->ops->irq_route(vdpa_of(vd), i, lcore);
}

static int vdpa_set_config_vector(struct virtio_dev *vd, uint16_t vector)
{
	return vdpa_of(vd)->ops->set_config_vector(vdpa_of(vd), vector);
}

static void vdpa_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	if (unlikely(!vq->notify_addr)) {
		vdpa_of(vd)->ops->kick(vdpa_of(vd), vq->index);
		return;
	}
	io_wmb(); /* ring memory before the notification (pair N) */
	mmio_write((volatile uint16_t *)vq->notify_addr, vq->index);
}

static const struct virtio_transport_ops vdpa_transport = {
    .name = "vdpa",
    .present = vdpa_present,
    .get_features = vdpa_get_features,
    .set_features = vdpa_set_features,
    .get_status = vdpa_get_status,
    .set_status = vdpa_set_status,
    .config_read = vdpa_config_read,
    .config_write = vdpa_config_write,
    .config_generation = vdpa_config_generation,
    .nb_queues = vdpa_nb_queues,
    .queue_size = vdpa_queue_size,
    .queue_enable = vdpa_queue_enable,
    .queue_reset = vdpa_queue_reset,
    .irq_setup = vdpa_irq_setup,
    .irq_route = vdpa_irq_route,
    .set_config_vector = vdpa_set_config_vector,
    .notify = vdpa_notify,
};

void virtio_vdpa_init(struct virtio_dev *vd, struct vdpa_dev *dev)
{
	memset(vd, 0, sizeof(*vd));
	vd->ops = &vdpa_transport;
	vd->transport = dev;
	vd->device_id = dev->device_id;
	vd->irq_mode = dev->irq_mode;
	memcpy(vd->name, dev->name, sizeof(vd->name));
}

struct vdpa_dev *virtio_vdpa_device(const struct virtio_dev *vd)
{
	return vd->ops == &vdpa_transport ? vdpa_of(vd) : NULL;
}
