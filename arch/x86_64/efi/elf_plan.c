/*
 * Program headers to moves (ELF-64, System V ABI chapter 5). The file is the kernel that the build
 * put into the loader; it is checked all the same, because a loader that writes to wild addresses
 * gives no hint of what went wrong.
 */
#include "arch/x86_64/efi/elf_plan.h"

#define PT_LOAD 1
#define EM_X86_64 62

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF-64");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF-64");

static const char *add_segment(struct elf_plan *plan, const struct elf_segment *seg, size_t len)
{
	uint64_t end = seg->paddr + seg->memsz;

	if (plan->nb_moves == ELF_MOVES_MAX)
		return "it has too many segments";
	if (seg->offset > len || seg->filesz > len - seg->offset)
		return "a segment is cut off";
	if (seg->filesz > seg->memsz)
		return "a segment has more bytes in the file than in memory";
	if (end < seg->paddr || end > UINT32_MAX)
		return "a segment is above 4 GiB";

	plan->moves[plan->nb_moves++] = (struct elf_move){
	    .dst = seg->paddr,
	    .src = seg->offset,
	    .copy_bytes = seg->filesz,
	    .zero_bytes = seg->memsz - seg->filesz,
	};
	if (seg->paddr < plan->first)
		plan->first = seg->paddr & ~(uint64_t)(ELF_PAGE - 1);
	if (end > plan->end)
		plan->end = (end + ELF_PAGE - 1) & ~(uint64_t)(ELF_PAGE - 1);
	return NULL;
}

const char *elf_plan_make(const void *file, size_t len, struct elf_plan *plan)
{
	struct elf_header eh;

	*plan = (struct elf_plan){.first = UINT64_MAX};
	if (len < sizeof(eh))
		return "it is cut off";
	__builtin_memcpy(&eh, file, sizeof(eh));
	if (__builtin_memcmp(eh.ident, "\177ELF\2\1", 6) != 0)
		return "it is no 64-bit ELF file";
	if (eh.machine != EM_X86_64)
		return "it is not for x86_64";
	if (eh.phentsize != sizeof(struct elf_segment) || eh.phoff > len ||
	    eh.phnum > (len - eh.phoff) / sizeof(struct elf_segment))
		return "its program headers are cut off";

	for (unsigned i = 0; i < eh.phnum; i++) {
		struct elf_segment seg;
		const char *why;

		__builtin_memcpy(&seg, (const uint8_t *)file + eh.phoff + i * sizeof(seg),
		                 sizeof(seg));
		if (seg.type != PT_LOAD || seg.memsz == 0)
			continue;
		why = add_segment(plan, &seg, len);
		if (why)
			return why;
	}
	return plan->nb_moves ? NULL : "it has nothing to load";
}
