/* Names of PCI classes, vendors and devices, as far as virtual machines have them. */
#ifndef KERNEL_PCI_NAMES_H
#define KERNEL_PCI_NAMES_H

#include "kernel/compiler.h"

/** pci_class_name() - of class << 8 | subclass, NULL when not in the table */
const char *pci_class_name(uint16_t class_code);
const char *pci_vendor_name(uint16_t vendor);
const char *pci_device_name(uint16_t vendor, uint16_t device);

#endif
