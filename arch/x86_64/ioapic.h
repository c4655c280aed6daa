/* The I/O APICs: interrupt lines of PCI functions and of ISA devices. */
#ifndef ARCH_X86_64_IOAPIC_H
#define ARCH_X86_64_IOAPIC_H

#include "kernel/plat.h"

/** ioapic_init() - find the I/O APICs and mask all their inputs; the local APIC is on */
void ioapic_init(void);

/** ioapic_inputs() - how many inputs they have together */
unsigned ioapic_inputs(void);

/** ioapic_isa_line() - listen on the line of an ISA device, which nobody shares. Return: 0 or -Exxx
 */
int ioapic_isa_line(unsigned irq, plat_intx_fn fn);

#endif
