/*
 * panic(): says what is wrong and who called, then ends the machine. Everything it uses may be
 * what is broken, so a panic inside a panic does no more than end. Of several lcores the first that
 * panics has the console.
 */
#include "kernel/panic.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/lcore.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define PANIC_TEXT_MAX 512

static unsigned panicking; /* the lcore that does, and 1 */

/* Platforms with interrupts have their own; a process or a test has none to switch off. */
__attribute__((weak)) void plat_irq_off(void)
{
}

__attribute__((weak)) void plat_stop_others(void)
{
}

__attribute__((weak)) unsigned plat_lcore(void)
{
	return 0;
}

__attribute__((weak)) void plat_print_registers(void)
{
}

bool panic_begin(void)
{
	const unsigned me = plat_lcore() + 1;
	unsigned who = 0;

	plat_irq_off();
	if (!__atomic_compare_exchange_n(&panicking, &who, me, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE)) {
		while (who != me)
			cpu_pause(); /* until it ends the machine */
		return false;
	}
	plat_stop_others();
	console_flush();
	return true;
}

void panic_title(const char *what)
{
	console_printf("panic: %s\n", what);
	if (lcore_count() > 1)
		console_printf("  on lcore %u of %u\n", plat_lcore(), lcore_count());
}

void panic(const char *fmt, ...)
{
	char text[PANIC_TEXT_MAX];
	va_list ap;

	if (!panic_begin())
		plat_fail();
	va_start(ap, fmt);
	fmt_vbuf(text, sizeof(text), fmt, ap);
	va_end(ap);
	panic_title(text);
	plat_print_registers();
	plat_backtrace();
	console_flush();
	plat_fail();
}
