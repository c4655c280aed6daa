/*
 * The model device's registers behind struct virtio_transport_ops: features, status, configuration
 * space, queues and interrupts, and the order in which a driver has to use them (virtio 2.1, 2.2,
 * 2.5, 3.1, 4.1.4.3).
 */
#include "tests/model/vdev_internal.h"

#include "drivers/virtio/virtqueue.h"
#include "kernel/errno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_KNOWN                                                                               \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK |              \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED)

/* Which feature needs which (5.1.3.1); of @needs one is enough. */
static const struct {
	uint64_t feature, needs;
} needs[] = {
    {VIRTIO_BIT(7) | VIRTIO_BIT(8) | VIRTIO_BIT(10) | VIRTIO_BIT(54) | VIRTIO_BIT(55),
     VIRTIO_NET_F_GUEST_CSUM},
    {VIRTIO_BIT(9), VIRTIO_BIT(7) | VIRTIO_BIT(8)},
    {VIRTIO_BIT(11) | VIRTIO_BIT(12) | VIRTIO_BIT(14) | VIRTIO_BIT(56), VIRTIO_NET_F_CSUM},
    {VIRTIO_BIT(13), VIRTIO_BIT(11) | VIRTIO_BIT(12)},
    {VIRTIO_BIT(18) | VIRTIO_BIT(19) | VIRTIO_BIT(21) | VIRTIO_BIT(22) | VIRTIO_BIT(23) |
         VIRTIO_BIT(52) | VIRTIO_BIT(53) | VIRTIO_BIT(60),
     VIRTIO_NET_F_CTRL_VQ},
    {VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_CTRL_VQ}, /* a SHOULD, 5.1.4.2 */
    {VIRTIO_BIT(61), VIRTIO_BIT(11) | VIRTIO_BIT(12)},
};

static struct vdev *of(struct virtio_dev *vd)
{
	return vd->transport;
}

/* Between writing 0 and reading 0 a driver does nothing else. */
static void check_reset_done(struct vdev *d, const char *access)
{
	if (d->reset_unread)
		vdev_violate(d, "4.1.4.3.2: %s before a reset was seen to be complete", access);
}

/* ---- features ----------------------------------------------------------------------------- */

static uint64_t get_features(struct virtio_dev *vd)
{
	struct vdev *d = of(vd);

	check_reset_done(d, "features read");
	return d->kind == VDEV_LEGACY ? d->offered & UINT32_MAX : d->offered;
}

static void check_features(struct vdev *d, uint64_t f)
{
	const uint64_t offered = d->kind == VDEV_LEGACY ? d->offered & UINT32_MAX : d->offered;
	const uint64_t legacy_only =
	    VIRTIO_F_NOTIFY_ON_EMPTY | VIRTIO_F_ANY_LAYOUT | VIRTIO_BIT(6) | VIRTIO_BIT(30);

	if (f & ~offered)
		vdev_violate(d, "2.2.1: features 0x%llx accepted that are not offered",
		             (unsigned long long)(f & ~offered));
	if (d->kind == VDEV_MODERN && (f & legacy_only))
		vdev_violate(d, "2.2.1: legacy features 0x%llx accepted on a modern device",
		             (unsigned long long)(f & legacy_only));
	if (f & (VIRTIO_BIT(4) | VIRTIO_BIT(31) | (0x3full << 44)))
		vdev_violate(d, "2.2.1: reserved features accepted");
	if ((offered & VIRTIO_F_VERSION_1) && !(f & VIRTIO_F_VERSION_1))
		vdev_violate(d, "6.1: VIRTIO_F_VERSION_1 offered and not accepted");
	if (d->kind == VDEV_LEGACY && (offered & VIRTIO_F_ANY_LAYOUT) && !(f & VIRTIO_F_ANY_LAYOUT))
		vdev_violate(d, "6.3: VIRTIO_F_ANY_LAYOUT offered and not accepted");
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		if ((f & needs[i].feature) && !(f & needs[i].needs))
			vdev_violate(d,
			             "2.2.1: one of the features 0x%llx without what it requires",
			             (unsigned long long)(f & needs[i].feature));
	}
}

