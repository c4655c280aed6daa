/*
 * Base address registers and bridge windows (PCI 3.0, 6.2.5; PCI-to-PCI bridge 1.2, 3.2.5): the
 * codec between the registers and struct pci_bar. A BAR's size is found by writing ones and
 * looking at what stays 0; decoding is off while the register holds that pattern, or the device
 * would answer at a place where something else lives. Host bridges are left alone.
 */
#include "kernel/pci_bars.h"
#include "kernel/pci_regs.h"

#define MIB 0x100000ull

static const struct pci_window *window_find(const struct pci_dev *d, uint64_t bus_addr)
{
	const struct pci_window *mem32 = &d->host->mem32, *mem64 = &d->host->mem64;

	if (bus_addr - mem32->bus < mem32->size)
		return mem32;
	if (bus_addr - mem64->bus < mem64->size)
		return mem64;
	return NULL;
}

/* Addresses outside of both windows are taken as they are. */
static uint64_t bus_to_cpu(const struct pci_dev *d, uint64_t addr)
{
	const struct pci_window *w = window_find(d, addr);

	return w ? addr - w->bus + w->base : addr;
}

static uint64_t cpu_to_bus(const struct pci_dev *d, uint64_t addr)
{
	const struct pci_window *mem32 = &d->host->mem32, *mem64 = &d->host->mem64;

	if (addr - mem32->base < mem32->size)
		return addr - mem32->base + mem32->bus;
	if (addr - mem64->base < mem64->size)
		return addr - mem64->base + mem64->bus;
	return addr;
}

/* ---- sizing ------------------------------------------------------------------------------- */

/* What stays of all ones; the register gets @old back. */
static uint32_t register_probe(const struct pci_dev *d, unsigned offset, uint32_t old)
{
	uint32_t got;

	pci_write32(d, offset, 0xffffffff);
	got = pci_read32(d, offset);
	pci_write32(d, offset, old);
	return got;
}

/* Return: the number of registers that BAR @i takes. */
static unsigned bar_read(struct pci_dev *d, unsigned i, unsigned nb_bars)
{
	unsigned offset = PCI_BAR0 + 4 * i;
	struct pci_bar *b = &d->bar[i];
	uint32_t low = pci_read32(d, offset);
	uint32_t mask_low = register_probe(d, offset, low);
	uint64_t mask = mask_low & ~PCI_BAR_MEM_FLAGS, addr = low & ~PCI_BAR_MEM_FLAGS;
	bool wide = (mask_low & (PCI_BAR_TYPE | PCI_BAR_IS_IO)) == PCI_BAR_TYPE_64;

	if (mask_low == 0 || mask_low == 0xffffffff)
		return 1;
	if (mask_low & PCI_BAR_IS_IO) {
		mask = mask_low & ~PCI_BAR_IO_FLAGS;
		b->kind = PCI_BAR_IO;
		b->addr = low & ~PCI_BAR_IO_FLAGS;
		b->size = mask & -mask;
		return 1;
	}
	if (wide && i + 1 < nb_bars) {
		uint32_t high = pci_read32(d, offset + 4);

		mask |= (uint64_t)register_probe(d, offset + 4, high) << 32;
		addr |= (uint64_t)high << 32;
	} else if (wide) {
		return 1; /* its upper half would lie behind the last BAR */
	}

	/* the lowest bit that can be written is the size; upper ones may be fixed */
	b->size = mask & -mask;
	b->kind = b->size == 0 ? PCI_BAR_NONE : wide ? PCI_BAR_MEM64 : PCI_BAR_MEM32;
	b->prefetchable = mask_low & PCI_BAR_PREFETCH;
	b->addr = addr ? bus_to_cpu(d, addr) : 0;
	return wide ? 2 : 1;
}

static uint16_t decode_off(const struct pci_dev *d)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);
	uint16_t off = (uint16_t)(command & ~(PCI_COMMAND_IO | PCI_COMMAND_MEM));

	if (off != command)
		pci_write16(d, PCI_COMMAND, off);
	return command;
}

static void decode_restore(const struct pci_dev *d, uint16_t command)
{
	if (command & (PCI_COMMAND_IO | PCI_COMMAND_MEM))
		pci_write16(d, PCI_COMMAND, command);
}

static unsigned bars_count(const struct pci_dev *d)
{
	/* some host bridges decode main memory with their BARs */
	if (d->class_code >> 8 == PCI_CLASS_BRIDGE_HOST)
		return 0;
	switch (d->header_type & PCI_HEADER_KIND) {
	case PCI_HEADER_ENDPOINT:
		return PCI_BARS;
	case PCI_HEADER_BRIDGE:
		return PCI_BRIDGE_BARS;
	default:
		return 0;
	}
}

