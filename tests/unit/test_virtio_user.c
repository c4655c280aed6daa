/*
 * The transport of the hosted build on a backend in memory: virtio's registers (features, status,
 * configuration, link, queues) out of messages, with and without the protocol features STATUS,
 * CONFIG and RESET_DEVICE, and a backend that goes away at every message.
 */
#include "drivers/virtio/virtio_user.h"
#include "drivers/virtio/vhost_user.h"
#include "drivers/virtio/virtio_dev.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND 1000000000ull
#define BASE VIRTIO_F_VERSION_1
#define WANTED                                                                                     \
	(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU |       \
	 VIRTIO_NET_F_STATUS | VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ)

static struct virtio_user u;
static struct vhost_user vu;
static struct virtio_dev *const vd = &u.vd;
static struct virtqueue vq[FAKE_BACKEND_RINGS];

static void begin_with(uint16_t pairs, bool has_ctrl)
{
	fake_backend_open((size_t)8 << 20);
	plat_test_time_ns = SECOND;
	memset(&u, 0, sizeof(u));
	memset(&vu, 0, sizeof(vu));
	u.queue_size = 256;
	u.nb_pairs = pairs;
	u.has_ctrl = has_ctrl;
	vhost_user_init(&vu, "/run/vhost0", false);
	cr_assert_eq(virtio_user_init(&u, &vu.b, "user0"), 0);
	for (uint16_t i = 0; i < 2 * pairs; i++) {
		vq[i].index = i;
		vq[i].nentries = 256;
		vq[i].vd = vd;
		vq[i].desc_iova = plat_iova(mem_alloc("ring", 16384, PAGE_SIZE));
		vq[i].avail_iova = vq[i].desc_iova + 4096;
		vq[i].used_iova = vq[i].desc_iova + 8192;
	}
}

static void begin(void)
{
	begin_with(1, false);
}

static void finish(void)
{
	cr_assert_null(backend.breach, "message %u: %s", backend.breach_request, backend.breach);
}

TestSuite(virtio_user, .init = begin, .fini = finish);

static int start(void)
{
	int err = virtio_dev_begin(vd);

	if (!err)
		err = virtio_dev_negotiate(vd, WANTED);
	for (uint16_t i = 0; !err && i < vd->ops->nb_queues(vd); i++)
		err = vd->ops->queue_enable(vd, &vq[i], VIRTIO_MSI_NO_VECTOR);
	return err ? err : virtio_dev_ready(vd);
}

static struct virtio_net_config config_now(void)
{
	struct virtio_net_config c;

	memset(&c, 0xee, sizeof(c));
	cr_assert_eq(vd->ops->config_read(vd, 0, &c, sizeof(c)), 0);
	return c;
}

static bool is_link_up(void)
{
	return config_now().status & VIRTIO_NET_S_LINK_UP;
}

/* What the driver's loop does, often enough for a question and its answer each. */
static uint8_t polled(void)
{
	for (unsigned i = 0; i < 4; i++) {
		plat_test_time_ns += VHOST_NEWS_NS;
		vd->ops->get_status(vd);
	}
	return vd->ops->get_status(vd);
}

/* ---- features ----------------------------------------------------------------------------- */

Test(virtio_user, starts_and_stops)
{
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->features, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_MAC |
	                               VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS);
	cr_expect_eq(backend.ack_features, vd->features | VHOST_USER_F_PROTOCOL_FEATURES);
	cr_expect_eq(backend.status, 15);
	cr_expect(backend.ring[0].enabled && backend.ring[1].enabled);
	cr_expect_eq(fake_backend_times(VHOST_USER_SET_MEM_TABLE), 1);
	cr_expect_eq(virtio_dev_reset(vd), 0);
	cr_expect_not(backend.ring[0].kicked || backend.ring[1].kicked);
	cr_expect_eq(backend.status, 0);
	cr_expect_eq(start(), 0);
	cr_expect_eq(backend.opens, 1);
}

