/*
 * The I/O APICs (Intel 82093AA data sheet) turn interrupt lines into messages to the local APIC.
 *
 * How a PCI pin reaches an input is told by AML, which is not run here. Instead the firmware's
 * interrupt line register is taken as an ISA interrupt: firmware routes the pins there for the
 * 8259s, the same ISA lines enter the I/O APIC, and the MADT's overrides say where and with which
 * polarity and trigger. A line without an override is level-triggered and active low, as PCI is.
 *
 * Handlers of one line share it. The local APIC's EOI, sent after all of them ran, reaches the
 * I/O APIC by itself and lets a line that is still active fire again. For ever, when the device
 * that holds it active is one that nobody drives: such a line is masked, and its handlers are
 * called now and then without an interrupt.
 */
#include "arch/x86_64/ioapic.h"
#include "arch/bare/irq_line.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/trap.h"
#include "kernel/acpi.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"
#include <arch/irqflags.h>

#define IOAPIC_DEFAULT_ADDR 0xfec00000u /* where it is on every PC without a MADT */

#define IOAPIC_BYTES 0x20
#define REG_VERSION 0x01
#define REG_INPUT(pin) (0x10 + 2 * (pin)) /* low word; the high word is behind it */

#define INPUT_ACTIVE_LOW (1u << 13)
#define INPUT_LEVEL (1u << 15)
#define INPUT_MASKED (1u << 16)
#define INPUT_DEST_SHIFT 24

#define ISA_IRQS 16

/* MPS INTI flags: ACPI 6.5, table 5.26; 0 in a field: as the bus has it */
#define INTI_POLARITY 0x3u
#define INTI_POLARITY_LOW 0x3u
#define INTI_TRIGGER 0xcu
#define INTI_TRIGGER_LEVEL 0xcu

#define LINES_MAX 16

struct ioapic_regs {
	uint32_t select, reserved0[3];
	uint32_t window, reserved1[3];
};
static_assert(sizeof(struct ioapic_regs) == IOAPIC_BYTES, "82093AA, 3.1");

struct ioapic {
	volatile struct ioapic_regs *regs;
	uint32_t gsi_base;
	unsigned nb_inputs;
};

/* An input that somebody listens on. */
struct input {
	const struct ioapic *io;
	uint32_t gsi, low; /* low: the register's low word */
	struct irq_line line;
};

static struct ioapic ioapics[ACPI_IOAPICS_MAX];
static unsigned nb_ioapics;
static struct acpi_madt madt;
static struct input inputs[LINES_MAX];
static unsigned nb_inputs;

static uint32_t reg_read(const struct ioapic *io, uint32_t reg)
{
	mmio_write(&io->regs->select, reg);
	return mmio_read(&io->regs->window);
}

static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t v)
{
	mmio_write(&io->regs->select, reg);
	mmio_write(&io->regs->window, v);
}

static void ioapic_add(uint32_t addr, uint32_t gsi_base)
{
	struct ioapic *io = &ioapics[nb_ioapics];

	io->regs = addr ? plat_mmio_map(addr, IOAPIC_BYTES) : NULL;
	if (!io->regs) {
		log_warn("ioapic", "registers at 0x%x cannot be mapped: ignored", addr);
		return;
	}

	const uint32_t version = reg_read(io, REG_VERSION);

	if (version == 0 || version == UINT32_MAX) {
		log_warn("ioapic", "nothing answers at 0x%x: ignored", addr);
		return;
	}
	io->gsi_base = gsi_base;
	io->nb_inputs = (version >> 16 & 0xff) + 1;
	for (unsigned pin = 0; pin < io->nb_inputs; pin++)
		reg_write(io, REG_INPUT(pin), INPUT_MASKED);
	nb_ioapics++;
}

void ioapic_init(void)
{
	if (acpi_madt(&madt) != 0)
		ioapic_add(IOAPIC_DEFAULT_ADDR, 0);
	for (unsigned i = 0; i < madt.nb_ioapics; i++)
		ioapic_add(madt.ioapic[i].addr, madt.ioapic[i].gsi_base);
}

unsigned ioapic_inputs(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nb_ioapics; i++)
		n += ioapics[i].nb_inputs;
	return n;
}

