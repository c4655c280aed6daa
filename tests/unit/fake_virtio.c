/* The model of a virtio device's registers. */
#include "tests/unit/fake_virtio.h"
#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(f) offsetof(struct virtio_pci_common_cfg, f)

struct fake_virtio card;
struct fake_pci *dev_pci;
uint8_t *dev_bar, *dev_msix_table;
unsigned cap_common, cap_notify, cap_isr, cap_device, cap_msix;

/* ---- modern ------------------------------------------------------------------------------- */

static unsigned field_bytes(unsigned offset)
{
	if (offset >= VIRTIO_PCI_COMMON_CFG_MIN)
		return 2;
	if (offset < FIELD(config_msix_vector) || offset >= FIELD(queue_desc_lo))
		return 4;
	return offset == FIELD(device_status) || offset == FIELD(config_generation) ? 1 : 2;
}

static uint32_t common_read(unsigned offset)
{
	unsigned n = card.selected < FAKE_VIRTIO_QUEUES ? card.selected : 0;

	switch (offset) {
	case FIELD(device_feature):
		return card.device_select < 2 ? (uint32_t)(card.offered >> 32 * card.device_select)
		                              : 0;
	case FIELD(config_msix_vector):
		return card.config_vector;
	case FIELD(num_queues):
		return card.nb_queues;
	case FIELD(device_status):
		return card.status_stuck ? 0xff : card.status;
	case FIELD(config_generation):
		return 7;
	case FIELD(queue_size):
		return card.q[n].size;
	case FIELD(queue_msix_vector):
		return card.q[n].vector;
	case FIELD(queue_enable):
		return card.q[n].enabled;
	case FIELD(queue_notify_off):
		return card.q[n].notify_off;
	case FIELD(queue_reset):
		card.breaches += !(card.accepted & VIRTIO_F_RING_RESET);
		if (!card.reset_reads)
			return card.reset_sticks;
		if (!--card.reset_reads)
			card.q[n].enabled = 0;
		return 1;
	default:
		card.breaches++;
		return 0;
	}
}

static uint16_t vector_taken(uint32_t v)
{
	bool refused = (card.refuse_queue_vectors && v != 0) || (card.refuse_vector_0 && v == 0);

	if (card.keep_queue_vectors && v == VIRTIO_MSI_NO_VECTOR)
		return 2;

	if (v != VIRTIO_MSI_NO_VECTOR && v >= FAKE_VIRTIO_VECTORS)
		card.breaches++;
	return refused ? VIRTIO_MSI_NO_VECTOR : (uint16_t)v;
}

static void half(uint64_t *at, bool high, uint32_t v)
{
	*at = high ? (*at & UINT32_MAX) | (uint64_t)v << 32 : (*at & ~(uint64_t)UINT32_MAX) | v;
}

static void queue_write(unsigned offset, uint32_t v)
{
	unsigned n = card.selected;

	if (offset == FIELD(queue_reset)) {
		card.breaches += v != 1 || !(card.accepted & VIRTIO_F_RING_RESET);
		card.reset_reads = 3;
		return;
	}
	if (n >= FAKE_VIRTIO_QUEUES || card.q[n].enabled) {
		card.breaches++;
		return;
	}
	switch (offset) {
	case FIELD(queue_size):
		card.breaches += !is_power_of_two(v);
		card.q[n].size = card.refuse_size ? card.q[n].size : (uint16_t)v;
		break;
	case FIELD(queue_msix_vector):
		card.q[n].vector = vector_taken(v);
		break;
	case FIELD(queue_enable):
		card.breaches += v != 1;
		card.q[n].enabled = card.refuse_enable ? 0 : 1;
		break;
	case FIELD(queue_desc_lo):
	case FIELD(queue_desc_hi):
		half(&card.q[n].desc, offset == FIELD(queue_desc_hi), v);
		break;
	case FIELD(queue_driver_lo):
	case FIELD(queue_driver_hi):
		half(&card.q[n].driver, offset == FIELD(queue_driver_hi), v);
		break;
	case FIELD(queue_device_lo):
	case FIELD(queue_device_hi):
		half(&card.q[n].device, offset == FIELD(queue_device_hi), v);
		break;
	default:
		card.breaches++;
	}
}

