/*
 * The socket's side of a back end: messages become the steps by which a driver brings the model
 * up. As with DPDK's back end the device runs when both rings are complete, and, where the front
 * end tells its status, has said DRIVER_OK. It stops when a ring is asked for its position.
 */
#include "tools/vswitch/vhost_port.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGES_MAX 64 /* in one poll */
#define STEP_BUDGET 64
#define FDS_MAX VHOST_USER_REGIONS_MAX
#define WRAP_BIT 15
#define MEMORY_IS_CUT "closed, as the front end has cut its memory short"
#define PROTOCOL                                                                                   \
	(VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_STATUS |                          \
	 VHOST_USER_PROTOCOL_F_RESET_DEVICE)

/* A message with what came along. */
struct incoming {
	struct vhost_message m;
	int fd[FDS_MAX];
	unsigned nb_fds;
};

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- memory ------------------------------------------------------------------------------- */

void vhost_port_unmap(struct vhost_port *p)
{
	for (unsigned i = 0; i < p->nb_regions; i++)
		vhost_region_unmap(&p->region[i]);
	p->nb_regions = 0;
	vdev_memory_free(&p->d.memory);
}

int vhost_port_map(struct vhost_port *p, const struct vhost_region *r, int fd)
{
	struct vhost_mapping *m = &p->region[p->nb_regions];
	const int err =
	    p->nb_regions < VHOST_USER_REGIONS_MAX ? vhost_region_map(m, r, fd) : -ENOSPC;

	if (err)
		return err;
	p->nb_regions++;
	vdev_memory_add(&p->d.memory, vhost_region_va(m), r->guest_addr, r->bytes);
	return 0;
}

/* Has the front end taken memory away that it had given? */
static bool memory_is_cut(const struct vhost_port *p)
{
	for (unsigned i = 0; i < p->nb_regions; i++) {
		if (p->region[i].cut)
			return true;
	}
	return false;
}

static int memory_set(struct vhost_port *p, const struct incoming *in)
{
	const uint32_t n = in->m.memory.nb_regions;
	int err = 0;

	if (n > VHOST_USER_REGIONS_MAX || n != in->nb_fds ||
	    in->m.size <
	        offsetof(struct vhost_memory_table, region) + n * sizeof(struct vhost_region))
		return -EINVAL;
	vhost_port_unmap(p);
	for (uint32_t i = 0; !err && i < n; i++) {
		const struct vhost_region r = in->m.memory.region[i];

		err = vhost_port_map(p, &r, in->fd[i]);
	}
	return err;
}

/* The front end's address of a ring as the device has it; 0: it is in no region. */
static uint64_t ring_iova(const struct vhost_port *p, uint64_t user)
{
	for (unsigned i = 0; i < p->nb_regions; i++) {
		const struct vhost_region *r = &p->region[i].r;

		if (user >= r->user_addr && user - r->user_addr < r->bytes)
			return user - r->user_addr + r->guest_addr;
	}
	return 0;
}

/* ---- the device --------------------------------------------------------------------------- */

static void status_add(struct vhost_port *p, uint8_t bits)
{
	p->vd.ops->set_status(&p->vd, (uint8_t)(p->vd.ops->get_status(&p->vd) | bits));
}

static void device_reset(struct vhost_port *p)
{
	p->vd.ops->set_status(&p->vd, 0);
	(void)p->vd.ops->get_status(&p->vd);
	p->running = false;
}

/* In interrupt context of the model: vector 1 + i is ring i's. */
static void device_irq(struct virtio_dev *vd, unsigned vector)
{
	struct vhost_port *p = vd->driver;
	const uint64_t one = 1;

	if (vector && vector <= VHOST_PORT_RINGS && p->inject)
		p->inject(p, vector - 1);
	else if (vector && vector <= VHOST_PORT_RINGS && p->ring[vector - 1].call_fd >= 0)
		(void)!write(p->ring[vector - 1].call_fd, &one, sizeof(one));
}

/* A ring goes on where it was stopped. */
static void ring_seek(struct vdev_queue *q, uint32_t base, bool packed)
{
	if (packed) {
		const struct vdev_cursor at = {.pos = (uint16_t)(base & ((1u << WRAP_BIT) - 1)),
		                               .wrap = base >> WRAP_BIT & 1};

		q->fetch_at = q->use_at = q->public_at = at;
		return;
	}
	q->avail_idx = q->seen_idx = q->used_idx = q->used_idx_public = (uint16_t)base;
}

