/*
 * Resting: wfi, until an interrupt comes. From plat_rest_begin() on interrupts are masked; one that
 * comes between the last look for work and the wfi, or came before, ends that at once all the same
 * (Arm ARM, D1.3.7), and is taken when they are let in again.
 *
 * The virtual timer ends a rest in time: its comparison is written, and its interrupt, which stays
 * raised as long as the time is over, switched off again before it can be taken.
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/regs.h"
#include "arch/bare/irq_line.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define NS_PER_S 1000000000ull
#define REST_MAX_NS NS_PER_S
#define TIMER_ON 1u

void plat_rest_begin(void)
{
	irq_disable();
	if (!plat_lcore())
		serial_listen();
}

static void wait_until(uint64_t until_ns)
{
	const uint64_t now_ns = plat_time_ns();
	uint64_t ns;

	if (until_ns <= now_ns)
		return;
	ns = min_u64(until_ns - now_ns, REST_MAX_NS);
	sysreg_write("cntv_cval_el0", cpu_cycles() + ns * plat_cycles_hz() / NS_PER_S);
	sysreg_write("cntv_ctl_el0", TIMER_ON);
	dsb(); /* what was written to devices: they may be waiting for it */
	wait_for_interrupt();
	sysreg_write("cntv_ctl_el0", 0);
}

void plat_rest(uint64_t until_ns)
{
	/* the devices of a line that is switched off are looked at by polling */
	if (!irq_lines_off && until_ns)
		wait_until(until_ns);
	irq_enable();
}
