/* The steps of bringing up the machine, in the order in which start.c takes them. */
#ifndef ARCH_X86_64_MACHINE_H
#define ARCH_X86_64_MACHINE_H

#include "kernel/compiler.h"

/** cpu_init() - switch on what this processor has, and remember what vector code may use */
void cpu_init(void);

/** cpu_report() - one log line about the processor; needs cpu_init() */
void cpu_report(void);

/** clock_init() - find and calibrate the clock; needs acpi_init() */
void clock_init(void);

/** apic_init() - local APIC on, interrupt controllers masked; needs trap_init() and acpi_init() */
void apic_init(void);

/** pci_host_init() - find out how configuration space is reached; needs acpi_init() */
void pci_host_init(void);

/** apic_eoi() - tell the local APIC that the interrupt was taken */
void apic_eoi(void);

/** apic_timer_start() - count down once from @count, more than 0, in an unknown rate, and interrupt
 * at the end (TRAP_VECTOR_TIMER). Return: false when there is no timer */
bool apic_timer_start(uint32_t count);
uint32_t apic_timer_left(void);

#endif
