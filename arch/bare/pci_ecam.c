/*
 * PCI configuration space in memory (ECAM, PCI Express 3.0, 7.2.2). A bus takes 1 MiB and is mapped
 * when it is first looked at, so page tables are spent on buses in use.
 */
#include "arch/bare/pci_ecam.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/pci.h"
#include "kernel/plat.h"

#define ECAM_FUNCTION_SHIFT 12
#define ECAM_FUNCTION_BYTES 4096

static struct {
	uint64_t base;
	unsigned bus_first, bus_last;
	volatile uint8_t *at[PCI_BUSES];
	bool failed[PCI_BUSES];
} area;

void ecam_init(uint64_t base, uint8_t bus_first, uint8_t bus_last)
{
	area.base = base;
	area.bus_first = bus_first;
	area.bus_last = bus_last;
}

static volatile uint8_t *ecam_bus(unsigned bus)
{
	if (bus < area.bus_first || bus > area.bus_last)
		return NULL;
	if (!area.at[bus] && !area.failed[bus]) {
		/* the base is that of bus 0, whatever the first bus is */
		area.at[bus] = plat_mmio_map(area.base + ((uint64_t)bus << ECAM_BUS_SHIFT),
		                             1u << ECAM_BUS_SHIFT);
		area.failed[bus] = !area.at[bus];
		if (area.failed[bus])
			log_warn("pci", "configuration space of bus %u cannot be mapped", bus);
	}
	return area.at[bus];
}

static volatile uint8_t *ecam_at(uint16_t bdf, unsigned offset, unsigned width)
{
	volatile uint8_t *bus = ecam_bus(bdf >> 8);

	if (!bus || !pci_access_valid(offset, width, ECAM_FUNCTION_BYTES))
		return NULL;
	return bus + ((bdf & 0xffu) << ECAM_FUNCTION_SHIFT) + offset;
}

uint32_t ecam_read(uint16_t bdf, unsigned offset, unsigned width)
{
	volatile uint8_t *p = ecam_at(bdf, offset, width);

	return p ? mmio_read_width(p, width) : pci_all_ones(width);
}

void ecam_write(uint16_t bdf, unsigned offset, unsigned width, uint32_t value)
{
	volatile uint8_t *p = ecam_at(bdf, offset, width);

	if (p)
		mmio_write_width(p, width, value);
}
