/*
 * Virtio without a bus: a device that is another process or the operating system's kernel, reached
 * by one of the vhost interfaces (DPDK calls this virtio-user). The transport keeps what a backend
 * does not: the status register and the configuration space.
 *
 * A backend that goes away, or says what it must not, looks like a device that needs a reset; the
 * next reset connects again.
 */
#ifndef DRIVERS_VIRTIO_USER_H
#define DRIVERS_VIRTIO_USER_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"

#define VIRTIO_USER_QUEUES_MAX (2 * VHOST_PAIRS_MAX)

struct virtio_user_queue {
	int kick_fd, call_fd; /* for as long as the device lives */
	bool started;         /* with the backend */
	bool running;
	struct virtio_user *user;
	struct vhost_watch watch; /* of call_fd */
};

struct virtio_user {
	struct virtio_dev vd;
	struct vhost_backend *backend;
	int (*wait)(struct virtio_user *u); /* with vd.awaited: see virtio_transport.h */
	uint16_t queue_size;
	uint16_t nb_pairs;        /* queue pairs */
	bool has_ctrl;            /* takes commands; without, the first pair alone is ever used */
	uint16_t mtu;             /* asked for by the user, 0: not */
	uint64_t driver_features; /* accepted */
	bool memory_shared;       /* since the last reset */
	uint8_t status;
	uint8_t backend_status;
	bool has_config;                         /* the backend's */
	struct virtio_net_config config;         /* what the driver reads */
	struct virtio_net_config backend_config; /* as poll() brings it: the link */
	virtio_irq_fn irq_fn;
	struct vhost_watch
	    news; /* of the backend; fn is NULL until the port waits for interrupts */
	struct virtio_user_queue queue[VIRTIO_USER_QUEUES_MAX];
};

/**
 * virtio_user_init() - fill @u, all zero before but for queue_size, nb_pairs, has_ctrl, mtu, wait
 * and vd.awaited, for @backend, which lives as long; its nb_pairs is set
 * @name: for log lines, at most 15 bytes are kept
 *
 * Return: 0, or why there are no event counters.
 */
int virtio_user_init(struct virtio_user *u, struct vhost_backend *backend, const char *name);

#endif
