/*
 * The interrupt controller, version 3: affinity routing, the boot core's redistributor, and the CPU
 * interface in system registers.
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
#define SRE_ENABLE 1u
#define IAR_INTID 0xffffffu

static struct gic_dist dist;
static struct gicv3_redist redist;
static uint64_t boot_affinity; /* as routers have it */

const struct gicv3_redist *gicv3_redist(void)
{
	return &redist;
}

static uint32_t v3_ack(void)
{
	const uint32_t intid = sysreg_read(ICC_IAR1_EL1) & IAR_INTID;

	dsb(); /* acknowledged before the device is looked at */
	return intid;
}

static void v3_eoi(uint32_t intid)
{
	sysreg_write(ICC_EOIR1_EL1, intid);
}

static void v3_enable(unsigned spi, bool level)
{
	volatile uint8_t *router = (volatile uint8_t *)dist.regs + DIST_ROUTER + 8ul * spi;

	gic_dist_trigger(&dist, spi, level);
	mmio_write64((volatile uint64_t *)router, boot_affinity);
	gic_dist_enable(&dist, spi, true);
}

static void v3_disable(unsigned spi)
{
	gic_dist_enable(&dist, spi, false);
}

static void v3_enable_own(unsigned ppi)
{
	mmio_write((volatile uint32_t *)(redist.regs + REDIST_SET_ENABLE), 1u << ppi);
}

/* Affinity 3 is apart from the others in MPIDR_EL1, and next to them in TYPER. */
static uint32_t packed_affinity(uint64_t mpidr)
{
	return (uint32_t)((mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24);
}

/* Return: was it the last of the range, or ours? */
static bool redist_look(uint64_t phys, uint64_t *bytes, uint32_t affinity)
{
	volatile uint8_t *regs = plat_mmio_map(phys, REDIST_BYTES);
	uint64_t typer;

	if (!regs)
		return true;
	typer = mmio_read64((volatile uint64_t *)(regs + REDIST_TYPER));
	*bytes = typer & TYPER_VIRTUAL_LPIS ? REDIST_BYTES_VIRTUAL : REDIST_BYTES;
	if (typer >> 32 == affinity)
		redist = (struct gicv3_redist){
		    .regs = regs, .phys = phys, .processor = TYPER_PROCESSOR(typer)};
	return redist.regs || (typer & TYPER_LAST);
}

static void redist_find(const struct gic_info *gic)
{
	const uint32_t affinity = packed_affinity(sysreg_read("mpidr_el1"));

	for (unsigned i = 0; i < gic->nb_redists && !redist.regs; i++) {
		uint64_t at = 0, bytes = REDIST_BYTES;

		for (unsigned n = 0; n < REDISTS_LOOKED_AT; n++, at += bytes)
			if (at + REDIST_BYTES > gic->redist[i].bytes ||
			    redist_look(gic->redist[i].base + at, &bytes, affinity))
				break;
	}
}

static bool redist_wake(void)
{
	volatile uint32_t *waker = (volatile uint32_t *)(redist.regs + REDIST_WAKER);

	mmio_write(waker, mmio_read(waker) & ~WAKER_SLEEP);
	if (!gic_wait(waker, WAKER_ASLEEP))
		return false;
	mmio_write((volatile uint32_t *)(redist.regs + REDIST_CLEAR_ENABLE), UINT32_MAX);
	mmio_write((volatile uint32_t *)(redist.regs + REDIST_GROUP), UINT32_MAX);
	return true;
}

const struct gic_ops *gicv3_init(const struct gic_info *gic)
{
	static struct gic_ops ops = {.name = "GICv3",
	                             .ack = v3_ack,
	                             .eoi = v3_eoi,
	                             .enable = v3_enable,
	                             .disable = v3_disable,
	                             .enable_own = v3_enable_own};

	if (!gic_dist_init(&dist, gic))
		return NULL;
	redist_find(gic);
	if (!redist.regs || !redist_wake() || !gic_wait(&dist.regs[DIST_CTLR], DIST_CTLR_BUSY))
		return NULL;
	ops.nb_spis_end = dist.nb_end;
	boot_affinity = sysreg_read("mpidr_el1") & 0xff00ffffffull;
	mmio_write(&dist.regs[DIST_CTLR], DIST_CTLR_GROUPS | DIST_CTLR_AFFINITY);

	sysreg_write(ICC_SRE_EL1, SRE_ENABLE);
	sysreg_write(ICC_PMR_EL1, 0xff);
	sysreg_write(ICC_CTLR_EL1, 0);
	sysreg_write(ICC_IGRPEN1_EL1, 1);
	return &ops;
}
