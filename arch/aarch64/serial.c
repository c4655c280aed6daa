/* The console's transmitter and receiver: a PL011 (Arm DDI 0183). Nothing here waits. */
#include "arch/aarch64/machine.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"

struct pl011 {
	uint32_t data, status, reserved0[4];
	uint32_t flags, reserved1[4];
	uint32_t line, control, fifo_levels, irq_mask;
};
static_assert(offsetof(struct pl011, flags) == 0x18, "DDI 0183, UARTFR");
static_assert(offsetof(struct pl011, control) == 0x30, "DDI 0183, UARTCR");

#define FLAG_RX_EMPTY (1u << 4)
#define FLAG_TX_FULL (1u << 5)
#define LINE_8N1_FIFO 0x70u
#define CONTROL_ON 0x301u /* receiver, transmitter, the whole */

#define IRQ_RECEIVED (1u << 4 | 1u << 6) /* enough for the FIFO, or nothing more for a while */

static volatile struct pl011 *regs;
static enum { DEAF, SILENT, LISTENS } listens;

/* The divisor stays as the firmware left it: the clock it divides is not known. */
void serial_init(void)
{
	if (!machine.uart.bytes)
		return;
	regs = plat_mmio_map(machine.uart.base, sizeof(*regs));
	if (!regs)
		return;
	mmio_write(&regs->irq_mask, 0u);
	mmio_write(&regs->line, LINE_8N1_FIFO);
	mmio_write(&regs->control, CONTROL_ON);
}

/* What was typed stays until the loop takes it, and so does the line. */
static bool serial_interrupt(void *arg)
{
	(void)arg;
	mmio_write(&regs->irq_mask, 0u);
	listens = SILENT;
	return true;
}

void serial_listen(void)
{
	static bool tried;

	if (!tried) {
		tried = true;
		if (regs && machine.uart_irq &&
		    !plat_irq_intx(machine.uart_irq, serial_interrupt, NULL))
			listens = SILENT;
	}
	if (listens != SILENT)
		return;
	listens = LISTENS;
	mmio_write(&regs->irq_mask, IRQ_RECEIVED);
}

size_t plat_console_write(const char *text, size_t len)
{
	size_t n = 0;

	if (!regs)
		return len;
	while (n < len && !(mmio_read(&regs->flags) & FLAG_TX_FULL))
		mmio_write(&regs->data, (uint32_t)(uint8_t)text[n++]);
	return n;
}

int plat_console_read(void)
{
	if (!regs || (mmio_read(&regs->flags) & FLAG_RX_EMPTY))
		return -1;
	return (int)(mmio_read(&regs->data) & 0xff);
}
