/*
 * The fuzzer is the front end of a port of vhost-switch: what it says, whole and in pieces, with
 * how many descriptors; what its rings and buffers hold, and how long their memory is; when it
 * leaves and another one comes. A short way leads to rings that run, from which each step may be
 * left out or done otherwise. Whatever happens, the port takes no harm, keeps nothing of who has
 * left, and ends with its books in order.
 */
#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"
#include "tools/vswitch/vhost_port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEPS_MAX 256
#define BYTES 0x20000
#define USER 0x10000000ull
#define GUEST 0x20000000ull
#define RING_BYTES 0x4000
#define AVAIL_AT 0x2000
#define USED_AT 0x3000
#define BUFFERS_AT 0x8000
#define FDS_MAX 12 /* more than a message may have */
#define FEATURES                                                                                   \
	(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_INDIRECT_DESC |                    \
	 VIRTIO_F_EVENT_IDX | VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_NET_F_CSUM)

struct ring {
	uint16_t num, pos, avail_idx;
	bool wrap;
};

static struct world {
	struct fuzz_in *in;
	struct vhost_port port;
	int fd, memory_fd, event_fd;
	bool packed;
	struct ring ring[VHOST_PORT_RINGS];
} world;

/* ---- messages ----------------------------------------------------------------------------- */

static void say_bytes(struct world *w, const void *data, size_t len, unsigned nb_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control = {.bytes = {0}};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	const uint32_t request = ((const struct vhost_message *)data)->request;

	if (nb_fds) {
		mh.msg_control = control.bytes;
		mh.msg_controllen = CMSG_LEN(sizeof(int) * nb_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&mh);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = mh.msg_controllen;
		for (unsigned i = 0; i < nb_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int),
			       request == VHOST_USER_SET_MEM_TABLE ? &w->memory_fd : &w->event_fd,
			       sizeof(int));
	}
	(void)!sendmsg(w->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void connect_again(struct world *w)
{
	int ends[2];

	if (w->port.fd >= 0)
		return;
	close(w->fd);
	fuzz_require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
	             "no sockets");
	w->fd = ends[0];
	w->port.fd = ends[1];
}

