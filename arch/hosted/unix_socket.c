/* Bytes and descriptors; see the contract. */
#define _GNU_SOURCE
#include "arch/hosted/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* They fit: the room for them was what @fds has left. */
static void take(struct unix_fds *fds, struct msghdr *mh)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		const size_t bytes = c->cmsg_len - CMSG_LEN(0);

		memcpy(&fds->fd[fds->n], CMSG_DATA(c), bytes);
		fds->n += (unsigned)(bytes / sizeof(int));
	}
}

ssize_t unix_recv(int socket, void *buf, size_t len, struct unix_fds *fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * UNIX_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	/* not CMSG_SPACE(), whose padding is room for one more */
	struct msghdr mh = {.msg_iov = &iov,
	                    .msg_iovlen = 1,
	                    .msg_control = control.bytes,
	                    .msg_controllen = CMSG_LEN(sizeof(int) * (UNIX_FDS_MAX - fds->n))};
	const ssize_t n = recvmsg(socket, &mh, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	take(fds, &mh);
	if (mh.msg_flags & MSG_CTRUNC)
		return -EMSGSIZE;
	return n ? n : -EPIPE;
}

void unix_fds_close(struct unix_fds *fds)
{
	while (fds->n)
		close(fds->fd[--fds->n]);
}
