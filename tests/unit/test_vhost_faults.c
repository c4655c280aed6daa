/*
 * What becomes of a vhost-user backend that lies, stops in the middle, is late, refuses, or leaves:
 * whatever goes wrong at whichever message is named in one line of the log, ends the connection,
 * and takes bounded time.
 */
#include "tests/unit/vhost_fixture.h"

#include <criterion/parameterized.h>

TestSuite(vhost_faults, .init = begin, .fini = finish);

static uint32_t fault_at;
static bool (*fault_does)(const struct vhost_message *m);

static bool at_one_request(const struct vhost_message *m)
{
	return m->request == fault_at && fault_does(m);
}

static const struct fault {
	const char *name;
	bool (*does)(const struct vhost_message *m);
	int err;
	const char *says;
} faults[] = {
    {"hangs up", hangs_up, -EPIPE, "has closed its end"},
    {"says half and hangs up", says_half_and_hangs_up, -EPIPE, "has closed its end"},
    {"says half", says_half, -ETIMEDOUT, "does not answer"},
    {"says half a head", says_half_a_head, -ETIMEDOUT, "does not answer"},
    {"is silent", is_silent, -ETIMEDOUT, "does not answer"},
    {"is too late", is_too_late, -ETIMEDOUT, "does not answer"},
    {"answers another", answers_another, -EPROTO, "answers something else"},
    {"says no reply", says_no_reply, -EPROTO, "answers something else"},
    {"has another version", has_another_version, -EPROTO, "speaks another version"},
    {"is longer", is_longer, -EPROTO, "answer has a wrong length"},
    {"is shorter", is_shorter, -EPROTO, "answer has a wrong length"},
    {"is huge", is_huge, -EPROTO, "answer has a wrong length"},
    {"has no payload", has_no_payload, -EPROTO, "answer has a wrong length"},
};

static int do_open(void)
{
	return b->ops->open(b);
}

static int do_features(void)
{
	return b->ops->set_features(b, 0);
}

static int do_memory(void)
{
	return b->ops->set_memory(b);
}

static int do_enable(void)
{
	const int err = do_ring();

	return err ? err : vhost_ring_enable(b, 0, true);
}

static int do_stop(void)
{
	const int err = do_ring();

	return err ? err : b->ops->ring_stop(b, 0);
}

static int do_status(void)
{
	return vhost_set_status(b, 1);
}

static int do_get_status(void)
{
	uint8_t status;

	return vhost_get_status(b, &status);
}

static int do_reset(void)
{
	vu.b.protocol &= ~VHOST_USER_PROTOCOL_F_STATUS; /* which would be used in its place */
	return vhost_set_status(b, 0);
}

static int do_mtu(void)
{
	return vhost_set_mtu(b, 1400);
}

static const struct place {
	uint32_t request;
	int (*act)(void);
	bool is_question;
	const char *name;
} places[] = {
    {VHOST_USER_GET_FEATURES, do_open, true, "GET_FEATURES: "},
    {VHOST_USER_GET_PROTOCOL_FEATURES, do_open, true, "GET_PROTOCOL_FEATURES: "},
    {VHOST_USER_GET_QUEUE_NUM, do_open, true, "GET_QUEUE_NUM: "},
    {VHOST_USER_SET_OWNER, do_open, false, "SET_OWNER: "},
    {VHOST_USER_SET_FEATURES, do_features, false, "SET_FEATURES: "},
    {VHOST_USER_SET_MEM_TABLE, do_memory, false, "SET_MEM_TABLE: "},
    {VHOST_USER_SET_VRING_CALL, do_ring, false, "SET_VRING_CALL: "},
    {VHOST_USER_SET_VRING_NUM, do_ring, false, "SET_VRING_NUM: "},
    {VHOST_USER_SET_VRING_BASE, do_ring, false, "SET_VRING_BASE: "},
    {VHOST_USER_SET_VRING_ADDR, do_ring, false, "SET_VRING_ADDR: "},
    {VHOST_USER_SET_VRING_KICK, do_ring, false, "SET_VRING_KICK: "},
    {VHOST_USER_SET_VRING_ENABLE, do_enable, false, "SET_VRING_ENABLE: "},
    {VHOST_USER_GET_VRING_BASE, do_stop, true, "GET_VRING_BASE: "},
    {VHOST_USER_SET_STATUS, do_status, false, "SET_STATUS: "},
    {VHOST_USER_GET_STATUS, do_get_status, true, "GET_STATUS: "},
    {VHOST_USER_RESET_DEVICE, do_reset, false, "RESET_DEVICE: "},
    {VHOST_USER_NET_SET_MTU, do_mtu, false, "NET_SET_MTU: "},
    {VHOST_USER_GET_CONFIG, do_config, true, "GET_CONFIG: "},
};

/* By number: a test's process has its own addresses. */
ParameterizedTestParameters(vhost_faults, whatever_is_no_answer_is_named)
{
	static unsigned number[ARRAY_SIZE(faults)];

	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++)
		number[i] = i;
	return cr_make_param_array(unsigned, number, ARRAY_SIZE(faults));
}

