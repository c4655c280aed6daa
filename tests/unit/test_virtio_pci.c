/*
 * Finding virtio devices on PCI, and the registers of both transports. The fixture fails a test
 * that breached the specification.
 */
#include "tests/unit/fake_virtio.h"

#include "drivers/virtio/virtio_pci_modern.c"

#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"
#include <criterion/criterion.h>

TestSuite(virtio_pci, .init = fake_virtio_start, .fini = fake_virtio_finish);

static struct virtio_dev *probe_legacy(void)
{
	fake_virtio_make_legacy();
	return fake_virtio_probe();
}

/* ---- which device, which transport -------------------------------------------------------- */

static uint16_t id_of(uint16_t vendor, uint16_t device, uint16_t subdevice)
{
	struct pci_dev d = {.vendor = vendor, .device = device, .subdevice = subdevice};

	return virtio_pci_device_id(&d);
}

Test(virtio_pci, knows_the_device_by_its_ids)
{
	cr_expect_eq(id_of(0x1af4, 0x1041, 0x1100), 1);
	cr_expect_eq(id_of(0x1af4, 0x107f, 0), 63);
	cr_expect_eq(id_of(0x1af4, 0x1000, 1), 1);
	cr_expect_eq(id_of(0x1af4, 0x1000, 99), 1);
	cr_expect_eq(id_of(0x1af4, 0x1002, 5), 5);
	cr_expect_eq(id_of(0x1af4, 0x1010, 16), 16);
	cr_expect_eq(id_of(0x1af4, 0x1040, 1), 0);
	cr_expect_eq(id_of(0x1af4, 0x1080, 1), 0);
	cr_expect_eq(id_of(0x1af4, 0x0fff, 1), 0);
	cr_expect_eq(id_of(0x8086, 0x1041, 1), 0);
}

Test(virtio_pci, takes_the_modern_registers_of_a_transitional_device)
{
	struct virtio_dev *vd;

	fake_pci_put16(dev_pci, PCI_DEVICE_ID, 0x1000);
	dev_pci->config[PCI_REVISION] = 0;
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	cr_expect_str_eq(vd->ops->name, "modern");
	cr_expect_str_eq(vd->name, "0000:00:03.0");
	cr_expect_eq(vd->device_id, VIRTIO_ID_NET);
	cr_expect_not(vd->legacy);
	cr_expect_eq(fake_pci_get16(dev_pci, PCI_COMMAND) & 7, 7);
}

Test(virtio_pci, takes_legacy_ports_when_there_are_no_capabilities)
{
	struct virtio_dev *vd = probe_legacy();

	cr_assert_not_null(vd);
	cr_expect_str_eq(vd->ops->name, "legacy");
	cr_expect(vd->legacy);
	cr_expect(vd->ops->queue_size_is_fixed);
}

Test(virtio_pci, refuses_a_modern_device_without_capabilities)
{
	fake_pci_put16(dev_pci, PCI_STATUS, 0);
	cr_assert_null(fake_virtio_probe());
	cr_expect(said("neither virtio capabilities nor legacy ports"));
	cr_expect_not(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_MASTER);
}

Test(virtio_pci, refuses_legacy_ports_of_a_later_revision)
{
	fake_pci_put16(dev_pci, PCI_STATUS, 0);
	fake_pci_put16(dev_pci, PCI_DEVICE_ID, 0x1000);
	cr_assert_null(fake_virtio_probe());
}

Test(virtio_pci, falls_back_to_legacy_when_a_capability_is_missing)
{
	struct virtio_dev *vd;

	fake_pci_put16(dev_pci, PCI_DEVICE_ID, 0x1000);
	dev_pci->config[PCI_REVISION] = 0;
	dev_pci->config[cap_isr + 3] = 200;
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	cr_expect(vd->legacy);
	cr_expect(said("no usable ISR status capability"));
	cr_expect(said("legacy registers are used instead"));
}

/* ---- capabilities ------------------------------------------------------------------------- */

static void expect_refused(unsigned cap, unsigned at, uint32_t v)
{
	uint32_t old = fake_pci_get32(dev_pci, cap + at);

	fake_pci_put32(dev_pci, cap + at, v);
	plat_test_clear();
	cr_expect_null(fake_virtio_probe(), "capability word %u is 0x%x", at, v);
	cr_expect(said("modern registers are not used"));
	fake_pci_put32(dev_pci, cap + at, old);
}

