/*
 * The stacks. Below each lies a guard page that paging leaves out, so that an overflow faults at
 * once. Which there are is the architecture's choice.
 *
 * Those of the first processor lie in the image. Others' are memory of the allocator, which is
 * mapped once more in a window of its own, because a guard page in the midst of memory would mean
 * to split the big pages that map it: slot by slot the same stacks, in the same order. A stack's
 * address thus tells whose it is.
 */
#ifndef ARCH_BARE_STACK_H
#define ARCH_BARE_STACK_H

#include "kernel/compiler.h"

struct stack {
	const char *name;
	uint8_t *guard; /* PAGE_SIZE bytes */
	uint8_t *base;
	size_t bytes;
};

extern const struct stack stacks[]; /* by rising address */
extern const unsigned nb_stacks;

static inline uint64_t stack_top(const struct stack *s)
{
	return (uint64_t)(uintptr_t)(s->base + s->bytes);
}

/** stack_of() - the stack in which @addr lies. Return: false if in none */
bool stack_of(uint64_t addr, struct stack *s);

/** stack_of_guard() - the stack whose guard page has @addr. Return: false if none */
bool stack_of_guard(uint64_t addr, struct stack *s);

/** stack_in() - the stack of a kind that a slot has; slot 0 is the first processor's */
struct stack stack_in(unsigned slot, unsigned kind);

/** stack_slot() - in which slot an address lies; 0 also when in none */
unsigned stack_slot(uint64_t addr);

/** stack_slot_bytes() - memory for the stacks of a slot */
size_t stack_slot_bytes(void);

/** stack_slot_map() - map one more slot, of @owner, to memory at @phys. Return: its number, 0 when
 * there is none left or no memory for page tables */
unsigned stack_slot_map(void *owner, uint64_t phys);
void *stack_slot_owner(unsigned slot);

/** stack_protector_init() - give the compiler's stack protector an unpredictable value; functions
 * that are active must not return afterwards */
void stack_protector_init(void);

/** stack_protector_seed() - of the architecture: what differs from boot to boot */
uint64_t stack_protector_seed(void);

/* Names that the compiler knows. */
extern uintptr_t __stack_chk_guard;
NORETURN void __stack_chk_fail(void);

#endif
