/*
 * The last step: code that is copied to a page of its own, outside of the kernel's range, and
 * runs after ExitBootServices(). It goes down to 32-bit mode and up again with page tables of
 * the loader, so that the kernel starts in one known state whatever the firmware used (five-level
 * paging, a descriptor table that is just being overwritten), moves the segments and jumps.
 */
#ifndef ARCH_X86_64_EFI_JUMP_H
#define ARCH_X86_64_EFI_JUMP_H

#include "arch/x86_64/efi/elf_plan.h"

/* Everything in it is below 4 GiB. jump.asm knows the offsets. */
struct jump_args {
	uint64_t cr3; /* identity map, four levels */
	uint64_t stack_top;
	uint64_t entry;   /* of the kernel, 64-bit */
	uint64_t handoff; /* for its rdi */
	uint64_t nb_moves;
	struct elf_move moves[ELF_MOVES_MAX]; /* src: address */
};

_Static_assert(offsetof(struct jump_args, moves) == 40, "jump.asm");
_Static_assert(sizeof(struct elf_move) == 32, "jump.asm");

/* The code to copy; its first byte is the entry, which takes struct jump_args in rdi. */
extern const uint8_t jump_code[], jump_code_end[];

/* The kernel inside the loader, and the address of its efi_entry. */
extern const uint8_t kernel_file[], kernel_file_end[];
extern const uint64_t kernel_entry;

#endif
