/*
 * The front end's messages. A question has an answer of its own; the others are acknowledged when
 * REPLY_ACK was negotiated, so that a backend's refusal is seen where it happens.
 */
#include "drivers/virtio/vhost_user.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define PROTOCOL_KNOWN                                                                             \
	(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_REPLY_ACK |                              \
	 VHOST_USER_PROTOCOL_F_NET_MTU | VHOST_USER_PROTOCOL_F_CONFIG |                            \
	 VHOST_USER_PROTOCOL_F_RESET_DEVICE | VHOST_USER_PROTOCOL_F_STATUS)

static const char *const request_names[] = {
    [VHOST_USER_NOTHING] = "",
    [VHOST_USER_GET_FEATURES] = "GET_FEATURES: ",
    [VHOST_USER_SET_FEATURES] = "SET_FEATURES: ",
    [VHOST_USER_SET_OWNER] = "SET_OWNER: ",
    [VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE: ",
    [VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM: ",
    [VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR: ",
    [VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE: ",
    [VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE: ",
    [VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK: ",
    [VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL: ",
    [VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES: ",
    [VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES: ",
    [VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM: ",
    [VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE: ",
    [VHOST_USER_NET_SET_MTU] = "NET_SET_MTU: ",
    [VHOST_USER_GET_CONFIG] = "GET_CONFIG: ",
    [VHOST_USER_RESET_DEVICE] = "RESET_DEVICE: ",
    [VHOST_USER_SET_STATUS] = "SET_STATUS: ",
    [VHOST_USER_GET_STATUS] = "GET_STATUS: ",
};

static struct vhost_user *user_of(struct vhost_backend *b)
{
	return container_of(b, struct vhost_user, b);
}

/* ---- one message -------------------------------------------------------------------------- */

static void vu_close(struct vhost_backend *b)
{
	struct vhost_user *vu = user_of(b);

	vhost_link_close(&vu->link);
	b->up = false;
	b->news_fd = VHOST_NO_NEWS; /* the number may be another file's soon */
	vu->asked = VHOST_USER_NOTHING;
	vu->got = 0;
}

/* The end of the connection; @why is logged. */
static int fail(struct vhost_user *vu, uint32_t request, int err, const char *why)
{
	log_err("vhost_user", "%s: %s%s; the connection is closed", vu->b.path,
	        request_names[request], why);
	vu_close(&vu->b);
	return err;
}

static int fail_io(struct vhost_user *vu, uint32_t request, int err)
{
	switch (err) {
	case -EPIPE:
		return fail(vu, request, err, "the backend has closed its end");
	case -ETIMEDOUT:
		return fail(vu, request, err, "the backend does not answer");
	case -EAGAIN:
		return fail(vu, request, -EIO, "the backend does not read what it is sent");
	default:
		return fail(vu, request, err, vhost_link_error(err));
	}
}

static int send(struct vhost_user *vu, struct vhost_message *m, const int *fds, unsigned nb_fds)
{
	int err;

	m->flags = VHOST_USER_VERSION | (m->flags & VHOST_USER_NEED_REPLY);
	err = vhost_link_send(&vu->link, m, VHOST_USER_HEAD + m->size, fds, nb_fds);
	return err ? fail_io(vu, m->request, err) : 0;
}

/* Until @bytes of the answer under way are in @m. */
static int recv_bytes(struct vhost_user *vu, struct vhost_message *m, uint32_t bytes,
                      uint64_t deadline_ns)
{
	int n;

	if (vu->got >= bytes)
		return 0;
	n = vhost_link_recv(&vu->link, (uint8_t *)m + vu->got, bytes - vu->got, deadline_ns);
	if (n < 0)
		return n;
	vu->got += (uint32_t)n;
	return vu->got < bytes ? -ETIMEDOUT : 0;
}

/* The reply to @request, with a payload of @size bytes. What closes nothing: -EOPNOTSUPP, there is
 * none; -ETIMEDOUT, it is not whole yet, and a next call with the same @m goes on. */
static int recv_until(struct vhost_user *vu, uint32_t request, struct vhost_message *m,
                      uint32_t size, uint64_t deadline_ns)
{
	int err = recv_bytes(vu, m, VHOST_USER_HEAD, deadline_ns);

	if (err)
		return err == -ETIMEDOUT ? err : fail_io(vu, request, err);
	if (m->request != request || !(m->flags & VHOST_USER_REPLY))
		return fail(vu, request, -EPROTO, "the backend answers something else");
	if ((m->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return fail(vu, request, -EPROTO, "the backend speaks another version");
	if (m->size != size && (request != VHOST_USER_GET_CONFIG || m->size))
		return fail(vu, request, -EPROTO, "the backend's answer has a wrong length");
	err = recv_bytes(vu, m, VHOST_USER_HEAD + m->size, deadline_ns);
	if (err)
		return err == -ETIMEDOUT ? err : fail_io(vu, request, err);
	vu->got = 0;
	/* without payload: how it says no to this; the conversation goes on */
	return m->size == size ? 0 : -EOPNOTSUPP;
}

/* The same, waited for. */
static int recv(struct vhost_user *vu, uint32_t request, struct vhost_message *m, uint32_t size)
{
	const uint64_t deadline_ns = min_u64(plat_time_ns() + VHOST_REPLY_NS, vu->talk_end_ns);
	const int err = recv_until(vu, request, m, size, deadline_ns);

	if (err != -ETIMEDOUT)
		return err;
	vu->brisk_ns = min_u64(2 * vu->brisk_ns, VHOST_BRISK_MAX_NS);
	return fail_io(vu, request, err);
}

/* Is this the @len bytes that we asked for? */
static int config_check(struct vhost_user *vu, const struct vhost_message *m, uint32_t len)
{
	if (m->config.offset || m->config.size != len)
		return fail(vu, VHOST_USER_GET_CONFIG, -EPROTO,
		            "the backend answers something else");
	return 0;
}

/* The answer to the question under way, in vu->news. Return: 0 also when it is no; -EAGAIN when it
 * is not there at @deadline_ns, but may still come. */
static int news_recv(struct vhost_user *vu, uint64_t deadline_ns)
{
	const uint32_t request = vu->asked;
	const bool config = request == VHOST_USER_GET_CONFIG;
	const uint32_t size =
	    config ? VHOST_USER_CONFIG_HEAD + vu->b.config_len : sizeof(vu->news.u64);
	int err = recv_until(vu, request, &vu->news, size, deadline_ns);

	if (err == -ETIMEDOUT)
		return plat_time_ns() - vu->asked_ns < VHOST_REPLY_NS ? -EAGAIN
		                                                      : fail_io(vu, request, err);
	vu->asked = VHOST_USER_NOTHING;
	if (err == -EOPNOTSUPP) {
		vu->b.config_len = 0;
		return 0;
	}
	return err || !config ? err : config_check(vu, &vu->news, vu->b.config_len);
}

/* May something be sent? The answer to an earlier question stands before any other. */
static int ready(struct vhost_user *vu)
{
	int err;

	if (!vu->b.up)
		return -ENOTCONN;
	err = vu->asked ? news_recv(vu, vu->talk_end_ns) : 0;
	return err == -EAGAIN ? fail_io(vu, vu->asked, -ETIMEDOUT) : err;
}

/* Ask, and wait for the answer, as long as the question. */
static int ask(struct vhost_user *vu, struct vhost_message *m)
{
	const uint32_t request = m->request, size = m->size;
	int err = ready(vu);

	m->flags = 0;
	if (!err)
		err = send(vu, m, NULL, 0);
	return err ? err : recv(vu, request, m, size);
}

static int ask_u64(struct vhost_user *vu, uint32_t request, uint64_t *out)
{
	struct vhost_message m = {.request = request};
	int err = ready(vu);

	if (!err)
		err = send(vu, &m, NULL, 0);
	if (!err)
		err = recv(vu, request, &m, sizeof(m.u64));
	if (!err)
		*out = m.u64;
	return err;
}

/* Tell, and see it accepted where that is to be seen. */
static int tell(struct vhost_user *vu, struct vhost_message *m, const int *fds, unsigned nb_fds)
{
	const uint32_t request = m->request;
	int err = ready(vu);

	m->flags = vu->b.protocol & VHOST_USER_PROTOCOL_F_REPLY_ACK ? VHOST_USER_NEED_REPLY : 0;

	const bool acked = m->flags;

	if (!err)
		err = send(vu, m, fds, nb_fds);
	if (!err && acked)
		err = recv(vu, request, m, sizeof(m->u64));
	if (!err && acked && m->u64)
		err = fail(vu, request, -EIO, "the backend refuses");
	return err;
}

static int tell_u64(struct vhost_user *vu, uint32_t request, uint64_t value)
{
	struct vhost_message m = {.request = request, .size = sizeof(m.u64), .u64 = value};

	return tell(vu, &m, NULL, 0);
}

static int tell_state(struct vhost_user *vu, uint32_t request, uint32_t index, uint32_t num)
{
	struct vhost_message m = {
	    .request = request, .size = sizeof(m.state), .state = {.index = index, .num = num}};

	return tell(vu, &m, NULL, 0);
}

static int tell_fd(struct vhost_user *vu, uint32_t request, uint16_t index, int fd)
{
	struct vhost_message m = {.request = request, .size = sizeof(m.u64), .u64 = index};

	return tell(vu, &m, &fd, 1);
}

/* ---- the connection ----------------------------------------------------------------------- */

static void vu_begin(struct vhost_backend *b)
{
	struct vhost_user *vu = user_of(b);
	const uint64_t brisk_ns = vu->brisk_ns + b->nb_pairs * VHOST_BRISK_PAIR_NS;

	vu->talk_end_ns = plat_time_ns() + (vu->brisk_ns ? brisk_ns : VHOST_TALK_NS);
}

static void vu_served(struct vhost_backend *b)
{
	user_of(b)->brisk_ns = VHOST_BRISK_NS;
}

/* The first answer. A backend may take its time for it, and is not waited for meanwhile. */
static int greet_first(struct vhost_user *vu)
{
	struct vhost_message m = {.request = VHOST_USER_GET_FEATURES};
	const uint64_t now_ns = plat_time_ns();
	int err = 0;

	if (vu->asked == VHOST_USER_NOTHING) {
		vu->asked = m.request;
		vu->asked_ns = now_ns;
		err = send(vu, &m, NULL, 0);
	}
	if (!err)
		err = news_recv(vu, now_ns + (vu->brisk_ns ? VHOST_GREET_NS : VHOST_REPLY_NS));
	if (!err)
		vu->b.features = vu->news.u64;
	return err;
}

static int greet(struct vhost_user *vu)
{
	uint64_t offered = 0;
	struct vhost_message owner = {.request = VHOST_USER_SET_OWNER};
	int err = 0;

	if (vu->b.features & VHOST_USER_F_PROTOCOL_FEATURES) {
		err = ask_u64(vu, VHOST_USER_GET_PROTOCOL_FEATURES, &offered);
		if (!err)
			err = tell_u64(vu, VHOST_USER_SET_PROTOCOL_FEATURES,
			               offered & PROTOCOL_KNOWN);
		vu->b.protocol = offered & PROTOCOL_KNOWN;
	}
	if (!err && (vu->b.protocol & VHOST_USER_PROTOCOL_F_MQ))
		err = ask_u64(vu, VHOST_USER_GET_QUEUE_NUM, &vu->b.pairs_max);
	return err ? err : tell(vu, &owner, NULL, 0);
}

static int vu_open(struct vhost_backend *b)
{
	struct vhost_user *vu = user_of(b);
	int err;

	vu_begin(b);
	if (b->up)
		return 0;
	if (vu->link.fd == VHOST_LINK_NONE) {
		err = vhost_link_open(&vu->link);
		if (err == -EAGAIN)
			return err;
		if (err) {
			log_err("vhost_user", "%s: %s", b->path, vhost_link_error(err));
			return err;
		}
	}
	err = greet_first(vu);
	if (err)
		return err;
	b->up = true;
	b->news_fd = vu->link.fd;
	b->config_len = 0;
	b->protocol = 0;
	b->pairs_max = 1;
	err = greet(vu);
	b->has_config = b->protocol & VHOST_USER_PROTOCOL_F_CONFIG;
	return err;
}

/* ---- features, memory, configuration ------------------------------------------------------ */

static int vu_set_features(struct vhost_backend *b, uint64_t features)
{
	return tell_u64(user_of(b), VHOST_USER_SET_FEATURES,
	                features | (b->features & VHOST_USER_F_PROTOCOL_FEATURES));
}

static int vu_set_memory(struct vhost_backend *b)
{
	struct vhost_message m = {
	    .request = VHOST_USER_SET_MEM_TABLE,
	    .size = offsetof(struct vhost_memory_table, region[1]),
	};

	m.memory.nb_regions = 1;
	m.memory.padding = 0;
	m.memory.region[0] = vhost_shared();
	return tell(user_of(b), &m, &vhost_memory()->fd, 1);
}

static int vu_set_mtu(struct vhost_backend *b, uint16_t mtu)
{
	if (!(b->protocol & VHOST_USER_PROTOCOL_F_NET_MTU))
		return 0;
	return tell_u64(user_of(b), VHOST_USER_NET_SET_MTU, mtu);
}

static int vu_get_config(struct vhost_backend *b, void *out, uint32_t len)
{
	struct vhost_user *vu = user_of(b);
	struct vhost_message m = {.request = VHOST_USER_GET_CONFIG,
	                          .size = VHOST_USER_CONFIG_HEAD + len,
	                          .config = {.size = len}};
	int err = ask(vu, &m);

	if (!err)
		err = config_check(vu, &m, len);
	if (!err)
		memcpy(out, m.config.bytes, len);
	return err;
}

/* ---- rings -------------------------------------------------------------------------------- */

static int ring_address(struct vhost_user *vu, const struct virtqueue *vq)
{
	struct vhost_message m = {.request = VHOST_USER_SET_VRING_ADDR, .size = sizeof(m.addr)};

	m.addr = vhost_ring_addr(vq);
	return tell(vu, &m, NULL, 0);
}

static int vu_ring_start(struct vhost_backend *b, const struct vhost_ring *ring)
{
	struct vhost_user *vu = user_of(b);
	const uint16_t index = ring->vq->index;
	/* call first: some backends make the ring at this message */
	int err = tell_fd(vu, VHOST_USER_SET_VRING_CALL, index, ring->call_fd);

	if (!err)
		err = tell_state(vu, VHOST_USER_SET_VRING_NUM, index, ring->vq->nentries);
	if (!err)
		err = tell_state(vu, VHOST_USER_SET_VRING_BASE, index,
		                 ring->packed ? VHOST_BASE_PACKED_START : 0);
	if (!err)
		err = ring_address(vu, ring->vq);
	if (!err)
		err = tell_fd(vu, VHOST_USER_SET_VRING_KICK, index, ring->kick_fd);
	return err;
}

static int vu_ring_enable(struct vhost_backend *b, uint16_t index, bool on)
{
	/* without protocol features a ring runs as soon as it can be kicked */
	if (!(b->features & VHOST_USER_F_PROTOCOL_FEATURES))
		return 0;
	return tell_state(user_of(b), VHOST_USER_SET_VRING_ENABLE, index, on);
}

static int vu_ring_stop(struct vhost_backend *b, uint16_t index)
{
	struct vhost_user *vu = user_of(b);
	struct vhost_message m = {.request = VHOST_USER_GET_VRING_BASE,
	                          .size = sizeof(m.state),
	                          .state = {.index = index}};
	const int err = ask(vu, &m);

	if (!err && m.state.index != index)
		return fail(vu, VHOST_USER_GET_VRING_BASE, -EPROTO,
		            "the backend answers for another ring");
	return err;
}

/* ---- status ------------------------------------------------------------------------------- */

static int vu_set_status(struct vhost_backend *b, uint8_t status)
{
	struct vhost_message reset = {.request = VHOST_USER_RESET_DEVICE};

	if (b->protocol & VHOST_USER_PROTOCOL_F_STATUS)
		return tell_u64(user_of(b), VHOST_USER_SET_STATUS, status);
	if (!status && (b->protocol & VHOST_USER_PROTOCOL_F_RESET_DEVICE))
		return tell(user_of(b), &reset, NULL, 0);
	return 0;
}

static int vu_get_status(struct vhost_backend *b, uint8_t *status)
{
	uint64_t value;
	int err;

	if (!(b->protocol & VHOST_USER_PROTOCOL_F_STATUS))
		return 0;
	err = ask_u64(user_of(b), VHOST_USER_GET_STATUS, &value);
	if (!err)
		*status = (uint8_t)value;
	return err;
}

/* ---- news --------------------------------------------------------------------------------- */

/* The questions that are asked again and again, in turn. */
static uint32_t next_question(const struct vhost_user *vu)
{
	const bool has_status = vu->b.protocol & VHOST_USER_PROTOCOL_F_STATUS;

	if (vu->b.config_len && (vu->asked_last != VHOST_USER_GET_CONFIG || !has_status))
		return VHOST_USER_GET_CONFIG;
	return has_status ? VHOST_USER_GET_STATUS : VHOST_USER_NOTHING;
}

static int news_ask(struct vhost_user *vu, uint64_t now_ns)
{
	struct vhost_message m = {.request = next_question(vu)};

	if (!m.request || now_ns - vu->asked_ns < VHOST_NEWS_NS)
		return 0;
	if (m.request == VHOST_USER_GET_CONFIG) {
		m.size = VHOST_USER_CONFIG_HEAD + vu->b.config_len;
		m.config.size = vu->b.config_len;
	}
	vu->asked = vu->asked_last = m.request;
	vu->asked_ns = now_ns;
	return send(vu, &m, NULL, 0);
}

/* Something without a question: the end, or nonsense. */
static int unasked(struct vhost_user *vu)
{
	uint8_t byte;
	const int n = vhost_link_recv(&vu->link, &byte, 1, 0);

	if (n < 0)
		return fail_io(vu, VHOST_USER_NOTHING, n);
	return !n ? 0
	          : fail(vu, VHOST_USER_NOTHING, -EPROTO,
	                 "the backend sends what nobody asked for");
}

static int vu_poll(struct vhost_backend *b, uint8_t *status, struct virtio_net_config *config)
{
	struct vhost_user *vu = user_of(b);
	const uint32_t asked = vu->asked;
	int err;

	if (!b->up)
		return -ENOTCONN;
	if (!asked)
		return vhost_link_readable(&vu->link) ? unasked(vu) : news_ask(vu, plat_time_ns());
	err = news_recv(vu, 0);
	if (err)
		return err == -EAGAIN ? 0 : err;
	if (asked == VHOST_USER_GET_STATUS)
		*status = (uint8_t)vu->news.u64;
	else
		memcpy(config, vu->news.config.bytes, b->config_len);
	return 0;
}

/* ---- the seam ----------------------------------------------------------------------------- */

static int vu_wait(struct vhost_backend *b, uint64_t from_ns, uint64_t deadline_ns)
{
	return vhost_link_wait(&user_of(b)->link, from_ns, deadline_ns);
}

static const struct vhost_backend_ops vu_ops = {
    .features_own = VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES | VIRTIO_F_ACCESS_PLATFORM,
    .wait = vu_wait,
    .open = vu_open,
    .close = vu_close,
    .begin = vu_begin,
    .served = vu_served,
    .set_features = vu_set_features,
    .set_memory = vu_set_memory,
    .set_mtu = vu_set_mtu,
    .ring_start = vu_ring_start,
    .ring_enable = vu_ring_enable,
    .ring_stop = vu_ring_stop,
    .set_status = vu_set_status,
    .get_status = vu_get_status,
    .get_config = vu_get_config,
    .poll = vu_poll,
};

int vhost_user_init(struct vhost_user *vu, const char *path, bool server)
{
	vu->b.ops = &vu_ops;
	vu->b.path = path;
	vu->b.news_fd = VHOST_NO_NEWS;
	vu->b.ring_max = VRING_SIZE_MAX;
	return vhost_link_init(&vu->link, path, server);
}
