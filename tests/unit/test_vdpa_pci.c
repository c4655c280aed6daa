/*
 * The vDPA table over PCI registers, function by function, and the transport that drivers see of
 * it. Whole lives of ports through it: test_vdpa_net.c, _recover.c, _ring_reset.c, _intr.c.
 */
#include "tests/unit/fake_virtio.h"

#include "drivers/virtio/virtio_pci_modern.c"
#include "drivers/virtio/virtio_vdpa.c"

#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/virtio_pci_vdpa.h"
#include "kernel/memory.h"
#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"
#include <criterion/criterion.h>

#define OFFERED (VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED | VIRTIO_F_RING_RESET)
#define NONE VIRTIO_MSI_NO_VECTOR

TestSuite(vdpa_pci, .init = fake_virtio_start, .fini = fake_virtio_finish);

static const struct vdpa_vring_addr addr = {0x123456010, 0x223457004, 0x323458004};

static struct vdpa_dev *make(void)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct vdpa_dev *dev;

	cr_assert_not_null(vd);
	dev = virtio_pci_vdpa(vd);
	cr_assert_not_null(dev);
	cr_assert_eq(virtio_pci_vdpa_device(dev), vd);
	card.offered = OFFERED;
	return dev;
}

static struct vdpa_dev *make_with(uint64_t features)
{
	struct vdpa_dev *dev = make();

	cr_assert_eq(dev->ops->set_features(dev, features), 0);
	return dev;
}

static void set(struct vdpa_dev *dev, uint16_t i)
{
	cr_assert_eq(dev->ops->set_vring_num(dev, i, 64), 0);
	cr_assert_eq(dev->ops->set_vring_addr(dev, i, &addr), 0);
}

/* ---- the device --------------------------------------------------------------------------- */

Test(vdpa_pci, is_the_device_beneath)
{
	struct vdpa_dev *dev = make();
	uint8_t out[4], in[2] = {0xab, 0xcd};

	cr_expect_str_eq(dev->name, "0000:00:03.0");
	cr_expect_eq(dev->device_id, VIRTIO_ID_NET);
	cr_expect_eq(dev->ops->nb_vrings(dev), FAKE_VIRTIO_QUEUES);
	cr_expect_eq(dev->ops->get_generation(dev), 7);
	memcpy(dev_bar + 0x2000, "\x52\x54\x00\x12", 4);
	cr_assert_eq(dev->ops->get_config(dev, 0, out, 4), 0);
	cr_expect_arr_eq(out, dev_bar + 0x2000, 4);
	cr_expect_eq(dev->ops->get_config(dev, 21, out, 4), -ERANGE);
	cr_assert_eq(dev->ops->set_config(dev, 4, in, 2), 0);
	cr_expect_eq(dev_bar[0x2005], 0xcd);
	cr_expect_eq(dev->ops->set_config(dev, 24, in, 1), -ERANGE);

	cr_expect(dev->ops->present(dev));
	fake_pci_put32(dev_pci, PCI_VENDOR_ID, UINT32_MAX);
	cr_expect_not(dev->ops->present(dev));
}

