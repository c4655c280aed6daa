/*
 * The end of the machine, by PSCI (Arm DEN 0022). Failure asks for a status that is not 0: by
 * semihosting, which an emulator or debugger may offer (QEMU: -semihosting-config enable=on); where
 * nobody does, the machine is reset, which -no-reboot turns into an end.
 */
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "arch/bare/cpus.h"
#include "kernel/plat.h"

#define PSCI_NOT_SUPPORTED UINT64_MAX
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

uint64_t psci_call(uint32_t fn, uint64_t a, uint64_t b, uint64_t c)
{
	if (machine.psci == PSCI_HVC)
		return hvc_call(fn, a, b, c);
	if (machine.psci == PSCI_SMC)
		return smc_call(fn, a, b, c);
	return PSCI_NOT_SUPPORTED;
}

NORETURN void plat_poweroff(void)
{
	irq_disable();
	psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
	cpu_halt();
}

NORETURN void plat_fail(void)
{
	const uint64_t how[2] = {SEMIHOSTING_APPLICATION_EXIT, FAIL_STATUS};

	irq_disable();
	asking = true;
	semihosting_call(SEMIHOSTING_EXIT_EXTENDED, how);
	asking = false;
	psci_call(PSCI_SYSTEM_RESET, 0, 0, 0);
	cpu_halt();
}
