/* From struct boot_info to the allocator's memory and the arguments of kmain(). */
#include "arch/bare/boot_setup.h"
#include "arch/bare/image_layout.h"
#include "arch/bare/paging.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/panic.h"

#define MEMORY_MIN (512u << 10) /* less does not hold one port's rings and buffers */

static char fw_cfg_cmdline[BOOT_CMDLINE_LEN];

static uint64_t ranges_bytes(const struct boot_info *bi)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < bi->nb_ranges; i++)
		sum += bi->ranges[i].end - bi->ranges[i].base;
	return sum;
}

void boot_memory_init(struct boot_info *bi, uint64_t low_reserved)
{
	const uint64_t image = (uint64_t)(uintptr_t)image_start;
	const uint64_t usable = ranges_bytes(bi);

	boot_info_exclude(bi, 0, low_reserved);
	boot_info_exclude(bi, image, (uint64_t)(image_end - image_start));
	boot_info_align(bi);
	for (unsigned i = 0; i < bi->nb_ranges; i++) {
		const struct boot_range *r = &bi->ranges[i];

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
	if (bi->dropped_bytes)
		log_warn("boot", "%llu KiB of scattered memory not used",
		         (unsigned long long)(bi->dropped_bytes >> 10));
	log_info("boot", "%s, %llu KiB of memory", bi->loader, (unsigned long long)(usable >> 10));
}

void boot_args_fill(struct boot_args *args, const struct boot_info *bi, const char *cmdline,
                    const struct fw_cfg_regs *fw_cfg)
{
	args->loader = bi->loader;
	args->cmdline[0] = cmdline;
	args->cmdline_cut[0] = bi->cmdline_cut;
	args->cmdline_from[0] = "command line";
	args->nb_cmdlines = 1;

	const int64_t len =
	    fw_cfg_read(fw_cfg, "opt/ringzero/cmdline", fw_cfg_cmdline, sizeof(fw_cfg_cmdline));

	if (len < 0)
		return;
	args->cmdline_cut[1] = (uint64_t)len >= sizeof(fw_cfg_cmdline);
	if (args->cmdline_cut[1])
		boot_cut_word(fw_cfg_cmdline, sizeof(fw_cfg_cmdline) - 1);
	args->cmdline[1] = fw_cfg_cmdline;
	args->cmdline_from[1] = "fw_cfg";
	args->nb_cmdlines = 2;
}
