/*
 * vDPA: a device whose data path is virtio's own, and whose control path is this table, so that
 * who supplies such a device and who uses it need not know each other. Supplied over PCI
 * (virtio_pci_vdpa.c), used by the network driver (virtio_vdpa.c) and by whoever else wants the
 * rings for himself. The life of a device is that of virtio 3.1.1; of a vring:
 *
 *	ops->set_vring_num(dev, i, n);  set_vring_addr, set_vring_base, set_vring_vector
 *	ops->set_vring_enable(dev, i, true);
 *	... its doorbell, or ops->kick(dev, i) ...
 *	ops->set_vring_enable(dev, i, false);	or status 0, which ends all of them
 *
 * Where nothing else is said, functions return 0; -EINVAL for a vring or a value that cannot be;
 * -EBUSY for a vring that is enabled. Nothing is logged for these.
 */
#ifndef DRIVERS_VIRTIO_VDPA_H
#define DRIVERS_VIRTIO_VDPA_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"

#define VDPA_VRINGS_MAX (2 * 128 + 1) /* pairs and the control queue */

/* A vring's base is where both sides begin. Split: the index of the next available entry. Packed:
 * bits 0-14 the next descriptor to become available and bit 15 its wrap counter; bits 16-31 the
 * same of the next to be used (virtio 2.8.1). */
#define VDPA_BASE_SPLIT 0u
#define VDPA_BASE_PACKED 0x80008000u

struct vdpa_dev;

/* I/O addresses of the three parts, aligned as virtio 2.7 and 2.8.10.1 say. */
struct vdpa_vring_addr {
	uint64_t desc, driver, device;
};

struct vdpa_ops {
	/* as in virtio_transport_ops */
	bool (*present)(struct vdpa_dev *dev);

	/* offered; those that a kick by number cannot serve are not among them */
	uint64_t (*get_features)(struct vdpa_dev *dev);
	/* -EINVAL for what is not offered, or without VERSION_1: the device gets none then, and
	 * will not keep FEATURES_OK */
	int (*set_features)(struct vdpa_dev *dev, uint64_t features);

	/* 0 resets the device, which has happened when 0 is read; no vring is set then */
	uint8_t (*get_status)(struct vdpa_dev *dev);
	void (*set_status)(struct vdpa_dev *dev, uint8_t status);

	/* device configuration; -ERANGE behind its end */
	int (*get_config)(struct vdpa_dev *dev, unsigned offset, void *out, unsigned len);
	int (*set_config)(struct vdpa_dev *dev, unsigned offset, const void *in, unsigned len);
	uint32_t (*get_generation)(struct vdpa_dev *dev);

	unsigned (*nb_vrings)(struct vdpa_dev *dev);
	/* descriptors; 0: no such vring */
	uint16_t (*vring_num_max)(struct vdpa_dev *dev, uint16_t i);
	int (*set_vring_num)(struct vdpa_dev *dev, uint16_t i, uint16_t num);
	int (*set_vring_addr)(struct vdpa_dev *dev, uint16_t i, const struct vdpa_vring_addr *addr);
	/* -EOPNOTSUPP for all but the start, by who cannot let a device begin elsewhere, and while
	 * the vring is enabled, by who cannot ask how far the device is */
	int (*set_vring_base)(struct vdpa_dev *dev, uint16_t i, uint32_t base);
	int (*get_vring_base)(struct vdpa_dev *dev, uint16_t i, uint32_t *base);
	/* VIRTIO_MSI_NO_VECTOR, which a vring has after a reset: it does not interrupt */
	int (*set_vring_vector)(struct vdpa_dev *dev, uint16_t i, uint16_t vector);
	/* on: as queue_enable of virtio_transport_ops, -EINVAL without features, size or addresses.
	 * Off: the device has let go of it when 0 comes back; -EOPNOTSUPP without RING_RESET,
	 * -ETIMEDOUT */
	int (*set_vring_enable)(struct vdpa_dev *dev, uint16_t i, bool on);

	/* tells the device of what was published; in vain while the vring is not enabled */
	void (*kick)(struct vdpa_dev *dev, uint16_t i);
	/* of an enabled vring: a register of 16 bits, to which storing @i behind io_wmb() is the
	 * same; NULL: there is none */
	volatile void *(*doorbell)(struct vdpa_dev *dev, uint16_t i);

	/* once; as in virtio_transport_ops, but @fn is called with @of. dev->irq_mode and
	 * nb_vectors say what came of it */
	void (*irq_setup)(struct vdpa_dev *dev, unsigned wanted, virtio_irq_fn fn,
	                  struct virtio_dev *of);
	void (*irq_route)(struct vdpa_dev *dev, unsigned i, unsigned lcore);
	/* -EIO when the device has none left */
	int (*set_config_vector)(struct vdpa_dev *dev, uint16_t vector);
};

struct vdpa_dev {
	const struct vdpa_ops *ops;
	uint16_t device_id;
	uint16_t nb_vectors;           /* in use */
	enum virtio_irq_mode irq_mode; /* may get worse when a vring is enabled */
	const char *name;
};

/** vdpa_base_start() - where a vring begins after a reset */
static inline uint32_t vdpa_base_start(uint64_t features)
{
	return features & VIRTIO_F_RING_PACKED ? VDPA_BASE_PACKED : VDPA_BASE_SPLIT;
}

#endif
