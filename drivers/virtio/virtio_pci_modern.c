/*
 * The modern PCI transport (virtio 4.1.4, 4.1.5): registers in memory BARs, found by vendor
 * capabilities. All of a capability's fields are the device's word and are checked against the
 * BAR; the first usable one of each type wins (4.1.4.1), so a notification structure in I/O space
 * is passed over for the one in memory. No capability is ever written.
 */
#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/virtio_pci.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/barrier.h>
#include <arch/cpu.h>

#define NOTIFY_CAP_BYTES (sizeof(struct virtio_pci_cap) + 4)
#define NOTIFY_BYTES 2
#define CONFIG_MAP_MAX 4096 /* 4.1.4: more of a structure need not be mapped */

/* ---- capabilities ------------------------------------------------------------------------- */

/* What makes a structure of each type usable; types without a row are known and not needed, or
 * unknown, and are ignored (4.1.4.1). */
static const struct cap_rule {
	uint8_t cap_bytes, align;
	uint32_t length_min;
	const char *name;
} rules[] = {
    [VIRTIO_PCI_CAP_COMMON_CFG] = {16, 4, VIRTIO_PCI_COMMON_CFG_MIN, "common configuration"},
    [VIRTIO_PCI_CAP_NOTIFY_CFG] = {NOTIFY_CAP_BYTES, 2, NOTIFY_BYTES, "notification"},
    [VIRTIO_PCI_CAP_ISR_CFG] = {16, 1, 1, "ISR status"},
    [VIRTIO_PCI_CAP_DEVICE_CFG] = {16, 4, 1, "device configuration"},
};

/* Return: NULL, or what is wrong with it. */
static const char *region_check(const struct pci_dev *d, const struct cap_rule *rule,
                                uint8_t cap_bytes, const struct virtio_pci_region *r)
{
	const struct pci_bar *bar;

	if (cap_bytes < rule->cap_bytes)
		return "the capability is too short";
	if (r->bar >= PCI_BARS)
		return "its BAR number is reserved";
	bar = &d->bar[r->bar];
	if (bar->kind == PCI_BAR_IO)
		return "it is in I/O space";
	if (bar->kind == PCI_BAR_NONE || bar->addr == 0)
		return "its BAR is absent";
	if ((uint64_t)r->offset + r->length > bar->size)
		return "it does not fit into its BAR";
	if (r->offset % rule->align)
		return "it is not aligned";
	if (r->length < rule->length_min)
		return "it is too short";
	return NULL;
}

static void cap_read(const struct pci_dev *d, unsigned at, struct virtio_pci_region *regions)
{
	uint8_t type = pci_read8(d, at + offsetof(struct virtio_pci_cap, cfg_type));
	struct virtio_pci_region r = {.cap = at};
	const char *why;

	if (type >= ARRAY_SIZE(rules) || !rules[type].name || regions[type].length)
		return;
	r.bar = pci_read8(d, at + offsetof(struct virtio_pci_cap, bar));
	r.offset = pci_read32(d, at + offsetof(struct virtio_pci_cap, offset));
	r.length = pci_read32(d, at + offsetof(struct virtio_pci_cap, length));
	why = region_check(d, &rules[type],
	                   pci_read8(d, at + offsetof(struct virtio_pci_cap, cap_len)), &r);
	if (why)
		log_debug("virtio_pci", "%s: %s capability at 0x%02x is passed over: %s", d->name,
		          rules[type].name, at, why);
	else
		regions[type] = r;
}

static volatile uint8_t *region_map(const struct pci_dev *d, const struct virtio_pci_region *r,
                                    uint64_t max)
{
	return pci_bar_map(d, r->bar, r->offset, min_u64(r->length, max));
}

static int regions_map(struct virtio_pci *vp, const struct virtio_pci_region *regions)
{
	const struct virtio_pci_region *common = &regions[VIRTIO_PCI_CAP_COMMON_CFG];
	const struct virtio_pci_region *device = &regions[VIRTIO_PCI_CAP_DEVICE_CFG];
	const struct virtio_pci_region *notify = &regions[VIRTIO_PCI_CAP_NOTIFY_CFG];
	const struct pci_dev *d = vp->pci;

	vp->modern.common =
	    (volatile void *)region_map(d, common, sizeof(struct virtio_pci_common_cfg));
	vp->modern.has_queue_reset = common->length >= sizeof(struct virtio_pci_common_cfg);
	vp->modern.isr = region_map(d, &regions[VIRTIO_PCI_CAP_ISR_CFG], 1);
	if (device->length) {
		vp->modern.device = region_map(d, device, CONFIG_MAP_MAX);
		vp->modern.device_bytes = (uint32_t)min_u64(device->length, CONFIG_MAP_MAX);
	}
	if (!vp->modern.common || !vp->modern.isr || (device->length && !vp->modern.device)) {
		log_err("virtio_pci", "%s: the registers cannot be mapped", d->name);
		return -EINVAL;
	}
	vp->modern.notify = *notify;
	vp->modern.notify_multiplier = pci_read32(d, notify->cap + sizeof(struct virtio_pci_cap));
	return 0;
}