Test(vdpa_pci, takes_features_that_are_offered)
{
	struct vdpa_dev *dev = make();

	card.offered |= VIRTIO_BIT(38) | VIRTIO_BIT(39);
	cr_expect_eq(dev->ops->get_features(dev), OFFERED, "a kick is a number only");
	cr_expect_eq(dev->ops->set_features(dev, OFFERED | VIRTIO_BIT(38)), -EINVAL);
	cr_expect_eq(dev->ops->set_features(dev, OFFERED | VIRTIO_F_IN_ORDER), -EINVAL);
	cr_expect_eq(dev->ops->set_features(dev, VIRTIO_F_RING_PACKED), -EINVAL);
	cr_expect_eq(card.accepted, 0);
	dev->ops->set_status(dev, VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	cr_expect_eq(card.status, VIRTIO_STATUS_DRIVER);
	cr_expect_eq(dev->ops->set_features(dev, OFFERED), 0);
	cr_expect_eq(card.accepted, OFFERED);
	dev->ops->set_status(dev, VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	cr_expect_eq(dev->ops->get_status(dev), VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	cr_expect_eq(dev->ops->set_features(dev, 0), -EINVAL);
}

Test(vdpa_pci, is_not_for_legacy_registers)
{
	struct virtio_dev *vd;

	fake_virtio_make_legacy();
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	cr_expect_null(virtio_pci_vdpa(vd));
	cr_expect(said("has legacy registers, and vDPA needs modern ones"));
}

Test(vdpa_pci, needs_memory)
{
	struct virtio_dev *vd = fake_virtio_probe();

	mem_reset();
	cr_expect_null(virtio_pci_vdpa(vd));
	cr_expect(said("no memory for the vDPA layer"));
}

/* ---- vrings ------------------------------------------------------------------------------- */

Test(vdpa_pci, sets_vrings_and_enables_them)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1);

	cr_expect_eq(dev->ops->vring_num_max(dev, 1), 256);
	cr_expect_eq(dev->ops->vring_num_max(dev, FAKE_VIRTIO_QUEUES), 0);
	cr_expect_eq(dev->ops->vring_num_max(dev, VDPA_VRINGS_MAX), 0);
	set(dev, 1);
	cr_expect_eq(card.q[1].size, 256);
	cr_expect_null(dev->ops->doorbell(dev, 1));
	dev->ops->kick(dev, 1);
	cr_expect_eq(card.notified_at, 0, "not enabled");
	cr_assert_eq(dev->ops->set_vring_enable(dev, 1, true), 0);
	cr_expect_eq(card.q[1].size, 64);
	cr_expect_eq(card.q[1].enabled, 1);
	cr_expect_eq(card.q[1].desc, addr.desc);
	cr_expect_eq(card.q[1].driver, addr.driver);
	cr_expect_eq(card.q[1].device, addr.device);
	cr_expect_not(card.q[0].enabled || card.q[2].enabled);

	cr_expect_eq(dev->ops->doorbell(dev, 1), dev_bar + 0x3004);
	cr_expect_null(dev->ops->doorbell(dev, VDPA_VRINGS_MAX));
	dev->ops->kick(dev, 1);
	cr_expect_eq(card.notified_at, 0x3004);
	cr_expect_eq(card.notified_value, 1);
	dev->ops->kick(dev, VDPA_VRINGS_MAX);
	dev->ops->kick(dev, 0);
	cr_expect_eq(card.notified_at, 0x3004);

	cr_expect_eq(dev->ops->set_vring_num(dev, 1, 32), -EBUSY);
	cr_expect_eq(dev->ops->set_vring_addr(dev, 1, &addr), -EBUSY);
	cr_expect_eq(dev->ops->set_vring_base(dev, 1, VDPA_BASE_SPLIT), -EBUSY);
	cr_expect_eq(dev->ops->set_vring_vector(dev, 1, NONE), -EBUSY);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, true), -EBUSY);
}

Test(vdpa_pci, refuses_what_a_vring_cannot_be)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1);
	const struct vdpa_vring_addr odd[] = {{0, addr.driver, addr.device},
	                                      {addr.desc + 8, addr.driver, addr.device},
	                                      {addr.desc, addr.driver + 1, addr.device},
	                                      {addr.desc, addr.driver, addr.device + 2}};
	uint32_t base;

	for (unsigned i = FAKE_VIRTIO_QUEUES; i < 65536; i += 777) {
		cr_expect_eq(dev->ops->set_vring_num(dev, (uint16_t)i, 64), -EINVAL);
		cr_expect_eq(dev->ops->set_vring_addr(dev, (uint16_t)i, &addr), -EINVAL);
		cr_expect_eq(dev->ops->set_vring_base(dev, (uint16_t)i, 0), -EINVAL);
		cr_expect_eq(dev->ops->get_vring_base(dev, (uint16_t)i, &base), -EINVAL);
		cr_expect_eq(dev->ops->set_vring_vector(dev, (uint16_t)i, NONE), -EINVAL);
		cr_expect_eq(dev->ops->set_vring_enable(dev, (uint16_t)i, true), -EINVAL);
		cr_expect_eq(dev->ops->set_vring_enable(dev, (uint16_t)i, false), -EINVAL);
	}
	cr_expect_eq(dev->ops->set_vring_num(dev, 0, 0), -EINVAL);
	cr_expect_eq(dev->ops->set_vring_num(dev, 0, 257), -EINVAL);
	cr_expect_eq(dev->ops->set_vring_num(dev, 0, 100), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		cr_expect_eq(dev->ops->set_vring_addr(dev, 0, &odd[i]), -EINVAL);
	cr_expect_eq(dev->ops->set_vring_vector(dev, 0, 0), -EINVAL, "no interrupts were set up");

	cr_expect_eq(dev->ops->set_vring_enable(dev, 0, true), -EINVAL);
	cr_assert_eq(dev->ops->set_vring_num(dev, 0, 64), 0);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 0, true), -EINVAL, "without addresses");
	cr_assert_eq(dev->ops->set_vring_addr(dev, 1, &addr), 0);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, true), -EINVAL, "without a size");
	dev->ops->set_status(dev, 0);
	set(dev, 2);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 2, true), -EINVAL, "before features");
}

