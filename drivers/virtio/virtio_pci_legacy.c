/*
 * The legacy PCI transport (virtio 4.1.4.10, 2.7.2; "virtio 0.9.5"): ports in BAR 0, rings given
 * by page number, sizes fixed by the device, 32 feature bits, and a device configuration that
 * moves by four bytes while MSI-X is on.
 */
#include "drivers/virtio/virtio_pci.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/assert.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include <arch/barrier.h>

#define PFN_SHIFT 12
#define QUEUES_MAX (2 * 128 + 1) /* pairs and the control queue */
static_assert(1 << PFN_SHIFT == VIRTIO_LEGACY_RING_ALIGN, "the queue address is in pages");

static uint32_t port_read(const struct virtio_pci *vp, unsigned offset, unsigned width)
{
	return plat_io_read(vp->legacy.port + offset, width);
}

static void port_write(const struct virtio_pci *vp, unsigned offset, unsigned width, uint32_t v)
{
	plat_io_write(vp->legacy.port + offset, width, v);
}

/* ---- registers ---------------------------------------------------------------------------- */

static unsigned config_start(const struct virtio_pci *vp)
{
	return vp->msix_on ? VIRTIO_LEGACY_CONFIG_MSIX : VIRTIO_LEGACY_CONFIG;
}

static uint8_t legacy_isr(struct virtio_pci *vp)
{
	return (uint8_t)port_read(vp, VIRTIO_LEGACY_ISR, 1);
}

static uint32_t legacy_config_bytes(const struct virtio_pci *vp)
{
	return vp->legacy.bytes - config_start(vp);
}

static uint32_t legacy_config_get(struct virtio_pci *vp, unsigned offset, unsigned width)
{
	return port_read(vp, config_start(vp) + offset, width);
}

static void legacy_config_put(struct virtio_pci *vp, unsigned offset, unsigned width, uint32_t v)
{
	port_write(vp, config_start(vp) + offset, width, v);
}

static uint16_t legacy_config_vector(struct virtio_pci *vp, uint16_t vector)
{
	port_write(vp, VIRTIO_LEGACY_CONFIG_VECTOR, 2, vector);
	return (uint16_t)port_read(vp, VIRTIO_LEGACY_CONFIG_VECTOR, 2);
}

static uint16_t legacy_queue_vector(struct virtio_pci *vp, uint16_t vector)
{
	port_write(vp, VIRTIO_LEGACY_QUEUE_VECTOR, 2, vector);
	return (uint16_t)port_read(vp, VIRTIO_LEGACY_QUEUE_VECTOR, 2);
}

static const struct virtio_pci_regs legacy_regs = {
    .isr = legacy_isr,
    .config_bytes = legacy_config_bytes,
    .config_get = legacy_config_get,
    .config_put = legacy_config_put,
    .config_vector = legacy_config_vector,
    .queue_vector = legacy_queue_vector,
};

/* ---- transport operations ----------------------------------------------------------------- */

static uint64_t legacy_get_features(struct virtio_dev *vd)
{
	return port_read(virtio_pci_of(vd), VIRTIO_LEGACY_DEVICE_FEATURES, 4);
}

static void legacy_set_features(struct virtio_dev *vd, uint64_t features)
{
	port_write(virtio_pci_of(vd), VIRTIO_LEGACY_DRIVER_FEATURES, 4, (uint32_t)features);
}

static uint8_t legacy_get_status(struct virtio_dev *vd)
{
	return (uint8_t)port_read(virtio_pci_of(vd), VIRTIO_LEGACY_STATUS, 1);
}

static void legacy_set_status(struct virtio_dev *vd, uint8_t status)
{
	/* DRIVER_OK lets the device look at the rings (pair N) */
	io_wmb();
	port_write(virtio_pci_of(vd), VIRTIO_LEGACY_STATUS, 1, status);
}

