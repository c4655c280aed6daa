/*
 * The PCI host bridge: ECAM, windows, the I/O ports behind one of them, and which interrupt a pin
 * is wired to. All of it is what the device tree or ACPI say.
 */
#include "arch/aarch64/machine.h"
#include "arch/bare/pci_ecam.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"

#define PINS 4

static struct pci_host host;
static volatile uint8_t *io_ports; /* of bus address host.io.bus */

/* Behind a bridge the pins are turned by the slot (PCI-to-PCI bridge 1.2, 9.1). */
static unsigned intx_line(const struct pci_dev *d)
{
	const struct pci_dev *up;
	unsigned pin = d->irq_pin;
	uint32_t address;

	if (pin == 0 || pin > PINS)
		return 0;
	for (unsigned n = 0; n < PCI_BUSES; n++) {
		up = pci_bridge_of((uint8_t)(d->bdf >> 8));
		if (!up)
			break;
		pin = (pin - 1 + (d->bdf >> 3 & 0x1f)) % PINS + 1;
		d = up;
	}
	address = (uint32_t)d->bdf << 8 & machine.pci.intx_address_mask;
	for (unsigned i = 0; i < machine.pci.nb_intx; i++) {
		const struct pci_intx_map *m = &machine.pci.intx[i];

		if (m->address == address && m->pin == (pin & machine.pci.intx_pin_mask))
			return m->intid;
	}
	return 0;
}

void pci_host_init(void)
{
	const struct pci_info *pci = &machine.pci;

	if (!pci->present) {
		log_warn("pci", "no PCI host bridge with ECAM: this machine has no PCI");
		return;
	}
	ecam_init(pci->ecam, pci->bus_first, pci->bus_last);
	host = (struct pci_host){
	    .bus_first = pci->bus_first,
	    .bus_last = pci->bus_last,
	    .firmware_assigned = pci->firmware_assigned,
	    .read = ecam_read,
	    .write = ecam_write,
	    .intx_line = intx_line,
	    .io = pci->io,
	    .mem32 = pci->mem32,
	    .mem64 = pci->mem64,
	    .smmu = pci->smmu,
	};
	if (pci->io.size)
		io_ports = plat_mmio_map(pci->io.base, (size_t)pci->io.size);
	if (!io_ports)
		host.io.size = 0;
	log_info("pci", "ECAM at 0x%llx, buses %u to %u", (unsigned long long)pci->ecam,
	         pci->bus_first, pci->bus_last);
}

const struct pci_host *plat_pci_host(void)
{
	return host.read ? &host : NULL;
}

static volatile uint8_t *port_at(uint32_t port, unsigned width)
{
	const uint64_t offset = port - host.io.bus;

	if (offset >= host.io.size ||
	    !pci_access_valid((unsigned)offset, width, (unsigned)host.io.size))
		return NULL;
	return io_ports + offset;
}

uint32_t plat_io_read(uint32_t port, unsigned width)
{
	volatile uint8_t *p = port_at(port, width);

	return p ? mmio_read_width(p, width) : pci_all_ones(width);
}

void plat_io_write(uint32_t port, unsigned width, uint32_t value)
{
	volatile uint8_t *p = port_at(port, width);

	if (p)
		mmio_write_width(p, width, value);
}
