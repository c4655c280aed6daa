/*
 * PCI enumeration (PCI 3.0, 6.1 and 6.7; PCI-to-PCI bridge 1.2, 3.2). One walk finds every
 * function: root bus first, then the bus behind each bridge met. The table is in address order,
 * because ports are numbered by it.
 *
 * A configuration access costs about a microsecond in a virtual machine, so empty buses are not
 * looked at: a bus is scanned when a bridge leads to it. Expander host bridges (pxb) have root
 * buses of their own that no register names; they show as a further host bridge on the first
 * bus, and only then are all remaining buses looked at.
 *
 * Switching a function's decoding off and on to size its BARs costs a millisecond or two there,
 * so that is done at once for what this kernel may drive only, and for the others when asked.
 */
#include "kernel/pci.h"
#include "kernel/assert.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include "kernel/pci_bars.h"
#include "kernel/pci_regs.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define PCI_SLOTS 32
#define PCI_FUNCTIONS 8

/* in the order they were found; apart from the rest, which is cleared by each scan */
static struct pci_dev devices[PCI_DEVICES_MAX];

static struct {
	const struct pci_host *host;
	struct pci_dev *sorted[PCI_DEVICES_MAX]; /* by address */
	unsigned nb_devs;
	unsigned lost; /* found when the table was full */

	struct pci_dev *todo[PCI_DEVICES_MAX]; /* bridges whose bus was not scanned yet */
	unsigned nb_todo;
	struct pci_dev *bridge_of[PCI_BUSES];
	bool scanned[PCI_BUSES];
	unsigned nb_buses;
	uint8_t bus_max; /* highest number in use */
	bool numbering;  /* bus numbers are up to us */
} pci;

unsigned pci_count(void)
{
	return pci.nb_devs;
}

struct pci_dev *pci_dev(unsigned i)
{
	return i < pci.nb_devs ? pci.sorted[i] : NULL;
}

struct pci_dev *pci_bridge_of(uint8_t bus)
{
	return pci.bridge_of[bus];
}

/* ---- configuration space ------------------------------------------------------------------ */

uint8_t pci_read8(const struct pci_dev *d, unsigned offset)
{
	return (uint8_t)d->host->read(d->bdf, offset, 1);
}

uint16_t pci_read16(const struct pci_dev *d, unsigned offset)
{
	return (uint16_t)d->host->read(d->bdf, offset, 2);
}

uint32_t pci_read32(const struct pci_dev *d, unsigned offset)
{
	return d->host->read(d->bdf, offset, 4);
}

void pci_write8(const struct pci_dev *d, unsigned offset, uint8_t v)
{
	d->host->write(d->bdf, offset, 1, v);
}

void pci_write16(const struct pci_dev *d, unsigned offset, uint16_t v)
{
	d->host->write(d->bdf, offset, 2, v);
}

void pci_write32(const struct pci_dev *d, unsigned offset, uint32_t v)
{
	d->host->write(d->bdf, offset, 4, v);
}

unsigned pci_cap_next(const struct pci_dev *d, uint8_t id, unsigned after)
{
	bool behind = after == 0;
	uint64_t seen = 0; /* a bit for each place where a capability can start */
	unsigned at;

	if (!(pci_read16(d, PCI_STATUS) & PCI_STATUS_CAPS))
		return 0;

	/* always from the start: only so is a list that loops noticed by a caller's loop too */
	at = pci_read8(d, PCI_CAP_POINTER) & ~3u;
	for (unsigned n = 0; n < PCI_CAPS_MAX && at >= PCI_HEADER_BYTES; n++) {
		uint16_t head = pci_read16(d, at);

		if (seen & 1ull << at / 4)
			return 0;
		seen |= 1ull << at / 4;
		if (behind && (id == PCI_CAP_ID_ANY || (head & 0xff) == id))
			return at;
		behind |= at == after;
		at = head >> 8 & ~3u;
	}
	return 0;
}

static void command_change(const struct pci_dev *d, uint16_t clear, uint16_t set)
{
	uint16_t old = pci_read16(d, PCI_COMMAND);
	uint16_t new = (uint16_t)((old & ~clear) | set);

	if (new != old)
		pci_write16(d, PCI_COMMAND, new);
}

void pci_enable(const struct pci_dev *d)
{
	uint16_t set = PCI_COMMAND_MASTER;

	assert(d->sized);

	/* an unassigned BAR would answer at address 0 */
	if (pci_bars_assigned(d, true))
		set |= PCI_COMMAND_IO;
	if (pci_bars_assigned(d, false))
		set |= PCI_COMMAND_MEM;
	command_change(d, 0, set);
}

