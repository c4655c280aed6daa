/* The stacks and their guard pages, and what makes the stack protector differ from boot to boot. */
#include "arch/aarch64/stack.h"
#include "arch/bare/random.h"
#include <arch/cpu.h>

#define BOOT_STACK_BYTES (32 * 1024)
#define EXCEPTION_STACK_BYTES (16 * 1024)
#define NESTED_STACK_BYTES (8 * 1024)
#define GOLDEN_RATIO 0x9e3779b97f4a7c15ull /* spreads the counter's few changing bits */

/* One object, so that the stacks lie in memory in the order of their numbers. */
static struct {
	uint8_t boot_guard[PAGE_SIZE], boot[BOOT_STACK_BYTES];
	uint8_t exception_guard[PAGE_SIZE], exception[EXCEPTION_STACK_BYTES];
	uint8_t nested_guard[PAGE_SIZE], nested[NESTED_STACK_BYTES];
} memory __attribute__((aligned(PAGE_SIZE)));

/* For boot.S, which knows no C constants. */
extern uint8_t *const stack_boot_top, *const stack_exception_top, *const stack_nested_top;
uint8_t *const stack_boot_top = memory.boot + sizeof(memory.boot);
uint8_t *const stack_exception_top = memory.exception + sizeof(memory.exception);
uint8_t *const stack_nested_top = memory.nested + sizeof(memory.nested);

const struct stack stacks[] = {
    [STACK_BOOT] = {"main", memory.boot_guard, memory.boot, BOOT_STACK_BYTES},
    [STACK_EXCEPTION] = {"exception", memory.exception_guard, memory.exception,
                         EXCEPTION_STACK_BYTES},
    [STACK_NESTED] = {"nested exception", memory.nested_guard, memory.nested, NESTED_STACK_BYTES},
};
const unsigned nb_stacks = STACKS;

__attribute__((no_stack_protector)) uint64_t stack_protector_seed(void)
{
	return random_hardware() ^ cpu_cycles() * GOLDEN_RATIO;
}
