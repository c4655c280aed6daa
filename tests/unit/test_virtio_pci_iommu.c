/* Which virtio-iommus are in the way. The source is compiled here, with the device below in the
 * place of that which would be found. */
#include "drivers/virtio/virtio_pci.h"
#include "kernel/errno.h"

#include <criterion/criterion.h>
#include <string.h>

#define virtio_pci_probe(d) ((void)(d), device_is_there ? &device : NULL)
#define virtio_pci_release(vd) ((void)(vd))

static struct virtio_dev device;
static bool device_is_there = true;

#include "drivers/virtio/virtio_pci_iommu.c"

static uint64_t offered;
static int config = -ERANGE; /* the byte about bypass, or there is none */

static uint64_t get_features(struct virtio_dev *vd)
{
	(void)vd;
	return offered;
}

static int config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	(void)vd;
	cr_assert(offset == VIRTIO_IOMMU_CONFIG_BYPASS && len == 1);
	if (config >= 0)
		memset(out, config, 1);
	return config < 0 ? config : 0;
}

static const struct virtio_transport_ops ops = {.get_features = get_features,
                                                .config_read = config_read};

static bool is_in_the_way(uint64_t features, int byte)
{
	device.ops = &ops;
	offered = features;
	config = byte;
	return blocks(NULL);
}

Test(virtio_pci_iommu, one_blocks_unless_its_configuration_says_otherwise)
{
	const uint64_t bypass = VIRTIO_BIT(3); /* of use only when negotiated */
	const uint64_t configured = VIRTIO_IOMMU_F_BYPASS_CONFIG;

	cr_expect_not(is_in_the_way(configured, 1));
	cr_expect_not(is_in_the_way(configured, 0xff));
	cr_expect(is_in_the_way(configured, 0));
	cr_expect(is_in_the_way(configured, 0xfe));
	cr_expect(is_in_the_way(configured, -ERANGE));
	cr_expect(is_in_the_way(0, 1));
	cr_expect(is_in_the_way(bypass, 1));
	device_is_there = false;
	cr_expect_not(is_in_the_way(0, 1), "it cannot be asked");
}
