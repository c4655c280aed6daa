/*
 * What the vhost-user front end needs of the operating system that it is a process of: a unix
 * socket that carries file descriptors, event counters, and memory that can be shared. Implemented
 * by arch/hosted/vhost_link.c. Errors are negative errno values; nothing waits but recv and wait,
 * which have a deadline on plat_time_ns()'s clock.
 */
#ifndef DRIVERS_VIRTIO_VHOST_LINK_H
#define DRIVERS_VIRTIO_VHOST_LINK_H

#include "kernel/compiler.h"

#define VHOST_LINK_FDS_MAX 8 /* that one message may carry */
#define VHOST_LINK_NONE (-1)

struct vhost_link {
	const char *path;
	bool server;   /* we listen and the backend connects */
	int listen_fd; /* server, or VHOST_LINK_NONE */
	int fd;        /* the connection, or VHOST_LINK_NONE */
};

/** vhost_link_init() - a link at @path, which lives as long; as a server it listens from now on.
 * Return: 0 or what is wrong with the path */
int vhost_link_init(struct vhost_link *l, const char *path, bool server);

/** vhost_link_open() - connect, or accept who is connecting. Return: 0, -EAGAIN when nobody is at
 * the other end now, or what is wrong */
int vhost_link_open(struct vhost_link *l);

/** vhost_link_wait() - vhost_link_open() from @from_ns until @deadline_ns. Return: also -EINTR,
 * when the process is asked to end meanwhile */
int vhost_link_wait(struct vhost_link *l, uint64_t from_ns, uint64_t deadline_ns);

/** vhost_link_close() - end the connection, if there is one; a server goes on listening */
void vhost_link_close(struct vhost_link *l);

/** vhost_link_send() - one message with @nb_fds descriptors, which stay ours. Return: 0, -EAGAIN
 * when the other end leaves so much unread that it does not fit, -EPIPE ... */
int vhost_link_send(struct vhost_link *l, const void *msg, size_t len, const int *fds,
                    unsigned nb_fds);

/** vhost_link_recv() - @len bytes, or as many of them as come until @deadline_ns, 0: as are there
 * now; descriptors that come along are closed. Return: how many, or -EPIPE when the other end has
 * closed ... */
int vhost_link_recv(struct vhost_link *l, void *buf, size_t len, uint64_t deadline_ns);

/** vhost_link_readable() - would vhost_link_recv() return at once: with data or with an error? */
bool vhost_link_readable(const struct vhost_link *l);

/** vhost_link_error() - a text for one of the errors above */
const char *vhost_link_error(int err);

/** vhost_event_open() - an event counter. Return: its descriptor, or an error */
int vhost_event_open(void);
void vhost_event_close(int fd);

/** vhost_event_signal() - count one up; a counter that is full stays so */
void vhost_event_signal(int fd);

/** vhost_event_take() - has it been signalled since the last look? */
bool vhost_event_take(int fd);

/* An event counter or a connection that plat_rest() also ends for. */
struct vhost_watch {
	int fd;
	void (*fn)(void *arg);
	void *arg;
};

/** vhost_watch() - inside of plat_rest() on an lcore, call w->fn(w->arg) once for what has come to
 * w->fd since the last time, until it is closed. Return: 0, or an error */
int vhost_watch(struct vhost_watch *w, unsigned lcore);

/* All memory that mem_alloc() gives: what descriptors may point into. */
struct vhost_memory {
	void *base;
	size_t bytes;
	int fd; /* mapped at @base from its offset 0 on */
};

const struct vhost_memory *vhost_memory(void);

#endif