static void set_features(struct virtio_dev *vd, uint64_t features)
{
	struct vdev *d = of(vd);

	check_reset_done(d, "features written");
	if (!(d->status & VIRTIO_STATUS_DRIVER))
		vdev_violate(d, "3.1.1: features written before DRIVER");
	if (d->status & (VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)) {
		vdev_violate(d, "3.1.1: features written after FEATURES_OK or DRIVER_OK");
		return;
	}
	check_features(d, features);
	d->features = features & d->offered;
	/* 5.1.9.5.9: on from the start; 5.1.9.5.6: multiqueue is not. All comes, as from QEMU's */
	d->ctrl = (struct vdev_ctrl){
	    .offloads = d->features, .pairs = 1, .mode[VIRTIO_NET_CTRL_RX_PROMISC] = 1};
	d->features_written = true;
}

/* ---- status ------------------------------------------------------------------------------- */

void vdev_queue_close(struct vdev_queue *q)
{
	if (!q->enabled)
		return;
	q->ring->check(q, true);
	for (unsigned i = 0; i < q->nb_pending; i++)
		free(q->pending[i]);
	free(q->pending);
	free(q->picked);
	free(q->torn);
	q->torn = NULL;
	q->nb_pending = 0;
	q->ring->close(q);
	q->enabled = q->dead = false;
	q->vector = VIRTIO_MSI_NO_VECTOR;
}

static void reset(struct vdev *d)
{
	for (unsigned i = 0; i < VDEV_QUEUES_MAX; i++) {
		vdev_queue_close(&d->queue[i]);
		d->queue[i].was_reset = false;
	}
	d->resets++;
	d->reset_seen = d->reset_unread = true;
	d->reset_left = d->reset_reads;
	d->features = 0;
	d->features_written = false;
	d->config_vector = VIRTIO_MSI_NO_VECTOR;
	if (!d->reset_left && !d->reset_sticks)
		d->status = 0;
}

static bool present(struct virtio_dev *vd)
{
	return !of(vd)->gone;
}

void vdev_take_out(struct vdev *d)
{
	reset(d);
	d->reset_unread = false;
	d->status = 0;
	d->gone = true;
}

void vdev_put_back(struct vdev *d)
{
	d->gone = false;
}

static uint8_t get_status(struct virtio_dev *vd)
{
	struct vdev *d = of(vd);

	if (d->gone)
		return 0xff;

	if (d->reset_unread && !d->reset_sticks) {
		if (d->reset_left) {
			/* a device that had no status yet is resetting all the same */
			d->reset_left--;
			return d->status ? d->status : VIRTIO_STATUS_ACKNOWLEDGE;
		}
		d->status = 0;
		d->reset_unread = false;
	}
	if (d->reset_sticks && !d->status)
		return VIRTIO_STATUS_ACKNOWLEDGE;
	return d->status;
}

static void check_status_order(struct vdev *d, uint8_t new)
{
	const uint8_t old = d->status;
	const bool modern = d->kind == VDEV_MODERN;

	if (!d->reset_seen)
		vdev_violate(d, "3.1.1: status written before a first reset");
	if ((new &VIRTIO_STATUS_DRIVER) && !(old & VIRTIO_STATUS_ACKNOWLEDGE))
		vdev_violate(d, "3.1.1: DRIVER before ACKNOWLEDGE");
	if (new &VIRTIO_STATUS_FEATURES_OK) {
		if (!modern)
			vdev_violate(d, "3.1.2: FEATURES_OK on a legacy device");
		if (!(old & VIRTIO_STATUS_DRIVER))
			vdev_violate(d, "3.1.1: FEATURES_OK before DRIVER");
		if (!d->features_written)
			vdev_violate(d, "3.1.1: FEATURES_OK before the features were written");
	}
	if (new &VIRTIO_STATUS_DRIVER_OK) {
		if (!(old & VIRTIO_STATUS_DRIVER))
			vdev_violate(d, "3.1.1: DRIVER_OK before DRIVER");
		if (modern && !(old & VIRTIO_STATUS_FEATURES_OK))
			vdev_violate(d, "3.1.1: DRIVER_OK without FEATURES_OK");
	}
}

static bool features_acceptable(const struct vdev *d)
{
	return (d->features & d->features_needed) == d->features_needed &&
	       !(d->features & d->features_refused);
}

