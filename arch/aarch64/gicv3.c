/*
 * The interrupt controller, version 3: affinity routing, a redistributor for each processor, and
 * the CPU interface in system registers.
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/regs.h"
#include "kernel/mmio.h"
#include <arch/io.h>

#define DIST_CTLR (0x000 / 4)
#define DIST_ROUTER 0x6000  /* bytes; 8 for each interrupt */
#define DIST_CTLR_GROUPS 3u /* both: with one security state, or as the non-secure one sees it */
#define DIST_CTLR_AFFINITY (1u << 4)
#define DIST_CTLR_BUSY (1u << 31)

#define REDIST_TYPER 0x08
#define REDIST_WAKER 0x14
#define REDIST_SGI 0x10000 /* the second page: private interrupts */
#define REDIST_GROUP (REDIST_SGI + 0x080)
#define REDIST_SET_ENABLE (REDIST_SGI + 0x100)
#define REDIST_CLEAR_ENABLE (REDIST_SGI + 0x180)
#define REDIST_BYTES 0x20000u
#define REDIST_BYTES_VIRTUAL 0x40000u
#define REDISTS_LOOKED_AT 512

#define TYPER_VIRTUAL_LPIS (1ull << 1)
#define TYPER_LAST (1ull << 4)
#define TYPER_PROCESSOR(v) ((unsigned)((v) >> 8 & 0xffff))
#define WAKER_SLEEP (1u << 1)
#define WAKER_ASLEEP (1u << 2)

/* their names are younger than the assembler need be */
#define ICC_PMR_EL1 "s3_0_c4_c6_0"
#define ICC_IAR1_EL1 "s3_0_c12_c12_0"
#define ICC_EOIR1_EL1 "s3_0_c12_c12_1"
#define ICC_CTLR_EL1 "s3_0_c12_c12_4"
#define ICC_SRE_EL1 "s3_0_c12_c12_5"
#define ICC_IGRPEN1_EL1 "s3_0_c12_c12_7"
#define ICC_SGI1R_EL1 "s3_0_c12_c11_5"
#define SRE_ENABLE 1u
#define IAR_INTID 0xffffffu

static struct gic_dist dist;
static const struct gic_info *info;
static struct gicv3_redist redists[LCORES_MAX];
static uint64_t affinities[LCORES_MAX]; /* as routers have them */

const struct gicv3_redist *gicv3_redist(unsigned lcore)
{
	return &redists[lcore];
}

static uint32_t v3_ack(void)
{
	const uint32_t acked = (uint32_t)sysreg_read(ICC_IAR1_EL1);

	dsb(); /* acknowledged before the device is looked at */
	return acked;
}

static void v3_eoi(uint32_t acked)
{
	sysreg_write(ICC_EOIR1_EL1, acked);
}

static void v3_route(unsigned spi, unsigned lcore)
{
	volatile uint8_t *router = (volatile uint8_t *)dist.regs + DIST_ROUTER + 8ul * spi;

	mmio_write64((volatile uint64_t *)router, affinities[lcore]);
}

static void v3_enable(unsigned spi, bool level)
{
	gic_dist_trigger(&dist, spi, level);
	v3_route(spi, 0);
	gic_dist_enable(&dist, spi, true);
}

static void v3_disable(unsigned spi)
{
	gic_dist_enable(&dist, spi, false);
}

/* IHI 0069, 12.2.21: affinities 3 to 1, and which of sixteen with the same. */
static void v3_poke(unsigned lcore)
{
	const uint64_t at = affinities[lcore], nth = at & 0xff;

	sysreg_write(ICC_SGI1R_EL1, (at >> 32 & 0xff) << 48 | (at >> 16 & 0xff) << 32 |
	                                (at >> 8 & 0xff) << 16 | nth / 16 << 44 |
	                                (uint64_t)GIC_POKE << 24 | 1ull << nth % 16);
}

