/*
 * The front end's conversation with a backend in memory: what is said, in which order, and what is
 * asked again and again. What a backend can do wrong is in test_vhost_faults.c.
 */
#include "tests/unit/vhost_fixture.h"

TestSuite(vhost_user, .init = begin, .fini = finish);

/* ---- greeting ----------------------------------------------------------------------------- */

Test(vhost_user, greets_once)
{
	cr_assert_eq(b->ops->open(b), 0);
	expect_seen((const uint32_t[]){VHOST_USER_GET_FEATURES, VHOST_USER_GET_PROTOCOL_FEATURES,
	                               VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_GET_QUEUE_NUM,
	                               VHOST_USER_SET_OWNER, 0});
	cr_expect_eq(vu.b.features, backend.features);
	cr_expect_eq(vu.b.protocol, backend.protocol);
	cr_expect_eq(b->ops->open(b), 0);
	cr_expect_eq(backend.opens, 1);
	cr_expect_eq(backend.nb_seen, 5);
}

Test(vhost_user, greets_a_link_that_was_opened_before)
{
	cr_assert_eq(vhost_link_open(&vu.link), 0);
	cr_assert_eq(b->ops->open(b), 0);
	cr_expect_eq(backend.opens, 1);
}

Test(vhost_user, does_without_protocol_features)
{
	backend.features = VIRTIO_F_VERSION_1;
	cr_assert_eq(b->ops->open(b), 0);
	cr_expect_eq(vu.b.protocol, 0);
	cr_expect_eq(b->ops->set_features(b, VIRTIO_F_VERSION_1), 0);
	cr_expect_eq(b->ops->set_memory(b), 0);
	cr_expect_eq(b->ops->ring_start(b, &ring), 0);
	cr_expect_eq(vhost_set_status(b, 15), 0);
	cr_expect_eq(vhost_set_mtu(b, 1400), 0);
	expect_seen((const uint32_t[]){
	    VHOST_USER_GET_FEATURES, VHOST_USER_SET_OWNER, VHOST_USER_SET_FEATURES,
	    VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_VRING_CALL, VHOST_USER_SET_VRING_NUM,
	    VHOST_USER_SET_VRING_BASE, VHOST_USER_SET_VRING_ADDR, VHOST_USER_SET_VRING_KICK, 0});
	for (unsigned i = 0; i < backend.nb_seen; i++)
		cr_expect_eq(backend.seen[i].flags, VHOST_USER_VERSION, "no reply is wanted");
}

Test(vhost_user, takes_no_protocol_feature_that_it_does_not_know)
{
	const uint64_t known = backend.protocol;

	backend.features = backend.protocol = UINT64_MAX;
	open_well();
	cr_expect_eq(vu.b.protocol, known);
	cr_expect_eq(backend.ack_protocol, known);
	cr_expect_eq(vu.b.features, UINT64_MAX);
	/* what is accepted is the driver's business, but for the one bit that is about this */
	cr_expect_eq(b->ops->set_features(b, VIRTIO_F_VERSION_1), 0);
	cr_expect_eq(backend.ack_features, VIRTIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES);
}

Test(vhost_user, tells_an_absent_backend_from_one_that_cannot_be_had)
{
	backend.absent = true;
	cr_expect_eq(b->ops->open(b), -EAGAIN);
	cr_expect_str_eq(plat_test_output(), "");
	backend.absent = false;
	backend.open_error = -EIO;
	cr_expect_eq(b->ops->open(b), -EIO);
	cr_expect(said("/run/vhost0: Input/output error"));
	cr_expect_not(vu.b.up);
	backend.open_error = 0;
	cr_expect_eq(b->ops->open(b), 0);
}

/* ---- memory, rings ------------------------------------------------------------------------ */

