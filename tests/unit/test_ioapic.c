/*
 * arch/x86_64/ioapic.c: when an interrupt line that nobody claims is switched off. The source is
 * compiled here, with an I/O APIC of two words of memory: what was written last can be read.
 */
#define plat_irq_intx ioapic_irq_intx
#define plat_irq_report ioapic_irq_report
#include "arch/x86_64/ioapic.c"

#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

#define LINE 11
#define VECTOR 0x31

static volatile struct ioapic_regs regs;
static plat_irq_fn fire;
static void *fire_arg;
static uint64_t nb_strays;
static bool mine;

unsigned trap_alloc_vector(plat_irq_fn fn, void *arg)
{
	fire = fn;
	fire_arg = arg;
	return VECTOR;
}

uint64_t trap_unhandled(void)
{
	return nb_strays;
}

uint32_t apic_boot_id(void)
{
	return 0;
}

static bool device(void *arg)
{
	(*(unsigned *)arg)++;
	return mine;
}

static unsigned calls;

static void open_line(void)
{
	ioapics[0] = (struct ioapic){.regs = &regs, .nb_inputs = 24};
	nb_ioapics = 1;
	cr_assert_eq(plat_irq_intx(LINE, device, &calls), 0);
	cr_assert_eq(regs.select, REG_INPUT(LINE));
	cr_assert_eq(regs.window, INPUT_LEVEL | INPUT_ACTIVE_LOW | VECTOR);
}

static void fire_times(unsigned n)
{
	while (n--)
		fire(fire_arg);
}

TestSuite(ioapic, .init = open_line);

Test(ioapic, a_level_that_nobody_claims_a_thousand_times_is_masked)
{
	fire_times(999);
	cr_assert_not(regs.window & INPUT_MASKED);
	regs.select = REG_INPUT(5) + 1; /* somebody was about to write there */
	fire_times(1);
	cr_assert_eq(calls, 1000);
	cr_assert_eq(regs.select, REG_INPUT(5) + 1);
	cr_assert_eq(regs.window, INPUT_MASKED | INPUT_LEVEL | INPUT_ACTIVE_LOW | VECTOR);
	cr_assert_str_empty(plat_test_output(), "a handler does not log");
	plat_irq_report();
	cr_assert_not_null(strstr(plat_test_output(), "interrupt line 11 fired 1000 times"));
	plat_test_clear();
	plat_irq_report();
	cr_assert_str_empty(plat_test_output(), "once is enough");
	cr_assert_eq(plat_irq_intx(LINE, device, &calls), -ENXIO, "its devices are polled");
}

Test(ioapic, devices_of_a_masked_line_are_polled)
{
	plat_irq_report();
	cr_assert_eq(calls, 0, "the line lives");
	fire_times(1000);
	for (unsigned i = 1; i < 4; i++) {
		plat_irq_report();
		cr_assert_eq(calls, 1000 + i);
	}
}

Test(ioapic, one_claim_starts_the_count_again)
{
	fire_times(999);
	mine = true;
	fire_times(1);
	mine = false;
	fire_times(999);
	cr_assert_not(regs.window & INPUT_MASKED);
	plat_irq_report();
	cr_assert_str_empty(plat_test_output());
}

Test(ioapic, an_edge_is_never_masked)
{
	inputs[0].line.level = false;
	fire_times(5000);
	cr_assert_not(regs.window & INPUT_MASKED);
}

Test(ioapic, stray_interrupts_are_told_of_once)
{
	nb_strays = 3;
	plat_irq_report();
	cr_assert_not_null(strstr(plat_test_output(), "nobody had asked for"));
	plat_test_clear();
	plat_irq_report();
	cr_assert_str_empty(plat_test_output());
}
