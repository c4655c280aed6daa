/*
 * GDT, TSS and IDT (Intel SDM 3A, chapters 6 and 8), and what happens behind the stubs of
 * trap.asm: device vectors call their handler, exceptions end in trap_report().
 *
 * All gates are interrupt gates, so handlers run with interrupts off and never nest. Double fault,
 * NMI and machine check have stacks of their own, because they may come when rsp is worthless.
 */
#include "arch/x86_64/trap.h"
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

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed, aligned(4)));
static_assert(sizeof(struct tss) == 104, "SDM 3A, figure 8-11");

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

static struct tss tss = {.io_map = sizeof(struct tss)};
static uint64_t gdt[5] = {0, GDT_CODE64, GDT_STACK}; /* then the TSS, which takes two */
static struct gate idt[TRAP_VECTORS];
static struct handler handlers[TRAP_VECTORS];
static uint64_t nb_unhandled;

static void gdt_load(void)
{
	const uint64_t base = (uint64_t)(uintptr_t)&tss;

	gdt[SELECTOR_TSS / 8] =
	    GDT_TSS | (sizeof(tss) - 1) | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	gdt[SELECTOR_TSS / 8 + 1] = base >> 32;
	gdt_set(gdt, sizeof(gdt) - 1, SELECTOR_CODE, SELECTOR_STACK);
	task_set(SELECTOR_TSS);
}

static void ist_set(unsigned vector, unsigned ist, enum stack_id stack)
{
	tss.ist[ist - 1] = stack_top(&stacks[stack]);
	idt[vector].flags = (uint16_t)(GATE_INTERRUPT | ist);
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
	ist_set(VECTOR_DOUBLE_FAULT, 1, STACK_DOUBLE_FAULT);
	ist_set(VECTOR_NMI, 2, STACK_NMI);
	ist_set(VECTOR_MACHINE_CHECK, 3, STACK_MACHINE_CHECK);
	gdt_load();
	idt_set(idt, sizeof(idt) - 1);
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

	if (vector < TRAP_EXCEPTIONS)
		trap_report(f);
	if (handlers[vector].fn)
		handlers[vector].fn(handlers[vector].arg);
	else
		nb_unhandled++;
	if (vector != TRAP_VECTOR_SPURIOUS)
		apic_eoi();
}
