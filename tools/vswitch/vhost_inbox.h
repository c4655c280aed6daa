/*
 * The message that a front end is sending, as far as it has come: whoever sends half of one is not
 * waited for.
 */
#ifndef TOOLS_VSWITCH_VHOST_INBOX_H
#define TOOLS_VSWITCH_VHOST_INBOX_H

#include "arch/hosted/unix_socket.h"
#include "drivers/virtio/vhost_spec.h"

static_assert(UNIX_FDS_MAX == VHOST_USER_REGIONS_MAX, "one for each region");

struct vhost_inbox {
	struct vhost_message m; /* zeros behind its end */
	uint32_t have;          /* bytes of it */
	struct unix_fds fds;    /* that came along; who takes one leaves .n to those left */
};

/** vhost_inbox_read() - go on as far as there is something. Return: 1, the message is whole, and
 * @in to be cleared before the next; 0, not yet; or, to be cleared as well, -EMSGSIZE when it is
 * longer, or has more descriptors, than any, -EPIPE at the end of the connection ... */
int vhost_inbox_read(struct vhost_inbox *in, int socket);

/** vhost_inbox_clear() - forget the message and close the descriptors that are left */
void vhost_inbox_clear(struct vhost_inbox *in);

#endif
