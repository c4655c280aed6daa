/*
 * Registers of the PCI configuration header (PCI 3.0, 6.1, 6.2, 6.7, 6.8.2; PCI-to-PCI bridge 1.2,
 * 3.2; PCI Express 7.5.3), as offsets and bits. Formats only.
 */
#ifndef KERNEL_PCI_REGS_H
#define KERNEL_PCI_REGS_H

#define PCI_VENDOR_ID 0x00
#define PCI_DEVICE_ID 0x02
#define PCI_COMMAND 0x04
#define PCI_STATUS 0x06
#define PCI_REVISION 0x08
#define PCI_CACHE_LINE 0x0c
#define PCI_LATENCY 0x0d
#define PCI_HEADER_TYPE 0x0e
#define PCI_BAR0 0x10
#define PCI_SUBSYSTEM 0x2c
#define PCI_ROM 0x30
#define PCI_CAP_POINTER 0x34
#define PCI_IRQ_LINE 0x3c
#define PCI_HEADER_BYTES 64
#define PCI_CONFIG_BYTES 256

#define PCI_COMMAND_IO 0x0001
#define PCI_COMMAND_MEM 0x0002
#define PCI_COMMAND_MASTER 0x0004
#define PCI_COMMAND_INTX_OFF 0x0400
#define PCI_STATUS_CAPS 0x0010

#define PCI_HEADER_MULTI 0x80
#define PCI_HEADER_KIND 0x7f
#define PCI_HEADER_ENDPOINT 0
#define PCI_HEADER_BRIDGE 1

#define PCI_BAR_IS_IO 0x1
#define PCI_BAR_TYPE 0x6
#define PCI_BAR_TYPE_64 0x4
#define PCI_BAR_PREFETCH 0x8
#define PCI_BAR_IO_FLAGS 0x3u
#define PCI_BAR_MEM_FLAGS 0xfu

/* bridges: header type 1 */
#define PCI_BRIDGE_BARS 2
#define PCI_PRIMARY_BUS 0x18
#define PCI_SECONDARY_BUS 0x19
#define PCI_SUBORDINATE_BUS 0x1a
#define PCI_IO_BASE 0x1c
#define PCI_IO_LIMIT 0x1d
#define PCI_MEM_BASE 0x20
#define PCI_MEM_LIMIT 0x22
#define PCI_PREF_BASE 0x24
#define PCI_PREF_LIMIT 0x26
#define PCI_PREF_BASE_HI 0x28
#define PCI_PREF_LIMIT_HI 0x2c
#define PCI_IO_BASE_HI 0x30
#define PCI_IO_LIMIT_HI 0x32
#define PCI_BRIDGE_WIDE 0x1 /* low bit of IO_BASE and PREF_BASE: the upper halves exist */

#define PCI_CLASS_NETWORK 0x02
#define PCI_CLASS_IOMMU 0x0806
#define PCI_CLASS_BRIDGE_HOST 0x0600
#define PCI_CLASS_BRIDGE_PCI 0x0604

#define PCI_CAP_ID_ANY 0x00 /* reserved as an ID: pci_cap_next() takes it for every capability */
#define PCI_CAP_ID_PM 0x01
#define PCI_CAP_ID_MSI 0x05
#define PCI_CAP_ID_VENDOR 0x09
#define PCI_CAP_ID_EXPRESS 0x10
#define PCI_CAP_ID_MSIX 0x11

#define PCI_EXPRESS_FLAGS 2
#define PCI_EXPRESS_HAS_SLOT 0x0100 /* in the flags of a port */
#define PCI_EXPRESS_SLOT_CAPS 0x14
#define PCI_EXPRESS_SLOT_HOT_PLUG 0x40
#define PCI_EXPRESS_SLOT_CONTROL 0x18
#define PCI_EXPRESS_SLOT_LAMP 0x0300
#define PCI_EXPRESS_SLOT_LAMP_ON 0x0100
#define PCI_EXPRESS_SLOT_LAMP_OFF 0x0300
#define PCI_EXPRESS_SLOT_POWER_OFF 0x0400
#define PCI_EXPRESS_SLOT_STATUS 0x1a
#define PCI_EXPRESS_SLOT_BUTTON 0x0001 /* cleared by writing 1, as is the next */
#define PCI_EXPRESS_SLOT_CHANGED 0x0008
#define PCI_EXPRESS_SLOT_FILLED 0x0040
#define PCI_EXPRESS_PORT(flags) (((flags) >> 4) & 0xf)
#define PCI_EXPRESS_ROOT_PORT 4
#define PCI_EXPRESS_DOWNSTREAM 6
#define PCI_EXPRESS_TO_PCI 7

#define PCI_MSIX_CONTROL 2
#define PCI_MSIX_TABLE 4
#define PCI_MSIX_PBA 8
#define PCI_MSIX_SIZE_MASK 0x07ff
#define PCI_MSIX_FUNCTION_MASK 0x4000
#define PCI_MSIX_ENABLE 0x8000
#define PCI_MSIX_BIR_MASK 0x7u

#endif
