/*
 * Further processors, by PSCI (Arm DEN 0022, CPU_ON). They begin at cpu_entry (boot.S) with the MMU
 * off, where they find their block by its address.
 */
#include "arch/aarch64/machine.h"
#include "arch/aarch64/regs.h"
#include "arch/aarch64/stack.h"
#include "arch/bare/cpus.h"
#include "kernel/errno.h"
#include "kernel/log.h"

#define PSCI_CPU_ON 0xc4000003u
#define PSCI_ALREADY_ON (-4)

extern const uint8_t cpu_entry[]; /* boot.S */

void cpu_list_fill(struct cpu_list *list)
{
	const uint64_t own = mpidr_affinity(sysreg_read("mpidr_el1"));

	*list = (struct cpu_list){.nb = machine.nb_cpus};
	for (unsigned i = 0; i < list->nb; i++) {
		list->id[i] = machine.cpu[i];
		if (list->id[i] == own)
			list->boot = i;
	}
	if (machine.nb_cpus_more)
		log_info("lcore", "%u processors beyond the first %u are not used",
		         machine.nb_cpus_more, CPUS_MAX);
	if (!list->nb || list->id[list->boot] != own)
		*list = (struct cpu_list){.nb = 1, .id = {own}};
}

int cpu_launch(struct cpu *c)
{
	struct cpu_arch *a = &c->arch;
	struct stack s;
	int64_t err;

	if (machine.psci == PSCI_NONE || !irq_cpu_find(c->lcore, c->id))
		return -EOPNOTSUPP;
	a->root = sysreg_read("ttbr0_el1");
	a->sctlr = sysreg_read("sctlr_el1");
	s = stack_in(c->slot, STACK_BOOT);
	a->stack = stack_top(&s);
	s = stack_in(c->slot, STACK_EXCEPTION);
	a->exception_stack = stack_top(&s);
	s = stack_in(c->slot, STACK_NESTED);
	a->nested_stack = stack_top(&s);
	cache_clean(c, sizeof(*c));
	err = (int32_t)psci_call(PSCI_CPU_ON, c->id, (uint64_t)(uintptr_t)cpu_entry,
	                         (uint64_t)(uintptr_t)c);
	return !err ? 0 : err == PSCI_ALREADY_ON ? -EINVAL : -EOPNOTSUPP;
}

/* Nobody can stop it from here; it finds that it is late. */
void cpu_abandon(const struct cpu *c)
{
	(void)c;
}

void cpu_arrived(struct cpu *c)
{
	irq_cpu_arrived(c->lcore, c->arch.pending);
}

void cpu_setup(struct cpu *c)
{
	serror_enable();
	irq_cpu_setup(c->lcore);
}

void cpu_poke(const struct cpu *c)
{
	irq_poke(c->lcore);
}

void cpu_halt(void)
{
	irq_disable();
	for (;;)
		wait_for_interrupt();
}

void cpu_irq_on(void)
{
	irq_enable();
}
