/*
 * GDT, TSS and IDT (Intel SDM 3A, chapters 6 and 8), and what happens behind the stubs of
 * trap.asm: device vectors call their handler, exceptions end in trap_report().
 *
 * All gates are interrupt gates, so handlers run with interrupts off and never nest. Double fault,
 * NMI and machine check have stacks of their own, because they may come when rsp is worthless.
 */
#include "arch/x86_64/trap.h"
#include "arch/bare/cpus.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/stack.h"
#include "arch/x86_64/trap_report.h"
#include "kernel/assert.h"

#define SELECTOR_CODE 0x08
#define SELECTOR_STACK 0x10
#define SELECTOR_TSS 0x18

#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_STACK 0x00cf93000000ffffull
#define GDT_TSS 0x0000890000000000ull /* present, 64-bit, available */
#define GATE_INTERRUPT 0x8e00         /* present, ring 0 */
#define STUB_BYTES 8                  /* trap.asm */

#define VECTOR_NMI 2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_MACHINE_CHECK 18

#define CPUID1_EDX_MCE (1u << 7)

struct gate {
	uint16_t offset_low, selector;
	uint16_t flags, offset_mid; /* flags: the number of the IST stack, then the type */
	uint32_t offset_high, reserved;
};
static_assert(sizeof(struct gate) == 16, "SDM 3A, figure 6-8");

struct handler {
	plat_irq_fn fn;
	void *arg;
};

extern const uint8_t trap_stubs[]; /* trap.asm */

static struct cpu_arch boot_cpu;
static struct gate idt[TRAP_VECTORS];
static struct handler handlers[TRAP_VECTORS];
static uint64_t nb_unhandled;

static void gdt_load(struct cpu_arch *a)
{
	const uint64_t base = (uint64_t)(uintptr_t)&a->tss;

	a->gdt[SELECTOR_CODE / 8] = GDT_CODE64;
	a->gdt[SELECTOR_STACK / 8] = GDT_STACK;
	a->gdt[SELECTOR_TSS / 8] =
	    GDT_TSS | (sizeof(a->tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	a->gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
	gdt_set(a->gdt, sizeof(a->gdt) - 1, SELECTOR_CODE, SELECTOR_STACK);
	task_set(SELECTOR_TSS);
}

/* Stack k is IST stack k. */
static void tss_fill(struct tss *tss, unsigned slot)
{
	tss->io_map = sizeof(*tss);
	for (unsigned k = STACK_DOUBLE_FAULT; k < STACKS; k++) {
		const struct stack s = stack_in(slot, k);

		tss->ist[k - 1] = stack_top(&s);
	}
}

void trap_load(struct cpu_arch *a, unsigned slot)
{
	tss_fill(&a->tss, slot);
	gdt_load(a);
	idt_set(idt, sizeof(idt) - 1);
}

void trap_init(void)
{
	for (unsigned v = 0; v < TRAP_VECTORS; v++) {
		const uint64_t stub = (uint64_t)(uintptr_t)(trap_stubs + v * STUB_BYTES);

		idt[v] = (struct gate){.offset_low = (uint16_t)stub,
		                       .selector = SELECTOR_CODE,
		                       .flags = GATE_INTERRUPT,
		                       .offset_mid = (uint16_t)(stub >> 16),
		                       .offset_high = (uint32_t)(stub >> 32)};
	}
	idt[VECTOR_DOUBLE_FAULT].flags |= STACK_DOUBLE_FAULT;
	idt[VECTOR_NMI].flags |= STACK_NMI;
	idt[VECTOR_MACHINE_CHECK].flags |= STACK_MACHINE_CHECK;
	trap_load(&boot_cpu, 0);
	/* without it a machine check resets the machine and says nothing */
	if (cpuid(1, 0).edx & CPUID1_EDX_MCE)
		cr4_write(cr4_read() | CR4_MCE);
}

void trap_set_handler(unsigned vector, plat_irq_fn fn, void *arg)
{
	assert(vector >= TRAP_EXCEPTIONS && vector < TRAP_VECTORS);
	/* The argument must be there when the handler is. */
	handlers[vector].fn = NULL;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	handlers[vector].arg = arg;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	handlers[vector].fn = fn;
}

unsigned trap_alloc_vector(plat_irq_fn fn, void *arg)
{
	for (unsigned v = TRAP_DEVICE_FIRST; v <= TRAP_DEVICE_LAST; v++) {
		if (!handlers[v].fn) {
			trap_set_handler(v, fn, arg);
			return v;
		}
	}
	return 0;
}

uint64_t trap_unhandled(void)
{
	return nb_unhandled;
}

void plat_irq_off(void)
{
	irq_disable();
}

void trap_dispatch(struct trap_frame *f)
{
	const unsigned vector = f->vector % TRAP_VECTORS;

	if (vector == VECTOR_NMI)
		cpu_stop(); /* a panic elsewhere sends it */
	if (vector < TRAP_EXCEPTIONS)
		trap_report(f);
	if (handlers[vector].fn)
		handlers[vector].fn(handlers[vector].arg);
	else
		nb_unhandled++;
	if (vector != TRAP_VECTOR_SPURIOUS)
		apic_eoi();
}
