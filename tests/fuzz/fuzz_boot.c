/*
 * The fuzzer is the boot loader: what it passes to the kernel by PVH, multiboot2 or EFI, the kernel
 * file that BOOTX64.EFI loads, and load options. Physical memory is the input; each read gets an
 * exact copy on the heap.
 */
#include "arch/x86_64/boot_loaders.h"
#include "arch/x86_64/efi/elf_plan.h"
#include "arch/bare/efi/load_options.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plat_test.h"

#include <stdlib.h>
#include <string.h>

#define MEM_AT 0x1000u
#define MEM_BYTES 4096u
#define READS_MAX 4096

static const uint8_t *memory;
static size_t memory_len;
static uint64_t memory_at;
static void *reads[READS_MAX];
static unsigned nb_reads;

static const void *phys(uint64_t addr, uint64_t len)
{
	void *copy;

	if (addr < memory_at || addr - memory_at > memory_len ||
	    len > memory_len - (addr - memory_at))
		return NULL;
	fuzz_require(nb_reads < READS_MAX, "a walk without bound");
	copy = malloc(len ? len : 1);
	if (!copy)
		abort();
	if (len)
		memcpy(copy, memory + (addr - memory_at), len);
	reads[nb_reads++] = copy;
	return copy;
}

static void check_ranges(const struct boot_info *bi)
{
	fuzz_require(bi->nb_ranges <= BOOT_RANGES_MAX, "%u ranges", bi->nb_ranges);
	for (unsigned i = 0; i < bi->nb_ranges; i++) {
		fuzz_require(bi->ranges[i].base < bi->ranges[i].end, "an empty range");
		fuzz_require(!i || bi->ranges[i - 1].end < bi->ranges[i].base,
		             "ranges that touch or fall");
	}
	fuzz_require(memchr(bi->cmdline, 0, sizeof(bi->cmdline)), "a command line without end");
	fuzz_require(bi->rsdp_len <= BOOT_RSDP_MAX, "an RSDP of %u bytes", bi->rsdp_len);
}

static void run_loader(struct fuzz_in *in, enum boot_kind kind)
{
	static struct boot_info bi;
	const uint64_t a = fuzz_u16(in), b = fuzz_u16(in);
	uint8_t *copy = fuzz_rest(in, MEM_BYTES, &memory_len);

	memory = copy;
	memory_at = MEM_AT;
	boot_info_parse(&bi, kind, MEM_AT, phys);
	check_ranges(&bi);
	boot_info_add(&bi, a << 8, b << 10);
	boot_info_exclude(&bi, b << 8, a << 10);
	check_ranges(&bi);
	boot_info_align(&bi);
	check_ranges(&bi);
	while (nb_reads)
		free(reads[--nb_reads]);
	free(copy);
}

static void run_rsdp(struct fuzz_in *in)
{
	static uint8_t low[0x100000];
	const size_t at = 0xe0000 + (fuzz_u16(in) & 0xfff0u);
	const size_t n = min_u64((uint64_t)(in->end - in->at), 64);
	uint64_t found;

	memset(low, 0, sizeof(low));
	low[0x40e] = fuzz_u8(in);
	fuzz_bytes(in, low + at, min_u64(n, sizeof(low) - at));
	memory = low;
	memory_len = sizeof(low);
	memory_at = 0;
	found = boot_find_rsdp(phys);
	fuzz_require(!found || !memcmp(low + found, "RSD PTR ", 8), "no RSDP at %llx",
	             (unsigned long long)found);
	while (nb_reads)
		free(reads[--nb_reads]);
}

static void run_elf(struct fuzz_in *in)
{
	struct elf_plan plan;
	size_t len;
	uint8_t *file = fuzz_rest(in, MEM_BYTES, &len);

	if (!elf_plan_make(file, len, &plan)) {
		fuzz_require(plan.nb_moves <= ELF_MOVES_MAX, "too many moves");
		for (unsigned i = 0; i < plan.nb_moves; i++) {
			const struct elf_move *m = &plan.moves[i];
			const uint64_t end = m->dst + m->copy_bytes + m->zero_bytes;

			fuzz_require(m->src <= len && m->copy_bytes <= len - m->src,
			             "a move from behind the file");
			fuzz_require(m->dst >= plan.first && end >= m->dst && end <= plan.end,
			             "a move to outside of the plan");
		}
	}
	free(file);
}

static void run_load_options(struct fuzz_in *in)
{
	const uint8_t how = fuzz_u8(in);
	const size_t size = 1 + (size_t)fuzz_u8(in);
	size_t len;
	uint8_t *options = fuzz_rest(in, 1024, &len);
	char *line = malloc(size);

	if (!line)
		abort();
	load_options_line(line, size, (void *)options, len, how & 1);
	fuzz_require(memchr(line, 0, size), "a line without end");
	free(line);
	free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, data + size};
	const uint8_t what = fuzz_u8(&in) % 6;

	fuzz_quiet();
	switch (what) {
	case 0:
	case 1:
	case 2:
		run_loader(&in, (enum boot_kind)(BOOT_PVH + what));
		break;
	case 3:
		run_rsdp(&in);
		break;
	case 4:
		run_elf(&in);
		break;
	default:
		run_load_options(&in);
		break;
	}
	return 0;
}
