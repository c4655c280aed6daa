/*
 * PCI configuration space on a PC: memory-mapped (ECAM, PCI Express 3.0, 7.2.2) where the MCFG
 * table names it, else the ports of configuration mechanism #1 (PCI 3.0, 3.2.2.3.2), which reach
 * the first 256 bytes of a function only.
 *
 * Where BARs that firmware left unassigned may go:
 *
 *   mem32  0xe0000000 to 0xfec00000 without the ECAM area: no PC has RAM there, chipset devices
 *          begin above it
 *   mem64  the second quarter of the physical address space, when RAM ends below; firmware puts
 *          its own window right above RAM or at the very top
 *   io     0x1000 to 0xffff: below are ISA devices and the mechanism's own ports
 *
 * Only set-up code of the boot core comes here.
 */
#include "arch/bare/pci_ecam.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/pio.h"
#include "arch/x86_64/regs.h"
#include "kernel/acpi.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pci.h"
#include "kernel/pci_regs.h"
#include "kernel/plat.h"
#include <arch/irqflags.h>

#define MECH1_FUNCTION_BYTES 256

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA 0xcfc
#define CONFIG_ENABLE (1u << 31)

#define GIB (1ull << 30)
#define MEM32_BASE 0xe0000000ull
#define MEM32_END 0xfec00000ull
#define IO_BASE 0x1000
#define IO_END 0x10000

#define CPUID_SIZES 0x80000008u
#define PHYS_BITS_DEFAULT 36
#define PHYS_BITS_MAX 46 /* the identity map ends at 2^47 */

static struct pci_host host;
static bool present;
static struct acpi_mcfg mcfg;

/* ---- mechanism #1 ------------------------------------------------------------------------- */

static uint16_t mech1_select(uint16_t bdf, unsigned offset)
{
	pio_write32(CONFIG_ADDRESS, CONFIG_ENABLE | (uint32_t)bdf << 8 | (offset & 0xfcu));
	return (uint16_t)(CONFIG_DATA + (offset & 3));
}

/* Address and data are two accesses: an interrupt handler in between must not move the first. */
static uint32_t mech1_read(uint16_t bdf, unsigned offset, unsigned width)
{
	if (!pci_access_valid(offset, width, MECH1_FUNCTION_BYTES))
		return pci_all_ones(width);

	const uint64_t flags = irq_save();
	const uint32_t v = plat_io_read(mech1_select(bdf, offset), width);

	irq_restore(flags);
	return v;
}

static void mech1_write(uint16_t bdf, unsigned offset, unsigned width, uint32_t value)
{
	if (!pci_access_valid(offset, width, MECH1_FUNCTION_BYTES))
		return;

	const uint64_t flags = irq_save();

	plat_io_write(mech1_select(bdf, offset), width, value);
	irq_restore(flags);
}

static bool mech1_present(void)
{
	const uint32_t before = pio_read32(CONFIG_ADDRESS);

	pio_write32(CONFIG_ADDRESS, CONFIG_ENABLE);

	const bool answers = pio_read32(CONFIG_ADDRESS) == CONFIG_ENABLE;

	pio_write32(CONFIG_ADDRESS, before);
	return answers;
}

/* ---- windows ------------------------------------------------------------------------------ */

static struct pci_window window(uint64_t base, uint64_t end)
{
	return (struct pci_window){.base = base, .size = end > base ? end - base : 0, .bus = base};
}

/* The larger part of the range that the ECAM area leaves. */
static struct pci_window mem32_window(void)
{
	const uint64_t ecam_base = mcfg.base + ((uint64_t)mcfg.bus_first << ECAM_BUS_SHIFT);
	const uint64_t ecam_end = mcfg.base + ((mcfg.bus_last + 1ull) << ECAM_BUS_SHIFT);

	if (mcfg.base == 0 || ecam_end <= MEM32_BASE || ecam_base >= MEM32_END)
		return window(MEM32_BASE, MEM32_END);

	const struct pci_window below = window(MEM32_BASE, ecam_base);
	const struct pci_window above = window(ecam_end, MEM32_END);

	return below.size > above.size ? below : above;
}

/* RAM ends at most 4 GiB, the hole below that address, above its own size. */
static struct pci_window mem64_window(void)
{
	const unsigned said = cpuid(CPUID_SIZES, 0).eax & 0xff;
	const unsigned bits = (unsigned)min_u64(said ? said : PHYS_BITS_DEFAULT, PHYS_BITS_MAX);
	const uint64_t base = 1ull << (bits - 2);

	if (mem_total_bytes() + 5 * GIB > base)
		return window(base, base);
	return window(base, 2 * base);
}

/* ---- public ------------------------------------------------------------------------------- */

/* A table that leads nowhere, or into something else, must not hide what ports reach: the host
 * bridge has to answer, and to be the one that the ports know. */
static bool ecam_present(bool has_ports)
{
	if (acpi_mcfg(&mcfg) != 0)
		return false;
	ecam_init(mcfg.base, mcfg.bus_first, mcfg.bus_last);

	const uint16_t bridge = (uint16_t)(mcfg.bus_first << 8);
	const uint32_t id = ecam_read(bridge, PCI_VENDOR_ID, 4);

	if (has_ports ? id == mech1_read(bridge, PCI_VENDOR_ID, 4) : id && id != UINT32_MAX)
		return true;
	log_warn("pci", "ACPI names ECAM at 0x%llx, but no host bridge answers there: not used",
	         (unsigned long long)mcfg.base);
	mcfg = (struct acpi_mcfg){0};
	return false;
}

void pci_host_init(void)
{
	const bool has_ports = mech1_present();
	const bool has_ecam = ecam_present(has_ports);

	present = has_ecam || has_ports;
	if (!present) {
		log_warn("pci", "no ECAM and no configuration ports: this machine has no PCI");
		return;
	}
	host = (struct pci_host){
	    .bus_first = has_ecam ? mcfg.bus_first : 0,
	    .bus_last = has_ecam ? mcfg.bus_last : PCI_BUSES - 1,
	    .firmware_assigned = true,
	    .read = has_ecam ? ecam_read : mech1_read,
	    .write = has_ecam ? ecam_write : mech1_write,
	    .io = window(IO_BASE, IO_END),
	    .mem32 = mem32_window(),
	    .mem64 = mem64_window(),
	};
	if (has_ecam)
		log_info("pci", "ECAM at 0x%llx, buses %u to %u", (unsigned long long)mcfg.base,
		         mcfg.bus_first, mcfg.bus_last);
	else
		log_info("pci", "configuration by ports 0xcf8 and 0xcfc");
}

const struct pci_host *plat_pci_host(void)
{
	return present ? &host : NULL;
}

uint32_t plat_io_read(uint32_t port, unsigned width)
{
	if (width == 1)
		return pio_read8((uint16_t)port);
	if (width == 2)
		return pio_read16((uint16_t)port);
	return pio_read32((uint16_t)port);
}

void plat_io_write(uint32_t port, unsigned width, uint32_t value)
{
	if (width == 1)
		pio_write8((uint16_t)port, (uint8_t)value);
	else if (width == 2)
		pio_write16((uint16_t)port, (uint16_t)value);
	else
		pio_write32((uint16_t)port, value);
}
