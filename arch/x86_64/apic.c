/*
 * The local APIC (Intel SDM 3A, chapter 11): message-signalled interrupts arrive here. x2APIC mode
 * where the processor has it, because its registers are MSRs, which need no mapping and cost less
 * under virtualisation; else the memory-mapped xAPIC. The pair of 8259 controllers that firmware
 * leaves in charge is moved off the exception vectors and masked.
 */
#include "arch/x86_64/apic.h"
#include "arch/bare/cpus.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/pio.h"
#include "arch/x86_64/regs.h"
#include "arch/x86_64/trap.h"
#include "kernel/acpi.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"

#define CPUID1_EDX_APIC (1u << 9)
#define CPUID1_ECX_X2APIC (1u << 21)

#define MSR_APIC_BASE 0x1bu
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)
#define APIC_BASE_ADDR 0xffffffffff000ull
#define APIC_BYTES 0x400

/* Register offsets in xAPIC; x2APIC has them at MSR 0x800 + offset / 16. */
#define APIC_ID 0x20
#define APIC_VERSION 0x30
#define APIC_TPR 0x80
#define APIC_EOI 0xb0
#define APIC_SPURIOUS 0xf0
#define APIC_ESR 0x280
#define APIC_COMMAND 0x300
#define APIC_COMMAND_TO 0x310 /* x2APIC has both in one */
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_THERMAL 0x330
#define APIC_LVT_PERF 0x340
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_TIMER_INITIAL 0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define MSR_X2APIC 0x800u

#define SPURIOUS_ENABLE (1u << 8)
#define COMMAND_PENDING (1u << 12)
#define COMMAND_LOOKS 100000
#define XAPIC_ID_MAX 254 /* 255 means all */
#define LVT_MASKED (1u << 16)
#define LVT_NMI (4u << 8)
#define TIMER_BY_16 3u

#define MSI_ADDR 0xfee00000u
#define MSI_ADDR_ID_SHIFT 12
#define MSI_APIC_ID_MAX 255 /* what fits the address without interrupt remapping */

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1
#define PIC_VECTOR 0x20 /* to 0x2f, which have no handler: trap_unhandled() counts strays */

static enum { APIC_NONE, APIC_MMIO, APIC_MSR } mode;
static volatile uint32_t *regs;
static uint32_t boot_apic_id;

static uint32_t apic_read(unsigned offset)
{
	if (mode == APIC_MSR)
		return (uint32_t)msr_read(MSR_X2APIC + offset / 16);
	return mmio_read(&regs[offset / 4]);
}

static void apic_write(unsigned offset, uint32_t v)
{
	if (mode == APIC_MSR)
		msr_write(MSR_X2APIC + offset / 16, v);
	else
		mmio_write(&regs[offset / 4], v);
}

void apic_eoi(void)
{
	if (mode != APIC_NONE)
		apic_write(APIC_EOI, 0);
}

uint32_t apic_boot_id(void)
{
	return boot_apic_id;
}

/* The initialisation sequence of four words each (8259A data sheet), then everything masked. */
static void pic_disable(void)
{
	pio_write8(PIC1_COMMAND, 0x11);
	pio_write8(PIC2_COMMAND, 0x11);
	pio_write8(PIC1_DATA, PIC_VECTOR);
	pio_write8(PIC2_DATA, PIC_VECTOR + 8);
	pio_write8(PIC1_DATA, 1u << 2); /* the second hangs on input 2 */
	pio_write8(PIC2_DATA, 2);
	pio_write8(PIC1_DATA, 1);
	pio_write8(PIC2_DATA, 1);
	pio_write8(PIC1_DATA, 0xff);
	pio_write8(PIC2_DATA, 0xff);
}

/* Leaves @mode at APIC_NONE when there is none or it cannot be reached. */
static void apic_enable(void)
{
	const struct cpuid leaf1 = cpuid(1, 0);

	if (!(leaf1.edx & CPUID1_EDX_APIC))
		return;

	uint64_t base = msr_read(MSR_APIC_BASE);

	/* Firmware may have left x2APIC on; then the way back is longer than going on with it. */
	if (leaf1.ecx & CPUID1_ECX_X2APIC) {
		/* from disabled only step by step: SDM 3A, 11.12.5 */
		msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE);
		msr_write(MSR_APIC_BASE, base | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
		mode = APIC_MSR;
		return;
	}
	base |= APIC_BASE_ENABLE;
	msr_write(MSR_APIC_BASE, base);
	regs = plat_mmio_map(base & APIC_BASE_ADDR, APIC_BYTES);
	if (regs)
		mode = APIC_MMIO;
}