ParameterizedTest(const unsigned *number, vhost_faults, whatever_is_no_answer_is_named,
                  .init = begin, .fini = finish)
{
	const struct fault *f = &faults[*number];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *p = &places[i];
		uint64_t before_ns;

		begin();
		plat_test_clear();
		if (p->act != do_open)
			open_well();
		backend.fault = at_one_request;
		fault_at = p->request;
		fault_does = f->does;
		before_ns = plat_test_time_ns;
		cr_expect_eq(p->act(), f->err, "%s%s", p->name, f->name);
		cr_expect(said(p->name) && said(f->says), "%s%s: %s", p->name, f->name,
		          plat_test_output());
		cr_expect_leq(plat_test_time_ns - before_ns, VHOST_TALK_NS);
		expect_over();
		finish();

		/* and it can come back */
		backend.fault = NULL;
		cr_expect_eq(b->ops->open(b), 0, "%s%s", p->name, f->name);
	}
}

Test(vhost_faults, a_refusal_is_named)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const struct place *p = &places[i];

		if (p->is_question)
			continue;
		begin();
		plat_test_clear();
		if (p->act != do_open)
			open_well();
		backend.refused = 1ull << p->request;
		cr_expect_eq(p->act(), -EIO);
		cr_expect(said(p->name) && said("the backend refuses"), "%s", p->name);
		expect_over();
		finish();
	}
}

Test(vhost_faults, one_that_does_not_read_is_left)
{
	open_well();
	backend.full = true;
	cr_expect_eq(b->ops->set_features(b, 0), -EIO);
	cr_expect(said("SET_FEATURES: the backend does not read what it is sent"));
	expect_over();
}

Test(vhost_faults, an_answer_in_time_is_one)
{
	backend.late_ns = VHOST_TALK_NS / 6; /* five messages */
	cr_expect_eq(b->ops->open(b), 0);
}

Test(vhost_faults, all_answers_of_a_step_together_have_a_limit)
{
	open_well();
	backend.late_ns = 2 * SECOND; /* in time, each */
	b->ops->begin(b);
	cr_expect_eq(b->ops->set_features(b, 0), 0);
	cr_expect_eq(b->ops->set_memory(b), 0);
	cr_expect_eq(plat_test_time_ns, 4 * SECOND);
	cr_expect_eq(vhost_set_status(b, 1), -ETIMEDOUT);
	cr_expect_eq(plat_test_time_ns, VHOST_TALK_NS);
	expect_over();
}

/* ---- while others wait -------------------------------------------------------------------- */

Test(vhost_faults, a_port_in_service_waits_for_answers_only_briefly)
{
	static const uint64_t limits[] = {VHOST_BRISK_NS, 2 * VHOST_BRISK_NS, VHOST_BRISK_MAX_NS,
	                                  VHOST_BRISK_MAX_NS};

	open_well();
	vhost_served(b);
	for (unsigned i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t before_ns;

		backend.fault = NULL;
		open_well();
		backend.fault = is_silent;
		before_ns = plat_test_time_ns;
		cr_expect_eq(b->ops->set_features(b, 0), -ETIMEDOUT);
		cr_expect_eq(plat_test_time_ns - before_ns, limits[i]);
		plat_test_clear();
	}
	backend.fault = NULL;
	open_well();
	vhost_served(b);
	b->ops->begin(b);
	cr_expect_eq(vu.talk_end_ns - plat_test_time_ns, VHOST_BRISK_NS, "from the start again");
}

Test(vhost_faults, a_port_in_service_hardly_waits_for_the_first_answer)
{
	uint64_t before_ns;

	plat_test_time_ns = SECOND;
	open_well();
	vhost_served(b);
	b->ops->close(b);
	backend.fault = is_silent;
	for (unsigned i = 0; i < 3; i++) {
		before_ns = plat_test_time_ns;
		cr_expect_eq(b->ops->open(b), -EAGAIN);
		cr_expect_eq(plat_test_time_ns - before_ns, VHOST_GREET_NS);
		cr_expect_not(b->up);
		cr_expect_eq(backend.opens, 2);
		cr_expect_eq(backend.nb_seen, 1, "asked once");
	}
	cr_expect_str_eq(plat_test_output(), "");
	fake_backend_answer_u64(VHOST_USER_GET_FEATURES, backend.features);
	backend.fault = NULL;
	cr_expect_eq(b->ops->open(b), 0);
	cr_expect_eq(b->features, backend.features);

	/* but not for ever */
	b->ops->close(b);
	backend.fault = is_silent;
	cr_expect_eq(b->ops->open(b), -EAGAIN);
	plat_test_time_ns += VHOST_REPLY_NS;
	cr_expect_eq(b->ops->open(b), -ETIMEDOUT);
	cr_expect(said("GET_FEATURES: the backend does not answer"));
	expect_over();
}
