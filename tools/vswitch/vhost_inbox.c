/* Messages in pieces; see the contract. */
#include "tools/vswitch/vhost_inbox.h"

#include <errno.h>
#include <string.h>

/* Nothing of the next message is read, whose descriptors would come with it. */
static size_t lacking(const struct vhost_inbox *in)
{
	if (in->have < VHOST_USER_HEAD)
		return VHOST_USER_HEAD - in->have;
	return VHOST_USER_HEAD + (size_t)in->m.size - in->have;
}

int vhost_inbox_read(struct vhost_inbox *in, int socket)
{
	while (lacking(in)) {
		const ssize_t n =
		    unix_recv(socket, (uint8_t *)&in->m + in->have, lacking(in), &in->fds);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		in->have += (uint32_t)n;
		if (in->fds.lost ||
		    (in->have == VHOST_USER_HEAD && in->m.size > sizeof(in->m) - VHOST_USER_HEAD))
			return -EMSGSIZE;
	}
	return 1;
}

void vhost_inbox_clear(struct vhost_inbox *in)
{
	unix_fds_close(&in->fds);
	memset(in, 0, sizeof(*in));
}