static void common_write(unsigned offset, uint32_t v)
{
	switch (offset) {
	case FIELD(device_feature_select):
		card.device_select = v;
		break;
	case FIELD(driver_feature_select):
		card.driver_select = v;
		break;
	case FIELD(driver_feature):
		half(&card.accepted, card.driver_select == 1, v);
		card.breaches += card.driver_select > 1;
		break;
	case FIELD(config_msix_vector):
		card.config_vector = vector_taken(v);
		break;
	case FIELD(device_status):
		card.status = (uint8_t)v;
		break;
	case FIELD(queue_select):
		card.selected = (uint16_t)v;
		break;
	default:
		queue_write(offset, v);
	}
}

static unsigned place(const volatile void *p, unsigned width)
{
	uintptr_t offset = (uintptr_t)p - (uintptr_t)dev_bar;

	cr_assert_lt(offset, FAKE_VIRTIO_BAR_BYTES, "an access outside of the BAR");
	if (offset < sizeof(struct virtio_pci_common_cfg) && width != field_bytes((unsigned)offset))
		card.breaches++;
	if (offset % width)
		card.breaches++;
	if (offset >= 0x2000 && offset < 0x3000)
		strcat(card.widths, width == 1 ? "1" : width == 2 ? "2" : "4");
	return (unsigned)offset;
}

uint32_t fake_virtio_read(const volatile void *p, unsigned width)
{
	unsigned offset = place(p, width);
	uint32_t v = 0;

	if (offset < 0x1000)
		return common_read(offset);
	if (offset == 0x1000) {
		v = card.isr;
		card.isr = 0;
		return v;
	}
	memcpy(&v, dev_bar + offset, width);
	return v;
}

void fake_virtio_write(volatile void *p, unsigned width, uint32_t v)
{
	unsigned offset = place(p, width);

	if (offset < 0x1000) {
		common_write(offset, v);
	} else if (offset >= 0x3000) {
		card.notified_at = offset;
		card.notified_value = v;
		card.notified_width = width;
	} else {
		memcpy(dev_bar + offset, &v, width);
	}
}

/* ---- the legacy half of it ---------------------------------------------------------------- */

bool fake_virtio_msix_is_on(void)
{
	return fake_pci_get16(dev_pci, cap_msix + PCI_MSIX_CONTROL) & PCI_MSIX_ENABLE;
}

static uint32_t config_at(uint32_t offset)
{
	return 0x2000 + offset - (fake_virtio_msix_is_on() ? 24 : 20);
}

static uint32_t port_in(uint32_t port, unsigned width)
{
	unsigned n = card.selected < FAKE_VIRTIO_QUEUES ? card.selected : 0;
	uint32_t offset = port - FAKE_VIRTIO_PORT, v = 0;

	if (offset >= (fake_virtio_msix_is_on() ? 24u : 20u)) {
		memcpy(&v, dev_bar + config_at(offset), width);
		return v;
	}
	switch (offset) {
	case VIRTIO_LEGACY_DEVICE_FEATURES:
		return (uint32_t)card.offered;
	case VIRTIO_LEGACY_QUEUE_PFN:
		return card.q[n].pfn;
	case VIRTIO_LEGACY_QUEUE_SIZE:
		return card.selected < FAKE_VIRTIO_QUEUES ? card.q[n].size : 0;
	case VIRTIO_LEGACY_STATUS:
		return card.status;
	case VIRTIO_LEGACY_ISR:
		v = card.isr;
		card.isr = 0;
		return v;
	case VIRTIO_LEGACY_CONFIG_VECTOR:
		return card.config_vector;
	case VIRTIO_LEGACY_QUEUE_VECTOR:
		return card.q[n].vector;
	default:
		card.breaches++;
		return 0;
	}
}

