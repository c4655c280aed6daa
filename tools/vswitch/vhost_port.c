/*
 * The socket's side of a back end: messages become the steps by which a driver brings the model
 * up. As with DPDK's back end the device runs when both rings are complete, and, where the front
 * end tells its status, has said DRIVER_OK. It stops when a ring is asked for its position.
 */
#include "tools/vswitch/vhost_port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_MAX 64 /* in one poll */
#define STEP_BUDGET 64
#define WAIT_MIN_NS 100000000 /* between two tries to connect; doubled until the device runs */
#define WAIT_MAX_NS 1000000000
#define ACCEPT_EVERY_NS 10000000
#define MEMORY_IS_CUT "closed, as the front end has cut its memory short"
#define PROTOCOL                                                                                   \
	(VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_STATUS |                          \
	 VHOST_USER_PROTOCOL_F_RESET_DEVICE)

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* ---- messages ----------------------------------------------------------------------------- */

/* A message that says less says nothing. */
static uint32_t least_size(uint32_t request)
{
	switch (request) {
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
	case VHOST_USER_SET_STATUS:
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
		return sizeof(uint64_t);
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
	case VHOST_USER_GET_VRING_BASE:
		return sizeof(struct vhost_vring_state);
	case VHOST_USER_SET_VRING_ADDR:
		return sizeof(struct vhost_vring_addr);
	case VHOST_USER_SET_MEM_TABLE:
		return offsetof(struct vhost_memory_table, region);
	default:
		return 0;
	}
}

static int memory_set(struct vhost_port *p, const struct vhost_inbox *in)
{
	const uint32_t n = in->m.memory.nb_regions;
	int err = 0;

	if (n > VHOST_USER_REGIONS_MAX || n != in->fds.n ||
	    in->m.size <
	        offsetof(struct vhost_memory_table, region) + n * sizeof(in->m.memory.region[0]))
		return -EINVAL;
	vhost_port_unmap(p);
	for (uint32_t i = 0; !err && i < n; i++) {
		const struct vhost_region r = in->m.memory.region[i];

		err = vhost_port_map(p, &r, in->fds.fd[i]);
	}
	if (err)
		vhost_port_unmap(p);
	return err;
}

static int ring_set(struct vhost_port *p, const struct vhost_message *m)
{
	const struct vhost_vring_state s = m->state;
	struct vhost_port_ring *r = &p->ring[s.index % VHOST_PORT_RINGS];

	if (s.index >= VHOST_PORT_RINGS)
		return -EINVAL;
	switch (m->request) {
	case VHOST_USER_SET_VRING_NUM:
		if (!s.num || s.num > VRING_SIZE_MAX)
			return -EINVAL;
		r->num = s.num;
		return 0;
	case VHOST_USER_SET_VRING_BASE:
		r->base = s.num;
		return 0;
	case VHOST_USER_SET_VRING_ENABLE:
		r->enabled = s.num;
		return 0;
	default:
		r->addr = m->addr;
		r->has_addr = true;
		return 0;
	}
}

