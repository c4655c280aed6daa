/*
 * Where a build finds its virtio network devices: on PCI (virtio_pci_bus.c), or, as a process, at
 * vhost back ends (virtio_user_bus.c). One of the two is linked. Recipe:
 *
 *	options_declare(virtio_bus.options, virtio_bus.nb_options);
 *	n = virtio_bus.scan();
 *	for (i = 0; i < n; i++) {
 *		vd = virtio_bus.probe(i);
 *		if (vd && !virtio_net_probe(vd, ...))
 *			virtio_bus.release(vd);
 *	}
 */
#ifndef DRIVERS_VIRTIO_BUS_H
#define DRIVERS_VIRTIO_BUS_H

#include "drivers/virtio/virtio_transport.h"
#include "kernel/options.h"

struct virtio_bus {
	const struct option *options;
	unsigned nb_options;
	bool all_needed; /* a device without which the kernel is not wanted at all: it ends */

	/* looks for network devices, once. Return: how many there are, in the order of their ports;
	 * none is logged, with what to do about it */
	unsigned (*scan)(void);
	/* takes the @i-th into use. Return: NULL, logged, when that fails; else it lives for ever
	 */
	struct virtio_dev *(*probe)(unsigned i);
	/* some times a second: looks for what was added since, to tell of it; may be NULL */
	void (*poll)(void);
	/* leaves a device alone that its driver cannot use */
	void (*release)(struct virtio_dev *vd);
};

extern const struct virtio_bus virtio_bus;

#endif
