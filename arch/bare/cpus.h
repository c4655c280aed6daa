/*
 * The processors beside the one that booted, and how one becomes an lcore: it gets a block of
 * memory with its stacks, is started by means of the architecture, and goes to cpu_main(). Memory
 * is taken only for those that are asked for.
 */
#ifndef ARCH_BARE_CPUS_H
#define ARCH_BARE_CPUS_H

#include "kernel/lcore.h"
#include <arch/cpu_block.h>

#define CPUS_MAX LCORES_MAX
#define CPU_HEAD_BYTES PAGE_SIZE /* of its block; the stacks follow */

/* As the firmware's tables name them: processor n is the n-th. */
struct cpu_list {
	unsigned nb, boot;
	uint64_t id[CPUS_MAX]; /* APIC ID, or the affinity fields of MPIDR */
};

/* At the start of its block. */
struct cpu {
	struct cpu_arch arch;
	uint64_t id;
	unsigned lcore;
	unsigned slot;  /* of its stacks, see stack.h */
	unsigned state; /* who of the two changes it first decides whether it runs */
	uint64_t arrived_cycles;
	bool stopped;
	void (*fn)(void *arg);
	void *arg;
};
static_assert(sizeof(struct cpu) <= CPU_HEAD_BYTES, "the stacks follow");

/** cpu_id_of() - of an lcore's processor. Return: false when there is no such lcore */
bool cpu_id_of(unsigned lcore, uint64_t *id);

/** cpu_wait() - until it has arrived. Return: false when it has not within @ns */
bool cpu_wait(const struct cpu *c, uint64_t ns);

/** cpu_stop() - when another lcore panics: the end of this one. Returns when none does */
void cpu_stop(void);

/* ---- of the architecture -------------------------------------------------------------------- */

/** cpu_list_fill() - at least the one that booted */
void cpu_list_fill(struct cpu_list *list);

/** cpu_launch() - send a processor to cpu_main(). Return: 0, -EOPNOTSUPP, -EINVAL */
int cpu_launch(struct cpu *c);

/** cpu_abandon() - it did not arrive, and must not do so later */
void cpu_abandon(const struct cpu *c);

/** cpu_arrived() - what is to be done from outside for one that runs */
void cpu_arrived(struct cpu *c);

/** cpu_setup() - on the new processor: everything as on the first, interrupts still off */
void cpu_setup(struct cpu *c);

/** cpu_poke() - make another processor call cpu_stop() */
void cpu_poke(const struct cpu *c);

/** cpu_halt() - never again */
NORETURN void cpu_halt(void);

/** cpu_irq_on() - on this processor */
void cpu_irq_on(void);

/** cpu_main() - where a processor begins, on its stack, with the tables of the first one */
NORETURN void cpu_main(struct cpu *c);

#endif
