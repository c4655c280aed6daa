/* The serial console: COM1, 115200 8N1. */
#ifndef ARCH_X86_64_SERIAL_H
#define ARCH_X86_64_SERIAL_H

/** serial_init() - set up the port; where there is none, output is discarded and nothing comes in
 */
void serial_init(void);

#define SERIAL_IRQ 4

/** serial_listen() - raise SERIAL_IRQ when something was typed */
void serial_listen(void);

#endif
