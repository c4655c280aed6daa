/*
 * Interrupts: who handles which, the messages of devices (GICv2m, ITS) and their pins. All go to
 * the first lcore until they are moved; each lcore handles one at a time.
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/regs.h"
#include "arch/aarch64/trap.h"
#include "arch/bare/cpus.h"
#include "arch/bare/irq_line.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include <arch/irqflags.h>

#define LINES_MAX 16
#define DISPATCH_MAX 64 /* then the loop gets its turn; what waits comes again */

#define V2M_TYPER (0x008 / 4)
#define V2M_SET_SPI 0x040
#define V2M_BYTES 0x1000
#define V2M_FIRST(v) ((v) >> 16 & 0x3ff)
#define V2M_COUNT(v) ((v)&0x3ff)

struct handler {
	plat_irq_fn fn;
	void *arg;
};

struct spi_line {
	unsigned spi;
	struct irq_line line;
};

static const struct gic_ops *gic;
static struct handler spis[GIC_SPI_END];
static struct handler lpis[ITS_LPIS];
static unsigned nb_lpis;
static bool has_its;
static struct spi_line lines[LINES_MAX];
static unsigned nb_lines;
static uint64_t nb_unhandled;

/* ---- taking them -------------------------------------------------------------------------- */

static struct handler handler_of(uint32_t intid)
{
	if (intid < GIC_SPI_END)
		return spis[intid];
	if (intid >= GIC_LPI_FIRST && intid - GIC_LPI_FIRST < nb_lpis)
		return lpis[intid - GIC_LPI_FIRST];
	return (struct handler){NULL, NULL};
}

static bool is_special(uint32_t intid)
{
	return intid >= GIC_SPI_END && intid < GIC_LPI_FIRST;
}

void irq_dispatch(void)
{
	for (unsigned n = 0; n < DISPATCH_MAX; n++) {
		const uint32_t acked = gic->ack(), intid = acked & gic->intid_mask;
		struct handler h;

		if (is_special(intid))
			return;
		if (intid == GIC_POKE)
			cpu_stop();
		h = handler_of(intid);
		if (h.fn)
			h.fn(h.arg);
		else if (intid >= GIC_SGI_END)
			nb_unhandled++;
		gic->eoi(acked);
	}
}

/* Whoever waits for it switches it off before this can be called: firmware has left it on.
 */
static void timer_interrupt(void *arg)
{
	(void)arg;
	sysreg_write("cntv_ctl_el0", 0);
}

/* The argument must be there when the handler is. */
static void handler_set(struct handler *h, plat_irq_fn fn, void *arg)
{
	h->arg = arg;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	h->fn = fn;
}

/* ---- start -------------------------------------------------------------------------------- */

/* A frame's own register says which interrupts it has, unless the device tree does. */
static void v2m_read(struct gic_v2m *f)
{
	const volatile uint32_t *regs =
	    f->regs.bytes >= V2M_BYTES ? plat_mmio_map(f->regs.base, V2M_BYTES) : NULL;
	uint32_t typer;

	if (!regs) {
		f->count = 0;
		return;
	}
	typer = mmio_read(&regs[V2M_TYPER]);
	f->first = f->first ? f->first : V2M_FIRST(typer);
	f->count = f->count ? f->count : V2M_COUNT(typer);
	if (f->first < GIC_SPI_FIRST || f->first >= gic->nb_spis_end)
		f->count = 0;
	f->count =
	    (unsigned)min_u64(f->count, gic->nb_spis_end - min_u64(f->first, gic->nb_spis_end));
}

void irq_init(void)
{
	struct gic_info *info = &machine.gic;
	unsigned nb_v2m = 0;

	handler_set(&spis[GIC_PPI_TIMER], timer_interrupt, NULL);
	if (info->version == 3)
		gic = gicv3_init(info);
	else if (info->version == 2)
		gic = gicv2_init(info);
	if (!gic) {
		log_warn("irq",
		         "no interrupt controller: devices cannot interrupt, they are polled");
		return;
	}
	for (unsigned i = 0; i < info->nb_v2m; i++) {
		v2m_read(&info->v2m[i]);
		nb_v2m += info->v2m[i].count;
	}
	if (info->version == 3 && info->its.bytes)
		has_its = its_init(&info->its) == 0;
	log_info("irq", "%s, %u interrupts, %u of them for messages%s", gic->name,
	         gic->nb_spis_end - GIC_SPI_FIRST, nb_v2m, has_its ? ", ITS" : "");
	irq_enable();
}

/* ---- messages ----------------------------------------------------------------------------- */

static const struct pci_msi_map *map_of(uint16_t rid)
{
	for (unsigned i = 0; i < machine.pci.nb_msi; i++) {
		const struct pci_msi_map *m = &machine.pci.msi[i];

		if (rid >= m->rid && rid - m->rid < m->count)
			return m;
	}
	return NULL;
}