Test(vhost_user, shares_what_was_allocated_so_far)
{
	const struct vhost_memory *mem = vhost_memory();
	const struct vhost_message *m;

	open_well();
	cr_assert_eq(b->ops->set_memory(b), 0);
	m = fake_backend_last(VHOST_USER_SET_MEM_TABLE);
	cr_expect_eq(m->memory.region[0].bytes, (size_t)2 << 20);
	cr_expect_eq(m->memory.region[0].user_addr, (uintptr_t)mem->base);
	cr_expect_eq(m->memory.region[0].guest_addr, plat_iova(mem->base));
	cr_assert_not_null(mem_alloc("more", (size_t)3 << 20, 64));
	cr_assert_eq(b->ops->set_memory(b), 0);
	m = fake_backend_last(VHOST_USER_SET_MEM_TABLE);
	cr_expect_eq(m->memory.region[0].bytes, (size_t)4 << 20);
	cr_assert_not_null(mem_alloc("nearly all", ((size_t)5 << 20) - 32768, 64));
	cr_assert_eq(b->ops->set_memory(b), 0);
	m = fake_backend_last(VHOST_USER_SET_MEM_TABLE);
	cr_expect_eq(m->memory.region[0].bytes, MEMORY);
}

Test(vhost_user, starts_a_ring_with_our_addresses)
{
	const uint64_t base = (uintptr_t)vhost_memory()->base;
	const uint64_t offset = plat_iova(vhost_memory()->base) - base;
	const struct vhost_message *m;

	open_well();
	cr_assert_eq(b->ops->set_memory(b), 0);
	cr_assert_eq(b->ops->ring_start(b, &ring), 0);
	m = fake_backend_last(VHOST_USER_SET_VRING_ADDR);
	cr_expect_eq(m->addr.desc, vq.desc_iova - offset);
	cr_expect_eq(m->addr.avail, vq.avail_iova - offset);
	cr_expect_eq(m->addr.used, vq.used_iova - offset);
	cr_expect_eq(m->addr.flags, 0);
	cr_expect_eq(backend.ring[0].num, 256);
	cr_expect_eq(backend.ring[0].base, 0);
	cr_expect_not(backend.ring[0].enabled);
	cr_expect_eq(vhost_ring_enable(b, 0, true), 0);
	cr_expect(backend.ring[0].enabled);
	cr_expect_eq(vhost_ring_enable(b, 0, false), 0);
	cr_expect_not(backend.ring[0].enabled);

	vq.index = 1;
	ring.packed = true;
	cr_assert_eq(b->ops->ring_start(b, &ring), 0);
	/* 7 bits of position and a wrap counter of 1, for both sides */
	cr_expect_eq(backend.ring[1].base, 0x80008000u);
}

static bool base_of_another(const struct vhost_message *m)
{
	const struct vhost_vring_state s = {m->state.index + 1, 0};

	if (m->request != VHOST_USER_GET_VRING_BASE)
		return false;
	fake_backend_answer(m->request, &s, sizeof(s), sizeof(s));
	return true;
}

Test(vhost_user, a_stop_is_for_one_ring)
{
	open_well();
	cr_assert_eq(do_ring(), 0);
	cr_expect_eq(b->ops->ring_stop(b, 0), 0);
	cr_assert_eq(do_ring(), 0);
	backend.fault = base_of_another;
	cr_expect_eq(b->ops->ring_stop(b, 0), -EPROTO);
	cr_expect(said("GET_VRING_BASE: the backend answers for another ring"));
	expect_over();
}

/* ---- status, reset, MTU, configuration ---------------------------------------------------- */

Test(vhost_user, status_goes_to_who_keeps_one)
{
	uint8_t status = 0x55;

	open_well();
	cr_expect_eq(vhost_set_status(b, 15), 0);
	cr_expect_eq(backend.status, 15);
	backend.status = 0x4f;
	cr_expect_eq(vhost_get_status(b, &status), 0);
	cr_expect_eq(status, 0x4f);
	cr_expect_eq(vhost_set_status(b, 0), 0);
	expect_seen((const uint32_t[]){VHOST_USER_SET_STATUS, VHOST_USER_GET_STATUS,
	                               VHOST_USER_SET_STATUS, 0});
}

Test(vhost_user, a_reset_is_a_message_where_there_is_no_status)
{
	uint8_t status = 0x55;

	backend.protocol = VHOST_USER_PROTOCOL_F_RESET_DEVICE;
	open_well();
	cr_expect_eq(vhost_set_status(b, 15), 0);
	cr_expect_eq(vhost_get_status(b, &status), 0);
	cr_expect_eq(status, 0x55);
	cr_expect_eq(vhost_set_status(b, 0), 0);
	expect_seen((const uint32_t[]){VHOST_USER_RESET_DEVICE, 0});
}

