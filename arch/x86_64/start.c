/*
 * From the loader's hand-over to kmain(): the order in which the machine comes up. Until
 * paging_init() the loader's or boot.asm's page tables map everything that the loader may point
 * at; afterwards only what was mapped on purpose can be reached.
 */
#include "arch/bare/fw_cfg.h"
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

/* The BIOS's own data, and room for the real-mode code that other cores start in. */
#define LOW_RESERVED 0x8000

#define FW_CFG_SELECTOR 0x510
#define FW_CFG_DATA 0x511

#define MEMORY_MIN (512u << 10) /* less does not hold one port's rings and buffers */

static struct boot_info info;
static char fw_cfg_cmdline[BOOT_CMDLINE_LEN];

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

static uint64_t ranges_bytes(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < info.nb_ranges; i++)
		sum += info.ranges[i].end - info.ranges[i].base;
	return sum;
}

static void memory_init(void)
{
	const uint64_t image = (uint64_t)(uintptr_t)image_start;
	const uint64_t usable = ranges_bytes();

	boot_info_exclude(&info, 0, LOW_RESERVED);
	boot_info_exclude(&info, image, (uint64_t)(image_end - image_start));
	boot_info_align(&info);
	if (paging_init())
		panic("boot: the kernel image is too big for its page tables");

	for (unsigned i = 0; i < info.nb_ranges; i++) {
		const struct boot_range *r = &info.ranges[i];

		if (paging_map_ram(r->base, r->end - r->base) == 0)
			mem_add((void *)(uintptr_t)r->base, (size_t)(r->end - r->base));
		else
			log_warn("boot", "memory at 0x%llx not used: no room for its page tables",
			         (unsigned long long)r->base);
	}
	mem_add(early_tables, (size_t)(early_tables_end - early_tables));

	if (mem_free_bytes() < MEMORY_MIN)
		panic(
		    "boot: too little memory: %llu KiB usable, %zu KiB of it free, %u KiB needed; "
		    "give the machine more (QEMU: -m 8)",
		    (unsigned long long)(usable >> 10), mem_free_bytes() >> 10, MEMORY_MIN >> 10);
	if (info.dropped_bytes)
		log_warn("boot", "%llu KiB of scattered memory not used",
		         (unsigned long long)(info.dropped_bytes >> 10));
	log_info("boot", "%s, %llu KiB of memory", info.loader, (unsigned long long)(usable >> 10));
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

static void args_fill(struct boot_args *args)
{
	args->loader = info.loader;
	args->cmdline[0] = options_skip_path(info.cmdline);
	args->cmdline_cut[0] = info.cmdline_cut;
	args->cmdline_from[0] = "command line";
	args->nb_cmdlines = 1;

	const int64_t len =
	    fw_cfg_read(&fw_cfg, "opt/ringzero/cmdline", fw_cfg_cmdline, sizeof(fw_cfg_cmdline));

	if (len < 0)
		return;
	args->cmdline_cut[1] = (uint64_t)len >= sizeof(fw_cfg_cmdline);
	if (args->cmdline_cut[1])
		boot_cut_word(fw_cfg_cmdline, sizeof(fw_cfg_cmdline) - 1);
	args->cmdline[1] = fw_cfg_cmdline;
	args->cmdline_from[1] = "fw_cfg";
	args->nb_cmdlines = 2;
}

static NORETURN void machine_start(enum boot_kind kind, uint64_t arg)
{
	struct boot_args args;

	cpu_init();
	trap_init();
	(void)plat_time_ns(); /* time begins */
	serial_init();
	console_hold();
	boot_info_read(kind, arg);
	memory_init();
	cpu_report();
	acpi_init(rsdp_map(), paging_map_ro);
	clock_init();
	apic_init();
	pci_host_init();
	args_fill(&args);
	kmain(&args);
}

/** start() - where boot.asm goes in long mode, with @arg as the loader passed it */
NORETURN void start(enum boot_kind kind, uint64_t arg);

__attribute__((no_stack_protector)) void start(enum boot_kind kind, uint64_t arg)
{
	stack_protector_init();
	machine_start(kind, arg);
}
