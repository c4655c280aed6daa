/*
 * Requests to a back end that is in the kernel: each is an ioctl, and one that is refused ends the
 * connection.
 */
#ifndef DRIVERS_VIRTIO_VHOST_REQUEST_H
#define DRIVERS_VIRTIO_VHOST_REQUEST_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_dev.h"
#include "drivers/virtio/vhost_ioctl.h"

/** vhost_request() - vhost_dev_ioctl(), while @b is up. Return: 0 or more; -ENOTCONN; or an error,
 * logged, and @b is closed */
int vhost_request(struct vhost_backend *b, int fd, uint32_t request, void *arg);

/** vhost_request_ring() - one that is about ring @index of @fd and a number */
int vhost_request_ring(struct vhost_backend *b, int fd, uint32_t request,
                       struct vhost_vring_state s);

/** vhost_request_file() - one that is about a ring and a descriptor */
int vhost_request_file(struct vhost_backend *b, int fd, uint32_t request, struct vhost_ring_file f);

/** vhost_fail() - the end of the connection. @what: a request's name or other text in front of the
 * reason, @why. Return: @err */
int vhost_fail(struct vhost_backend *b, const char *what, int err, const char *why);

/** vhost_absent() - @what, a file or an interface, cannot be had for @err, which is logged unless
 * it was the same the last time. Return: -EAGAIN */
int vhost_absent(struct vhost_backend *b, const char *what, int err);

#endif
