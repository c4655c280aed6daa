/*
 * What every virtio device goes through, whatever its transport: reset, feature negotiation,
 * status, configuration that changes while it is read. Recipe (virtio 3.1.1):
 *
 *	virtio_dev_begin(vd);			(reset, ACKNOWLEDGE, DRIVER; vd->device_features)
 *	virtio_dev_negotiate(vd, wanted);	(FEATURES_OK; vd->features)
 *	... queues, vectors ...
 *	virtio_dev_ready(vd);			(DRIVER_OK)
 */
#ifndef DRIVERS_VIRTIO_VIRTIO_DEV_H
#define DRIVERS_VIRTIO_VIRTIO_DEV_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"

#define VIRTIO_RESET_TIMEOUT_NS 1000000000ull
#define VIRTIO_CONFIG_TRIES 16

/** virtio_dev_reset() - status 0 and wait until the device has seen it (virtio 2.4.2, 4.1.4.3.2).
 * Return: 0, or -ETIMEDOUT when it still has a status after VIRTIO_RESET_TIMEOUT_NS */
int virtio_dev_reset(struct virtio_dev *vd);

/** virtio_dev_begin() - reset the device, say that a driver is here, read what it offers. Return:
 * 0; -EAGAIN, not logged, when the device is not there now; -ETIMEDOUT ..., logged */
int virtio_dev_begin(struct virtio_dev *vd);

/**
 * virtio_dev_negotiate() - accept those of @wanted that are offered (virtio 2.2.1, 3.1.1 4-6)
 *
 * Return: 0; -EOPNOTSUPP, logged and with FAILED set, when a modern device has no VERSION_1 or
 * does not keep FEATURES_OK.
 */
int virtio_dev_negotiate(struct virtio_dev *vd, uint64_t wanted);

/** virtio_dev_ready() - DRIVER_OK: the device lives. Return: 0, or -EIO when it asks for a reset */
int virtio_dev_ready(struct virtio_dev *vd);

/** virtio_dev_fail() - FAILED: we give up on this device */
void virtio_dev_fail(struct virtio_dev *vd);

/**
 * virtio_dev_config_read() - @len bytes of device configuration that belong together
 *
 * Read again until the generation (legacy: the content) is the same before and after, at most
 * VIRTIO_CONFIG_TRIES times (virtio 2.5.1). Return: 0, -ERANGE, or -EAGAIN when it never settles.
 */
int virtio_dev_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len);

static inline bool virtio_has(const struct virtio_dev *vd, uint64_t feature)
{
	return (vd->features & feature) != 0;
}

/** virtio_feature_name() - "VIRTIO_NET_F_MRG_RXBUF" for a bit number, NULL for one without name */
const char *virtio_feature_name(unsigned bit);

#endif
