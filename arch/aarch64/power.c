/*
 * The end of the machine, by PSCI (Arm DEN 0022). Failure asks for a status that is not 0: by
 * semihosting, which an emulator or debugger may offer (QEMU: -semihosting-config enable=on); where
 * nobody does, the machine is reset, which -no-reboot turns into an end.
 */
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "kernel/plat.h"

#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u

#define SEMIHOSTING_EXIT_EXTENDED 0x20
#define SEMIHOSTING_APPLICATION_EXIT 0x20026
#define FAIL_STATUS 3 /* what isa-debug-exit makes of x86_64's */

static bool asking;

bool power_asks_semihosting(void)
{
	return asking;
}

static void psci(uint32_t fn)
{
	if (machine.psci == PSCI_HVC)
		hvc_call(fn, 0, 0, 0);
	else if (machine.psci == PSCI_SMC)
		smc_call(fn, 0, 0, 0);
}

NORETURN static void halt_for_ever(void)
{
	irq_disable();
	for (;;)
		wait_for_interrupt();
}

NORETURN void plat_poweroff(void)
{
	irq_disable();
	psci(PSCI_SYSTEM_OFF);
	halt_for_ever();
}

NORETURN void plat_fail(void)
{
	const uint64_t how[2] = {SEMIHOSTING_APPLICATION_EXIT, FAIL_STATUS};

	irq_disable();
	asking = true;
	semihosting_call(SEMIHOSTING_EXIT_EXTENDED, how);
	asking = false;
	psci(PSCI_SYSTEM_RESET);
	halt_for_ever();
}