uint32_t vhost_port_ring_base(const struct vhost_port *p, uint32_t index)
{
	const struct vdev_queue *q = &p->d.queue[index];

	if (!q->enabled)
		return p->ring[index].base;
	if (p->features & VIRTIO_F_RING_PACKED)
		return q->use_at.pos | (uint32_t)q->use_at.wrap << WRAP_BIT;
	return q->used_idx;
}

static int ring_enable(struct vhost_port *p, uint16_t index)
{
	const struct vhost_port_ring *r = &p->ring[index];
	struct virtqueue vq = {
	    .index = index,
	    .nentries = (uint16_t)r->num,
	    .desc_iova = ring_iova(p, r->addr.desc),
	    .avail_iova = ring_iova(p, r->addr.avail),
	    .used_iova = ring_iova(p, r->addr.used),
	};
	const bool packed = p->features & VIRTIO_F_RING_PACKED;

	if (p->vd.ops->queue_enable(&p->vd, &vq, (uint16_t)(1 + index)))
		return -EINVAL;
	ring_seek(&p->d.queue[index], r->base, packed);
	return 0;
}

static bool is_complete(const struct vhost_port *p)
{
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++) {
		const struct vhost_port_ring *r = &p->ring[i];

		if (!r->num || !r->has_addr || !r->kicked || !r->enabled)
			return false;
	}
	return p->nb_regions && (!(p->protocol & VHOST_USER_PROTOCOL_F_STATUS) ||
	                         (p->status & VIRTIO_STATUS_DRIVER_OK));
}

int vhost_port_start(struct vhost_port *p)
{
	int err = 0;

	device_reset(p);
	status_add(p, VIRTIO_STATUS_ACKNOWLEDGE);
	status_add(p, VIRTIO_STATUS_DRIVER);
	p->vd.ops->set_features(&p->vd, p->features & p->d.offered);
	status_add(p, VIRTIO_STATUS_FEATURES_OK);
	for (uint16_t i = 0; !err && i < VHOST_PORT_RINGS; i++)
		err = ring_enable(p, i);
	if (err) {
		printf("%s: rings that lie outside of the memory\n", p->path);
		return err;
	}
	status_add(p, VIRTIO_STATUS_DRIVER_OK);
	p->running = true;
	printf("%s: runs, features 0x%llx, rings of %u and %u\n", p->path,
	       (unsigned long long)p->features, p->ring[0].num, p->ring[1].num);
	if (p->lie != VDEV_TRUTH)
		vdev_lie(&p->d, p->lie_queue, p->lie, p->lie_after, p->lie_value);
	p->lie = VDEV_TRUTH;
	return 0;
}

void vhost_port_stop(struct vhost_port *p)
{
	for (uint32_t i = 0; p->running && i < VHOST_PORT_RINGS; i++)
		p->ring[i].base = vhost_port_ring_base(p, i);
	device_reset(p);
}

/* ---- messages ----------------------------------------------------------------------------- */

static int ring_set(struct vhost_port *p, const struct vhost_message *m)
{
	const struct vhost_vring_state s = m->state;
	struct vhost_port_ring *r = &p->ring[s.index % VHOST_PORT_RINGS];

	if (s.index >= VHOST_PORT_RINGS || m->size < sizeof(s))
		return -EINVAL;
	switch (m->request) {
	case VHOST_USER_SET_VRING_NUM:
		r->num = s.num;
		return s.num && s.num <= VRING_SIZE_MAX ? 0 : -EINVAL;
	case VHOST_USER_SET_VRING_BASE:
		r->base = s.num;
		return 0;
	case VHOST_USER_SET_VRING_ENABLE:
		r->enabled = s.num;
		return 0;
	default:
		if (m->size < sizeof(r->addr))
			return -EINVAL;
		r->addr = m->addr;
		r->has_addr = true;
		return 0;
	}
}

static int ring_fd(struct vhost_port *p, struct incoming *in)
{
	const uint64_t index = in->m.u64 & VHOST_USER_RING_MASK;
	const bool has_fd = !(in->m.u64 & VHOST_USER_RING_NO_FD);

	if (index >= VHOST_PORT_RINGS || in->nb_fds != has_fd)
		return -EINVAL;

	struct vhost_port_ring *r = &p->ring[index];
	const bool kick = in->m.request == VHOST_USER_SET_VRING_KICK;
	int *fd = kick ? &r->kick_fd : &r->call_fd;

	fd_close(fd);
	if (has_fd) {
		*fd = in->fd[0];
		/* what nobody reads must not stop us */
		fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
		in->nb_fds = 0; /* ours now */
	}
	if (kick) {
		r->kicked = true;
		r->enabled |= !(p->features & VHOST_USER_F_PROTOCOL_FEATURES);
	}
	return 0;
}