static void port_out(uint32_t port, unsigned width, uint32_t v)
{
	uint32_t offset = port - FAKE_VIRTIO_PORT;

	if (offset >= (fake_virtio_msix_is_on() ? 24u : 20u)) {
		memcpy(dev_bar + config_at(offset), &v, width);
		return;
	}
	switch (offset) {
	case VIRTIO_LEGACY_DRIVER_FEATURES:
		card.accepted = v;
		break;
	case VIRTIO_LEGACY_QUEUE_SELECT:
		card.selected = (uint16_t)v;
		break;
	case VIRTIO_LEGACY_QUEUE_PFN:
		card.q[card.selected].pfn = card.refuse_enable ? 0 : v;
		break;
	case VIRTIO_LEGACY_QUEUE_NOTIFY:
		card.notified_at = port;
		card.notified_value = v;
		card.notified_width = width;
		break;
	case VIRTIO_LEGACY_STATUS:
		card.status = (uint8_t)v;
		break;
	case VIRTIO_LEGACY_CONFIG_VECTOR:
		card.config_vector = vector_taken(v);
		break;
	case VIRTIO_LEGACY_QUEUE_VECTOR:
		card.q[card.selected].vector = vector_taken(v);
		break;
	default:
		card.breaches++;
	}
}

/* ---- on the bus --------------------------------------------------------------------------- */

void fake_virtio_start(void)
{
	fake_pci_start(true);
	dev_pci = fake_pci_add(NULL, 3, 0, 0x10411af4);
	dev_pci->config[PCI_REVISION] = 1;
	dev_pci->config[PCI_IRQ_LINE] = 11;
	dev_pci->config[PCI_IRQ_LINE + 1] = 1;
	dev_bar = aligned_alloc(FAKE_VIRTIO_BAR_BYTES, FAKE_VIRTIO_BAR_BYTES);
	dev_msix_table = aligned_alloc(4096, 4096);
	memset(dev_bar, 0, FAKE_VIRTIO_BAR_BYTES);
	memset(dev_msix_table, 0, 4096);
	fake_pci_bar(dev_pci, 4, (uintptr_t)dev_bar, FAKE_VIRTIO_BAR_BYTES,
	             PCI_BAR_TYPE_64 | PCI_BAR_PREFETCH);
	fake_pci_bar(dev_pci, 2, (uintptr_t)dev_msix_table, 4096, PCI_BAR_TYPE_64);
	fake_pci_bar(dev_pci, 0, FAKE_VIRTIO_PORT, 64, PCI_BAR_IS_IO);

	cap_msix = fake_pci_msix_cap(dev_pci, FAKE_VIRTIO_VECTORS, 2);
	cap_common = fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_COMMON_CFG, 4, 0, 0x1000);
	cap_isr = fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_ISR_CFG, 4, 0x1000, 0x1000);
	cap_device = fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_DEVICE_CFG, 4, 0x2000, 24);
	cap_notify = fake_pci_virtio_cap(dev_pci, VIRTIO_PCI_CAP_NOTIFY_CFG, 4, 0x3000, 0x1000);
	fake_pci_put32(dev_pci, cap_notify + 16, 4);

	card.nb_queues = FAKE_VIRTIO_QUEUES;
	for (unsigned i = 0; i < FAKE_VIRTIO_QUEUES; i++) {
		card.q[i].size = 256;
		card.q[i].notify_off = (uint16_t)i;
	}
	plat_test_io_read = port_in;
	plat_test_io_write = port_out;
}

void fake_virtio_make_legacy(void)
{
	fake_pci_put16(dev_pci, PCI_DEVICE_ID, 0x1000);
	dev_pci->config[PCI_REVISION] = 0;
	/* the list stays, with capabilities that nobody knows */
	dev_pci->config[cap_common] = dev_pci->config[cap_isr] = 0x7f;
	dev_pci->config[cap_device] = dev_pci->config[cap_notify] = 0x7f;
}

struct virtio_dev *fake_virtio_probe(void)
{
	cr_assert_eq(pci_scan(), 1);
	return virtio_pci_probe(pci_dev(0));
}

struct virtqueue fake_virtio_queue(struct virtio_dev *vd, uint16_t index, uint16_t nentries)
{
	struct virtqueue vq = {.vd = vd,
	                       .index = index,
	                       .nentries = nentries,
	                       .desc_iova = 0x123456000,
	                       .avail_iova = 0x223457000,
	                       .used_iova = 0x323458000};

	return vq;
}

void fake_virtio_finish(void)
{
	cr_expect_eq(card.breaches, 0, "%u breaches of the specification", card.breaches);
	cr_expect_eq(fake_pci_breaches, 0);
	free(dev_bar);
	free(dev_msix_table);
}
