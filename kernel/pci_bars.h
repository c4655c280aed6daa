/* Base address registers, for pci.c: what pci_scan() does with each function it found. */
#ifndef KERNEL_PCI_BARS_H
#define KERNEL_PCI_BARS_H

#include "kernel/pci.h"

/* A range of addresses as the CPU sees them, or of I/O ports. */
struct pci_range {
	uint64_t base, size; /* size 0: empty */
};

/* What a bridge forwards to its secondary bus. */
enum pci_bridge_window { PCI_WINDOW_IO, PCI_WINDOW_MEM, PCI_WINDOW_PREF, PCI_WINDOWS };

/** pci_bar_set() - write a BAR's address, with decoding of the function off meanwhile */
void pci_bar_set(struct pci_dev *d, unsigned i, uint64_t addr);

/** pci_bars_assigned() - does every I/O (or every memory) BAR of @d have an address? */
bool pci_bars_assigned(const struct pci_dev *d, bool io);

/** pci_bridge_range() - what a window of bridge @d forwards; empty when it is closed */
struct pci_range pci_bridge_range(const struct pci_dev *d, enum pci_bridge_window w);
/** pci_bridge_open() - make a window forward @r, aligned to 4 KiB (I/O) or 1 MiB; an empty @r
 * closes it */
void pci_bridge_open(const struct pci_dev *d, enum pci_bridge_window w, struct pci_range r);

/**
 * pci_assign() - give an address to every endpoint BAR that has none
 *
 * Places are looked for in the host's windows, behind a bridge in the bridge's, which are opened
 * where they were closed; nothing that is assigned is moved or overlapped. What does not fit stays
 * unassigned, with a warning.
 */
void pci_assign(void);

#endif