Test(vdpa_pci, packed_vrings_have_other_rules)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED);
	const struct vdpa_vring_addr split = {addr.desc, addr.driver + 2, addr.device};

	cr_expect_eq(dev->ops->set_vring_num(dev, 0, 100), 0);
	cr_expect_eq(dev->ops->set_vring_addr(dev, 0, &split), -EINVAL);
	cr_expect_eq(dev->ops->set_vring_addr(dev, 0, &addr), 0);
}

static void base_is(uint64_t features, uint32_t start, uint32_t other)
{
	struct vdpa_dev *dev = make_with(features | VIRTIO_F_VERSION_1);
	uint32_t base = ~start;

	cr_expect_eq(dev->ops->get_vring_base(dev, 0, &base), 0);
	cr_expect_eq(base, start);
	cr_expect_eq(dev->ops->set_vring_base(dev, 0, start), 0);
	cr_expect_eq(dev->ops->set_vring_base(dev, 0, other), -EOPNOTSUPP);
	cr_expect_eq(dev->ops->set_vring_base(dev, 0, start + 1), -EOPNOTSUPP);
	set(dev, 0);
	cr_assert_eq(dev->ops->set_vring_enable(dev, 0, true), 0);
	cr_expect_eq(dev->ops->get_vring_base(dev, 0, &base), -EOPNOTSUPP);
}

Test(vdpa_pci, split_vrings_begin_at_index_0)
{
	base_is(0, 0, 0x80008000);
}

Test(vdpa_pci, packed_vrings_begin_at_descriptor_0_of_the_first_lap)
{
	base_is(VIRTIO_F_RING_PACKED, 0x80008000, 0);
}

Test(vdpa_pci, disables_a_vring_with_ring_reset_alone)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1);

	set(dev, 1);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, false), 0, "it is not enabled");
	cr_assert_eq(dev->ops->set_vring_enable(dev, 1, true), 0);
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, false), -EOPNOTSUPP);
	cr_expect(card.q[1].enabled);

	dev->ops->set_status(dev, 0);
	memset(&card.q[1].enabled, 0, sizeof(card.q[1].enabled));
	cr_assert_eq(dev->ops->set_features(dev, OFFERED), 0);
	set(dev, 1);
	cr_assert_eq(dev->ops->set_vring_enable(dev, 1, true), 0);
	cr_assert_eq(dev->ops->set_vring_enable(dev, 1, false), 0);
	cr_expect_not(card.q[1].enabled);
	cr_expect_null(dev->ops->doorbell(dev, 1));
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, true), -EINVAL, "it forgot everything");
	set(dev, 1);
	cr_assert_eq(dev->ops->set_vring_enable(dev, 1, true), 0);

	plat_test_time_step_ns = 1000000;
	card.reset_sticks = true;
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, false), -ETIMEDOUT);
	cr_expect_eq(dev->ops->set_vring_num(dev, 1, 64), -EBUSY, "the device may still use it");
}

Test(vdpa_pci, a_reset_ends_all_vrings)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1);

	set(dev, 0);
	cr_assert_eq(dev->ops->set_vring_enable(dev, 0, true), 0);
	dev->ops->set_status(dev, 0);
	cr_expect_null(dev->ops->doorbell(dev, 0));
	dev->ops->kick(dev, 0);
	cr_expect_eq(card.notified_at, 0);
	cr_expect_eq(dev->ops->set_vring_num(dev, 0, 64), 0);
}

Test(vdpa_pci, a_device_that_refuses_a_vring_is_told_of)
{
	struct vdpa_dev *dev = make_with(VIRTIO_F_VERSION_1);

	set(dev, 1);
	card.refuse_enable = true;
	cr_expect_eq(dev->ops->set_vring_enable(dev, 1, true), -EIO);
	cr_expect(said("does not become enabled"));
	dev->ops->kick(dev, 1);
	cr_expect_eq(card.notified_at, 0);
}

