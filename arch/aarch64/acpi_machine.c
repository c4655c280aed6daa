/*
 * MADT (interrupt controller), MCFG (PCI), IORT (whose messages are whose), FADT (PSCI) and SPCR
 * (console) into struct machine. kernel/acpi.c has checked the tables as wholes; here a field is
 * read only when it is inside its table, an entry only when it lies inside, and walks end.
 */
#include "arch/aarch64/acpi_machine.h"
#include "kernel/acpi.h"
#include "kernel/string.h"

#define ENTRIES_MAX 1024

#define MADT_FIRST 44
#define MADT_GICC 0x0b
#define MADT_GICD 0x0c
#define MADT_MSI_FRAME 0x0d
#define MADT_GICR 0x0e
#define MADT_ITS 0x0f
#define GICC_ENABLED 1u
#define MSI_FRAME_SPI_GIVEN 1u
#define GICR_OF_ONE_BYTES 0x20000u
#define GIC_FRAME_BYTES 0x10000u
#define GIC_CPU_BYTES 0x2000u
#define ITS_FRAME_BYTES 0x20000u

#define FADT_ARM_BOOT 129
#define ARM_BOOT_PSCI 1u
#define ARM_BOOT_PSCI_HVC 2u

#define SPCR_KIND 36
#define SPCR_ADDRESS 44
#define SPCR_IRQ_KIND 52
#define SPCR_IRQ_KIND_GIC (1u << 3)
#define SPCR_IRQ 54
#define SPCR_PL011 0x03
#define SPCR_SBSA 0x0e
#define UART_BYTES 0x1000u

#define FIXED_MEMORY_BYTES 12

#define IORT_NODES 36 /* their number, then where they begin */
#define IORT_NODE_BYTES 16
#define IORT_MAPPING_BYTES 20
#define IORT_ITS_GROUP 0
#define IORT_ROOT_COMPLEX 2
#define IORT_HOPS_MAX 4 /* a root complex, an IOMMU, an ITS */

/* The frames of messages have no handles in ACPI: one for all of a kind. */
#define HANDLE_V2M 1
#define HANDLE_ITS 2

/* ---- bytes -------------------------------------------------------------------------------- */

struct span {
	const uint8_t *at;
	uint32_t bytes;
};

static struct span span_of(const struct acpi_header *t)
{
	return (struct span){.at = (const uint8_t *)t, .bytes = t ? t->length : 0};
}

static struct span table_of(const char *signature)
{
	return span_of(acpi_find(signature));
}

/* A field of @n bytes; 0 outside. */
static uint64_t get(struct span s, uint64_t offset, unsigned n)
{
	uint64_t v = 0;

	if (offset > s.bytes || n > s.bytes - offset)
		return 0;
	memcpy(&v, s.at + offset, n);
	return v;
}

static struct span part(struct span s, uint64_t offset, uint64_t bytes)
{
	if (offset > s.bytes || bytes > s.bytes - offset)
		return (struct span){NULL, 0};
	return (struct span){s.at + offset, (uint32_t)bytes};
}

/* ---- MADT --------------------------------------------------------------------------------- */

static void add_redist(struct gic_info *gic, uint64_t base, uint64_t bytes)
{
	if (base && bytes && gic->nb_redists < GIC_REDISTS_MAX)
		gic->redist[gic->nb_redists++] = (struct machine_range){base, bytes};
}

static void add_frame(struct gic_info *gic, struct span e)
{
	const uint64_t base = get(e, 8, 8);
	struct gic_v2m *f = &gic->v2m[gic->nb_v2m];

	if (!base || gic->nb_v2m == GIC_V2M_MAX)
		return;
	*f = (struct gic_v2m){.regs = {base, 0x1000}, .phandle = HANDLE_V2M};
	if (get(e, 16, 4) & MSI_FRAME_SPI_GIVEN) {
		f->count = (unsigned)get(e, 20, 2);
		f->first = (unsigned)get(e, 22, 2);
	}
	gic->nb_v2m++;
}

