/*
 * What has to be copied where to load an ELF executable: its PT_LOAD segments as a list of moves.
 * Pure arithmetic on the file's bytes, so that it is tested on the host.
 */
#ifndef ARCH_X86_64_EFI_ELF_PLAN_H
#define ARCH_X86_64_EFI_ELF_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define ELF_MOVES_MAX 8
#define ELF_PAGE 4096

/* One segment; jump.asm reads this layout. */
struct elf_move {
	uint64_t dst;        /* physical address */
	uint64_t src;        /* offset in the file; the loader adds the file's address */
	uint64_t copy_bytes; /* from the file */
	uint64_t zero_bytes; /* behind them */
};

struct elf_plan {
	struct elf_move moves[ELF_MOVES_MAX];
	uint64_t nb_moves;
	uint64_t first, end; /* pages that the segments touch: [first, end) */
};

/**
 * elf_plan_make() - read the program headers of an x86_64 ELF file
 *
 * Return: NULL, or a text that says why the file cannot be loaded.
 */
const char *elf_plan_make(const void *file, size_t len, struct elf_plan *plan);

#endif