/* ---- interrupts, and the transport on top ------------------------------------------------- */

static struct virtio_dev through;
static unsigned calls[4];

static void on_irq(struct virtio_dev *vd, unsigned vector)
{
	cr_assert_eq(vd, &through, "not the device beneath");
	calls[vector]++;
}

static void device_raises(unsigned vector)
{
	const uint32_t *e = (const uint32_t *)(const void *)(dev_msix_table + 16 * vector);

	cr_assert(plat_test_msi((uint64_t)e[1] << 32 | e[0], e[2]));
}

static struct virtio_dev *drive(uint64_t features)
{
	struct vdpa_dev *dev = make();

	virtio_vdpa_init(&through, dev);
	cr_expect_str_eq(through.ops->name, "vdpa");
	cr_expect_str_eq(through.name, "0000:00:03.0");
	cr_expect_eq(virtio_vdpa_device(&through), dev);
	cr_expect_null(virtio_vdpa_device(virtio_pci_vdpa_device(dev)));
	cr_assert_eq(virtio_dev_begin(&through), 0);
	cr_assert_eq(virtio_dev_negotiate(&through, features), 0);
	return &through;
}

Test(vdpa_pci, interrupts_reach_the_driver_on_top)
{
	struct virtio_dev *vd = drive(VIRTIO_F_VERSION_1);
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_MSIX);
	cr_expect_eq(vd->nb_vectors, 3);
	vd->irq_mode = VIRTIO_IRQ_MSIX;
	cr_assert_eq(vd->ops->set_config_vector(vd, 0), 0);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, 1), 0);
	cr_expect_eq(card.config_vector, 0);
	cr_expect_eq(card.q[0].vector, 1);
	device_raises(0);
	device_raises(1);
	device_raises(1);
	device_raises(2);
	cr_expect(calls[0] == 1 && calls[1] == 2 && calls[2] == 1);
	vd->ops->irq_route(vd, 1, 2);
	device_raises(2);
	cr_expect_eq(plat_test_irqs[2].lcore, 2);
	vq = fake_virtio_queue(vd, 2, 256);
	cr_expect_eq(vd->ops->queue_enable(vd, &vq, 3), -EINVAL);
	cr_expect_null(vq.notify_addr);
}

Test(vdpa_pci, fewer_vectors_are_passed_on)
{
	struct virtio_dev *vd = drive(VIRTIO_F_VERSION_1);
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	card.refuse_queue_vectors = true;
	vd->irq_mode = vd->ops->irq_setup(vd, 3, on_irq);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, 1), 0);
	cr_expect_eq(card.q[0].vector, 0);
	cr_expect_eq(vd->irq_mode, VIRTIO_IRQ_SHARED);
	/* a driver that has given up interrupts keeps to it */
	vd->irq_mode = VIRTIO_IRQ_NONE;
	vq = fake_virtio_queue(vd, 1, 256);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, NONE), 0);
	cr_expect_eq(vd->irq_mode, VIRTIO_IRQ_NONE);
}

Test(vdpa_pci, the_driver_rings_the_doorbell_itself)
{
	struct virtio_dev *vd = drive(OFFERED);
	struct virtqueue vq = fake_virtio_queue(vd, 2, 100);
	const struct vdpa_ops *ops = virtio_vdpa_device(vd)->ops;

	vq.nentries = 64;
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, NONE), 0);
	cr_expect_eq(vq.notify_addr, ops->doorbell(virtio_vdpa_device(vd), 2));
	cr_expect_not_null(vq.notify_addr);
	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, 0x3008);
	cr_expect_eq(card.notified_value, 2);
	cr_expect_eq(card.notified_width, 2);
	/* and kicks where there is none */
	card.notified_at = 0;
	vq.notify_addr = NULL;
	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, 0x3008);
	cr_assert_eq(vd->ops->queue_reset(vd, &vq), 0);
	cr_expect_not(card.q[2].enabled);
}

Test(vdpa_pci, features_that_are_refused_do_not_stay)
{
	struct virtio_dev *vd = drive(OFFERED);

	vd->ops->set_status(vd, 0);
	vd->ops->set_features(vd, OFFERED | VIRTIO_F_IN_ORDER);
	vd->ops->set_status(vd, VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	cr_expect_not(vd->ops->get_status(vd) & VIRTIO_STATUS_FEATURES_OK);
}
