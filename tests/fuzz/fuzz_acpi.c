/*
 * The fuzzer is the firmware: ACPI tables. Each lies in a heap block of exactly its size and has a
 * good checksum unless the input wants a bad one; lengths and addresses may lie.
 */
#include "arch/aarch64/acpi_machine.h"
#include "kernel/acpi.h"
#include "kernel/memory.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plat_test.h"

#include <stdlib.h>
#include <string.h>

#define TABLES_MAX 24
#define STEP 0x100000ull
#define TABLE_BYTES_MAX 600

static struct {
	uint8_t *bytes;
	size_t len;
} tables[TABLES_MAX];
static unsigned nb_tables;

static const void *map(uint64_t phys, size_t len)
{
	const uint64_t i = phys / STEP, at = phys % STEP;

	if (!i || i > nb_tables || at > tables[i - 1].len || len > tables[i - 1].len - at)
		return NULL;
	return tables[i - 1].bytes + at;
}

static void sum(uint8_t *p, size_t len, size_t at)
{
	uint8_t s = 0;

	p[at] = 0;
	for (size_t i = 0; i < len; i++)
		s = (uint8_t)(s + p[i]);
	p[at] = (uint8_t)-s;
}

/* A table of @len bytes whose header says @told. Return: its address */
static uint64_t add(const char *signature, const uint8_t *body, size_t len, uint32_t told)
{
	uint8_t *t = calloc(1, len ? len : 1);

	if (!t)
		abort();
	if (len > 36)
		memcpy(t + 36, body, len - 36);
	memcpy(t, signature, len < 4 ? len : 4);
	if (len >= 10) {
		memcpy(t + 4, &told, 4);
		sum(t, told >= 10 && told < len ? told : len, 9);
	}
	tables[nb_tables].bytes = t;
	tables[nb_tables++].len = len;
	return nb_tables * STEP;
}

static uint64_t add_from(struct fuzz_in *in)
{
	static const char signatures[8][5] = {"APIC", "FACP", "MCFG", "HPET",
	                                      "DSDT", "SSDT", "IORT", "FACS"};
	const uint8_t what = fuzz_u8(in);
	const size_t want = fuzz_u8(in) * ((what & 8) ? 2u : 1u);
	const uint8_t lie = (what & 16) ? fuzz_u8(in) : 0;
	uint8_t body[TABLE_BYTES_MAX];
	uint32_t told = (uint32_t)want;
	uint64_t at;

	fuzz_bytes(in, body, want > 36 ? want - 36 : 0);
	if ((what & 7) == 1 && want >= 148) {
		/* the FADT leads to the DSDT, which is the table that was added before */
		const uint32_t dsdt = (uint32_t)(nb_tables * STEP);

		memcpy(body + 40 - 36, &dsdt, 4);
	}
	if (lie)
		told = lie == 255 ? UINT32_MAX : told + lie - 128u;
	at = add(signatures[what & 7], body, want, told);
	if (what & 32)
		tables[nb_tables - 1].bytes[want / 2 < want ? want / 2 : 0] ^= 1;
	return at;
}

static struct machine machine_read;

static void check(void)
{
	static const char *const names[] = {"APIC", "FACP", "MCFG", "HPET", "SSDT"};
	struct acpi_mcfg mcfg;
	struct acpi_madt madt;
	struct acpi_power power;

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const struct acpi_header *h = acpi_find(names[i]);

		fuzz_require(!h || !memcmp(h->signature, names[i], 4), "not the table asked for");
	}
	acpi_mcfg(&mcfg);
	if (!acpi_madt(&madt))
		fuzz_require(madt.nb_cpus <= ACPI_CPUS_MAX && madt.nb_ioapics <= ACPI_IOAPICS_MAX &&
		                 madt.nb_overrides <= ACPI_OVERRIDES_MAX,
		             "tables of the MADT are too small");
	acpi_hpet();
	acpi_power(&power);
	memset(&machine_read, 0, sizeof(machine_read));
	acpi_machine(&machine_read);
	fuzz_require(machine_read.nb_cpus <= CPUS_KNOWN_MAX &&
	                 machine_read.gic.nb_redists <= GIC_REDISTS_MAX &&
	                 machine_read.gic.nb_v2m <= GIC_V2M_MAX &&
	                 machine_read.pci.nb_msi <= PCI_MSI_MAPS_MAX,
	             "tables of the machine are too small");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, data + size};
	const uint8_t how = fuzz_u8(&in);
	const bool wide = how & 1;
	uint8_t root[8 * TABLES_MAX], rsdp[36] = "RSD PTR ";
	const uint32_t rsdp_len = (how & 64) ? fuzz_u8(&in) : 36;
	size_t n = 0;

	fuzz_quiet();
	while (fuzz_more(&in) && nb_tables < TABLES_MAX - 1) {
		uint64_t at = add_from(&in);

		if ((how & 2) && nb_tables % 4 == 3)
			at = fuzz_u32(&in); /* an address of anything */
		memcpy(root + n, &at, wide ? 8 : 4);
		n += wide ? 8 : 4;
	}

	const uint32_t told = (uint32_t)(36 + n + ((how & 4) ? (how >> 3) - 8u : 0));
	const uint64_t at = add(wide ? "XSDT" : "RSDT", root, 36 + n, told);

	rsdp[15] = wide ? 2 : 0;
	memcpy(rsdp + 16, &at, 4);
	memcpy(rsdp + 20, &rsdp_len, 4);
	memcpy(rsdp + 24, &at, 8);
	sum(rsdp, 20, 8);
	sum(rsdp, 36, 32);
	fuzz_require(acpi_init(rsdp, map) <= ACPI_TABLES_MAX, "too many tables");
	check();
	while (nb_tables)
		free(tables[--nb_tables].bytes);
	acpi_init(NULL, map);
	return 0;
}
