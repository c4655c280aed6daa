/* Behind the vectors of trap.S: interrupts are taken, everything else ends in trap_report(). */
#include "arch/aarch64/trap.h"
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "kernel/plat.h"

#define INSTRUCTION_BYTES 4

void plat_irq_off(void)
{
	irq_disable();
}

void trap_dispatch(struct trap_frame *f)
{
	const enum trap_kind kind = trap_kind_of(f);

	if (kind == TRAP_IRQ) {
		irq_dispatch();
		return;
	}
	if (kind == TRAP_SYNC && f->esr >> ESR_CLASS_SHIFT == ESR_CLASS_UNKNOWN &&
	    power_asks_semihosting()) {
		f->pc += INSTRUCTION_BYTES;
		return;
	}
	trap_report(f);
}
