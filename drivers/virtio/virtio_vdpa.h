/* A vDPA device as a virtio device, for the usual drivers. */
#ifndef DRIVERS_VIRTIO_VIRTIO_VDPA_H
#define DRIVERS_VIRTIO_VIRTIO_VDPA_H

#include "drivers/virtio/vdpa.h"

/** virtio_vdpa_init() - make @vd, not reset yet, whose transport is @dev; both live for ever */
void virtio_vdpa_init(struct virtio_dev *vd, struct vdpa_dev *dev);

/** virtio_vdpa_device() - the vDPA device that @vd is led through; NULL when it has another
 * transport */
struct vdpa_dev *virtio_vdpa_device(const struct virtio_dev *vd);

#endif
