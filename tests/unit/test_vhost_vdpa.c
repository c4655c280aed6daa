/*
 * The port of a process at a vhost-vdpa device in memory: what is set up, memory and its mapping,
 * status, configuration, and every request refused in turn.
 */
#include "drivers/virtio/vhost_vdpa.h"
#include "tests/unit/kernel_fixture.h"

static struct vhost_vdpa vv;

static void begin(void)
{
	fixture_begin();
	memset(&vv, 0, sizeof(vv));
	vhost_vdpa_init(&vv, "/dev/vhost-vdpa-0");
	cr_assert_eq(virtio_user_init(&u, &vv.b, "user0"), 0);
	dev.features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_RING_PACKED |
	               VIRTIO_F_ACCESS_PLATFORM | VHOST_F_LOG_ALL | VIRTIO_NET_F_MAC |
	               VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ;
}

TestSuite(vhost_vdpa, .init = begin, .fini = fixture_finish);

static const struct fake_dev_file *file(void)
{
	return fake_dev_file(FAKE_DEV_VDPA, 0);
}

/* ---- setting up --------------------------------------------------------------------------- */

Test(vhost_vdpa, starts_and_stops)
{
	cr_assert_eq(start(), 0);
	cr_expect_eq(vd->features, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF |
	                               VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_MAC |
	                               VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS);
	cr_expect_eq(file()->features, vd->features);
	cr_expect_eq(dev.status, 15);
	for (unsigned i = 0; i < 2; i++) {
		const struct fake_dev_ring *r = &file()->ring[i];

		cr_expect_eq(r->num, 256);
		cr_expect_eq(r->base, 0);
		cr_expect_eq(r->kick_fd, u.queue[i].kick_fd);
		cr_expect_eq(r->call_fd, u.queue[i].call_fd);
		cr_expect_eq(r->addr.desc, vq[i].desc_iova);
		cr_expect_eq(r->addr.avail, vq[i].avail_iova);
		cr_expect_eq(r->addr.used, vq[i].used_iova);
		cr_expect(r->enabled);
	}
	cr_expect_eq(polled(), 15);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(dev.status, 0);
	cr_expect_not(file()->ring[0].enabled);
	cr_expect_eq(start(), 0);
	cr_expect_eq(fake_dev_times(VHOST_IO_SET_OWNER), 1);
}

Test(vhost_vdpa, packed_rings_begin_with_wrap_counters)
{
	wanted |= VIRTIO_F_RING_PACKED;
	cr_assert_eq(start(), 0);
	cr_expect_eq(file()->ring[0].base, 0x80008000u);
}

Test(vhost_vdpa, rings_are_no_larger_than_the_devices)
{
	cr_assert_eq(virtio_dev_begin(vd), 0);
	cr_expect_eq(vd->ops->queue_size(vd, 0), 256);
	u.queue_size = 4096;
	cr_expect_eq(vd->ops->queue_size(vd, 0), 1024);
}

Test(vhost_vdpa, other_devices_are_refused)
{
	dev.device_id = 2;
	cr_expect_eq(start(), -EINVAL);
	cr_expect(said("/dev/vhost-vdpa-0: VHOST_VDPA_GET_DEVICE_ID: no network device"));
	cr_expect_eq(dev.open_files, 0);
}

Test(vhost_vdpa, features_may_be_refused)
{
	dev.does_not_agree = true;
	cr_expect_eq(start(), -EOPNOTSUPP);
	cr_expect(said("the device refuses the features"));
	cr_expect_eq(dev.open_files, 0);
}

Test(vhost_vdpa, has_one_pair_of_queues)
{
	dev.features |= VIRTIO_NET_F_MQ;
	u.nb_pairs = 2;
	u.has_ctrl = true;
	cr_assert_eq(virtio_user_init(&u, &vv.b, "user0"), 0);
	cr_expect_eq(start(), -EOPNOTSUPP);
	cr_expect(said("has 1 queue pairs, and 2 are wanted"));
	cr_expect_eq(dev.open_files, 0);
}

/* ---- memory ------------------------------------------------------------------------------- */

