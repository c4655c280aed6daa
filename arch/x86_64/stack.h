/*
 * The stacks: one to run on, and one each for the exceptions that must not trust it. Below each
 * lies a guard page that paging_init() leaves out, so that an overflow faults at once.
 */
#ifndef ARCH_X86_64_STACK_H
#define ARCH_X86_64_STACK_H

#include "kernel/compiler.h"

enum stack_id { STACK_BOOT, STACK_DOUBLE_FAULT, STACK_NMI, STACK_MACHINE_CHECK, STACKS };

struct stack {
	const char *name;
	uint8_t *guard; /* PAGE_SIZE bytes */
	uint8_t *base;
	size_t bytes;
};

extern const struct stack stacks[STACKS]; /* by rising address */

static inline uint64_t stack_top(const struct stack *s)
{
	return (uint64_t)(uintptr_t)(s->base + s->bytes);
}

/** stack_protector_init() - give the compiler's stack protector an unpredictable value; functions
 * that are active must not return afterwards */
void stack_protector_init(void);

/** stack_of() - the stack in which @addr lies, NULL if in none */
const struct stack *stack_of(uint64_t addr);

/** stack_of_guard() - the stack whose guard page has @addr, NULL if none */
const struct stack *stack_of_guard(uint64_t addr);

/* Names that the compiler knows. */
extern uintptr_t __stack_chk_guard;
NORETURN void __stack_chk_fail(void);

#endif
