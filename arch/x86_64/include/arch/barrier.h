/* Ordering between ring memory and device registers on x86_64. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

/* Earlier stores to memory before a later store to a register: x86 keeps stores in order, and
 * uncached ones too, so only the compiler must be held. */
static inline void io_wmb(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif
