/*
 * Hashes of received packets by the device: receive-side scaling (virtio 5.1.9.5.7), and their
 * report in the net header (5.1.9.4.4, 5.1.9.5.6.4). What is wanted is told again at each start.
 */
#ifndef DRIVERS_VIRTIO_VNET_RSS_H
#define DRIVERS_VIRTIO_VNET_RSS_H

#include "drivers/virtio/vnet.h"

/** vnet_rss_features() - VIRTIO_NET_F_RSS if net.rss asks for it and the device has what is
 * needed, else 0; net.rss=device that cannot be had is told. @pairs: the features that several
 * queue pairs bring, 0: there is one */
uint64_t vnet_rss_features(struct virtio_dev *vd, unsigned port, uint64_t pairs);

/** vnet_rss_init() - what the options want, within what the device can; once the number of queue
 * pairs is known. Sets dev.rss when there are hashes */
void vnet_rss_init(struct vnet *vn, unsigned port);

/** vnet_rss_start() - have a device that is live steer, over all queue pairs. Return: whether it
 * does; a failure is logged */
bool vnet_rss_start(struct vnet *vn);

/** vnet_hash_start() - tell a device that does not steer which hashes to report, if it is to */
void vnet_hash_start(struct vnet *vn);

#endif
