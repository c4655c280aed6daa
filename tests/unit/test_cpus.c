/*
 * arch/bare/cpus.c and stack.c: who becomes an lcore, one that is late, whose stack is whose, and
 * stopping all. The sources are compiled here, over an architecture that only takes notes.
 */
#define plat_cpus bare_cpus
#define plat_cpu_bind bare_cpu_bind
#define plat_cpu_start bare_cpu_start
#define __stack_chk_fail bare_stack_chk_fail
#define __stack_chk_guard bare_stack_chk_guard
#define __builtin_frame_address(level) ((void *)((level) + frame))
#include <stdint.h>
static uintptr_t frame; /* on which stack we are */
#include "arch/bare/cpus.c"
#include "arch/bare/stack.c"

#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"
#include <criterion/criterion.h>
#include <setjmp.h>

#define BOOT_ID 7
#define PAGES_MAX 64

static struct cpu_list machine = {.nb = 4, .boot = 1, .id = {5, BOOT_ID, 0x1234, 9}};
static enum { ANSWERS, IS_LATE, IS_OFF } other = ANSWERS;
static unsigned nb_launched, nb_abandoned, nb_arrived;
static unsigned poked; /* a bit for each lcore */
static int map_err;
static struct {
	uint64_t va, phys, len;
} mapped[PAGES_MAX];
static unsigned nb_mapped;
static jmp_buf halted;
static bool stops = true;

/* ---- the architecture --------------------------------------------------------------------- */

