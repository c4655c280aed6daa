/*
 * Names for pci_text.c, in the words of the PCI ID database; only what QEMU's machines and common
 * devices have, since the whole database is larger than this kernel.
 */
#include "kernel/pci_names.h"

struct id_name {
	uint16_t id;
	const char *name;
};

struct device_name {
	uint16_t vendor, device;
	const char *name;
};

static const struct id_name classes[] = {
    {0x0000, "Non-VGA unclassified device"},
    {0x00ff, "Unclassified device [00ff]"},
    {0x0100, "SCSI storage controller"},
    {0x0101, "IDE interface"},
    {0x0106, "SATA controller"},
    {0x0108, "Non-Volatile memory controller"},
    {0x0180, "Mass storage controller"},
    {0x0200, "Ethernet controller"},
    {0x0280, "Network controller"},
    {0x0300, "VGA compatible controller"},
    {0x0380, "Display controller"},
    {0x0401, "Multimedia audio controller"},
    {0x0403, "Audio device"},
    {0x0500, "RAM memory"},
    {0x0600, "Host bridge"},
    {0x0601, "ISA bridge"},
    {0x0604, "PCI bridge"},
    {0x0680, "Bridge"},
    {0x0700, "Serial controller"},
    {0x0780, "Communication controller"},
    {0x0880, "System peripheral"},
    {0x0900, "Keyboard controller"},
    {0x0980, "Input device controller"},
    {0x0c03, "USB controller"},
    {0x0c05, "SMBus"},
};

static const struct id_name vendors[] = {
    {0x1013, "Cirrus Logic"},  {0x1022, "Advanced Micro Devices, Inc. [AMD]"},
    {0x106b, "Apple Inc."},    {0x10ec, "Realtek Semiconductor Co., Ltd."},
    {0x15ad, "VMware"},        {0x1af4, "Red Hat, Inc."},
    {0x1b36, "Red Hat, Inc."}, {0x8086, "Intel Corporation"},
};

static const struct device_name devices[] = {
    {0x1013, 0x00b8, "GD 5446"},
    {0x10ec, 0x8139, "RTL-8100/8101L/8139 PCI Fast Ethernet Adapter"},
    {0x15ad, 0x07b0, "VMXNET3 Ethernet Controller"},
    {0x1af4, 0x1000, "Virtio network device"},
    {0x1af4, 0x1001, "Virtio block device"},
    {0x1af4, 0x1002, "Virtio memory balloon"},
    {0x1af4, 0x1003, "Virtio console"},
    {0x1af4, 0x1004, "Virtio SCSI"},
    {0x1af4, 0x1005, "Virtio RNG"},
    {0x1af4, 0x1009, "Virtio filesystem"},
    {0x1af4, 0x1041, "Virtio 1.0 network device"},
    {0x1af4, 0x1042, "Virtio 1.0 block device"},
    {0x1af4, 0x1043, "Virtio 1.0 console"},
    {0x1af4, 0x1044, "Virtio 1.0 RNG"},
    {0x1af4, 0x1045, "Virtio 1.0 memory balloon"},
    {0x1af4, 0x1048, "Virtio 1.0 SCSI"},
    {0x1af4, 0x1049, "Virtio 1.0 filesystem"},
    {0x1af4, 0x1050, "Virtio 1.0 GPU"},
    {0x1af4, 0x1052, "Virtio 1.0 input"},
    {0x1af4, 0x1053, "Virtio 1.0 socket"},
    {0x1af4, 0x1110, "Inter-VM shared memory"},
    {0x1b36, 0x0001, "QEMU PCI-PCI bridge"},
    {0x1b36, 0x0002, "QEMU PCI 16550A Adapter"},
    {0x1b36, 0x0008, "QEMU PCIe Host bridge"},
    {0x1b36, 0x0009, "QEMU PCI Expander bridge"},
    {0x1b36, 0x000b, "QEMU PCIe Expander bridge"},
    {0x1b36, 0x000c, "QEMU PCIe Root port"},
    {0x1b36, 0x000d, "QEMU XHCI Host Controller"},
    {0x1b36, 0x000e, "QEMU PCIe-to-PCI bridge"},
    {0x1b36, 0x0010, "QEMU NVM Express Controller"},
    {0x8086, 0x100e, "82540EM Gigabit Ethernet Controller"},
    {0x8086, 0x10d3, "82574L Gigabit Network Connection"},
    {0x8086, 0x1209, "8255xER/82551IT Fast Ethernet Controller"},
    {0x8086, 0x1237, "440FX - 82441FX PMC [Natoma]"},
    {0x8086, 0x2918, "82801IB (ICH9) LPC Interface Controller"},
    {0x8086, 0x2922, "82801IR/IO/IH (ICH9R/DO/DH) 6 port SATA Controller [AHCI mode]"},
    {0x8086, 0x2930, "82801I (ICH9 Family) SMBus Controller"},
    {0x8086, 0x29c0, "82G33/G31/P35/P31 Express DRAM Controller"},
    {0x8086, 0x7000, "82371SB PIIX3 ISA [Natoma/Triton II]"},
    {0x8086, 0x7010, "82371SB PIIX3 IDE [Natoma/Triton II]"},
    {0x8086, 0x7020, "82371SB PIIX3 USB [Natoma/Triton II]"},
    {0x8086, 0x7113, "82371AB/EB/MB PIIX4 ACPI"},
};

static const char *id_find(const struct id_name *table, size_t n, uint16_t id)
{
	for (size_t i = 0; i < n; i++)
		if (table[i].id == id)
			return table[i].name;
	return NULL;
}

const char *pci_class_name(uint16_t class_code)
{
	return id_find(classes, ARRAY_SIZE(classes), class_code);
}

const char *pci_vendor_name(uint16_t vendor)
{
	return id_find(vendors, ARRAY_SIZE(vendors), vendor);
}

const char *pci_device_name(uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].vendor == vendor && devices[i].device == device)
			return devices[i].name;
	return NULL;
}
