/*
 * The port of a process at /dev/vhost-net, on a vhost-net and a tap in memory: what is set up, the
 * interface's name, link and offloads, its end, and every request refused in turn.
 */
#include "drivers/virtio/vhost_kernel.h"
#include "drivers/virtio/vhost_link.h"
#include "tests/unit/kernel_fixture.h"

static struct vhost_kernel vk;

static void make(const char *iface)
{
	memset(&vk, 0, sizeof(vk));
	cr_assert_eq(vhost_kernel_init(&vk, "/dev/vhost-net", iface), 0);
	cr_assert_eq(virtio_user_init(&u, &vk.b, "user0"), 0);
}

static void begin(void)
{
	fixture_begin();
	make("tap7");
}

TestSuite(vhost_kernel, .init = begin, .fini = fixture_finish);

static const struct fake_dev_file *vhost(void)
{
	return fake_dev_file(FAKE_DEV_VHOST_NET, 0);
}

/* ---- setting up --------------------------------------------------------------------------- */

Test(vhost_kernel, starts_and_stops)
{
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->features, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF |
	                               VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC |
	                               VIRTIO_NET_F_STATUS);
	cr_expect_eq(vhost()->features, vd->features & ~VIRTIO_NET_F_STATUS);
	cr_expect_eq(dev.tap_hdr_len, 12);
	cr_expect_eq(dev.tap_offload, 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct fake_dev_ring *r = &vhost()->ring[i];

		cr_expect_eq(r->num, 256);
		cr_expect_eq(r->base, 0);
		cr_expect_eq(r->kick_fd, u.queue[i].kick_fd);
		cr_expect_eq(r->call_fd, u.queue[i].call_fd);
		cr_expect_eq(r->err_fd, vk.err_fd);
		cr_expect_eq(r->tap_fd, vk.tap_fd[0]);
	}
	cr_expect_eq(polled(), 15);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(vhost()->ring[0].tap_fd, -1);
	cr_expect_eq(vhost()->ring[1].tap_fd, -1);
	cr_expect_eq(start(), 0);
	cr_expect_eq(fake_dev_times(VHOST_IO_SET_OWNER), 1);
	cr_expect(said("/dev/vhost-net: the interface is tap7"));
}

Test(vhost_kernel, an_interface_without_a_name_gets_one_and_keeps_it)
{
	make(NULL);
	cr_assert_eq(start(), 0);
	cr_expect(said("the interface is tap0"));
	dev.tap_gone = true;
	cr_expect(polled() & VIRTIO_STATUS_NEEDS_RESET);
	cr_expect_eq(start(), 0);
	cr_expect_str_eq(vk.iface, "tap0");
}

Test(vhost_kernel, names_have_a_length)
{
	struct vhost_kernel other = {.err_fd = -1};

	cr_expect_eq(vhost_kernel_init(&other, "/dev/vhost-net", ""), -EINVAL);
	cr_expect_eq(vhost_kernel_init(&other, "/dev/vhost-net", "interface1234567"), -EINVAL);
	cr_expect_eq(vhost_kernel_init(&other, "/dev/vhost-net", "interface123456"), 0);
}

Test(vhost_kernel, an_interface_that_was_made_for_several_queues_is_taken)
{
	dev.tap_has_queues = true;
	cr_assert_eq(start(), 0);
	cr_expect_eq(fake_dev_times(TAP_IO_SET_IFF), 2);
}

Test(vhost_kernel, each_pair_of_queues_has_its_files)
{
	static const struct virtio_net_ctrl_hdr set = {VIRTIO_NET_CTRL_MQ,
	                                               VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};
	uint16_t pairs = 3;

	u.nb_pairs = 3;
	u.has_ctrl = true;
	make("tap7");
	wanted |= VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.open_files, 7);
	cr_expect(vd->features & VIRTIO_NET_F_MQ);
	for (unsigned i = 0; i < 3; i++) {
		const struct fake_dev_file *f = fake_dev_file(FAKE_DEV_VHOST_NET, i);

		cr_expect_eq(f->ring[0].tap_fd, i ? -1 : vk.tap_fd[0]);
		cr_expect_eq(fake_dev_file(FAKE_DEV_TUN, i)->detached, i > 0);
		cr_expect_eq(f->features & (VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_VQ), 0);
	}
	cr_expect_eq(vd->ops->ctrl(vd, &set, &pairs, sizeof(pairs)), 0);
	for (unsigned i = 0; i < 3; i++) {
		const struct fake_dev_file *f = fake_dev_file(FAKE_DEV_VHOST_NET, i);

		cr_expect_eq(f->ring[0].tap_fd, vk.tap_fd[i]);
		cr_expect_eq(f->ring[1].tap_fd, vk.tap_fd[i]);
		cr_expect_not(fake_dev_file(FAKE_DEV_TUN, i)->detached);
	}
	pairs = 2;
	cr_expect_eq(vd->ops->ctrl(vd, &set, &pairs, sizeof(pairs)), 0);
	cr_expect_eq(fake_dev_file(FAKE_DEV_VHOST_NET, 2)->ring[1].tap_fd, -1);
	cr_expect(fake_dev_file(FAKE_DEV_TUN, 2)->detached);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(start(), 0);
}

