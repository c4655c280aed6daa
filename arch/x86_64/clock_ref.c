/*
 * The reference counters. Each is believed only after it was seen to count: tables name timers
 * that are switched off, and reading a port where nothing is gives all ones for ever.
 */
#include "arch/x86_64/clock_ref.h"

#include "arch/x86_64/clock_math.h"
#include "arch/x86_64/pio.h"
#include "kernel/acpi.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"

#define LOOKS_MAX 1000 /* each takes at least 100 ns, the slowest counter ticks every 838 ns */

#define FS_PER_NS 1000000u
#define HPET_PERIOD_MAX 100000000u /* IA-PC HPET 1.0a, 2.3.4: 100 ns */
#define HPET_PERIOD_MIN 100000u    /* 10 GHz: faster is not credible */
#define HPET_ENABLE 1u

#define PM_TIMER_HZ 3579545u /* ACPI 6.5, 4.8.3.3 */

#define PIT_HZ 1193182u
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND 0x43
#define PIT_GATE 0x61
#define PIT_GATE_ON 0x01
#define PIT_GATE_SPEAKER 0x02
#define PIT_LATCH2 0x80
#define PIT_RATE2 0xb4 /* channel 2, low then high byte, mode 2: reload and go on */

struct hpet_regs {
	uint32_t id, period_fs;
	uint32_t reserved0[2];
	uint32_t config, config_high;
	uint32_t reserved1[54];
	uint32_t counter, counter_high;
};
static_assert(offsetof(struct hpet_regs, config) == 0x10, "IA-PC HPET 1.0a, 2.3.1");
static_assert(offsetof(struct hpet_regs, counter) == 0xf0, "IA-PC HPET 1.0a, 2.3.1");

static volatile struct hpet_regs *hpet;
static uint16_t pm_port;

static bool counts(const struct clock_ref *ref)
{
	const uint32_t first = ref->read();

	for (unsigned i = 0; i < LOOKS_MAX; i++)
		if (ref->read() != first)
			return true;
	return false;
}

/* The lower half is enough, and is the whole counter of a 32-bit HPET. */
static uint32_t hpet_read(void)
{
	return mmio_read(&hpet->counter);
}

static const struct clock_ref *hpet_find(void)
{
	static struct clock_ref ref = {.name = "HPET", .bits = 32, .read = hpet_read};
	const uint64_t phys = acpi_hpet();

	hpet = phys ? plat_mmio_map(phys, sizeof(*hpet)) : NULL;
	if (!hpet)
		return NULL;

	const uint32_t period = mmio_read(&hpet->period_fs);

	if (period < HPET_PERIOD_MIN || period > HPET_PERIOD_MAX) {
		log_warn("clock", "HPET at 0x%llx: a period of %u fs makes no sense: not used",
		         (unsigned long long)phys, period);
		return NULL;
	}
	mmio_write(&hpet->config, mmio_read(&hpet->config) | HPET_ENABLE);
	ref.rate = clock_rate_of(period, FS_PER_NS);
	if (counts(&ref))
		return &ref;
	log_warn("clock", "HPET at 0x%llx does not count: not used", (unsigned long long)phys);
	return NULL;
}

static uint32_t pm_read(void)
{
	return pio_read32(pm_port);
}

static const struct clock_ref *pm_find(void)
{
	static struct clock_ref ref = {.name = "PM timer", .read = pm_read};
	struct acpi_power pw;

	if (acpi_power(&pw) != 0 || pw.pm_timer == 0)
		return NULL;
	pm_port = pw.pm_timer;
	ref.bits = pw.pm_timer_32 ? 32 : 24;
	ref.rate = clock_rate_of(NS_PER_S, PM_TIMER_HZ);
	if (counts(&ref))
		return &ref;
	log_warn("clock", "PM timer at port 0x%x does not count: not used", pm_port);
	return NULL;
}

static uint32_t pit_read(void)
{
	pio_write8(PIT_COMMAND, PIT_LATCH2);

	const uint32_t low = pio_read8(PIT_CHANNEL2);
	const uint32_t high = pio_read8(PIT_CHANNEL2);

	return 0x10000 - (high << 8 | low); /* it counts down */
}

static const struct clock_ref *pit_find(void)
{
	static struct clock_ref ref = {.name = "PIT", .bits = 16, .read = pit_read};

	pio_write8(PIT_GATE, (uint8_t)((pio_read8(PIT_GATE) & ~PIT_GATE_SPEAKER) | PIT_GATE_ON));
	pio_write8(PIT_COMMAND, PIT_RATE2);
	pio_write8(PIT_CHANNEL2, 0); /* 0 stands for 65536 */
	pio_write8(PIT_CHANNEL2, 0);
	ref.rate = clock_rate_of(NS_PER_S, PIT_HZ);
	return counts(&ref) ? &ref : NULL;
}

const struct clock_ref *clock_ref_find(void)
{
	const struct clock_ref *ref = hpet_find();

	if (!ref)
		ref = pm_find();
	return ref ? ref : pit_find();
}
