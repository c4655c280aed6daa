/*
 * Lcores on bare metal: who is where, starting them one after the other, and stopping all for a
 * panic. A processor that is late is not let in any more: its memory is never used again.
 */
#include "arch/bare/cpus.h"
#include "arch/bare/stack.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define ARRIVE_NS 4000000000ull
#define STOP_PARTS_OF_SECOND 10 /* how long the others may take to stop */

enum { CPU_ASKED, CPU_HERE, CPU_LATE };

static struct cpu_list list;
static struct cpu boot;
static struct cpu *others[LCORES_MAX - 1]; /* by lcore, from the second on */
static unsigned nb_others;
static unsigned stopping; /* the lcore that stops all others, and 1 */

static struct cpu *cpu_of(unsigned lcore)
{
	return lcore ? others[lcore - 1] : &boot;
}

static void list_read(void)
{
	if (list.nb)
		return;
	cpu_list_fill(&list);
	boot.id = list.id[list.boot];
}

unsigned plat_cpus(uint16_t *cpus, unsigned max)
{
	unsigned n = 0;

	list_read();
	cpus[n++] = (uint16_t)list.boot;
	for (unsigned i = 0; i < list.nb && n < max; i++) {
		if (i != list.boot)
			cpus[n++] = (uint16_t)i;
	}
	return n;
}

int plat_cpu_bind(uint16_t cpu)
{
	return cpu == list.boot ? 0 : -EINVAL;
}

unsigned plat_lcore(void)
{
	const unsigned slot = stack_slot((uint64_t)(uintptr_t)__builtin_frame_address(0));
	const struct cpu *c = slot ? stack_slot_owner(slot) : &boot;

	return c->lcore;
}

bool cpu_id_of(unsigned lcore, uint64_t *id)
{
	if (lcore > nb_others)
		return false;
	list_read();
	*id = cpu_of(lcore)->id;
	return true;
}

/* ---- starting one ------------------------------------------------------------------------- */

static bool is_running(uint64_t id)
{
	for (unsigned i = 0; i <= nb_others; i++) {
		if (cpu_of(i)->id == id)
			return true;
	}
	return false;
}

bool cpu_wait(const struct cpu *c, uint64_t ns)
{
	const uint64_t deadline_ns = plat_time_ns() + ns;

	do {
		if (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) == CPU_HERE)
			return true;
		cpu_pause();
	} while (plat_time_ns() < deadline_ns);
	return false;
}

/* Return: was it the first to change the state? */
static bool decide(struct cpu *c, unsigned state)
{
	unsigned asked = CPU_ASKED;

	return __atomic_compare_exchange_n(&c->state, &asked, state, false, __ATOMIC_ACQ_REL,
	                                   __ATOMIC_ACQUIRE);
}

/* It read its counter while we waited for it. */
static void check_cycles(const struct cpu *c, uint64_t before, uint64_t after)
{
	const uint64_t at = c->arrived_cycles;

	if (at - before > after - before)
		log_warn("lcore",
		         "lcore %u: its cycle counter is not that of the first, but %lld ahead: "
		         "times that it takes are wrong",
		         c->lcore, (long long)(at - after));
}

static int start(struct cpu *c)
{
	const uint64_t before = cpu_cycles();
	const int err = cpu_launch(c);

	if (err)
		return err;
	if (!cpu_wait(c, ARRIVE_NS) && decide(c, CPU_LATE)) {
		cpu_abandon(c);
		return -EAGAIN;
	}
	check_cycles(c, before, cpu_cycles());
	return 0;
}

int plat_cpu_start(unsigned lcore, uint16_t cpu, void (*fn)(void *arg), void *arg)
{
	struct cpu *c;
	int err;

	if (cpu >= list.nb || lcore != nb_others + 1 || is_running(list.id[cpu]))
		return -EINVAL;
	c = mem_alloc("lcore", CPU_HEAD_BYTES + stack_slot_bytes(), CPU_BLOCK_ALIGN);
	if (!c)
		return -ENOMEM;
	c->id = list.id[cpu];
	c->lcore = lcore;
	c->fn = fn;
	c->arg = arg;
	c->slot = stack_slot_map(c, (uint64_t)(uintptr_t)c + CPU_HEAD_BYTES);
	if (!c->slot)
		return -ENOMEM;
	err = start(c);
	if (err)
		return err;
	others[nb_others++] = c;
	cpu_arrived(c);
	return 0;
}

void cpu_main(struct cpu *c)
{
	cpu_setup(c);
	c->arrived_cycles = cpu_cycles();
	if (!decide(c, CPU_HERE))
		cpu_halt();
	cpu_irq_on();
	c->fn(c->arg);
	cpu_halt();
}

/* ---- stopping all ------------------------------------------------------------------------- */

void cpu_stop(void)
{
	const unsigned me = plat_lcore();

	if (!stopping || stopping == me + 1)
		return;
	__atomic_store_n(&cpu_of(me)->stopped, true, __ATOMIC_RELEASE);
	cpu_halt();
}

static bool all_stopped(unsigned me)
{
	for (unsigned i = 0; i <= nb_others; i++) {
		if (i != me && !__atomic_load_n(&cpu_of(i)->stopped, __ATOMIC_ACQUIRE))
			return false;
	}
	return true;
}

/* By cycles: the clock may be what is broken. */
void plat_stop_others(void)
{
	const unsigned me = plat_lcore();
	const uint64_t begin = cpu_cycles();

	__atomic_store_n(&stopping, me + 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i <= nb_others; i++) {
		if (i != me)
			cpu_poke(cpu_of(i));
	}
	while (!all_stopped(me) && cpu_cycles() - begin < plat_cycles_hz() / STOP_PARTS_OF_SECOND)
		cpu_pause();
}
