/*
 * The console's transmitter and receiver: a 16550A at COM1. Nothing here waits. An empty
 * transmitter has room for a whole FIFO, so one look at the line status pays for 16 bytes; they
 * go out with one string instruction, which costs one exit to the hypervisor.
 */
#include "arch/x86_64/serial.h"
#include "arch/x86_64/pio.h"
#include "kernel/plat.h"

#define COM1 0x3f8
#define REG_DATA (COM1 + 0) /* divisor, low, while LCR_DLAB is set */
#define REG_IER (COM1 + 1)  /* divisor, high */
#define REG_FCR (COM1 + 2)
#define REG_LCR (COM1 + 3)
#define REG_MCR (COM1 + 4)
#define REG_LSR (COM1 + 5)
#define REG_SCRATCH (COM1 + 7)

#define LCR_8N1 0x03
#define LCR_DLAB 0x80
#define FCR_ON_CLEARED 0x07 /* FIFOs on, both emptied */
#define IER_RECEIVED 0x01
#define MCR_DTR_RTS 0x03
#define MCR_INTERRUPTS 0x08 /* OUT2: lets the interrupt out of the chip */
#define LSR_DATA 0x01
#define LSR_THR_EMPTY 0x20
#define LSR_FLOATING 0xff /* nobody answers on the bus */

#define DIVISOR_115200 1
#define FIFO_BYTES 16
#define SCRATCH_PATTERN 0x5a

static bool present;

void serial_init(void)
{
	pio_write8(REG_SCRATCH, SCRATCH_PATTERN);
	present = pio_read8(REG_SCRATCH) == SCRATCH_PATTERN && pio_read8(REG_LSR) != LSR_FLOATING;
	if (!present)
		return;
	pio_write8(REG_IER, 0);
	pio_write8(REG_LCR, LCR_DLAB);
	pio_write8(REG_DATA, DIVISOR_115200);
	pio_write8(REG_IER, 0);
	pio_write8(REG_LCR, LCR_8N1);
	pio_write8(REG_FCR, FCR_ON_CLEARED);
	pio_write8(REG_MCR, MCR_DTR_RTS);
}

void serial_listen(void)
{
	if (!present)
		return;
	pio_write8(REG_MCR, MCR_DTR_RTS | MCR_INTERRUPTS);
	pio_write8(REG_IER, IER_RECEIVED);
}

size_t plat_console_write(const char *text, size_t len)
{
	if (!present)
		return len;
	if (!(pio_read8(REG_LSR) & LSR_THR_EMPTY))
		return 0;

	const size_t n = (size_t)min_u64(len, FIFO_BYTES);

	pio_write8_rep(REG_DATA, text, n);
	return n;
}

int plat_console_read(void)
{
	if (!present || !(pio_read8(REG_LSR) & LSR_DATA))
		return -1;
	return pio_read8(REG_DATA);
}
