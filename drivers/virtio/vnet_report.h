/* What a port says of itself: log lines and the "port" line of the console. */
#ifndef DRIVERS_VIRTIO_VNET_REPORT_H
#define DRIVERS_VIRTIO_VNET_REPORT_H

#include "drivers/virtio/vnet.h"
#include "kernel/json.h"

/** vnet_log_port() - the lines printed when a port was probed */
void vnet_log_port(const struct vnet *vn);

/** vnet_describe() - the members of the "port" line behind "port" itself */
void vnet_describe(const struct netdev *dev, struct json *j);

#endif
