/*
 * One vhost-user back end: the device model of tests/model behind a socket. A front end (QEMU,
 * DPDK's virtio-user, the hosted build) connects, and its rings are the model's. Recipe:
 *
 *	vhost_port_open(p, path, false);
 *	for (;;) {
 *		vhost_port_poll(p);			(connections and messages)
 *		vhost_port_step(p);			(packets)
 *		f = vdev_net_tx_pop(&p->d, 0);		(free(f))
 *		vhost_port_push(p, data, len);
 *	}
 *	breaches = vhost_port_close(p);
 */
#ifndef TOOLS_VSWITCH_VHOST_PORT_H
#define TOOLS_VSWITCH_VHOST_PORT_H

#include "drivers/virtio/virtqueue.h"
#include "tests/model/vdev.h"
#include "tools/vswitch/vhost_inbox.h"
#include "tools/vswitch/vhost_region.h"

#define VHOST_PORT_RINGS 2
#define VHOST_PORT_WAITING_MAX 1024 /* frames that wait for buffers */

struct vhost_port_ring {
	uint32_t num, base;
	struct vhost_vring_addr addr;
	int kick_fd, call_fd;
	bool has_addr, kicked, enabled;
};

struct vhost_port {
	const char *path;
	int listen_fd, fd;             /* -1: none */
	struct unix_path name;         /* of listen_fd */
	uint64_t next_try_ns, wait_ns; /* without a connection */
	struct vhost_inbox in;
	uint64_t offered, features, protocol;
	uint8_t status;
	struct vhost_mapping region[VHOST_USER_REGIONS_MAX];
	unsigned nb_regions;
	struct vhost_port_ring ring[VHOST_PORT_RINGS];

	struct vdev d;
	struct virtio_dev vd;
	bool running;
	/* NULL, or in the place of a ring's call_fd */
	void (*inject)(struct vhost_port *p, uint32_t index);

	/* one for the next time that the rings start */
	enum vdev_lie lie;
	unsigned lie_queue, lie_after, lie_value;

	uint64_t rx_packets, tx_packets, dropped; /* as the front end sees the directions */
	uint64_t breaches;
};

/** vhost_port_open() - @p is all zero but for offered and the lie; listen at @path, or with
 * @connect be the one who connects. Return: 0 or an error as unix_listen() has them */
int vhost_port_open(struct vhost_port *p, const char *path, bool connect);

/** vhost_port_poll() - take a connection, answer messages */
void vhost_port_poll(struct vhost_port *p);

/** vhost_port_step() - let the device work. Return: packets moved */
unsigned vhost_port_step(struct vhost_port *p);

/** vhost_port_push() - a frame for the front end; dropped and counted when too many wait */
void vhost_port_push(struct vhost_port *p, const void *data, uint32_t len);

/** vhost_port_close() - Return: breaches of the specification by the front ends, which were
 * printed */
uint64_t vhost_port_close(struct vhost_port *p);

/* The device alone, vhost_device.c: also for back ends that are reached by other ways than a
 * socket. */

/** vhost_port_make() - as vhost_port_open(), without a socket: @path is a name */
void vhost_port_make(struct vhost_port *p, const char *path);

/** vhost_port_map() - more memory that the rings may point into; @fd stays the caller's. Return: 0
 * or -errno */
int vhost_port_map(struct vhost_port *p, const struct vhost_region *r, int fd);
void vhost_port_unmap(struct vhost_port *p);

/** vhost_port_memory_is_cut() - has the front end taken memory away that it had given? */
bool vhost_port_memory_is_cut(const struct vhost_port *p);

/** vhost_port_start() - the device runs with p->features on p->ring, whose addresses are the front
 * end's, in mapped memory: all the steps of virtio 3.1.1 at once. Return: 0 or -EINVAL, printed */
int vhost_port_start(struct vhost_port *p);

/** vhost_port_reset() - it does not run; before any memory is unmapped */
void vhost_port_reset(struct vhost_port *p);

/** vhost_port_stop() - it does not; p->ring keeps the positions */
void vhost_port_stop(struct vhost_port *p);

/** vhost_port_ring_base() - position of a ring, in the format of SET_VRING_BASE */
uint32_t vhost_port_ring_base(const struct vhost_port *p, uint32_t index);

#endif