void pci_restore(struct pci_dev *d)
{
	for (unsigned i = 0; i < PCI_BARS; i++) {
		if (d->bar[i].kind != PCI_BAR_NONE && d->bar[i].addr)
			pci_bar_set(d, i, d->bar[i].addr);
	}
	pci_enable(d);
}

void pci_disable_master(const struct pci_dev *d)
{
	command_change(d, PCI_COMMAND_MASTER, 0);
}

void pci_intx_enable(const struct pci_dev *d, bool on)
{
	command_change(d, PCI_COMMAND_INTX_OFF, on ? 0 : PCI_COMMAND_INTX_OFF);
}

volatile void *pci_bar_map(const struct pci_dev *d, unsigned bar, uint64_t offset, uint64_t len)
{
	const struct pci_bar *b;

	assert(d->sized);
	if (bar >= PCI_BARS)
		return NULL;
	b = &d->bar[bar];
	if (b->kind != PCI_BAR_MEM32 && b->kind != PCI_BAR_MEM64)
		return NULL;
	if (!pci_bars_assigned(d, false))
		return NULL;
	if (len == 0 || len > b->size || offset > b->size - len)
		return NULL;
	return plat_mmio_map(b->addr + offset, len);
}

/* ---- the walk ----------------------------------------------------------------------------- */

static void table_insert(struct pci_dev *d)
{
	unsigned i = pci.nb_devs++;

	for (; i > 0 && pci.sorted[i - 1]->bdf > d->bdf; i--)
		pci.sorted[i] = pci.sorted[i - 1];
	pci.sorted[i] = d;
}

static void header_read(struct pci_dev *d, uint32_t ids)
{
	uint32_t class = pci_read32(d, PCI_REVISION);
	uint32_t irq = pci_read32(d, PCI_IRQ_LINE);

	d->vendor = (uint16_t)ids;
	d->device = (uint16_t)(ids >> 16);
	d->revision = (uint8_t) class;
	d->class_code = class >> 8;
	d->header_type = pci_read8(d, PCI_HEADER_TYPE);
	d->irq_line = (uint8_t)irq;
	d->irq_pin = (uint8_t)(irq >> 8);
	if (d->host->intx_line)
		d->irq_line = (uint16_t)d->host->intx_line(d);
	if ((d->header_type & PCI_HEADER_KIND) == PCI_HEADER_ENDPOINT) {
		uint32_t sub = pci_read32(d, PCI_SUBSYSTEM);

		d->subvendor = (uint16_t)sub;
		d->subdevice = (uint16_t)(sub >> 16);
	}
	fmt_buf(d->name, sizeof(d->name), "%04x:%02x:%02x.%x", d->host->segment, d->bdf >> 8,
	        d->bdf >> 3 & 0x1f, d->bdf & 7);
}

/* Return: the function's entry, NULL when nobody answers (or the table is full). */
static struct pci_dev *function_probe(uint16_t bdf)
{
	uint32_t ids = pci.host->read(bdf, PCI_VENDOR_ID, 4);
	struct pci_dev *d;

	if ((ids & 0xffff) == 0xffff || (ids & 0xffff) == 0)
		return NULL;
	if (pci.nb_devs == PCI_DEVICES_MAX) {
		pci.lost++;
		return NULL;
	}

	d = &devices[pci.nb_devs];
	memset(d, 0, sizeof(*d));
	d->host = pci.host;
	d->bdf = bdf;
	header_read(d, ids);
	table_insert(d);
	if ((d->header_type & PCI_HEADER_KIND) == PCI_HEADER_BRIDGE)
		pci.todo[pci.nb_todo++] = d;
	return d;
}

static void slot_scan(uint8_t bus, unsigned slot)
{
	uint16_t bdf = (uint16_t)((unsigned)bus << 8 | slot << 3);
	const struct pci_dev *d = function_probe(bdf);

	if (!d || !(d->header_type & PCI_HEADER_MULTI))
		return;
	for (unsigned fn = 1; fn < PCI_FUNCTIONS; fn++)
		function_probe((uint16_t)(bdf | fn));
}

#define PORT_CONVENTIONAL 0x100 /* no port of PCI Express */

/* Which kind of port of PCI Express a bridge is. */
static unsigned port_kind(const struct pci_dev *bridge)
{
	unsigned cap = pci_cap_next(bridge, PCI_CAP_ID_EXPRESS, 0);

	return cap ? PCI_EXPRESS_PORT(pci_read16(bridge, cap + PCI_EXPRESS_FLAGS))
	           : PORT_CONVENTIONAL;
}

/* A PCI Express link has one device at its far end, so the other 31 slots need no look. */
static bool is_link(const struct pci_dev *bridge)
{
	unsigned port = port_kind(bridge);

	return port == PCI_EXPRESS_ROOT_PORT || port == PCI_EXPRESS_DOWNSTREAM;
}

