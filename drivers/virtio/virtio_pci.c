/*
 * What the modern and the legacy PCI transport share: which device it is (virtio 4.1.2), which of
 * the two it gets (4.1.5.1.1), device configuration (2.5, 4.1.3.1) and interrupts (4.1.5.1.2,
 * 4.1.5.4).
 *
 * Interrupts have four steps: a vector for each Rx queue and one for the configuration; one
 * vector for all; the interrupt pin; none, which is enough for polling. Each step down is logged.
 */
#include "drivers/virtio/virtio_pci.h"
#include "kernel/assert.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"

/* ---- probing ------------------------------------------------------------------------------ */

uint16_t virtio_pci_device_id(const struct pci_dev *d)
{
	/* of the transitional range, virtio 4.1.2 names these, whatever the subsystem ID says */
	static const uint16_t transitional[] = {
	    [0] = 1, [1] = 2, [2] = 5, [3] = 3, [4] = 8, [5] = 4, [9] = 9};
	unsigned n = d->device - VIRTIO_PCI_DEVICE_TRANSITIONAL;

	if (d->vendor != VIRTIO_VENDOR_ID || d->device < VIRTIO_PCI_DEVICE_TRANSITIONAL ||
	    d->device > VIRTIO_PCI_DEVICE_LAST)
		return 0;
	if (d->device >= VIRTIO_PCI_DEVICE_MODERN)
		return (uint16_t)(d->device - VIRTIO_PCI_DEVICE_MODERN);
	return n < ARRAY_SIZE(transitional) && transitional[n] ? transitional[n] : d->subdevice;
}

static int transport_init(struct virtio_pci *vp)
{
	const struct pci_dev *d = vp->pci;
	int err = virtio_pci_modern_init(vp);

	if (!err)
		return 0;
	/* transitional devices, and those older than 1.0, have revision 0 */
	if (d->device < VIRTIO_PCI_DEVICE_MODERN && d->revision == 0 &&
	    !virtio_pci_legacy_init(vp)) {
		if (err != -ENODEV)
			log_info("virtio_pci", "%s: legacy registers are used instead", d->name);
		return 0;
	}
	if (err == -ENODEV)
		log_err("virtio_pci",
		        "%s: neither virtio capabilities nor legacy ports in BAR 0 (revision %u): "
		        "not used",
		        d->name, d->revision);
	return err;
}

struct virtio_dev *virtio_pci_probe(struct pci_dev *d)
{
	struct virtio_pci *vp, found;

	if (!virtio_pci_device_id(d))
		return NULL;
	memset(&found, 0, sizeof(found));
	found.pci = d;
	found.vd.device_id = virtio_pci_device_id(d);
	found.vd.irq_mode = VIRTIO_IRQ_NONE;
	memcpy(found.vd.name, d->name, sizeof(found.vd.name));

	pci_size(d);
	/* left on by firmware it would move the legacy device configuration (virtio 4.1.4.10) */
	msix_disable(d);
	pci_enable(d);
	if (transport_init(&found)) {
		pci_disable_master(d);
		return NULL;
	}
	vp = mem_alloc("virtio_pci", sizeof(*vp), CACHE_LINE);
	if (!vp) {
		log_err("virtio_pci", "%s: no memory for the device: not used", d->name);
		pci_disable_master(d);
		return NULL;
	}
	*vp = found;
	vp->vd.transport = vp;
	log_debug("virtio_pci", "%s: device %u, %s registers", d->name, vp->vd.device_id,
	          vp->vd.ops->name);
	return &vp->vd;
}

void virtio_pci_release(struct virtio_dev *vd)
{
	struct virtio_pci *vp = virtio_pci_of(vd);

	for (unsigned i = 0; i < vp->msix.nb_vectors; i++)
		msix_mask(&vp->msix, i, true);
	msix_disable(vp->pci);
	vp->msix_on = false;
	pci_intx_enable(vp->pci, false);
	pci_disable_master(vp->pci);
	vd->irq_mode = VIRTIO_IRQ_NONE;
}