/* ---- registers ---------------------------------------------------------------------------- */

static volatile struct virtio_pci_common_cfg *common_of(const struct virtio_dev *vd)
{
	return virtio_pci_of(vd)->modern.common;
}

static uint8_t modern_isr(struct virtio_pci *vp)
{
	return mmio_read(vp->modern.isr);
}

static uint32_t modern_config_bytes(const struct virtio_pci *vp)
{
	return vp->modern.device_bytes;
}

static uint32_t modern_config_get(struct virtio_pci *vp, unsigned offset, unsigned width)
{
	volatile void *at = vp->modern.device + offset;

	switch (width) {
	case 1:
		return mmio_read((volatile uint8_t *)at);
	case 2:
		return mmio_read((volatile uint16_t *)at);
	default:
		return mmio_read((volatile uint32_t *)at);
	}
}

static void modern_config_put(struct virtio_pci *vp, unsigned offset, unsigned width, uint32_t v)
{
	volatile void *at = vp->modern.device + offset;

	switch (width) {
	case 1:
		mmio_write((volatile uint8_t *)at, (uint8_t)v);
		break;
	case 2:
		mmio_write((volatile uint16_t *)at, (uint16_t)v);
		break;
	default:
		mmio_write((volatile uint32_t *)at, v);
		break;
	}
}

static uint16_t modern_config_vector(struct virtio_pci *vp, uint16_t vector)
{
	mmio_write(&vp->modern.common->config_msix_vector, vector);
	return mmio_read(&vp->modern.common->config_msix_vector);
}

static uint16_t modern_queue_vector(struct virtio_pci *vp, uint16_t vector)
{
	mmio_write(&vp->modern.common->queue_msix_vector, vector);
	return mmio_read(&vp->modern.common->queue_msix_vector);
}

static const struct virtio_pci_regs modern_regs = {
    .isr = modern_isr,
    .config_bytes = modern_config_bytes,
    .config_get = modern_config_get,
    .config_put = modern_config_put,
    .config_vector = modern_config_vector,
    .queue_vector = modern_queue_vector,
};

/* ---- transport operations ----------------------------------------------------------------- */

static uint64_t modern_get_features(struct virtio_dev *vd)
{
	volatile struct virtio_pci_common_cfg *cfg = common_of(vd);
	uint64_t features;

	mmio_write(&cfg->device_feature_select, 0);
	features = mmio_read(&cfg->device_feature);
	mmio_write(&cfg->device_feature_select, 1);
	features |= (uint64_t)mmio_read(&cfg->device_feature) << 32;
	return virtio_pci_of(vd)->modern.has_queue_reset ? features
	                                                 : features & ~VIRTIO_F_RING_RESET;
}

static void modern_set_features(struct virtio_dev *vd, uint64_t features)
{
	volatile struct virtio_pci_common_cfg *cfg = common_of(vd);

	mmio_write(&cfg->driver_feature_select, 0);
	mmio_write(&cfg->driver_feature, (uint32_t)features);
	mmio_write(&cfg->driver_feature_select, 1);
	mmio_write(&cfg->driver_feature, (uint32_t)(features >> 32));
}

static uint8_t modern_get_status(struct virtio_dev *vd)
{
	return mmio_read(&common_of(vd)->device_status);
}

static void modern_set_status(struct virtio_dev *vd, uint8_t status)
{
	/* DRIVER_OK lets the device look at the rings (pair N) */
	io_wmb();
	mmio_write(&common_of(vd)->device_status, status);
}

static uint32_t modern_config_generation(struct virtio_dev *vd)
{
	return mmio_read(&common_of(vd)->config_generation);
}

static unsigned modern_nb_queues(struct virtio_dev *vd)
{
	return mmio_read(&common_of(vd)->num_queues);
}

static uint16_t modern_queue_size(struct virtio_dev *vd, uint16_t index)
{
	volatile struct virtio_pci_common_cfg *cfg = common_of(vd);

	/* a number that the device does not know may leave another queue selected */
	if (index >= mmio_read(&cfg->num_queues))
		return 0;
	mmio_write(&cfg->queue_select, index);
	return mmio_read(&cfg->queue_size);
}

/* The register that a queue is notified by, 4.1.4.4; NULL when the device names none. */
static volatile void *notify_map(struct virtio_pci *vp, uint16_t queue_notify_off)
{
	const struct virtio_pci_region *r = &vp->modern.notify;
	uint64_t offset = (uint64_t)queue_notify_off * vp->modern.notify_multiplier;

	if (offset + NOTIFY_BYTES > r->length || offset % NOTIFY_BYTES)
		return NULL;
	return pci_bar_map(vp->pci, r->bar, r->offset + offset, NOTIFY_BYTES);
}