static int set_status(struct vhost_port *p, uint8_t status)
{
	p->status = status;
	if (!status)
		vhost_port_stop(p);
	return 0;
}

/* Return: 0, or -EINVAL for what makes no sense. */
static int handle_set(struct vhost_port *p, struct incoming *in)
{
	switch (in->m.request) {
	case VHOST_USER_SET_FEATURES:
		p->features = in->m.u64;
		return p->features & ~(p->d.offered | VHOST_USER_F_PROTOCOL_FEATURES) ? -EINVAL : 0;
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		p->protocol = in->m.u64 & PROTOCOL;
		return 0;
	case VHOST_USER_SET_MEM_TABLE:
		if (p->running)
			vhost_port_stop(p);
		return memory_set(p, in);
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
	case VHOST_USER_SET_VRING_ADDR:
		return ring_set(p, &in->m);
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
		return ring_fd(p, in);
	case VHOST_USER_SET_STATUS:
		return set_status(p, (uint8_t)in->m.u64);
	case VHOST_USER_RESET_DEVICE:
		return set_status(p, 0);
	default: /* SET_OWNER, and what need not be understood */
		return 0;
	}
}

static int ring_stop(struct vhost_port *p, struct vhost_message *m)
{
	const uint32_t index = m->state.index;

	if (index >= VHOST_PORT_RINGS)
		return -EINVAL;
	if (p->running)
		vhost_port_stop(p);
	m->state.num = p->ring[index].base;
	fd_close(&p->ring[index].kick_fd);
	fd_close(&p->ring[index].call_fd);
	p->ring[index].kicked = false;
	return 0;
}

static int answer(struct vhost_port *p, struct vhost_message *m)
{
	m->flags = VHOST_USER_VERSION | VHOST_USER_REPLY;

	const ssize_t len = (ssize_t)(VHOST_USER_HEAD + m->size);

	/* not waiting: who leaves so much unread is not worth it */
	return send(p->fd, m, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) == len ? 0 : -EIO;
}

static int answer_u64(struct vhost_port *p, struct vhost_message *m, uint64_t value)
{
	m->size = sizeof(m->u64);
	m->u64 = value;
	return answer(p, m);
}

static int handle(struct vhost_port *p, struct incoming *in)
{
	const bool wants_ack = (in->m.flags & VHOST_USER_NEED_REPLY) &&
	                       (p->protocol & VHOST_USER_PROTOCOL_F_REPLY_ACK);
	int err;

	switch (in->m.request) {
	case VHOST_USER_GET_FEATURES:
		return answer_u64(p, &in->m, p->d.offered | VHOST_USER_F_PROTOCOL_FEATURES);
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		return answer_u64(p, &in->m, PROTOCOL);
	case VHOST_USER_GET_QUEUE_NUM:
		return answer_u64(p, &in->m, 1);
	case VHOST_USER_GET_STATUS:
		return answer_u64(p, &in->m, p->status | (p->d.status & VIRTIO_STATUS_NEEDS_RESET));
	case VHOST_USER_GET_VRING_BASE:
		err = ring_stop(p, &in->m);
		return err ? err : answer(p, &in->m);
	default:
		err = handle_set(p, in);
	}
	p->d.late = !wants_ack; /* who does not wait for us may be at work already */
	if (!err && !p->running && is_complete(p))
		err = vhost_port_start(p);
	if (err)
		printf("%s: message %u refused: %s\n", p->path, in->m.request, strerror(-err));
	return wants_ack ? answer_u64(p, &in->m, err != 0) : err;
}

/* ---- the socket --------------------------------------------------------------------------- */

static void disconnect(struct vhost_port *p, const char *why)
{
	printf("%s: %s\n", p->path, why);
	device_reset(p);
	vhost_port_unmap(p);
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++) {
		fd_close(&p->ring[i].kick_fd);
		fd_close(&p->ring[i].call_fd);
		p->ring[i] = (struct vhost_port_ring){.kick_fd = -1, .call_fd = -1};
	}
	fd_close(&p->fd);
	p->features = p->protocol = 0;
	p->status = 0;
}

static void take_fds(struct msghdr *mh, struct incoming *in)
{
	in->nb_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		in->nb_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(in->fd, CMSG_DATA(c), in->nb_fds * sizeof(int));
	}
}

