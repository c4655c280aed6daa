/*
 * For the tests of the vhost-user front end: a conversation with the backend in memory that is
 * about to begin, what a backend can do in the place of an answer, and what has to hold when the
 * connection is over.
 */
#ifndef TESTS_UNIT_VHOST_FIXTURE_H
#define TESTS_UNIT_VHOST_FIXTURE_H

#include "drivers/virtio/vhost_user.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND 1000000000ull
#define MEMORY ((size_t)8 << 20)

static struct vhost_user vu;
static struct vhost_backend *const b = &vu.b;
static struct virtqueue vq;
static struct vhost_ring ring = {.vq = &vq};

static inline void begin(void)
{
	fake_backend_open(MEMORY);
	vu = (struct vhost_user){0};
	vhost_user_init(&vu, "/run/vhost0", false);
	vq.nentries = 256;
	vq.desc_iova = plat_iova(mem_alloc("ring", 16384, PAGE_SIZE));
	vq.avail_iova = vq.desc_iova + 4096;
	vq.used_iova = vq.desc_iova + 8192;
	ring.kick_fd = vhost_event_open();
	ring.call_fd = vhost_event_open();
}

static inline void finish(void)
{
	cr_assert_null(backend.breach, "message %u: %s", backend.breach_request, backend.breach);
}

static inline void open_well(void)
{
	cr_assert_eq(b->ops->open(b), 0);
	cr_assert_str_eq(plat_test_output(), "");
	backend.nb_seen = 0;
}

/* The requests seen are these, 0-terminated. */
static inline void expect_seen(const uint32_t *requests)
{
	unsigned n = 0;

	for (; requests[n]; n++)
		cr_expect_eq(backend.seen[n].request, requests[n], "message %u is %u, not %u", n,
		             backend.seen[n].request, requests[n]);
	cr_expect_eq(backend.nb_seen, n);
}

/* The connection is over, and nothing more is said on it or of it. */
static inline void expect_over(void)
{
	struct virtio_net_config config = {.status = 0x55};
	uint8_t status = 0x55;

	cr_expect_not(vu.b.up);
	cr_expect_eq(vu.link.fd, VHOST_LINK_NONE);
	cr_expect_eq(lines_said(), 1, "said: %s", plat_test_output());
	plat_test_clear();
	backend.nb_seen = 0;
	cr_expect_eq(b->ops->set_features(b, 0), -ENOTCONN);
	cr_expect_eq(b->ops->set_memory(b), -ENOTCONN);
	cr_expect_eq(b->ops->ring_start(b, &ring), -ENOTCONN);
	cr_expect_eq(b->ops->ring_stop(b, 0), -ENOTCONN);
	if (b->features & VHOST_USER_F_PROTOCOL_FEATURES)
		cr_expect_eq(vhost_ring_enable(b, 0, true), -ENOTCONN);
	cr_expect_eq(b->ops->poll(b, &status, &config), -ENOTCONN);
	cr_expect(status == 0x55 && config.status == 0x55);
	cr_expect_eq(backend.nb_seen, 0);
	cr_expect_str_eq(plat_test_output(), "");
}

/* In the order of the protocol, as the backend looks at that. */
static inline int do_ring(void)
{
	const int err = b->ops->set_memory(b);

	return err ? err : b->ops->ring_start(b, &ring);
}

static inline int do_config(void)
{
	uint8_t config[12];

	return b->ops->get_config(b, config, sizeof(config));
}

/* ---- in the place of an answer ------------------------------------------------------------ */

static inline bool hangs_up(const struct vhost_message *m)
{
	(void)m;
	return backend.hung_up = true;
}

static inline bool says_half(const struct vhost_message *m)
{
	fake_backend_answer(m->request, "abc", 3,
	                    m->request == VHOST_USER_GET_CONFIG ? m->size : 8);
	return true;
}

static inline bool says_half_and_hangs_up(const struct vhost_message *m)
{
	return says_half(m) && hangs_up(m);
}

static inline bool says_half_a_head(const struct vhost_message *m)
{
	fake_backend_answer_u64(m->request, 0);
	backend.in_len = 7;
	return true;
}

static inline bool is_silent(const struct vhost_message *m)
{
	(void)m;
	return true;
}

static inline bool is_too_late(const struct vhost_message *m)
{
	fake_backend_answer_u64(m->request, 0);
	backend.readable_ns += VHOST_REPLY_NS + 1;
	return true;
}

static inline bool answers_another(const struct vhost_message *m)
{
	fake_backend_answer_u64(m->request + 1, 0);
	return true;
}

static inline bool answer_changed(const struct vhost_message *m, uint32_t flags, uint32_t size)
{
	struct vhost_message a = {.request = m->request, .flags = flags, .size = size};

	fake_backend_say(&a, VHOST_USER_HEAD + sizeof(a.u64));
	return true;
}

static inline bool says_no_reply(const struct vhost_message *m)
{
	return answer_changed(m, VHOST_USER_VERSION, 8);
}

static inline bool has_another_version(const struct vhost_message *m)
{
	return answer_changed(m, 2 | VHOST_USER_REPLY, 8);
}

static inline bool is_longer(const struct vhost_message *m)
{
	return answer_changed(m, VHOST_USER_VERSION | VHOST_USER_REPLY, 41);
}

static inline bool is_shorter(const struct vhost_message *m)
{
	return answer_changed(m, VHOST_USER_VERSION | VHOST_USER_REPLY, 7);
}

static inline bool is_huge(const struct vhost_message *m)
{
	return answer_changed(m, VHOST_USER_VERSION | VHOST_USER_REPLY, UINT32_MAX);
}

static inline bool has_no_payload(const struct vhost_message *m)
{
	/* of GET_CONFIG this is a no */
	return answer_changed(m, VHOST_USER_VERSION | VHOST_USER_REPLY,
	                      m->request == VHOST_USER_GET_CONFIG ? 1 : 0);
}

#endif
