/*
 * Slots of PCI Express ports in which cards are changed while the machine runs (PCI Express 6.7.2):
 * polled. Who drives a function asks about its slot; functions elsewhere are in no slot.
 */
#ifndef KERNEL_PCI_SLOT_H
#define KERNEL_PCI_SLOT_H

#include "kernel/pci.h"

/** pci_slot_asked_out() - has somebody asked to take the function's card out, by the slot's button,
 * since this was asked last? */
bool pci_slot_asked_out(const struct pci_dev *d);

/** pci_slot_waits() - there is a card in the function's slot, without power */
bool pci_slot_waits(const struct pci_dev *d);

/** pci_slot_power() - switch the card on, or off, so that it may be taken out */
void pci_slot_power(const struct pci_dev *d, bool on);

#endif