Test(virtio_user, offers_nothing_that_needs_more_than_a_backend)
{
	backend.features = UINT64_MAX & ~VIRTIO_F_RING_PACKED;
	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_expect_not(vd->device_features &
	              (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS |
	               VIRTIO_F_ACCESS_PLATFORM | VHOST_USER_F_PROTOCOL_FEATURES |
	               VHOST_F_LOG_ALL));
	cr_expect_not(vd->device_features &
	              (VIRTIO_NET_F_RSS | VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_NOTF_COAL |
	               VIRTIO_NET_F_VQ_NOTF_COAL | VIRTIO_NET_F_DEVICE_STATS));
	cr_expect(vd->device_features & VIRTIO_NET_F_SPEED_DUPLEX);
}

Test(virtio_user, says_of_the_link_what_the_connection_says)
{
	backend.features &= ~VIRTIO_NET_F_STATUS;
	backend.config.status = 0;
	cr_assert_eq(start(), 0);
	cr_expect(vd->features & VIRTIO_NET_F_STATUS);
	cr_expect_not(backend.ack_features & VIRTIO_NET_F_STATUS);
	cr_expect(is_link_up());
	polled();
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), 1);
	backend.hung_up = true;
	cr_expect(polled() & VIRTIO_STATUS_NEEDS_RESET);
	cr_expect_not(is_link_up());
}

/* ---- configuration ------------------------------------------------------------------------ */

Test(virtio_user, the_configuration_is_the_backends)
{
	struct virtio_net_config c;

	backend.features |= VIRTIO_NET_F_SPEED_DUPLEX;
	backend.config.speed = 25000;
	cr_assert_eq(start(), 0);
	c = config_now();
	cr_expect_arr_eq(c.mac, backend.config.mac, 6);
	cr_expect_eq(c.mtu, 1400);
	cr_expect_eq(c.speed, 25000);
	cr_expect_eq(fake_backend_last(VHOST_USER_NET_SET_MTU)->u64, 1400);
	cr_expect_eq(fake_backend_last(VHOST_USER_GET_CONFIG)->config.size, 17);
}

Test(virtio_user, the_smaller_mtu_is_told)
{
	u.mtu = 1300;
	cr_assert_eq(start(), 0);
	cr_expect_eq(config_now().mtu, 1400, "what the device has is the backend's to say");
	cr_expect_eq(fake_backend_last(VHOST_USER_NET_SET_MTU)->u64, 1300);
	u.mtu = 9000;
	virtio_dev_reset(vd);
	cr_assert_eq(start(), 0);
	cr_expect_eq(fake_backend_last(VHOST_USER_NET_SET_MTU)->u64, 1400);
}

Test(virtio_user, without_a_configuration_the_user_has_one)
{
	backend.protocol &= ~VHOST_USER_PROTOCOL_F_CONFIG;
	u.mtu = 1300;
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->features, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_MTU |
	                               VIRTIO_NET_F_STATUS);
	cr_expect_eq(config_now().mtu, 1300);
	cr_expect(is_link_up());
	cr_expect_eq(fake_backend_last(VHOST_USER_NET_SET_MTU)->u64, 1300);
	backend.config.status = 0;
	polled();
	cr_expect(is_link_up());
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), 0);
}

Test(virtio_user, asks_for_no_more_configuration_than_there_is)
{
	static const struct {
		uint64_t features;
		uint32_t size; /* 0: it is not asked for */
	} cases[] = {
	    {0, 0},
	    {VIRTIO_NET_F_MAC, 8},
	    {VIRTIO_NET_F_STATUS, 8},
	    {VIRTIO_NET_F_MTU, 12},
	    {VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC, 12},
	    {VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_NET_F_STATUS, 17},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin();
		backend.features = BASE | VHOST_USER_F_PROTOCOL_FEATURES | cases[i].features;
		backend.config_bytes = cases[i].size;
		cr_assert_eq(virtio_dev_begin(vd), 0);
		cr_expect_eq(fake_backend_times(VHOST_USER_GET_CONFIG), cases[i].size != 0);
		cr_expect_not(said("gives no configuration"));
		finish();
	}
}

Test(virtio_user, a_backend_that_gives_no_configuration_is_done_without)
{
	backend.config_bytes = 0;
	cr_assert_eq(start(), 0);
	cr_expect(said("user0: /run/vhost0 gives no configuration; done without"));
	cr_expect_not(vd->features & (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU));
	cr_expect(is_link_up());
}

