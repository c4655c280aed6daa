/*
 * The virtio-net driver's face to the rest of the kernel: make a network port of a virtio device.
 */
#ifndef DRIVERS_VIRTIO_VIRTIO_NET_H
#define DRIVERS_VIRTIO_VIRTIO_NET_H

#include "drivers/virtio/virtio_dev.h"
#include "kernel/options.h"
#include "net/netdev.h"

extern const struct option virtio_net_options[];
extern const unsigned virtio_net_nb_options;

/**
 * virtio_net_probe() - negotiate with a network device and register it as a port
 * @vd:     its transport; kept for ever on success
 * @budget: bytes of memory that it may take for rings and buffers
 *
 * The port is not started. A device that is awaited is waited for until one can be used. What the
 * device offers that is not implemented is not accepted.
 *
 * Return: the port, or NULL, with the reason logged and the device reset or FAILED.
 */
struct netdev *virtio_net_probe(struct virtio_dev *vd, size_t budget);

#endif
