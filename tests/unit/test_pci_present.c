/* Cards that leave and come back: slots, and what a card forgets. */
#include "tests/unit/fake_virtio.h"

#include "drivers/virtio/virtio_pci_modern.c"

#include "drivers/virtio/virtio_dev.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_slot.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"

#include <criterion/criterion.h>
#include <string.h>

#define CAP_BYTES 60
#define POWER_OFF_LAMP_OFF 0x0700
#define POWER_ON_LAMP_ON 0x0100

/* ---- slots -------------------------------------------------------------------------------- */

static struct fake_pci *port, *in_slot;
static unsigned cap;

/* A card behind a port whose slot can, or cannot, change cards. */
static struct pci_dev *slot(bool has_slot, bool hot_plug)
{
	const unsigned kind = PCI_EXPRESS_ROOT_PORT << 4 | (has_slot ? PCI_EXPRESS_HAS_SLOT : 0);

	fake_pci_start(true);
	port = fake_pci_bridge(NULL, 1, 1, 1);
	cap = fake_pci_cap(port, PCI_CAP_ID_EXPRESS, CAP_BYTES);
	fake_pci_put16(port, cap + PCI_EXPRESS_FLAGS, (uint16_t)kind);
	fake_pci_put32(port, cap + PCI_EXPRESS_SLOT_CAPS, hot_plug ? PCI_EXPRESS_SLOT_HOT_PLUG : 0);
	fake_pci_put16(port, cap + PCI_EXPRESS_SLOT_STATUS,
	               PCI_EXPRESS_SLOT_FILLED | PCI_EXPRESS_SLOT_BUTTON);
	memset(&port->writable[cap + PCI_EXPRESS_SLOT_CONTROL], 0xff, 2);
	in_slot = fake_pci_add(port, 0, 0, 0x10411af4);
	cr_assert_eq(pci_scan(), 2);
	return fake_pci_find(0x100);
}

Test(pci_present, a_slot_is_asked_and_switched)
{
	const struct pci_dev *d = slot(true, true);

	cr_assert(pci_slot_asked_out(d));
	cr_assert_not(pci_slot_waits(d));
	pci_slot_power(d, false);
	cr_assert_eq(fake_pci_get16(port, cap + PCI_EXPRESS_SLOT_CONTROL), POWER_OFF_LAMP_OFF);
	cr_assert(pci_slot_waits(d));
	pci_slot_power(d, true);
	cr_assert_eq(fake_pci_get16(port, cap + PCI_EXPRESS_SLOT_CONTROL), POWER_ON_LAMP_ON);
	cr_assert_not(pci_slot_waits(d));
	fake_pci_put16(port, cap + PCI_EXPRESS_SLOT_STATUS, PCI_EXPRESS_SLOT_FILLED);
	cr_assert_not(pci_slot_asked_out(d));
}

Test(pci_present, ports_that_leave_slots_to_others_are_left_alone)
{
	for (unsigned i = 0; i < 3; i++) {
		const struct pci_dev *d = slot(i & 1, i & 2);

		cr_assert_not(pci_slot_asked_out(d));
		pci_slot_power(d, false);
		cr_assert_eq(fake_pci_get16(port, cap + PCI_EXPRESS_SLOT_CONTROL), 0);
		cr_assert_not(pci_slot_waits(d));
	}
	/* on a root bus, there is no port */
	cr_assert_not(pci_slot_asked_out(fake_pci_find(0x8)));
}

/* ---- new cards ---------------------------------------------------------------------------- */

static unsigned told(const char *name)
{
	for (unsigned i = 0; i < 300; i++)
		pci_rescan_step();
	return said(name) ? lines_said() : 0;
}

Test(pci_present, a_new_card_is_told_of_once)
{
	(void)slot(true, true);
	fake_pci_add(NULL, 4, 1, 0x10001af4);
	plat_test_clear();
	cr_assert_eq(told("plugged in"), 0);
	fake_pci_add(NULL, 31, 0, 0x10001af4);
	cr_assert_eq(told("0000:00:1f.0: a card was plugged in"), 1);
	plat_test_clear();
	cr_assert_eq(told("plugged in"), 0);

	/* one that has no power yet does not answer */
	(void)slot(true, true);
	in_slot->parent = NULL;
	in_slot->bus = 77;
	cr_assert_eq(pci_scan(), 1);
	plat_test_clear();
	cr_assert_eq(told("plugged in"), 0);
	fake_pci_put16(port, cap + PCI_EXPRESS_SLOT_CONTROL, PCI_EXPRESS_SLOT_POWER_OFF);
	cr_assert_eq(told("0000:01:00.0: a card was plugged in"), 1);
}

/* ---- the card ----------------------------------------------------------------------------- */

static void irq(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	(void)vector;
}

/* What a card has after its power came back: nothing of what it was told. */
static void forget(void)
{
	memset(dev_msix_table, 0, 4096);
	for (unsigned i = 0; i < FAKE_VIRTIO_VECTORS; i++)
		dev_msix_table[16 * i + 12] = 1;
	memset(&dev_pci->config[PCI_BAR0 + 8], 0, 16);
	dev_pci->config[PCI_BAR0 + 8] = PCI_BAR_TYPE_64;
	dev_pci->config[PCI_BAR0 + 16] = PCI_BAR_TYPE_64 | PCI_BAR_PREFETCH;
	fake_pci_put16(dev_pci, PCI_COMMAND, 0);
	fake_pci_put16(dev_pci, cap_msix + PCI_MSIX_CONTROL, FAKE_VIRTIO_VECTORS - 1);
}

static void put_back(unsigned wanted)
{
	uint8_t config[256], table[4096];
	struct virtio_dev *vd;

	fake_virtio_start();
	vd = fake_virtio_probe();
	(void)vd->ops->irq_setup(vd, wanted, irq);
	cr_assert(vd->ops->present(vd));
	memcpy(config, dev_pci->config, sizeof(config));
	memcpy(table, dev_msix_table, sizeof(table));

	fake_pci_put32(dev_pci, PCI_VENDOR_ID, UINT32_MAX);
	cr_assert_not(vd->ops->present(vd));
	fake_pci_put32(dev_pci, PCI_VENDOR_ID, 0x10001af4);
	cr_assert_not(vd->ops->present(vd), "another card");
	fake_pci_put32(dev_pci, PCI_VENDOR_ID, 0x10411af4);
	forget();
	cr_assert(vd->ops->present(vd));
	cr_assert(said("a card is there again"));
	cr_assert_arr_eq(dev_pci->config, config, sizeof(config));
	cr_assert_arr_eq(dev_msix_table, table, sizeof(table));

	/* only once */
	plat_test_clear();
	cr_assert(vd->ops->present(vd));
	cr_assert_str_empty(plat_test_output());
	fake_virtio_finish();
}

Test(pci_present, a_card_that_was_put_back_is_as_it_was)
{
	put_back(2);
}

Test(pci_present, likewise_with_one_shared_vector)
{
	put_back(100);
}

Test(pci_present, a_device_that_is_gone_is_not_waited_for)
{
	struct virtio_dev *vd;

	fake_virtio_start();
	vd = fake_virtio_probe();
	plat_test_time_step_ns = 1000000;
	fake_pci_put32(dev_pci, PCI_VENDOR_ID, UINT32_MAX);
	card.status_stuck = true;
	cr_assert_eq(virtio_dev_reset(vd), 0);
	cr_assert_not(said("one second after"));
	fake_pci_put32(dev_pci, PCI_VENDOR_ID, 0x10411af4);
	cr_assert_neq(virtio_dev_reset(vd), 0);
}
