/* Enumeration, BARs, their assignment and capability lists, on buses in memory. */
#include "kernel/pci.h"
#include "kernel/pci_regs.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

#define HOST_BRIDGE 0x12378086u
#define SOME_NIC 0x100e8086u
#define MEM32 0u
#define MEM64_PREF 0xcu
#define MEM64 0x4u
#define IO 0x1u

static struct fake_pci *host_bridge(unsigned slot)
{
	struct fake_pci *f = fake_pci_add(NULL, slot, 0, HOST_BRIDGE);

	fake_pci_put16(f, PCI_REVISION + 2, PCI_CLASS_BRIDGE_HOST);
	return f;
}

/* ---- the walk ----------------------------------------------------------------------------- */

Test(pci, finds_nothing_without_a_host)
{
	plat_test_pci_host = NULL;
	cr_assert_eq(pci_scan(), 0);
	cr_assert_null(pci_dev(0));
}

Test(pci, lists_functions_in_address_order_across_bridges)
{
	struct fake_pci *bridge;

	fake_pci_start(true);
	host_bridge(0);
	fake_pci_add(NULL, 9, 0, SOME_NIC);
	bridge = fake_pci_bridge(NULL, 2, 1, 2);
	fake_pci_add(bridge, 31, 0, SOME_NIC);
	fake_pci_add(fake_pci_bridge(bridge, 4, 2, 2), 7, 0, SOME_NIC);

	cr_assert_eq(pci_scan(), 6);
	cr_expect_eq(pci_dev(0)->bdf, 0x0000);
	cr_expect_eq(pci_dev(1)->bdf, 0x0010);
	cr_expect_eq(pci_dev(2)->bdf, 0x0048);
	cr_expect_eq(pci_dev(3)->bdf, 0x0120);
	cr_expect_eq(pci_dev(4)->bdf, 0x01f8);
	cr_expect_eq(pci_dev(5)->bdf, 0x0238);
	cr_expect_str_eq(pci_dev(5)->name, "0000:02:07.0");
	cr_expect_null(pci_dev(6));
}

Test(pci, asks_for_further_functions_only_where_the_header_says_so)
{
	struct fake_pci *multi;

	fake_pci_start(true);
	multi = fake_pci_add(NULL, 1, 0, SOME_NIC);
	multi->config[PCI_HEADER_TYPE] = PCI_HEADER_MULTI;
	fake_pci_add(NULL, 1, 3, SOME_NIC);
	fake_pci_add(NULL, 2, 0, SOME_NIC);
	fake_pci_add(NULL, 2, 1, SOME_NIC);

	cr_assert_eq(pci_scan(), 3);
	cr_expect_not_null(fake_pci_find(0x000b));
	cr_expect_null(fake_pci_find(0x0011));
}

Test(pci, survives_a_bridge_that_leads_to_its_own_bus)
{
	fake_pci_start(true);
	fake_pci_bridge(NULL, 1, 0, 255);
	fake_pci_add(fake_pci_bridge(NULL, 2, 1, 1), 4, 0, SOME_NIC);
	fake_pci_bridge(NULL, 3, 1, 1);

	cr_assert_eq(pci_scan(), 4);
	cr_expect_not_null(strstr(plat_test_output(), "0000:00:01.0: bridge leads to bus 0"));
}

Test(pci, looks_at_one_slot_behind_a_root_port)
{
	struct fake_pci *port;
	unsigned cap, before;

	fake_pci_start(true);
	port = fake_pci_bridge(NULL, 1, 1, 1);
	fake_pci_add(port, 0, 0, SOME_NIC);
	pci_scan();
	before = fake_pci_reads;

	cap = fake_pci_cap(port, PCI_CAP_ID_EXPRESS, 60);
	fake_pci_put16(port, cap + PCI_EXPRESS_FLAGS, PCI_EXPRESS_ROOT_PORT << 4 | 2);
	fake_pci_reads = 0;
	cr_assert_eq(pci_scan(), 2);
	cr_assert_leq(fake_pci_reads + 25, before);
}

