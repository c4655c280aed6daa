/*
 * Cards that are taken out of the running machine and put back into the same slot: with notice,
 * where a PCI Express slot has its button pressed, or without.
 */
#include "drivers/virtio/virtio_pci.h"
#include "kernel/log.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_slot.h"

/* It is the card that it was, or one of the same kind; nothing at all reads as all ones. */
static bool answers(const struct pci_dev *d)
{
	return pci_read16(d, PCI_VENDOR_ID) == d->vendor &&
	       pci_read16(d, PCI_DEVICE_ID) == d->device;
}

/* A card that was without power has forgotten what pci_scan() and virtio_pci_irq_setup() told it.
 */
static void revive(struct virtio_pci *vp)
{
	pci_restore(vp->pci);
	for (unsigned i = 0; vp->msix_on && i < vp->vd.nb_vectors; i++)
		msix_restore(&vp->msix, i, &vp->vectors[i].msg);
	if (vp->msix_on)
		msix_enable(&vp->msix, true);
	else
		pci_intx_enable(vp->pci, vp->vd.irq_mode == VIRTIO_IRQ_INTX);
	log_info("virtio_pci", "%s: a card is there again", vp->vd.name);
}

bool virtio_pci_present(struct virtio_dev *vd)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	struct pci_dev *d = vp->pci;

	if (vp->leaving) {
		vp->leaving = false;
		pci_slot_power(d, false);
		log_info("virtio_pci", "%s: the card may be taken out", vd->name);
		return false;
	}
	if (!answers(d)) {
		/* it takes a moment to answer then */
		if (pci_slot_waits(d))
			pci_slot_power(d, true);
		return false;
	}
	if (pci_slot_asked_out(d)) {
		vp->leaving = true;
		return false;
	}
	if (!(pci_read16(d, PCI_COMMAND) & PCI_COMMAND_MASTER))
		revive(vp);
	return true;
}