static void set_status(struct virtio_dev *vd, uint8_t status)
{
	struct vdev *d = of(vd);
	const uint8_t old = d->status & (uint8_t)~VIRTIO_STATUS_NEEDS_RESET;
	uint8_t new = status &(uint8_t)~VIRTIO_STATUS_NEEDS_RESET;

	if (d->gone)
		return;
	if (!status) {
		reset(d);
		return;
	}
	check_reset_done(d, "status written");
	if (old & ~new)
		vdev_violate(d, "2.1.1: status bits 0x%02x cleared without a reset", old & ~new);
	if (new & ~STATUS_KNOWN)
		vdev_violate(d, "2.1.1: unknown status bits 0x%02x", new & ~STATUS_KNOWN);
	if ((old & VIRTIO_STATUS_FAILED) && new != old)
		vdev_violate(d, "2.1.1: status written after FAILED without a reset");
	new &= (uint8_t)~old;
	check_status_order(d, new);

	if ((new &VIRTIO_STATUS_FEATURES_OK) && !features_acceptable(d))
		new &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	d->status |= new;
	if ((new &VIRTIO_STATUS_DRIVER_OK) && d->needs_reset_at_start)
		vdev_needs_reset(d);
}

/* ---- configuration space ------------------------------------------------------------------ */

struct field {
	unsigned offset, len;
	uint64_t feature; /* one of them makes it exist; 0: it always does */
};

#define FIELD(name, with)                                                                          \
	{                                                                                          \
		offsetof(struct virtio_net_config, name),                                          \
		    sizeof(((struct virtio_net_config *)0)->name), with                            \
	}

static const struct field fields[] = {
    FIELD(mac, VIRTIO_NET_F_MAC),
    FIELD(status, VIRTIO_NET_F_STATUS),
    FIELD(max_virtqueue_pairs, VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS),
    FIELD(mtu, VIRTIO_NET_F_MTU),
    FIELD(speed, VIRTIO_NET_F_SPEED_DUPLEX),
    FIELD(duplex, VIRTIO_NET_F_SPEED_DUPLEX),
    FIELD(rss_max_key_size, VIRTIO_NET_F_RSS | VIRTIO_BIT(57)),
    FIELD(rss_max_indirection_table_length, VIRTIO_NET_F_RSS),
    FIELD(supported_hash_types, VIRTIO_NET_F_RSS | VIRTIO_BIT(57)),
};

static void check_config_access(struct vdev *d, unsigned offset, unsigned len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];

		if (f->offset != offset || f->len != len)
			continue;
		if (!(d->offered & f->feature))
			vdev_violate(d, "2.5.1: configuration read at %u without its feature",
			             offset);
		return;
	}
	/* the address is an array of bytes */
	if (offset + len <= sizeof(d->config.mac) && len == 1)
		return;
	vdev_violate(d, "4.1.3.1: configuration read of %u bytes at %u: no field has them", len,
	             offset);
}

static void config_set(struct vdev *d, const struct virtio_net_config *config)
{
	d->config = *config;
	d->generation++;
}

static int config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	struct vdev *d = of(vd);
	const uint8_t *now = (const uint8_t *)&d->config;
	struct virtio_net_config before = d->config;

	check_reset_done(d, "configuration read");
	if (offset > d->config_len || len > d->config_len - offset)
		return -ERANGE;
	check_config_access(d, offset, len);
	if (d->config_race_times && !--d->config_race_reads) {
		memcpy(out, now + offset, len / 2);
		config_set(d, &d->config_next);
		memcpy((uint8_t *)out + len / 2, now + offset + len / 2, len - len / 2);
		/* back and forth as often as asked */
		d->config_next = before;
		d->config_race_times--;
		d->config_race_reads = 1;
		return 0;
	}
	memcpy(out, now + offset, len);
	return 0;
}

static int config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len)
{
	struct vdev *d = of(vd);

	check_reset_done(d, "configuration written");
	if (offset > d->config_len || len > d->config_len - offset)
		return -ERANGE;
	if (d->kind == VDEV_MODERN || offset + len > sizeof(d->config.mac))
		vdev_violate(d, "5.1.4.2: configuration written at %u", offset);
	else
		memcpy((uint8_t *)&d->config + offset, in, len);
	return 0;
}

static uint32_t config_generation(struct virtio_dev *vd)
{
	struct vdev *d = of(vd);

	return d->kind == VDEV_LEGACY ? 0 : d->generation;
}

void vdev_config_change(struct vdev *d, const struct virtio_net_config *config)
{
	config_set(d, config);
	vdev_interrupt_config(d);
}

void vdev_config_race(struct vdev *d, const struct virtio_net_config *next, unsigned reads,
                      unsigned times)
{
	d->config_next = *next;
	d->config_race_reads = reads;
	d->config_race_times = times;
}

/* ---- queues ------------------------------------------------------------------------------- */

