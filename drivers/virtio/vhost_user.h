/*
 * The front end of vhost-user: the conversation with a backend that is the device (QEMU's
 * docs/interop/vhost-user.rst). Recipe:
 *
 *	vhost_user_open(vu);				(greeting: vu->features, vu->protocol)
 *	vhost_user_set_features(vu, features);
 *	vhost_user_set_memory(vu);
 *	vhost_user_ring_start(vu, &ring);		(each)
 *	vhost_user_set_status(vu, DRIVER_OK ...);
 *	vhost_user_poll(vu, &status, &config);		(now and then: is it still there?)
 *	vhost_user_ring_stop(vu, index);		(each)
 *
 * What the backend says is checked here. Whatever goes wrong is logged once, with the message that
 * it concerns, and ends the connection: vu->up is false from then on, and every function but open
 * returns -ENOTCONN without a word. Each reply is waited for at most VHOST_REPLY_NS, those since
 * open or since vhost_user_begin() for VHOST_TALK_NS in all; once other ports have to wait
 *meanwhile (vhost_user_served()) only for VHOST_BRISK_NS, and twice as long after each time that
 *this was too short, up to VHOST_BRISK_MAX_NS.
 */
#ifndef DRIVERS_VIRTIO_VHOST_USER_H
#define DRIVERS_VIRTIO_VHOST_USER_H

#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/vhost_spec.h"
#include "drivers/virtio/virtqueue.h"

#define VHOST_REPLY_NS 3000000000ull /* DPDK's testpmd touches all memory that it is given */
#define VHOST_TALK_NS 5000000000ull
#define VHOST_GREET_NS 20000000ull /* for the first answer, at each vhost_user_open() */
#define VHOST_BRISK_NS 100000000ull
#define VHOST_BRISK_MAX_NS 400000000ull
#define VHOST_NEWS_NS 200000000ull /* between two questions of vhost_user_poll() */

struct vhost_user {
	struct vhost_link link;
	bool up;              /* greeted, and nothing was wrong so far */
	uint64_t features;    /* offered */
	uint64_t protocol;    /* protocol features in use */
	uint64_t pairs_max;   /* queue pairs that the backend has */
	uint64_t brisk_ns;    /* 0 until vhost_user_served() */
	uint64_t talk_end_ns; /* deadline for all replies of this step */

	/* questions that are not waited for: the first one, and those of vhost_user_poll() */
	uint32_t config_len; /* so much of the configuration is asked for, too; 0 after open */
	uint32_t asked;      /* the question under way, or VHOST_USER_NOTHING */
	uint32_t asked_last;
	uint64_t asked_ns;
	uint32_t got;              /* bytes of the answer under way that have come */
	struct vhost_message news; /* they, of the answer to asked */
};

/* A ring as the backend has to know it. */
struct vhost_ring {
	const struct virtqueue *vq;
	int kick_fd, call_fd;
	bool packed;
};

/** vhost_user_open() - connect and greet, unless it is up; a link that is open already is greeted.
 * Return: 0; -EAGAIN, not logged, when nobody is at the other end, or has not answered yet; or an
 * error, logged */
int vhost_user_open(struct vhost_user *vu);

/** vhost_user_close() - end the connection; nothing is logged */
void vhost_user_close(struct vhost_user *vu);

/** vhost_user_begin() - a new step begins: the deadline for all its replies is set */
void vhost_user_begin(struct vhost_user *vu);

/** vhost_user_served() - the rings run: from now on the process has other things to do, and a
 * backend that makes it wait is left */
void vhost_user_served(struct vhost_user *vu);

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
 * VHOST_USER_PROTOCOL_F_CONFIG, at most VHOST_USER_CONFIG_MAX. Return: also -EOPNOTSUPP, not
 * logged and with the connection up, when the backend has not so much */
int vhost_user_get_config(struct vhost_user *vu, void *out, uint32_t len);

/** vhost_user_poll() - is the backend still there, what is its status, and, with vu->config_len
 * set, its configuration? Waits for nothing: what is told may be some VHOST_NEWS_NS old. @status
 * and @config are left as they are when there is nothing new; config_len becomes 0 when the backend
 * will not say */
int vhost_user_poll(struct vhost_user *vu, uint8_t *status, void *config);

#endif
