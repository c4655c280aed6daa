/* See fake_backend.h. The rules are those of QEMU's docs/interop/vhost-user.rst. */
#include "tests/unit/fake_backend.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "tests/unit/plat_test.h"

#include <stdlib.h>
#include <string.h>

#define FD_MEMORY 3
#define FD_LINK 4
#define FD_EVENTS 10 /* the first event counter */
#define ACKED(p) (backend.ack_protocol & (p))

struct fake_backend backend;

static struct vhost_memory memory = {.fd = FD_MEMORY};
static bool event_open[FAKE_BACKEND_FDS], event_signalled[FAKE_BACKEND_FDS];

const struct vhost_memory *vhost_memory(void)
{
	return &memory;
}

void fake_backend_open(size_t bytes)
{
	backend = (struct fake_backend){
	    .features = VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES |
	                VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU |
	                VIRTIO_NET_F_STATUS,
	    .protocol = VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK |
	                VHOST_USER_PROTOCOL_F_NET_MTU | VHOST_USER_PROTOCOL_F_CONFIG |
	                VHOST_USER_PROTOCOL_F_RESET_DEVICE | VHOST_USER_PROTOCOL_F_STATUS,
	    .pairs = 1,
	    .config = {.mac = {2, 0, 0, 0, 0, 7}, .status = VIRTIO_NET_S_LINK_UP, .mtu = 1400},
	    .config_bytes = sizeof(struct virtio_net_config),
	};
	memset(event_open, 0, sizeof(event_open));
	memset(event_signalled, 0, sizeof(event_signalled));
	free(memory.base);
	memory.base = NULL;
	memory.bytes = SIZE_MAX & ~(size_t)0xfff;
	if (!bytes)
		return;
	memory.base = aligned_alloc((size_t)2 << 20, bytes);
	memory.bytes = bytes;
	if (!memory.base)
		abort();
	memset(memory.base, 0xa5, bytes); /* it holds anything */
	mem_reset();
	mem_add(memory.base, bytes);
}

unsigned fake_backend_times(uint32_t request)
{
	unsigned n = 0;

	for (unsigned i = 0; i < min_u64(backend.nb_seen, FAKE_BACKEND_SEEN); i++)
		n += backend.seen[i].request == request;
	return n;
}

const struct vhost_message *fake_backend_last(uint32_t request)
{
	const unsigned kept = (unsigned)min_u64(backend.nb_seen, FAKE_BACKEND_SEEN);

	for (unsigned i = 1; i <= kept; i++) {
		const struct vhost_message *m =
		    &backend.seen[(backend.nb_seen - i) % FAKE_BACKEND_SEEN];

		if (m->request == request)
			return m;
	}
	return NULL;
}

/* ---- what it says ------------------------------------------------------------------------- */

void fake_backend_say(const void *bytes, size_t len)
{
	const size_t n = min_u64(len, sizeof(backend.in) - backend.in_len);

	if (n)
		memcpy(backend.in + backend.in_len, bytes, n);
	backend.in_len += n;
}

void fake_backend_answer(uint32_t request, const void *payload, uint32_t len, uint32_t size)
{
	const uint32_t head[] = {request, VHOST_USER_VERSION | VHOST_USER_REPLY, size};

	fake_backend_say(head, sizeof(head));
	fake_backend_say(payload, len);
}

void fake_backend_answer_u64(uint32_t request, uint64_t value)
{
	fake_backend_answer(request, &value, sizeof(value), sizeof(value));
}

static void answer_config(const struct vhost_message *m)
{
	struct vhost_config c = m->config;

	if (c.offset + c.size > backend.config_bytes) {
		fake_backend_answer(m->request, NULL, 0, 0);
		return;
	}
	memcpy(c.bytes, (const uint8_t *)&backend.config + c.offset, c.size);
	fake_backend_answer(m->request, &c, m->size, m->size);
}

static void answer_base(const struct vhost_message *m)
{
	const struct vhost_vring_state s = {m->state.index, backend.ring[m->state.index].base};

	backend.ring[s.index].kicked = backend.ring[s.index].addressed = false;
	fake_backend_answer(m->request, &s, sizeof(s), sizeof(s));
}