/* Return: 0, or -1 at the end of the connection. The socket has a time limit for reading. */
static int message_recv(struct vhost_port *p, struct incoming *in)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = &in->m, .iov_len = VHOST_USER_HEAD};
	struct msghdr mh = {.msg_iov = &iov,
	                    .msg_iovlen = 1,
	                    .msg_control = control.bytes,
	                    .msg_controllen = sizeof(control.bytes)};

	memset(in, 0, sizeof(*in));
	if (recvmsg(p->fd, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL) != VHOST_USER_HEAD)
		return -1;
	take_fds(&mh, in);
	if (in->m.size > sizeof(in->m) - VHOST_USER_HEAD)
		return -1;
	if (in->m.size && recv(p->fd, (uint8_t *)&in->m + VHOST_USER_HEAD, in->m.size,
	                       MSG_WAITALL) != (ssize_t)in->m.size)
		return -1;
	return 0;
}

static bool readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static int address(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, strlen(path));
	return 0;
}

/* Whoever sends half a message may stop us for a second, not for ever. */
static void connected(struct vhost_port *p, int fd)
{
	const struct timeval limit = {.tv_sec = 1};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	p->fd = fd;
	printf("%s: connected\n", p->path);
}

static void try_connect(struct vhost_port *p)
{
	struct sockaddr_un sun;
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || address(p->path, &sun))
		return;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)))
		close(fd);
	else
		connected(p, fd);
}

static void reach(struct vhost_port *p)
{
	if (p->listen_fd < 0) {
		try_connect(p);
	} else if (readable(p->listen_fd)) {
		const int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			connected(p, fd);
	}
}

void vhost_port_poll(struct vhost_port *p)
{
	struct incoming in;

	if (p->fd < 0)
		reach(p);
	for (unsigned i = 0; i < MESSAGES_MAX && p->fd >= 0 && readable(p->fd); i++) {
		const char *why = NULL;

		if (message_recv(p, &in))
			why = "the front end is gone";
		else if (handle(p, &in))
			why = "closed, as the front end does not make sense";
		else if (memory_is_cut(p))
			why = MEMORY_IS_CUT;
		while (in.nb_fds)
			close(in.fd[--in.nb_fds]);
		if (why)
			disconnect(p, why);
	}
}

/* ---- packets, life ------------------------------------------------------------------------ */

unsigned vhost_port_step(struct vhost_port *p)
{
	const unsigned moved = p->running ? vdev_step(&p->d, STEP_BUDGET) : 0;

	if (memory_is_cut(p))
		disconnect(p, MEMORY_IS_CUT);
	return moved;
}

void vhost_port_push(struct vhost_port *p, const void *data, uint32_t len)
{
	if (!p->running || p->d.queue[0].frames.n >= VHOST_PORT_WAITING_MAX) {
		p->dropped++;
		return;
	}
	p->rx_packets++;
	vdev_net_rx_push(&p->d, 0, data, len);
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun;
	struct stat st;
	int err = address(path, &sun);
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || err)
		return err ? err : -errno;
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	if (!bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) && !listen(fd, 1))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int vhost_port_open(struct vhost_port *p, const char *path, bool connect)
{
	p->path = path;
	p->fd = p->listen_fd = -1;
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++)
		p->ring[i].kick_fd = p->ring[i].call_fd = -1;
	vdev_open(&p->d, VDEV_MODERN);
	p->d.offered = p->offered;
	p->d.threaded = true;
	p->d.kick = VDEV_KICK_NEVER;
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++)
		p->d.queue_max[i] = VRING_SIZE_MAX;
	vdev_attach(&p->d, &p->vd);
	p->vd.driver = p;
	p->vd.ops->irq_setup(&p->vd, 1 + VHOST_PORT_RINGS, device_irq);
	if (connect)
		return 0;
	p->listen_fd = listen_at(path);
	return p->listen_fd < 0 ? p->listen_fd : 0;
}

uint64_t vhost_port_close(struct vhost_port *p)
{
	if (p->fd >= 0)
		disconnect(p, "closed");
	if (p->listen_fd >= 0)
		unlink(p->path);
	fd_close(&p->listen_fd);
	for (unsigned i = 0; i < p->d.nb_violations; i++)
		printf("%s: the driver broke %s (%llu times)\n", p->path, p->d.violation[i].text,
		       (unsigned long long)p->d.violation[i].times);
	return vdev_close(&p->d);
}