Test(virtio_user, the_link_is_the_backends)
{
	backend.config.status = VIRTIO_NET_S_ANNOUNCE;
	cr_assert_eq(start(), 0);
	cr_expect_eq(config_now().status, 0, "and an announcement is not for us");
	backend.config.status = VIRTIO_NET_S_LINK_UP;
	cr_expect_eq(polled(), 15);
	cr_expect(is_link_up());
	backend.config.status = 0;
	polled();
	cr_expect_not(is_link_up());
	/* MAC address and MTU stay: the driver has read them */
	backend.config.mtu = 68;
	polled();
	cr_expect_eq(config_now().mtu, 1400);
}

Test(virtio_user, reads_and_writes_of_the_configuration_have_bounds)
{
	uint8_t bytes[64];

	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_expect_eq(vd->ops->config_read(vd, sizeof(struct virtio_net_config), bytes, 1), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, 0, bytes, 64), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, UINT32_MAX, bytes, 2), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, sizeof(struct virtio_net_config) - 1, bytes, 1), 0);
	cr_expect_eq(vd->ops->config_write(vd, 0, bytes, 6), -ERANGE);
}

/* ---- status ------------------------------------------------------------------------------- */

Test(virtio_user, a_reset_without_status_is_a_message)
{
	backend.protocol &= ~VHOST_USER_PROTOCOL_F_STATUS;
	cr_assert_eq(start(), 0);
	cr_expect_eq(fake_backend_times(VHOST_USER_RESET_DEVICE), 1);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(fake_backend_times(VHOST_USER_RESET_DEVICE), 2);
	cr_expect_eq(backend.seen[backend.nb_seen - 1].request, VHOST_USER_RESET_DEVICE,
	             "behind the rings, which are stopped");
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_VRING_BASE), 2);
}

Test(virtio_user, a_reset_without_either_stops_the_rings)
{
	backend.protocol = 0;
	cr_assert_eq(start(), 0);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_not(backend.ring[0].kicked || backend.ring[1].kicked);
	cr_expect_eq(start(), 0);
	cr_expect(backend.ring[0].kicked && backend.ring[1].kicked);
}

static bool does_not_agree(const struct vhost_message *m)
{
	if (m->request == VHOST_USER_SET_STATUS)
		backend.status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	return false;
}

Test(virtio_user, features_may_be_refused)
{
	backend.fault = does_not_agree;
	cr_expect_eq(start(), -EOPNOTSUPP);
	cr_expect(said("the device refuses the features"));
}

Test(virtio_user, another_backend_may_come_in_the_place_of_one_that_is_no_good)
{
	backend.features &= ~VIRTIO_F_VERSION_1;
	backend.protocol = 0;
	cr_expect_eq(start(), -EOPNOTSUPP);
	cr_expect_not(vu.b.up);
	backend.features |= VIRTIO_F_VERSION_1;
	cr_expect_eq(start(), 0);
	cr_expect_eq(backend.opens, 2);
}

