/* IOMMUs that are found by tables, good and hostile ones, and whether they are switched on. */
#include "kernel/iommu.h"
#include "tests/unit/acpi_fixture.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/plat_test.h"

static uint32_t registers[2][1024];

static uint64_t base(unsigned i)
{
	return (uintptr_t)registers[i];
}

static void put(uint8_t *at, uint64_t v, unsigned bytes)
{
	memcpy(at, &v, bytes);
}

/* DMAR's and IVRS' list: a structure of another type first. */
static void two_units(const char *signature, unsigned type, unsigned type_bytes)
{
	uint8_t body[12 + 24 + 24] = {0};

	memset(registers, 0, sizeof(registers));
	put(body + 12, 0x77, type_bytes);
	put(body + 14, 24, 2);
	put(body + 12 + 8, base(0), 8);
	put(body + 36, type, type_bytes);
	put(body + 38, 24, 2);
	put(body + 44, base(1), 8);
	cr_assert_eq(init_with_one(signature, body, sizeof(body)), 1);
}

static void is_told_by(unsigned offset, uint32_t bit, const char *name)
{
	cr_assert_null(iommu_in_the_way());
	registers[0][offset / 4] = UINT32_MAX;
	cr_assert_null(iommu_in_the_way(), "that is something else");
	registers[1][offset / 4] = ~bit;
	cr_assert_null(iommu_in_the_way());
	registers[1][offset / 4] = bit;
	cr_assert_not_null(iommu_in_the_way());
	cr_assert_not_null(strstr(iommu_in_the_way(), name));
	forget();
}

Test(iommu, intels_says_whether_it_translates)
{
	two_units("DMAR", 0, 2);
	is_told_by(0x1c, 0x80000000, "Intel");
}

Test(iommu, amds_says_whether_it_is_on)
{
	static const unsigned types[] = {0x10, 0x11, 0x40};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		two_units("IVRS", types[i], 1);
		is_told_by(0x18, 1, "AMD");
	}
}

static uint64_t smmu_table(uint8_t *body, size_t len, uint32_t from)
{
	memset(registers, 0, sizeof(registers));
	put(body, 2, 4);
	put(body + 4, from, 4);
	return add_table("IORT", body, len);
}

Test(iommu, arms_is_found_by_its_table)
{
	uint8_t body[12 + 20 + 60] = {0};
	uint64_t phys;

	put(body + 12, 0, 1); /* a group of interrupts */
	put(body + 13, 20, 2);
	put(body + 32, 4, 1);
	put(body + 33, 60, 2);
	put(body + 48, base(1), 8);
	phys = smmu_table(body, sizeof(body), 48);
	cr_assert_eq(init_with(&phys, 1), 1);
	is_told_by(0x20, 1, "SMMU");
	phys = smmu_table(body, sizeof(body), 48);
	cr_assert_eq(init_with(&phys, 1), 1);
	is_told_by(0x44, 0x100000, "SMMU");
}

Test(iommu, arms_is_found_by_the_host_bridge)
{
	acpi_init(NULL, map);
	fake_pci_start(true);
	memset(registers, 0, sizeof(registers));
	cr_assert_null(iommu_in_the_way());
	fake_pci_host.smmu = base(0);
	cr_assert_null(iommu_in_the_way());
	registers[0][0x20 / 4] = 1;
	cr_assert_not_null(iommu_in_the_way());
}

/* Every length of the table, and every length of its entries: no read leaves it, no walk is
 * without end. */
Test(iommu, tables_that_lie)
{
	static const char *const signatures[] = {"DMAR", "IVRS", "IORT"};
	uint8_t body[64];

	memset(registers, 0, sizeof(registers));
	for (size_t s = 0; s < ARRAY_SIZE(signatures); s++) {
		for (unsigned len = 0; len <= sizeof(body); len++) {
			for (unsigned fill = 0; fill < 70; fill++) {
				/* no base that could be mapped */
				memset(body, 0, sizeof(body));
				memset(body, (int)fill, 16);
				put(body + 14, fill, 2);
				put(body + 13, fill, 2);
				put(body + 4, fill % 3 ? 36 + fill : 0xfffffff0u, 4);
				(void)init_with_one(signatures[s], body, len);
				cr_assert_null(iommu_in_the_way());
				forget();
			}
		}
	}
}

Test(iommu, none)
{
	acpi_init(NULL, map);
	cr_assert_null(iommu_in_the_way());
}
