/*
 * PCI: finding functions, their base address registers and capabilities. Configuration space is
 * reached through the platform's struct pci_host (ECAM, or mechanism #1 on x86_64).
 *
 *	pci_scan();
 *	for (unsigned i = 0; i < pci_count(); i++) { struct pci_dev *d = pci_dev(i); ... }
 *	regs = pci_bar_map(d, 4, offset, length);
 */
#ifndef KERNEL_PCI_H
#define KERNEL_PCI_H

#include "kernel/compiler.h"

#define PCI_DEVICES_MAX 320 /* 255 bridges, and what hangs on them */
#define PCI_BUSES 256
#define PCI_BARS 6
#define PCI_CAPS_MAX 48 /* (256 - 64) / 4: more in one list means a loop */

/* A range of addresses in which unassigned BARs may be placed. */
struct pci_window {
	uint64_t base; /* as the CPU sees it */
	uint64_t size; /* 0: no such window */
	uint64_t bus;  /* the same place as PCI sees it */
};

struct pci_dev;

struct pci_host {
	uint16_t segment;
	uint8_t bus_first, bus_last;
	bool firmware_assigned; /* bus numbers and BARs were set up before us */
	uint32_t (*read)(uint16_t bdf, unsigned offset, unsigned width);
	void (*write)(uint16_t bdf, unsigned offset, unsigned width, uint32_t value);
	/* The interrupt to which a function's pin is wired; NULL: its register says it. Bridges
	 * above the function are known when it is asked */
	unsigned (*intx_line)(const struct pci_dev *d);
	struct pci_window io, mem32, mem64;
	uint64_t
	    smmu; /* registers of an Arm SMMUv3 that the machine has; 0: none that is known of */
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_bar {
	enum pci_bar_kind kind;
	bool prefetchable;
	uint64_t addr; /* as the CPU sees it; a port number for PCI_BAR_IO */
	uint64_t size;
};

struct pci_dev {
	const struct pci_host *host;
	uint16_t bdf; /* bus << 8 | device << 3 | function */
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint8_t revision, header_type, irq_pin;
	uint16_t irq_line; /* for plat_irq_intx() */
	bool sized;        /* are the BARs known? */
	struct pci_bar bar[PCI_BARS];
	char name[16]; /* "0000:00:03.0" */
};

/** pci_scan() - find every function behind the host bridge, bridges included, and size the BARs of
 * network controllers and IOMMUs. Unassigned BARs are assigned. Return: functions found,
 * 0..PCI_DEVICES_MAX */
unsigned pci_scan(void);
unsigned pci_count(void);
struct pci_dev *pci_dev(unsigned i);

/** pci_rescan_step() - look at one more slot for a card that was plugged in since, and tell of it;
 * to be called some times a second */
void pci_rescan_step(void);

/** pci_bridge_of() - the bridge that leads to @bus, NULL for a root bus */
struct pci_dev *pci_bridge_of(uint8_t bus);

/** pci_size() - find out the BARs of a function that pci_scan() did not size; to be called before
 * any other function that is about BARs */
void pci_size(struct pci_dev *d);

uint8_t pci_read8(const struct pci_dev *d, unsigned offset);
uint16_t pci_read16(const struct pci_dev *d, unsigned offset);
uint32_t pci_read32(const struct pci_dev *d, unsigned offset);
void pci_write8(const struct pci_dev *d, unsigned offset, uint8_t v);
void pci_write16(const struct pci_dev *d, unsigned offset, uint16_t v);
void pci_write32(const struct pci_dev *d, unsigned offset, uint32_t v);

/** pci_requester() - who writes, as the host sees it: behind bridges to conventional PCI the bridge
 * speaks for its devices (PCI Express to PCI bridge 1.0, 2.3) */
uint16_t pci_requester(const struct pci_dev *d);

/** pci_cap_next() - offset of the next capability with @id (0: any) behind @after (0: from the
 * start), 0 if there is none. Bounded: a list that loops ends after PCI_CAPS_MAX entries */
unsigned pci_cap_next(const struct pci_dev *d, uint8_t id, unsigned after);

/** pci_enable() - switch on memory and I/O decoding (not where a BAR has no address) and bus
 * mastering */
void pci_enable(const struct pci_dev *d);
/** pci_restore() - a function that lost its registers gets its BARs back, and is enabled */
void pci_restore(struct pci_dev *d);
/** pci_disable_master() - no more DMA from this function */
void pci_disable_master(const struct pci_dev *d);
void pci_intx_enable(const struct pci_dev *d, bool on);

/** pci_bar_map() - map @len bytes at @offset of a memory BAR; NULL when the BAR is absent, is I/O,
 * or is too small */
volatile void *pci_bar_map(const struct pci_dev *d, unsigned bar, uint64_t offset, uint64_t len);

#endif
