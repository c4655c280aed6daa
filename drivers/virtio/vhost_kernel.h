/*
 * The back end of Linux' vhost-net: a thread of the kernel that moves packets between our rings and
 * a tap. It is opened once for each queue pair, with a queue of the tap. Split rings only; it keeps
 * no status, and the link is the interface's.
 */
#ifndef DRIVERS_VIRTIO_VHOST_KERNEL_H
#define DRIVERS_VIRTIO_VHOST_KERNEL_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_ioctl.h"

struct vhost_kernel {
	struct vhost_backend b;
	char iface[IF_NAME_LEN]; /* empty: the kernel chooses one, at the first open */
	uint64_t kernel_features;
	uint64_t asked_ns; /* when poll() has looked */
	int vhost_fd[VHOST_PAIRS_MAX], tap_fd[VHOST_PAIRS_MAX];
	int ask_fd; /* to ask about the interface */
	int err_fd; /* counts faults of rings; for as long as we live */
};

/** vhost_kernel_init() - fill @vk, all zero before, for the device at @path, which lives as long,
 * and the tap @iface; NULL: the kernel may name it. Return: 0; -EINVAL when @iface is no name; or
 * why there is no event counter */
int vhost_kernel_init(struct vhost_kernel *vk, const char *path, const char *iface);

#endif
