/* Looking up stacks, and the value with which the compiler guards return addresses. */
#include "arch/bare/stack.h"
#include "kernel/panic.h"

const struct stack *stack_of(uint64_t addr)
{
	for (unsigned i = 0; i < nb_stacks; i++) {
		const uint64_t base = (uint64_t)(uintptr_t)stacks[i].base;

		if (addr >= base && addr < base + stacks[i].bytes)
			return &stacks[i];
	}
	return NULL;
}

const struct stack *stack_of_guard(uint64_t addr)
{
	for (unsigned i = 0; i < nb_stacks; i++) {
		const uint64_t guard = (uint64_t)(uintptr_t)stacks[i].guard;

		if (addr >= guard && addr < guard + PAGE_SIZE)
			return &stacks[i];
	}
	return NULL;
}

uintptr_t __stack_chk_guard = 0x5bd1e995a7c4d300;

__attribute__((no_stack_protector)) void stack_protector_init(void)
{
	/* A 0 byte at the bottom stops runaway string functions. */
	__stack_chk_guard ^= stack_protector_seed() & ~(uint64_t)0xff;
}

void __stack_chk_fail(void)
{
	panic("stack smashed: a function wrote beyond an array of its own");
}
