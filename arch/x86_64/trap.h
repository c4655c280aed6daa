/*
 * Exceptions and interrupts: one IDT, all 256 vectors. Exceptions end the machine with a report;
 * device interrupts call the handler of their vector and are acknowledged at the local APIC.
 *
 *	v = trap_alloc_vector(fn, arg);		(a device's vector, 0: none left)
 *	trap_set_handler(0x20, fn, arg);	(a fixed one)
 */
#ifndef ARCH_X86_64_TRAP_H
#define ARCH_X86_64_TRAP_H

#include "kernel/compiler.h"
#include "kernel/plat.h"

#define TRAP_VECTORS 256
#define TRAP_EXCEPTIONS 32        /* vectors below this are the processor's own */
#define TRAP_DEVICE_FIRST 0x30    /* trap_alloc_vector() gives vectors from here */
#define TRAP_DEVICE_LAST 0xef     /* to here */
#define TRAP_VECTOR_TIMER 0xf0    /* the local APIC's: ends a rest */
#define TRAP_VECTOR_WAKE 0xf1     /* so does another lcore's message */
#define TRAP_VECTOR_SPURIOUS 0xff /* the local APIC's spurious vector: never acknowledged */

/* What the entry stubs push, lowest address first (trap.asm relies on the order). */
struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss; /* pushed by the processor */
};

/** trap_dispatch() - called by the stubs, with interrupts off */
void trap_dispatch(struct trap_frame *f);

/** trap_init() - load the final GDT, TSS and IDT; interrupts stay off */
void trap_init(void);

/** trap_load() - the same for another processor, with the stacks of its slot */
struct cpu_arch;
void trap_load(struct cpu_arch *a, unsigned slot);

/**
 * trap_set_handler() - give a vector its handler
 * @vector: 0x20..0xff
 * @fn:     runs with interrupts off; NULL: interrupts of this vector are counted as unhandled
 *
 * Overwrites an earlier handler.
 */
void trap_set_handler(unsigned vector, plat_irq_fn fn, void *arg);

/** trap_alloc_vector() - take a free device vector for @fn. Return: the vector, 0: none left */
unsigned trap_alloc_vector(plat_irq_fn fn, void *arg);

/** trap_unhandled() - interrupts so far that nobody had asked for */
uint64_t trap_unhandled(void);

#endif
