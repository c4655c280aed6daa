/*
 * PCI buses in memory: configuration spaces with read-only bits, BARs that can be sized, bridges
 * that forward what their bus numbers say. fake_pci_start() makes it the platform's PCI.
 */
#ifndef TESTS_UNIT_FAKE_PCI_H
#define TESTS_UNIT_FAKE_PCI_H

#include "kernel/pci.h"

#define FAKE_PCI_MAX 400

struct fake_pci {
	struct fake_pci *parent; /* the bridge it is behind; NULL: on root bus @bus */
	uint8_t bus, devfn;
	uint8_t config[256];
	uint8_t writable[256]; /* bits that writing changes */
	uint8_t cap_last;      /* where the last capability stands */
	unsigned cap_end;      /* first free byte behind it */
};

extern struct pci_host fake_pci_host;
extern unsigned fake_pci_reads;
extern unsigned fake_pci_breaches; /* a BAR changed while its function decoded */

/** fake_pci_start() - no functions; a host with @firmware_assigned and roomy windows */
void fake_pci_start(bool firmware_assigned);

/** fake_pci_add() - a function on root bus 0, or behind @parent */
struct fake_pci *fake_pci_add(struct fake_pci *parent, unsigned slot, unsigned fn, uint32_t ids);
/** fake_pci_bridge() - a bridge with its two bus numbers */
struct fake_pci *fake_pci_bridge(struct fake_pci *parent, unsigned slot, uint8_t secondary,
                                 uint8_t subordinate);

/** fake_pci_bar() - give it a BAR; @flags are the low bits of the register */
void fake_pci_bar(struct fake_pci *f, unsigned i, uint64_t addr, uint64_t size, uint32_t flags);

/** fake_pci_cap() - append a capability of @len bytes. Return: its offset */
unsigned fake_pci_cap(struct fake_pci *f, uint8_t id, unsigned len);

/** fake_pci_virtio_cap() - append a virtio capability. Return: its offset */
unsigned fake_pci_virtio_cap(struct fake_pci *f, uint8_t type, uint8_t bar, uint32_t offset,
                             uint32_t length);
/** fake_pci_msix_cap() - append an MSI-X capability, its table at the start of @bar */
unsigned fake_pci_msix_cap(struct fake_pci *f, unsigned nb_vectors, unsigned bar);

uint16_t fake_pci_get16(const struct fake_pci *f, unsigned offset);
uint32_t fake_pci_get32(const struct fake_pci *f, unsigned offset);
void fake_pci_put16(struct fake_pci *f, unsigned offset, uint16_t v);
void fake_pci_put32(struct fake_pci *f, unsigned offset, uint32_t v);

/** fake_pci_find() - the scanned function at @bdf, NULL when it was not found */
struct pci_dev *fake_pci_find(uint16_t bdf);

#endif
