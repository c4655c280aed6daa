/*
 * The end of the machine. Power off is the ACPI sleep state S5 (ACPI 6.5, 4.8.3.2) with the ports
 * and values from the tables, then the ports that QEMU's machines use when they show no tables.
 * Failure asks for a status that is not 0: isa-debug-exit, then pvpanic (with -action
 * panic=exit-failure); without both the machine is reset, which -no-reboot turns into an end.
 */
#include "arch/bare/cpus.h"
#include "arch/x86_64/pio.h"
#include "arch/x86_64/regs.h"
#include "kernel/acpi.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define PM1_SLEEP_ENABLE (1u << 13)
#define PM1_SLEEP_TYPE_SHIFT 10
#define PM1_SLEEP_MASK (PM1_SLEEP_ENABLE | 7u << PM1_SLEEP_TYPE_SHIFT)

#define QEMU_PM1_CNT 0x604        /* pc and q35, S5 has type 0 */
#define QEMU_PM1_CNT_BOCHS 0xb004 /* pc before 2.0, Bochs */

#define DEBUG_EXIT 0xf4
#define DEBUG_EXIT_FAIL 1 /* QEMU ends with 2 * value + 1 */
#define PVPANIC 0x505
#define PVPANIC_PANICKED 1u

#define RESET_CONTROL 0xcf9
#define RESET_CONTROL_PREPARE 0x02
#define RESET_CONTROL_FULL 0x06
#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_BUSY 0x02
#define KEYBOARD_RESET 0xfe
#define KEYBOARD_LOOKS 10000

#define SETTLE_PAUSES 100000 /* a machine may take a moment to act on a write */

static void settle(void)
{
	for (unsigned i = 0; i < SETTLE_PAUSES; i++)
		cpu_pause();
}

/* An exception without a table to find its handler in resets the processor. */
static void triple_fault(void)
{
	const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	__asm__ volatile("lidt %0\n\tint3" : : "m"(none));
}

static void machine_reset(void)
{
	struct acpi_power pw;

	if (acpi_power(&pw) == 0 && pw.has_reset) {
		pio_write8(pw.reset_port, pw.reset_value);
		settle();
	}
	pio_write8(RESET_CONTROL, RESET_CONTROL_PREPARE);
	pio_write8(RESET_CONTROL, RESET_CONTROL_FULL);
	settle();
	for (unsigned i = 0; i < KEYBOARD_LOOKS; i++)
		if (!(pio_read8(KEYBOARD_COMMAND) & KEYBOARD_BUSY))
			break;
	pio_write8(KEYBOARD_COMMAND, KEYBOARD_RESET);
	settle();
	triple_fault();
}

static void sleep_s5(uint16_t port, uint8_t type)
{
	const unsigned keep = pio_read16(port) & ~PM1_SLEEP_MASK;

	pio_write16(port,
	            (uint16_t)(keep | (unsigned)type << PM1_SLEEP_TYPE_SHIFT | PM1_SLEEP_ENABLE));
}

NORETURN void plat_poweroff(void)
{
	struct acpi_power pw;

	irq_disable();
	if (acpi_power(&pw) == 0 && pw.has_s5 && pw.pm1a_cnt) {
		sleep_s5(pw.pm1a_cnt, pw.s5_typ_a);
		if (pw.pm1b_cnt)
			sleep_s5(pw.pm1b_cnt, pw.s5_typ_b);
		settle();
	}
	pio_write16(QEMU_PM1_CNT, PM1_SLEEP_ENABLE);
	pio_write16(QEMU_PM1_CNT_BOCHS, PM1_SLEEP_ENABLE);
	settle();
	machine_reset();
	cpu_halt();
}

NORETURN void plat_fail(void)
{
	irq_disable();
	pio_write8(DEBUG_EXIT, DEBUG_EXIT_FAIL);
	settle();

	/* all ones: nothing is there */
	const uint8_t events = pio_read8(PVPANIC);

	if (events != 0xff && (events & PVPANIC_PANICKED)) {
		pio_write8(PVPANIC, PVPANIC_PANICKED);
		settle();
	}
	machine_reset();
	cpu_halt();
}