Test(vhost_user, the_mtu_is_told_to_who_wants_to_know)
{
	open_well();
	cr_expect_eq(vhost_set_mtu(b, 1400), 0);
	cr_expect_eq(fake_backend_last(VHOST_USER_NET_SET_MTU)->u64, 1400);
}

Test(vhost_user, reads_the_start_of_the_configuration)
{
	uint8_t config[13];

	open_well();
	config[12] = 0x55;
	cr_expect_eq(b->ops->get_config(b, config, 12), 0);
	cr_expect_eq(memcmp(config, &backend.config, 12), 0);
	cr_expect_eq(config[12], 0x55);
	cr_expect_eq(fake_backend_last(VHOST_USER_GET_CONFIG)->size, VHOST_USER_CONFIG_HEAD + 12);
}

Test(vhost_user, a_backend_may_have_less_configuration)
{
	uint8_t config[12];

	open_well();
	backend.config_bytes = 8;
	cr_expect_eq(b->ops->get_config(b, config, 12), -EOPNOTSUPP);
	cr_expect_str_eq(plat_test_output(), "");
	cr_expect_eq(b->ops->get_config(b, config, 8), 0);
}

static bool config_from_elsewhere(const struct vhost_message *m)
{
	struct vhost_config c = {.offset = 1, .size = m->config.size};

	fake_backend_answer(m->request, &c, m->size, m->size);
	return true;
}

static bool config_of_another_size(const struct vhost_message *m)
{
	struct vhost_config c = {.size = VHOST_USER_CONFIG_MAX};

	fake_backend_answer(m->request, &c, m->size, m->size);
	return true;
}

Test(vhost_user, a_configuration_that_was_not_asked_for_is_no_answer)
{
	open_well();
	backend.fault = config_from_elsewhere;
	cr_expect_eq(do_config(), -EPROTO);
	cr_expect(said("GET_CONFIG: the backend answers something else"));
	expect_over();

	backend.fault = NULL;
	open_well();
	backend.fault = config_of_another_size;
	cr_expect_eq(do_config(), -EPROTO);
	expect_over();
}

/* ---- news --------------------------------------------------------------------------------- */

static uint8_t news_status;
static struct virtio_net_config news_config;

static int poll_after(uint64_t ns)
{
	plat_test_time_ns += ns;
	return b->ops->poll(b, &news_status, &news_config);
}

Test(vhost_user, asks_for_the_status_now_and_then)
{
	plat_test_time_ns = SECOND;
	open_well();
	backend.status = 15;
	for (unsigned i = 0; i < 10; i++) {
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_eq(backend.nb_seen, i + 1);
		cr_expect_eq(poll_after(0), 0);
		cr_expect_eq(news_status, 15 + i);
		cr_expect_eq(poll_after(0), 0);
		cr_expect_eq(poll_after(VHOST_NEWS_NS - 1), 0);
		cr_expect_eq(backend.nb_seen, i + 1, "not too often");
		plat_test_time_ns -= VHOST_NEWS_NS - 1;
		backend.status++;
	}
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_STATUS), 10);
}

Test(vhost_user, asks_for_status_and_configuration_in_turn)
{
	plat_test_time_ns = SECOND;
	open_well();
	vu.b.config_len = 12;
	backend.status = 15;
	backend.config.mtu = 1234;
	for (unsigned i = 0; i < 8; i++) {
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_eq(poll_after(0), 0);
	}
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_STATUS), 4);
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), 4);
	cr_expect_eq(news_status, 15);
	cr_expect_eq(memcmp(&news_config, &backend.config, 12), 0);
}

Test(vhost_user, asks_for_the_configuration_alone)
{
	plat_test_time_ns = SECOND;
	backend.protocol &= ~VHOST_USER_PROTOCOL_F_STATUS;
	open_well();
	news_status = 0x55;
	cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
	cr_expect_eq(backend.nb_seen, 0, "nothing to ask");
	vu.b.config_len = 12;
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_eq(poll_after(0), 0);
	}
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), 4);
	cr_expect_eq(news_status, 0x55);
	/* until the backend will not say */
	backend.config_bytes = 0;
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_eq(poll_after(0), 0);
	}
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), 5);
	cr_expect(vu.b.up);
}

