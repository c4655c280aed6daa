/*
 * The front end of vhost-user: the conversation with a backend that is the device (QEMU's
 * docs/interop/vhost-user.rst). Recipe:
 *
 *	vhost_user_open(vu);				(greeting: vu->features, vu->protocol)
 *	vhost_user_set_features(vu, features);
 *	vhost_user_set_memory(vu);
 *	vhost_user_ring_start(vu, &ring);		(each)
 *	vhost_user_set_status(vu, DRIVER_OK ...);
 *	vhost_user_poll(vu, &status);			(now and then: is it still there?)
 *	vhost_user_ring_stop(vu, index);		(each)
 *
 * What the backend says is checked here. Whatever goes wrong is logged once, with the message that
 * it concerns, and ends the connection: vu->up is false from then on, and every function but open
 * returns -ENOTCONN without a word. Each reply is waited for at most VHOST_REPLY_NS, those since
 *open or since vhost_user_begin() for VHOST_TALK_NS in all.
 */
#ifndef DRIVERS_VIRTIO_VHOST_USER_H
#define DRIVERS_VIRTIO_VHOST_USER_H

#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/virtqueue.h"

#define VHOST_REPLY_NS 3000000000ull /* DPDK's testpmd touches all memory that it is given */
#define VHOST_TALK_NS 5000000000ull
#define VHOST_STATUS_NS 200000000ull /* between two questions for the status */
#define VHOST_CONFIG_MAX 256

/* Of the feature bits, these are about vhost-user itself. */
#define VHOST_F_LOG_ALL VIRTIO_BIT(26)
#define VHOST_USER_F_PROTOCOL_FEATURES VIRTIO_BIT(30)

/* Protocol features that we know what to do with */
#define VHOST_USER_PROTOCOL_F_MQ VIRTIO_BIT(0)
#define VHOST_USER_PROTOCOL_F_REPLY_ACK VIRTIO_BIT(3)
#define VHOST_USER_PROTOCOL_F_NET_MTU VIRTIO_BIT(4)
#define VHOST_USER_PROTOCOL_F_CONFIG VIRTIO_BIT(9)
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE VIRTIO_BIT(13)
#define VHOST_USER_PROTOCOL_F_STATUS VIRTIO_BIT(16)

struct vhost_user {
	struct vhost_link link;
	bool up;              /* connected, and nothing was wrong so far */
	uint64_t features;    /* offered */
	uint64_t protocol;    /* protocol features in use */
	uint64_t pairs_max;   /* queue pairs that the backend has */
	uint64_t talk_end_ns; /* deadline for all replies of this step */

	/* vhost_user_poll() */
	bool asked; /* GET_STATUS is under way */
	uint64_t asked_ns;
};

/* A ring as the backend has to know it. */
struct vhost_ring {
	const struct virtqueue *vq;
	int kick_fd, call_fd;
	bool packed;
};

/** vhost_user_open() - connect and greet, unless it is up; a link that is open already is greeted.
 * Return: 0; -EAGAIN, not logged, when nobody is at the other end; or an error, logged */
int vhost_user_open(struct vhost_user *vu);

/** vhost_user_close() - end the connection; nothing is logged */
void vhost_user_close(struct vhost_user *vu);

/** vhost_user_begin() - a new step begins: the deadline for all its replies is set */
void vhost_user_begin(struct vhost_user *vu);

int vhost_user_set_features(struct vhost_user *vu, uint64_t features);

/** vhost_user_set_memory() - share what mem_alloc() has given so far: some backends touch all they
 * are given, and what exists only once it is touched may be more than the machine has */
int vhost_user_set_memory(struct vhost_user *vu);

/** vhost_user_ring_start() - an empty ring and its event counters, and let it run */
int vhost_user_ring_start(struct vhost_user *vu, const struct vhost_ring *ring);

/** vhost_user_ring_stop() - when it returns 0, the backend does not touch the ring any more */
int vhost_user_ring_stop(struct vhost_user *vu, uint16_t index);

/** vhost_user_set_status() - the device status, where the backend keeps one; RESET_DEVICE for 0
 * where it does not but knows that message */
int vhost_user_set_status(struct vhost_user *vu, uint8_t status);

/** vhost_user_get_status() - @status is left as it is where the backend keeps none */
int vhost_user_get_status(struct vhost_user *vu, uint8_t *status);

/** vhost_user_set_mtu() - tell the backend, where it wants to know */
int vhost_user_set_mtu(struct vhost_user *vu, uint16_t mtu);

/** vhost_user_get_config() - @len bytes of device configuration from its start on; only with
 * VHOST_USER_PROTOCOL_F_CONFIG, at most VHOST_CONFIG_MAX */
int vhost_user_get_config(struct vhost_user *vu, void *out, uint32_t len);

/** vhost_user_poll() - is the backend still there, and what is its status? Never waits: the answer
 * may be that of VHOST_STATUS_NS ago. @status is left as it is when there is none */
int vhost_user_poll(struct vhost_user *vu, uint8_t *status);

#endif
