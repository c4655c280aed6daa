/*
 * ACPI tables, read-only (ACPI 6.5, chapter 5). A list of good tables is made once; everything
 * else looks things up in it. Whatever comes from a table is hostile: a table is used only when
 * its length lies within bounds and its checksum is right, a field only when the table is long
 * enough for it, an entry only when it lies inside the table, and a walk ends when an entry does
 * not move it forward. Tables may stand at any address, so fields are fetched byte-wise.
 *
 * AML is not run: the sleep type of the power-off state is the one thing needed from it, and
 * firmware writes it as a constant package named _S5_, which can be found as bytes.
 */
#include "kernel/acpi.h"

#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "kernel/unaligned.h"

#define RSDP_BYTES_V1 20
#define RSDP_BYTES_V2 36
#define TABLE_BYTES_MAX (4u << 20) /* the largest DSDTs seen are below 1 MiB */
#define ROOT_ENTRIES_MAX 256

#define MADT_ENTRIES_MAX 1024
#define MADT_LAPIC 0
#define MADT_IOAPIC 1
#define MADT_OVERRIDE 2
#define MADT_LAPIC_ADDR 5
#define MADT_X2APIC 9
#define MADT_CPU_ENABLED 1u
#define MADT_LAPIC_ALL 0xff /* the ID that means all, and so nobody */

#define GAS_BYTES 12
#define GAS_MEMORY 0
#define GAS_IO 1

#define FADT_TMR_VAL_EXT (1u << 8)
#define FADT_RESET_REG_SUP (1u << 10)
#define FADT_HW_REDUCED (1u << 20)

static const void *(*map_phys)(uint64_t phys, size_t len);
static const struct acpi_header *tables[ACPI_TABLES_MAX];
static unsigned nb_tables;

/* Read at once, because it is wanted when nothing else may work any more. */
static struct acpi_power power;
static int power_err = -ENODEV;

static bool sums_to_zero(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + b[i]);
	return sum == 0;
}

/* Fields of a table that may be too short to have them: then they read as 0. */
static const uint8_t *field(const struct acpi_header *t, uint32_t offset, uint32_t len)
{
	return offset + len <= t->length ? (const uint8_t *)t + offset : NULL;
}

static uint32_t field8(const struct acpi_header *t, uint32_t offset)
{
	const uint8_t *p = field(t, offset, 1);

	return p ? *p : 0;
}

static uint32_t field32(const struct acpi_header *t, uint32_t offset)
{
	const uint8_t *p = field(t, offset, 4);

	return p ? load_u32(p) : 0;
}

static uint64_t field64(const struct acpi_header *t, uint32_t offset)
{
	const uint8_t *p = field(t, offset, 8);

	return p ? load_u64(p) : 0;
}

/* The address in a generic address structure of one address space, 0 when it is of another. */
static uint64_t field_gas(const struct acpi_header *t, uint32_t offset, unsigned space)
{
	const uint8_t *p = field(t, offset, GAS_BYTES);

	return p && p[0] == space ? load_u64(p + 4) : 0;
}

/* ---- the list of tables ------------------------------------------------------------------- */

static const struct acpi_header *table_open(uint64_t phys)
{
	const bool sane = phys != 0 && phys <= UINT64_MAX - TABLE_BYTES_MAX;
	const struct acpi_header *t = sane ? map_phys(phys, sizeof(*t)) : NULL;
	char name[5] = "";

	if (!t) {
		log_warn("acpi", "table at 0x%llx cannot be read: skipped",
		         (unsigned long long)phys);
		return NULL;
	}
	for (unsigned i = 0; i < 4; i++)
		name[i] = t->signature[i] >= ' ' && t->signature[i] <= '~' ? t->signature[i] : '?';

	const uint32_t len = t->length;

	if (len < sizeof(*t) || len > TABLE_BYTES_MAX) {
		log_warn("acpi", "table %s at 0x%llx: length %u is not between %u and %u: skipped",
		         name, (unsigned long long)phys, len, (unsigned)sizeof(*t),
		         TABLE_BYTES_MAX);
		return NULL;
	}
	t = map_phys(phys, len);
	if (!t) {
		log_warn("acpi", "table %s at 0x%llx: its %u bytes cannot be read: skipped", name,
		         (unsigned long long)phys, len);
		return NULL;
	}
	if (t->length != len || !sums_to_zero(t, len)) {
		log_warn("acpi", "table %s at 0x%llx: wrong checksum: skipped", name,
		         (unsigned long long)phys);
		return NULL;
	}
	return t;
}

