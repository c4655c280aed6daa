/*
 * What the back ends inside of the operating system need of it: character devices, and a socket to
 * ask about network interfaces with; nearly all of it is ioctl. Implemented by
 * arch/hosted/vhost_dev.c. Errors are negative errno values, for vhost_link_error().
 */
#ifndef DRIVERS_VIRTIO_VHOST_DEV_H
#define DRIVERS_VIRTIO_VHOST_DEV_H

#include "kernel/compiler.h"

#define VHOST_DEV_NONE (-1)

/** vhost_dev_open() - for reading and writing, without waiting. Return: a descriptor, or an error
 */
int vhost_dev_open(const char *path);

/** vhost_dev_socket() - one that takes ioctls about interfaces. Return: a descriptor, or an error
 */
int vhost_dev_socket(void);

/** vhost_dev_close() - what is negative is taken, too */
void vhost_dev_close(int fd);

/** vhost_dev_ioctl() - @arg: a pointer, or a number, as the request has it. How long it takes is
 * the kernel's business. Return: 0 or more, or an error */
int vhost_dev_ioctl(int fd, uint32_t request, void *arg);

/** vhost_dev_write() - Return: 0, or an error; -EIO when not all was taken */
int vhost_dev_write(int fd, const void *data, size_t len);

#endif