Test(vhost_user, a_question_under_way_is_answered_before_others)
{
	uint8_t status = 0;

	plat_test_time_ns = SECOND;
	open_well();
	vu.b.config_len = 12;
	backend.status = 15;
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_neq(vu.asked, VHOST_USER_NOTHING);
		cr_expect_eq(b->ops->set_features(b, 0), 0);
		cr_expect_eq(vu.asked, VHOST_USER_NOTHING);
		cr_expect_eq(vhost_get_status(b, &status), 0);
		cr_expect_eq(status, 15);
	}
	cr_expect_eq(poll_after(0), 0);
	cr_expect(vu.b.up);
}

Test(vhost_user, notices_that_the_backend_left)
{
	open_well();
	backend.hung_up = true;
	cr_expect_eq(poll_after(0), -EPIPE);
	cr_expect(said("/run/vhost0: the backend has closed its end; the connection is closed"));
	expect_over();
}

Test(vhost_user, takes_nothing_that_it_did_not_ask_for)
{
	open_well();
	fake_backend_answer_u64(VHOST_USER_GET_STATUS, 15);
	cr_expect_eq(poll_after(0), -EPROTO);
	cr_expect(said("the backend sends what nobody asked for"));
	expect_over();
}

Test(vhost_user, an_answer_to_a_poll_may_be_late_but_not_for_ever)
{
	plat_test_time_ns = SECOND;
	open_well();
	backend.fault = is_silent;
	cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
	cr_expect_eq(poll_after(VHOST_REPLY_NS - 1), 0);
	cr_expect_eq(backend.nb_seen, 1);
	cr_expect_eq(poll_after(1), -ETIMEDOUT);
	cr_expect(said("GET_STATUS: the backend does not answer"));
	expect_over();
}

Test(vhost_user, an_answer_to_a_poll_may_come_in_pieces)
{
	const struct vhost_message a = {.request = VHOST_USER_GET_STATUS,
	                                .flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
	                                .size = sizeof(a.u64),
	                                .u64 = 15};
	const unsigned len = VHOST_USER_HEAD + sizeof(a.u64);

	plat_test_time_ns = SECOND;
	open_well();
	backend.fault = is_silent;
	news_status = 0x55;
	cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
	for (unsigned i = 0; i < len; i++) {
		const uint64_t before_ns = plat_test_time_ns;

		cr_expect_eq(news_status, 0x55);
		fake_backend_say((const uint8_t *)&a + i, 1);
		cr_expect_eq(poll_after(0), 0);
		cr_expect_eq(plat_test_time_ns, before_ns, "not waited for");
	}
	cr_expect_eq(news_status, 15);
	/* a piece that has come belongs to its answer, whoever asks for the rest */
	cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
	fake_backend_say(&a, 5);
	cr_expect_eq(poll_after(0), 0);
	fake_backend_say((const uint8_t *)&a + 5, len - 5);
	backend.fault = NULL;
	cr_expect_eq(b->ops->set_features(b, 0), 0);
	cr_expect(b->up);
}

Test(vhost_user, half_an_answer_to_a_poll_is_not_waited_for)
{
	uint64_t before_ns;

	plat_test_time_ns = SECOND;
	open_well();
	backend.fault = says_half;
	cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
	before_ns = plat_test_time_ns;
	cr_expect_eq(poll_after(0), 0);
	cr_expect_eq(poll_after(VHOST_REPLY_NS - 1), 0);
	cr_expect_eq(poll_after(1), -ETIMEDOUT);
	cr_expect_eq(plat_test_time_ns - before_ns, VHOST_REPLY_NS);
	cr_expect(said("GET_STATUS: the backend does not answer"));
	expect_over();
}

Test(vhost_user, a_poll_that_is_lied_to_ends_the_connection)
{
	static bool (*const lies[])(const struct vhost_message *) = {
	    answers_another, says_no_reply, has_another_version,
	    is_longer,       is_huge,       has_no_payload};

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		plat_test_time_ns += SECOND;
		backend.fault = NULL;
		open_well();
		backend.fault = lies[i];
		news_status = 0x55;
		cr_expect_eq(poll_after(VHOST_NEWS_NS), 0);
		cr_expect_eq(poll_after(0), -EPROTO);
		cr_expect_eq(news_status, 0x55);
		expect_over();
	}
}
