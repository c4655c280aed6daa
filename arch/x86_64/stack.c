/* The stacks and their guard pages, and what makes the stack protector differ from boot to boot. */
#include "arch/x86_64/stack.h"
#include "arch/x86_64/regs.h"
#include <arch/cpu.h>

#define BOOT_STACK_BYTES (32 * 1024)
#define IST_STACK_BYTES (8 * 1024)

#define CPUID_FEATURES 1
#define CPUID_ECX_RDRAND (1u << 30)
#define GOLDEN_RATIO 0x9e3779b97f4a7c15ull /* spreads the counter's few changing bits */

/* One object, so that the stacks lie in memory in the order of their numbers. */
static struct {
	uint8_t boot_guard[PAGE_SIZE], boot[BOOT_STACK_BYTES];
	uint8_t double_fault_guard[PAGE_SIZE], double_fault[IST_STACK_BYTES];
	uint8_t nmi_guard[PAGE_SIZE], nmi[IST_STACK_BYTES];
	uint8_t machine_check_guard[PAGE_SIZE], machine_check[IST_STACK_BYTES];
} memory __attribute__((aligned(PAGE_SIZE)));

/* For boot.asm, which knows no C constants. */
extern uint8_t *const stack_boot_top;
uint8_t *const stack_boot_top = memory.boot + sizeof(memory.boot);

const struct stack stacks[STACKS] = {
    [STACK_BOOT] = {"main", memory.boot_guard, memory.boot, BOOT_STACK_BYTES},
    [STACK_DOUBLE_FAULT] = {"double fault", memory.double_fault_guard, memory.double_fault,
                            IST_STACK_BYTES},
    [STACK_NMI] = {"NMI", memory.nmi_guard, memory.nmi, IST_STACK_BYTES},
    [STACK_MACHINE_CHECK] = {"machine check", memory.machine_check_guard, memory.machine_check,
                             IST_STACK_BYTES},
};

const unsigned nb_stacks = STACKS;

__attribute__((no_stack_protector)) uint64_t stack_protector_seed(void)
{
	uint64_t v = 0;

	if (cpuid(CPUID_FEATURES, 0).ecx & CPUID_ECX_RDRAND)
		v = rdrand();
	return v ^ cpu_cycles() * GOLDEN_RATIO;
}
