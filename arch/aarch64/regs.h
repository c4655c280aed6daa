/* System registers and special instructions. */
#ifndef ARCH_AARCH64_REGS_H
#define ARCH_AARCH64_REGS_H

#include "kernel/compiler.h"

#define sysreg_read(name)                                                                          \
	({                                                                                         \
		uint64_t v_;                                                                       \
		__asm__ volatile("mrs %0, " name : "=r"(v_)::"memory");                            \
		v_;                                                                                \
	})

#define sysreg_write(name, v)                                                                      \
	__asm__ volatile("msr " name ", %0\n\tisb" : : "r"((uint64_t)(v)) : "memory")

/** field() - four bits of an ID register */
static inline unsigned id_field(uint64_t id, unsigned shift)
{
	return id >> shift & 0xf;
}

/** dsb() - everything before is complete, for every observer */
static inline void dsb(void)
{
	__asm__ volatile("dsb sy" ::: "memory");
}

/** cache_clean() - what was written is in memory, also for who looks without cache */
static inline void cache_clean(const void *p, size_t bytes)
{
	const uint64_t line = 4ull << (sysreg_read("ctr_el0") >> 16 & 0xf);
	const uint64_t from = (uint64_t)(uintptr_t)p;

	for (uint64_t at = align_down(from, line); at < from + bytes; at += line)
		__asm__ volatile("dc cvac, %0" : : "r"(at) : "memory");
	dsb();
}

static inline void irq_enable(void)
{
	__asm__ volatile("msr daifclr, #2" ::: "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("msr daifset, #2" ::: "memory");
}

/** serror_enable() - let asynchronous errors be told of */
static inline void serror_enable(void)
{
	__asm__ volatile("msr daifclr, #4" ::: "memory");
}

static inline void wait_for_interrupt(void)
{
	__asm__ volatile("wfi" ::: "memory");
}

/* A call of the firmware or hypervisor (SMC Calling Convention 1.0: it may use these for itself).
 */
#define CALL_CLOBBERS                                                                              \
	"x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",       \
	    "x17", "memory"

static inline uint64_t smc_call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	__asm__ volatile("smc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : CALL_CLOBBERS);
	return x0;
}

static inline uint64_t hvc_call(uint64_t fn, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = fn;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : CALL_CLOBBERS);
	return x0;
}

/** semihosting_call() - ask a debugger or emulator; an undefined instruction where there is none */
static inline uint64_t semihosting_call(uint64_t op, const void *arg)
{
	register uint64_t x0 __asm__("x0") = op;
	register const void *x1 __asm__("x1") = arg;

	__asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
	return x0;
}

#endif
