/* The processor: what vector code may use, and random numbers (Arm ARM, D19.2). */
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "arch/bare/random.h"
#include "kernel/log.h"
#include "kernel/plat.h"

#define PFR0_ADVSIMD_SHIFT 20
#define PFR0_ADVSIMD_NONE 0xf
#define ISAR0_RNDR_SHIFT 60
#define RNDR_TRIES 10

static unsigned isa;

void cpu_init(void)
{
	const uint64_t midr = sysreg_read("midr_el1");

	/* boot.S has switched the registers on */
	if (id_field(sysreg_read("id_aa64pfr0_el1"), PFR0_ADVSIMD_SHIFT) != PFR0_ADVSIMD_NONE)
		isa = ISA_NEON;
	log_info("cpu", "implementer 0x%02x part 0x%03x r%up%u, timer %u kHz, vector code:%s",
	         (unsigned)(midr >> 24 & 0xff), (unsigned)(midr >> 4 & 0xfff),
	         (unsigned)(midr >> 20 & 0xf), (unsigned)(midr & 0xf),
	         (unsigned)(plat_cycles_hz() / 1000), isa ? " neon" : " none");
}

unsigned plat_isa(void)
{
	return isa;
}

__attribute__((no_stack_protector)) uint64_t random_hardware(void)
{
	const bool has = id_field(sysreg_read("id_aa64isar0_el1"), ISAR0_RNDR_SHIFT);
	uint64_t v = 0;

	/* RNDR; 0 when the unit has nothing yet */
	for (unsigned i = 0; has && i < RNDR_TRIES && v == 0; i++)
		v = sysreg_read("s3_3_c2_c4_0");
	return v;
}
