/*
 * When the device notifies: after how many packets, or how many microseconds behind the first
 * (virtio 5.1.9.5.10). What is wanted is kept here and told again at each start.
 */
#ifndef DRIVERS_VIRTIO_VNET_COAL_H
#define DRIVERS_VIRTIO_VNET_COAL_H

#include "drivers/virtio/vnet.h"

/** vnet_coal_valid() - is it a value of net.rx_coal: packets,microseconds? */
bool vnet_coal_valid(const char *text);

/** vnet_coal_init() - what net.rx_coal and net.tx_coal want; once the number of queue pairs is
 * known. What cannot be had is told. Return: 0 or -ENOMEM */
int vnet_coal_init(struct vnet *vn, unsigned port);

/** vnet_coal_start() - tell a device that is live; a failure is logged */
void vnet_coal_start(struct vnet *vn);

/** vnet_coal_queue_start() - the same for a queue that was stopped alone, and is live again: it has
 * forgotten all but what was told of all queues together (virtio 5.1.9.5.10) */
void vnet_coal_queue_start(struct vnet *vn, bool tx, unsigned queue);

/* netdev_ops of the same names. */
int vnet_set_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                      const struct netdev_coalesce *want);
int vnet_get_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                      struct netdev_coalesce *now);

#endif
