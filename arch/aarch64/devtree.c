/*
 * Memory, the command line, console, interrupt controller, PSCI and fw_cfg from the device tree.
 * Nodes are found by "compatible", wherever they stand.
 */
#include "arch/aarch64/libfdt_env.h"

#include "arch/aarch64/devtree.h"
#include "arch/aarch64/gic.h"
#include "kernel/errno.h"
#include <libfdt.h>

#define NODES_MAX 4096 /* of a kind; a walk ends there */
#define ADDRESS_CELLS_MAX 4
#define SPI_FIRST 32 /* interrupt 0 of the binding */

/* ---- properties --------------------------------------------------------------------------- */

struct cells devtree_cells(const void *fdt, int node, const char *name)
{
	int len = 0;
	const void *p = fdt_getprop(fdt, node, name, &len);

	return (struct cells){.at = p, .nb = p && len > 0 ? (unsigned)len / 4 : 0};
}

uint64_t cells_take(struct cells *c, unsigned n)
{
	uint64_t v = 0;

	if (c->nb < n) {
		c->nb = 0;
		return 0;
	}
	for (unsigned i = 0; i < n; i++, c->at += 4)
		v = v << 32 | (uint32_t)c->at[0] << 24 | (uint32_t)c->at[1] << 16 |
		    (uint32_t)c->at[2] << 8 | c->at[3];
	c->nb -= n;
	return v;
}

uint32_t devtree_u32(const void *fdt, int node, const char *name, uint32_t fallback)
{
	struct cells c = devtree_cells(fdt, node, name);

	return c.nb ? (uint32_t)cells_take(&c, 1) : fallback;
}

static unsigned cells_of(const void *fdt, int node, const char *name, unsigned fallback)
{
	const uint32_t n = devtree_u32(fdt, node, name, fallback);

	return n <= ADDRESS_CELLS_MAX ? n : fallback;
}

struct machine_range devtree_reg(const void *fdt, int node, unsigned n)
{
	const int parent = fdt_parent_offset(fdt, node);
	const unsigned address = cells_of(fdt, parent, "#address-cells", 2);
	const unsigned size = cells_of(fdt, parent, "#size-cells", 1);
	struct cells c = devtree_cells(fdt, node, "reg");
	struct machine_range r = {0, 0};

	for (unsigned i = 0; i <= n && c.nb >= address + size; i++) {
		r.base = cells_take(&c, address);
		r.bytes = cells_take(&c, size);
		if (i == n)
			return r;
	}
	return (struct machine_range){0, 0};
}

static bool is_enabled(const void *fdt, int node)
{
	const char *status = fdt_getprop(fdt, node, "status", NULL);

	return !status || !strcmp(status, "okay") || !strcmp(status, "ok");
}

/* Return: the first enabled node that fits one of the names, negative when there is none. */
static int find_compatible(const void *fdt, const char *const *names, unsigned nb, unsigned *which)
{
	for (unsigned i = 0; i < nb; i++) {
		int node = fdt_node_offset_by_compatible(fdt, -1, names[i]);

		for (unsigned n = 0; n < NODES_MAX && node >= 0; n++) {
			if (is_enabled(fdt, node)) {
				*which = i;
				return node;
			}
			node = fdt_node_offset_by_compatible(fdt, node, names[i]);
		}
	}
	return -1;
}

static int find_one(const void *fdt, const char *name)
{
	unsigned which;

	return find_compatible(fdt, &name, 1, &which);
}

/* ---- memory ------------------------------------------------------------------------------- */

static void add_memory(const void *fdt, struct boot_info *bi)
{
	int node = -1;

	for (unsigned n = 0; n < NODES_MAX; n++) {
		node = fdt_node_offset_by_prop_value(fdt, node, "device_type", "memory", 7);
		if (node < 0)
			return;
		if (!is_enabled(fdt, node))
			continue;
		for (unsigned i = 0; i < BOOT_ENTRIES_MAX; i++) {
			const struct machine_range r = devtree_reg(fdt, node, i);

			if (!r.bytes)
				break;
			boot_info_add(bi, r.base, r.bytes);
		}
	}
}

