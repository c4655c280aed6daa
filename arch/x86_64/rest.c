/*
 * Resting: hlt, until an interrupt comes. From plat_rest_begin() on interrupts are off; "sti; hlt"
 * lets them in only when the processor is halted, or about to be (Intel SDM 2B, STI), so that none
 * is taken between the last look for work and the halt.
 *
 * The local APIC's timer ends a rest in time. Nobody tells its rate reliably: it is measured
 * against the clock, not before somebody wants to rest, who polls meanwhile.
 */
#include "arch/bare/cpus.h"
#include "arch/bare/irq_line.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/trap.h"
#include "kernel/plat.h"
#include <arch/irqflags.h>

#define NS_PER_MS 1000000ull
#define MEASURE_NS (2 * NS_PER_MS)
#define COUNT_MAX UINT32_MAX

/* An lcore's. */
static struct timer {
	uint64_t since_ns;     /* it runs to be measured */
	uint64_t ticks_per_ns; /* 32.32; 0: not known yet */
} timers[LCORES_MAX];

/* That it wakes the processor up is all that it is for. */
static void woken(void *arg)
{
	(void)arg;
}

static bool serial_interrupt(void *arg)
{
	(void)arg;
	return true; /* the line is an edge, and nobody else's */
}

/* Once. Without a line for it, what is typed waits for the timer. */
static void listen(void)
{
	if (!ioapic_isa_line(SERIAL_IRQ, serial_interrupt))
		serial_listen();
}

/* Return: is the rate known? */
static bool timer_measure(struct timer *t)
{
	const uint64_t now_ns = plat_time_ns();
	const uint32_t left = t->since_ns ? apic_timer_left() : 0;

	if (!left) {
		t->since_ns = now_ns;
		apic_timer_start(COUNT_MAX);
		return false;
	}
	if (now_ns - t->since_ns < MEASURE_NS)
		return false;
	t->ticks_per_ns = ((uint64_t)(COUNT_MAX - left) << 32) / (now_ns - t->since_ns);
	if (!plat_lcore())
		listen();
	return t->ticks_per_ns;
}

/* Return: will it end the rest? */
static bool timer_set(uint64_t until_ns)
{
	struct timer *t = &timers[plat_lcore()];
	const uint64_t now_ns = until_ns ? plat_time_ns() : 0;
	uint64_t ticks;

	if (until_ns <= now_ns || (!t->ticks_per_ns && !timer_measure(t)))
		return false;
	ticks = (uint64_t)((unsigned __int128)(until_ns - now_ns) * t->ticks_per_ns >> 32);
	return apic_timer_start((uint32_t)min_u64(max_u64(ticks, 1), COUNT_MAX));
}

void plat_rest_begin(void)
{
	irq_disable();
}

void plat_rest(uint64_t until_ns)
{
	/* the devices of a line that is switched off are looked at by polling */
	if (!irq_lines_off && timer_set(until_ns))
		irq_enable_and_halt();
	else
		irq_enable();
}

/* Handlers wake others, too: sending takes two steps where there is no x2APIC. */
void plat_wake(unsigned lcore)
{
	uint64_t id, flags;

	if (lcore == plat_lcore() || !cpu_id_of(lcore, &id))
		return;
	flags = irq_save();
	apic_send((uint32_t)id, APIC_FIXED | TRAP_VECTOR_WAKE);
	irq_restore(flags);
}

void rest_init(void)
{
	trap_set_handler(TRAP_VECTOR_TIMER, woken, NULL);
	trap_set_handler(TRAP_VECTOR_WAKE, woken, NULL);
}
