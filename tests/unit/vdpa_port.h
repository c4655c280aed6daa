/* Ports of vnet_fixture.h that run through the vDPA layer, where the device can: test programs that
 * include this header run the tests of another. */
#ifndef TESTS_UNIT_VDPA_PORT_H
#define TESTS_UNIT_VDPA_PORT_H

#include "drivers/virtio/virtio_pci_vdpa.h"
#include "drivers/virtio/virtio_vdpa.h"
#include "kernel/memory.h"
#include "tests/model/vdev.h"
#include <criterion/criterion.h>

static inline void vdpa_attach(struct vdev *d, struct virtio_dev *vd)
{
	struct virtio_dev *beneath = mem_alloc("beneath", sizeof(*beneath), CACHE_LINE);
	struct vdpa_dev *dev;

	cr_assert_not_null(beneath);
	vdev_attach(d, beneath);
	dev = virtio_pci_vdpa(beneath);
	if (dev)
		virtio_vdpa_init(vd, dev);
	else
		vdev_attach(d, vd);
}

#define PORT_ATTACH vdpa_attach
#define PORT_TRANSPORT "vdpa"

#endif