static int its_msi(uint32_t id, struct handler h, struct plat_msi *msg)
{
	const unsigned n = nb_lpis;
	int err;

	if (n == ITS_LPIS)
		return -ENOSPC;
	handler_set(&lpis[n], h.fn, h.arg);
	nb_lpis++;
	err = its_map(id, GIC_LPI_FIRST + n, msg);
	if (err)
		nb_lpis--;
	return err;
}

static int v2m_msi(const struct gic_v2m *f, struct handler h, struct plat_msi *msg)
{
	for (unsigned spi = f->first; spi < f->first + f->count; spi++) {
		if (spis[spi].fn)
			continue;
		handler_set(&spis[spi], h.fn, h.arg);
		gic->enable(spi, false);
		msg->addr = f->regs.base + V2M_SET_SPI;
		msg->data = spi;
		return 0;
	}
	return -ENOSPC;
}

int plat_irq_msi(uint16_t requester, plat_irq_fn fn, void *arg, struct plat_msi *msg)
{
	const struct pci_msi_map *m = map_of(requester);
	const struct handler h = {fn, arg};

	if (!gic || !m)
		return -EOPNOTSUPP;
	if (has_its && m->phandle == machine.gic.its_phandle)
		return its_msi(m->id + (requester - m->rid), h, msg);
	for (unsigned i = 0; i < machine.gic.nb_v2m; i++)
		if (machine.gic.v2m[i].count && machine.gic.v2m[i].phandle == m->phandle)
			return v2m_msi(&machine.gic.v2m[i], h, msg);
	return -EOPNOTSUPP;
}

static bool is_given(unsigned spi)
{
	return spi >= GIC_SPI_FIRST && spi < gic->nb_spis_end && spis[spi].fn;
}

int plat_irq_move(uint16_t requester, unsigned lcore, struct plat_msi *msg)
{
	const struct pci_msi_map *m = map_of(requester);
	uint64_t id;

	if (!gic || !m || !cpu_id_of(lcore, &id))
		return -EINVAL;
	if (has_its && m->phandle == machine.gic.its_phandle)
		return its_move(m->id + (requester - m->rid), msg, lcore);
	if (!is_given(msg->data))
		return -EINVAL;
	gic->route(msg->data, lcore);
	return 0;
}

/* ---- other lcores ------------------------------------------------------------------------- */

bool irq_cpu_find(unsigned lcore, uint64_t affinity)
{
	return !gic || gic->cpu_find(lcore, affinity);
}

void irq_cpu_setup(unsigned lcore)
{
	if (gic)
		gic->cpu_setup(lcore);
}

void irq_cpu_arrived(unsigned lcore, const void *pending)
{
	if (has_its && its_add_lcore(lcore, pending))
		log_warn("irq", "lcore %u cannot be reached by messages", lcore);
}

void plat_wake(unsigned lcore)
{
	if (lcore != plat_lcore())
		irq_poke(lcore);
}

void irq_poke(unsigned lcore)
{
	dsb(); /* what it is to find in memory first: a system register's write waits for no store
	        */
	if (gic)
		gic->poke(lcore);
}

/* ---- pins --------------------------------------------------------------------------------- */

static void line_mask(struct irq_line *l)
{
	gic->disable(container_of(l, struct spi_line, line)->spi);
}

static int line_add(struct irq_line *l, plat_intx_fn fn, void *arg)
{
	uint64_t flags;
	int err;

	if (l->masked)
		return -ENXIO;
	flags = irq_save(); /* the line may fire already */
	err = irq_line_add(l, fn, arg);
	irq_restore(flags);
	return err;
}

static bool is_level(unsigned spi)
{
	for (unsigned i = 0; i < machine.pci.nb_intx; i++)
		if (machine.pci.intx[i].intid == spi)
			return machine.pci.intx[i].level;
	return true;
}

int plat_irq_intx(unsigned line, plat_intx_fn fn, void *arg)
{
	struct spi_line *l = &lines[nb_lines];

	if (!gic || line < GIC_SPI_FIRST || line >= gic->nb_spis_end)
		return -ENXIO;
	for (unsigned i = 0; i < nb_lines; i++)
		if (lines[i].spi == line)
			return line_add(&lines[i].line, fn, arg);
	if (nb_lines == LINES_MAX || spis[line].fn)
		return -ENOSPC;
	*l = (struct spi_line){.spi = line,
	                       .line = {.irq = line, .level = is_level(line), .mask = line_mask}};
	irq_line_add(&l->line, fn, arg);
	nb_lines++;
	handler_set(&spis[line], irq_line_fire, &l->line);
	gic->enable(line, l->line.level);
	return 0;
}

void plat_irq_report(void)
{
	static bool told_unhandled;

	for (unsigned i = 0; i < nb_lines; i++)
		irq_line_check(&lines[i].line);
	if (nb_unhandled && !told_unhandled) {
		told_unhandled = true;
		log_info("irq", "an interrupt came that nobody had asked for");
	}
}