Test(virtio_pci, refuses_structures_that_leave_their_bar)
{
	expect_refused(cap_common, 8, FAKE_VIRTIO_BAR_BYTES);
	expect_refused(cap_common, 8, 0xfffffffc);
	expect_refused(cap_notify, 12, 0x1001);
	expect_refused(cap_device, 12, 0xffffffff);
	expect_refused(cap_isr, 4, 5);
	expect_refused(cap_isr, 4, 6);
	expect_refused(cap_isr, 4, 255);
	expect_refused(cap_isr, 4, 0);
	expect_refused(cap_device, 4, 3);
}

Test(virtio_pci, refuses_structures_too_small_or_not_aligned)
{
	expect_refused(cap_common, 12, 55);
	expect_refused(cap_common, 8, 2);
	expect_refused(cap_device, 8, 0x2002);
	expect_refused(cap_notify, 8, 0x2001);
	expect_refused(cap_notify, 12, 1);
	expect_refused(cap_isr, 12, 0);
	expect_refused(cap_notify, 0, 0x02100009);
}

Test(virtio_pci, takes_the_first_usable_structure_of_a_type)
{
	struct virtqueue vq;
	struct virtio_dev *vd;
	unsigned first = fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, 0x3800, 0x800);

	/* the first in the list is in I/O space, as with modern-pio-notify=on */
	fake_pci_put32(dev_pci, first + 16, 4);
	dev_pci->config[cap_notify + 4] = 0;
	fake_pci_put32(dev_pci, cap_notify + 8, 0);
	fake_pci_put32(dev_pci, cap_notify + 12, 4);
	fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, 0x3000, 0x800);
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	vq = fake_virtio_queue(vd, 1, 256);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, 0x3804);
}

Test(virtio_pci, ignores_the_capability_types_it_has_no_use_for)
{
	uint8_t before[256];

	fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0);
	fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, 0, 0, 0);
	fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_VENDOR_CFG, 9, 0, 0);
	fake_pci_virtio_cap(dev_pci, 0, 9, 0, 0);
	fake_pci_virtio_cap(dev_pci, 77, 9, 0, 0);
	memset(dev_pci->writable + PCI_HEADER_BYTES, 0xff, 256 - PCI_HEADER_BYTES);
	memcpy(before, dev_pci->config, sizeof(before));
	cr_assert_not_null(fake_virtio_probe());
	cr_expect_arr_eq(dev_pci->config + PCI_HEADER_BYTES, before + PCI_HEADER_BYTES, 192,
	                 "no capability is written");
}

/* ---- modern registers --------------------------------------------------------------------- */

Test(virtio_pci, carries_features_in_two_words)
{
	struct virtio_dev *vd = fake_virtio_probe();

	card.offered = 0x8123456700112233;
	cr_expect_eq(vd->ops->get_features(vd), 0x8123456700112233);
	vd->ops->set_features(vd, 0x8000000100000020);
	cr_expect_eq(card.accepted, 0x8000000100000020);
	vd->ops->set_status(vd, 0x0b);
	cr_expect_eq(card.status, 0x0b);
	cr_expect_eq(vd->ops->get_status(vd), 0x0b);
	cr_expect_eq(vd->ops->config_generation(vd), 7);
	cr_expect_eq(vd->ops->nb_queues(vd), FAKE_VIRTIO_QUEUES);
}

Test(virtio_pci, reads_each_configuration_field_in_its_width)
{
	struct virtio_dev *vd = fake_virtio_probe();
	uint8_t out[24];

	for (unsigned i = 0; i < 24; i++)
		dev_bar[0x2000 + i] = (uint8_t)(0x10 + i);
	cr_assert_eq(vd->ops->config_read(vd, 0, out, 6), 0);
	cr_expect_arr_eq(out, dev_bar + 0x2000, 6);
	cr_expect_str_eq(card.widths, "111111", "the address is an array of bytes");

	card.widths[0] = '\0';
	cr_assert_eq(vd->ops->config_read(vd, 6, out, 2), 0);
	cr_assert_eq(vd->ops->config_read(vd, 12, out + 2, 4), 0);
	cr_assert_eq(vd->ops->config_read(vd, 16, out + 6, 1), 0);
	cr_assert_eq(vd->ops->config_read(vd, 8, out + 8, 8), 0);
	cr_expect_str_eq(card.widths, "24144");
	cr_expect_arr_eq(out, dev_bar + 0x2006, 2);
	cr_expect_arr_eq(out + 2, dev_bar + 0x200c, 4);
	cr_expect_arr_eq(out + 8, dev_bar + 0x2008, 8);

	cr_expect_eq(vd->ops->config_write(vd, 4, "\xab\xcd", 2), 0);
	cr_expect_eq(dev_bar[0x2004] | dev_bar[0x2005] << 8, 0xcdab);
}