static bool has_signature(const struct acpi_header *t, const char *signature)
{
	return memcmp(t->signature, signature, sizeof(t->signature)) == 0;
}

static void root_walk(const struct acpi_header *root, unsigned entry_bytes)
{
	const uint8_t *entry = (const uint8_t *)root + sizeof(*root);
	uint32_t n = (root->length - (uint32_t)sizeof(*root)) / entry_bytes;

	if (n > ROOT_ENTRIES_MAX) {
		log_warn("acpi", "root table has %u entries: only %u are read", n,
		         ROOT_ENTRIES_MAX);
		n = ROOT_ENTRIES_MAX;
	}
	for (uint32_t i = 0; i < n; i++, entry += entry_bytes) {
		const uint64_t phys = entry_bytes == 8 ? load_u64(entry) : load_u32(entry);
		const struct acpi_header *t = table_open(phys);

		if (!t)
			continue;
		if (nb_tables == ACPI_TABLES_MAX) {
			log_warn("acpi", "more than %u tables: the rest is ignored",
			         ACPI_TABLES_MAX);
			return;
		}
		tables[nb_tables++] = t;
	}
}

/* Opens the table that @phys names as root: false when it is not one, so the other can be tried. */
static bool root_try(uint64_t phys, const char *signature, unsigned entry_bytes)
{
	const struct acpi_header *root = phys ? table_open(phys) : NULL;

	if (!root || !has_signature(root, signature))
		return false;
	root_walk(root, entry_bytes);
	return true;
}

static void root_open(const uint8_t *rsdp)
{
	if (memcmp(rsdp, "RSD PTR ", 8) != 0 || !sums_to_zero(rsdp, RSDP_BYTES_V1)) {
		log_warn("acpi", "root pointer has a wrong signature or checksum: ACPI not used");
		return;
	}

	/* No version defines a longer structure than version 2. */
	const bool v2 = rsdp[15] >= 2;
	const bool v2_good =
	    v2 && load_u32(rsdp + 20) == RSDP_BYTES_V2 && sums_to_zero(rsdp, RSDP_BYTES_V2);

	if (v2 && !v2_good)
		log_warn("acpi", "root pointer: wrong version 2 checksum: using the RSDT");
	if (v2_good && root_try(load_u64(rsdp + 24), "XSDT", 8))
		return;
	if (!root_try(load_u32(rsdp + 16), "RSDT", 4))
		log_warn("acpi", "no usable root table: ACPI not used");
}

const struct acpi_header *acpi_find(const char *signature)
{
	for (unsigned i = 0; i < nb_tables; i++)
		if (has_signature(tables[i], signature))
			return tables[i];
	return NULL;
}

/* ---- MCFG, HPET --------------------------------------------------------------------------- */

int acpi_mcfg(struct acpi_mcfg *out)
{
	const struct acpi_header *t = acpi_find("MCFG");

	/* PCI firmware 3.3, 4.1.2: 8 reserved bytes, then entries of 16 bytes */
	for (uint32_t at = 44; t && at + 16 <= t->length; at += 16) {
		const uint8_t *e = (const uint8_t *)t + at;
		const struct acpi_mcfg m = {
		    .base = load_u64(e),
		    .segment = load_u16(e + 8),
		    .bus_first = e[10],
		    .bus_last = e[11],
		};

		if (m.segment != 0)
			continue;
		if (m.base == 0 || m.base % (1u << 20) != 0 || m.bus_first > m.bus_last) {
			log_warn("acpi", "MCFG: base 0x%llx, buses %u to %u make no sense: ignored",
			         (unsigned long long)m.base, m.bus_first, m.bus_last);
			continue;
		}
		*out = m;
		return 0;
	}
	return -ENODEV;
}

uint64_t acpi_hpet(void)
{
	const struct acpi_header *t = acpi_find("HPET");

	return t ? field_gas(t, 40, GAS_MEMORY) : 0;
}

