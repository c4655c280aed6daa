/*
 * A device that offers VIRTIO_F_ACCESS_PLATFORM reaches memory as the platform's IOMMU lets it
 * (virtio 6.1). It is used where that is the identity, and refused, with the reason, where it is
 * not: it would be given addresses that mean nothing to it, and fall silent.
 */
#include "drivers/virtio/virtio_pci.h"
#include "kernel/iommu.h"
#include "kernel/log.h"

#define VIRTIO_ID_IOMMU 23
#define VIRTIO_IOMMU_F_BYPASS_CONFIG VIRTIO_BIT(6) /* virtio 5.13.3 */
#define VIRTIO_IOMMU_CONFIG_BYPASS 36              /* virtio 5.13.4 */

/* A virtio-iommu that lets nothing through that nobody has mapped (virtio 5.13.6.3): by its
 * configuration, or because it has none about that, and nobody negotiates VIRTIO_IOMMU_F_BYPASS. */
static bool blocks(struct pci_dev *d)
{
	struct virtio_dev *vd = virtio_pci_probe(d);
	uint8_t bypass = 0;

	if (!vd)
		return false;
	if (vd->ops->get_features(vd) & VIRTIO_IOMMU_F_BYPASS_CONFIG)
		(void)vd->ops->config_read(vd, VIRTIO_IOMMU_CONFIG_BYPASS, &bypass, 1);
	virtio_pci_release(vd);
	return !(bypass & 1); /* the other bits may mean anything (virtio 5.13.4.1) */
}

static const char *in_the_way(void)
{
	for (unsigned i = 0; i < pci_count(); i++) {
		if (virtio_pci_device_id(pci_dev(i)) == VIRTIO_ID_IOMMU && blocks(pci_dev(i)))
			return "virtio-iommu, which lets nothing by (boot-bypass=off)";
	}
	return iommu_in_the_way();
}

bool virtio_pci_reaches_memory(struct virtio_dev *vd)
{
	static const char *name;
	static bool looked;

	if (!(vd->ops->get_features(vd) & VIRTIO_F_ACCESS_PLATFORM))
		return true;
	if (!looked)
		name = in_the_way();
	looked = true;
	if (!name)
		return true;
	log_err("virtio_pci",
	        "%s: between the device and memory is %s, and has to be programmed, which this "
	        "kernel cannot: not used; switch it off, or give the card iommu_platform=off",
	        vd->name, name);
	return false;
}
