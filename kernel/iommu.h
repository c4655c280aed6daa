/*
 * IOMMUs: what devices write to memory goes through one, if there is one. This kernel programs
 * none. As they are found they let everything through, address for address, unless firmware or a
 * boot loader has left them on, or the machine is made so that they block.
 */
#ifndef KERNEL_IOMMU_H
#define KERNEL_IOMMU_H

#include "kernel/compiler.h"

/** iommu_in_the_way() - does one translate or block what PCI functions do? Return: its name, NULL
 * when none does that we know of; virtio-iommu is virtio_pci_iommu()'s business */
const char *iommu_in_the_way(void);

#endif
