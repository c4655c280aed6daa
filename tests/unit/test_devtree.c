/*
 * arch/aarch64/devtree.c: what is read of a device tree. The trees are made here as QEMU's virt
 * machine and others make them, by the writing half of libfdt.
 */
#include "arch/aarch64/libfdt_env.h"

#include "arch/aarch64/devtree.h"
#include "kernel/errno.h"
#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>

#define TREE_BYTES 16384
#define GIC_PHANDLE 1
#define MSI_PHANDLE 2

static uint8_t tree[TREE_BYTES];
static struct machine m;
static struct boot_info bi;

/* ---- writing ------------------------------------------------------------------------------ */

static void begin(const char *name)
{
	cr_assert_eq(fdt_begin_node(tree, name), 0);
}

static void end(void)
{
	cr_assert_eq(fdt_end_node(tree), 0);
}

static void text(const char *name, const char *value)
{
	cr_assert_eq(fdt_property(tree, name, value, (int)strlen(value) + 1), 0);
}

static void cell(const char *name, uint32_t value)
{
	cr_assert_eq(fdt_property_u32(tree, name, value), 0);
}

static void words(const char *name, unsigned n, const uint32_t *values)
{
	uint32_t be[64];

	for (unsigned i = 0; i < n; i++)
		be[i] = __builtin_bswap32(values[i]);
	cr_assert_eq(fdt_property(tree, name, be, (int)(4 * n)), 0);
}

#define CELLS(name, ...)                                                                           \
	words(name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (const uint32_t[]){__VA_ARGS__})

static void tree_begin(void)
{
	memset(&m, 0, sizeof(m));
	memset(&bi, 0, sizeof(bi));
	cr_assert_eq(fdt_create(tree, TREE_BYTES), 0);
	cr_assert_eq(fdt_add_reservemap_entry(tree, 0x48000000, 0x10000), 0);
	cr_assert_eq(fdt_finish_reservemap(tree), 0);
	begin("");
	cell("#address-cells", 2);
	cell("#size-cells", 2);
}

/* Return: what devtree_parse() says. */
static int tree_parse(void)
{
	uint8_t *exact;
	size_t bytes;
	int err;

	end();
	cr_assert_eq(fdt_finish(tree), 0);
	bytes = devtree_bytes(tree);
	cr_assert_eq(bytes, fdt_totalsize(tree));
	exact = malloc(bytes); /* a read behind it is seen by AddressSanitizer */
	memcpy(exact, tree, bytes);
	err = devtree_parse(exact, bytes, &m, &bi);
	free(exact);
	return err;
}

static void add_memory(void)
{
	begin("memory@40000000");
	text("device_type", "memory");
	CELLS("reg", 0, 0x40000000, 0, 0x10000000, 0x1, 0, 0, 0x80000000);
	end();
}

static void add_gic(const char *kind)
{
	begin("intc@8000000");
	text("compatible", kind);
	cell("phandle", GIC_PHANDLE);
	cell("#interrupt-cells", 3);
	cell("#address-cells", 2);
	cell("#size-cells", 2);
	CELLS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
	begin("msi@8020000");
	text("compatible", kind[8] == 'v' ? "arm,gic-v3-its" : "arm,gic-v2m-frame");
	cell("phandle", MSI_PHANDLE);
	CELLS("reg", 0, 0x8020000, 0, 0x20000);
	end();
	end();
}

static void add_pcie(void)
{
	begin("pcie@10000000");
	text("compatible", "pci-host-ecam-generic");
	cell("#address-cells", 3);
	cell("#size-cells", 2);
	CELLS("reg", 0x40, 0x10000000, 0, 0x10000000);
	CELLS("bus-range", 0, 0xff);
	CELLS("ranges", 0x1000000, 0, 0, 0, 0x3eff0000, 0, 0x10000, /* I/O */
	      0x2000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2eff0000, 0x3000000, 0x80, 0, 0x80, 0,
	      0x80, 0);
	CELLS("msi-map", 0, MSI_PHANDLE, 0, 0x10000);
	CELLS("interrupt-map-mask", 0x1800, 0, 0, 7);
	CELLS("interrupt-map", 0, 0, 0, 1, GIC_PHANDLE, 0, 0, 0, 3, 4, /* slot 0, INTA */
	      0x800, 0, 0, 1, GIC_PHANDLE, 0, 0, 0, 4, 1);             /* slot 1, an edge */
	end();
}

static void add_cpu(unsigned n, const char *status, const char *how)
{
	char name[16];

	snprintf(name, sizeof(name), "cpu@%x", n);
	begin(name);
	text("device_type", "cpu");
	CELLS("reg", n);
	if (status)
		text("status", status);
	if (how)
		text("enable-method", how);
	end();
}

/* ---- tests -------------------------------------------------------------------------------- */

