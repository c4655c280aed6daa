/*
 * The interrupt controller: version 2 (Arm IHI 0048) or 3 (IHI 0069), behind one table of
 * functions, and what turns a device's message into an interrupt: GICv2m frames, or an ITS.
 */
#ifndef ARCH_AARCH64_GIC_H
#define ARCH_AARCH64_GIC_H

#include "arch/aarch64/machine.h"
#include "kernel/lcore.h"
#include "kernel/plat.h"

#define GIC_POKE 0 /* a software-generated interrupt; its bit is the first, too */
#define GIC_SGI_END 16
#define GIC_PPI_TIMER 27 /* the virtual timer's, on every machine with a GIC (Arm BSA) */
#define GIC_SPI_FIRST 32
#define GIC_SPI_END 1020
#define GIC_NONE 1023 /* what ack() gives when nothing waits */
#define GIC_LPI_FIRST 8192

struct gic_ops {
	const char *name;
	uint32_t (*ack)(void); /* the interrupt that waits, in @intid_mask; active from now on */
	void (*eoi)(uint32_t acked);
	void (*enable)(unsigned spi, bool level); /* to the first lcore */
	void (*disable)(unsigned spi);
	void (*route)(unsigned spi, unsigned lcore); /* to another that has started */
	/* from the first, before it starts: can it have interrupts? */
	bool (*cpu_find)(unsigned lcore, uint64_t affinity);
	void (*cpu_setup)(unsigned lcore); /* on the lcore itself */
	void (*poke)(unsigned lcore);      /* raises interrupt GIC_POKE there */
	uint32_t intid_mask;
	unsigned nb_spis_end; /* the first number that does not exist */
};

/** gicv2_init() - everything masked. Return: NULL when its registers cannot be reached */
const struct gic_ops *gicv2_init(const struct gic_info *gic);
const struct gic_ops *gicv3_init(const struct gic_info *gic);

/* ---- parts of the distributor that both versions have -----------------------------------------
 */

struct gic_dist {
	volatile uint32_t *regs;
	unsigned nb_end; /* the first interrupt that does not exist */
};

/** gic_dist_init() - mask all shared interrupts, the same priority for each. Return: false when the
 * registers cannot be reached */
bool gic_dist_init(struct gic_dist *d, const struct gic_info *gic);
void gic_dist_trigger(const struct gic_dist *d, unsigned spi, bool level);
void gic_dist_enable(const struct gic_dist *d, unsigned spi, bool on);

/** gic_wait() - until the bits @mask of a register are 0; false when they stay for 100 ms */
bool gic_wait(const volatile uint32_t *reg, uint32_t mask);

/* ---- the ITS ----------------------------------------------------------------------------------
 */

/** gicv3_redist() - an lcore's redistributor, and its address and number for the ITS */
struct gicv3_redist {
	volatile uint8_t *regs;
	uint64_t phys;
	unsigned processor;
};
const struct gicv3_redist *gicv3_redist(unsigned lcore);

#define ITS_LPIS 512 /* vectors that can be given */

/** its_init() - tables and command queue. Return: 0, or a negative error, logged */
int its_init(const struct machine_range *regs);

/** its_add_lcore() - let messages reach one more; @pending: CPU_PENDING_BYTES of 0 */
int its_add_lcore(unsigned lcore, const void *pending);

/** its_map() - let device @id raise @lpi. Return: 0 with @msg filled, -ENOSPC, -EIO */
int its_map(uint32_t id, uint32_t lpi, struct plat_msi *msg);

/** its_move() - to another lcore. Return: 0, -EINVAL when there is none such, -EIO */
int its_move(uint32_t id, const struct plat_msi *msg, unsigned lcore);

#endif
