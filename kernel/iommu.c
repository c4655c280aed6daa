/*
 * Where the registers of IOMMUs are, and whether they are switched on: Intel's by DMAR (VT-d 4.1,
 * 8.1, 11.4.4), AMD's by IVRS (AMD I/O virtualization 3.08, 3.4.18, 5.2.2), Arm's SMMUv3 by IORT
 * (DEN 0049E, 3.1.1.2; registers: IHI 0070, 6.3.9, 6.3.17) or by the device tree. Tables are
 * firmware's word: walks stay inside them.
 */
#include "kernel/iommu.h"
#include "kernel/acpi.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"
#include "kernel/pci.h"
#include "kernel/unaligned.h"

#define REGISTERS_BYTES 4096

#define DMAR_UNITS 48 /* where the list begins */
#define DMAR_DRHD 0
#define DRHD_BASE 8
#define VTD_GLOBAL_STATUS 0x1c
#define VTD_TRANSLATES 0x80000000u

#define IVRS_BLOCKS 48
#define IVHD_FIRST 0x10
#define IVHD_LAST 0x40
#define IVHD_BASE 8
#define AMD_CONTROL 0x18
#define AMD_ENABLED 1u

#define IORT_OFFSET_AT 40
#define IORT_SMMU3 4
#define IORT_SMMU3_BASE 16
#define SMMU_CR0 0x20
#define SMMU_ENABLED 1u
#define SMMU_GBPA 0x44
#define SMMU_ABORTS 0x100000u

static bool bit_is_set(uint64_t base, unsigned offset, uint32_t bit)
{
	volatile uint8_t *regs = base ? plat_mmio_map(base, REGISTERS_BYTES) : NULL;

	return regs && (mmio_read((volatile uint32_t *)(volatile void *)(regs + offset)) & bit);
}

static bool smmu_is_on(uint64_t base)
{
	if (bit_is_set(base, SMMU_CR0, SMMU_ENABLED))
		return true;
	return bit_is_set(base, SMMU_GBPA, SMMU_ABORTS);
}

/* A table whose entries from @at on have a type, and their length as 16 bits at @len_at. */
struct walk {
	const uint8_t *table;
	uint32_t at, end;
	unsigned len_at;
};

/* The next entry that is as long as it has to be, with @least bytes at least; NULL behind the last.
 * Entries have a length, so that the walk ends. */
static const uint8_t *next(struct walk *w, unsigned least)
{
	while (w->end - w->at >= 4) {
		const uint8_t *e = w->table + w->at;
		const unsigned len = load_u16(e + w->len_at);

		if (len < 4 || len > w->end - w->at)
			return NULL;
		w->at += len;
		if (len >= least)
			return e;
	}
	return NULL;
}

static bool walk_begin(struct walk *w, const char *signature, uint32_t at, unsigned len_at)
{
	const struct acpi_header *t = acpi_find(signature);

	if (!t || t->length < at)
		return false;
	*w = (struct walk){(const uint8_t *)t, at, t->length, len_at};
	return true;
}

static bool intel_is_on(void)
{
	struct walk w;
	const uint8_t *e;

	if (!walk_begin(&w, "DMAR", DMAR_UNITS, 2))
		return false;
	while ((e = next(&w, DRHD_BASE + 8)) != NULL) {
		if (load_u16(e) == DMAR_DRHD &&
		    bit_is_set(load_u64(e + DRHD_BASE), VTD_GLOBAL_STATUS, VTD_TRANSLATES))
			return true;
	}
	return false;
}

static bool amd_is_on(void)
{
	struct walk w;
	const uint8_t *e;

	if (!walk_begin(&w, "IVRS", IVRS_BLOCKS, 2))
		return false;
	while ((e = next(&w, IVHD_BASE + 8)) != NULL) {
		if ((e[0] == IVHD_FIRST || e[0] == IVHD_FIRST + 1 || e[0] == IVHD_LAST) &&
		    bit_is_set(load_u64(e + IVHD_BASE), AMD_CONTROL, AMD_ENABLED))
			return true;
	}
	return false;
}

static bool arm_is_on(void)
{
	const struct pci_host *host = plat_pci_host();
	struct walk w;
	const uint8_t *e;

	if (host && smmu_is_on(host->smmu))
		return true;
	if (!walk_begin(&w, "IORT", IORT_OFFSET_AT + 4, 1))
		return false;
	w.at = load_u32(w.table + IORT_OFFSET_AT);
	while (w.at < w.end && (e = next(&w, IORT_SMMU3_BASE + 8)) != NULL) {
		if (e[0] == IORT_SMMU3 && smmu_is_on(load_u64(e + IORT_SMMU3_BASE)))
			return true;
	}
	return false;
}

const char *iommu_in_the_way(void)
{
	if (intel_is_on())
		return "the Intel IOMMU, which is switched on";
	if (amd_is_on())
		return "the AMD IOMMU, which is switched on";
	if (arm_is_on())
		return "the Arm SMMU, which is switched on or aborts";
	return NULL;
}
