/* Virtio network devices on PCI. Every other network card is told of, as nobody will drive it. */
#include "drivers/virtio/virtio_bus.h"
#include "drivers/virtio/virtio_pci.h"
#include "drivers/virtio/virtio_pci_vdpa.h"
#include "drivers/virtio/virtio_vdpa.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_text.h"
#include "net/netdev.h"

static const struct option bus_options[] = {
    {.key = "net.vdpa",
     .kind = OPTION_BOOL,
     .fallback = "0",
     .help = "leave the rings to the vDPA layer, and drive the port through it"},
};

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

/* A device through the vDPA layer, or itself where that cannot be. */
static struct virtio_dev *through_vdpa(struct virtio_dev *vd, unsigned port)
{
	struct vdpa_dev *dev = virtio_pci_vdpa(vd);
	struct virtio_dev *through = dev ? mem_alloc("vdpa", sizeof(*through), CACHE_LINE) : NULL;

	if (!through) {
		log_warn("vdpa", "net%u.vdpa=1: port %u is driven without vDPA", port, port);
		return vd;
	}
	virtio_vdpa_init(through, dev);
	return through;
}

static struct virtio_dev *probe(struct pci_dev *d)
{
	const unsigned port = netdev_count();
	struct virtio_dev *vd = virtio_pci_probe(d);

	if (vd && !virtio_pci_reaches_memory(vd)) {
		virtio_pci_release(vd);
		return NULL;
	}
	return vd && options_port_u64("net.vdpa", port) ? through_vdpa(vd, port) : vd;
}

static struct virtio_dev *bus_probe(unsigned nth)
{
	for (unsigned i = 0; i < pci_count(); i++) {
		if (virtio_pci_device_id(pci_dev(i)) == VIRTIO_ID_NET && !nth--)
			return probe(pci_dev(i));
	}
	return NULL;
}

static void bus_release(struct virtio_dev *vd)
{
	const struct vdpa_dev *dev = virtio_vdpa_device(vd);

	virtio_pci_release(dev ? virtio_pci_vdpa_device(dev) : vd);
}

const struct virtio_bus virtio_bus = {
    .options = bus_options,
    .nb_options = ARRAY_SIZE(bus_options),
    .scan = bus_scan,
    .probe = bus_probe,
    .poll = pci_rescan_step,
    .release = bus_release,
};