/* ---- offloads ----------------------------------------------------------------------------- */

Test(vhost_kernel, offloads_are_the_interfaces)
{
	wanted |= VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_USO;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.tap_offload, 0, "nothing comes in that was not asked for");
	cr_expect(vd->features & VIRTIO_NET_F_HOST_USO);
	virtio_dev_reset(vd);
	wanted |= VIRTIO_NET_F_GUEST_CSUM;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.tap_offload, TAP_F_CSUM);
	virtio_dev_reset(vd);
	wanted |= VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_USO4;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.tap_offload, TAP_F_CSUM | TAP_F_TSO4, "USO is for both or none");
	virtio_dev_reset(vd);
	wanted |= VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_USO6;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.tap_offload, dev.tap_offloads);
	cr_expect_eq(vhost()->features & (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM), 0,
	             "vhost-net knows nothing of them");
}

Test(vhost_kernel, older_kernels_have_fewer_offloads)
{
	dev.tap_offloads = TAP_F_CSUM | TAP_F_TSO4 | TAP_F_TSO6;
	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_expect(vd->device_features & VIRTIO_NET_F_GUEST_TSO4);
	cr_expect_not(vd->device_features & (VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_USO4));
	vk.b.ops->close(&vk.b);
	dev.tap_offloads = 0;
	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_expect_not(vd->device_features & (VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM));
}

/* ---- link, end ---------------------------------------------------------------------------- */

Test(vhost_kernel, the_link_is_the_interfaces)
{
	dev.tap_up = false;
	cr_assert_eq(start(), 0);
	cr_expect_not(is_link_up());
	dev.tap_up = true;
	cr_expect_eq(polled(), 15);
	cr_expect(is_link_up());
	dev.tap_up = false;
	vd->ops->get_status(vd);
	cr_expect(is_link_up(), "not at every turn of the loop");
	polled();
	cr_expect_not(is_link_up());
	dev.tap_elsewhere = true;
	polled();
	cr_expect(is_link_up(), "in another namespace it cannot be seen");
}

Test(vhost_kernel, an_interface_that_is_gone_is_made_again)
{
	cr_assert_eq(start(), 0);
	dev.tap_gone = true;
	cr_expect(polled() & VIRTIO_STATUS_NEEDS_RESET);
	cr_expect_not(is_link_up());
	cr_expect(said("/dev/vhost-net: tap7: the interface is gone; the device is closed"));
	cr_expect_eq(dev.open_files, 0);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_assert_eq(start(), 0);
	cr_expect_str_eq(dev.tap_name, "tap7");
	cr_expect(is_link_up());
}

Test(vhost_kernel, a_broken_ring_needs_a_reset)
{
	cr_assert_eq(start(), 0);
	vhost_event_signal(vk.err_fd);
	cr_expect_eq(polled(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_assert_eq(start(), 0);
	cr_expect_eq(polled(), 15);
}

/* ---- what is not there, what is refused --------------------------------------------------- */

Test(vhost_kernel, what_is_missing_is_said_once)
{
	dev.absent = "/dev/vhost-net";
	dev.error = -ENODEV;
	cr_expect_eq(start(), -EAGAIN);
	cr_expect(said("/dev/vhost-net: No such device"));
	plat_test_clear();
	cr_expect_eq(start(), -EAGAIN);
	cr_expect_str_eq(plat_test_output(), "");
	dev.absent = "/dev/net/tun";
	dev.error = -EBUSY;
	cr_expect_eq(start(), -EAGAIN);
	cr_expect(said("tap7: Device or resource busy"));
	cr_expect_eq(dev.open_files, 0);
	dev.absent = NULL;
	cr_expect_eq(start(), 0);
}

Test(vhost_kernel, any_call_may_be_refused)
{
	wanted |= VIRTIO_NET_F_GUEST_CSUM;
	refuse_each();
}

Test(vhost_kernel, a_refused_request_is_named)
{
	dev.refuse = VHOST_IO_SET_VRING_ADDR;
	cr_expect_eq(start(), -EIO);
	cr_expect(said("VHOST_SET_VRING_ADDR: Input/output error; the device is closed"));
	cr_expect_not(vk.b.up);
	cr_expect_eq(vk.b.ops->ring_stop(&vk.b, 0), -ENOTCONN);
	cr_expect_eq(vk.b.ops->set_memory(&vk.b), -ENOTCONN);
	cr_expect_eq(vk.b.ops->set_features(&vk.b, 0), -ENOTCONN);
}
