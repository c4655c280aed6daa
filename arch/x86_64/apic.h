/* The local APICs: this processor's, and messages to others. */
#ifndef ARCH_X86_64_APIC_H
#define ARCH_X86_64_APIC_H

#include "kernel/compiler.h"

/* Of the interrupt command register (Intel SDM 3A, 11.6.1). */
#define APIC_FIXED (0u << 8 | 1u << 14) /* and a vector */
#define APIC_INIT (5u << 8 | 1u << 14)
#define APIC_START_UP (6u << 8 | 1u << 14)
#define APIC_NMI (4u << 8 | 1u << 14)

/** apic_boot_id() - the ID of the processor that booted, where interrupts go at first */
uint32_t apic_boot_id(void);

/** apic_init_other() - as on the first processor, on another */
void apic_init_other(void);

/** apic_reaches() - can a message be sent to this ID? */
bool apic_reaches(uint32_t id);

/** apic_send() - a message to another processor; waits until it is on its way, not long */
void apic_send(uint32_t id, uint32_t command);

/** apic_timer_start() - count down once from @count, more than 0, in an unknown rate, and interrupt
 * at the end (TRAP_VECTOR_TIMER). Return: false when there is no timer */
bool apic_timer_start(uint32_t count);
uint32_t apic_timer_left(void);

#endif
