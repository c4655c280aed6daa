/* The I/O APICs: interrupt lines of PCI functions and of ISA devices. */
#ifndef ARCH_X86_64_IOAPIC_H
#define ARCH_X86_64_IOAPIC_H

#include "kernel/compiler.h"

/** ioapic_init() - find the I/O APICs and mask all their inputs; the local APIC is on */
void ioapic_init(void);

/** ioapic_inputs() - how many inputs they have together */
unsigned ioapic_inputs(void);

#endif
