/*
 * The device model's registers: a driver that brings the device up wrongly is found out, and the
 * device does what the specification lets it do meanwhile.
 */
#include "tests/unit/model_rig.h"

/* ---- initialisation ----------------------------------------------------------------------- */

Test(model, finds_steps_that_are_missing_or_out_of_order)
{
	power_on(VDEV_MODERN);
	vd.ops->set_status(&vd, ACK);
	expect("3.1.1: status written before a first reset");

	power_on(VDEV_MODERN);
	reset();
	vd.ops->set_status(&vd, DRV);
	expect("3.1.1: DRIVER before ACKNOWLEDGE");

	power_on(VDEV_MODERN);
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->set_features(&vd, VIRTIO_F_VERSION_1);
	expect("3.1.1: features written before DRIVER");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vd.ops->set_features(&vd, VIRTIO_F_VERSION_1);
	expect("3.1.1: features written after");

	power_on(VDEV_MODERN);
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->set_status(&vd, ACK | DRV);
	vd.ops->set_status(&vd, ACK | DRV | FOK);
	expect("3.1.1: FEATURES_OK before the features");

	power_on(VDEV_MODERN);
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->set_status(&vd, ACK | DRV);
	vd.ops->set_features(&vd, VIRTIO_F_VERSION_1);
	vd.ops->set_status(&vd, ACK | DRV | DOK);
	expect("3.1.1: DRIVER_OK without FEATURES_OK");

	power_on(VDEV_LEGACY);
	up_to_features(VIRTIO_F_ANY_LAYOUT);
	vd.ops->set_status(&vd, ACK | DRV | FOK);
	cr_assert_eq(vdev_expect(&d, "3.1.2:"), 1);
	cr_assert_eq(vdev_close(&d), 0);

	up(VDEV_MODERN, 0);
	vd.ops->set_status(&vd, ACK | DRV | DOK);
	expect("2.1.1:");
}

Test(model, waits_for_nobody_during_a_reset)
{
	power_on(VDEV_MODERN);
	d.reset_reads = 3;
	vd.ops->set_status(&vd, 0);
	vd.ops->set_status(&vd, ACK);
	expect("4.1.4.3.2:");

	power_on(VDEV_MODERN);
	d.reset_reads = 3;
	vd.ops->set_status(&vd, 0);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_neq(vd.ops->get_status(&vd), 0);
	cr_assert_eq(vd.ops->get_status(&vd), 0);
	vd.ops->set_status(&vd, ACK);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model, finds_features_that_may_not_be_accepted)
{
	power_on(VDEV_MODERN);
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->set_status(&vd, ACK | DRV);
	vd.ops->set_features(&vd, VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MTU);
	expect("2.2.1:");

	power_on(VDEV_MODERN);
	d.offered |= VIRTIO_BIT(12);
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_BIT(12));
	expect("2.2.1:");

	power_on(VDEV_MODERN);
	d.offered |= VIRTIO_F_ANY_LAYOUT;
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_F_ANY_LAYOUT);
	expect("2.2.1:");

	power_on(VDEV_MODERN);
	up_to_features(0);
	expect("6.1:");

	power_on(VDEV_LEGACY);
	up_to_features(0);
	expect("6.3:");
}

Test(model, refuses_features_it_cannot_do)
{
	power_on(VDEV_MODERN);
	d.features_refused = VIRTIO_F_EVENT_IDX;
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	cr_assert_not(vd.ops->get_status(&vd) & FOK);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model, finds_notifications_at_the_wrong_time)
{
	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	kick(TX);
	expect("3.1.1:");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
	kick(TX);
	expect("4.1.4.4:");
}

Test(model, finds_queues_that_are_set_up_wrongly)
{
	power_on(VDEV_MODERN);
	vd.ops->set_status(&vd, 0);
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	expect("3.1.1:");

	up(VDEV_MODERN, 0);
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	cr_assert_eq(vdev_expect(&d, "3.1.1: queue 1 enabled after"), 1);
	expect("4.1.4.3.2: queue 1 enabled twice");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vq[TX].nentries = 6;
	cr_assert_neq(vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR), 0);
	expect("4.1.4.3.2:");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vq[TX].desc_iova += 8;
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	expect("2.7.1:");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	vq[TX].used_iova = 4;
	cr_assert_neq(vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR), 0);
	expect("2.7: queue 1: used ring outside");

	power_on(VDEV_LEGACY);
	up_to_features(VIRTIO_F_ANY_LAYOUT);
	vq[TX].used_iova += 16;
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	expect("2.7.2:");

	power_on(VDEV_MODERN);
	up_to_features(VIRTIO_F_VERSION_1);
	mem->ring[TX].used_flags = 1;
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	mem->ring[TX].used_flags = 0;
	expect("2.7.10.1:");
}

/* ---- configuration ------------------------------------------------------------------------ */

Test(model, finds_bad_configuration_accesses)
{
	uint8_t bytes[8];

	power_on(VDEV_MODERN);
	cr_assert_eq(vd.ops->config_read(&vd, 10, bytes, 2), 0);
	expect("2.5.1:");
	power_on(VDEV_MODERN);
	cr_assert_eq(vd.ops->config_read(&vd, 5, bytes, 2), 0);
	expect("4.1.3.1:");
	power_on(VDEV_MODERN);
	cr_assert_eq(vd.ops->config_write(&vd, 0, bytes, 1), 0);
	expect("5.1.4.2:");
	power_on(VDEV_MODERN);
	d.config_len = 6;
	cr_assert_eq(vd.ops->config_read(&vd, 6, bytes, 2), -ERANGE);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model, changes_configuration_under_the_reader)
{
	struct virtio_net_config next;
	uint8_t mac[6];

	power_on(VDEV_MODERN);
	next = d.config;
	memset(next.mac, 0x42, 6);
	vdev_config_race(&d, &next, 1, 1);

	const uint32_t before = vd.ops->config_generation(&vd);

	vd.ops->config_read(&vd, 0, mac, 6);
	cr_assert(mac[0] == 0x52 && mac[5] == 0x42, "torn");
	cr_assert_neq(vd.ops->config_generation(&vd), before);
	vd.ops->config_read(&vd, 0, mac, 6);
	cr_assert(mac[0] == 0x42 && mac[5] == 0x42);
	cr_assert_eq(vdev_close(&d), 0);
}
