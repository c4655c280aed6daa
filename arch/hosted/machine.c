/*
 * The rest of the platform's contract: the processor, random numbers, the end, and what a process
 * does not have: PCI, I/O ports, interrupts.
 */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "kernel/console.h"
#include "kernel/panic.h"
#include "kernel/plat.h"

#include <errno.h>
#include <execinfo.h>
#include <stdlib.h>
#include <sys/random.h>

#define BACKTRACE_MAX 64

/* ---- processor ---------------------------------------------------------------------------- */

/* The compiler's run-time looks at CPUID and XCR0 both. */
unsigned plat_isa(void)
{
	unsigned isa = 0;

	if (__builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.2"))
		isa |= ISA_SSE;
	if (__builtin_cpu_supports("avx2"))
		isa |= ISA_AVX2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		isa |= ISA_AVX512;
	return isa;
}

void plat_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		const ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			panic("hosted: no random numbers (error %d)", errno);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
}

/* ---- what is not there -------------------------------------------------------------------- */

const struct pci_host *plat_pci_host(void)
{
	return NULL;
}

volatile void *plat_mmio_map(uint64_t phys, size_t len)
{
	(void)phys;
	(void)len;
	return NULL;
}

uint32_t plat_io_read(uint32_t port, unsigned width)
{
	(void)port;
	return UINT32_MAX >> (32 - 8 * width);
}

void plat_io_write(uint32_t port, unsigned width, uint32_t value)
{
	(void)port;
	(void)width;
	(void)value;
}

int plat_irq_msi(uint16_t requester, plat_irq_fn fn, void *arg, struct plat_msi *msg)
{
	(void)requester;
	(void)fn;
	(void)arg;
	(void)msg;
	return -EOPNOTSUPP;
}

int plat_irq_move(uint16_t requester, unsigned lcore, struct plat_msi *msg)
{
	(void)requester;
	(void)lcore;
	(void)msg;
	return -EINVAL;
}

int plat_irq_intx(unsigned line, plat_intx_fn fn, void *arg)
{
	(void)line;
	(void)fn;
	(void)arg;
	return -ENXIO;
}

void plat_irq_report(void)
{
}

/* ---- the end ------------------------------------------------------------------------------ */

static NORETURN void end(int status)
{
	terminal_restore();
	links_remove();
	exit(status);
}

NORETURN void plat_poweroff(void)
{
	end(EXIT_SUCCESS);
}

NORETURN void plat_fail(void)
{
	end(EXIT_FAILURE);
}

void plat_backtrace(void)
{
	void *callers[BACKTRACE_MAX];
	const int n = backtrace(callers, BACKTRACE_MAX);
	char **names = backtrace_symbols(callers, n);

	console_printf("backtrace:\n");
	for (int i = 0; i < n; i++)
		console_printf("  %016llx %s\n", (unsigned long long)(uintptr_t)callers[i],
		               names ? names[i] : "");
	free(names);
}