Test(virtio_user, a_backend_may_ask_for_a_reset)
{
	cr_assert_eq(start(), 0);
	cr_expect_eq(polled(), 15);
	backend.status |= VIRTIO_STATUS_NEEDS_RESET;
	cr_expect_eq(polled(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(start(), 0);
	cr_expect_eq(polled(), 15);
}

/* ---- backends that leave ------------------------------------------------------------------ */

static unsigned leaves_at, messages;

static bool leaves(const struct vhost_message *m)
{
	(void)m;
	return messages++ == leaves_at && (backend.hung_up = true);
}

Test(virtio_user, a_backend_may_leave_at_every_message)
{
	unsigned times = 0;

	backend.fault = leaves;
	for (leaves_at = 0; leaves_at < 100; leaves_at++) {
		messages = 0;
		if (start() == 0)
			break;
		cr_expect_not(vu.b.up);
		cr_expect_not(is_link_up());
		virtio_dev_reset(vd);
		times++;
	}
	/* greeting, status four times, features, memory, two rings of six, and then some */
	cr_expect_gt(times, 20);
	cr_expect_lt(leaves_at, 100);
	cr_expect_eq(backend.opens, times + 1);
	cr_expect(is_link_up());
}

Test(virtio_user, a_lost_backend_looks_like_a_device_that_needs_a_reset)
{
	cr_assert_eq(start(), 0);
	backend.hung_up = true;
	cr_expect(polled() & VIRTIO_STATUS_NEEDS_RESET);
	cr_expect_not(vd->ops->get_status(vd) & VIRTIO_STATUS_FEATURES_OK);
	cr_assert_eq(virtio_dev_reset(vd), 0, "which takes no backend");
	backend.absent = true;
	cr_expect_eq(start(), -EAGAIN);
	backend.absent = false;
	cr_expect_eq(start(), 0);
	cr_expect_eq(polled(), 15);
}

/* ---- queues ------------------------------------------------------------------------------- */

Test(virtio_user, has_one_pair_of_queues_and_an_event_for_each)
{
	cr_expect_eq(vd->ops->nb_queues(vd), 2);
	cr_expect_eq(vd->ops->queue_size(vd, 1), 256);
	cr_expect_eq(vd->ops->queue_size(vd, 2), 0);
	cr_expect_eq(vd->ops->irq_setup(vd, 2, NULL), VIRTIO_IRQ_EVENTS);
	cr_expect_eq(backend.open_fds, 4);
}

static unsigned events[3];

static void on_event(struct virtio_dev *d, unsigned vector)
{
	cr_expect_eq(d, vd);
	cr_assert_lt(vector, ARRAY_SIZE(events));
	events[vector]++;
}

Test(virtio_user, events_go_where_they_are_wanted)
{
	begin_with(2, true);
	backend.pairs = 2;
	backend.features |= VIRTIO_NET_F_MQ;
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->ops->irq_setup(vd, 3, on_event), VIRTIO_IRQ_EVENTS);
	cr_expect_eq(backend.nb_watched, 0, "a port that is polled");
	vd->ops->irq_route(vd, 0, 0);
	vd->ops->irq_route(vd, 1, 5);
	cr_assert_eq(backend.nb_watched, 3);
	cr_expect_eq(backend.watched[0].watch->fd, u.queue[0].call_fd);
	cr_expect_eq(backend.watched[0].lcore, 0);
	cr_expect_eq(backend.watched[1].watch->fd, vu.link.fd, "what the backend does");
	cr_expect_eq(backend.watched[1].lcore, 0);
	cr_expect_eq(backend.watched[2].watch->fd, u.queue[2].call_fd);
	cr_expect_eq(backend.watched[2].lcore, 5);
	for (unsigned i = 0; i < 3; i++) {
		backend.watched[i].watch->fn(backend.watched[i].watch->arg);
		cr_expect_eq(events[i == 0 ? 1 : i == 1 ? 0 : 2], 1);
	}
	/* one that has left has none, whatever file has its number now */
	vu.b.ops->close(&vu.b);
	vd->ops->irq_route(vd, 0, 0);
	cr_assert_eq(backend.nb_watched, 4);
	cr_expect_eq(backend.watched[3].watch->fd, u.queue[0].call_fd);
	/* and one that comes back has another one */
	cr_assert_eq(vd->ops->open(vd), 0);
	cr_assert_eq(backend.nb_watched, 5);
	cr_expect_eq(backend.watched[4].watch->fd, vu.link.fd);
	cr_expect_eq(backend.watched[4].lcore, 0);
}

Test(virtio_user, a_notification_is_one_signal)
{
	cr_assert_eq(start(), 0);
	vd->ops->notify(vd, &vq[0]);
	vd->ops->notify(vd, &vq[1]);
	cr_expect_eq(backend.signals, 2);
}

/* ---- several queue pairs ------------------------------------------------------------------ */

#define PAIRS 4

static void begin_pairs(void)
{
	begin_with(PAIRS, true);
	backend.pairs = PAIRS;
	backend.features |= VIRTIO_NET_F_MQ;
}

static int set_pairs(uint16_t pairs)
{
	static const struct virtio_net_ctrl_hdr what = {VIRTIO_NET_CTRL_MQ,
	                                                VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};

	return vd->ops->ctrl(vd, &what, &pairs, sizeof(pairs));
}

static unsigned pairs_running(void)
{
	unsigned n = 0;

	while (n < PAIRS && backend.ring[2 * n].enabled && backend.ring[2 * n + 1].enabled)
		n++;
	for (unsigned i = 2 * n; i < 2 * PAIRS; i++)
		cr_expect_not(backend.ring[i].enabled, "ring %u", i);
	return n;
}

Test(virtio_user, a_command_lets_the_other_pairs_run)
{
	static const uint16_t numbers[] = {4, 2, 3, 1, 4};

	begin_pairs();
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->pairs, PAIRS);
	cr_expect_eq(vd->ops->nb_queues(vd), 2 * PAIRS);
	cr_expect_eq(config_now().max_virtqueue_pairs, PAIRS);
	cr_expect(vd->features & VIRTIO_NET_F_MQ);
	cr_expect(vd->features & VIRTIO_NET_F_CTRL_VQ);
	cr_expect(backend.ack_features & VIRTIO_NET_F_MQ);
	cr_expect_not(backend.ack_features & VIRTIO_NET_F_CTRL_VQ, "it is not the backend's");
	cr_expect_eq(pairs_running(), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		cr_expect_eq(set_pairs(numbers[i]), 0);
		cr_expect_eq(pairs_running(), numbers[i]);
	}
	/* a reset stops them all, and one alone runs again */
	cr_expect_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(fake_backend_times(VHOST_USER_GET_VRING_BASE), 2 * PAIRS);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		cr_expect_not(backend.ring[i].kicked);
	cr_expect_eq(start(), 0);
	cr_expect_eq(pairs_running(), 1);
}

