/*
 * Cards that were plugged in since pci_scan(): they are told of, once. One slot is looked at in
 * each call, so that nobody waits for a whole bus.
 */
#include "kernel/log.h"
#include "kernel/pci.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_slot.h"

#define SLOTS 32

static struct {
	unsigned at; /* 0: the root bus, i + 1: behind function i, if that is a bridge */
	unsigned slot;
	uint32_t told[PCI_BUSES]; /* of a bus: slots */
} rescan;

static bool is_known(uint16_t bdf)
{
	for (unsigned i = 0; i < pci_count(); i++) {
		if (pci_dev(i)->bdf >> 3 == bdf >> 3)
			return true;
	}
	return false;
}

static void look(const struct pci_dev *d)
{
	const uint8_t bus = (uint8_t)(d->bdf >> 8);
	const unsigned slot = d->bdf >> 3 & (SLOTS - 1);

	if (is_known(d->bdf) || (rescan.told[bus] & 1u << slot))
		return;
	/* one without power does not answer; behind a port of PCI Express there is slot 0 only */
	if (pci_read16(d, PCI_VENDOR_ID) == 0xffff && (slot || !pci_slot_waits(d)))
		return;
	rescan.told[bus] |= 1u << slot;
	log_warn(
	    "pci",
	    "%04x:%02x:%02x.0: a card was plugged in: ports are made at the start, so it is not "
	    "used; restart the machine to use it, or plug it in where a port lost its card",
	    d->host->segment, bus, slot);
}

/* The bus to look at now; false: there is none. */
static bool bus_at(unsigned at, uint8_t *bus)
{
	const struct pci_dev *d = at ? pci_dev(at - 1) : pci_dev(0);

	if (!at) {
		*bus = d->host->bus_first;
		return true;
	}
	if ((d->header_type & PCI_HEADER_KIND) != PCI_HEADER_BRIDGE)
		return false;
	*bus = pci_read8(d, PCI_SECONDARY_BUS);
	return pci_bridge_of(*bus) == d;
}

void pci_rescan_step(void)
{
	uint8_t bus;

	if (!pci_count())
		return;
	if (rescan.slot == SLOTS || !bus_at(rescan.at, &bus)) {
		rescan.slot = 0;
		rescan.at = rescan.at < pci_count() ? rescan.at + 1 : 0;
		return;
	}

	const struct pci_dev d = {.host = pci_dev(0)->host,
	                          .bdf = (uint16_t)((unsigned)bus << 8 | rescan.slot << 3)};

	rescan.slot++;
	look(&d);
}
