/*
 * The vDPA table over a device's PCI transport. The transport takes a queue as a whole, the table
 * piece by piece, so the pieces wait here until the vring is enabled.
 */
#include "drivers/virtio/virtio_pci_vdpa.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"

/* a kick is the number of a vring, and no position in it (virtio 2.9.2, 4.1.5.2) */
#define NOT_BY_NUMBER (VIRTIO_BIT(38) | VIRTIO_BIT(39))

struct vring {
	struct vdpa_vring_addr addr;
	volatile void *doorbell;
	uint16_t num;
	uint16_t vector; /* + 1, so that 0 is none */
	bool enabled;
};

struct pci_vdpa {
	struct vdpa_dev dev;
	struct virtio_dev *vd;
	uint64_t features; /* negotiated */
	virtio_irq_fn irq_fn;
	struct virtio_dev *irq_of;
	struct vring vring[VDPA_VRINGS_MAX];
};

static struct pci_vdpa *to_pci(struct vdpa_dev *dev)
{
	return container_of(dev, struct pci_vdpa, dev);
}

static struct virtio_dev *below(struct vdpa_dev *dev)
{
	return to_pci(dev)->vd;
}

/* ---- the device --------------------------------------------------------------------------- */

static bool pv_present(struct vdpa_dev *dev)
{
	struct virtio_dev *vd = below(dev);

	return !vd->ops->present || vd->ops->present(vd);
}

static uint64_t pv_get_features(struct vdpa_dev *dev)
{
	return below(dev)->ops->get_features(below(dev)) & ~NOT_BY_NUMBER;
}

static int pv_set_features(struct vdpa_dev *dev, uint64_t features)
{
	struct pci_vdpa *p = to_pci(dev);
	const bool fit =
	    !(features & ~pv_get_features(dev)) && (features & VIRTIO_F_VERSION_1) != 0;

	p->features = fit ? features : 0;
	if (fit)
		p->vd->ops->set_features(p->vd, features);
	return fit ? 0 : -EINVAL;
}

static uint8_t pv_get_status(struct vdpa_dev *dev)
{
	return below(dev)->ops->get_status(below(dev));
}

static void pv_set_status(struct vdpa_dev *dev, uint8_t status)
{
	struct pci_vdpa *p = to_pci(dev);

	if (!status) {
		p->features = 0;
		memset(p->vring, 0, sizeof(p->vring));
	} else if (!p->features) {
		status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	}
	p->vd->ops->set_status(p->vd, status);
}

static int pv_get_config(struct vdpa_dev *dev, unsigned offset, void *out, unsigned len)
{
	return below(dev)->ops->config_read(below(dev), offset, out, len);
}

static int pv_set_config(struct vdpa_dev *dev, unsigned offset, const void *in, unsigned len)
{
	return below(dev)->ops->config_write(below(dev), offset, in, len);
}

static uint32_t pv_get_generation(struct vdpa_dev *dev)
{
	return below(dev)->ops->config_generation(below(dev));
}

/* ---- vrings ------------------------------------------------------------------------------- */

static unsigned pv_nb_vrings(struct vdpa_dev *dev)
{
	return (unsigned)min_u64(below(dev)->ops->nb_queues(below(dev)), VDPA_VRINGS_MAX);
}

static uint16_t pv_vring_num_max(struct vdpa_dev *dev, uint16_t i)
{
	return i < VDPA_VRINGS_MAX ? below(dev)->ops->queue_size(below(dev), i) : 0;
}

/* One that may be set now. */
static int find(struct vdpa_dev *dev, uint16_t i, struct vring **v)
{
	if (!pv_vring_num_max(dev, i))
		return -EINVAL;
	*v = &to_pci(dev)->vring[i];
	return (*v)->enabled ? -EBUSY : 0;
}

static bool is_packed(struct vdpa_dev *dev)
{
	return to_pci(dev)->features & VIRTIO_F_RING_PACKED;
}

static int pv_set_vring_num(struct vdpa_dev *dev, uint16_t i, uint16_t num)
{
	struct vring *v;
	const int err = find(dev, i, &v);

	if (err)
		return err;
	if (!num || num > pv_vring_num_max(dev, i) || !(is_packed(dev) || is_power_of_two(num)))
		return -EINVAL;
	v->num = num;
	return 0;
}

static int pv_set_vring_addr(struct vdpa_dev *dev, uint16_t i, const struct vdpa_vring_addr *addr)
{
	const unsigned driver_align = is_packed(dev) ? 4 : 2;
	struct vring *v;
	const int err = find(dev, i, &v);

	if (err)
		return err;
	if (!addr->desc || addr->desc % 16 || addr->driver % driver_align || addr->device % 4)
		return -EINVAL;
	v->addr = *addr;
	return 0;
}

static int pv_set_vring_base(struct vdpa_dev *dev, uint16_t i, uint32_t base)
{
	struct vring *v;
	const int err = find(dev, i, &v);

	if (err)
		return err;
	return base == vdpa_base_start(to_pci(dev)->features) ? 0 : -EOPNOTSUPP;
}

static int pv_get_vring_base(struct vdpa_dev *dev, uint16_t i, uint32_t *base)
{
	struct vring *v;
	const int err = find(dev, i, &v);

	if (err)
		return err == -EBUSY ? -EOPNOTSUPP : err;
	*base = vdpa_base_start(to_pci(dev)->features);
	return 0;
}