static unsigned nb_queues(struct virtio_dev *vd)
{
	return of(vd)->nb_queues;
}

static uint16_t queue_size(struct virtio_dev *vd, uint16_t index)
{
	struct vdev *d = of(vd);

	check_reset_done(d, "queue size read");
	return index < d->nb_queues ? d->queue_max[index] : 0;
}

static void check_queue(struct vdev *d, const struct virtqueue *vq)
{
	const uint8_t before =
	    d->kind == VDEV_MODERN ? VIRTIO_STATUS_FEATURES_OK : VIRTIO_STATUS_DRIVER;
	const uint16_t max = d->queue_max[vq->index];

	check_reset_done(d, "queue enabled");
	if (!(d->status & before))
		vdev_violate(d, "3.1.1: queue %u enabled before feature negotiation", vq->index);
	if ((d->status & VIRTIO_STATUS_DRIVER_OK) && !d->queue[vq->index].was_reset)
		vdev_violate(d, "3.1.1: queue %u enabled after DRIVER_OK", vq->index);
	if (d->queue[vq->index].enabled)
		vdev_violate(d, "4.1.4.3.2: queue %u enabled twice", vq->index);
	if (!vq->nentries || vq->nentries > max)
		vdev_violate(d, "4.1.4.3: queue %u: size %u of at most %u", vq->index, vq->nentries,
		             max);
	if (d->kind == VDEV_LEGACY && vq->nentries != max)
		vdev_violate(d, "2.7.2: queue %u: size %u of a legacy queue that has %u", vq->index,
		             vq->nentries, max);
}

static int queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct vdev *d = of(vd);

	if (vq->index >= d->nb_queues) {
		vdev_violate(d, "5.1.2: queue %u enabled, which does not exist", vq->index);
		return -EIO;
	}
	check_queue(d, vq);
	if (vector != VIRTIO_MSI_NO_VECTOR && vector >= d->vectors)
		vdev_violate(d, "4.1.5.1.2.2: queue %u: vector %u of %u", vq->index, vector,
		             d->vectors);
	if (d->queue_error && d->queue_error_at == vq->index)
		return d->queue_error;
	if (d->ring_reach && vq->desc_iova > d->ring_reach)
		return -ERANGE;

	struct vdev_queue *q = &d->queue[vq->index];

	vdev_queue_close(q);
	q->ring = vdev_has(d, VIRTIO_F_RING_PACKED) ? &vdev_ring_packed : &vdev_ring_split;
	q->size = vq->nentries;
	q->batch = (struct vdev_used){.nb_bufs = 0};
	q->vector = vector;
	q->desc_iova = vq->desc_iova;
	q->avail_iova = vq->avail_iova;
	q->used_iova = vq->used_iova;
	if (!q->ring->open(q)) {
		q->ring->close(q);
		return -EIO;
	}
	q->pending = calloc(q->size, sizeof(q->pending[0]));
	q->picked = calloc(q->size, sizeof(q->picked[0]));
	if (!q->pending || !q->picked)
		abort();
	q->enabled = true;
	/* 5.1.9.5.10.6 */
	d->ctrl.coal[vq->index] = d->ctrl.coal_all[vq->index & 1];
	return 0;
}

static int queue_reset(struct virtio_dev *vd, const struct virtqueue *vq)
{
	struct vdev *d = of(vd);
	struct vdev_queue *q = &d->queue[vq->index];

	check_reset_done(d, "queue reset");
	if (!vdev_has(d, VIRTIO_F_RING_RESET))
		vdev_violate(d, "2.6.1: queue %u reset without VIRTIO_F_RING_RESET", vq->index);
	if (vq->index >= d->nb_queues || !q->enabled) {
		vdev_violate(d, "4.1.4.3: queue %u reset, which is not enabled", vq->index);
		return 0;
	}
	if (d->queue_reset_sticks)
		return -ETIMEDOUT;
	vdev_queue_close(q);
	q->was_reset = true;
	return 0;
}

