/* PCI buses in memory, for the tests of everything that stands on kernel/pci.h. */
#include "tests/unit/fake_pci.h"
#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include <string.h>

struct pci_host fake_pci_host;
unsigned fake_pci_reads, fake_pci_breaches;
static struct fake_pci functions[FAKE_PCI_MAX];
static unsigned nb_functions;

static bool forwards(const struct fake_pci *bridge, uint8_t bus)
{
	return bridge->config[PCI_SECONDARY_BUS] <= bus &&
	       bus <= bridge->config[PCI_SUBORDINATE_BUS];
}

static bool answers(const struct fake_pci *f, uint16_t bdf)
{
	uint8_t bus = (uint8_t)(bdf >> 8);
	uint8_t own = f->parent ? f->parent->config[PCI_SECONDARY_BUS] : f->bus;

	if (f->devfn != (bdf & 0xff) || own != bus || (f->parent && own == 0))
		return false;
	for (const struct fake_pci *up = f->parent; up; up = up->parent)
		if (!forwards(up, bus))
			return false;
	return true;
}

static struct fake_pci *lookup(uint16_t bdf)
{
	for (unsigned i = 0; i < nb_functions; i++)
		if (answers(&functions[i], bdf))
			return &functions[i];
	return NULL;
}

static uint32_t bus_read(uint16_t bdf, unsigned offset, unsigned width)
{
	const struct fake_pci *f = lookup(bdf);
	uint32_t v = UINT32_MAX;

	fake_pci_reads++;
	if (f && offset % width == 0 && offset + width <= sizeof(f->config)) {
		v = 0;
		memcpy(&v, f->config + offset, width);
		return v;
	}
	return width == 4 ? v : v >> (32 - 8 * width);
}

static void bus_write(uint16_t bdf, unsigned offset, unsigned width, uint32_t value)
{
	struct fake_pci *f = lookup(bdf);

	if (!f || offset % width || offset + width > sizeof(f->config))
		return;
	if (offset >= PCI_BAR0 && offset < PCI_BAR0 + 4 * PCI_BARS && value == UINT32_MAX &&
	    f->config[PCI_COMMAND] & (PCI_COMMAND_IO | PCI_COMMAND_MEM))
		fake_pci_breaches++;
	for (unsigned i = 0; i < width; i++) {
		uint8_t mask = f->writable[offset + i], byte = (uint8_t)(value >> 8 * i);

		f->config[offset + i] = (uint8_t)((f->config[offset + i] & ~mask) | (byte & mask));
	}
}

void fake_pci_start(bool firmware_assigned)
{
	memset(functions, 0, sizeof(functions));
	nb_functions = 0;
	fake_pci_reads = 0;
	fake_pci_breaches = 0;
	fake_pci_host = (struct pci_host){
	    .bus_last = 255,
	    .firmware_assigned = firmware_assigned,
	    .read = bus_read,
	    .write = bus_write,
	    .io = {0x1000, 0xf000, 0x1000},
	    .mem32 = {0xc0000000, 0x20000000, 0xc0000000},
	    .mem64 = {0x8000000000, 0x1000000000, 0x8000000000},
	};
	plat_test_pci_host = &fake_pci_host;
}

struct fake_pci *fake_pci_add(struct fake_pci *parent, unsigned slot, unsigned fn, uint32_t ids)
{
	struct fake_pci *f = &functions[nb_functions++];

	f->parent = parent;
	f->devfn = (uint8_t)(slot << 3 | fn);
	f->cap_end = PCI_HEADER_BYTES;
	fake_pci_put32(f, PCI_VENDOR_ID, ids);
	fake_pci_put16(f, PCI_REVISION + 2, PCI_CLASS_NETWORK << 8);
	f->writable[PCI_COMMAND] = 0x47;
	f->writable[PCI_COMMAND + 1] = 0x05;
	return f;
}