static void answer(const struct vhost_message *m)
{
	switch (m->request) {
	case VHOST_USER_GET_FEATURES:
		fake_backend_answer_u64(m->request, backend.features);
		break;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		fake_backend_answer_u64(m->request, backend.protocol);
		break;
	case VHOST_USER_GET_QUEUE_NUM:
		fake_backend_answer_u64(m->request, backend.pairs);
		break;
	case VHOST_USER_GET_STATUS:
		fake_backend_answer_u64(m->request, backend.status);
		break;
	case VHOST_USER_GET_CONFIG:
		answer_config(m);
		break;
	case VHOST_USER_GET_VRING_BASE:
		answer_base(m);
		break;
	default:
		if (m->flags & VHOST_USER_NEED_REPLY)
			fake_backend_answer_u64(m->request, backend.refused >> m->request & 1);
	}
}

/* ---- what it is told ---------------------------------------------------------------------- */

static bool in_memory(uint64_t user)
{
	return backend.addresses_anywhere ||
	       (user >= (uint64_t)(uintptr_t)memory.base &&
	        user < (uint64_t)(uintptr_t)memory.base + memory.bytes);
}

static const char *take_ring(const struct vhost_message *m)
{
	const uint32_t index = m->state.index & VHOST_USER_RING_MASK;

	if (index >= FAKE_BACKEND_RINGS)
		return "a ring that the backend has not";
	switch (m->request) {
	case VHOST_USER_SET_VRING_NUM:
		backend.ring[index].num = m->state.num;
		return m->state.num && m->state.num <= VRING_SIZE_MAX ? NULL : "a size of no ring";
	case VHOST_USER_SET_VRING_BASE:
		backend.ring[index].base = m->state.num;
		return NULL;
	case VHOST_USER_SET_VRING_ADDR:
		backend.ring[index].addressed = true;
		return in_memory(m->addr.desc) && in_memory(m->addr.avail) &&
		               in_memory(m->addr.used) && backend.has_memory
		           ? NULL
		           : "a ring outside of the memory table";
	case VHOST_USER_SET_VRING_CALL:
		backend.ring[index].called = true;
		return NULL;
	case VHOST_USER_SET_VRING_KICK:
		backend.ring[index].kicked = true;
		return backend.ring[index].addressed && backend.ring[index].called
		           ? NULL
		           : "a kick of a ring that is not complete";
	default:
		backend.ring[index].enabled = m->state.num;
		return backend.ring[index].kicked ? NULL : "a ring enabled that is not there";
	}
}

static const char *take_memory(const struct vhost_message *m)
{
	const struct vhost_region r = m->memory.region[0];

	backend.has_memory = true;
	if (m->memory.nb_regions != 1 || r.mmap_offset || !r.bytes || r.bytes > memory.bytes)
		return "a strange memory table";
	return r.user_addr == (uint64_t)(uintptr_t)memory.base &&
	               r.guest_addr == plat_test_iova(memory.base)
	           ? NULL
	           : "a region that is somewhere else";
}

