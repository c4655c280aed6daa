/* The MSI-X table in memory, through the registers of a function on a fake bus. */
#include "kernel/msix.h"
#include "kernel/errno.h"
#include "kernel/pci_regs.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NB_VECTORS 5
#define BAR_BYTES 4096

static struct fake_pci *f;
static uint32_t *table;
static unsigned cap;
static struct msix mx;

static void start(void)
{
	fake_pci_start(true);
	f = fake_pci_add(NULL, 3, 0, 0x10001af4);
	table = aligned_alloc(BAR_BYTES, BAR_BYTES);
	memset(table, 0, BAR_BYTES);
	fake_pci_bar(f, 2, (uintptr_t)table, BAR_BYTES, PCI_BAR_TYPE_64);
	cap = fake_pci_msix_cap(f, NB_VECTORS, 2);
	cr_assert_eq(pci_scan(), 1);
}

static void finish(void)
{
	free(table);
}

TestSuite(msix, .init = start, .fini = finish);

static void count(void *arg)
{
	++*(unsigned *)arg;
}

Test(msix, opens_with_everything_masked_and_off)
{
	fake_pci_put16(f, cap + PCI_MSIX_CONTROL, PCI_MSIX_ENABLE | (NB_VECTORS - 1));
	table[3] = 0x1230; /* reserved bits must be kept */
	cr_assert_eq(msix_open(&mx, pci_dev(0)), NB_VECTORS);
	cr_expect_eq(fake_pci_get16(f, cap + PCI_MSIX_CONTROL), NB_VECTORS - 1);
	cr_expect_eq(table[3], 0x1231);
	for (unsigned i = 1; i < NB_VECTORS; i++)
		cr_expect_eq(table[4 * i + 3], 1);
	cr_expect_eq(table[4 * NB_VECTORS + 3], 0, "what is behind the table is not ours");
}

Test(msix, programs_and_unmasks_an_entry)
{
	unsigned called = 0;

	msix_open(&mx, pci_dev(0));
	cr_assert_eq(msix_set(&mx, 2, count, &called), 0);
	cr_expect_eq(table[11], 0);
	cr_expect_eq(table[7], 1);
	cr_assert(plat_test_msi((uint64_t)table[9] << 32 | table[8], table[10]));
	cr_expect_eq(called, 1);

	msix_mask(&mx, 2, true);
	cr_expect_eq(table[11], 1);
}

Test(msix, an_entry_moves_to_another_lcore)
{
	unsigned called = 0;

	msix_open(&mx, pci_dev(0));
	cr_assert_eq(msix_set(&mx, 2, count, &called), 0);
	cr_assert_eq(msix_move(&mx, 2, 3), 0);
	cr_expect_eq(table[11], 0, "unmasked again");
	cr_assert(plat_test_msi((uint64_t)table[9] << 32 | table[8], table[10]));
	cr_expect_eq(called, 1);
	cr_expect_eq(plat_test_irqs[0].lcore, 3);

	msix_mask(&mx, 2, true);
	cr_assert_eq(msix_move(&mx, 2, 1), 0);
	cr_expect_eq(table[11], 1, "still masked");

	const uint32_t before = table[8];

	cr_expect_eq(msix_move(&mx, 2, plat_test_cpus), -EINVAL);
	cr_expect_eq(msix_move(&mx, 3, 1), -EINVAL, "never set");
	cr_expect_eq(table[8], before);
}

Test(msix, refuses_an_entry_behind_the_table)
{
	msix_open(&mx, pci_dev(0));
	cr_expect_eq(msix_move(&mx, NB_VECTORS, 0), -ERANGE);
	cr_expect_eq(msix_set(&mx, NB_VECTORS, count, NULL), -ERANGE);
	msix_mask(&mx, NB_VECTORS, true);
	cr_expect_eq(table[4 * NB_VECTORS + 3], 0);
	cr_expect_eq(plat_test_nb_irqs, 0);
}

Test(msix, leaves_the_entry_masked_when_the_machine_has_no_vector)
{
	plat_test_irq_limit = 1;
	msix_open(&mx, pci_dev(0));
	cr_expect_eq(msix_set(&mx, 0, count, NULL), 0);
	cr_expect_eq(msix_set(&mx, 1, count, NULL), -ENOSPC);
	cr_expect_eq(table[7], 1);
}

Test(msix, switches_between_messages_and_the_pin)
{
	msix_open(&mx, pci_dev(0));
	msix_enable(&mx, true);
	cr_expect_eq(fake_pci_get16(f, cap + PCI_MSIX_CONTROL), PCI_MSIX_ENABLE | (NB_VECTORS - 1));
	cr_expect(fake_pci_get16(f, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
	msix_enable(&mx, false);
	cr_expect_eq(fake_pci_get16(f, cap + PCI_MSIX_CONTROL), NB_VECTORS - 1);
	cr_expect_not(fake_pci_get16(f, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
}

static void expect_unusable(uint32_t where, unsigned nb_vectors)
{
	fake_pci_put32(f, cap + PCI_MSIX_TABLE, where);
	fake_pci_put16(f, cap + PCI_MSIX_CONTROL, (uint16_t)(nb_vectors - 1));
	plat_test_clear();
	cr_expect_eq(msix_open(&mx, pci_dev(0)), 0);
	cr_expect_eq(msix_set(&mx, 0, count, NULL), -ERANGE);
	cr_expect_not_null(strstr(plat_test_output(), "MSI-X is not used"));
}

Test(msix, refuses_a_table_outside_of_its_bar)
{
	expect_unusable(2 | 0x1000, 1);
	expect_unusable(2 | 0xff8, 1);
	expect_unusable(2 | 0xfffffff8, 1);
	expect_unusable(2, 257);
	expect_unusable(1, 1);
	expect_unusable(7, 1);
}

Test(msix, takes_the_largest_table)
{
	fake_pci_put16(f, cap + PCI_MSIX_CONTROL, 256 - 1);
	cr_expect_eq(msix_open(&mx, pci_dev(0)), 256);
	cr_expect_eq(table[4 * 255 + 3], 1);
}

Test(msix, is_absent_without_the_capability)
{
	f->config[cap] = PCI_CAP_ID_PM;
	cr_expect_eq(msix_open(&mx, pci_dev(0)), 0);
	msix_enable(&mx, true);
	cr_expect_not(fake_pci_get16(f, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
}