Test(pci, looks_for_root_buses_only_when_there_is_an_expander)
{
	struct fake_pci *far;

	fake_pci_start(true);
	host_bridge(0);
	far = fake_pci_add(NULL, 5, 0, SOME_NIC);
	far->bus = 0x80;
	cr_assert_eq(pci_scan(), 1);
	cr_assert_leq(fake_pci_reads, 60);

	host_bridge(3);
	cr_assert_eq(pci_scan(), 3);
	cr_assert_not_null(fake_pci_find(0x8028));
}

Test(pci, says_when_there_are_more_functions_than_fit)
{
	fake_pci_start(true);
	for (unsigned i = 0; i < 11; i++) {
		struct fake_pci *bridge =
		    fake_pci_bridge(NULL, i, (uint8_t)(i + 1), (uint8_t)(i + 1));

		for (unsigned slot = 0; slot < 30; slot++)
			fake_pci_add(bridge, slot, 0, SOME_NIC);
	}
	cr_assert_eq(pci_scan(), PCI_DEVICES_MAX);
	cr_assert_not_null(strstr(plat_test_output(), "21 are ignored"));
}

/* ---- BARs --------------------------------------------------------------------------------- */

/* as QEMU's virtio-net-pci has them */
static struct fake_pci *net_function(void)
{
	struct fake_pci *f = fake_pci_add(NULL, 3, 0, 0x10001af4);

	fake_pci_bar(f, 0, 0xc0e0, 32, IO);
	fake_pci_bar(f, 1, 0xfebd1000, 4096, MEM32);
	fake_pci_bar(f, 4, 0xfe000000, 16384, MEM64_PREF);
	f->config[PCI_COMMAND] = 0x07;
	return f;
}

Test(pci, sizes_bars_of_all_three_kinds)
{
	struct fake_pci *f;
	uint8_t before[256];
	const struct pci_bar *bar;

	fake_pci_start(true);
	f = net_function();
	memcpy(before, f->config, sizeof(before));
	cr_assert_eq(pci_scan(), 1);

	bar = pci_dev(0)->bar;
	cr_expect(bar[0].kind == PCI_BAR_IO && bar[0].addr == 0xc0e0 && bar[0].size == 32);
	cr_expect(bar[1].kind == PCI_BAR_MEM32 && bar[1].addr == 0xfebd1000);
	cr_expect(bar[1].size == 4096 && !bar[1].prefetchable);
	cr_expect(bar[2].kind == PCI_BAR_NONE && bar[3].kind == PCI_BAR_NONE);
	cr_expect(bar[4].kind == PCI_BAR_MEM64 && bar[4].addr == 0xfe000000);
	cr_expect(bar[4].size == 16384 && bar[4].prefetchable);
	cr_expect(bar[5].kind == PCI_BAR_NONE);
	cr_expect_arr_eq(f->config, before, sizeof(before), "registers are as they were");
	cr_expect_eq(fake_pci_breaches, 0, "no decoding while a BAR holds the size pattern");
}

Test(pci, sizes_what_is_no_network_controller_when_asked)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = net_function();
	fake_pci_put16(f, PCI_REVISION + 2, 0x0100);
	cr_assert_eq(pci_scan(), 1);
	cr_expect_not(pci_dev(0)->sized);
	pci_size(pci_dev(0));
	cr_expect_eq(pci_dev(0)->bar[1].size, 4096);
}

Test(pci, sizes_a_bar_above_4_gib_with_its_upper_half)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	fake_pci_bar(f, 2, 0x8a00000000, 0x200000000, MEM64);
	pci_scan();
	cr_expect_eq(pci_dev(0)->bar[2].addr, 0x8a00000000);
	cr_expect_eq(pci_dev(0)->bar[2].size, 0x200000000);
}

Test(pci, ignores_a_64_bit_bar_without_an_upper_half)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	fake_pci_bar(f, 5, 0xfe000000, 4096, MEM64);
	pci_scan();
	cr_expect_eq(pci_dev(0)->bar[5].kind, PCI_BAR_NONE);
}