static uint8_t stack_memory[3][2 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
const struct stack stacks[] = {
    {"main", stack_memory[0], stack_memory[0] + PAGE_SIZE, PAGE_SIZE},
    {"second", stack_memory[1], stack_memory[1] + PAGE_SIZE, PAGE_SIZE},
};
const unsigned nb_stacks = ARRAY_SIZE(stacks);

uint64_t stack_protector_seed(void)
{
	return 0;
}

int paging_map_at(uint64_t va, uint64_t phys, uint64_t len)
{
	mapped[nb_mapped].va = va;
	mapped[nb_mapped].phys = phys;
	mapped[nb_mapped++].len = len;
	return map_err;
}

void cpu_list_fill(struct cpu_list *out)
{
	*out = machine;
}

int cpu_launch(struct cpu *c)
{
	nb_launched++;
	if (other == IS_OFF)
		return -EOPNOTSUPP;
	if (other == ANSWERS) {
		c->arrived_cycles += cpu_cycles();
		cr_assert(decide(c, CPU_HERE));
	}
	return 0;
}

void cpu_abandon(const struct cpu *c)
{
	cr_expect_eq(c->state, CPU_LATE);
	nb_abandoned++;
}

void cpu_arrived(struct cpu *c)
{
	cr_expect_eq(cpu_of(c->lcore), c);
	nb_arrived++;
}

void cpu_setup(struct cpu *c)
{
	c->arch = (struct cpu_arch){};
}

void cpu_irq_on(void)
{
}

void cpu_halt(void)
{
	longjmp(halted, 1);
}

void cpu_poke(const struct cpu *c)
{
	poked |= 1u << c->lcore;
	if (stops)
		cpu_of(c->lcore)->stopped = true;
}

static void job(void *arg)
{
	++*(unsigned *)arg;
}

static unsigned done;

static int begin(unsigned lcore, uint16_t cpu)
{
	return plat_cpu_start(lcore, cpu, job, &done);
}

static uint8_t arena[1 << 20] __attribute__((aligned(CPU_BLOCK_ALIGN)));

static void begin_test(void)
{
	uint16_t numbers[CPUS_MAX] = {0};

	plat_test_clear();
	mem_reset();
	mem_add(arena, sizeof(arena));
	cr_assert_eq(plat_cpus(numbers, CPUS_MAX), machine.nb);
	cr_expect_eq(numbers[0], machine.boot, "where it stays");
	cr_expect_eq(numbers[1], 0);
	cr_expect_eq(numbers[2], 2);
	cr_expect_eq(numbers[3], 3);
	plat_test_time_step_ns = 1000000;
}

TestSuite(cpus, .init = begin_test, .timeout = 20);

/* ---- tests -------------------------------------------------------------------------------- */

Test(cpus, one_that_boots_is_where_it_is)
{
	uint16_t one;

	cr_expect_eq(plat_cpu_bind(1), 0);
	cr_expect_eq(plat_cpu_bind(0), -EINVAL);
	cr_expect_eq(plat_cpus(&one, 1), 1);
	cr_expect_eq(one, 1);
	cr_expect_eq(plat_lcore(), 0);
}

Test(cpus, lcores_get_memory_and_stacks_of_their_own)
{
	uint64_t id = 0;

	cr_expect_not(cpu_id_of(1, &id));
	cr_assert_eq(begin(1, 2), 0);
	cr_assert_eq(begin(2, 0), 0);
	cr_assert(cpu_id_of(0, &id));
	cr_expect_eq(id, BOOT_ID);
	cr_assert(cpu_id_of(1, &id));
	cr_expect_eq(id, 0x1234);
	cr_assert(cpu_id_of(2, &id));
	cr_expect_eq(id, 5);
	cr_expect_eq(nb_arrived, 2);
	cr_expect(!lines_said());
	cr_assert_eq(nb_mapped, 2 * nb_stacks);
	for (unsigned i = 0; i < nb_mapped; i++) {
		const struct cpu *c = cpu_of(1 + i / 2);

		cr_expect_eq(mapped[i].len, PAGE_SIZE);
		cr_expect_eq(mapped[i].phys, (uintptr_t)c + CPU_HEAD_BYTES + i % 2 * PAGE_SIZE);
		cr_expect_eq((uintptr_t)c % CPU_BLOCK_ALIGN, 0);
		for (unsigned k = 0; k < i; k++)
			cr_expect_gt(mapped[i].va, mapped[k].va + mapped[k].len, "a guard page");
	}
}

Test(cpus, an_address_tells_whose_stack_it_is)
{
	struct stack s;

	cr_assert_eq(begin(1, 2), 0);
	cr_expect(stack_of((uintptr_t)stack_memory[1] + PAGE_SIZE, &s));
	cr_expect_str_eq(s.name, "second");
	cr_expect(stack_of_guard((uintptr_t)stack_memory[0] + 1, &s));
	cr_expect_not(stack_of((uintptr_t)stack_memory[2], &s));
	for (unsigned i = 0; i < nb_stacks; i++) {
		cr_assert(stack_of(mapped[i].va + PAGE_SIZE - 1, &s));
		cr_expect_str_eq(s.name, stacks[i].name);
		cr_expect_eq(stack_top(&s), mapped[i].va + PAGE_SIZE);
		cr_expect(stack_of_guard(mapped[i].va - 1, &s));
		cr_expect_str_eq(s.name, stacks[i].name);
		cr_expect_not(stack_of(mapped[i].va - 1, &s));
		cr_expect_not(stack_of_guard(mapped[i].va, &s));
		frame = mapped[i].va + 16;
		cr_expect_eq(plat_lcore(), 1);
	}
	cr_expect_not(stack_of(mapped[0].va + SLOT_BYTES, &s), "of a slot that is not mapped");
	frame = mapped[0].va + SLOT_BYTES;
	cr_expect_eq(plat_lcore(), 0);
}

Test(cpus, what_is_not_there_or_taken_is_refused)
{
	cr_expect_eq(begin(1, 4), -EINVAL);
	cr_expect_eq(begin(1, 1), -EINVAL, "we run on it");
	cr_expect_eq(begin(2, 0), -EINVAL, "the first is lcore 1");
	cr_expect_eq(begin(1, 3), 0);
	cr_expect_eq(begin(2, 3), -EINVAL);
	cr_expect_eq(nb_launched, 1);
	other = IS_OFF;
	cr_expect_eq(begin(2, 0), -EOPNOTSUPP);
	other = ANSWERS;
	map_err = -ENOMEM;
	cr_expect_eq(begin(2, 0), -ENOMEM);
	mem_reset();
	cr_expect_eq(begin(2, 0), -ENOMEM);
	cr_expect_eq(nb_arrived, 1);
}

Test(cpus, one_that_comes_late_does_nothing)
{
	static struct cpu *late;
	const uint64_t before_ns = plat_test_time_ns;

	other = IS_LATE;
	cr_assert_eq(begin(1, 2), -EAGAIN);
	cr_expect_eq(nb_abandoned, 1);
	cr_expect_geq(plat_test_time_ns - before_ns, ARRIVE_NS);
	cr_expect_lt(plat_test_time_ns - before_ns, 2 * ARRIVE_NS);
	late = stack_slot_owner(1);
	other = ANSWERS;
	cr_assert_eq(begin(1, 0), 0, "the number is free");
	cr_expect_eq(cpu_of(1)->slot, 2, "but not the stacks");
	if (!setjmp(halted))
		cpu_main(late);
	cr_expect_eq(done, 0);
}

Test(cpus, one_that_is_in_time_does_its_job)
{
	static struct cpu c = {.fn = job, .arg = &done};

	if (!setjmp(halted))
		cpu_main(&c);
	cr_expect_eq(done, 1);
	cr_expect_eq(c.state, CPU_HERE);
	cr_expect_neq(c.arrived_cycles, 0);
}

Test(cpus, a_counter_that_is_apart_is_told_of)
{
	struct cpu c = {.lcore = 3, .arrived_cycles = 150};

	check_cycles(&c, 100, 200);
	cr_expect(!lines_said());
	c.arrived_cycles = 99;
	check_cycles(&c, 100, 200);
	cr_expect(said("lcore 3: its cycle counter"));
	plat_test_clear();
	c.arrived_cycles = 1201;
	check_cycles(&c, 100, 200);
	cr_expect(said("but 1001 ahead"));
}

Test(cpus, for_a_panic_all_others_are_stopped)
{
	cr_assert_eq(begin(1, 2), 0);
	cr_assert_eq(begin(2, 0), 0);
	cpu_stop();           /* nobody panics */
	frame = mapped[0].va; /* lcore 1 does */
	plat_stop_others();
	cr_expect_eq(poked, 1 << 0 | 1 << 2);
	cpu_stop(); /* not for itself */
	frame = 0;
	cpu_of(0)->stopped = false;
	if (!setjmp(halted)) {
		cpu_stop();
		cr_assert_fail("it goes on");
	}
	cr_expect(cpu_of(0)->stopped);
}

Test(cpus, one_that_does_not_stop_is_not_waited_for_long)
{
	cr_assert_eq(begin(1, 2), 0);
	stops = false;
	plat_test_cycles_hz = 10000000; /* cpu_cycles() is the machine's */
	plat_stop_others();
	cr_expect_eq(poked, 1 << 1);
}