static void exclude_reserved(const void *fdt, struct boot_info *bi)
{
	const int all = fdt_path_offset(fdt, "/reserved-memory");
	int node = all < 0 ? all : fdt_first_subnode(fdt, all);

	for (int i = 0; i < (int)BOOT_ENTRIES_MAX; i++) {
		uint64_t base, bytes;

		if (fdt_get_mem_rsv(fdt, i, &base, &bytes) || !bytes)
			break;
		boot_info_exclude(bi, base, bytes);
	}
	for (unsigned n = 0; n < NODES_MAX && node >= 0; n++) {
		for (unsigned i = 0; i < BOOT_ENTRIES_MAX; i++) {
			const struct machine_range r = devtree_reg(fdt, node, i);

			if (!r.bytes)
				break;
			boot_info_exclude(bi, r.base, r.bytes);
		}
		node = fdt_next_subnode(fdt, node);
	}
}

/* ---- small devices ------------------------------------------------------------------------ */

static void read_cmdline(const void *fdt, struct boot_info *bi)
{
	const int chosen = fdt_path_offset(fdt, "/chosen");
	int len = 0;
	const char *args = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "bootargs", &len);

	if (args && len > 0)
		boot_info_cmdline(bi, args, (uint64_t)len);
}

/* The console that the tree names, if it is one that we know; else the first such. */
static void find_uart(const void *fdt, struct machine *m)
{
	const int chosen = fdt_path_offset(fdt, "/chosen");
	int len = 0, node = -1;
	const char *path = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "stdout-path", &len);

	if (path && len > 0) {
		const char *options = memchr(path, ':', (size_t)len);
		const size_t end = strnlen(path, (size_t)len);

		node =
		    fdt_path_offset_namelen(fdt, path, options ? (int)(options - path) : (int)end);
	}
	if (node < 0 || fdt_node_check_compatible(fdt, node, "arm,pl011"))
		node = find_one(fdt, "arm,pl011");
	if (node < 0)
		return;
	m->uart = devtree_reg(fdt, node, 0);

	/* GIC binding: kind (0: shared), number, trigger */
	struct cells irq = devtree_cells(fdt, node, "interrupts");

	if (irq.nb >= 3 && !cells_take(&irq, 1))
		m->uart_irq = GIC_SPI_FIRST + (unsigned)cells_take(&irq, 1);
}

static void find_psci(const void *fdt, struct machine *m)
{
	static const char *const names[] = {"arm,psci-1.0", "arm,psci-0.2"};
	unsigned which;
	const int node = find_compatible(fdt, names, ARRAY_SIZE(names), &which);
	const char *method = node < 0 ? NULL : fdt_getprop(fdt, node, "method", NULL);

	if (method)
		m->psci = !strcmp(method, "smc")   ? PSCI_SMC
		          : !strcmp(method, "hvc") ? PSCI_HVC
		                                   : PSCI_NONE;
}

/* Processors that PSCI starts; those of a tree that does not say how are taken for such, too. */
static void find_cpus(const void *fdt, struct machine *m)
{
	const int all = fdt_path_offset(fdt, "/cpus");
	const unsigned cells = cells_of(fdt, all, "#address-cells", 1);
	int node = all < 0 ? all : fdt_first_subnode(fdt, all);

	for (unsigned n = 0; n < NODES_MAX && node >= 0; n++) {
		const char *type = fdt_getprop(fdt, node, "device_type", NULL);
		const char *how = fdt_getprop(fdt, node, "enable-method", NULL);
		struct cells reg = devtree_cells(fdt, node, "reg");

		if (type && !strcmp(type, "cpu") && is_enabled(fdt, node) &&
		    (!how || !strcmp(how, "psci")) && cells && reg.nb >= cells)
			machine_add_cpu(m, mpidr_affinity(cells_take(&reg, cells)));
		node = fdt_next_subnode(fdt, node);
	}
}

