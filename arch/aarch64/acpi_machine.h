/*
 * What ACPI says of an aarch64 machine (ACPI 6.5; IORT: Arm DEN 0049). Not everything: how
 * interrupt pins are wired and where the I/O window is stands in AML, which is not run, so devices
 * without MSI-X are polled and those with I/O registers alone are not used.
 */
#ifndef ARCH_AARCH64_ACPI_MACHINE_H
#define ARCH_AARCH64_ACPI_MACHINE_H

#include "arch/aarch64/machine.h"

/** acpi_machine() - fill @m, which was cleared; needs acpi_init() */
void acpi_machine(struct machine *m);

#endif