/* ---- device configuration ----------------------------------------------------------------- */

/*
 * The width of the accesses for @len bytes at @offset: one call is about one field, which has to
 * be read in its own width, 64 bits as two halves (virtio 4.1.3.1). Everything else, the MAC
 * address for one, is an array of bytes.
 */
static unsigned field_width(unsigned offset, unsigned len)
{
	unsigned width = len == 8 ? 4 : len;

	return (width == 2 || width == 4) && offset % width == 0 ? width : 1;
}

static bool config_holds(const struct virtio_pci *vp, unsigned offset, unsigned len)
{
	uint32_t bytes = vp->regs->config_bytes(vp);

	return len <= bytes && offset <= bytes - len;
}

int virtio_pci_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	unsigned width = field_width(offset, len);
	uint8_t *to = out;

	if (!config_holds(vp, offset, len))
		return -ERANGE;
	for (unsigned i = 0; i < len; i += width) {
		uint32_t v = vp->regs->config_get(vp, offset + i, width);

		memcpy(to + i, &v, width);
	}
	return 0;
}

int virtio_pci_config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	unsigned width = field_width(offset, len);
	const uint8_t *from = in;

	if (!config_holds(vp, offset, len))
		return -ERANGE;
	for (unsigned i = 0; i < len; i += width) {
		uint32_t v = 0;

		memcpy(&v, from + i, width);
		vp->regs->config_put(vp, offset + i, width, v);
	}
	return 0;
}

/* ---- interrupt handlers ------------------------------------------------------------------- */

static void msix_interrupt(void *arg)
{
	const struct virtio_pci_vector *ctx = arg;
	struct virtio_pci *vp = ctx->vp;

	vp->irq_fn(&vp->vd, !ctx->vector && vp->vector_shared ? VIRTIO_IRQ_ANY : ctx->vector);
}

/* The line may be another card's: only the ISR status knows (virtio 4.1.4.5). */
static bool intx_interrupt(void *arg)
{
	struct virtio_pci *vp = arg;
	uint8_t isr = vp->regs->isr(vp);

	if (isr & VIRTIO_ISR_QUEUE)
		vp->irq_fn(&vp->vd, VIRTIO_IRQ_ANY_QUEUE);
	if (isr & VIRTIO_ISR_CONFIG)
		vp->irq_fn(&vp->vd, 0);
	return isr & (VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG);
}

/* ---- interrupt set-up --------------------------------------------------------------------- */

/* Return: how many of the first @n vectors could be given a handler. */
static unsigned vectors_program(struct virtio_pci *vp, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int err;

		vp->vectors[i].vp = vp;
		vp->vectors[i].vector = i;
		err = msix_set(&vp->msix, i, msix_interrupt, &vp->vectors[i]);
		if (err) {
			log_info("virtio_pci",
			         "%s: the machine has no interrupt for vector %u "
			         "of %u (error %d)",
			         vp->vd.name, i, n, -err);
			return i;
		}
		msix_save(&vp->msix, i, &vp->vectors[i].msg);
	}
	return n;
}

/* Return: 0 with MSI-X switched on, or -ENODEV. */
static int msix_setup(struct virtio_pci *vp, unsigned wanted)
{
	unsigned have = msix_open(&vp->msix, vp->pci);
	unsigned got;

	if (!have)
		return -ENODEV;
	vp->vectors = mem_alloc("virtio_pci vectors", wanted * sizeof(*vp->vectors), 8);
	if (!vp->vectors)
		return -ENODEV;

	if (have < wanted)
		log_info("virtio_pci",
		         "%s: %u MSI-X vectors where %u are wanted: one is shared "
		         "by all queues (QEMU: vectors=%u)",
		         vp->vd.name, have, wanted, wanted);
	got = vectors_program(vp, have < wanted ? 1 : wanted);
	if (!got)
		return -ENODEV;
	if (got < wanted) {
		vp->vector_shared = true;
		for (unsigned i = 1; i < got; i++)
			msix_mask(&vp->msix, i, true);
		got = 1;
	}
	vp->vd.nb_vectors = (uint16_t)got;
	vp->vd.irq_mode = vp->vector_shared ? VIRTIO_IRQ_SHARED : VIRTIO_IRQ_MSIX;
	msix_enable(&vp->msix, true);
	vp->msix_on = true;
	return 0;
}

