/*
 * The few ACPI tables that ringzero reads: MCFG (where ECAM is), MADT (interrupt controllers,
 * processors), HPET and FADT (clocks, power off). Tables come from firmware, so every length is
 * checked and every walk is bounded. No AML is run; "_S5_" is looked up as bytes.
 */
#ifndef KERNEL_ACPI_H
#define KERNEL_ACPI_H

#include "kernel/compiler.h"

#define ACPI_TABLES_MAX 64

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision, creator_id, creator_revision;
} __attribute__((packed));

/**
 * acpi_init() - remember where the tables are
 * @rsdp: the root pointer, NULL when there is none
 * @map:  makes @len bytes of physical memory readable, NULL when it cannot
 *
 * Return: number of good tables; bad ones (checksum, length) are skipped with a warning.
 */
unsigned acpi_init(const void *rsdp, const void *(*map)(uint64_t phys, size_t len));

/** acpi_find() - the first table with a signature, checksum verified; NULL if there is none */
const struct acpi_header *acpi_find(const char *signature);

/** acpi_dsdt() - the table that the FADT points to, checksum verified; NULL if there is none */
const struct acpi_header *acpi_dsdt(void);

struct acpi_mcfg {
	uint64_t base;
	uint16_t segment;
	uint8_t bus_first, bus_last;
};

/** acpi_mcfg() - ECAM of segment 0. Return: 0 or -ENODEV */
int acpi_mcfg(struct acpi_mcfg *out);

#define ACPI_IOAPICS_MAX 8
#define ACPI_OVERRIDES_MAX 24
#define ACPI_CPUS_MAX 64

struct acpi_madt {
	uint64_t lapic_base;
	unsigned nb_cpus, nb_cpus_more; /* enabled ones; those for which there is no room */
	uint32_t apic_id[ACPI_CPUS_MAX];
	unsigned nb_ioapics;
	struct {
		uint32_t addr, gsi_base;
	} ioapic[ACPI_IOAPICS_MAX];
	unsigned nb_overrides;
	struct {
		uint8_t irq;
		uint32_t gsi;
		uint16_t flags;
	} override[ACPI_OVERRIDES_MAX];
};

int acpi_madt(struct acpi_madt *out);

/** acpi_hpet() - physical base of the HPET, 0 when there is none */
uint64_t acpi_hpet(void);

struct acpi_power {
	uint16_t pm1a_cnt, pm1b_cnt; /* I/O ports, 0: absent */
	uint16_t pm_timer;           /* I/O port of the 3.579545 MHz timer, 0: absent */
	bool pm_timer_32;
	bool has_s5;
	uint8_t s5_typ_a, s5_typ_b;
	bool has_reset; /* by I/O port */
	uint16_t reset_port;
	uint8_t reset_value;
};

int acpi_power(struct acpi_power *out);

#endif
