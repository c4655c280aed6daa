/*
 * arch/aarch64/acpi_machine.c: tables as QEMU's virt machine has them, made here field by field,
 * and what becomes of them when they are cut short or lie.
 */
#include "arch/aarch64/acpi_machine.h"
#include "tests/unit/acpi_fixture.h"

#define HEADER sizeof(struct acpi_header)
#define TABLES 6

static struct machine m;
static uint64_t phys[TABLES];
static unsigned nb_tables;

/* A body under work: offsets are those of the specification, from the table's start. */
static uint8_t body[4096];

static void put(size_t offset, uint64_t v, unsigned n)
{
	memcpy(body + offset - HEADER, &v, n);
}

static void table(const char *signature, size_t bytes)
{
	phys[nb_tables++] = add_table(signature, body, bytes - HEADER);
	memset(body, 0, sizeof(body));
}

static void read_machine(void)
{
	memset(&m, 0, sizeof(m));
	cr_assert_eq(init_with(phys, nb_tables), nb_tables);
	acpi_machine(&m);
	nb_tables = 0;
}

static void put_gicd(size_t at, unsigned version)
{
	put(at, 0x0c, 1);
	put(at + 1, 24, 1);
	put(at + 8, 0x8000000, 8);
	put(at + 20, version, 1);
}

static void put_gicc(size_t at, uint64_t cpu, uint64_t redist)
{
	put(at, 0x0b, 1);
	put(at + 1, 80, 1);
	put(at + 32, cpu, 8);
	put(at + 60, redist, 8);
}

static void put_cpu(size_t at, unsigned flags, uint64_t mpidr)
{
	put_gicc(at, 0x8010000, 0);
	put(at + 12, flags, 4);
	put(at + 68, mpidr, 8);
}

static void put_mcfg(void)
{
	put(44, 0x4010000000, 8);
	put(55, 255, 1);
	table("MCFG", 60);
}

/* Root complex 0x30 maps to the SMMU at 0x60, that to the ITS group at 0xa0. */
static void put_iort(uint32_t rids)
{
	put(36, 3, 4);
	put(40, 0x30, 4);
	put(0x30, 2, 1);
	put(0x31, 0x30, 2);
	put(0x38, 1, 4);
	put(0x3c, 0x1c, 4);
	put(0x4c, 0x100, 4); /* input base */
	put(0x50, rids - 1, 4);
	put(0x54, 0x1100, 4);
	put(0x58, 0x60, 4);
	put(0x60, 4, 1);
	put(0x61, 0x40, 2);
	put(0x68, 1, 4);
	put(0x6c, 0x2c, 4);
	put(0x8c, 0, 4);
	put(0x90, 0xffff, 4);
	put(0x94, 0x20000, 4);
	put(0x98, 0xa0, 4);
	put(0xa0, 0, 1);
	put(0xa1, 0x18, 2);
	table("IORT", 0xb8);
}

TestSuite(acpi_machine, .fini = forget);

Test(acpi_machine, gic_version_2_with_a_frame_for_messages)
{
	put_gicd(44, 2);
	put_gicc(68, 0x8010000, 0);
	put(148, 0x0d, 1);
	put(149, 24, 1);
	put(156, 0x8020000, 8);
	put(164, 1, 4);
	put(168, 64, 2);
	put(170, 80, 2);
	table("APIC", 172);
	put_mcfg();
	put_iort(0x100); /* of an ITS that is not there */
	read_machine();
	cr_assert_eq(m.gic.version, 2);
	cr_assert_eq(m.gic.dist.base, 0x8000000);
	cr_assert_eq(m.gic.cpu.base, 0x8010000);
	cr_assert_eq(m.gic.nb_v2m, 1);
	cr_assert_eq(m.gic.v2m[0].first, 80);
	cr_assert_eq(m.gic.v2m[0].count, 64);
	cr_assert(m.pci.present);
	cr_assert_eq(m.pci.ecam, 0x4010000000);
	cr_assert_eq(m.pci.nb_msi, 1);
	cr_assert_eq(m.pci.msi[0].phandle, m.gic.v2m[0].phandle);
	cr_assert_eq(m.pci.msi[0].count, 0x10000);
}

Test(acpi_machine, gic_version_3_and_the_way_to_its_its)
{
	put_gicd(44, 3);
	put(68, 0x0e, 1);
	put(69, 16, 1);
	put(72, 0x80a0000, 8);
	put(80, 0xf60000, 4);
	put(84, 0x0f, 1);
	put(85, 20, 1);
	put(92, 0x8080000, 8);
	table("APIC", 104);
	put_mcfg();
	put_iort(0x200);
	read_machine();
	cr_assert_eq(m.gic.version, 3);
	cr_assert_eq(m.gic.nb_redists, 1);
	cr_assert_eq(m.gic.redist[0].bytes, 0xf60000);
	cr_assert_eq(m.gic.its.base, 0x8080000);
	cr_assert_eq(m.pci.nb_msi, 1);
	cr_assert_eq(m.pci.msi[0].rid, 0x100);
	cr_assert_eq(m.pci.msi[0].count, 0x200);
	cr_assert_eq(m.pci.msi[0].id, 0x21100, "through the SMMU");
	cr_assert_eq(m.pci.msi[0].phandle, m.gic.its_phandle);
}