Test(virtio_pci, refuses_configuration_behind_its_end)
{
	struct virtio_dev *vd = fake_virtio_probe();
	uint8_t out[32];

	cr_expect_eq(vd->ops->config_read(vd, 20, out, 4), 0);
	cr_expect_eq(vd->ops->config_read(vd, 21, out, 4), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, 24, out, 1), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, 0, out, 25), -ERANGE);
	cr_expect_eq(vd->ops->config_read(vd, UINT32_MAX, out, 2), -ERANGE);
	cr_expect_eq(vd->ops->config_write(vd, 24, out, 1), -ERANGE);
}

Test(virtio_pci, enables_a_modern_queue_of_a_smaller_size)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct virtqueue vq = fake_virtio_queue(vd, 2, 64);

	cr_assert_eq(vd->ops->queue_size(vd, 2), 256);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	cr_expect_eq(card.q[2].size, 64);
	cr_expect_eq(card.q[2].enabled, 1);
	cr_expect_eq(card.q[2].desc, vq.desc_iova);
	cr_expect_eq(card.q[2].driver, vq.avail_iova);
	cr_expect_eq(card.q[2].device, vq.used_iova);

	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, 0x3008);
	cr_expect_eq(card.notified_value, 2);
	cr_expect_eq(card.notified_width, 2);
}

Test(virtio_pci, resets_one_queue_and_enables_it_again)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct virtqueue vq = fake_virtio_queue(vd, 2, 64);

	card.offered |= VIRTIO_F_RING_RESET;
	cr_assert(vd->ops->get_features(vd) & VIRTIO_F_RING_RESET);
	vd->ops->set_features(vd, VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	card.selected = 0;
	cr_assert_eq(vd->ops->queue_reset(vd, &vq), 0);
	cr_assert_eq(card.reset_reads, 0, "waited for");
	cr_assert_not(card.q[2].enabled);
	vq.nentries = 32;
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	cr_assert_eq(card.q[2].size, 32);

	plat_test_time_step_ns = 1000000;
	card.reset_sticks = true;
	cr_assert_eq(vd->ops->queue_reset(vd, &vq), -ETIMEDOUT);
	cr_assert(said("queue 2 does not reset"));
}

Test(virtio_pci, has_no_queue_reset_without_its_register)
{
	struct virtio_dev *vd;

	fake_pci_put32(dev_pci, cap_common + 12, VIRTIO_PCI_COMMON_CFG_MIN);
	vd = fake_virtio_probe();
	card.offered |= VIRTIO_F_RING_RESET;
	cr_assert_not(vd->ops->get_features(vd) & VIRTIO_F_RING_RESET);
}

Test(virtio_pci, has_no_queue_behind_the_last)
{
	struct virtio_dev *vd = fake_virtio_probe();

	cr_expect_eq(vd->ops->queue_size(vd, FAKE_VIRTIO_QUEUES), 0);
	cr_expect_eq(vd->ops->queue_size(vd, 0xffff), 0);
}

Test(virtio_pci, shares_one_notify_register_when_the_multiplier_is_0)
{
	struct virtio_dev *vd;
	struct virtqueue vq;

	fake_pci_put32(dev_pci, cap_notify + 12, 2);
	fake_pci_put32(dev_pci, cap_notify + 16, 0);
	vd = fake_virtio_probe();
	vq = fake_virtio_queue(vd, 2, 256);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, 0x3000);
}

static void expect_broken(struct virtio_dev *vd, const char *why)
{
	struct virtqueue vq = fake_virtio_queue(vd, 1, 256);

	plat_test_clear();
	cr_expect_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), -EIO);
	cr_expect(said(why), "%s", plat_test_output());
	cr_expect_eq(card.q[1].enabled & 1, 0);
}

Test(virtio_pci, checks_the_notify_register_of_each_queue)
{
	struct virtio_dev *vd;

	fake_pci_put32(dev_pci, cap_notify + 12, 8);
	vd = fake_virtio_probe();
	card.q[1].notify_off = 2;
	expect_broken(vd, "outside of the notification structure");
	card.q[1].notify_off = 0xffff;
	expect_broken(vd, "outside of the notification structure");
}

Test(virtio_pci, notices_a_device_that_does_not_take_a_queue)
{
	struct virtio_dev *vd = fake_virtio_probe();

	card.q[1].size = 128;
	expect_broken(vd, "is not as large as it was");
	card.q[1].size = 512;
	card.refuse_size = true;
	expect_broken(vd, "does not take its size");
	card.refuse_size = false;
	card.refuse_enable = true;
	expect_broken(vd, "does not become enabled");
	card.q[1].enabled = 2;
	expect_broken(vd, "is enabled before we did so");
}

