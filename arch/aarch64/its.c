/*
 * The interrupt translation service (Arm IHI 0069, chapters 5 and 12.19): a device writes an event
 * number, the ITS knows from the bus who wrote it, and looks up an interrupt (LPI) in tables that
 * it keeps in memory and that only its commands change. Each lcore has a collection of interrupts,
 * with its own number; they begin in that of the first.
 */
#include "arch/aarch64/gic.h"
#include "arch/aarch64/regs.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include <arch/cpu_block.h>
#include <arch/io.h>

#define ITS_BYTES 0x20000u
#define ITS_CTLR 0x0000
#define ITS_TYPER 0x0008
#define ITS_CBASER 0x0080
#define ITS_CWRITER 0x0088
#define ITS_CREADR 0x0090
#define ITS_BASER(n) (0x0100 + 8 * (n))
#define ITS_BASERS 8
#define ITS_TRANSLATER 0x10040

#define CTLR_ENABLED 1u
#define CTLR_QUIESCENT (1u << 31)
#define TYPER_ITT_ENTRY_BYTES(v) (((v) >> 4 & 0xf) + 1)
#define TYPER_DEVICE_BITS(v) ((unsigned)((v) >> 13 & 0x1f) + 1)
#define TYPER_PHYSICAL_TARGETS (1ull << 19)
#define CREADR_STALLED 1u

#define BASE_VALID (1ull << 63)
#define BASE_CACHED (7ull << 59) /* write-back */
#define BASE_SHARED (1ull << 10) /* inner shareable */
#define BASER_INDIRECT (1ull << 62)
#define BASER_TYPE(v) ((v) >> 56 & 7)
#define BASER_TYPE_DEVICES 1
#define BASER_TYPE_COLLECTIONS 4
#define BASER_ENTRY_BYTES(v) (((v) >> 48 & 0x1f) + 1)
#define BASER_PAGE_MASK (3ull << 8) /* 0: 4 KiB */

#define REDIST_CTLR 0x00
#define REDIST_PROPBASER 0x70
#define REDIST_PENDBASER 0x78
#define REDIST_CTLR_LPIS 1u
#define PROP_CACHED (7ull << 7)
#define PENDBASER_ZERO (1ull << 62)
#define LPI_ID_BITS 14            /* the fewest there may be: interrupts 8192 to 16383 */
#define LPI_ENABLED_PRIORITY 0xa3 /* bit 1 is one */

#define QUEUE_BYTES PAGE_SIZE
#define COMMAND_WORDS 4
#define COMMAND_NS 100000000ull

enum {
	CMD_MOVI = 0x01,
	CMD_SYNC = 0x05,
	CMD_MAPD = 0x08,
	CMD_MAPC = 0x09,
	CMD_MAPTI = 0x0a,
	CMD_INV = 0x0c
};

static_assert(CPU_PENDING_BYTES == (1u << LPI_ID_BITS) / 8, "a bit for each");

#define DEVICES_MAX 64
#define EVENT_BITS 8 /* of each device: more than virtio's 129 vectors */
#define ITT_ALIGN 256

struct its_device {
	uint32_t id, nb_events;
};

static struct {
	volatile uint8_t *regs;
	uint64_t phys;
	uint64_t *queue;
	uint64_t queue_at; /* byte of the next command */
	uint64_t itt_entry_bytes;
	unsigned device_bits;
	bool physical_targets;
	unsigned nb_targets;         /* lcores that it can reach */
	uint64_t target[LCORES_MAX]; /* as commands name them */
	uint8_t *config;             /* one byte for each LPI */
	uint64_t *level1;            /* of the devices' table; NULL: it has one level */
	uint64_t level2_devices;
	unsigned nb_devices;
	struct its_device device[DEVICES_MAX];
} its;

static uint64_t its_read(unsigned offset)
{
	return mmio_read64((volatile uint64_t *)(its.regs + offset));
}

static void its_write(unsigned offset, uint64_t v)
{
	mmio_write64((volatile uint64_t *)(its.regs + offset), v);
}

/* ---- commands ----------------------------------------------------------------------------- */

static int command(uint64_t w0, uint64_t w1, uint64_t w2)
{
	const uint64_t deadline = plat_time_ns() + COMMAND_NS;
	uint64_t *c = its.queue + its.queue_at / sizeof(uint64_t);

	c[0] = w0;
	c[1] = w1;
	c[2] = w2;
	c[3] = 0;
	its.queue_at = (its.queue_at + COMMAND_WORDS * sizeof(uint64_t)) % QUEUE_BYTES;
	dsb(); /* the command, and what it speaks of, before the ITS looks */
	its_write(ITS_CWRITER, its.queue_at);
	for (;;) {
		const uint64_t at = its_read(ITS_CREADR);

		if (at == its.queue_at)
			return 0;
		if ((at & CREADR_STALLED) || plat_time_ns() > deadline)
			return -EIO;
	}
}

static uint64_t with_device(unsigned what, uint32_t id)
{
	return what | (uint64_t)id << 32;
}

