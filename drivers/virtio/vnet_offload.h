/*
 * What a device does for us with packets: checksums, segmentation, hashes; and VLAN tags, which we
 * do for it. The bodies come here for a queue that has any of it; for the others they neither read
 * nor write more of the net header than they must.
 */
#ifndef DRIVERS_VIRTIO_VNET_OFFLOAD_H
#define DRIVERS_VIRTIO_VNET_OFFLOAD_H

#include "drivers/virtio/vnet.h"

/**
 * vnet_rx_offloads() - read the headers of received packets, and trust none of it
 * (virtio 5.1.9.4.2)
 * @pkts:  of a queue with q->offloads; those whose header is a lie are freed and counted
 * @bytes: the sum of their lengths, from which that of the freed ones is taken
 *
 * Return: how many are left, in front.
 */
uint16_t vnet_rx_offloads(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n, uint64_t *bytes);

/**
 * vnet_tx_offload() - write the net header of a packet, and its VLAN tag (virtio 5.1.9.2.1)
 *
 * May be called again with a packet for which there was no room. Return: false when the packet's
 * fields make no sense; it is not to be sent.
 */
bool vnet_tx_offload(const struct vnet_txq *q, struct mbuf *m);

#endif