static void add_cpu(struct machine *m, struct span e)
{
	if (get(e, 32, 8))
		m->gic.cpu = (struct machine_range){get(e, 32, 8), GIC_CPU_BYTES};
	/* where there are no ranges, each processor names its own */
	add_redist(&m->gic, get(e, 60, 8), GICR_OF_ONE_BYTES);
	if (part(e, 68, 8).at && (get(e, 12, 4) & GICC_ENABLED))
		machine_add_cpu(m, mpidr_affinity(get(e, 68, 8)));
}

static void madt_entry(struct machine *m, struct span e)
{
	struct gic_info *gic = &m->gic;

	switch (get(e, 0, 1)) {
	case MADT_GICC:
		add_cpu(m, e);
		break;
	case MADT_GICD:
		gic->dist = (struct machine_range){get(e, 8, 8), GIC_FRAME_BYTES};
		gic->version = (unsigned)get(e, 20, 1);
		break;
	case MADT_MSI_FRAME:
		add_frame(gic, e);
		break;
	case MADT_GICR:
		add_redist(gic, get(e, 4, 8), get(e, 12, 4));
		break;
	case MADT_ITS:
		gic->its = (struct machine_range){get(e, 8, 8), ITS_FRAME_BYTES};
		gic->its_phandle = HANDLE_ITS;
		break;
	default:
		break;
	}
}

static void read_madt(struct machine *m)
{
	struct gic_info *gic = &m->gic;
	const struct span madt = table_of("APIC");
	uint64_t at = MADT_FIRST;

	for (unsigned i = 0; i < ENTRIES_MAX; i++) {
		const uint64_t bytes = get(madt, at + 1, 1);

		if (bytes < 2 || !part(madt, at, bytes).at)
			break;
		madt_entry(m, part(madt, at, bytes));
		at += bytes;
	}
	/* before ACPI 6.0 it did not say */
	if (gic->dist.base && gic->version == 0)
		gic->version = gic->cpu.base ? 2 : 3;
	gic->version = gic->version >= 3 ? 3 : gic->version;
}

/* ---- IORT --------------------------------------------------------------------------------- */

static struct span iort_node(struct span iort, uint64_t at)
{
	return part(iort, at, get(iort, at + 1, 2));
}

/* The ID with which @id of a node arrives at the ITS. Return: was there a way? */
static bool iort_follow(struct span iort, struct span node, uint32_t id, uint32_t *out)
{
	for (unsigned hop = 0; hop < IORT_HOPS_MAX; hop++) {
		const uint64_t nb = min_u64(get(node, 8, 4), ENTRIES_MAX), first = get(node, 12, 4);
		bool mapped = false;

		if (node.bytes >= IORT_NODE_BYTES && get(node, 0, 1) == IORT_ITS_GROUP) {
			*out = id;
			return true;
		}
		for (uint64_t i = 0; i < nb && !mapped; i++) {
			const struct span m =
			    part(node, first + i * IORT_MAPPING_BYTES, IORT_MAPPING_BYTES);
			const uint32_t from = (uint32_t)get(m, 0, 4);

			/* the count is less by one */
			if (!m.at || id < from || id - from > get(m, 4, 4))
				continue;
			id = (uint32_t)get(m, 8, 4) + (id - from);
			node = iort_node(iort, get(m, 12, 4));
			mapped = true;
		}
		if (!mapped)
			return false;
	}
	return false;
}