/* ---- interrupt controller ----------------------------------------------------------------- */

static void add_v2m(const void *fdt, int node, struct gic_info *gic)
{
	struct gic_v2m *f = &gic->v2m[gic->nb_v2m];

	if (gic->nb_v2m == GIC_V2M_MAX || !is_enabled(fdt, node))
		return;
	*f = (struct gic_v2m){.regs = devtree_reg(fdt, node, 0),
	                      .phandle = fdt_get_phandle(fdt, node),
	                      .first = devtree_u32(fdt, node, "arm,msi-base-spi", 0),
	                      .count = devtree_u32(fdt, node, "arm,msi-num-spis", 0)};
	if (f->first)
		f->first += f->first < SPI_FIRST ? SPI_FIRST : 0;
	gic->nb_v2m += f->regs.bytes ? 1 : 0;
}

static void find_msi(const void *fdt, struct gic_info *gic)
{
	const int its = find_one(fdt, "arm,gic-v3-its");
	int frame = fdt_node_offset_by_compatible(fdt, -1, "arm,gic-v2m-frame");

	for (unsigned n = 0; n < NODES_MAX && frame >= 0; n++) {
		add_v2m(fdt, frame, gic);
		frame = fdt_node_offset_by_compatible(fdt, frame, "arm,gic-v2m-frame");
	}
	if (its >= 0) {
		gic->its = devtree_reg(fdt, its, 0);
		gic->its_phandle = fdt_get_phandle(fdt, its);
	}
}

static void find_gic(const void *fdt, struct gic_info *gic)
{
	static const char *const names[] = {"arm,gic-v3", "arm,cortex-a15-gic", "arm,gic-400"};
	unsigned which = 0;
	const int node = find_compatible(fdt, names, ARRAY_SIZE(names), &which);

	if (node < 0)
		return;
	gic->dist = devtree_reg(fdt, node, 0);
	if (which) {
		gic->version = 2;
		gic->cpu = devtree_reg(fdt, node, 1);
	} else {
		const uint32_t regions = devtree_u32(fdt, node, "#redistributor-regions", 1);

		gic->version = 3;
		for (unsigned i = 0; i < regions && i < GIC_REDISTS_MAX; i++) {
			gic->redist[i] = devtree_reg(fdt, node, 1 + i);
			if (!gic->redist[i].bytes)
				break;
			gic->nb_redists++;
		}
	}
	find_msi(fdt, gic);
}

/* ---- public ------------------------------------------------------------------------------- */

size_t devtree_bytes(const void *head)
{
	const size_t bytes = fdt_magic(head) == FDT_MAGIC ? fdt_totalsize(head) : 0;

	return bytes >= DEVTREE_HEADER_BYTES && bytes <= DEVTREE_BYTES_MAX ? bytes : 0;
}

int devtree_parse(const void *fdt, size_t bytes, struct machine *m, struct boot_info *bi)
{
	int node;

	/* the whole structure, once: afterwards no read leaves it */
	if (fdt_check_full(fdt, bytes))
		return -EINVAL;
	bi->loader = "devicetree";
	read_cmdline(fdt, bi);
	add_memory(fdt, bi);
	exclude_reserved(fdt, bi);
	find_uart(fdt, m);
	find_psci(fdt, m);
	find_cpus(fdt, m);
	find_gic(fdt, &m->gic);
	node = find_one(fdt, "qemu,fw-cfg-mmio");
	if (node >= 0)
		m->fw_cfg = devtree_reg(fdt, node, 0);
	node = find_one(fdt, "arm,armv8-timer");
	if (node >= 0)
		m->timer_hz = devtree_u32(fdt, node, "clock-frequency", 0);
	devtree_pci(fdt, &m->pci);
	node = find_one(fdt, "arm,smmu-v3");
	if (node >= 0)
		m->pci.smmu = devtree_reg(fdt, node, 0).base;
	return 0;
}
