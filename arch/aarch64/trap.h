/* Exceptions end the machine with a report; interrupts go to the interrupt controller's driver. */
#ifndef ARCH_AARCH64_TRAP_H
#define ARCH_AARCH64_TRAP_H

#include "kernel/compiler.h"

/* What the vectors push, lowest address first (trap.S relies on the order). */
struct trap_frame {
	uint64_t x[31];
	uint64_t sp, pc, spsr;
	uint64_t esr, far;
	uint64_t vector; /* which of the sixteen: kind, and 4 * where it came from */
	uint64_t pad;
};
static_assert(sizeof(struct trap_frame) == 304, "FRAME_BYTES of trap.S");
static_assert(offsetof(struct trap_frame, sp) == 248, "FRAME_SP of trap.S");
static_assert(offsetof(struct trap_frame, esr) == 272, "FRAME_ESR of trap.S");
static_assert(offsetof(struct trap_frame, vector) == 288, "FRAME_VECTOR of trap.S");

#define TRAP_FP 29

enum trap_kind { TRAP_SYNC, TRAP_IRQ, TRAP_FIQ, TRAP_SERROR };

static inline enum trap_kind trap_kind_of(const struct trap_frame *f)
{
	return (enum trap_kind)(f->vector % 4);
}

#define ESR_CLASS_SHIFT 26
#define ESR_CLASS_UNKNOWN 0x00 /* an undefined instruction */

/** trap_dispatch() - called by the vectors, with interrupts off */
void trap_dispatch(struct trap_frame *f);

/** trap_report() - print an exception with registers and backtrace, end the machine */
NORETURN COLD void trap_report(const struct trap_frame *f);

/** irq_dispatch() - take the interrupts that wait; irq.c */
void irq_dispatch(void);

#endif
