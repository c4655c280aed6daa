/* The slot registers of a PCI Express port (PCI Express 7.5.3.9 to 7.5.3.11). */
#include "kernel/pci_slot.h"
#include "kernel/pci_regs.h"

/* Offset of the port's capability, and the port; 0 when @d is in no slot whose cards can be changed
 * without other help. */
static unsigned slot_of(const struct pci_dev *d, const struct pci_dev **port)
{
	unsigned cap;

	*port = pci_bridge_of((uint8_t)(d->bdf >> 8));
	cap = *port ? pci_cap_next(*port, PCI_CAP_ID_EXPRESS, 0) : 0;
	if (!cap || !(pci_read16(*port, cap + PCI_EXPRESS_FLAGS) & PCI_EXPRESS_HAS_SLOT) ||
	    !(pci_read32(*port, cap + PCI_EXPRESS_SLOT_CAPS) & PCI_EXPRESS_SLOT_HOT_PLUG))
		return 0;
	return cap;
}

bool pci_slot_asked_out(const struct pci_dev *d)
{
	const struct pci_dev *port;
	const unsigned cap = slot_of(d, &port);

	if (!cap || !(pci_read16(port, cap + PCI_EXPRESS_SLOT_STATUS) & PCI_EXPRESS_SLOT_BUTTON))
		return false;
	pci_write16(port, cap + PCI_EXPRESS_SLOT_STATUS, PCI_EXPRESS_SLOT_BUTTON);
	return true;
}

bool pci_slot_waits(const struct pci_dev *d)
{
	const struct pci_dev *port;
	const unsigned cap = slot_of(d, &port);

	return cap && (pci_read16(port, cap + PCI_EXPRESS_SLOT_STATUS) & PCI_EXPRESS_SLOT_FILLED) &&
	       (pci_read16(port, cap + PCI_EXPRESS_SLOT_CONTROL) & PCI_EXPRESS_SLOT_POWER_OFF);
}

void pci_slot_power(const struct pci_dev *d, bool on)
{
	const struct pci_dev *port;
	const unsigned cap = slot_of(d, &port);
	uint16_t control;

	if (!cap)
		return;
	control = pci_read16(port, cap + PCI_EXPRESS_SLOT_CONTROL) &
	          (uint16_t) ~(PCI_EXPRESS_SLOT_POWER_OFF | PCI_EXPRESS_SLOT_LAMP);
	/* the lamp tells who stands there whether the card may be taken out */
	control |=
	    on ? PCI_EXPRESS_SLOT_LAMP_ON : PCI_EXPRESS_SLOT_POWER_OFF | PCI_EXPRESS_SLOT_LAMP_OFF;
	pci_write16(port, cap + PCI_EXPRESS_SLOT_CONTROL, control);
	pci_write16(port, cap + PCI_EXPRESS_SLOT_STATUS,
	            PCI_EXPRESS_SLOT_BUTTON | PCI_EXPRESS_SLOT_CHANGED);
}