static void poll_port(struct world *w)
{
	uint8_t answers[4096];

	if (w->port.fd >= 0)
		vhost_port_poll(&w->port);
	while (recv(w->fd, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		;
}

static void say(struct world *w, const struct vhost_message *m, unsigned nb_fds)
{
	connect_again(w);
	say_bytes(w, m, VHOST_USER_HEAD + min_u64(m->size, sizeof(*m) - VHOST_USER_HEAD), nb_fds);
	poll_port(w);
}

static struct vhost_message message(uint32_t request, uint32_t size)
{
	return (struct vhost_message){
	    .request = request, .flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, .size = size};
}

/* Any part of a message may be another, or it is not said at all. */
static void say_or_not(struct world *w, struct vhost_message *m, unsigned nb_fds)
{
	const uint8_t how = fuzz_u8(w->in);

	if (how & 0x80)
		return;
	if (how & 1)
		fuzz_bytes(w->in, (uint8_t *)m + VHOST_USER_HEAD, 8);
	if (how & 2)
		fuzz_bytes(w->in, (uint8_t *)m + VHOST_USER_HEAD + 8, 16);
	if (how & 4)
		m->size = fuzz_u16(w->in);
	if (how & 8)
		m->request = fuzz_u8(w->in) % VHOST_USER_REQUESTS;
	if (how & 16)
		m->flags = fuzz_u8(w->in);
	if (how & 32)
		nb_fds = fuzz_u8(w->in) % (FDS_MAX + 1);
	say(w, m, nb_fds);
}

static void say_ring(struct world *w, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_message m = message(request, sizeof(m.state));

	m.state = (struct vhost_vring_state){index, num};
	say_or_not(w, &m, 0);
}

static void say_u64(struct world *w, uint32_t request, uint64_t value, unsigned nb_fds)
{
	struct vhost_message m = message(request, sizeof(m.u64));

	m.u64 = value;
	say_or_not(w, &m, nb_fds);
}

static void say_memory(struct world *w)
{
	struct vhost_message m = message(VHOST_USER_SET_MEM_TABLE, 8 + sizeof(m.memory.region[0]));
	const uint64_t bytes = BYTES;

	m.memory.nb_regions = 1;
	m.memory.region[0] = (struct vhost_region){GUEST, bytes, USER, 0};
	say_or_not(w, &m, 1);
}

static void bring_up(struct world *w)
{
	const uint8_t with = fuzz_u8(w->in);
	uint64_t features = VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES;

	w->packed = with & 1;
	features |= with & 1 ? VIRTIO_F_RING_PACKED : 0;
	features |= with & 2 ? VIRTIO_F_IN_ORDER : 0;
	features |= with & 4 ? VIRTIO_NET_F_MRG_RXBUF : 0;
	features |= with & 8 ? VIRTIO_F_INDIRECT_DESC : 0;
	features |= with & 16 ? VIRTIO_F_EVENT_IDX : 0;
	features |= with & 32 ? VIRTIO_NET_F_CSUM : 0;
	say_u64(w, VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_PROTOCOL_F_REPLY_ACK, 0);
	say_u64(w, VHOST_USER_SET_FEATURES, features, 0);
	say_memory(w);
	for (uint32_t i = 0; i < VHOST_PORT_RINGS; i++) {
		struct vhost_message m = message(VHOST_USER_SET_VRING_ADDR, sizeof(m.addr));
		const uint64_t at = USER + i * RING_BYTES;

		m.addr = (struct vhost_vring_addr){
		    .index = i, .desc = at, .avail = at + AVAIL_AT, .used = at + USED_AT};
		w->ring[i] =
		    (struct ring){.num = (uint16_t)(1 << fuzz_u8(w->in) % 8), .wrap = true};
		say_ring(w, VHOST_USER_SET_VRING_NUM, i, w->ring[i].num);
		say_ring(w, VHOST_USER_SET_VRING_BASE, i, w->packed ? 0x8000 : 0);
		say_or_not(w, &m, 0);
		say_u64(w, VHOST_USER_SET_VRING_CALL, i, 1);
		say_u64(w, VHOST_USER_SET_VRING_KICK, i, 1);
		say_ring(w, VHOST_USER_SET_VRING_ENABLE, i, 1);
	}
}

static void say_pieces(struct world *w)
{
	uint8_t bytes[64] = {0};
	const size_t n = 1 + fuzz_u8(w->in) % sizeof(bytes);
	const unsigned nb_fds = fuzz_u8(w->in) % (FDS_MAX + 1);

	fuzz_bytes(w->in, bytes, n);
	connect_again(w);
	say_bytes(w, bytes, n, nb_fds);
	poll_port(w);
}

/* ---- memory ------------------------------------------------------------------------------- */

/* Not what has been cut off: that would be there again. */
static void put(struct world *w, const void *data, size_t len, uint64_t at)
{
	if (at + len <= (uint64_t)lseek(w->memory_fd, 0, SEEK_END))
		fuzz_require(pwrite(w->memory_fd, data, len, (off_t)at) == (ssize_t)len, "pwrite");
}

static void put_anything(struct world *w)
{
	const uint32_t at = fuzz_u32(w->in) % BYTES;
	uint8_t bytes[32];
	const size_t n = 1 + fuzz_u8(w->in) % sizeof(bytes);

	fuzz_bytes(w->in, bytes, n);
	put(w, bytes, n, at);
}

/* A descriptor with more or less sense in it, at @at. */
static void put_desc(struct world *w, uint64_t at, uint16_t id, uint16_t flags)
{
	const uint8_t how = fuzz_u8(w->in);
	const uint64_t addr = GUEST + BUFFERS_AT + (how & 1 ? fuzz_u16(w->in) : 0);
	const uint32_t len = how & 2 ? fuzz_u32(w->in) : 64u << (how >> 5);
	struct vring_desc d = {.addr = addr, .len = len, .flags = flags, .next = id};
	struct vring_packed_desc p = {.addr = addr, .len = len, .id = id, .flags = flags};

	if (how & 4)
		d.next = p.id = fuzz_u16(w->in);
	if (how & 8)
		d.flags = p.flags = (uint16_t)(flags ^ fuzz_u16(w->in));
	if (how & 16)
		d.addr = p.addr = (uint64_t)fuzz_u32(w->in) << 32 | fuzz_u32(w->in);
	put(w, w->packed ? (const void *)&p : &d, sizeof(d), at);
}

/* One more buffer in a ring. */
static void make_available(struct world *w)
{
	const uint8_t what = fuzz_u8(w->in);
	const unsigned index = what & 1;
	struct ring *r = &w->ring[index];
	const uint64_t at = index * RING_BYTES;
	uint16_t flags = index ? 0 : VRING_DESC_F_WRITE;

	if (!r->num)
		return;
	flags |= what & 2 ? VRING_DESC_F_NEXT : 0;
	flags |= what & 4 ? VRING_DESC_F_INDIRECT : 0;
	if (w->packed) {
		flags |= r->wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
		put_desc(w, at + 16u * r->pos, r->pos, flags);
		r->pos++;
		if (r->pos == r->num) {
			r->pos = 0;
			r->wrap = !r->wrap;
		}
		return;
	}

	const uint16_t head = r->pos;

	r->pos = (uint16_t)((r->pos + 1) % r->num);
	put_desc(w, at + 16u * head, r->pos, flags);
	if (flags & VRING_DESC_F_NEXT)
		return; /* the head comes with the last */
	put(w, &head, sizeof(head), at + AVAIL_AT + 4 + 2u * (r->avail_idx % r->num));
	r->avail_idx++;
	put(w, &r->avail_idx, sizeof(r->avail_idx), at + AVAIL_AT + 2);
}

/* ---- steps -------------------------------------------------------------------------------- */

static void work(struct world *w)
{
	struct vdev_frame *f;

	vhost_port_step(&w->port);
	while ((f = vdev_net_tx_pop(&w->port.d, 0))) {
		fuzz_require(f->len <= VDEV_FRAME_MAX, "a frame of %u bytes", f->len);
		free(f);
	}
}

static void push(struct world *w)
{
	static const uint8_t frame[VDEV_FRAME_MAX];

	vhost_port_push(&w->port, frame, 14 + fuzz_u16(w->in) % (VDEV_FRAME_MAX - 14));
}

static void step(struct world *w)
{
	switch (fuzz_u8(w->in) % 10) {
	case 0:
		bring_up(w);
		break;
	case 1:
		say_ring(w, VHOST_USER_GET_VRING_BASE, fuzz_u8(w->in) & 1, 0);
		break;
	case 2:
		say_pieces(w);
		break;
	case 3:
		put_anything(w);
		break;
	case 4:
	case 5:
		make_available(w);
		break;
	case 6:
		work(w);
		break;
	case 7:
		push(w);
		break;
	case 8: /* cut memory short, or give it back */
		fuzz_require(!ftruncate(w->memory_fd, fuzz_u8(w->in) & 1 ? BYTES : fuzz_u16(w->in)),
		             "ftruncate");
		break;
	default:
		shutdown(w->fd, SHUT_RDWR);
		poll_port(w);
		break;
	}
	fuzz_require(!w->port.running || w->port.fd >= 0, "runs without a connection");
	fuzz_require(!w->port.running || w->port.nb_regions, "runs without memory");
}

static int lowest_free_fd(void)
{
	const int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* what ports say of front ends */
	return freopen("/dev/null", "w", stdout) ? 0 : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = &world;
	struct fuzz_in in = {data, data + size};
	const int free_fd = lowest_free_fd();

	memset(w, 0, sizeof(*w));
	w->in = &in;
	w->fd = -1;
	w->memory_fd = memfd_create("front", MFD_CLOEXEC);
	w->event_fd = eventfd(0, EFD_CLOEXEC);
	fuzz_require(w->memory_fd >= 0 && !ftruncate(w->memory_fd, BYTES), "no memory");
	vhost_region_guard();
	w->port.offered = FEATURES;
	fuzz_require(!vhost_port_open(&w->port, "/nonexistent", true), "no port");
	for (unsigned i = 0; i < STEPS_MAX && fuzz_more(&in); i++)
		step(w);
	vhost_port_close(&w->port);
	fuzz_require(!w->port.nb_regions && !w->port.d.memory.ranges, "memory is left");
	if (w->fd >= 0)
		close(w->fd);
	close(w->memory_fd);
	close(w->event_fd);
	fuzz_require(lowest_free_fd() == free_fd, "descriptors are left");
	return 0;
}