static const struct ioapic *ioapic_of(uint32_t gsi)
{
	for (unsigned i = 0; i < nb_ioapics; i++) {
		const struct ioapic *io = &ioapics[i];

		if (gsi >= io->gsi_base && gsi - io->gsi_base < io->nb_inputs)
			return io;
	}
	return NULL;
}

/* Return: the input of an interrupt line, with its electrical properties in @bits, which hold those
 * that its bus has. */
static uint32_t gsi_of(unsigned irq, uint32_t *bits)
{
	const uint32_t usual = *bits;
	uint32_t gsi = irq;
	uint16_t flags = 0;

	for (unsigned i = 0; irq < ISA_IRQS && i < madt.nb_overrides; i++) {
		if (madt.override[i].irq != irq)
			continue;
		gsi = madt.override[i].gsi;
		flags = madt.override[i].flags;
		break;
	}

	const unsigned polarity = flags & INTI_POLARITY;
	const unsigned trigger = flags & INTI_TRIGGER;

	*bits = (polarity ? 0 : usual & INPUT_ACTIVE_LOW) | (trigger ? 0 : usual & INPUT_LEVEL);
	if (polarity == INTI_POLARITY_LOW)
		*bits |= INPUT_ACTIVE_LOW;
	if (trigger == INTI_TRIGGER_LEVEL)
		*bits |= INPUT_LEVEL;
	return gsi;
}

/* May have come between a selection and its access: leaves the selection as it was. */
static void input_mask(struct irq_line *l)
{
	const struct input *in = container_of(l, struct input, line);
	const uint32_t selected = mmio_read(&in->io->regs->select);

	reg_write(in->io, REG_INPUT(in->gsi - in->io->gsi_base), in->low | INPUT_MASKED);
	mmio_write(&in->io->regs->select, selected);
}

static int input_add_handler(struct input *in, plat_intx_fn fn, void *arg)
{
	if (in->line.masked)
		return -ENXIO;

	const uint64_t flags = irq_save(); /* the line may fire already */
	const int err = irq_line_add(&in->line, fn, arg);

	irq_restore(flags);
	return err;
}

/* Opens an input nobody listened on so far. */
static int input_open(struct input want, plat_intx_fn fn, void *arg)
{
	struct input *in = &inputs[nb_inputs];
	const uint32_t reg = REG_INPUT(want.gsi - want.io->gsi_base);

	if (nb_inputs == LINES_MAX)
		return -ENOSPC;

	const unsigned vector = trap_alloc_vector(irq_line_fire, &in->line);

	if (!vector)
		return -ENOSPC;
	*in = want;
	in->low |= vector;
	irq_line_add(&in->line, fn, arg);
	nb_inputs++;
	reg_write(in->io, reg + 1, apic_boot_id() << INPUT_DEST_SHIFT);
	reg_write(in->io, reg, in->low); /* last: unmasks it */
	return 0;
}

/* @bits: as gsi_of() wants them */
static int line_listen(unsigned line, uint32_t bits, plat_intx_fn fn, void *arg)
{
	const uint32_t gsi = gsi_of(line, &bits);
	const struct ioapic *io = ioapic_of(gsi);

	if (!io)
		return -ENXIO;
	for (unsigned i = 0; i < nb_inputs; i++)
		if (inputs[i].gsi == gsi)
			return input_add_handler(&inputs[i], fn, arg);
	return input_open(
	    (struct input){.io = io,
	                   .gsi = gsi,
	                   .low = bits,
	                   .line = {.irq = line, .level = bits & INPUT_LEVEL, .mask = input_mask}},
	    fn, arg);
}

int plat_irq_intx(unsigned line, plat_intx_fn fn, void *arg)
{
	/* 255: firmware says not connected; 0: never written, input 0 is no PCI line */
	if (line == 0 || line >= 255)
		return -ENXIO;
	return line_listen(line, INPUT_ACTIVE_LOW | INPUT_LEVEL, fn, arg);
}

int ioapic_isa_line(unsigned irq, plat_intx_fn fn)
{
	return line_listen(irq, 0, fn, NULL);
}

void plat_irq_report(void)
{
	static bool told_unhandled;

	for (unsigned i = 0; i < nb_inputs; i++)
		irq_line_check(&inputs[i].line);
	if (trap_unhandled() && !told_unhandled) {
		told_unhandled = true;
		log_info("ioapic", "an interrupt came that nobody had asked for");
	}
}
