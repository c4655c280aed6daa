/*
 * panic(): says what is wrong and who called, then ends the machine. Everything it uses may be
 * what is broken, so a panic inside a panic does no more than end.
 */
#include "kernel/panic.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/plat.h"

#define PANIC_TEXT_MAX 512

static bool panicking;

/* Platforms with interrupts have their own; a process or a test has none to switch off. */
__attribute__((weak)) void plat_irq_off(void)
{
}

__attribute__((weak)) void plat_print_registers(void)
{
}

void panic(const char *fmt, ...)
{
	char text[PANIC_TEXT_MAX];
	va_list ap;

	plat_irq_off();
	if (panicking)
		plat_fail();
	panicking = true;

	va_start(ap, fmt);
	fmt_vbuf(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_flush();
	console_printf("panic: %s\n", text);
	plat_print_registers();
	plat_backtrace();
	console_flush();
	plat_fail();
}