struct fake_pci *fake_pci_bridge(struct fake_pci *parent, unsigned slot, uint8_t secondary,
                                 uint8_t subordinate)
{
	struct fake_pci *f = fake_pci_add(parent, slot, 0, 0x00011b36);

	f->config[PCI_HEADER_TYPE] = PCI_HEADER_BRIDGE;
	fake_pci_put16(f, PCI_REVISION + 2, PCI_CLASS_BRIDGE_PCI);
	f->config[PCI_SECONDARY_BUS] = secondary;
	f->config[PCI_SUBORDINATE_BUS] = subordinate;
	memset(f->writable + PCI_PRIMARY_BUS, 0xff, 3);
	memset(f->writable + PCI_IO_BASE, 0xf0, 2);
	f->config[PCI_PREF_BASE] = f->config[PCI_PREF_LIMIT] = PCI_BRIDGE_WIDE;
	for (unsigned i = PCI_MEM_BASE; i < PCI_PREF_BASE_HI; i++)
		f->writable[i] = i % 2 ? 0xff : 0xf0;
	memset(f->writable + PCI_PREF_BASE_HI, 0xff, 8);
	return f;
}

void fake_pci_bar(struct fake_pci *f, unsigned i, uint64_t addr, uint64_t size, uint32_t flags)
{
	unsigned offset = PCI_BAR0 + 4 * i;
	bool wide = (flags & (PCI_BAR_TYPE | PCI_BAR_IS_IO)) == PCI_BAR_TYPE_64;
	uint64_t mask = ~(size - 1);

	fake_pci_put32(f, offset, (uint32_t)addr | flags);
	for (unsigned n = 0; n < (wide ? 8u : 4u); n++) {
		f->config[offset + n] |= (uint8_t)(addr >> 8 * n);
		f->writable[offset + n] = (uint8_t)(mask >> 8 * n);
	}
}

unsigned fake_pci_cap(struct fake_pci *f, uint8_t id, unsigned len)
{
	unsigned at = f->cap_end;

	f->config[at] = id;
	f->config[f->cap_last ? f->cap_last + 1u : PCI_CAP_POINTER] = (uint8_t)at;
	f->config[PCI_STATUS] |= PCI_STATUS_CAPS;
	f->cap_last = (uint8_t)at;
	f->cap_end = (unsigned)align_up(at + len, 4);
	return at;
}

unsigned fake_pci_virtio_cap(struct fake_pci *f, uint8_t type, uint8_t bar, uint32_t offset,
                             uint32_t length)
{
	unsigned len = type == 2 ? 20 : 16, at = fake_pci_cap(f, PCI_CAP_ID_VENDOR, len);

	f->config[at + 2] = (uint8_t)len;
	f->config[at + 3] = type;
	f->config[at + 4] = bar;
	fake_pci_put32(f, at + 8, offset);
	fake_pci_put32(f, at + 12, length);
	return at;
}

unsigned fake_pci_msix_cap(struct fake_pci *f, unsigned nb_vectors, unsigned bar)
{
	unsigned at = fake_pci_cap(f, PCI_CAP_ID_MSIX, 12);

	fake_pci_put16(f, at + PCI_MSIX_CONTROL, (uint16_t)(nb_vectors - 1));
	f->writable[at + PCI_MSIX_CONTROL + 1] = 0xc0;
	fake_pci_put32(f, at + PCI_MSIX_TABLE, bar);
	fake_pci_put32(f, at + PCI_MSIX_PBA, 0x800 | bar);
	return at;
}

uint16_t fake_pci_get16(const struct fake_pci *f, unsigned offset)
{
	uint16_t v;

	memcpy(&v, f->config + offset, sizeof(v));
	return v;
}

uint32_t fake_pci_get32(const struct fake_pci *f, unsigned offset)
{
	uint32_t v;

	memcpy(&v, f->config + offset, sizeof(v));
	return v;
}

void fake_pci_put16(struct fake_pci *f, unsigned offset, uint16_t v)
{
	memcpy(f->config + offset, &v, sizeof(v));
}

void fake_pci_put32(struct fake_pci *f, unsigned offset, uint32_t v)
{
	memcpy(f->config + offset, &v, sizeof(v));
}

struct pci_dev *fake_pci_find(uint16_t bdf)
{
	for (unsigned i = 0; i < pci_count(); i++)
		if (pci_dev(i)->bdf == bdf)
			return pci_dev(i);
	return NULL;
}
