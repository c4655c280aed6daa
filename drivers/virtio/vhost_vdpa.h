/*
 * The back end of Linux' vhost-vdpa: a network device of the kernel's vDPA bus, hardware or VDUSE,
 * which is virtio's with all registers, and to which our memory is mapped at its I/O addresses.
 */
#ifndef DRIVERS_VIRTIO_VHOST_VDPA_H
#define DRIVERS_VIRTIO_VHOST_VDPA_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_ioctl.h"

struct vhost_vdpa {
	struct vhost_backend b; /* protocol: its backend features */
	int fd;
	struct iova_range range; /* of addresses that it can have */
	struct vhost_region mapped;
	uint64_t asked_ns; /* when poll() has looked */
};

/** vhost_vdpa_init() - fill @vv, all zero before, for the device at @path, which lives as long */
void vhost_vdpa_init(struct vhost_vdpa *vv, const char *path);

#endif
