/*
 * Which features a port asks for, and which offloads come of them.
 */
#ifndef DRIVERS_VIRTIO_VNET_FEATURES_H
#define DRIVERS_VIRTIO_VNET_FEATURES_H

#include "drivers/virtio/vnet.h"

/* values of the options net.rx_offloads and net.tx_offloads */
#define VNET_RX_OFFLOAD_WORDS "off csum vlan_strip vlan_filter lro rss_hash"
#define VNET_TX_OFFLOAD_WORDS "off csum vlan_insert tso uso"

/** vnet_features() - what to accept, by the options and by what features depend on
 * (virtio 5.1.3.1); the device is in the state of virtio_dev_begin(). An offload that is not to be
 * had is logged */
uint64_t vnet_features(struct virtio_dev *vd, unsigned port);

/** vnet_feature_lacking() - the first feature of @set that is not in @has, by name */
const char *vnet_feature_lacking(uint64_t set, uint64_t has);

/** vnet_offloads_init() - set dev.rx_offloads and tx_offloads by what was negotiated */
void vnet_offloads_init(struct vnet *vn, unsigned port);

#endif
