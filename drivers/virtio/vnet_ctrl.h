/*
 * The control queue of a network device (virtio 5.1.9.5): commands, one at a time, each waited for.
 * It is there when CTRL_VQ was negotiated, which is when the device has filters or asks for
 * announcements, or an offload or a second queue pair needs it.
 */
#ifndef DRIVERS_VIRTIO_VNET_CTRL_H
#define DRIVERS_VIRTIO_VNET_CTRL_H

#include "drivers/virtio/vnet.h"

#define VNET_CTRL_DATA_MAX 400 /* a full table of addresses */
#define VNET_CTRL_RESULT_MAX 256
#define VNET_CTRL_TIMEOUT_NS 1000000000ull
#define VNET_CTRL_WAIT_MAX_NS 5000000000ull /* for all commands of one turn of the loop */

/** vnet_ctrl_alloc() - memory for the queue, if there is one. Return: 0; -ENOMEM or -EINVAL (the
 * device has none after all), logged */
int vnet_ctrl_alloc(struct vnet *vn);

/** vnet_ctrl_init() - an empty queue, before each start */
void vnet_ctrl_init(struct vnet *vn);

/**
 * vnet_ctrl_command() - have the device do something
 * @data: @len bytes of the command, at most VNET_CTRL_DATA_MAX
 *
 * The device is live. Waits, at most VNET_CTRL_TIMEOUT_NS. The buffer of a command without an
 * answer is the device's until that has been reset, and no other is sent until then; see
 * vnet_ctrl_needs_reset(). Return: 0; -EOPNOTSUPP without a control queue, -EIO when the device
 * says no, has lied or was given up, -ETIMEDOUT when there was no answer, or when those before took
 * VNET_CTRL_WAIT_MAX_NS together, and this one was not sent. Logged but for the first.
 */
int vnet_ctrl_command(struct vnet *vn, struct virtio_net_ctrl_hdr what, const void *data,
                      size_t len);

/* A command with a result. */
struct vnet_query {
	const void *data; /* @len bytes, as for vnet_ctrl_command() */
	size_t len;
	void *result; /* room for @result_len bytes, at most VNET_CTRL_RESULT_MAX */
	size_t result_len;
};

/** vnet_ctrl_query() - vnet_ctrl_command() with a result. Return: its bytes, which the device may
 * have left out in part; or an error, and then @result means nothing */
int vnet_ctrl_query(struct vnet *vn, struct virtio_net_ctrl_hdr what, const struct vnet_query *q);

/** vnet_ctrl_needs_reset() - the control queue is broken, and a reset may help. A device whose
 * queue breaks again after each of a few resets is left without one; both are logged */
bool vnet_ctrl_needs_reset(struct vnet *vn);

/** vnet_ctrl_start() - tell a device that is live how many queue pairs there are, or how to spread
 * packets over them, and what to hash if it is to report hashes. Sets nb_active: 1 when the device
 * says no to more */
void vnet_ctrl_start(struct vnet *vn);

/** vnet_ctrl_lro() - large receive on or off at run time (virtio 5.1.9.5.9). Return: as
 * vnet_ctrl_command(); -EOPNOTSUPP also without CTRL_GUEST_OFFLOADS or any LRO */
int vnet_ctrl_lro(struct vnet *vn, bool on);

#endif