static int ring_fd(struct vhost_port *p, struct vhost_inbox *in)
{
	const uint64_t index = in->m.u64 & VHOST_USER_RING_MASK;
	const bool has_fd = !(in->m.u64 & VHOST_USER_RING_NO_FD);

	if (index >= VHOST_PORT_RINGS || in->fds.n != has_fd)
		return -EINVAL;

	struct vhost_port_ring *r = &p->ring[index];
	const bool kick = in->m.request == VHOST_USER_SET_VRING_KICK;
	int *fd = kick ? &r->kick_fd : &r->call_fd;

	fd_close(fd);
	if (has_fd) {
		*fd = in->fds.fd[0];
		/* what nobody reads must not stop us */
		fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK);
		in->fds.n = 0; /* ours now */
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
static int handle_set(struct vhost_port *p, struct vhost_inbox *in)
{
	switch (in->m.request) {
	case VHOST_USER_SET_FEATURES:
		if (in->m.u64 & ~(p->d.offered | VHOST_USER_F_PROTOCOL_FEATURES))
			return -EINVAL;
		p->features = in->m.u64;
		return 0;
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
	m->size = sizeof(m->state);
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

static int handle(struct vhost_port *p, struct vhost_inbox *in)
{
	const bool wants_ack = (in->m.flags & VHOST_USER_NEED_REPLY) &&
	                       (p->protocol & VHOST_USER_PROTOCOL_F_REPLY_ACK);
	int err;

	if (in->m.size < least_size(in->m.request))
		return -EINVAL;
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
	if (!err && !p->running && is_complete(p)) {
		err = vhost_port_start(p);
		if (!err)
			p->wait_ns = WAIT_MIN_NS;
	}
	if (err)
		printf("%s: message %u refused: %s\n", p->path, in->m.request, strerror(-err));
	return wants_ack ? answer_u64(p, &in->m, err != 0) : err;
}

/* ---- the socket --------------------------------------------------------------------------- */

static void disconnect(struct vhost_port *p, const char *why)
{
	printf("%s: %s\n", p->path, why);
	vhost_port_reset(p);
	vhost_port_unmap(p);
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++) {
		fd_close(&p->ring[i].kick_fd);
		fd_close(&p->ring[i].call_fd);
		p->ring[i] = (struct vhost_port_ring){.kick_fd = -1, .call_fd = -1};
	}
	vhost_inbox_clear(&p->in);
	fd_close(&p->fd);
	p->features = p->protocol = 0;
	p->status = 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Whoever comes and goes, or is not there, takes as little time of the others as lines in the log.
 */
static void reach(struct vhost_port *p)
{
	const bool listens = p->listen_fd >= 0;
	int fd;

	if (now_ns() < p->next_try_ns)
		return;
	fd = listens ? unix_accept(p->listen_fd) : unix_connect(p->path);
	if (fd >= 0 || !listens) {
		p->next_try_ns = now_ns() + (listens ? ACCEPT_EVERY_NS : p->wait_ns);
		p->wait_ns = min_u64(2 * p->wait_ns, WAIT_MAX_NS);
	}
	if (fd < 0)
		return;
	p->fd = fd;
	printf("%s: connected\n", p->path);
}

/* Return: is there more? */
static bool message_take(struct vhost_port *p)
{
	const int got = vhost_inbox_read(&p->in, p->fd);
	const char *why = NULL;

	if (!got)
		return false;
	if (got < 0 && got != -EMSGSIZE)
		why = "the front end is gone";
	else if (got < 0 || handle(p, &p->in))
		why = "closed, as the front end does not make sense";
	else if (vhost_port_memory_is_cut(p))
		why = MEMORY_IS_CUT;
	vhost_inbox_clear(&p->in);
	if (why)
		disconnect(p, why);
	return !why;
}

void vhost_port_poll(struct vhost_port *p)
{
	if (p->fd < 0)
		reach(p);
	for (unsigned i = 0; i < MESSAGES_MAX && p->fd >= 0 && message_take(p); i++)
		;
}

/* ---- packets, life ------------------------------------------------------------------------ */

unsigned vhost_port_step(struct vhost_port *p)
{
	const unsigned moved = p->running ? vdev_step(&p->d, STEP_BUDGET) : 0;

	if (vhost_port_memory_is_cut(p))
		disconnect(p, MEMORY_IS_CUT);
	return moved;
}

int vhost_port_open(struct vhost_port *p, const char *path, bool connect)
{
	struct sockaddr_un sun;

	vhost_port_make(p, path);
	p->wait_ns = WAIT_MIN_NS;
	if (connect)
		return unix_path_address(path, &sun);
	p->listen_fd = unix_listen(path, &p->name);
	return p->listen_fd < 0 ? p->listen_fd : 0;
}

uint64_t vhost_port_close(struct vhost_port *p)
{
	if (p->fd >= 0)
		disconnect(p, "closed");
	if (p->listen_fd >= 0)
		unix_path_remove(&p->name);
	fd_close(&p->listen_fd);
	for (unsigned i = 0; i < p->d.nb_violations; i++)
		printf("%s: the driver broke %s (%llu times)\n", p->path, p->d.violation[i].text,
		       (unsigned long long)p->d.violation[i].times);
	return vdev_close(&p->d);
}