Test(devtree, memory_is_what_is_neither_reserved_nor_out_of_use)
{
	tree_begin();
	add_memory();
	begin("memory@90000000");
	text("device_type", "memory");
	text("status", "disabled");
	CELLS("reg", 0, 0x90000000, 0, 0x1000);
	end();
	begin("reserved-memory");
	cell("#address-cells", 2);
	cell("#size-cells", 2);
	begin("firmware@4f000000");
	CELLS("reg", 0, 0x4f000000, 0, 0x1000000);
	end();
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(bi.nb_ranges, 3);
	cr_assert_eq(bi.ranges[0].base, 0x40000000);
	cr_assert_eq(bi.ranges[0].end, 0x48000000);
	cr_assert_eq(bi.ranges[1].base, 0x48010000);
	cr_assert_eq(bi.ranges[1].end, 0x4f000000);
	cr_assert_eq(bi.ranges[2].base, 0x100000000);
	cr_assert_eq(bi.ranges[2].end, 0x180000000);
}

Test(devtree, the_command_line_and_the_console_are_those_of_chosen)
{
	tree_begin();
	begin("uart@1000");
	text("compatible", "arm,pl011");
	CELLS("reg", 0, 0x1000, 0, 0x1000);
	end();
	begin("uart@9000000");
	cr_assert_eq(fdt_property(tree, "compatible", "arm,pl011\0arm,primecell", 24), 0);
	CELLS("reg", 0, 0x9000000, 0, 0x1000);
	end();
	begin("chosen");
	text("bootargs", "app=echo net.ip=off");
	text("stdout-path", "/uart@9000000:115200n8");
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_assert_str_eq(bi.cmdline, "app=echo net.ip=off");
	cr_assert_eq(m.uart.base, 0x9000000);
}

Test(devtree, a_console_that_is_not_known_gives_way_to_one_that_is)
{
	tree_begin();
	begin("uart@1000");
	text("compatible", "ns16550a");
	CELLS("reg", 0, 0x1000, 0, 0x1000);
	end();
	begin("uart@9000000");
	text("compatible", "arm,pl011");
	CELLS("reg", 0, 0x9000000, 0, 0x1000);
	end();
	begin("chosen");
	text("stdout-path", "/uart@1000");
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(m.uart.base, 0x9000000);
}

Test(devtree, psci_is_called_as_the_tree_says)
{
	static const struct {
		const char *method;
		enum psci_conduit conduit;
	} cases[] = {{"hvc", PSCI_HVC}, {"smc", PSCI_SMC}, {"mail", PSCI_NONE}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		tree_begin();
		begin("psci");
		cr_assert_eq(fdt_property(tree, "compatible", "arm,psci-1.0\0arm,psci-0.2", 26), 0);
		text("method", cases[i].method);
		end();
		cr_assert_eq(tree_parse(), 0);
		cr_assert_eq(m.psci, cases[i].conduit, "%s", cases[i].method);
	}
}

Test(devtree, gic_version_2_with_a_frame_for_messages)
{
	tree_begin();
	add_gic("arm,cortex-a15-gic");
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(m.gic.version, 2);
	cr_assert_eq(m.gic.dist.base, 0x8000000);
	cr_assert_eq(m.gic.cpu.base, 0x80a0000);
	cr_assert_eq(m.gic.nb_v2m, 1);
	cr_assert_eq(m.gic.v2m[0].regs.base, 0x8020000);
	cr_assert_eq(m.gic.v2m[0].phandle, MSI_PHANDLE);
	cr_assert_eq(m.gic.its.bytes, 0);
}

Test(devtree, gic_version_3_with_an_its)
{
	tree_begin();
	add_gic("arm,gic-v3");
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(m.gic.version, 3);
	cr_assert_eq(m.gic.nb_redists, 1);
	cr_assert_eq(m.gic.redist[0].base, 0x80a0000);
	cr_assert_eq(m.gic.redist[0].bytes, 0xf60000);
	cr_assert_eq(m.gic.its.base, 0x8020000);
	cr_assert_eq(m.gic.its_phandle, MSI_PHANDLE);
	cr_assert_eq(m.gic.nb_v2m, 0);
}

Test(devtree, the_host_bridge_its_windows_and_its_wiring)
{
	tree_begin();
	add_gic("arm,gic-v3");
	add_pcie();
	cr_assert_eq(tree_parse(), 0);
	cr_assert(m.pci.present);
	cr_assert_eq(m.pci.ecam, 0x4010000000);
	cr_assert_eq(m.pci.bus_last, 255);
	cr_assert_eq(m.pci.io.base, 0x3eff0000);
	cr_assert_eq(m.pci.io.bus, 0);
	cr_assert_eq(m.pci.io.size, 0x10000);
	cr_assert_eq(m.pci.mem32.base, 0x10000000);
	cr_assert_eq(m.pci.mem32.size, 0x2eff0000);
	cr_assert_eq(m.pci.mem64.base, 0x8000000000);
	cr_assert_eq(m.pci.mem64.size, 0x8000000000);
	cr_assert_eq(m.pci.nb_msi, 1);
	cr_assert_eq(m.pci.msi[0].phandle, MSI_PHANDLE);
	cr_assert_eq(m.pci.intx_address_mask, 0x1800);
	cr_assert_eq(m.pci.nb_intx, 2);
	cr_assert_eq(m.pci.intx[0].intid, 35);
	cr_assert(m.pci.intx[0].level);
	cr_assert_eq(m.pci.intx[1].address, 0x800);
	cr_assert_eq(m.pci.intx[1].intid, 36);
	cr_assert_not(m.pci.intx[1].level);
}

