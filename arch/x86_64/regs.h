/* Control registers, model-specific registers, CPUID: the processor's own state. */
#ifndef ARCH_X86_64_REGS_H
#define ARCH_X86_64_REGS_H

#include "kernel/compiler.h"

#define CR0_WP (1ull << 16)
#define CR4_MCE (1ull << 6)
#define CR4_UMIP (1ull << 11)
#define CR4_LA57 (1ull << 12)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)

#define MSR_EFER 0xc0000080u
#define EFER_NXE (1ull << 11)

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/** cpuid() - all zero when the processor does not know @leaf */
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
	                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
	                 : "a"(leaf & 0x80000000u), "c"(0));
	if (r.eax < leaf)
		return (struct cpuid){0};
	__asm__ volatile("cpuid"
	                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
	                 : "a"(leaf), "c"(subleaf));
	return r;
}

/** rdrand() - a random number, 0 when the processor has none right now */
static inline uint64_t rdrand(void)
{
	uint64_t v;
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
	return ok ? v : 0;
}

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}

static inline void msr_write(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static inline uint64_t cr0_read(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr0, %0" : "=r"(v));
	return v;
}

static inline void cr0_write(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}

static inline uint64_t cr2_read(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr2, %0" : "=r"(v));
	return v;
}

static inline uint64_t cr3_read(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr3, %0" : "=r"(v));
	return v;
}

static inline void cr3_write(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline uint64_t cr4_read(void)
{
	uint64_t v;

	__asm__ volatile("mov %%cr4, %0" : "=r"(v));
	return v;
}

static inline void cr4_write(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}

struct saved_registers { /* those that calls preserve: System V ABI, 3.2.1 */
	uint64_t rsp, rbp, rbx, r12, r13, r14, r15;
};

static inline struct saved_registers saved_registers_read(void)
{
	struct saved_registers s;

	__asm__ volatile("mov %%rsp, 0(%0)\n\t"
	                 "mov %%rbp, 8(%0)\n\t"
	                 "mov %%rbx, 16(%0)\n\t"
	                 "mov %%r12, 24(%0)\n\t"
	                 "mov %%r13, 32(%0)\n\t"
	                 "mov %%r14, 40(%0)\n\t"
	                 "mov %%r15, 48(%0)"
	                 :
	                 : "a"(&s)
	                 : "memory");
	return s;
}

struct table_register { /* what lgdt and lidt load */
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/** gdt_set() - load a GDT, and cs and ss from it; the data segments become null
 *
 * 64-bit code could have a null ss too, but returning from an interrupt makes a null ss look
 * different to QEMU, which then translates every block again. */
static inline void gdt_set(const void *gdt, uint16_t limit, uint16_t code, uint16_t stack)
{
	const struct table_register r = {limit, (uint64_t)(uintptr_t)gdt};

	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "lretq\n"
	                 "1:\n\t"
	                 "xorl %%eax, %%eax\n\t"
	                 "movl %%eax, %%ds\n\t"
	                 "movl %%eax, %%es\n\t"
	                 "movl %%eax, %%fs\n\t"
	                 "movl %%eax, %%gs\n\t"
	                 "movl %2, %%ss"
	                 :
	                 : "m"(r), "r"((uint64_t)code), "r"((uint32_t)stack)
	                 : "rax", "memory");
}

/** task_set() - load the task register, from the GDT in use */
static inline void task_set(uint16_t task)
{
	__asm__ volatile("ltr %w0" : : "r"(task) : "memory");
}

static inline void idt_set(const void *idt, uint16_t limit)
{
	const struct table_register r = {limit, (uint64_t)(uintptr_t)idt};

	__asm__ volatile("lidt %0" : : "m"(r) : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}

/** irq_enable_and_halt() - until an interrupt, be it one that waits already */
static inline void irq_enable_and_halt(void)
{
	__asm__ volatile("sti\n\thlt" ::: "memory");
}

#endif
