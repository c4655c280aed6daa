/*
 * MSI-X (PCI 3.0, 6.8.2): the vector table of one function. Recipe:
 *
 *	n = msix_open(&mx, dev);			(vectors in the table; 0: none)
 *	msix_set(&mx, 0, config_irq, arg);		(reserve, program, unmask)
 *	msix_enable(&mx, true);
 */
#ifndef KERNEL_MSIX_H
#define KERNEL_MSIX_H

#include "kernel/pci.h"
#include "kernel/plat.h"

struct msix {
	const struct pci_dev *dev;
	unsigned cap; /* offset of the capability */
	unsigned nb_vectors;
	volatile uint32_t *table; /* four words a vector */
};

/** msix_open() - find and map the table, everything masked and disabled. Return: its number of
 * vectors, 0 when there is no usable MSI-X */
unsigned msix_open(struct msix *mx, const struct pci_dev *dev);

/** msix_set() - give entry @entry a handler and unmask it. Return: 0, -ERANGE, or plat_irq_msi()'s
 * error with the entry left masked */
int msix_set(struct msix *mx, unsigned entry, plat_irq_fn fn, void *arg);

/** msix_move() - let another lcore, which has started, take an entry that was set; it stays masked
 * or not. Return: 0, -ERANGE, or plat_irq_move()'s error, and then all is as it was */
int msix_move(struct msix *mx, unsigned entry, unsigned lcore);
/** msix_save() - what msix_set() wrote into an entry */
void msix_save(const struct msix *mx, unsigned entry, struct plat_msi *msg);

/** msix_restore() - write it again, and unmask the entry */
void msix_restore(struct msix *mx, unsigned entry, const struct plat_msi *msg);

void msix_mask(struct msix *mx, unsigned entry, bool masked);

/** msix_disable() - switch off the MSI-X of a function that was not opened, as firmware may have
 * left it on */
void msix_disable(const struct pci_dev *dev);

/** msix_enable() - switch the function between MSI-X and its interrupt pin */
void msix_enable(struct msix *mx, bool on);

#endif