/* What a message must be: payload, descriptors, and the protocol feature that brought it. */
static const struct {
	uint32_t request, size;
	unsigned nb_fds;
	uint64_t protocol;
} rules[] = {
    {VHOST_USER_GET_FEATURES, 0, 0, 0},
    {VHOST_USER_SET_FEATURES, 8, 0, 0},
    {VHOST_USER_SET_OWNER, 0, 0, 0},
    {VHOST_USER_SET_MEM_TABLE, 40, 1, 0},
    {VHOST_USER_SET_VRING_NUM, 8, 0, 0},
    {VHOST_USER_SET_VRING_ADDR, 40, 0, 0},
    {VHOST_USER_SET_VRING_BASE, 8, 0, 0},
    {VHOST_USER_GET_VRING_BASE, 8, 0, 0},
    {VHOST_USER_SET_VRING_KICK, 8, 1, 0},
    {VHOST_USER_SET_VRING_CALL, 8, 1, 0},
    {VHOST_USER_GET_PROTOCOL_FEATURES, 0, 0, 0},
    {VHOST_USER_SET_PROTOCOL_FEATURES, 8, 0, 0},
    {VHOST_USER_GET_QUEUE_NUM, 0, 0, VHOST_USER_PROTOCOL_F_MQ},
    {VHOST_USER_SET_VRING_ENABLE, 8, 0, 0},
    {VHOST_USER_NET_SET_MTU, 8, 0, VHOST_USER_PROTOCOL_F_NET_MTU},
    {VHOST_USER_GET_CONFIG, 0, 0, VHOST_USER_PROTOCOL_F_CONFIG},
    {VHOST_USER_RESET_DEVICE, 0, 0, VHOST_USER_PROTOCOL_F_RESET_DEVICE},
    {VHOST_USER_SET_STATUS, 8, 0, VHOST_USER_PROTOCOL_F_STATUS},
    {VHOST_USER_GET_STATUS, 0, 0, VHOST_USER_PROTOCOL_F_STATUS},
};

static const char *check_form(const struct vhost_message *m, size_t len, unsigned nb_fds)
{
	const uint32_t size =
	    m->request == VHOST_USER_GET_CONFIG ? VHOST_USER_CONFIG_HEAD + m->config.size : 0;

	if (len < VHOST_USER_HEAD || len != VHOST_USER_HEAD + m->size)
		return "a length that is not the payload's";
	if ((m->flags & ~VHOST_USER_NEED_REPLY) != VHOST_USER_VERSION)
		return "flags";
	if ((m->flags & VHOST_USER_NEED_REPLY) && !ACKED(VHOST_USER_PROTOCOL_F_REPLY_ACK))
		return "a reply is wanted, without REPLY_ACK";
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].request != m->request)
			continue;
		if (m->size != max_u64(rules[i].size, size))
			return "a payload of another message";
		if (nb_fds != rules[i].nb_fds)
			return "too many descriptors, or too few";
		return rules[i].protocol & ~backend.ack_protocol
		           ? "a message without its protocol feature"
		           : NULL;
	}
	return "a message that nobody knows";
}

static uint64_t offered(uint64_t features)
{
	return backend.offers_change ? UINT64_MAX : features;
}

/* Return: what is wrong with it. */
static const char *take(const struct vhost_message *m)
{
	switch (m->request) {
	case VHOST_USER_SET_FEATURES:
		backend.ack_features = m->u64;
		return m->u64 & ~offered(backend.features) ? "features that were not offered"
		                                           : NULL;
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		return offered(backend.features) & VHOST_USER_F_PROTOCOL_FEATURES
		           ? NULL
		           : "a question for what was not offered";
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		backend.ack_protocol = m->u64;
		return m->u64 & ~offered(backend.protocol)
		           ? "protocol features that were not offered"
		           : NULL;
	case VHOST_USER_SET_MEM_TABLE:
		return take_memory(m);
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_SET_VRING_ADDR:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_ENABLE:
		return take_ring(m);
	case VHOST_USER_GET_VRING_BASE:
		return m->state.index < FAKE_BACKEND_RINGS && backend.ring[m->state.index].kicked
		           ? NULL
		           : "the base of a ring that does not run";
	case VHOST_USER_SET_STATUS:
		backend.status = (uint8_t)m->u64;
		return m->u64 > UINT8_MAX ? "a status of more than a byte" : NULL;
	default:
		return NULL;
	}
}

/* ---- drivers/virtio/vhost_link.h ---------------------------------------------------------- */

int vhost_link_init(struct vhost_link *l, const char *path, bool server)
{
	*l = (struct vhost_link){
	    .path = path, .server = server, .listen_fd = VHOST_LINK_NONE, .fd = VHOST_LINK_NONE};
	return 0;
}

