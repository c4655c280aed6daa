/*
 * What is where in this machine, as the device tree (or ACPI) says it, and the steps of bringing
 * the machine up, in the order in which start.c takes them.
 */
#ifndef ARCH_AARCH64_MACHINE_H
#define ARCH_AARCH64_MACHINE_H

#include "kernel/compiler.h"
#include "kernel/pci.h"

#define CPUS_KNOWN_MAX 64
#define GIC_REDISTS_MAX CPUS_KNOWN_MAX
#define GIC_V2M_MAX 4
#define PCI_MSI_MAPS_MAX 16
#define PCI_INTX_MAPS_MAX 128 /* 32 slots of 4 pins */

enum psci_conduit { PSCI_NONE, PSCI_HVC, PSCI_SMC };

struct machine_range {
	uint64_t base, bytes;
};

/* A frame of registers to which devices write the number of a shared interrupt (GICv2m). */
struct gic_v2m {
	struct machine_range regs;
	uint32_t phandle;
	unsigned first, count; /* interrupts; 0: as the frame's own register says */
};

struct gic_info {
	unsigned version; /* 2 or 3; 0: none */
	struct machine_range dist;
	struct machine_range cpu; /* version 2 */
	unsigned nb_redists;      /* version 3 */
	struct machine_range redist[GIC_REDISTS_MAX];
	unsigned nb_v2m;
	struct gic_v2m v2m[GIC_V2M_MAX];
	struct machine_range its;
	uint32_t its_phandle;
};

/* Requester IDs [@rid, @rid + @count) are device IDs from @id on, at the controller @phandle. */
struct pci_msi_map {
	uint32_t rid, count, phandle, id;
};

/* The pin @pin (1: INTA) of a device whose address fits is wired to interrupt @intid. */
struct pci_intx_map {
	uint32_t address, pin; /* PCI binding: bus << 16 | slot << 11 | function << 8 */
	unsigned intid;
	bool level;
};

struct pci_info {
	bool present;
	bool firmware_assigned;
	uint64_t ecam; /* of bus 0 */
	uint8_t bus_first, bus_last;
	struct pci_window io, mem32, mem64;
	uint64_t smmu; /* 0: none */
	unsigned nb_msi;
	struct pci_msi_map msi[PCI_MSI_MAPS_MAX];
	uint32_t intx_address_mask, intx_pin_mask;
	unsigned nb_intx;
	struct pci_intx_map intx[PCI_INTX_MAPS_MAX];
};

struct machine {
	struct machine_range uart; /* a PL011; no bytes: none */
	unsigned uart_irq;         /* 0: not known */
	struct machine_range fw_cfg;
	enum psci_conduit psci;
	unsigned nb_cpus, nb_cpus_more; /* those that can be used, and for which there is no room */
	uint64_t cpu[CPUS_KNOWN_MAX];   /* the affinity fields of MPIDR */
	uint32_t timer_hz;              /* 0: as the processor says */
	struct gic_info gic;
	struct pci_info pci;
};

extern struct machine machine;

#define MPIDR_AFFINITY 0xff00ffffffull

/** mpidr_affinity() - the fields of MPIDR that name a processor */
static inline uint64_t mpidr_affinity(uint64_t mpidr)
{
	return mpidr & MPIDR_AFFINITY;
}

/** machine_add_cpu() - one more of the enabled processors */
static inline void machine_add_cpu(struct machine *m, uint64_t affinity)
{
	if (m->nb_cpus == CPUS_KNOWN_MAX)
		m->nb_cpus_more++;
	else
		m->cpu[m->nb_cpus++] = affinity;
}

/** serial_init() - set up the console; where there is none, output is discarded */
void serial_init(void);

/** serial_listen() - let the next byte that is typed interrupt */
void serial_listen(void);

/** cpu_init() - remember what the processor can do, and say it */
void cpu_init(void);

/** clock_init() - the counter's rate */
void clock_init(void);

/** irq_init() - interrupt controller on, everything masked */
void irq_init(void);

/** irq_cpu_find() - from the first lcore: how another is reached. Return: false when it is not */
bool irq_cpu_find(unsigned lcore, uint64_t affinity);

/** irq_cpu_setup() - on another lcore: its part of the interrupt controller */
void irq_cpu_setup(unsigned lcore);

/** irq_cpu_arrived() - it may get messages now; @pending: see struct cpu_arch */
void irq_cpu_arrived(unsigned lcore, const void *pending);

/** irq_poke() - make it call cpu_stop(), which is also a way to wake it up */
void irq_poke(unsigned lcore);

/** pci_host_init() - how configuration space is reached */
void pci_host_init(void);

/** psci_call() - ask the firmware or hypervisor; what it answers */
uint64_t psci_call(uint32_t fn, uint64_t a, uint64_t b, uint64_t c);

/** power_asks_semihosting() - is an undefined instruction our question for a debugger? Then there
 * is none, and the instruction is to be skipped */
bool power_asks_semihosting(void);

#endif