Test(acpi_machine, each_processor_may_name_its_redistributor)
{
	put_gicd(44, 3);
	put_gicc(68, 0, 0x80a0000);
	put_gicc(148, 0, 0x80c0000);
	table("APIC", 228);
	read_machine();
	cr_assert_eq(m.gic.nb_redists, 2);
	cr_assert_eq(m.gic.redist[1].base, 0x80c0000);
}

Test(acpi_machine, an_iort_that_leads_in_a_circle_leads_nowhere)
{
	put_gicd(44, 3);
	put(68, 0x0f, 1);
	put(69, 20, 1);
	put(76, 0x8080000, 8);
	table("APIC", 88);
	put_mcfg();
	put(36, 1, 4);
	put(40, 0x30, 4);
	put(0x30, 2, 1);
	put(0x31, 0x30, 2);
	put(0x38, 1, 4);
	put(0x3c, 0x1c, 4);
	put(0x50, 0xffff, 4);
	put(0x58, 0x30, 4); /* itself */
	table("IORT", 0x60);
	read_machine();
	cr_assert_eq(m.pci.nb_msi, 1, "then all IDs are taken as they are");
	cr_assert_eq(m.pci.msi[0].id, 0);
	cr_assert_eq(m.pci.msi[0].count, 0x10000);
}

Test(acpi_machine, psci_is_called_as_the_fadt_says)
{
	static const enum psci_conduit by_flags[] = {PSCI_NONE, PSCI_SMC, PSCI_NONE, PSCI_HVC};

	for (unsigned flags = 0; flags < ARRAY_SIZE(by_flags); flags++) {
		put(129, flags, 2);
		table("FACP", 276);
		read_machine();
		cr_assert_eq(m.psci, by_flags[flags], "flags %u", flags);
	}
}

Test(acpi_machine, the_console_is_spcr_s_if_it_is_a_pl011)
{
	put(36, 3, 1);
	put(44, 0x9000000, 8);
	table("SPCR", 80);
	read_machine();
	cr_assert_eq(m.uart.base, 0x9000000);
	cr_assert_neq(m.uart.bytes, 0);

	put(36, 0, 1); /* a 16550 */
	put(44, 0x9000000, 8);
	table("SPCR", 80);
	read_machine();
	cr_assert_eq(m.uart.bytes, 0);
}

Test(acpi_machine, fw_cfg_is_found_by_its_name_in_the_dsdt)
{
	static const uint8_t code[] = {
	    0x86, 0x09, 0,   1,   0,   0,    0,   8,   0, 0x10, 0,    0, /* another's */
	    'Q',  'E',  'M', 'U', '0', '0',  '0', '2', 0, 0x5b, 0x86, 0x09, 0,
	    1,    0,    0,   2,   9,   0x18, 0,   0,   0, 0x79, 0,    0};
	const uint64_t dsdt = add_table("DSDT", code, sizeof(code));

	put(140, dsdt, 8);
	table("FACP", 276);
	read_machine();
	cr_assert_eq(m.fw_cfg.base, 0x9020000);
	cr_assert_eq(m.fw_cfg.bytes, 0x18);
}

/* However short a table is: nothing is read behind it (the sanitizer looks), and it ends. */
Test(acpi_machine, tables_cut_short_do_no_harm)
{
	for (size_t bytes = HEADER; bytes < 104; bytes++) {
		put_gicd(44, 3);
		put_gicc(68, 1, 2);
		table("APIC", bytes);
		put(36, UINT32_MAX, 4);
		put(40, 0x30, 4);
		put(0x30, 2, 1);
		put(0x31, 0x30, 2);
		put(0x38, UINT32_MAX, 4);
		put(0x3c, 0x1c, 4);
		table("IORT", bytes);
		table("SPCR", bytes);
		table("FACP", bytes);
		put_mcfg();
		read_machine();
		cr_assert_leq(m.pci.nb_msi, PCI_MSI_MAPS_MAX);
		forget();
	}
}

Test(acpi_machine, processors_are_those_that_are_enabled)
{
	put_gicd(44, 3);
	put_cpu(68, 1, 0x80000003);
	put_cpu(148, 0, 0x1);
	put_cpu(228, 8, 0x2); /* could be plugged in */
	put_cpu(308, 1, 0xab80010203);
	table("APIC", 388);
	read_machine();
	cr_assert_eq(m.nb_cpus, 2);
	cr_expect_eq(m.cpu[0], 3, "the affinity fields alone");
	cr_expect_eq(m.cpu[1], 0xab00010203);
	cr_expect_eq(m.nb_cpus_more, 0);
}

Test(acpi_machine, a_processor_without_its_affinity_is_none)
{
	for (unsigned bytes = 2; bytes < 76; bytes++) {
		put_cpu(44, 1, 7);
		put(45, bytes, 1);
		table("APIC", 44 + 80);
		read_machine();
		cr_expect_eq(m.nb_cpus, 0, "%u bytes", bytes);
		forget();
	}
}
