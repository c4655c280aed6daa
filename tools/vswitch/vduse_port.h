/*
 * A port of the switch that is a device of Linux' vDPA bus: VDUSE lets a process be the device
 * (Documentation/userspace-api/vduse.rst). It is made with the port, and
 *
 *	vdpa dev add name NAME mgmtdev vduse
 *
 * puts it on the bus, where vhost_vdpa makes /dev/vhost-vdpa-N of it and virtio_vdpa an interface.
 * `vdpa dev del NAME` takes it away again, before the switch ends.
 */
#ifndef TOOLS_VSWITCH_VDUSE_PORT_H
#define TOOLS_VSWITCH_VDUSE_PORT_H

#include "tools/vswitch/vhost_port.h"

struct vduse_port {
	struct vhost_port *p; /* whose socket is not used; its path is the device's name */
	int control_fd, fd;
};

/** vduse_port_open() - as vhost_port_open(): make the device @name, which is @p. Return: 0 or
 * -errno, and there is no such device */
int vduse_port_open(struct vduse_port *v, struct vhost_port *p, const char *name);

/** vduse_port_poll() - answer the kernel's requests */
void vduse_port_poll(struct vduse_port *v);

/** vduse_port_close() - as vhost_port_close() */
uint64_t vduse_port_close(struct vduse_port *v);

#endif