static int pv_set_vring_vector(struct vdpa_dev *dev, uint16_t i, uint16_t vector)
{
	struct vring *v;
	const int err = find(dev, i, &v);

	if (err)
		return err;
	if (vector != VIRTIO_MSI_NO_VECTOR && vector >= dev->nb_vectors)
		return -EINVAL;
	v->vector = (uint16_t)(vector + 1);
	return 0;
}

/* What the transport needs to know of a vring. */
static struct virtqueue queue_of(const struct pci_vdpa *p, uint16_t i)
{
	const struct vring *v = &p->vring[i];

	return (struct virtqueue){
	    .vd = p->vd,
	    .index = i,
	    .nentries = v->num,
	    .desc_iova = v->addr.desc,
	    .avail_iova = v->addr.driver,
	    .used_iova = v->addr.device,
	    .notify_addr = v->doorbell,
	};
}

static int enable(struct pci_vdpa *p, uint16_t i)
{
	struct vring *v = &p->vring[i];
	struct virtqueue vq = queue_of(p, i);
	int err;

	if (!p->features || !v->num || !v->addr.desc)
		return -EINVAL;
	err = p->vd->ops->queue_enable(p->vd, &vq, (uint16_t)(v->vector - 1));
	p->dev.irq_mode = p->vd->irq_mode;
	v->doorbell = vq.notify_addr;
	v->enabled = !err;
	return err;
}

static int disable(struct pci_vdpa *p, uint16_t i)
{
	const struct virtqueue vq = queue_of(p, i);
	int err;

	if (!(p->features & VIRTIO_F_RING_RESET) || !p->vd->ops->queue_reset)
		return -EOPNOTSUPP;
	err = p->vd->ops->queue_reset(p->vd, &vq);
	if (!err)
		memset(&p->vring[i], 0, sizeof(p->vring[i]));
	return err;
}

static int pv_set_vring_enable(struct vdpa_dev *dev, uint16_t i, bool on)
{
	struct pci_vdpa *p = to_pci(dev);
	struct vring *v;
	const int err = find(dev, i, &v);

	if (!on)
		return err == -EBUSY ? disable(p, i) : err;
	return err ? err : enable(p, i);
}

static void pv_kick(struct vdpa_dev *dev, uint16_t i)
{
	const struct pci_vdpa *p = to_pci(dev);

	if (i >= VDPA_VRINGS_MAX || !p->vring[i].enabled)
		return;

	const struct virtqueue vq = queue_of(p, i);

	p->vd->ops->notify(p->vd, &vq);
}

static volatile void *pv_doorbell(struct vdpa_dev *dev, uint16_t i)
{
	return i < VDPA_VRINGS_MAX ? to_pci(dev)->vring[i].doorbell : NULL;
}

/* ---- interrupts --------------------------------------------------------------------------- */

static void interrupt(struct virtio_dev *vd, unsigned vector)
{
	const struct pci_vdpa *p = vd->driver;

	p->irq_fn(p->irq_of, vector);
}

static void pv_irq_setup(struct vdpa_dev *dev, unsigned wanted, virtio_irq_fn fn,
                         struct virtio_dev *of)
{
	struct pci_vdpa *p = to_pci(dev);

	p->irq_fn = fn;
	p->irq_of = of;
	dev->irq_mode = p->vd->ops->irq_setup(p->vd, wanted, interrupt);
	dev->nb_vectors = p->vd->nb_vectors;
}

static void pv_irq_route(struct vdpa_dev *dev, unsigned i, unsigned lcore)
{
	struct virtio_dev *vd = below(dev);

	if (vd->ops->irq_route)
		vd->ops->irq_route(vd, i, lcore);
}

static int pv_set_config_vector(struct vdpa_dev *dev, uint16_t vector)
{
	return below(dev)->ops->set_config_vector(below(dev), vector);
}

static const struct vdpa_ops pci_vdpa_ops = {
    .present = pv_present,
    .get_features = pv_get_features,
    .set_features = pv_set_features,
    .get_status = pv_get_status,
    .set_status = pv_set_status,
    .get_config = pv_get_config,
    .set_config = pv_set_config,
    .get_generation = pv_get_generation,
    .nb_vrings = pv_nb_vrings,
    .vring_num_max = pv_vring_num_max,
    .set_vring_num = pv_set_vring_num,
    .set_vring_addr = pv_set_vring_addr,
    .set_vring_base = pv_set_vring_base,
    .get_vring_base = pv_get_vring_base,
    .set_vring_vector = pv_set_vring_vector,
    .set_vring_enable = pv_set_vring_enable,
    .kick = pv_kick,
    .doorbell = pv_doorbell,
    .irq_setup = pv_irq_setup,
    .irq_route = pv_irq_route,
    .set_config_vector = pv_set_config_vector,
};

struct vdpa_dev *virtio_pci_vdpa(struct virtio_dev *vd)
{
	struct pci_vdpa *p;

	if (vd->legacy) {
		log_warn("vdpa",
		         "%s: has legacy registers, and vDPA needs modern ones (QEMU: "
		         "disable-modern=off)",
		         vd->name);
		return NULL;
	}
	p = mem_alloc("vdpa", sizeof(*p), CACHE_LINE);
	if (!p) {
		log_err("vdpa", "%s: no memory for the vDPA layer", vd->name);
		return NULL;
	}
	p->dev.ops = &pci_vdpa_ops;
	p->dev.device_id = vd->device_id;
	p->dev.irq_mode = vd->irq_mode;
	p->dev.name = vd->name;
	p->vd = vd;
	vd->driver = p;
	return &p->dev;
}

struct virtio_dev *virtio_pci_vdpa_device(const struct vdpa_dev *dev)
{
	return container_of(dev, const struct pci_vdpa, dev)->vd;
}
