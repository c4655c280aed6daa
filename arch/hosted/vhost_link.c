/* Sockets, event counters and descriptors for the vhost-user front end; see its contract. */
#include "drivers/virtio/vhost_link.h"
#include "arch/hosted/hosted.h"
#include "arch/hosted/unix_socket.h"
#include "kernel/plat.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS 1000000ull
#define WAIT_STEP_MS 20
#define SERVERS_MAX 64

/* Sockets in the file system that are ours. */
static struct unix_path servers[SERVERS_MAX];
static unsigned nb_servers;

const char *vhost_link_error(int err)
{
	return err == -ENOTSOCK ? "there is something that is no socket: give another path"
	                        : strerror(-err);
}

/* ---- opening and closing ------------------------------------------------------------------ */

static int listen_at(const char *path)
{
	const int fd =
	    nb_servers == SERVERS_MAX ? -ENOSPC : unix_listen(path, &servers[nb_servers]);

	if (fd >= 0)
		nb_servers++;
	return fd;
}

int vhost_link_init(struct vhost_link *l, const char *path, bool server)
{
	*l = (struct vhost_link){
	    .path = path, .server = server, .listen_fd = VHOST_LINK_NONE, .fd = VHOST_LINK_NONE};
	if (!server)
		return 0;

	const int fd = listen_at(path);

	if (fd < 0)
		return fd;
	l->listen_fd = fd;
	return 0;
}

void links_remove(void)
{
	while (nb_servers)
		unix_path_remove(&servers[--nb_servers]);
}

/* Nobody there now, but there may be later. */
static bool is_absent(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED || err == -ECONNABORTED || err == -EINTR ||
	       err == -EAGAIN;
}

int vhost_link_open(struct vhost_link *l)
{
	const int fd = l->server ? unix_accept(l->listen_fd) : unix_connect(l->path);

	if (fd < 0)
		return is_absent(fd) ? -EAGAIN : fd;
	l->fd = fd;
	return 0;
}

int vhost_link_wait(struct vhost_link *l, uint64_t deadline_ns)
{
	for (;;) {
		const int err = vhost_link_open(l);

		if (err != -EAGAIN || plat_time_ns() >= deadline_ns)
			return err;
		if (plat_end_asked())
			return -EINTR;
		poll(NULL, 0, WAIT_STEP_MS);
	}
}

void vhost_link_close(struct vhost_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = VHOST_LINK_NONE;
}

/* ---- messages ----------------------------------------------------------------------------- */

int vhost_link_send(struct vhost_link *l, const void *msg, size_t len, const int *fds,
                    unsigned nb_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_LINK_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)msg, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};

	if (nb_fds > VHOST_LINK_FDS_MAX)
		return -EINVAL;
	if (nb_fds) {
		memset(&control, 0, sizeof(control));
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nb_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * nb_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * nb_fds);
	}

	const ssize_t n = sendmsg(l->fd, &mh, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EAGAIN;
}

/* What there is now of @len bytes; nothing that comes with them is wanted. */
static ssize_t recv_some(struct vhost_link *l, void *buf, size_t len)
{
	struct unix_fds fds = {.n = 0};
	const ssize_t n = unix_recv(l->fd, buf, len, &fds);

	unix_fds_close(&fds);
	return n;
}

int vhost_link_recv(struct vhost_link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	size_t done = 0;

	while (done < len) {
		struct pollfd p = {.fd = l->fd, .events = POLLIN};
		const ssize_t n = recv_some(l, (char *)buf + done, len - done);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n != -EAGAIN)
			return (int)n;

		const uint64_t now_ns = deadline_ns ? plat_time_ns() : 0;

		if (now_ns >= deadline_ns)
			break;
		poll(&p, 1, (int)min_u64((deadline_ns - now_ns) / NS_PER_MS + 1, 1000));
	}
	return (int)done;
}

bool vhost_link_readable(const struct vhost_link *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* ---- events ------------------------------------------------------------------------------- */

int vhost_event_open(void)
{
	const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void vhost_event_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void vhost_event_signal(int fd)
{
	const uint64_t one = 1;

	/* full means that nobody took the last 2^64 - 2: still signalled */
	(void)!write(fd, &one, sizeof(one));
}

bool vhost_event_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}