/* Affinity 3 is apart from the others in MPIDR_EL1, and next to them in TYPER. */
static uint32_t packed_affinity(uint64_t mpidr)
{
	return (uint32_t)((mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24);
}

/* Return: was it the last of the range, or the one that is looked for? */
static bool redist_look(uint64_t phys, uint64_t *bytes, uint32_t affinity, struct gicv3_redist *r)
{
	volatile uint8_t *regs = plat_mmio_map(phys, REDIST_BYTES);
	uint64_t typer;

	if (!regs)
		return true;
	typer = mmio_read64((volatile uint64_t *)(regs + REDIST_TYPER));
	*bytes = typer & TYPER_VIRTUAL_LPIS ? REDIST_BYTES_VIRTUAL : REDIST_BYTES;
	if (typer >> 32 == affinity)
		*r = (struct gicv3_redist){
		    .regs = regs, .phys = phys, .processor = TYPER_PROCESSOR(typer)};
	return r->regs || (typer & TYPER_LAST);
}

static bool v3_cpu_find(unsigned lcore, uint64_t affinity)
{
	struct gicv3_redist *r = &redists[lcore];

	affinities[lcore] = affinity;
	*r = (struct gicv3_redist){.regs = NULL};
	for (unsigned i = 0; i < info->nb_redists && !r->regs; i++) {
		const struct machine_range *range = &info->redist[i];
		uint64_t at = 0, bytes = REDIST_BYTES;

		for (unsigned n = 0; n < REDISTS_LOOKED_AT; n++, at += bytes)
			if (at + REDIST_BYTES > range->bytes ||
			    redist_look(range->base + at, &bytes, packed_affinity(affinity), r))
				break;
	}
	return r->regs;
}

static bool redist_wake(const struct gicv3_redist *r)
{
	volatile uint32_t *waker = (volatile uint32_t *)(r->regs + REDIST_WAKER);

	mmio_write(waker, mmio_read(waker) & ~WAKER_SLEEP);
	if (!gic_wait(waker, WAKER_ASLEEP))
		return false;
	mmio_write((volatile uint32_t *)(r->regs + REDIST_CLEAR_ENABLE), UINT32_MAX);
	mmio_write((volatile uint32_t *)(r->regs + REDIST_GROUP), UINT32_MAX);
	mmio_write((volatile uint32_t *)(r->regs + REDIST_SET_ENABLE),
	           1u << GIC_POKE | 1u << GIC_PPI_TIMER);
	return true;
}

static void interface_init(void)
{
	sysreg_write(ICC_SRE_EL1, SRE_ENABLE);
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_CTLR_EL1, 0);
	sysreg_write(ICC_IGRPEN1_EL1, 1);
}

/* One whose redistributor does not wake gets no interrupts, and polls. */
static void v3_cpu_setup(unsigned lcore)
{
	if (redist_wake(&redists[lcore]))
		interface_init();
}

const struct gic_ops *gicv3_init(const struct gic_info *gic)
{
	static struct gic_ops ops = {.name = "GICv3",
	                             .intid_mask = IAR_INTID,
	                             .ack = v3_ack,
	                             .eoi = v3_eoi,
	                             .enable = v3_enable,
	                             .disable = v3_disable,
	                             .route = v3_route,
	                             .cpu_find = v3_cpu_find,
	                             .cpu_setup = v3_cpu_setup,
	                             .poke = v3_poke};

	if (!gic_dist_init(&dist, gic))
		return NULL;
	info = gic;
	if (!v3_cpu_find(0, mpidr_affinity(sysreg_read("mpidr_el1"))) ||
	    !redist_wake(&redists[0]) || !gic_wait(&dist.regs[DIST_CTLR], DIST_CTLR_BUSY))
		return NULL;
	ops.nb_spis_end = dist.nb_end;
	mmio_write(&dist.regs[DIST_CTLR], DIST_CTLR_GROUPS | DIST_CTLR_AFFINITY);
	interface_init();
	return &ops;
}
