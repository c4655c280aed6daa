/*
 * What the device counts by itself (virtio 5.1.9.5.11), asked for by the control queue when
 * somebody wants to see it.
 */
#ifndef DRIVERS_VIRTIO_VNET_DEVSTATS_H
#define DRIVERS_VIRTIO_VNET_DEVSTATS_H

#include "drivers/virtio/vnet.h"

/** vnet_xstats() - netdev_ops.xstats: frames that the filter behind the device's dropped, and the
 * device's counters of each queue that is used, as "device_rx" and "device_tx". A device that tells
 * nonsense is told of, once a call */
void vnet_xstats(const struct netdev *dev, netdev_xstat_fn emit, void *arg);

#endif