/* ---- tables ------------------------------------------------------------------------------- */

/* Return: does the ITS share memory with us, as written? */
static bool base_set(unsigned offset, uint64_t v)
{
	its_write(offset, v);
	return its_read(offset) & BASE_SHARED;
}

/* Two levels where the ITS can: a page for each few hundred devices that there are. */
static int devices_table(unsigned offset, uint64_t baser)
{
	const uint64_t keep = baser & ~(BASE_VALID | BASER_INDIRECT | BASER_PAGE_MASK | 0xff);
	const uint64_t entry = BASER_ENTRY_BYTES(baser);
	uint64_t pages;
	uint8_t *table;

	its_write(offset, (keep & (0x1full << 48 | 7ull << 56)) | BASER_INDIRECT);
	its.level2_devices = PAGE_SIZE / entry;
	if (its_read(offset) & BASER_INDIRECT)
		pages = ((1ull << its.device_bits) / its.level2_devices * 8 + PAGE_SIZE - 1) /
		        PAGE_SIZE;
	else
		pages = ((entry << its.device_bits) + PAGE_SIZE - 1) / PAGE_SIZE;
	pages = max_u64(pages, 1);
	if (pages > 256)
		return -ENOSPC;
	table = mem_alloc("its devices", (size_t)pages * PAGE_SIZE, PAGE_SIZE);
	if (!table)
		return -ENOMEM;
	if (its_read(offset) & BASER_INDIRECT)
		its.level1 = (uint64_t *)(void *)table;
	return base_set(offset, BASE_VALID | BASE_CACHED | BASE_SHARED |
	                            (its.level1 ? BASER_INDIRECT : 0) | (uint64_t)(uintptr_t)table |
	                            (pages - 1))
	           ? 0
	           : -EOPNOTSUPP;
}

static int collections_table(unsigned offset)
{
	const void *table = mem_alloc("its collections", PAGE_SIZE, PAGE_SIZE);

	if (!table)
		return -ENOMEM;
	return base_set(offset, BASE_VALID | BASE_CACHED | BASE_SHARED | (uint64_t)(uintptr_t)table)
	           ? 0
	           : -EOPNOTSUPP;
}

static int tables_init(void)
{
	int err = 0;

	for (unsigned n = 0; n < ITS_BASERS && !err; n++) {
		const uint64_t baser = its_read(ITS_BASER(n));

		if (BASER_TYPE(baser) == BASER_TYPE_DEVICES)
			err = devices_table(ITS_BASER(n), baser);
		else if (BASER_TYPE(baser) == BASER_TYPE_COLLECTIONS)
			err = collections_table(ITS_BASER(n));
	}
	return err;
}

/* The redistributor's: which LPIs are enabled, and which are pending. */
static int lpis_on(const struct gicv3_redist *r, const void *pending)
{
	volatile uint32_t *ctlr = (volatile uint32_t *)(r->regs + REDIST_CTLR);

	/* left on, it cannot be switched off for sure, and the tables are another's */
	if (mmio_read32(ctlr) & REDIST_CTLR_LPIS)
		return -EBUSY;
	mmio_write64((volatile uint64_t *)(r->regs + REDIST_PROPBASER),
	             (uint64_t)(uintptr_t)its.config | PROP_CACHED | BASE_SHARED |
	                 (LPI_ID_BITS - 1));
	mmio_write64((volatile uint64_t *)(r->regs + REDIST_PENDBASER),
	             (uint64_t)(uintptr_t)pending | PROP_CACHED | BASE_SHARED | PENDBASER_ZERO);
	dsb();
	mmio_write32(ctlr, mmio_read32(ctlr) | REDIST_CTLR_LPIS);
	dsb();
	return 0;
}

static int lpis_init(void)
{
	const size_t config_bytes = (1u << LPI_ID_BITS) - GIC_LPI_FIRST;
	const void *pending = mem_alloc("lpi pending", CPU_PENDING_BYTES, CPU_BLOCK_ALIGN);

	its.config = mem_alloc("lpi configuration", config_bytes, PAGE_SIZE);
	if (!its.config || !pending)
		return -ENOMEM;
	return lpis_on(gicv3_redist(0), pending);
}

static int queue_init(void)
{
	its.queue = mem_alloc("its commands", QUEUE_BYTES, PAGE_SIZE);
	if (!its.queue)
		return -ENOMEM;
	if (!base_set(ITS_CBASER, BASE_VALID | BASE_CACHED | BASE_SHARED |
	                              (uint64_t)(uintptr_t)its.queue |
	                              (QUEUE_BYTES / PAGE_SIZE - 1)))
		return -EOPNOTSUPP;
	its_write(ITS_CWRITER, 0);
	return 0;
}

static int collection_add(unsigned lcore)
{
	const struct gicv3_redist *r = gicv3_redist(lcore);
	const uint64_t target = its.physical_targets ? r->phys : (uint64_t)r->processor << 16;
	int err = command(CMD_MAPC, 0, BASE_VALID | target | lcore);

	if (!err)
		err = command(CMD_SYNC, 0, target);
	if (err)
		return err;
	its.target[lcore] = target;
	its.nb_targets = lcore + 1;
	return 0;
}