/* ---- MADT --------------------------------------------------------------------------------- */

static void madt_add_cpu(struct acpi_madt *m, uint32_t apic_id, uint32_t flags)
{
	if (!(flags & MADT_CPU_ENABLED))
		return;
	for (unsigned i = 0; i < m->nb_cpus; i++)
		if (m->apic_id[i] == apic_id)
			return;
	if (m->nb_cpus == ACPI_CPUS_MAX)
		m->nb_cpus_more++;
	else
		m->apic_id[m->nb_cpus++] = apic_id;
}

static void madt_add_ioapic(struct acpi_madt *m, uint32_t addr, uint32_t gsi_base)
{
	if (m->nb_ioapics == ACPI_IOAPICS_MAX) {
		log_warn("acpi", "MADT: more than %u I/O APICs: that at 0x%x is ignored",
		         ACPI_IOAPICS_MAX, addr);
		return;
	}
	m->ioapic[m->nb_ioapics].addr = addr;
	m->ioapic[m->nb_ioapics].gsi_base = gsi_base;
	m->nb_ioapics++;
}

static void madt_add_override(struct acpi_madt *m, const uint8_t *e)
{
	if (m->nb_overrides == ACPI_OVERRIDES_MAX) {
		log_warn("acpi", "MADT: more than %u overrides: that of IRQ %u is ignored",
		         ACPI_OVERRIDES_MAX, e[3]);
		return;
	}
	m->override[m->nb_overrides].irq = e[3];
	m->override[m->nb_overrides].gsi = load_u32(e + 4);
	m->override[m->nb_overrides].flags = load_u16(e + 8);
	m->nb_overrides++;
}

/* One entry; e[1], its length, was checked against the table. ACPI 6.5, 5.2.12. */
static void madt_entry(struct acpi_madt *m, const uint8_t *e)
{
	switch (e[0]) {
	case MADT_LAPIC:
		if (e[1] >= 8 && e[3] != MADT_LAPIC_ALL)
			madt_add_cpu(m, e[3], load_u32(e + 4));
		break;
	case MADT_IOAPIC:
		if (e[1] >= 12)
			madt_add_ioapic(m, load_u32(e + 4), load_u32(e + 8));
		break;
	case MADT_OVERRIDE:
		if (e[1] >= 10)
			madt_add_override(m, e);
		break;
	case MADT_LAPIC_ADDR:
		if (e[1] >= 12)
			m->lapic_base = load_u64(e + 4);
		break;
	case MADT_X2APIC:
		if (e[1] >= 16)
			madt_add_cpu(m, load_u32(e + 4), load_u32(e + 8));
		break;
	default:
		break;
	}
}

int acpi_madt(struct acpi_madt *out)
{
	const struct acpi_header *t = acpi_find("APIC");
	unsigned n = 0;
	uint32_t at = 44;

	memset(out, 0, sizeof(*out));
	if (!t || t->length < at)
		return -ENODEV;
	out->lapic_base = field32(t, 36);
	for (; at + 2 <= t->length && n < MADT_ENTRIES_MAX; n++) {
		const uint8_t *e = (const uint8_t *)t + at;

		if (e[1] < 2 || e[1] > t->length - at) {
			log_warn("acpi", "MADT: entry at %u has length %u: the rest is ignored", at,
			         e[1]);
			break;
		}
		madt_entry(out, e);
		at += e[1];
	}
	return 0;
}

/* ---- FADT and \_S5_ ------------------------------------------------------------------------ */

