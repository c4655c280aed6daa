/*
 * A virtio device on PCI as a vDPA device. It has no register that tells, or sets, how far the
 * device is in a ring: vrings begin at the start.
 */
#ifndef DRIVERS_VIRTIO_VIRTIO_PCI_VDPA_H
#define DRIVERS_VIRTIO_VIRTIO_PCI_VDPA_H

#include "drivers/virtio/vdpa.h"

/**
 * virtio_pci_vdpa() - supply a device's table
 * @vd: what virtio_pci_probe() found; used by nobody else from now on
 *
 * Return: the vDPA device, which lives for ever; NULL, logged, when @vd has legacy registers or
 * there is no memory, and @vd is as it was.
 */
struct vdpa_dev *virtio_pci_vdpa(struct virtio_dev *vd);

/** virtio_pci_vdpa_device() - the @vd of virtio_pci_vdpa() */
struct virtio_dev *virtio_pci_vdpa_device(const struct vdpa_dev *dev);

#endif