Test(virtio_user, a_command_for_pairs_that_are_not_there_is_refused)
{
	static const struct virtio_net_ctrl_hdr others[] = {
	    {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG},
	    {VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0},
	    {77, 0}};
	static const struct virtio_net_ctrl_hdr filters[] = {
	    {VIRTIO_NET_CTRL_RX, 0}, {VIRTIO_NET_CTRL_MAC, 1}, {VIRTIO_NET_CTRL_VLAN, 0}};
	const uint8_t one = 1;

	begin_pairs();
	cr_expect_eq(set_pairs(2), -EIO, "not even the first one is set up");
	cr_assert_eq(start(), 0);
	cr_expect_eq(set_pairs(0), -EIO);
	cr_expect_eq(set_pairs(PAIRS + 1), -EIO);
	cr_expect_eq(set_pairs(UINT16_MAX), -EIO);
	cr_expect_eq(pairs_running(), 1);
	for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
		cr_expect_eq(vd->ops->ctrl(vd, &others[i], &one, sizeof(one)), -EIO);
	for (unsigned i = 0; i < ARRAY_SIZE(filters); i++)
		cr_expect_eq(vd->ops->ctrl(vd, &filters[i], &one, sizeof(one)), 0);
	backend.hung_up = true;
	cr_expect_eq(set_pairs(PAIRS), -EIO);
}

Test(virtio_user, a_driver_need_not_set_up_all_pairs)
{
	begin_pairs();
	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_assert_eq(virtio_dev_negotiate(vd, WANTED), 0);
	for (uint16_t i = 0; i < 4; i++)
		cr_assert_eq(vd->ops->queue_enable(vd, &vq[i], VIRTIO_MSI_NO_VECTOR), 0);
	cr_assert_eq(virtio_dev_ready(vd), 0);
	cr_expect_eq(set_pairs(3), -EIO);
	cr_expect_eq(set_pairs(2), 0);
	cr_expect_eq(pairs_running(), 2);
}

Test(virtio_user, a_backend_with_fewer_pairs_is_refused)
{
	for (unsigned i = 0; i < 3; i++) {
		begin_pairs();
		plat_test_clear();
		if (i == 0)
			backend.pairs = PAIRS - 1;
		if (i == 1)
			backend.features &= ~VIRTIO_NET_F_MQ;
		if (i == 2)
			backend.protocol &= ~VHOST_USER_PROTOCOL_F_MQ;
		cr_expect_eq(start(), -EOPNOTSUPP);
		cr_expect(said(i ? "has 1 queue pairs, and 4 are wanted"
		                 : "has 3 queue pairs, and 4 are wanted"));
		cr_expect_not(vu.b.up);
	}
}

Test(virtio_user, a_control_queue_alone_is_no_multiqueue)
{
	begin_with(1, true);
	backend.features |= VIRTIO_NET_F_MQ;
	cr_assert_eq(start(), 0);
	cr_expect(vd->features & VIRTIO_NET_F_CTRL_VQ);
	cr_expect_not(vd->features & VIRTIO_NET_F_MQ);
	cr_expect_eq(set_pairs(1), 0);
	cr_expect_eq(set_pairs(2), -EIO);
}