Test(pci, leaves_the_bars_of_host_bridges_alone)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = host_bridge(0);
	fake_pci_bar(f, 0, 0, 4096, MEM32);
	pci_scan();
	pci_size(pci_dev(0));
	cr_expect_eq(pci_dev(0)->bar[0].kind, PCI_BAR_NONE);
	cr_expect_eq(fake_pci_get32(f, PCI_BAR0), 0);
}

Test(pci, maps_only_what_lies_inside_a_memory_bar)
{
	fake_pci_start(true);
	net_function();
	pci_scan();

	const struct pci_dev *d = pci_dev(0);

	cr_expect_eq((uintptr_t)pci_bar_map(d, 4, 0x1000, 0x3000), 0xfe001000);
	cr_expect_null(pci_bar_map(d, 4, 0x1000, 0x3001));
	cr_expect_null(pci_bar_map(d, 4, 0x4000, 1));
	cr_expect_null(pci_bar_map(d, 4, UINT64_MAX, 2));
	cr_expect_null(pci_bar_map(d, 4, 1, UINT64_MAX));
	cr_expect_null(pci_bar_map(d, 4, 0, 0));
	cr_expect_null(pci_bar_map(d, 0, 0, 4));
	cr_expect_null(pci_bar_map(d, 2, 0, 4));
	cr_expect_null(pci_bar_map(d, 6, 0, 4));
}

Test(pci, translates_addresses_between_the_bus_and_the_processor)
{
	struct fake_pci *f;

	fake_pci_start(true);
	fake_pci_host.mem32 = (struct pci_window){0x5010000000, 0x10000000, 0x10000000};
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	fake_pci_bar(f, 0, 0x10200000, 4096, MEM32);
	fake_pci_bar(f, 1, 0, 4096, MEM32);
	pci_scan();
	cr_expect_eq(pci_dev(0)->bar[0].addr, 0x5010200000);
	cr_expect_eq(pci_dev(0)->bar[1].addr, 0x5010000000);
	cr_expect_eq(fake_pci_get32(f, PCI_BAR0 + 4), 0x10000000);
}

Test(pci, enables_decoding_and_mastering)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = net_function();
	f->config[PCI_COMMAND] = 0;
	pci_scan();
	pci_enable(pci_dev(0));
	cr_expect_eq(fake_pci_get16(f, PCI_COMMAND), 7);
	pci_intx_enable(pci_dev(0), false);
	cr_expect_eq(fake_pci_get16(f, PCI_COMMAND), 0x407);
	pci_disable_master(pci_dev(0));
	pci_intx_enable(pci_dev(0), true);
	cr_expect_eq(fake_pci_get16(f, PCI_COMMAND), 3);
}

/* ---- assignment --------------------------------------------------------------------------- */

static bool disjoint(const struct pci_bar *a, const struct pci_bar *b)
{
	return a->addr + a->size <= b->addr || b->addr + b->size <= a->addr;
}

Test(pci, assigns_free_addresses_and_overlaps_nothing)
{
	struct fake_pci *f, *g;
	const struct pci_bar *bar, *taken;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	fake_pci_bar(f, 0, 0xc0000000, 0x100000, MEM32);
	fake_pci_bar(f, 1, 0x1000, 64, IO);
	g = fake_pci_add(NULL, 2, 0, SOME_NIC);
	fake_pci_bar(g, 0, 0, 32, IO);
	fake_pci_bar(g, 1, 0, 4096, MEM32);
	fake_pci_bar(g, 2, 0, 0x200000, MEM32);
	fake_pci_bar(g, 4, 0, 0x4000, MEM64_PREF);
	cr_assert_eq(pci_scan(), 2);

	taken = pci_dev(0)->bar;
	bar = pci_dev(1)->bar;
	cr_expect_eq(bar[0].addr, 0x1040);
	cr_expect_eq(bar[2].addr, 0xc0200000);
	cr_expect_eq(bar[4].addr, 0x8000000000);
	cr_expect(bar[1].addr && disjoint(&bar[1], &taken[0]) && disjoint(&bar[1], &bar[2]));
	cr_expect_eq(fake_pci_get32(g, PCI_BAR0), 0x1041);
	cr_expect_eq(fake_pci_get32(g, PCI_BAR0 + 16), 0xc);
	cr_expect_eq(fake_pci_get32(g, PCI_BAR0 + 20), 0x80);
}