static int set_up(void)
{
	const uint64_t typer = its_read(ITS_TYPER);
	int err;

	its.itt_entry_bytes = TYPER_ITT_ENTRY_BYTES(typer);
	its.device_bits = (unsigned)min_u64(TYPER_DEVICE_BITS(typer), 16); /* requester IDs */
	its.physical_targets = typer & TYPER_PHYSICAL_TARGETS;
	err = tables_init();
	if (!err)
		err = lpis_init();
	if (!err)
		err = queue_init();
	if (err)
		return err;
	mmio_write32((volatile uint32_t *)(its.regs + ITS_CTLR), CTLR_ENABLED);
	return collection_add(0);
}

int its_init(const struct machine_range *regs)
{
	int err = -ENXIO;

	its.phys = regs->base;
	its.regs = regs->bytes >= ITS_BYTES ? plat_mmio_map(regs->base, ITS_BYTES) : NULL;
	if (its.regs) {
		volatile uint32_t *ctlr = (volatile uint32_t *)(its.regs + ITS_CTLR);
		const uint64_t deadline = plat_time_ns() + COMMAND_NS;

		mmio_write32(ctlr, 0);
		while (!(mmio_read32(ctlr) & CTLR_QUIESCENT) && plat_time_ns() < deadline)
			;
		err = set_up();
	}
	if (!err)
		return 0;
	its.regs = NULL;
	log_warn("its",
	         "the ITS at 0x%llx is not used (%s): devices have no messages, their pins "
	         "are used",
	         (unsigned long long)regs->base,
	         err == -ENOMEM       ? "no memory for its tables, give the machine more"
	         : err == -EOPNOTSUPP ? "it does not share the caches"
	         : err == -EBUSY      ? "its interrupts were left on by another"
	         : err == -ENXIO      ? "its registers cannot be reached"
	                              : "it takes no commands");
	return err;
}

/* ---- devices ------------------------------------------------------------------------------ */

static int level2_add(uint32_t id)
{
	uint64_t *entry;
	void *page;

	if (!its.level1)
		return 0;
	entry = &its.level1[id / its.level2_devices];
	if (*entry)
		return 0;
	page = mem_alloc("its devices", PAGE_SIZE, PAGE_SIZE);
	if (!page)
		return -ENOSPC;
	*entry = BASE_VALID | (uint64_t)(uintptr_t)page;
	dsb();
	return 0;
}

static struct its_device *device_add(uint32_t id)
{
	struct its_device *d = &its.device[its.nb_devices];
	const void *itt;

	if (its.nb_devices == DEVICES_MAX || id >> its.device_bits || level2_add(id))
		return NULL;
	itt = mem_alloc("its device", (size_t)its.itt_entry_bytes << EVENT_BITS, ITT_ALIGN);
	if (!itt || command(with_device(CMD_MAPD, id), EVENT_BITS - 1,
	                    BASE_VALID | (uint64_t)(uintptr_t)itt))
		return NULL;
	*d = (struct its_device){.id = id};
	its.nb_devices++;
	return d;
}

static struct its_device *device_of(uint32_t id)
{
	for (unsigned i = 0; i < its.nb_devices; i++)
		if (its.device[i].id == id)
			return &its.device[i];
	return device_add(id);
}

/* One after the other: where one fails, those behind it are not reached either. */
int its_add_lcore(unsigned lcore, const void *pending)
{
	int err;

	if (!its.regs || lcore != its.nb_targets)
		return -EINVAL;
	err = lpis_on(gicv3_redist(lcore), pending);
	return err ? err : collection_add(lcore);
}

int its_map(uint32_t id, uint32_t lpi, struct plat_msi *msg)
{
	struct its_device *d = its.regs ? device_of(id) : NULL;
	uint32_t event;

	if (!d || d->nb_events >> EVENT_BITS)
		return -ENOSPC;
	event = d->nb_events++;
	its.config[lpi - GIC_LPI_FIRST] = LPI_ENABLED_PRIORITY;
	if (command(with_device(CMD_MAPTI, id), event | (uint64_t)lpi << 32, 0) ||
	    command(with_device(CMD_INV, id), event, 0) || command(CMD_SYNC, 0, its.target[0]))
		return -EIO;
	msg->addr = its.phys + ITS_TRANSLATER;
	msg->data = event;
	return 0;
}

int its_move(uint32_t id, const struct plat_msi *msg, unsigned lcore)
{
	if (lcore >= its.nb_targets)
		return -EOPNOTSUPP;
	for (unsigned i = 0; i < its.nb_devices; i++) {
		if (its.device[i].id != id || msg->data >= its.device[i].nb_events)
			continue;
		if (command(with_device(CMD_MOVI, id), msg->data, lcore) ||
		    command(CMD_SYNC, 0, its.target[lcore]))
			return -EIO;
		return 0;
	}
	return -EINVAL;
}
