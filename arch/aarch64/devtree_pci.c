/*
 * The PCI host bridge of a device tree (IEEE 1275 PCI bus binding 2.1; pci-host-ecam-generic):
 * where ECAM and the windows are, and how interrupt pins and messages are wired.
 */
#include "arch/aarch64/libfdt_env.h"

#include "arch/aarch64/devtree.h"
#include "arch/bare/pci_ecam.h"
#include <libfdt.h>

#define RANGES_MAX 32
#define PCI_ADDRESS_CELLS 3
#define PCI_SIZE_CELLS 2
#define INTERRUPT_CELLS_MAX 4

/* the first cell of a PCI address */
#define SPACE_SHIFT 24
#define SPACE_MASK 3
#define SPACE_IO 1
#define SPACE_MEM32 2
#define SPACE_MEM64 3
#define ADDRESS_BDF 0xffff00u

/* an interrupt of the GIC's binding: kind, number, trigger */
#define GIC_SPI 0
#define GIC_SPI_FIRST 32
#define GIC_INTERRUPT_CELLS 3
#define GIC_LEVEL_HIGH 4

#define GIB4 (1ull << 32)
#define IO_BYTES_MAX 0x10000u /* what an I/O BAR can hold is more than anybody needs */

/* A 64-bit space below 4 GiB is as good as a 32-bit one. */
static void add_window(struct pci_info *pci, uint32_t space, struct pci_window w)
{
	struct pci_window *to = space == SPACE_IO                                ? &pci->io
	                        : space == SPACE_MEM32 || w.bus + w.size <= GIB4 ? &pci->mem32
	                                                                         : &pci->mem64;

	if (space == SPACE_IO)
		w.size = min_u64(w.size, IO_BYTES_MAX);
	if (space && w.size > to->size && w.bus + w.size > w.bus && w.base + w.size > w.base)
		*to = w;
}

static void read_ranges(const void *fdt, int node, struct pci_info *pci)
{
	const int parent = fdt_parent_offset(fdt, node);
	const uint32_t parent_cells = devtree_u32(fdt, parent, "#address-cells", 2);
	struct cells c = devtree_cells(fdt, node, "ranges");

	if (parent_cells < 1 || parent_cells > 2)
		return;
	for (unsigned i = 0; i < RANGES_MAX; i++) {
		struct pci_window w;
		uint32_t space;

		if (c.nb < PCI_ADDRESS_CELLS + parent_cells + PCI_SIZE_CELLS)
			return;
		space = (uint32_t)cells_take(&c, 1) >> SPACE_SHIFT & SPACE_MASK;
		w.bus = cells_take(&c, 2);
		w.base = cells_take(&c, parent_cells);
		w.size = cells_take(&c, PCI_SIZE_CELLS);
		add_window(pci, space, w);
	}
}

static void read_msi_map(const void *fdt, int node, struct pci_info *pci)
{
	struct cells c = devtree_cells(fdt, node, "msi-map");
	const uint32_t parent = devtree_u32(fdt, node, "msi-parent", 0);

	while (c.nb >= 4 && pci->nb_msi < PCI_MSI_MAPS_MAX) {
		struct pci_msi_map *m = &pci->msi[pci->nb_msi++];

		m->rid = (uint32_t)cells_take(&c, 1);
		m->phandle = (uint32_t)cells_take(&c, 1);
		m->id = (uint32_t)cells_take(&c, 1);
		m->count = (uint32_t)cells_take(&c, 1);
	}
	if (!pci->nb_msi && parent)
		pci->msi[pci->nb_msi++] =
		    (struct pci_msi_map){.rid = 0, .phandle = parent, .id = 0, .count = 0x10000};
}

/* Return: was there an entry? */
static bool intx_entry(const void *fdt, struct cells *c, struct pci_info *pci)
{
	struct pci_intx_map m;
	uint32_t address_cells, interrupt_cells;
	uint64_t kind, number, flags;
	int controller;

	if (c->nb < PCI_ADDRESS_CELLS + 2)
		return false;
	m.address = (uint32_t)cells_take(c, 1) & ADDRESS_BDF;
	cells_take(c, 2);
	m.pin = (uint32_t)cells_take(c, 1);
	controller = fdt_node_offset_by_phandle(fdt, (uint32_t)cells_take(c, 1));
	if (controller < 0)
		return false;
	address_cells = devtree_u32(fdt, controller, "#address-cells", 0);
	interrupt_cells = devtree_u32(fdt, controller, "#interrupt-cells", 0);
	if (address_cells > PCI_ADDRESS_CELLS || interrupt_cells < GIC_INTERRUPT_CELLS ||
	    interrupt_cells > INTERRUPT_CELLS_MAX || c->nb < address_cells + interrupt_cells)
		return false;
	cells_take(c, address_cells);
	kind = cells_take(c, 1);
	number = cells_take(c, 1);
	flags = cells_take(c, 1);
	cells_take(c, interrupt_cells - GIC_INTERRUPT_CELLS);

	m.intid = (unsigned)number + GIC_SPI_FIRST;
	m.level = flags & GIC_LEVEL_HIGH;
	if (kind == GIC_SPI && number < 1020 - GIC_SPI_FIRST)
		pci->intx[pci->nb_intx++] = m;
	return true;
}

static void read_intx_map(const void *fdt, int node, struct pci_info *pci)
{
	struct cells mask = devtree_cells(fdt, node, "interrupt-map-mask");
	struct cells map = devtree_cells(fdt, node, "interrupt-map");

	if (mask.nb < PCI_ADDRESS_CELLS + 1)
		return;
	pci->intx_address_mask = (uint32_t)cells_take(&mask, 1) & ADDRESS_BDF;
	cells_take(&mask, 2);
	pci->intx_pin_mask = (uint32_t)cells_take(&mask, 1);
	while (pci->nb_intx < PCI_INTX_MAPS_MAX && intx_entry(fdt, &map, pci))
		;
}

void devtree_pci(const void *fdt, struct pci_info *pci)
{
	const int node = fdt_node_offset_by_compatible(fdt, -1, "pci-host-ecam-generic");
	struct machine_range ecam;
	struct cells buses;
	uint64_t first = 0, last;

	if (node < 0)
		return;
	ecam = devtree_reg(fdt, node, 0);
	last = ecam.bytes >> ECAM_BUS_SHIFT;
	if (!last)
		return;
	last = min_u64(last, PCI_BUSES) - 1;
	buses = devtree_cells(fdt, node, "bus-range");
	if (buses.nb >= 2) {
		first = cells_take(&buses, 1);
		last = min_u64(cells_take(&buses, 1), first + last);
	}
	if (first > last || last >= PCI_BUSES || ecam.base < first << ECAM_BUS_SHIFT)
		return;
	pci->present = true;
	pci->bus_first = (uint8_t)first;
	pci->bus_last = (uint8_t)last;
	/* the tree's is that of the first bus */
	pci->ecam = ecam.base - (first << ECAM_BUS_SHIFT);
	read_ranges(fdt, node, pci);
	read_msi_map(fdt, node, pci);
	read_intx_map(fdt, node, pci);
}