static int intx_setup(struct virtio_pci *vp)
{
	const struct pci_dev *d = vp->pci;
	int err = d->irq_pin ? plat_irq_intx(d->irq_line, intx_interrupt, vp) : -ENXIO;

	if (err) {
		log_info("virtio_pci",
		         "%s: no MSI-X and no interrupt pin (line %u, error %d): "
		         "polling only",
		         vp->vd.name, d->irq_line, -err);
		/* nobody would answer the pin */
		pci_intx_enable(d, false);
		return err;
	}
	log_info("virtio_pci", "%s: no MSI-X: interrupts by pin, line %u", vp->vd.name,
	         d->irq_line);
	vp->vd.irq_mode = VIRTIO_IRQ_INTX;
	pci_intx_enable(d, true);
	return 0;
}

enum virtio_irq_mode virtio_pci_irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	struct virtio_pci *vp = virtio_pci_of(vd);

	assert(wanted >= 1 && wanted <= VIRTIO_PCI_VECTORS_MAX && !vp->irq_fn);
	vp->irq_fn = fn;
	if (msix_setup(vp, wanted))
		intx_setup(vp);
	return vd->irq_mode;
}

void virtio_pci_irq_route(struct virtio_dev *vd, unsigned i, unsigned lcore)
{
	struct virtio_pci *vp = virtio_pci_of(vd);
	int err;

	if (vd->irq_mode != VIRTIO_IRQ_MSIX || !lcore)
		return;
	err = msix_move(&vp->msix, 1 + i, lcore);
	if (err)
		log_info("virtio_pci",
		         "%s: vector %u cannot go to lcore %u (error %d): the first lcore wakes it",
		         vd->name, 1 + i, lcore, -err);
	msix_save(&vp->msix, 1 + i, &vp->vectors[1 + i].msg);
}

/* ---- vectors ------------------------------------------------------------------------------ */

int virtio_pci_set_config_vector(struct virtio_dev *vd, uint16_t vector)
{
	struct virtio_pci *vp = virtio_pci_of(vd);

	if (!vp->msix_on)
		return 0; /* the pin needs no vector */
	assert(vector == VIRTIO_MSI_NO_VECTOR || vector < vd->nb_vectors);
	return vp->regs->config_vector(vp, vector) == vector ? 0 : -EIO;
}

void virtio_pci_queue_vector(struct virtio_pci *vp, unsigned queue, uint16_t vector)
{
	if (!vp->msix_on)
		return;
	assert(vector == VIRTIO_MSI_NO_VECTOR || vector < vp->vd.nb_vectors);
	if (vp->regs->queue_vector(vp, vector) == vector)
		return;
	if (vector == VIRTIO_MSI_NO_VECTOR) {
		log_warn("virtio_pci",
		         "%s: the device gives queue %u a vector that was not asked for: its "
		         "interrupts may come",
		         vp->vd.name, queue);
		return;
	}

	log_warn("virtio_pci", "%s: the device refuses vector %u for queue %u: trying vector 0",
	         vp->vd.name, vector, queue);
	vp->vector_shared = true;
	vp->vd.irq_mode = VIRTIO_IRQ_SHARED;
	if (vector != 0 && vp->regs->queue_vector(vp, 0) == 0)
		return;
	log_warn("virtio_pci", "%s: no interrupts for queue %u: polling only", vp->vd.name, queue);
	vp->regs->queue_vector(vp, VIRTIO_MSI_NO_VECTOR);
	vp->vd.irq_mode = VIRTIO_IRQ_NONE;
}
