/*
 * What test_spec.c does, for the sentences about PCI (virtio 4.1), on the model of its registers.
 */
#include "tests/unit/fake_virtio.h"

#include "drivers/virtio/virtio_pci_modern.c"

#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>

TestSuite(spec_pci, .init = fake_virtio_start, .fini = fake_virtio_finish);

/* 4.1.2.2 */
Test(spec_pci, revision_and_subsystem_do_not_matter)
{
	static const uint8_t revisions[] = {0, 1, 2, 0x80, 0xff};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(revisions); i++) {
		const uint8_t revision = revisions[i / 2];
		struct virtio_dev *vd;

		fake_pci_put16(dev_pci, PCI_DEVICE_ID, i & 1 ? 0x1000 : 0x1041);
		dev_pci->config[PCI_REVISION] = revision;
		fake_pci_put16(dev_pci, PCI_SUBSYSTEM, (uint16_t)(0x1234 * i));
		fake_pci_put16(dev_pci, PCI_SUBSYSTEM + 2, (uint16_t)(0x4321 * i));
		vd = fake_virtio_probe();
		cr_assert_not_null(vd, "revision %u", revision);
		cr_expect_eq(vd->device_id, VIRTIO_ID_NET);
		cr_expect_str_eq(vd->ops->name, "modern");
	}
}

/* 2.5.1, 4.1.4, 4.1.4.1: a later version of the specification may have added fields */
Test(spec_pci, structures_may_be_longer_than_they_need_be)
{
	struct virtio_dev *vd;
	uint8_t mac[6];

	dev_pci->config[cap_common + 2] = 64;
	dev_pci->config[cap_isr + 2] = 17;
	dev_pci->config[cap_device + 2] = 0xff;
	dev_pci->config[cap_notify + 2] = 40;
	fake_pci_put32(dev_pci, cap_common + 12, FAKE_VIRTIO_BAR_BYTES);
	fake_pci_put32(dev_pci, cap_isr + 12, FAKE_VIRTIO_BAR_BYTES - 0x1000);
	fake_pci_put32(dev_pci, cap_device + 12, FAKE_VIRTIO_BAR_BYTES - 0x2000);
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	cr_expect_str_eq(vd->ops->name, "modern");
	memcpy(dev_bar + 0x2000, "\x52\x54\x00\x12\x34\x56", 6);
	cr_assert_eq(vd->ops->config_read(vd, 0, mac, 6), 0);
	cr_expect_arr_eq(mac, dev_bar + 0x2000, 6);
	cr_expect_eq(virtio_pci_of(vd)->modern.device_bytes, CONFIG_MAP_MAX);
}

/* 4.1.4.1 */
Test(spec_pci, capabilities_of_reserved_bars_are_ignored)
{
	struct virtqueue q;
	struct virtio_dev *vd;

	/* the first notification structure of the list is in a BAR that there cannot be */
	dev_pci->config[cap_notify + 4] = 6;
	fake_pci_put32(
	    dev_pci, fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, 0x3800, 0x800) + 16,
	    4);
	vd = fake_virtio_probe();
	cr_assert_not_null(vd);
	q = fake_virtio_queue(vd, 1, 256);
	cr_assert_eq(vd->ops->queue_enable(vd, &q, VIRTIO_MSI_NO_VECTOR), 0);
	vd->ops->notify(vd, &q);
	cr_expect_eq(card.notified_at, 0x3804);
}

static void ignore(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	(void)vector;
}

/* 4.1.4.5.2: reading it would clear what another reader waits for */
Test(spec_pci, isr_is_left_alone_with_msix)
{
	const uint32_t *entry = (const uint32_t *)(const void *)dev_msix_table;
	struct virtio_dev *vd = fake_virtio_probe();

	cr_assert_eq(vd->ops->irq_setup(vd, 3, ignore), VIRTIO_IRQ_MSIX);
	card.isr = VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG;
	for (unsigned i = 0; i < 3; i++, entry += 4)
		cr_assert(plat_test_msi((uint64_t)entry[1] << 32 | entry[0], entry[2]));
	cr_expect_eq(card.isr, VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
}