Test(pci, assigns_inside_the_window_of_the_bridge)
{
	struct fake_pci *bridge, *inside, *outside;

	fake_pci_start(true);
	bridge = fake_pci_bridge(NULL, 1, 1, 1);
	fake_pci_put16(bridge, PCI_MEM_BASE, 0xc000);
	fake_pci_put16(bridge, PCI_MEM_LIMIT, 0xc010); /* 2 MiB */
	fake_pci_put16(bridge, PCI_PREF_BASE, 0xfff1);
	inside = fake_pci_add(bridge, 0, 0, SOME_NIC);
	fake_pci_bar(inside, 0, 0xc0000000, 0x100000, MEM32);
	fake_pci_bar(inside, 1, 0, 0x1000, MEM32);
	fake_pci_bar(inside, 2, 0, 0x1000, MEM64_PREF);
	outside = fake_pci_add(NULL, 2, 0, SOME_NIC);
	fake_pci_bar(outside, 0, 0, 0x1000, MEM32);
	cr_assert_eq(pci_scan(), 3);

	cr_expect_eq(fake_pci_find(0x0100)->bar[1].addr, 0xc0100000);
	cr_expect_eq(fake_pci_find(0x0100)->bar[2].addr, 0xc0101000);
	cr_expect_eq(fake_pci_find(0x0010)->bar[0].addr, 0xc0200000);
}

Test(pci, places_the_largest_first)
{
	struct fake_pci *bridge, *inside;

	fake_pci_start(true);
	bridge = fake_pci_bridge(NULL, 1, 1, 1);
	fake_pci_put16(bridge, PCI_MEM_BASE, 0xc000);
	fake_pci_put16(bridge, PCI_MEM_LIMIT, 0xc020); /* 3 MiB */
	inside = fake_pci_add(bridge, 0, 0, SOME_NIC);
	fake_pci_bar(inside, 0, 0, 0x100000, MEM32);
	fake_pci_bar(inside, 1, 0, 0x200000, MEM32);
	pci_scan();
	cr_expect_eq(fake_pci_find(0x0100)->bar[1].addr, 0xc0000000);
	cr_expect_eq(fake_pci_find(0x0100)->bar[0].addr, 0xc0200000);
}

Test(pci, opens_the_window_of_a_bridge_that_is_closed)
{
	struct fake_pci *bridge, *inside;
	const struct pci_bar *bar;

	fake_pci_start(true);
	bridge = fake_pci_bridge(NULL, 1, 1, 1); /* windows as after a reset: open at 0 */
	inside = fake_pci_add(bridge, 0, 0, SOME_NIC);
	fake_pci_bar(inside, 0, 0, 0x200000, MEM32);
	fake_pci_bar(inside, 1, 0, 32, IO);
	cr_assert_eq(pci_scan(), 2);

	bar = fake_pci_find(0x0100)->bar;
	cr_expect_eq(bar[0].addr, 0xc0000000);
	cr_expect_eq(bar[1].addr, 0x1000);
	cr_expect_eq(fake_pci_get32(bridge, PCI_MEM_BASE), 0xc010c000);
	cr_expect_eq(fake_pci_get16(bridge, PCI_IO_BASE), 0x1010);
	cr_expect_gt(fake_pci_get16(bridge, PCI_PREF_BASE), fake_pci_get16(bridge, PCI_PREF_LIMIT));
	cr_expect_eq(fake_pci_get16(bridge, PCI_COMMAND), 7);
}

Test(pci, places_nothing_behind_a_bridge_without_the_window)
{
	struct fake_pci *bridge, *inside;

	fake_pci_start(true);
	bridge = fake_pci_bridge(NULL, 1, 1, 1);
	memset(bridge->writable + PCI_IO_BASE, 0, 2);
	inside = fake_pci_add(bridge, 0, 0, SOME_NIC);
	fake_pci_bar(inside, 1, 0, 32, IO);
	pci_scan();
	cr_expect_eq(fake_pci_find(0x0100)->bar[1].addr, 0);
	cr_expect_not_null(strstr(plat_test_output(), "no register for bridge window 0"));
}