Test(vhost_vdpa, memory_is_mapped_once_and_again_when_there_is_more)
{
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.mapped.bytes, (size_t)2 << 20);
	virtio_dev_reset(vd);
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.maps, 1);
	cr_assert_not_null(mem_alloc("more", (size_t)3 << 20, 64));
	virtio_dev_reset(vd);
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.maps, 2);
	cr_expect_eq(dev.mapped.bytes, (size_t)4 << 20);
}

Test(vhost_vdpa, batches_are_for_who_has_them)
{
	dev.backend_features = BACKEND_F_IOTLB_MSG_V2;
	cr_assert_eq(start(), 0);
	cr_expect_eq(dev.maps, 1);
	vv.b.ops->close(&vv.b);
	dev.backend_features = BACKEND_F_IOTLB_BATCH;
	cr_expect_eq(start(), -EOPNOTSUPP);
	cr_expect(said("no IOTLB_MSG_V2"));
}

Test(vhost_vdpa, addresses_have_to_be_among_the_devices)
{
	const uint64_t base = plat_iova(vhost_memory()->base);

	dev.range = (struct iova_range){base, base + ((size_t)2 << 20) - 1};
	cr_expect_eq(start(), 0);
	vv.b.ops->close(&vv.b);
	dev.range.last--;
	cr_expect_eq(start(), -EIO);
	cr_expect(said("its addresses are not among those that the device can have"));
	dev.range = (struct iova_range){base + 1, UINT64_MAX};
	cr_expect_eq(start(), -EIO);
	dev.range = (struct iova_range){0, 0}; /* an old kernel, which cannot tell */
	cr_expect_eq(start(), 0);
}

/* ---- configuration, status ---------------------------------------------------------------- */

Test(vhost_vdpa, the_configuration_is_the_devices)
{
	struct virtio_net_config c;

	cr_assert_eq(start(), 0);
	cr_assert_eq(vd->ops->config_read(vd, 0, &c, sizeof(c)), 0);
	cr_expect_arr_eq(c.mac, dev.config.mac, 6);
	cr_expect_eq(c.mtu, 1450);
	cr_expect(is_link_up());
	dev.config.status = 0;
	vd->ops->get_status(vd);
	cr_expect(is_link_up(), "not at every turn of the loop");
	polled();
	cr_expect_not(is_link_up());
	dev.config.status = VIRTIO_NET_S_LINK_UP;
	dev.config_bytes = 4; /* it will not say any more */
	polled();
	cr_expect_not(is_link_up());
	cr_expect_eq(polled(), 15);
}

Test(vhost_vdpa, a_configuration_that_is_shorter_is_done_without)
{
	dev.config_bytes = 6;
	cr_assert_eq(start(), 0);
	cr_expect(said("gives no configuration; done without"));
	cr_expect_not(vd->features & (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU));
	cr_expect(is_link_up());
}

Test(vhost_vdpa, the_device_may_ask_for_a_reset)
{
	cr_assert_eq(start(), 0);
	dev.status |= VIRTIO_STATUS_NEEDS_RESET;
	cr_expect_eq(polled(), 15 | VIRTIO_STATUS_NEEDS_RESET);
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_expect_eq(start(), 0);
	cr_expect_eq(polled(), 15);
}

/* ---- what is not there, what is refused --------------------------------------------------- */

Test(vhost_vdpa, a_device_that_is_missing_may_come)
{
	dev.absent = "/dev/vhost-vdpa-0";
	cr_expect_eq(start(), -EAGAIN);
	cr_expect_eq(start(), -EAGAIN);
	cr_expect_eq(lines_said(), 1);
	dev.absent = NULL;
	cr_expect_eq(start(), 0);
}

Test(vhost_vdpa, any_call_may_be_refused)
{
	refuse_each();
}

Test(vhost_vdpa, a_refused_request_is_named)
{
	cr_assert_eq(start(), 0);
	dev.refuse = VHOST_IO_VDPA_GET_STATUS;
	cr_expect(polled() & VIRTIO_STATUS_NEEDS_RESET);
	cr_expect(said("VHOST_VDPA_GET_STATUS: Input/output error; the device is closed"));
	cr_expect_not(is_link_up());
	cr_expect_eq(vv.b.ops->ring_stop(&vv.b, 0), -ENOTCONN);
	cr_expect_eq(vv.b.ops->set_memory(&vv.b), -ENOTCONN);
}