uint16_t pci_requester(const struct pci_dev *d)
{
	uint16_t requester = d->bdf;

	for (unsigned n = 0; n < PCI_BUSES; n++) {
		const struct pci_dev *up = pci.bridge_of[d->bdf >> 8];

		if (!up)
			break;
		switch (port_kind(up)) {
		case PORT_CONVENTIONAL:
			requester = up->bdf;
			break;
		case PCI_EXPRESS_TO_PCI:
			requester = (uint16_t)(d->bdf & 0xff00);
			break;
		default:
			break;
		}
		d = up;
	}
	return requester;
}

static void bus_scan(uint8_t bus)
{
	const struct pci_dev *bridge = pci.bridge_of[bus];
	unsigned slots = bridge && is_link(bridge) ? 1 : PCI_SLOTS;

	pci.scanned[bus] = true;
	pci.nb_buses++;
	for (unsigned slot = 0; slot < slots; slot++)
		slot_scan(bus, slot);
}

/*
 * Number the bus behind a bridge, and let every bridge above forward it. Bridges are taken
 * depth first, so a bridge's buses stay one range. Return: the number, 0 when there is none left.
 */
static uint8_t bridge_number(const struct pci_dev *bridge)
{
	const struct pci_dev *up = bridge;
	uint8_t bus;

	if (pci.bus_max == pci.host->bus_last)
		return 0;
	bus = ++pci.bus_max;
	pci_write8(bridge, PCI_PRIMARY_BUS, (uint8_t)(bridge->bdf >> 8));
	pci_write8(bridge, PCI_SECONDARY_BUS, bus);
	for (unsigned n = 0; n < PCI_BUSES && up; n++) {
		pci_write8(up, PCI_SUBORDINATE_BUS, bus);
		up = pci.bridge_of[up->bdf >> 8];
	}
	return bus;
}

static void bridge_follow(struct pci_dev *bridge)
{
	uint8_t bus = pci.numbering ? bridge_number(bridge) : pci_read8(bridge, PCI_SECONDARY_BUS);

	if (bus <= pci.host->bus_first || bus > pci.host->bus_last || pci.scanned[bus]) {
		log_warn("pci",
		         "%s: bridge leads to bus %u, which is %s: nothing behind it is used",
		         bridge->name, bus,
		         pci.scanned[bus] ? "another bridge's" : "no bus of this machine");
		return;
	}
	pci.bridge_of[bus] = bridge;
	bus_scan(bus);
}

/* Small firmware (qboot) leaves every bridge as it comes out of reset: leading nowhere. */
static bool bridges_unnumbered(void)
{
	for (unsigned i = 0; i < pci.nb_todo; i++)
		if (pci_read8(pci.todo[i], PCI_SECONDARY_BUS))
			return false;
	return pci.nb_todo > 0;
}

static void tree_scan(uint8_t root)
{
	bus_scan(root);
	if (bridges_unnumbered())
		pci.numbering = true;
	/* ends: each function is put on the list once, when it is found */
	while (pci.nb_todo)
		bridge_follow(pci.todo[--pci.nb_todo]);
}

static bool has_expander(void)
{
	for (unsigned i = 0; i < pci.nb_devs; i++) {
		const struct pci_dev *d = pci.sorted[i];

		if (d->bdf >> 8 == pci.host->bus_first && (d->bdf & 0xff) != 0 &&
		    d->class_code >> 8 == PCI_CLASS_BRIDGE_HOST)
			return true;
	}
	return false;
}

unsigned pci_scan(void)
{
	memset(&pci, 0, sizeof(pci));
	pci.host = plat_pci_host();
	if (!pci.host)
		return 0;

	pci.bus_max = pci.host->bus_first;
	pci.numbering = !pci.host->firmware_assigned;
	tree_scan(pci.host->bus_first);
	if (!pci.numbering && has_expander()) {
		for (unsigned bus = pci.host->bus_first; bus <= pci.host->bus_last; bus++)
			if (!pci.scanned[bus])
				tree_scan((uint8_t)bus);
	}

	for (unsigned i = 0; i < pci.nb_devs; i++) {
		if (pci.sorted[i]->class_code >> 16 == PCI_CLASS_NETWORK ||
		    pci.sorted[i]->class_code >> 8 == PCI_CLASS_IOMMU)
			pci_size(pci.sorted[i]);
	}
	pci_assign();

	if (pci.lost)
		log_warn("pci", "more than %u functions: %u are ignored, remove some devices",
		         PCI_DEVICES_MAX, pci.lost);
	log_info("pci", "%u functions on %u of buses %u-%u", pci.nb_devs, pci.nb_buses,
	         pci.host->bus_first, pci.host->bus_last);
	return pci.nb_devs;
}