Test(pci, warns_and_keeps_decoding_off_when_there_is_no_room)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	fake_pci_bar(f, 0, 0, 0x40000000, MEM32);
	fake_pci_bar(f, 1, 0xfe000000, 4096, MEM32);
	pci_scan();
	cr_expect_eq(pci_dev(0)->bar[0].addr, 0);
	cr_expect_not_null(strstr(plat_test_output(), "no room for BAR 0"));
	cr_expect_null(pci_bar_map(pci_dev(0), 1, 0, 4));
	pci_enable(pci_dev(0));
	cr_expect_eq(fake_pci_get16(f, PCI_COMMAND), PCI_COMMAND_IO | PCI_COMMAND_MASTER);
}

/* What a bridge does with an address, from its registers. */
static bool bridge_forwards(const struct fake_pci *b, uint64_t addr)
{
	uint64_t base = (uint64_t)fake_pci_get16(b, PCI_MEM_BASE) << 16;
	uint64_t last = (uint64_t)fake_pci_get16(b, PCI_MEM_LIMIT) << 16 | 0xfffff;

	return base <= addr && addr <= last;
}

Test(pci, numbers_buses_and_opens_windows_when_no_firmware_ran)
{
	struct fake_pci *a, *b, *c, *nic[3];
	const struct pci_dev *d[3];

	fake_pci_start(false);
	a = fake_pci_bridge(NULL, 1, 0, 0);
	b = fake_pci_bridge(a, 2, 0, 0);
	c = fake_pci_bridge(NULL, 3, 0, 0);
	nic[0] = fake_pci_add(b, 0, 0, SOME_NIC);
	nic[1] = fake_pci_add(c, 5, 0, SOME_NIC);
	nic[2] = fake_pci_add(NULL, 4, 0, SOME_NIC);
	for (unsigned i = 0; i < ARRAY_SIZE(nic); i++) {
		fake_pci_bar(nic[i], 0, 0, 64, IO);
		fake_pci_bar(nic[i], 1, 0, 0x200000, MEM32);
		fake_pci_bar(nic[i], 4, 0, 0x4000, MEM64_PREF);
	}
	cr_assert_eq(pci_scan(), 6);

	d[0] = fake_pci_find((uint16_t)(b->config[PCI_SECONDARY_BUS] << 8));
	d[1] = fake_pci_find((uint16_t)(c->config[PCI_SECONDARY_BUS] << 8 | 5 << 3));
	d[2] = fake_pci_find(4 << 3);
	for (unsigned i = 0; i < ARRAY_SIZE(d); i++) {
		cr_assert_not_null(d[i]);
		for (unsigned n = 0; n < 5; n++)
			cr_expect((d[i]->bar[n].kind == PCI_BAR_NONE) == !d[i]->bar[n].addr);
	}
	for (unsigned n = 1; n < 5; n += 3) {
		cr_expect(bridge_forwards(a, d[0]->bar[n].addr) &&
		          bridge_forwards(b, d[0]->bar[n].addr) &&
		          !bridge_forwards(c, d[0]->bar[n].addr));
		cr_expect(!bridge_forwards(a, d[1]->bar[n].addr) &&
		          bridge_forwards(c, d[1]->bar[n].addr));
		cr_expect(!bridge_forwards(a, d[2]->bar[n].addr) &&
		          !bridge_forwards(c, d[2]->bar[n].addr));
	}
	cr_expect_eq(fake_pci_get16(b, PCI_COMMAND), 7,
	             "a bridge without decoding forwards nothing");
}

/* ---- capabilities ------------------------------------------------------------------------- */

Test(pci, finds_each_capability_of_an_id_in_order)
{
	struct fake_pci *f;
	unsigned first, second;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	first = fake_pci_cap(f, PCI_CAP_ID_VENDOR, 16);
	fake_pci_cap(f, PCI_CAP_ID_MSIX, 12);
	second = fake_pci_cap(f, PCI_CAP_ID_VENDOR, 20);
	pci_scan();
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, 0), first);
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, first), second);
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, second), 0);
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_MSI, 0), 0);

	f->config[PCI_STATUS] = 0;
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, 0), 0, "no list, says the status");
}