Test(devtree, the_base_of_ecam_is_that_of_bus_0)
{
	tree_begin();
	begin("pcie@10000000");
	text("compatible", "pci-host-ecam-generic");
	CELLS("reg", 0, 0x20000000, 0, 0x1000000);
	CELLS("bus-range", 0x10, 0x1f);
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(m.pci.ecam, 0x20000000 - (0x10u << 20));
	cr_assert_eq(m.pci.bus_first, 0x10);
	cr_assert_eq(m.pci.bus_last, 0x1f);
	cr_assert_eq(m.pci.mem32.size, 0);
}

Test(devtree, what_is_no_tree_is_not_read)
{
	tree_begin();
	end();
	cr_assert_eq(fdt_finish(tree), 0);
	tree[0] ^= 1;
	cr_assert_eq(devtree_bytes(tree), 0);
	tree[0] ^= 1;
	fdt_set_totalsize(tree, DEVTREE_BYTES_MAX + 1);
	cr_assert_eq(devtree_bytes(tree), 0);
	fdt_set_totalsize(tree, 8);
	cr_assert_eq(devtree_bytes(tree), 0);
}

/* Every single damage, one after the other: nothing is read outside, and it ends. */
Test(devtree, a_damaged_tree_does_no_harm)
{
	static uint8_t whole[TREE_BYTES];
	size_t bytes;

	tree_begin();
	add_memory();
	add_gic("arm,gic-v3");
	add_pcie();
	cr_assert_eq(tree_parse(), 0);
	bytes = fdt_totalsize(tree);
	memcpy(whole, tree, bytes);
	for (size_t i = DEVTREE_HEADER_BYTES; i < bytes; i++) {
		for (unsigned bit = 0; bit < 8; bit += 7) {
			uint8_t *copy = malloc(bytes);

			memcpy(copy, whole, bytes);
			copy[i] ^= (uint8_t)(1u << bit);
			memset(&m, 0, sizeof(m));
			memset(&bi, 0, sizeof(bi));
			devtree_parse(copy, bytes, &m, &bi);
			cr_assert_leq(m.pci.nb_intx, PCI_INTX_MAPS_MAX);
			cr_assert_leq(m.pci.bus_first, m.pci.bus_last);
			free(copy);
		}
	}
	for (size_t cut = DEVTREE_HEADER_BYTES; cut < bytes; cut++)
		cr_assert_eq(devtree_parse(whole, cut, &m, &bi), -EINVAL);
}

Test(devtree, processors_are_those_that_psci_starts)
{
	tree_begin();
	begin("cpus");
	cell("#address-cells", 1);
	cell("#size-cells", 0);
	begin("cpu-map");
	end();
	add_cpu(0, NULL, NULL); /* one alone needs no method */
	add_cpu(1, "okay", "psci");
	add_cpu(2, "disabled", "psci");
	add_cpu(3, NULL, "spin-table");
	begin("cache@9");
	text("device_type", "cache");
	CELLS("reg", 9);
	end();
	begin("cpu@a");
	text("device_type", "cpu"); /* nobody knows which */
	end();
	add_cpu(0x103, NULL, "psci");
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_assert_eq(m.nb_cpus, 3);
	cr_expect_eq(m.cpu[0], 0);
	cr_expect_eq(m.cpu[1], 1);
	cr_expect_eq(m.cpu[2], 0x103);
}

Test(devtree, processors_of_two_cells_and_too_many_of_them)
{
	tree_begin();
	begin("cpus");
	cell("#address-cells", 2);
	cell("#size-cells", 0);
	for (unsigned i = 0; i < CPUS_KNOWN_MAX + 3; i++) {
		char name[16];

		snprintf(name, sizeof(name), "cpu@%x", i);
		begin(name);
		text("device_type", "cpu");
		CELLS("reg", 0xffffff01, 0x80000000 | i);
		end();
	}
	end();
	cr_assert_eq(tree_parse(), 0);
	cr_expect_eq(m.nb_cpus, CPUS_KNOWN_MAX);
	cr_expect_eq(m.nb_cpus_more, 3);
	cr_expect_eq(m.cpu[5], 0x0100000005, "the affinity fields alone");
}
