/*
 * Virtio over PCI (virtio 4.1): finding the device's registers, and interrupts. Two transports
 * stand behind it, chosen by what the device has: modern (registers in memory, found by
 * capabilities) and legacy (port I/O in BAR 0). Recipe:
 *
 *	if (virtio_pci_device_id(d) == VIRTIO_ID_NET)
 *		vd = virtio_pci_probe(d);
 *	... virtio_dev.h: reset, negotiate ...
 *	vd->ops->irq_setup(vd, 1 + nb_rx_queues, fn);	(once)
 */
#ifndef DRIVERS_VIRTIO_VIRTIO_PCI_H
#define DRIVERS_VIRTIO_VIRTIO_PCI_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"
#include "kernel/msix.h"
#include "kernel/pci.h"

#define VIRTIO_PCI_VECTORS_MAX 129 /* the configuration and 128 Rx queues */
#define VIRTIO_PCI_DEVICE_TRANSITIONAL 0x1000
#define VIRTIO_PCI_DEVICE_MODERN 0x1040
#define VIRTIO_PCI_DEVICE_LAST 0x107f

/**
 * virtio_pci_device_id() - the virtio device ID of a PCI function (virtio 4.1.2)
 *
 * Touches nothing. Return: VIRTIO_ID_NET, ...; 0 when @d is no virtio device.
 */
uint16_t virtio_pci_device_id(const struct pci_dev *d);

/**
 * virtio_pci_probe() - take a virtio function into use
 * @d: a function whose virtio_pci_device_id() is not 0
 *
 * Switches on decoding and bus mastering, and finds the registers: modern when its capabilities
 * are complete, else legacy. The device is not reset yet. The result lives for ever.
 *
 * Return: the device, with ops, transport, device_id, legacy and name filled; NULL, with a log
 * line that says why, when it cannot be used.
 */
struct virtio_dev *virtio_pci_probe(struct pci_dev *d);

/** virtio_pci_reaches_memory() - no IOMMU is in the way of a device that was probed, or the reason
 * is logged */
bool virtio_pci_reaches_memory(struct virtio_dev *vd);

/**
 * virtio_pci_release() - leave a device alone that its driver cannot use
 *
 * The driver has reset it. No interrupt and no DMA come from it any more; the memory of @vd is not
 * given back.
 */
void virtio_pci_release(struct virtio_dev *vd);

/* ---- between virtio_pci.c and the two transports ------------------------------------------ */

struct virtio_pci;

/* Where the two kinds of registers differ in nothing but the access. */
struct virtio_pci_regs {
	uint8_t (*isr)(struct virtio_pci *vp); /* reading clears it */
	uint32_t (*config_bytes)(const struct virtio_pci *vp);
	uint32_t (*config_get)(struct virtio_pci *vp, unsigned offset, unsigned width);
	void (*config_put)(struct virtio_pci *vp, unsigned offset, unsigned width, uint32_t v);
	/* write a vector, return what the device says it has; of the selected queue */
	uint16_t (*config_vector)(struct virtio_pci *vp, uint16_t vector);
	uint16_t (*queue_vector)(struct virtio_pci *vp, uint16_t vector);
};

/* A structure that a capability points to; length 0: none. */
struct virtio_pci_region {
	uint8_t bar;
	uint32_t offset, length;
	unsigned cap; /* where the capability stands */
};

/* Argument of an interrupt handler. */
struct virtio_pci_vector {
	struct virtio_pci *vp;
	unsigned vector;
	struct plat_msi msg;
};

struct virtio_pci {
	struct virtio_dev vd;
	struct pci_dev *pci;
	const struct virtio_pci_regs *regs;

	struct msix msix;
	bool msix_on;       /* legacy: the device configuration has moved */
	bool leaving;       /* the card will be taken out */
	bool vector_shared; /* vector 0 speaks for everything */
	virtio_irq_fn irq_fn;
	struct virtio_pci_vector *vectors; /* those that were wanted */

	struct {
		volatile struct virtio_pci_common_cfg *common;
		bool has_queue_reset; /* the structure is long enough */
		volatile uint8_t *isr;
		volatile uint8_t *device; /* device configuration, NULL: none */
		uint32_t device_bytes;
		struct virtio_pci_region notify;
		uint32_t notify_multiplier;
	} modern;

	struct {
		uint32_t port;
		uint32_t bytes;
	} legacy;
};

/** virtio_pci_modern_init() - find the structures of virtio 4.1.4. Return: 0 with regs and ops
 * set; -ENODEV when there is no such capability; -EINVAL, logged, when they are not usable */
int virtio_pci_modern_init(struct virtio_pci *vp);
/** virtio_pci_legacy_init() - registers of virtio 4.1.4.10. Return: 0 or -ENODEV */
int virtio_pci_legacy_init(struct virtio_pci *vp);

/* parts of struct virtio_transport_ops that are the same for both */
int virtio_pci_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len);
int virtio_pci_config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len);
enum virtio_irq_mode virtio_pci_irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn);
void virtio_pci_irq_route(struct virtio_dev *vd, unsigned i, unsigned lcore);
int virtio_pci_set_config_vector(struct virtio_dev *vd, uint16_t vector);
bool virtio_pci_present(struct virtio_dev *vd);

/**
 * virtio_pci_queue_vector() - map the selected queue to a vector (virtio 4.1.5.1.2)
 *
 * A device that refuses gets vector 0 for this queue, then none; vd->irq_mode follows, and each
 * step is logged. One that insists on a vector where none is wanted is only told of.
 */
void virtio_pci_queue_vector(struct virtio_pci *vp, unsigned queue, uint16_t vector);

static inline struct virtio_pci *virtio_pci_of(const struct virtio_dev *vd)
{
	return vd->transport;
}

#endif