/* An I/O port of the FADT: the 64-bit field wins when it names one (ACPI 6.5, 5.2.9). */
static uint16_t fadt_port(const struct acpi_header *t, uint32_t offset, uint32_t x_offset)
{
	const uint64_t x = field_gas(t, x_offset, GAS_IO);
	const uint64_t port = x ? x : field32(t, offset);

	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/*
 * An integer constant of AML at @p: how many bytes it has, 0 when it is none or is larger than a
 * sleep type can be (ACPI 6.5, 20.2.3; 4.8.3.2.1: three bits).
 */
static size_t aml_sleep_type(const uint8_t *p, const uint8_t *end, uint8_t *value)
{
	const size_t left = (size_t)(end - p);
	size_t len = 0;

	if (left >= 1 && p[0] <= 1) { /* ZeroOp, OneOp */
		*value = p[0];
		return 1;
	}
	if (left >= 2 && p[0] == 0x0a) /* BytePrefix */
		len = 2;
	else if (left >= 3 && p[0] == 0x0b && p[2] == 0) /* WordPrefix */
		len = 3;
	if (len == 0 || p[1] > 7)
		return 0;
	*value = p[1];
	return len;
}

/* @p is behind the name _S5_: PackageOp PkgLength NumElements element element ... */
static bool s5_package(struct acpi_power *pw, const uint8_t *p, const uint8_t *end)
{
	if (end - p < 3 || p[0] != 0x12)
		return false;

	const size_t skip = 1 + 1 + (p[1] >> 6); /* PackageOp, PkgLength of 1 to 4 bytes */

	if ((size_t)(end - p) < skip + 1)
		return false;

	const uint8_t nb_elements = p[skip];

	p += skip + 1;

	const size_t len = aml_sleep_type(p, end, &pw->s5_typ_a);

	if (nb_elements == 0 || len == 0)
		return false;
	pw->s5_typ_b = pw->s5_typ_a;
	return nb_elements == 1 || aml_sleep_type(p + len, end, &pw->s5_typ_b) != 0;
}

static bool s5_scan(struct acpi_power *pw, const struct acpi_header *t)
{
	const uint8_t *start = (const uint8_t *)t + sizeof(*t);
	const uint8_t *end = (const uint8_t *)t + t->length;

	/* room for NameOp, the root's prefix and four letters */
	for (const uint8_t *p = start; end - p > 5; p++) {
		if (p[0] != 0x08)
			continue;

		const uint8_t *name = p + 1 + (p[1] == '\\');

		if (memcmp(name, "_S5_", 4) == 0 && s5_package(pw, name + 4, end))
			return true;
	}
	return false;
}

const struct acpi_header *acpi_dsdt(void)
{
	const struct acpi_header *fadt = acpi_find("FACP");
	const struct acpi_header *dsdt;

	if (!fadt)
		return NULL;

	const uint64_t x_dsdt = field64(fadt, 140);

	dsdt = table_open(x_dsdt ? x_dsdt : field32(fadt, 40));
	return dsdt && has_signature(dsdt, "DSDT") ? dsdt : NULL;
}

static bool s5_find(struct acpi_power *pw)
{
	const struct acpi_header *dsdt = acpi_dsdt();

	if (dsdt && s5_scan(pw, dsdt))
		return true;
	for (unsigned i = 0; i < nb_tables; i++)
		if (has_signature(tables[i], "SSDT") && s5_scan(pw, tables[i]))
			return true;
	return false;
}

static int power_read(struct acpi_power *out)
{
	const struct acpi_header *t = acpi_find("FACP");

	memset(out, 0, sizeof(*out));
	if (!t)
		return -ENODEV;

	const uint32_t flags = field32(t, 112);
	const uint64_t reset = field_gas(t, 116, GAS_IO);

	if ((flags & FADT_RESET_REG_SUP) && reset && reset <= UINT16_MAX) {
		out->has_reset = true;
		out->reset_port = (uint16_t)reset;
		out->reset_value = (uint8_t)field8(t, 128);
	}
	if (flags & FADT_HW_REDUCED) /* no PM1 block, no timer: ACPI 6.5, 4.1 */
		return 0;
	out->pm1a_cnt = fadt_port(t, 64, 172);
	out->pm1b_cnt = fadt_port(t, 68, 184);
	out->pm_timer = fadt_port(t, 76, 208);
	out->pm_timer_32 = flags & FADT_TMR_VAL_EXT;
	out->has_s5 = s5_find(out);
	return 0;
}

int acpi_power(struct acpi_power *out)
{
	*out = power;
	return power_err;
}

/* ---- start -------------------------------------------------------------------------------- */

unsigned acpi_init(const void *rsdp, const void *(*map)(uint64_t phys, size_t len))
{
	map_phys = map;
	nb_tables = 0;
	if (rsdp)
		root_open(rsdp);
	power_err = power_read(&power);
	return nb_tables;
}
