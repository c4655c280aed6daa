/* Virtio network devices on PCI. Every other network card is told of, as nobody will drive it. */
#include "drivers/virtio/virtio_bus.h"
#include "drivers/virtio/virtio_pci.h"
#include "kernel/log.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_text.h"

static unsigned bus_scan(void)
{
	unsigned n = 0;

	pci_scan();
	pci_text_log();
	for (unsigned i = 0; i < pci_count(); i++) {
		const struct pci_dev *d = pci_dev(i);

		if (virtio_pci_device_id(d) == VIRTIO_ID_NET)
			n++;
		else if (d->class_code >> 16 == PCI_CLASS_NETWORK)
			log_warn("net",
			         "%s: network card %04x:%04x is not virtio and not supported; use "
			         "-device virtio-net-pci",
			         d->name, d->vendor, d->device);
	}
	if (!n)
		log_err("net", "no usable network port: give the machine a virtio network card, "
		               "for QEMU -device virtio-net-pci,netdev=...");
	return n;
}

static struct virtio_dev *probe(struct pci_dev *d)
{
	struct virtio_dev *vd = virtio_pci_probe(d);

	if (!vd || virtio_pci_reaches_memory(vd))
		return vd;
	virtio_pci_release(vd);
	return NULL;
}

static struct virtio_dev *bus_probe(unsigned nth)
{
	for (unsigned i = 0; i < pci_count(); i++) {
		if (virtio_pci_device_id(pci_dev(i)) == VIRTIO_ID_NET && !nth--)
			return probe(pci_dev(i));
	}
	return NULL;
}

const struct virtio_bus virtio_bus = {
    .scan = bus_scan,
    .probe = bus_probe,
    .poll = pci_rescan_step,
    .release = virtio_pci_release,
};
