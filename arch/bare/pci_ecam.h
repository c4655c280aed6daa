/* PCI configuration space in memory: the two functions of struct pci_host. */
#ifndef ARCH_BARE_PCI_ECAM_H
#define ARCH_BARE_PCI_ECAM_H

#include "kernel/compiler.h"

#define ECAM_BUS_SHIFT 20 /* bytes of a bus */

/** ecam_init() - say where it is; @base is that of bus 0 even if the first bus is another */
void ecam_init(uint64_t base, uint8_t bus_first, uint8_t bus_last);

uint32_t ecam_read(uint16_t bdf, unsigned offset, unsigned width);
void ecam_write(uint16_t bdf, unsigned offset, unsigned width, uint32_t value);

/** pci_all_ones() - what a read gives where nobody answers */
static inline uint32_t pci_all_ones(unsigned width)
{
	return width == 4 ? UINT32_MAX : (1u << 8 * width) - 1;
}

/** pci_access_valid() - registers are read and written as a whole: aligned to their width */
static inline bool pci_access_valid(unsigned offset, unsigned width, unsigned size)
{
	return (width == 1 || width == 2 || width == 4) && offset % width == 0 &&
	       offset <= size - width;
}

#endif