static void apic_setup(void)
{
	const unsigned last_lvt = apic_read(APIC_VERSION) >> 16 & 0xff;

	apic_write(APIC_SPURIOUS, SPURIOUS_ENABLE | TRAP_VECTOR_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_TIMER_DIVIDE, TIMER_BY_16);
	apic_write(APIC_LVT_TIMER, TRAP_VECTOR_TIMER);
	apic_write(APIC_LVT_LINT0, LVT_MASKED); /* the 8259s */
	apic_write(APIC_LVT_LINT1, LVT_NMI);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	if (last_lvt >= 4)
		apic_write(APIC_LVT_PERF, LVT_MASKED);
	if (last_lvt >= 5)
		apic_write(APIC_LVT_THERMAL, LVT_MASKED);
	apic_write(APIC_ESR, 0);
}

static uint32_t own_id(void)
{
	const uint32_t id = apic_read(APIC_ID);

	return mode == APIC_MSR ? id : id >> 24;
}

void apic_init(void)
{
	pic_disable();
	apic_enable();
	if (mode == APIC_NONE) {
		log_warn("apic", "no local APIC: devices cannot interrupt, they are polled");
		return;
	}
	rest_init();
	apic_setup();
	boot_apic_id = own_id();
	ioapic_init();
	log_info("apic", "%s, id %u, %u I/O APIC inputs", mode == APIC_MSR ? "x2APIC" : "xAPIC",
	         boot_apic_id, ioapic_inputs());
	irq_enable();
}

bool apic_timer_start(uint32_t count)
{
	if (mode == APIC_NONE)
		return false;
	apic_write(APIC_TIMER_INITIAL, count);
	return true;
}

uint32_t apic_timer_left(void)
{
	return mode == APIC_NONE ? 0 : apic_read(APIC_TIMER_CURRENT);
}

int plat_irq_msi(uint16_t requester, plat_irq_fn fn, void *arg, struct plat_msi *msg)
{
	unsigned vector;

	(void)requester;
	if (mode == APIC_NONE || boot_apic_id > MSI_APIC_ID_MAX)
		return -EOPNOTSUPP;
	vector = trap_alloc_vector(fn, arg);
	if (!vector)
		return -ENOSPC;

	/* SDM 3A, 11.11: physical destination, fixed delivery, edge */
	msg->addr = MSI_ADDR | boot_apic_id << MSI_ADDR_ID_SHIFT;
	msg->data = vector;
	return 0;
}

int plat_irq_move(uint16_t requester, unsigned lcore, struct plat_msi *msg)
{
	uint64_t id;

	(void)requester;
	if (!cpu_id_of(lcore, &id))
		return -EINVAL;
	if (id > MSI_APIC_ID_MAX)
		return -EOPNOTSUPP;
	msg->addr = MSI_ADDR | id << MSI_ADDR_ID_SHIFT;
	return 0;
}

/* ---- other processors --------------------------------------------------------------------- */

void apic_init_other(void)
{
	const uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

	msr_write(MSR_APIC_BASE, base);
	if (mode == APIC_MSR)
		msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
	apic_setup();
}

bool apic_reaches(uint32_t id)
{
	return mode == APIC_MSR || (mode == APIC_MMIO && id <= XAPIC_ID_MAX);
}

void apic_send(uint32_t id, uint32_t command)
{
	/* what it is to find in memory first: writing the MSR waits for no store */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (mode == APIC_MSR) {
		msr_write(MSR_X2APIC + APIC_COMMAND / 16, (uint64_t)id << 32 | command);
		return;
	}
	apic_write(APIC_COMMAND_TO, id << 24);
	apic_write(APIC_COMMAND, command);
	for (unsigned i = 0; i < COMMAND_LOOKS; i++)
		if (!(apic_read(APIC_COMMAND) & COMMAND_PENDING))
			break;
}
