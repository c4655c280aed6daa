/*
 * Resting: each thread sleeps on an epoll descriptor of its own, until one of its ports' event
 * counters or connections has something, until another thread wakes it by an event counter, and the
 * first one also until something is typed. All are edge-triggered: what is left unread, or nobody
 * will ever read, wakes nobody twice. A signal ends the rest as well.
 */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/lcore.h"
#include "kernel/panic.h"
#include "kernel/plat.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 16 /* taken at a time; what waits ends the next rest */
#define NS_PER_MS 1000000ull

/* An lcore's. Only the first makes them, and before the other rests. */
struct rest {
	bool made;
	int epoll_fd, wake_fd;
};

static struct rest rests[LCORES_MAX];

static int watch(const struct rest *r, int fd, struct vhost_watch *w)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = w};

	if (!epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &e))
		return 0;
	return errno == EEXIST ? 0 : -errno;
}

static struct rest *rest_of(unsigned lcore)
{
	struct rest *r = &rests[lcore];

	if (__atomic_load_n(&r->made, __ATOMIC_ACQUIRE))
		return r;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->epoll_fd < 0 || r->wake_fd < 0 || watch(r, r->wake_fd, NULL))
		panic("hosted: no descriptors to sleep on (error %d)", errno);
	if (!lcore)
		(void)watch(r, STDIN_FILENO, NULL); /* a file cannot be: it is read now and then */
	__atomic_store_n(&r->made, true, __ATOMIC_RELEASE);
	return r;
}

int vhost_watch(struct vhost_watch *w, unsigned lcore)
{
	return watch(rest_of(lcore), w->fd, w);
}

void plat_rest_begin(void)
{
}

void plat_rest(uint64_t until_ns)
{
	const uint64_t now_ns = until_ns ? plat_time_ns() : 0;
	struct epoll_event events[EVENTS_MAX];
	int n;

	if (until_ns <= now_ns)
		return;
	n = epoll_wait(rest_of(plat_lcore())->epoll_fd, events, EVENTS_MAX,
	               (int)min_u64((until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS, 1000));
	for (int i = 0; i < n; i++) {
		const struct vhost_watch *w = events[i].data.ptr;

		if (w)
			w->fn(w->arg);
	}
}

void plat_wake(unsigned lcore)
{
	const uint64_t one = 1;

	if (lcore != plat_lcore())
		(void)!write(rest_of(lcore)->wake_fd, &one, sizeof(one));
}
