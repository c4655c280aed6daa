/*
 * From the loader's hand-over to kmain(): the order in which the machine comes up. Until
 * paging_init() the loader's or boot.asm's page tables map everything that the loader may point
 * at; afterwards only what was mapped on purpose can be reached.
 */
#include "arch/bare/boot_setup.h"
#include "arch/bare/image_layout.h"
#include "arch/bare/paging.h"
#include "arch/x86_64/boot_loaders.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/pio.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/stack.h"
#include "arch/x86_64/trap.h"
#include "kernel/acpi.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/panic.h"

#define FOUR_GIB (1ull << 32)

/* The BIOS's own data, and room for what it may do yet. */
#define LOW_RESERVED 0x8000

#define FW_CFG_SELECTOR 0x510
#define FW_CFG_DATA 0x511

static struct boot_info info;

/* What boot.asm's and jump.asm's page tables reach, and the pointers that 32-bit loaders pass. */
static const void *phys_32bit(uint64_t phys, uint64_t len)
{
	if (phys >= FOUR_GIB || len > FOUR_GIB - phys)
		return NULL;
	return (const void *)(uintptr_t)phys;
}

static void boot_info_read(enum boot_kind kind, uint64_t arg)
{
	if (boot_info_parse(&info, kind, arg, phys_32bit))
		panic("boot: the loader's information at 0x%llx is not what %s passes",
		      (unsigned long long)arg,
		      kind == BOOT_PVH          ? "PVH"
		      : kind == BOOT_MULTIBOOT2 ? "multiboot2"
		                                : "BOOTX64.EFI");
	if (kind != BOOT_EFI && !info.rsdp_len && !info.rsdp_phys)
		info.rsdp_phys = boot_find_rsdp(phys_32bit);
}

static const void *rsdp_map(void)
{
	if (info.rsdp_len)
		return info.rsdp;
	return info.rsdp_phys ? paging_map_ro(info.rsdp_phys, BOOT_RSDP_MAX) : NULL;
}

static void fw_cfg_select(uint16_t key)
{
	pio_write16(FW_CFG_SELECTOR, key);
}

static void fw_cfg_data(void *buf, size_t len)
{
	pio_read8_rep(FW_CFG_DATA, buf, len);
}

static const struct fw_cfg_regs fw_cfg = {.select = fw_cfg_select, .read = fw_cfg_data};

static NORETURN void machine_start(enum boot_kind kind, uint64_t arg)
{
	struct boot_args args;

	cpu_init();
	trap_init();
	(void)plat_time_ns(); /* time begins */
	serial_init();
	console_hold();
	boot_info_read(kind, arg);
	if (paging_init())
		panic("boot: the kernel image is too big for its page tables");
	ap_page_take(&info);
	boot_memory_init(&info, LOW_RESERVED);
	cpu_report();
	acpi_init(rsdp_map(), paging_map_ro);
	clock_init();
	apic_init();
	pci_host_init();
	boot_args_fill(&args, &info, options_skip_path(info.cmdline), &fw_cfg);
	kmain(&args);
}

/** start() - where boot.asm goes in long mode, with @arg as the loader passed it */
NORETURN void start(enum boot_kind kind, uint64_t arg);

__attribute__((no_stack_protector)) void start(enum boot_kind kind, uint64_t arg)
{
	stack_protector_init();
	machine_start(kind, arg);
}