/* Each mapping of a root complex is taken as a whole: its first ID stands for the others. */
static void iort_root(struct span iort, struct span node, struct pci_info *pci)
{
	const uint64_t nb = min_u64(get(node, 8, 4), PCI_MSI_MAPS_MAX), first = get(node, 12, 4);

	for (uint64_t i = 0; i < nb && pci->nb_msi < PCI_MSI_MAPS_MAX; i++) {
		const struct span m =
		    part(node, first + i * IORT_MAPPING_BYTES, IORT_MAPPING_BYTES);
		struct pci_msi_map map = {.rid = (uint32_t)get(m, 0, 4),
		                          .count = (uint32_t)min_u64(get(m, 4, 4) + 1, 0x10000),
		                          .phandle = HANDLE_ITS};

		if (m.at && iort_follow(iort, node, map.rid, &map.id))
			pci->msi[pci->nb_msi++] = map;
	}
}

static void read_iort(struct pci_info *pci)
{
	const struct span iort = table_of("IORT");
	const uint64_t nb = min_u64(get(iort, IORT_NODES, 4), ENTRIES_MAX);
	uint64_t at = get(iort, IORT_NODES + 4, 4);

	for (uint64_t i = 0; i < nb; i++) {
		const struct span node = iort_node(iort, at);

		if (node.bytes < IORT_NODE_BYTES)
			return;
		if (get(node, 0, 1) == IORT_ROOT_COMPLEX)
			iort_root(iort, node, pci);
		at += node.bytes;
	}
}

/* ---- the rest ----------------------------------------------------------------------------- */

static void read_pci(struct machine *m)
{
	struct acpi_mcfg mcfg;

	if (acpi_mcfg(&mcfg) != 0)
		return;
	m->pci.present = true;
	m->pci.ecam = mcfg.base;
	m->pci.bus_first = mcfg.bus_first;
	m->pci.bus_last = mcfg.bus_last;
	/* QEMU speaks of an ITS there also when there is none */
	if (m->gic.its.bytes)
		read_iort(&m->pci);
	if (!m->pci.nb_msi)
		m->pci.msi[m->pci.nb_msi++] = (struct pci_msi_map){
		    .count = 0x10000, .phandle = m->gic.nb_v2m ? HANDLE_V2M : HANDLE_ITS};
}

static void read_psci(struct machine *m)
{
	const uint64_t flags = get(table_of("FACP"), FADT_ARM_BOOT, 2);

	if (flags & ARM_BOOT_PSCI)
		m->psci = flags & ARM_BOOT_PSCI_HVC ? PSCI_HVC : PSCI_SMC;
}

static void read_spcr(struct machine *m)
{
	const struct span spcr = table_of("SPCR");
	const uint64_t kind = get(spcr, SPCR_KIND, 1);

	if (get(spcr, SPCR_IRQ_KIND, 1) & SPCR_IRQ_KIND_GIC)
		m->uart_irq = (unsigned)get(spcr, SPCR_IRQ, 4);
	if (kind == SPCR_PL011 || kind == SPCR_SBSA)
		m->uart = (struct machine_range){get(spcr, SPCR_ADDRESS, 8), UART_BYTES};
	if (!m->uart.base)
		m->uart.bytes = 0;
}

/* fw_cfg stands in AML alone: its name, and behind it a resource of fixed memory
 * (ACPI 6.5, 6.4.3.4), both of which are constant bytes. */
static void read_fw_cfg(struct machine *m)
{
	static const char name[] = "QEMU0002";
	static const uint8_t fixed_memory[] = {0x86, 0x09, 0x00};
	const struct span dsdt = span_of(acpi_dsdt());
	bool named = false;

	for (uint64_t at = 0; at + FIXED_MEMORY_BYTES <= dsdt.bytes; at++) {
		named |= !memcmp(dsdt.at + at, name, sizeof(name) - 1);
		if (!named || memcmp(dsdt.at + at, fixed_memory, sizeof(fixed_memory)) != 0)
			continue;
		m->fw_cfg = (struct machine_range){get(dsdt, at + 4, 4), get(dsdt, at + 8, 4)};
		return;
	}
}

void acpi_machine(struct machine *m)
{
	read_madt(m);
	read_pci(m);
	read_psci(m);
	read_spcr(m);
	read_fw_cfg(m);
}