static uint32_t legacy_config_generation(struct virtio_dev *vd)
{
	(void)vd;
	return 0;
}

static uint16_t legacy_queue_size(struct virtio_dev *vd, uint16_t index)
{
	const struct virtio_pci *vp = virtio_pci_of(vd);

	if (index >= QUEUES_MAX)
		return 0;
	port_write(vp, VIRTIO_LEGACY_QUEUE_SELECT, 2, index);
	return (uint16_t)port_read(vp, VIRTIO_LEGACY_QUEUE_SIZE, 2);
}

/* No register says it: the first queue without a size is behind the last. */
static unsigned legacy_nb_queues(struct virtio_dev *vd)
{
	unsigned n = 0;

	while (n < QUEUES_MAX && legacy_queue_size(vd, (uint16_t)n))
		n++;
	return n;
}

static int queue_refused(const struct virtio_dev *vd, const struct virtqueue *vq, const char *why)
{
	log_err("virtio_pci", "%s: queue %u %s: the device is broken", vd->name, vq->index, why);
	return -EIO;
}

static int legacy_queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	uint64_t pfn = vq->desc_iova >> PFN_SHIFT;

	assert(vq->desc_iova % VIRTIO_LEGACY_RING_ALIGN == 0);
	if (pfn > UINT32_MAX) {
		log_err("virtio_pci",
		        "%s: the ring of queue %u is at 0x%llx, beyond the 2^44 of "
		        "the legacy interface (QEMU: disable-modern=off)",
		        vd->name, vq->index, (unsigned long long)vq->desc_iova);
		return -ERANGE;
	}
	if (legacy_queue_size(vd, vq->index) != vq->nentries)
		return queue_refused(vd, vq, "has not the size it had");
	if (port_read(vp, VIRTIO_LEGACY_QUEUE_PFN, 4))
		return queue_refused(vd, vq, "is enabled before we did so");

	virtio_pci_queue_vector(vp, vq->index, vector);
	io_wmb(); /* the ring is filled before the device may see it (pair N) */
	port_write(vp, VIRTIO_LEGACY_QUEUE_PFN, 4, (uint32_t)pfn);
	if (port_read(vp, VIRTIO_LEGACY_QUEUE_PFN, 4) != pfn)
		return queue_refused(vd, vq, "does not take its address");
	return 0;
}

static void legacy_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	io_wmb(); /* ring memory before the notification (pair N) */
	port_write(virtio_pci_of(vd), VIRTIO_LEGACY_QUEUE_NOTIFY, 2, vq->index);
}

static const struct virtio_transport_ops legacy_ops = {
    .name = "legacy",
    .present = virtio_pci_present,
    .get_features = legacy_get_features,
    .set_features = legacy_set_features,
    .get_status = legacy_get_status,
    .set_status = legacy_set_status,
    .config_read = virtio_pci_config_read,
    .config_write = virtio_pci_config_write,
    .config_generation = legacy_config_generation,
    .nb_queues = legacy_nb_queues,
    .queue_size = legacy_queue_size,
    .queue_size_is_fixed = true,
    .queue_enable = legacy_queue_enable,
    .irq_setup = virtio_pci_irq_setup,
    .irq_route = virtio_pci_irq_route,
    .set_config_vector = virtio_pci_set_config_vector,
    .notify = legacy_notify,
};

int virtio_pci_legacy_init(struct virtio_pci *vp)
{
	const struct pci_bar *bar = &vp->pci->bar[0];

	if (bar->kind != PCI_BAR_IO || bar->addr == 0 || bar->size < VIRTIO_LEGACY_CONFIG_MSIX)
		return -ENODEV;
	vp->legacy.port = (uint32_t)bar->addr;
	vp->legacy.bytes = (uint32_t)bar->size;
	vp->regs = &legacy_regs;
	vp->vd.ops = &legacy_ops;
	vp->vd.legacy = true;
	return 0;
}
