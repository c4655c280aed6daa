/*
 * The front end of vhost-user: the conversation with a backend that is another process, over a
 * socket (QEMU's docs/interop/vhost-user.rst). Each reply is waited for at most VHOST_REPLY_NS,
 * those since open or since vhost_begin() for VHOST_TALK_NS in all.
 */
#ifndef DRIVERS_VIRTIO_VHOST_USER_H
#define DRIVERS_VIRTIO_VHOST_USER_H

#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_link.h"

#define VHOST_REPLY_NS 3000000000ull /* DPDK's testpmd touches all memory that it is given */
#define VHOST_TALK_NS 5000000000ull

struct vhost_user {
	struct vhost_backend b; /* protocol: its protocol features */
	struct vhost_link link;
	uint64_t talk_end_ns; /* deadline for all replies of this step */

	/* poll() */
	uint32_t asked; /* the question under way, or VHOST_USER_NOTHING */
	uint32_t asked_last;
	uint64_t asked_ns;
};

/** vhost_user_init() - fill @vu, all zero before, for the socket at @path, which lives as long; as
 * a @server it listens from now on. A link that is open when vu->b is opened is greeted. Return: 0
 * or what is wrong with the path */
int vhost_user_init(struct vhost_user *vu, const char *path, bool server);

#endif