Test(pci, ends_at_a_capability_list_that_loops)
{
	struct fake_pci *f;
	unsigned first, second, n = 0;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	first = fake_pci_cap(f, PCI_CAP_ID_VENDOR, 16);
	second = fake_pci_cap(f, PCI_CAP_ID_VENDOR, 16);
	f->config[second + 1] = (uint8_t)first;
	pci_scan();
	for (unsigned at = 0; n < 10 && (at = pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, at)); n++)
		;
	cr_expect_eq(n, 2);
}

Test(pci, ends_at_a_capability_pointer_into_the_header)
{
	struct fake_pci *f;
	unsigned first;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 1, 0, SOME_NIC);
	first = fake_pci_cap(f, PCI_CAP_ID_VENDOR, 16);
	f->config[first + 1] = 0x3c;
	f->config[0x3c] = PCI_CAP_ID_VENDOR;
	f->config[PCI_CAP_POINTER] |= 3; /* reserved bits */
	pci_scan();
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, 0), first);
	cr_expect_eq(pci_cap_next(pci_dev(0), PCI_CAP_ID_VENDOR, first), 0);
}

static void set_port(struct fake_pci *bridge, unsigned kind)
{
	const unsigned cap = fake_pci_cap(bridge, PCI_CAP_ID_EXPRESS, 60);

	fake_pci_put16(bridge, cap + PCI_EXPRESS_FLAGS, (uint16_t)(kind << 4 | 2));
}

Test(pci, a_bridge_to_conventional_pci_speaks_for_what_is_behind_it)
{
	struct fake_pci *port, *bridge, *inner;

	fake_pci_start(true);
	port = fake_pci_bridge(NULL, 1, 1, 3);
	set_port(port, PCI_EXPRESS_ROOT_PORT);
	bridge = fake_pci_bridge(port, 0, 2, 3);
	set_port(bridge, PCI_EXPRESS_TO_PCI);
	fake_pci_add(bridge, 5, 0, SOME_NIC);
	inner = fake_pci_bridge(bridge, 6, 3, 3);
	fake_pci_add(inner, 7, 0, SOME_NIC);
	cr_assert_eq(pci_scan(), 5);
	cr_expect_eq(pci_requester(pci_dev(0)), 0x0008);
	cr_expect_eq(pci_requester(pci_dev(1)), 0x0100, "what is behind a root port is itself");
	cr_expect_eq(pci_dev(2)->bdf, 0x0228);
	cr_expect_eq(pci_requester(pci_dev(2)), 0x0200, "the secondary bus, device 0");
	cr_expect_eq(pci_dev(4)->bdf, 0x0338);
	cr_expect_eq(pci_requester(pci_dev(4)), 0x0200);
}

Test(pci, behind_a_conventional_bridge_the_bridge_itself_speaks)
{
	struct fake_pci *outer;

	fake_pci_start(true);
	outer = fake_pci_bridge(NULL, 2, 1, 2);
	fake_pci_add(fake_pci_bridge(outer, 4, 2, 2), 7, 0, SOME_NIC);
	cr_assert_eq(pci_scan(), 3);
	cr_expect_eq(pci_requester(pci_dev(2)), 0x0010);
}

static unsigned line_of_slot(const struct pci_dev *d)
{
	return d->irq_pin ? 300u + (d->bdf >> 3) : 0;
}

Test(pci, the_host_may_say_where_a_pin_is_wired_to)
{
	struct fake_pci *f;

	fake_pci_start(true);
	fake_pci_host.intx_line = line_of_slot;
	f = fake_pci_add(NULL, 4, 0, SOME_NIC);
	f->config[PCI_IRQ_LINE] = 11;
	f->config[PCI_IRQ_LINE + 1] = 1;
	pci_scan();
	cr_expect_eq(pci_dev(0)->irq_pin, 1);
	cr_expect_eq(pci_dev(0)->irq_line, 304);
}
