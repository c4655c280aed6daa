/* The steps of bringing up the machine, in the order in which start.c takes them. */
#ifndef ARCH_X86_64_MACHINE_H
#define ARCH_X86_64_MACHINE_H

/** cpu_init() - switch on what this processor has, and remember what vector code may use */
void cpu_init(void);

/** cpu_init_other() - the same on another processor, with the control registers of the first */
void cpu_init_other(void);

/** cpu_report() - one log line about the processor; needs cpu_init() */
void cpu_report(void);

/** clock_init() - find and calibrate the clock; needs acpi_init() */
void clock_init(void);

#define AP_PAGES_END 0xa0000 /* processors start in real mode */

/** ap_page_take() - set aside a page where other processors begin; before boot_memory_init() */
struct boot_info;
void ap_page_take(struct boot_info *bi);

/** apic_init() - local APIC on, interrupt controllers masked; needs trap_init() and acpi_init() */
void apic_init(void);

/** pci_host_init() - find out how configuration space is reached; needs acpi_init() */
void pci_host_init(void);

/** apic_eoi() - tell the local APIC that the interrupt was taken */
void apic_eoi(void);

/** rest_init() - handlers of what only ends a rest; needs trap_init() */
void rest_init(void);

#endif