int vhost_link_open(struct vhost_link *l)
{
	if (backend.absent)
		return -EAGAIN;
	if (backend.open_error)
		return backend.open_error;
	backend.in_len = 0;
	backend.readable_ns = 0;
	backend.hung_up = backend.has_memory = false;
	backend.ack_protocol = backend.ack_features = 0;
	memset(backend.ring, 0, sizeof(backend.ring));
	backend.opens++;
	l->fd = FD_LINK;
	return 0;
}

int vhost_link_wait(struct vhost_link *l, uint64_t from_ns, uint64_t deadline_ns)
{
	(void)from_ns;
	(void)deadline_ns;
	return vhost_link_open(l);
}

void vhost_link_close(struct vhost_link *l)
{
	l->fd = VHOST_LINK_NONE;
}

int vhost_link_send(struct vhost_link *l, const void *msg, size_t len, const int *fds,
                    unsigned nb_fds)
{
	struct vhost_message *m = &backend.seen[backend.nb_seen++ % FAKE_BACKEND_SEEN];
	const char *breach = NULL;

	memset(m, 0, sizeof(*m));
	memcpy(m, msg, min_u64(len, sizeof(*m)));
	if (l->fd != FD_LINK)
		breach = "nothing is connected";
	if (!breach)
		breach = check_form(m, len, nb_fds);
	for (unsigned i = 0; !breach && i < nb_fds; i++) {
		const bool event = fds[i] >= FD_EVENTS && event_open[fds[i] - FD_EVENTS];

		if (m->request == VHOST_USER_SET_MEM_TABLE ? fds[i] != FD_MEMORY : !event)
			breach = "a descriptor of something else";
	}
	if (!breach)
		breach = take(m);
	if (breach && !backend.breach) {
		backend.breach = breach;
		backend.breach_request = m->request;
	}
	if (backend.hung_up)
		return -EPIPE;
	if (backend.full)
		return -EAGAIN;
	backend.readable_ns = plat_test_time_ns + backend.late_ns;
	if (!breach && !(backend.fault && backend.fault(m)))
		answer(m);
	return 0;
}

int vhost_link_recv(struct vhost_link *l, void *buf, size_t len, uint64_t deadline_ns)
{
	const uint64_t until_ns = max_u64(plat_test_time_ns, deadline_ns);
	const bool late = backend.readable_ns > until_ns;
	const size_t n = late ? 0 : min_u64(len, backend.in_len);

	(void)l;
	if (n < len && backend.hung_up && !late)
		return -EPIPE;
	plat_test_time_ns = n < len ? until_ns : max_u64(plat_test_time_ns, backend.readable_ns);
	memcpy(buf, backend.in, n);
	backend.in_len -= n;
	memmove(backend.in, backend.in + n, backend.in_len);
	return (int)n;
}

bool vhost_link_readable(const struct vhost_link *l)
{
	(void)l;
	return plat_test_time_ns >= backend.readable_ns && (backend.in_len || backend.hung_up);
}

const char *vhost_link_error(int err)
{
	return strerror(-err);
}

/* ---- events ------------------------------------------------------------------------------- */

int vhost_event_open(void)
{
	for (int i = 0; i < FAKE_BACKEND_FDS; i++) {
		if (event_open[i])
			continue;
		event_open[i] = true;
		backend.open_fds++;
		return FD_EVENTS + i;
	}
	return -ENOSPC;
}

void vhost_event_close(int fd)
{
	event_open[fd - FD_EVENTS] = false;
	backend.open_fds--;
}

void vhost_event_signal(int fd)
{
	backend.signals += event_open[fd - FD_EVENTS];
	event_signalled[fd - FD_EVENTS] = true;
}

int vhost_watch(struct vhost_watch *w, unsigned lcore)
{
	if (backend.nb_watched == FAKE_BACKEND_RINGS)
		return -ENOSPC;
	backend.watched[backend.nb_watched].watch = w;
	backend.watched[backend.nb_watched++].lcore = lcore;
	return 0;
}

bool vhost_event_take(int fd)
{
	const bool signalled = event_signalled[fd - FD_EVENTS];

	event_signalled[fd - FD_EVENTS] = false;
	return signalled;
}
