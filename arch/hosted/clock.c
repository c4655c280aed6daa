/* Time from the kernel's monotonic clock, and how fast the cycle counter runs against it. */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#include <time.h>

#define NS_PER_SECOND 1000000000ull
#define CALIBRATE_NS 10000000ull

static uint64_t start_ns, cycles_hz;

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

uint64_t plat_time_ns(void)
{
	return monotonic_ns() - start_ns;
}

uint64_t plat_cycles_hz(void)
{
	return cycles_hz;
}

void clock_init(void)
{
	start_ns = monotonic_ns();

	const uint64_t cycles = cpu_cycles();
	uint64_t ns;

	do {
		ns = plat_time_ns();
	} while (ns < CALIBRATE_NS);
	cycles_hz = (uint64_t)((unsigned __int128)(cpu_cycles() - cycles) * NS_PER_SECOND / ns);
}