static void notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	struct vdev *d = of(vd);

	if (d->gone)
		return;
	check_reset_done(d, "notification");
	if (!(d->status & VIRTIO_STATUS_DRIVER_OK))
		vdev_violate(d, "3.1.1: queue %u notified before DRIVER_OK", vq->index);
	if (vq->index >= d->nb_queues || !d->queue[vq->index].enabled) {
		vdev_violate(d, "4.1.4.4: queue %u notified, which is not enabled", vq->index);
		return;
	}

	struct vdev_queue *q = &d->queue[vq->index];

	/* release: with the ring before it, as the register write does (pair N) */
	__atomic_add_fetch(&q->kicks, 1, __ATOMIC_RELEASE);
	if (d->threaded)
		return; /* the rest is for the device's own thread */
	if (!q->ring->kick_due(q)) {
		if (q->ring->kick_late && q->ring->kick_late(q))
			q->kicks_late++;
		else
			q->kicks_unwanted++;
	}
	q->ring->kick_seen(q);
	/* commands are waited for, so they are carried out at once */
	if (vdev_is_ctrl(q) && !q->dead)
		(void)vdev_queue_step(q, 1);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static enum virtio_irq_mode irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	struct vdev *d = of(vd);

	d->irq_fn = fn;
	d->irq_wanted = wanted;
	if (d->vectors >= wanted)
		d->irq_mode = VIRTIO_IRQ_MSIX;
	else if (d->vectors)
		d->irq_mode = VIRTIO_IRQ_SHARED;
	else
		d->irq_mode = d->intx ? VIRTIO_IRQ_INTX : VIRTIO_IRQ_NONE;
	vd->irq_mode = d->irq_mode;
	vd->nb_vectors = 0;
	if (d->irq_mode == VIRTIO_IRQ_MSIX)
		vd->nb_vectors = (uint16_t)wanted;
	else if (d->irq_mode == VIRTIO_IRQ_SHARED)
		vd->nb_vectors = 1;
	return d->irq_mode;
}

static int set_config_vector(struct virtio_dev *vd, uint16_t vector)
{
	struct vdev *d = of(vd);

	check_reset_done(d, "configuration vector written");
	if (vector != VIRTIO_MSI_NO_VECTOR && vector >= d->vectors)
		vdev_violate(d, "4.1.5.1.2.2: configuration vector %u of %u", vector, d->vectors);
	if (d->vector_error)
		return d->vector_error;
	d->config_vector = vector;
	return 0;
}

/* A vector, or the pin, goes off: what the transport makes of it. */
static void interrupt(struct vdev *d, uint16_t vector, bool config)
{
	if (!d->irq_fn)
		return;
	if (d->irq_mode == VIRTIO_IRQ_MSIX) {
		d->irq_fn(d->vd, vector);
	} else if (d->irq_mode == VIRTIO_IRQ_SHARED) {
		d->irq_fn(d->vd, VIRTIO_IRQ_ANY);
	} else if (d->irq_mode == VIRTIO_IRQ_INTX) {
		d->irq_fn(d->vd, config ? 0 : VIRTIO_IRQ_ANY_QUEUE);
	}
}

void vdev_interrupt_queue(struct vdev_queue *q)
{
	if (q->vector == VIRTIO_MSI_NO_VECTOR && q->d->irq_mode != VIRTIO_IRQ_INTX) {
		q->quiet++;
		return;
	}
	q->interrupts++;
	interrupt(q->d, q->vector, false);
}

void vdev_interrupt_config(struct vdev *d)
{
	if (d->config_vector == VIRTIO_MSI_NO_VECTOR && d->irq_mode != VIRTIO_IRQ_INTX)
		return;
	d->config_interrupts++;
	interrupt(d, d->config_vector, true);
}

/* ---- the seam ----------------------------------------------------------------------------- */

#define OPS                                                                                        \
	.present = present, .get_features = get_features, .set_features = set_features,            \
	.get_status = get_status, .set_status = set_status, .config_read = config_read,            \
	.config_write = config_write, .config_generation = config_generation,                      \
	.nb_queues = nb_queues, .queue_size = queue_size, .queue_enable = queue_enable,            \
	.queue_reset = queue_reset, .irq_setup = irq_setup,                                        \
	.set_config_vector = set_config_vector, .notify = notify

static const struct virtio_transport_ops modern_ops = {.name = "modern", OPS};
static const struct virtio_transport_ops legacy_ops = {
    .name = "legacy", .queue_size_is_fixed = true, OPS};

void vdev_attach(struct vdev *d, struct virtio_dev *vd)
{
	memset(vd, 0, sizeof(*vd));
	vd->ops = d->kind == VDEV_LEGACY ? &legacy_ops : &modern_ops;
	vd->transport = d;
	vd->device_id = VIRTIO_ID_NET;
	vd->legacy = d->kind == VDEV_LEGACY;
	snprintf(vd->name, sizeof(vd->name), "model");
	d->vd = vd;
}
