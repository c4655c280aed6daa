/*
 * Which frames the device lets through (virtio 5.1.9.5.1 to 5.1.9.5.3), and what it asks to be
 * announced (5.1.9.5.4). What is wanted is kept here and told again at each start. Filters are best
 * effort: what they let in all the same is dropped here, where somebody asked for any.
 */
#ifndef DRIVERS_VIRTIO_VNET_FILTER_H
#define DRIVERS_VIRTIO_VNET_FILTER_H

#include "drivers/virtio/vnet.h"

/** vnet_filter_init() - what the options want: net.promisc, net.allmulti; once the features are
 * known. What cannot be had is told */
void vnet_filter_init(struct vnet *vn, unsigned port);

/** vnet_filter_start() - tell a device that is live, and has its state from after the reset. Sets
 * dev.rx_mode; a failure is logged */
void vnet_filter_start(struct vnet *vn);

/** vnet_filter_rx() - drop, count and take from *@bytes those of @n received packets that the
 * device was told not to let in, but did; for queues with VNET_RX_FILTER. Return: how many are
 * left, in front */
uint16_t vnet_filter_rx(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n, uint64_t *bytes);

/** vnet_filter_announce() - the device asks for an announcement (virtio 5.1.4): dev.announce is
 * set, unless that was done already */
void vnet_filter_announce(struct vnet *vn);

/** vnet_filter_poll() - acknowledge the announcement, once it was made; or, if nobody makes any,
 * after a second */
void vnet_filter_poll(struct vnet *vn);

/* netdev_ops of the same names. */
int vnet_set_rx_mode(struct netdev *dev, unsigned mode);
int vnet_set_mac(struct netdev *dev, const uint8_t mac[6]);
int vnet_set_mac_entry(struct netdev *dev, const uint8_t mac[6], bool on);
int vnet_set_vlan(struct netdev *dev, uint16_t vid, bool on);

#endif
