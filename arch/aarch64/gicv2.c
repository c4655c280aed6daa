/* The interrupt controller, version 2: the distributor's common part, and the CPU interface. */
#include "arch/aarch64/gic.h"
#include "kernel/mmio.h"

/* words of the distributor */
#define DIST_CTLR (0x000 / 4)
#define DIST_TYPER (0x004 / 4)
#define DIST_GROUP (0x080 / 4)
#define DIST_SET_ENABLE (0x100 / 4)
#define DIST_CLEAR_ENABLE (0x180 / 4)
#define DIST_CLEAR_PENDING (0x280 / 4)
#define DIST_PRIORITY (0x400 / 4)
#define DIST_TARGETS (0x800 / 4)
#define DIST_CONFIG (0xc00 / 4)
#define DIST_SGI (0xf00 / 4)
#define DIST_BYTES 0x1000

#define TYPER_LINES 0x1f
#define PRIORITY_ALL 0xa0a0a0a0u
#define CONFIG_EDGE 2u
#define WAIT_NS 100000000ull

/* words of the CPU interface */
#define CPU_CTLR (0x00 / 4)
#define CPU_PRIORITY_MASK (0x04 / 4)
#define CPU_ACK (0x0c / 4)
#define CPU_EOI (0x10 / 4)
#define CPU_BYTES 0x100

#define SGI_TO_SHIFT 16
#define CTLR_ENABLE 1u
#define ACK_INTID 0x3ffu

/* ---- the distributor ---------------------------------------------------------------------- */

bool gic_wait(const volatile uint32_t *reg, uint32_t mask)
{
	const uint64_t deadline = plat_time_ns() + WAIT_NS;

	while (mmio_read(reg) & mask)
		if (plat_time_ns() > deadline)
			return false;
	return true;
}

bool gic_dist_init(struct gic_dist *d, const struct gic_info *gic)
{
	const uint64_t bytes = gic->version == 2 ? DIST_BYTES : 0x10000;

	if (gic->dist.bytes < bytes)
		return false;
	d->regs = plat_mmio_map(gic->dist.base, (size_t)bytes);
	if (!d->regs)
		return false;
	mmio_write(&d->regs[DIST_CTLR], 0u);
	d->nb_end = (unsigned)min_u64(32 * ((mmio_read(&d->regs[DIST_TYPER]) & TYPER_LINES) + 1),
	                              GIC_SPI_END);
	for (unsigned i = GIC_SPI_FIRST; i < d->nb_end; i += 32) {
		mmio_write(&d->regs[DIST_CLEAR_ENABLE + i / 32], UINT32_MAX);
		mmio_write(&d->regs[DIST_CLEAR_PENDING + i / 32], UINT32_MAX);
		mmio_write(&d->regs[DIST_GROUP + i / 32], gic->version == 2 ? 0 : UINT32_MAX);
	}
	for (unsigned i = GIC_SPI_FIRST; i < d->nb_end; i += 4)
		mmio_write(&d->regs[DIST_PRIORITY + i / 4], PRIORITY_ALL);
	return true;
}

void gic_dist_trigger(const struct gic_dist *d, unsigned spi, bool level)
{
	volatile uint32_t *reg = &d->regs[DIST_CONFIG + spi / 16];
	const unsigned shift = 2 * (spi % 16);

	mmio_write(reg, (mmio_read(reg) & ~(CONFIG_EDGE << shift)) | (level ? 0 : CONFIG_EDGE)
	                                                                 << shift);
}

void gic_dist_enable(const struct gic_dist *d, unsigned spi, bool on)
{
	mmio_write(&d->regs[(on ? DIST_SET_ENABLE : DIST_CLEAR_ENABLE) + spi / 32], 1u << spi % 32);
}

/* ---- version 2 ---------------------------------------------------------------------------- */

static struct gic_dist dist;
static volatile uint32_t *cpu;
static uint8_t target[LCORES_MAX]; /* the bit of each */

static uint32_t v2_ack(void)
{
	return mmio_read(&cpu[CPU_ACK]); /* of a poke also who sent it, which eoi has to tell */
}

static void v2_eoi(uint32_t acked)
{
	mmio_write(&cpu[CPU_EOI], acked);
}

static void v2_route(unsigned spi, unsigned lcore)
{
	volatile uint32_t *reg = &dist.regs[DIST_TARGETS + spi / 4];
	const unsigned shift = 8 * (spi % 4);

	mmio_write(reg, (mmio_read(reg) & ~(0xffu << shift)) | (uint32_t)target[lcore] << shift);
}

static void v2_enable(unsigned spi, bool level)
{
	gic_dist_trigger(&dist, spi, level);
	v2_route(spi, 0);
	gic_dist_enable(&dist, spi, true);
}

static void v2_disable(unsigned spi)
{
	gic_dist_enable(&dist, spi, false);
}

static bool v2_cpu_find(unsigned lcore, uint64_t affinity)
{
	(void)affinity;
	return lcore < 8; /* more it does not have */
}

/* The first words are each processor's own. */
static void v2_cpu_setup(unsigned lcore)
{
	const uint8_t own = mmio_read(&dist.regs[DIST_TARGETS]) & 0xff;

	target[lcore] = own ? own : 1; /* with one processor it is 0 */
	mmio_write(&dist.regs[DIST_CLEAR_ENABLE], UINT32_MAX);
	gic_dist_enable(&dist, GIC_POKE, true);
	gic_dist_enable(&dist, GIC_PPI_TIMER, true);
	mmio_write(&cpu[CPU_PRIORITY_MASK], 0xffu);
	mmio_write(&cpu[CPU_CTLR], CTLR_ENABLE);
}

static void v2_poke(unsigned lcore)
{
	mmio_write(&dist.regs[DIST_SGI], (uint32_t)target[lcore] << SGI_TO_SHIFT | GIC_POKE);
}

const struct gic_ops *gicv2_init(const struct gic_info *gic)
{
	static struct gic_ops ops = {.name = "GICv2",
	                             .intid_mask = ACK_INTID,
	                             .ack = v2_ack,
	                             .eoi = v2_eoi,
	                             .enable = v2_enable,
	                             .disable = v2_disable,
	                             .route = v2_route,
	                             .cpu_find = v2_cpu_find,
	                             .cpu_setup = v2_cpu_setup,
	                             .poke = v2_poke};

	if (gic->cpu.bytes < CPU_BYTES || !gic_dist_init(&dist, gic))
		return NULL;
	cpu = plat_mmio_map(gic->cpu.base, CPU_BYTES);
	if (!cpu)
		return NULL;
	ops.nb_spis_end = dist.nb_end;
	mmio_write(&dist.regs[DIST_CTLR], CTLR_ENABLE);
	v2_cpu_setup(0);
	return &ops;
}