void pci_size(struct pci_dev *d)
{
	unsigned nb_bars = d->sized ? 0 : bars_count(d);
	uint16_t command;

	d->sized = true;
	if (!nb_bars)
		return;
	command = decode_off(d);
	for (unsigned i = 0; i < nb_bars;)
		i += bar_read(d, i, nb_bars);
	decode_restore(d, command);
}

bool pci_bars_assigned(const struct pci_dev *d, bool io)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &d->bar[i];

		if (b->kind != PCI_BAR_NONE && (b->kind == PCI_BAR_IO) == io && b->addr == 0)
			return false;
	}
	return true;
}

void pci_bar_set(struct pci_dev *d, unsigned i, uint64_t addr)
{
	unsigned offset = PCI_BAR0 + 4 * i;
	struct pci_bar *b = &d->bar[i];
	uint64_t value = b->kind == PCI_BAR_IO ? addr : cpu_to_bus(d, addr);
	uint16_t command = decode_off(d);

	pci_write32(d, offset, (uint32_t)value);
	if (b->kind == PCI_BAR_MEM64)
		pci_write32(d, offset + 4, (uint32_t)(value >> 32));
	decode_restore(d, command);
	b->addr = addr;
}

/* ---- bridge windows ----------------------------------------------------------------------- */

static struct pci_range range_of(uint64_t base, uint64_t last)
{
	struct pci_range r = {base, last > base ? last - base + 1 : 0};

	return r;
}

struct pci_range pci_bridge_range(const struct pci_dev *d, enum pci_bridge_window w)
{
	uint64_t base, last;

	if (w == PCI_WINDOW_IO) {
		uint8_t low = pci_read8(d, PCI_IO_BASE);

		base = (low & 0xf0u) << 8;
		last = (pci_read8(d, PCI_IO_LIMIT) & 0xf0u) << 8 | 0xfff;
		if (low & PCI_BRIDGE_WIDE) {
			base |= (uint64_t)pci_read16(d, PCI_IO_BASE_HI) << 16;
			last |= (uint64_t)pci_read16(d, PCI_IO_LIMIT_HI) << 16;
		}
		return range_of(base, last);
	}
	if (w == PCI_WINDOW_MEM) {
		base = (uint64_t)(pci_read16(d, PCI_MEM_BASE) & 0xfff0) << 16;
		last = (uint64_t)(pci_read16(d, PCI_MEM_LIMIT) & 0xfff0) << 16 | (MIB - 1);
	} else {
		uint16_t low = pci_read16(d, PCI_PREF_BASE);

		base = (uint64_t)(low & 0xfff0) << 16;
		last = (uint64_t)(pci_read16(d, PCI_PREF_LIMIT) & 0xfff0) << 16 | (MIB - 1);
		if (low & PCI_BRIDGE_WIDE) {
			base |= (uint64_t)pci_read32(d, PCI_PREF_BASE_HI) << 32;
			last |= (uint64_t)pci_read32(d, PCI_PREF_LIMIT_HI) << 32;
		}
	}
	if (last <= base)
		return range_of(0, 0);
	return range_of(bus_to_cpu(d, base), bus_to_cpu(d, base) + (last - base));
}

void pci_bridge_open(const struct pci_dev *d, enum pci_bridge_window w, struct pci_range r)
{
	uint64_t base = w == PCI_WINDOW_IO ? r.base : cpu_to_bus(d, r.base);
	uint64_t last = base + r.size - 1;

	if (r.size == 0) {
		base = UINT64_MAX; /* the first address above the last one: closed */
		last = 0;
	}
	switch (w) {
	case PCI_WINDOW_IO:
		pci_write16(d, PCI_IO_BASE_HI, (uint16_t)(base >> 16));
		pci_write16(d, PCI_IO_LIMIT_HI, (uint16_t)(last >> 16));
		pci_write8(d, PCI_IO_BASE, (uint8_t)(base >> 8));
		pci_write8(d, PCI_IO_LIMIT, (uint8_t)(last >> 8));
		break;
	case PCI_WINDOW_MEM:
		pci_write16(d, PCI_MEM_BASE, (uint16_t)(base >> 16));
		pci_write16(d, PCI_MEM_LIMIT, (uint16_t)(last >> 16));
		break;
	default:
		pci_write32(d, PCI_PREF_BASE_HI, (uint32_t)(base >> 32));
		pci_write32(d, PCI_PREF_LIMIT_HI, (uint32_t)(last >> 32));
		pci_write16(d, PCI_PREF_BASE, (uint16_t)(base >> 16));
		pci_write16(d, PCI_PREF_LIMIT, (uint16_t)(last >> 16));
		break;
	}
}