static void queue_addresses(volatile struct virtio_pci_common_cfg *cfg, const struct virtqueue *vq)
{
	mmio_write(&cfg->queue_desc_lo, (uint32_t)vq->desc_iova);
	mmio_write(&cfg->queue_desc_hi, (uint32_t)(vq->desc_iova >> 32));
	mmio_write(&cfg->queue_driver_lo, (uint32_t)vq->avail_iova);
	mmio_write(&cfg->queue_driver_hi, (uint32_t)(vq->avail_iova >> 32));
	mmio_write(&cfg->queue_device_lo, (uint32_t)vq->used_iova);
	mmio_write(&cfg->queue_device_hi, (uint32_t)(vq->used_iova >> 32));
}

static int modern_queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	volatile struct virtio_pci_common_cfg *cfg = vp->modern.common;
	const char *why = NULL;

	if (modern_queue_size(vd, vq->index) < vq->nentries)
		why = "is not as large as it was";
	else if (mmio_read(&cfg->queue_enable))
		why = "is enabled before we did so";
	if (!why) {
		mmio_write(&cfg->queue_size, vq->nentries);
		if (mmio_read(&cfg->queue_size) != vq->nentries)
			why = "does not take its size";
	}
	if (!why) {
		vq->notify_addr = notify_map(vp, mmio_read(&cfg->queue_notify_off));
		if (!vq->notify_addr)
			why = "has its notify register outside of the notification structure";
	}
	if (!why) {
		virtio_pci_queue_vector(vp, vq->index, vector);
		queue_addresses(cfg, vq);
		io_wmb(); /* the ring is filled before the device may see it (pair N) */
		mmio_write(&cfg->queue_enable, 1);
		if (mmio_read(&cfg->queue_enable) != 1)
			why = "does not become enabled";
	}
	if (!why)
		return 0;
	log_err("virtio_pci", "%s: queue %u %s: the device is broken", vd->name, vq->index, why);
	return -EIO;
}

static int modern_queue_reset(struct virtio_dev *vd, const struct virtqueue *vq)
{
	volatile struct virtio_pci_common_cfg *cfg = common_of(vd);
	const uint64_t deadline_ns = plat_time_ns() + VIRTIO_RESET_TIMEOUT_NS;

	mmio_write(&cfg->queue_select, vq->index);
	mmio_write(&cfg->queue_reset, 1);
	while (mmio_read(&cfg->queue_reset)) {
		if (plat_time_ns() > deadline_ns) {
			log_err("virtio_pci", "%s: queue %u does not reset within a second",
			        vd->name, vq->index);
			return -ETIMEDOUT;
		}
		cpu_pause();
	}
	return 0;
}

static void modern_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	(void)vd;
	io_wmb(); /* ring memory before the notification (pair N) */
	mmio_write((volatile uint16_t *)vq->notify_addr, vq->index);
}

static const struct virtio_transport_ops modern_ops = {
    .name = "modern",
    .present = virtio_pci_present,
    .get_features = modern_get_features,
    .set_features = modern_set_features,
    .get_status = modern_get_status,
    .set_status = modern_set_status,
    .config_read = virtio_pci_config_read,
    .config_write = virtio_pci_config_write,
    .config_generation = modern_config_generation,
    .nb_queues = modern_nb_queues,
    .queue_size = modern_queue_size,
    .queue_size_is_fixed = false,
    .queue_enable = modern_queue_enable,
    .queue_reset = modern_queue_reset,
    .irq_setup = virtio_pci_irq_setup,
    .irq_route = virtio_pci_irq_route,
    .set_config_vector = virtio_pci_set_config_vector,
    .notify = modern_notify,
};

int virtio_pci_modern_init(struct virtio_pci *vp)
{
	struct virtio_pci_region regions[ARRAY_SIZE(rules)];
	unsigned at = 0, nb_caps = 0;

	memset(regions, 0, sizeof(regions));
	while ((at = pci_cap_next(vp->pci, VIRTIO_PCI_CAP_VNDR, at)) != 0) {
		cap_read(vp->pci, at, regions);
		nb_caps++;
	}
	if (!nb_caps)
		return -ENODEV;

	for (unsigned type = 0; type < ARRAY_SIZE(rules); type++) {
		bool needed =
		    type != VIRTIO_PCI_CAP_DEVICE_CFG || vp->vd.device_id == VIRTIO_ID_NET;

		if (rules[type].name && needed && !regions[type].length) {
			log_warn("virtio_pci",
			         "%s: no usable %s capability among %u (log=virtio_pci:debug says "
			         "why): modern registers are not used",
			         vp->vd.name, rules[type].name, nb_caps);
			return -EINVAL;
		}
	}
	if (regions_map(vp, regions))
		return -EINVAL;
	vp->regs = &modern_regs;
	vp->vd.ops = &modern_ops;
	return 0;
}
