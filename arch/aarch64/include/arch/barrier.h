/* Ordering between ring memory and device registers on aarch64. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

/* Earlier stores to memory before a later store to a register, as every observer sees them: the
 * device is in the outer shareable domain. */
static inline void io_wmb(void)
{
	__asm__ volatile("dmb oshst" ::: "memory");
}

/* A register read before later reads of memory. */
static inline void io_rmb(void)
{
	__asm__ volatile("dmb oshld" ::: "memory");
}

#endif
