/*
 * The stacks. Below each lies a guard page that paging leaves out, so that an overflow faults at
 * once. Which there are is the architecture's choice.
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

/** stack_of() - the stack in which @addr lies, NULL if in none */
const struct stack *stack_of(uint64_t addr);

/** stack_of_guard() - the stack whose guard page has @addr, NULL if none */
const struct stack *stack_of_guard(uint64_t addr);

/** stack_protector_init() - give the compiler's stack protector an unpredictable value; functions
 * that are active must not return afterwards */
void stack_protector_init(void);

/** stack_protector_seed() - of the architecture: what differs from boot to boot */
uint64_t stack_protector_seed(void);

/* Names that the compiler knows. */
extern uintptr_t __stack_chk_guard;
NORETURN void __stack_chk_fail(void);

#endif
