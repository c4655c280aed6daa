/*
 * The clock: nanoseconds since the machine was entered, from the generic timer's virtual counter
 * (Arm ARM, D11). It runs at a fixed rate in every power state, the same for all cores, so there is
 * nothing to measure it against.
 */
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define NS_PER_S 1000000000ull
#define HZ_ASSUMED 62500000u /* where nobody says it; QEMU's */

static uint64_t entry_cycles;
static uint64_t hz = HZ_ASSUMED;
static uint64_t ns_per_tick = (NS_PER_S << 32) / HZ_ASSUMED; /* 32.32 */

void clock_init(void)
{
	const uint32_t said = (uint32_t)sysreg_read("cntfrq_el0");

	entry_cycles = entry_cycles ? entry_cycles : cpu_cycles();
	hz = machine.timer_hz ? machine.timer_hz : said;
	if (!hz) {
		hz = HZ_ASSUMED;
		log_warn("clock", "neither the processor nor the device tree says how fast the "
		                  "timer runs: times are guesses");
	}
	ns_per_tick = (NS_PER_S << 32) / hz;
}

uint64_t plat_time_ns(void)
{
	const uint64_t now = cpu_cycles();

	if (!entry_cycles)
		entry_cycles = now;
	return (uint64_t)((unsigned __int128)(now - entry_cycles) * ns_per_tick >> 32);
}

uint64_t plat_cycles_hz(void)
{
	return hz;
}
