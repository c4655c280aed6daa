/*
 * A tap: the network interface whose wire ends at vhost-net. Packets pass between the two with
 * virtio's header in front, so that offloads are the interface's.
 */
#ifndef DRIVERS_VIRTIO_VHOST_TAP_H
#define DRIVERS_VIRTIO_VHOST_TAP_H

#include "drivers/virtio/vhost_request.h"

#define TAP_PATH "/dev/net/tun"

/** tap_open() - a queue of the tap @name; an empty name is the kernel's to choose. One that exists
 * is attached to, else it is made, and lives as long as its last queue. @multi_queue: more of them
 * are to come. Return: a descriptor, and @name is the interface's; or an error */
int tap_open(char name[IF_NAME_LEN], bool multi_queue);

/** tap_features() - the offloads that it can do, as feature bits of a device; none are on then */
uint64_t tap_features(int fd);

/** tap_set_features() - header and offloads as a driver has accepted them. Return: 0; or an error,
 * logged, and @b is closed */
int tap_set_features(struct vhost_backend *b, int fd, uint64_t features);

/** tap_attach_queue() - let a queue, behind the first one, get packets, or not. Return: as above */
int tap_attach_queue(struct vhost_backend *b, int fd, bool on);

/** tap_is_up() - has it been set up (`ip link set ... up`)? @ask_fd: of vhost_dev_socket(). True,
 * too, when that cannot be seen, as the interface is in another network namespace. Return: 1, 0, or
 * an error: it is gone */
int tap_is_up(int fd, int ask_fd);

#endif
