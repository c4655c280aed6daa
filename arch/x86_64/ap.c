/*
 * Further processors (Intel SDM 3A, 8.4.4): INIT, then a start-up message that names the page where
 * they begin, and once more when the first was not heard. Which there are says the MADT.
 */
#include "arch/bare/boot_info.h"
#include "arch/bare/cpus.h"
#include "arch/bare/paging.h"
#include "arch/bare/stack.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/stack.h"
#include "arch/x86_64/trap.h"
#include "kernel/acpi.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define SECOND_MESSAGE_NS 10000000ull
#define EFER_LMA (1ull << 10) /* not for us to write */

/* For ap.asm, which knows the offsets. */
struct ap_boot {
	uint32_t cr0, cr3, cr4, efer;
	uint64_t stack;
	struct cpu *cpu;
};
static_assert(offsetof(struct ap_boot, stack) == 16, "AP_STACK of ap.asm");
static_assert(offsetof(struct ap_boot, cpu) == 24, "AP_CPU of ap.asm");

extern struct ap_boot ap_boot;
extern const uint8_t ap_trampoline[], ap_trampoline_end[];

struct ap_boot ap_boot;
static uint64_t page; /* where they begin; 0: there is no such page */
static bool page_ready;

void ap_page_take(struct boot_info *bi)
{
	for (unsigned i = 0; i < bi->nb_ranges; i++) {
		const uint64_t at = max_u64(align_up(bi->ranges[i].base, PAGE_SIZE), PAGE_SIZE);

		if (at + PAGE_SIZE > bi->ranges[i].end || at + PAGE_SIZE > AP_PAGES_END)
			continue;
		page = at;
		boot_info_exclude(bi, page, PAGE_SIZE);
		return;
	}
}

void cpu_list_fill(struct cpu_list *list)
{
	struct acpi_madt madt;

	*list = (struct cpu_list){.nb = 0};
	if (acpi_madt(&madt) == 0) {
		list->nb = madt.nb_cpus;
		if (madt.nb_cpus_more)
			log_info("lcore", "%u processors beyond the first %u are not used",
			         madt.nb_cpus_more, ACPI_CPUS_MAX);
	}
	for (unsigned i = 0; i < list->nb; i++) {
		list->id[i] = madt.apic_id[i];
		if (list->id[i] == apic_boot_id())
			list->boot = i;
	}
	if (!list->nb || list->id[list->boot] != apic_boot_id())
		*list = (struct cpu_list){.nb = 1, .id = {apic_boot_id()}};
}

static bool page_fill(void)
{
	if (!page_ready && page && paging_map_ram(page, PAGE_SIZE) == 0) {
		memcpy((void *)(uintptr_t)page, ap_trampoline,
		       (size_t)(ap_trampoline_end - ap_trampoline));
		page_ready = true;
	}
	return page_ready;
}

int cpu_launch(struct cpu *c)
{
	const uint32_t id = (uint32_t)c->id, start = APIC_START_UP | (uint32_t)(page >> 12);
	const struct stack stack = stack_in(c->slot, STACK_BOOT);

	if (!apic_reaches(id) || !page_fill())
		return -EOPNOTSUPP;
	ap_boot = (struct ap_boot){.cr0 = (uint32_t)cr0_read(),
	                           .cr3 = (uint32_t)cr3_read(),
	                           .cr4 = (uint32_t)cr4_read(),
	                           .efer = (uint32_t)(msr_read(MSR_EFER) & ~EFER_LMA),
	                           .stack = stack_top(&stack),
	                           .cpu = c};
	apic_send(id, APIC_INIT);
	apic_send(id, start);
	if (!cpu_wait(c, SECOND_MESSAGE_NS))
		apic_send(id, start);
	return 0;
}

/* It waits for a start-up message again, which never comes. */
void cpu_abandon(const struct cpu *c)
{
	apic_send((uint32_t)c->id, APIC_INIT);
}

void cpu_arrived(struct cpu *c)
{
	(void)c;
}

void cpu_setup(struct cpu *c)
{
	trap_load(&c->arch, c->slot);
	cpu_init_other();
	apic_init_other();
}

void cpu_poke(const struct cpu *c)
{
	apic_send((uint32_t)c->id, APIC_NMI);
}

void cpu_halt(void)
{
	for (;;)
		__asm__ volatile("cli\n\thlt");
}

void cpu_irq_on(void)
{
	irq_enable();
}
