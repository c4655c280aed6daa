/* Connections, bytes and descriptors; see the contract. */
#define _GNU_SOURCE
#include "arch/hosted/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_stream(void)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int unix_listen(const char *path, struct unix_path *name)
{
	const int fd = open_stream();
	int err;

	if (fd < 0)
		return fd;
	err = unix_path_bind(fd, path, name);
	if (!err && listen(fd, 1)) {
		err = -errno;
		unix_path_remove(name);
	}
	if (!err)
		return fd;
	close(fd);
	return err;
}

int unix_connect(const char *path)
{
	struct sockaddr_un sun;
	int err = unix_path_address(path, &sun);
	const int fd = err ? err : open_stream();

	if (fd < 0)
		return fd;
	if (!connect(fd, (const struct sockaddr *)&sun, sizeof(sun)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int unix_accept(int listening)
{
	const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

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
	fds->lost |= (mh.msg_flags & MSG_CTRUNC) != 0;
	return n ? n : -EPIPE;
}

void unix_fds_close(struct unix_fds *fds)
{
	while (fds->n)
		close(fds->fd[--fds->n]);
}
