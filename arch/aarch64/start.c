/*
 * From boot.S to kmain(): the order in which the machine comes up. Until paging_init() only the
 * image can be reached; afterwards what is mapped on purpose.
 */
#include "arch/aarch64/acpi_machine.h"
#include "arch/aarch64/devtree.h"
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "arch/aarch64/stack.h"
#include "arch/bare/boot_setup.h"
#include "arch/bare/efi_handoff.h"
#include "arch/bare/image_layout.h"
#include "arch/bare/paging.h"
#include "kernel/acpi.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/memory.h"
#include "kernel/mmio.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/plat.h"

struct fw_cfg_mmio { /* QEMU docs/specs/fw_cfg */
	uint8_t data, reserved[7];
	uint16_t selector; /* big-endian */
};

struct machine machine;

static struct boot_info info;
static volatile struct fw_cfg_mmio *fw_cfg_mmio;

static const void *phys(uint64_t at, uint64_t len)
{
	return paging_map_ro(at, (size_t)len);
}

/* Return: the bytes of the device tree at @tree, 0 when there is none. */
static size_t devtree_read(uint64_t tree, struct boot_info *bi)
{
	const void *fdt = tree % 8 == 0 ? paging_map_ro(tree, DEVTREE_HEADER_BYTES) : NULL;
	const size_t bytes = fdt ? devtree_bytes(fdt) : 0;

	if (!bytes || !paging_map_ro(tree, bytes) || devtree_parse(fdt, bytes, &machine, bi))
		return 0;
	machine.devtree = fdt;
	return bytes;
}

/* UEFI's map says which memory is free, and ACPI what the machine has; or a device tree, which is
 * the only one of the two that QEMU passes with acpi=off. */
static void efi_read(uint64_t arg)
{
	static struct boot_info unused;
	const struct efi_handoff *h = phys(arg, sizeof(*h));
	const void *rsdp;

	if (!h || boot_parse_efi(&info, arg, phys))
		panic("boot: the loader's information at 0x%llx is not what BOOTAA64.EFI passes",
		      (unsigned long long)arg);
	rsdp = h->rsdp ? paging_map_ro(h->rsdp, BOOT_RSDP_MAX) : NULL;
	if (rsdp && acpi_init(rsdp, paging_map_ro))
		acpi_machine(&machine);
	else if (h->devtree)
		boot_info_exclude(&info, h->devtree, devtree_read(h->devtree, &unused));
	machine.pci.firmware_assigned = true;
}

static void machine_read(uint64_t arg)
{
	const uint64_t *magic = arg % sizeof(*magic) == 0 ? phys(arg, sizeof(*magic)) : NULL;
	size_t bytes;

	if (magic && *magic == EFI_HANDOFF_MAGIC) {
		efi_read(arg);
		return;
	}
	bytes = devtree_read(arg, &info);
	if (!bytes)
		panic("boot: no device tree at 0x%llx: the boot loader has to pass it in x0",
		      (unsigned long long)arg);
	boot_info_exclude(&info, arg, bytes);
}

static void fw_cfg_select(uint16_t key)
{
	mmio_write(&fw_cfg_mmio->selector, __builtin_bswap16(key));
}

static void fw_cfg_data(void *buf, size_t len)
{
	uint8_t *to = buf;

	while (len--)
		*to++ = mmio_read(&fw_cfg_mmio->data);
}

static const struct fw_cfg_regs fw_cfg = {.select = fw_cfg_select, .read = fw_cfg_data};

static const struct fw_cfg_regs *fw_cfg_find(void)
{
	if (machine.fw_cfg.bytes)
		fw_cfg_mmio = plat_mmio_map(machine.fw_cfg.base, sizeof(*fw_cfg_mmio));
	return fw_cfg_mmio ? &fw_cfg : NULL;
}

static NORETURN void machine_start(uint64_t arg)
{
	static struct boot_args args;

	(void)plat_time_ns(); /* time begins */
	console_hold();
	serror_enable();
	if (paging_init())
		panic("boot: the kernel image is too big for its page tables");
	machine_read(arg);
	serial_init();
	clock_init();
	boot_memory_init(&info, PAGE_SIZE);
	cpu_init();
	irq_init();
	pci_host_init();
	boot_args_fill(&args, &info, info.cmdline, fw_cfg_find());
	kmain(&args);
}

/** start() - where boot.S goes, with the MMU on and @arg as the loader passed it */
NORETURN void start(uint64_t arg);

__attribute__((no_stack_protector)) void start(uint64_t arg)
{
	stack_protector_init();
	machine_start(arg);
}
