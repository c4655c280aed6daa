/*
 * The front end of vhost-user: the conversation with a backend that is another process, over a
 * socket (QEMU's docs/interop/vhost-user.rst). Each reply is waited for at most VHOST_REPLY_NS,
 * those since open or since vhost_begin() for VHOST_TALK_NS in all; once other ports have to wait
 * meanwhile (vhost_served()) only for VHOST_BRISK_NS, and twice as long after each time that this
 * was too short, up to VHOST_BRISK_MAX_NS; and VHOST_BRISK_PAIR_NS more for each queue pair.
 */
#ifndef DRIVERS_VIRTIO_VHOST_USER_H
#define DRIVERS_VIRTIO_VHOST_USER_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_link.h"

#define VHOST_REPLY_NS 3000000000ull /* DPDK's testpmd touches all memory that it is given */
#define VHOST_TALK_NS 5000000000ull
#define VHOST_GREET_NS 20000000ull /* for the first answer, at each vhost_user_open() */
#define VHOST_BRISK_NS 100000000ull
#define VHOST_BRISK_MAX_NS 400000000ull
#define VHOST_BRISK_PAIR_NS 10000000ull

struct vhost_user {
	struct vhost_backend b; /* protocol: its protocol features */
	struct vhost_link link;
	uint64_t brisk_ns;    /* 0 until vhost_served() */
	uint64_t talk_end_ns; /* deadline for all replies of this step */

	/* questions that are not waited for: the first one, and those of poll() */
	uint32_t asked; /* the question under way, or VHOST_USER_NOTHING */
	uint32_t asked_last;
	uint64_t asked_ns;
	uint32_t got;              /* bytes of the answer under way that have come */
	struct vhost_message news; /* they, of the answer to asked */
};

/** vhost_user_init() - fill @vu, all zero before, for the socket at @path, which lives as long; as
 * a @server it listens from now on. A link that is open when vu->b is opened is greeted. Return: 0
 * or what is wrong with the path */
int vhost_user_init(struct vhost_user *vu, const char *path, bool server);

#endif