/* ---- legacy registers --------------------------------------------------------------------- */

Test(virtio_pci, speaks_legacy)
{
	struct virtio_dev *vd = probe_legacy();

	card.offered = 0xf79bf8064;
	cr_expect_eq(vd->ops->get_features(vd), 0x79bf8064);
	vd->ops->set_features(vd, 0x20);
	cr_expect_eq(card.accepted, 0x20);
	vd->ops->set_status(vd, 3);
	cr_expect_eq(vd->ops->get_status(vd), 3);
	cr_expect_eq(vd->ops->config_generation(vd), 0);
	cr_expect_eq(vd->ops->nb_queues(vd), FAKE_VIRTIO_QUEUES);
	cr_expect_eq(vd->ops->queue_size(vd, 1), 256);
	cr_expect_eq(vd->ops->queue_size(vd, FAKE_VIRTIO_QUEUES), 0);
}

Test(virtio_pci, gives_a_legacy_queue_by_its_page)
{
	struct virtio_dev *vd = probe_legacy();
	struct virtqueue vq = fake_virtio_queue(vd, 1, 256);

	vq.desc_iova = 0xffffffff000; /* the last page there is */
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	cr_expect_eq(card.q[1].pfn, 0xffffffff);
	vd->ops->notify(vd, &vq);
	cr_expect_eq(card.notified_at, FAKE_VIRTIO_PORT + 16);
	cr_expect_eq(card.notified_value, 1);
	cr_expect_eq(card.notified_width, 2);
}

Test(virtio_pci, refuses_a_ring_that_legacy_cannot_address)
{
	struct virtio_dev *vd = probe_legacy();
	struct virtqueue vq = fake_virtio_queue(vd, 1, 256);

	vq.desc_iova = 0x100000000000;
	cr_expect_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), -ERANGE);
	cr_expect_eq(card.q[1].pfn, 0);
}

Test(virtio_pci, notices_a_legacy_device_that_does_not_take_a_queue)
{
	struct virtio_dev *vd = probe_legacy();

	card.q[1].size = 512;
	expect_broken(vd, "has not the size it had");
	card.q[1].size = 256;
	card.q[1].pfn = 5;
	expect_broken(vd, "is enabled before we did so");
	card.q[1].pfn = 0;
	card.refuse_enable = true;
	expect_broken(vd, "does not take its address");
}

static void ignore(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	(void)vector;
}

Test(virtio_pci, finds_the_legacy_configuration_where_msix_moves_it)
{
	struct virtio_dev *vd = probe_legacy();
	uint8_t mac[6];

	memcpy(dev_bar + 0x2000, "\x52\x54\x00\x12\x34\x56", 6);
	cr_assert_eq(vd->ops->config_read(vd, 0, mac, 6), 0);
	cr_expect_arr_eq(mac, dev_bar + 0x2000, 6);
	cr_expect_eq(vd->ops->config_read(vd, 43, mac, 1), 0);
	cr_expect_eq(vd->ops->config_read(vd, 44, mac, 1), -ERANGE);

	cr_assert_eq(vd->ops->irq_setup(vd, 3, ignore), VIRTIO_IRQ_MSIX);
	memset(mac, 0, sizeof(mac));
	cr_assert_eq(vd->ops->config_read(vd, 0, mac, 6), 0);
	cr_expect_arr_eq(mac, dev_bar + 0x2000, 6);
	cr_expect_eq(vd->ops->config_read(vd, 40, mac, 1), -ERANGE);
}

Test(virtio_pci, switches_off_msix_that_firmware_left_on)
{
	struct virtio_dev *vd;
	uint8_t mac[6];

	fake_pci_put16(dev_pci, cap_msix + PCI_MSIX_CONTROL,
	               fake_pci_get16(dev_pci, cap_msix + PCI_MSIX_CONTROL) | PCI_MSIX_ENABLE);
	vd = probe_legacy();
	cr_expect_not(fake_virtio_msix_is_on());
	memcpy(dev_bar + 0x2000, "\x52\x54\x00\x12\x34\x56", 6);
	cr_assert_eq(vd->ops->config_read(vd, 0, mac, 6), 0);
	cr_expect_arr_eq(mac, dev_bar + 0x2000, 6);
}

Test(virtio_pci, refuses_ports_too_few_for_the_registers)
{
	fake_pci_bar(dev_pci, 0, FAKE_VIRTIO_PORT, 16, PCI_BAR_IS_IO);
	cr_expect_null(probe_legacy());
}
