/* Looking up stacks, and the value with which the compiler guards return addresses. */
#include "arch/bare/stack.h"
#include "arch/bare/paging.h"
#include "kernel/lcore.h"
#include "kernel/panic.h"
#include <arch/pte.h>

#define SLOTS_MAX LCORES_MAX
#define SLOT_BYTES (128u << 10) /* of the window */

static void *owners[SLOTS_MAX]; /* of slot 0: nobody */
static unsigned nb_slots = 1;

/* ---- slots -------------------------------------------------------------------------------- */

unsigned stack_slot(uint64_t addr)
{
	const uint64_t slot = addr >= STACKS_VA ? (addr - STACKS_VA) / SLOT_BYTES : 0;

	return slot < nb_slots ? (unsigned)slot : 0;
}

void *stack_slot_owner(unsigned slot)
{
	return owners[slot];
}

struct stack stack_in(unsigned slot, unsigned kind)
{
	struct stack s = stacks[kind];
	uint64_t at = STACKS_VA + (uint64_t)slot * SLOT_BYTES;

	if (!slot)
		return s;
	for (unsigned i = 0; i < kind; i++)
		at += PAGE_SIZE + stacks[i].bytes;
	s.guard = (uint8_t *)(uintptr_t)at;
	s.base = s.guard + PAGE_SIZE;
	return s;
}

size_t stack_slot_bytes(void)
{
	size_t sum = 0;

	for (unsigned i = 0; i < nb_stacks; i++)
		sum += stacks[i].bytes;
	return sum;
}

unsigned stack_slot_map(void *owner, uint64_t phys)
{
	const unsigned slot = nb_slots;

	if (slot == SLOTS_MAX)
		return 0;
	for (unsigned i = 0; i < nb_stacks; i++) {
		const struct stack s = stack_in(slot, i);

		if (paging_map_at((uint64_t)(uintptr_t)s.base, phys, s.bytes))
			return 0;
		phys += s.bytes;
	}
	owners[slot] = owner;
	nb_slots++;
	return slot;
}

/* ---- whose is it -------------------------------------------------------------------------- */

/* The one of which @addr is inside, the guard page told from the rest. */
static bool find(uint64_t addr, bool guard, struct stack *s)
{
	for (unsigned i = 0; i < nb_stacks; i++) {
		*s = stack_in(stack_slot(addr), i);

		const uint64_t from = (uint64_t)(uintptr_t)(guard ? s->guard : s->base);
		const uint64_t bytes = guard ? PAGE_SIZE : s->bytes;

		if (addr >= from && addr - from < bytes)
			return true;
	}
	return false;
}

bool stack_of(uint64_t addr, struct stack *s)
{
	return find(addr, false, s);
}

bool stack_of_guard(uint64_t addr, struct stack *s)
{
	return find(addr, true, s);
}

/* ---- the protector ------------------------------------------------------------------------ */

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
