/*
 * The device's side of a back end: the front end's memory and rings become those of the model. It
 * is hostile: whatever it says of them is looked at before they are used, here or by the model.
 */
#include "tools/vswitch/vhost_port.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define WRAP_BIT 15
#define NOWHERE UINT64_MAX /* in no region, see vhost_region_map() */

/* ---- memory ------------------------------------------------------------------------------- */

void vhost_port_unmap(struct vhost_port *p)
{
	for (unsigned i = 0; i < p->nb_regions; i++)
		vhost_region_unmap(&p->region[i]);
	p->nb_regions = 0;
	vdev_memory_free(&p->d.memory);
}

int vhost_port_map(struct vhost_port *p, const struct vhost_region *r, int fd)
{
	struct vhost_mapping *m = &p->region[p->nb_regions];
	const int err =
	    p->nb_regions < VHOST_USER_REGIONS_MAX ? vhost_region_map(m, r, fd) : -ENOSPC;

	if (err)
		return err;
	p->nb_regions++;
	vdev_memory_add(&p->d.memory, vhost_region_va(m), r->guest_addr, r->bytes);
	return 0;
}

bool vhost_port_memory_is_cut(const struct vhost_port *p)
{
	for (unsigned i = 0; i < p->nb_regions; i++) {
		if (p->region[i].cut)
			return true;
	}
	return false;
}

/* The front end's address of a ring as the device has it, or NOWHERE. */
static uint64_t ring_iova(const struct vhost_port *p, uint64_t user)
{
	for (unsigned i = 0; i < p->nb_regions; i++) {
		const struct vhost_region *r = &p->region[i].r;

		if (user >= r->user_addr && user - r->user_addr < r->bytes)
			return user - r->user_addr + r->guest_addr;
	}
	return NOWHERE;
}

/* ---- the device --------------------------------------------------------------------------- */

static void status_add(struct vhost_port *p, uint8_t bits)
{
	p->vd.ops->set_status(&p->vd, (uint8_t)(p->vd.ops->get_status(&p->vd) | bits));
}

void vhost_port_reset(struct vhost_port *p)
{
	p->vd.ops->set_status(&p->vd, 0);
	(void)p->vd.ops->get_status(&p->vd);
	p->running = false;
}

/* In interrupt context of the model: vector 1 + i is ring i's. */
static void device_irq(struct virtio_dev *vd, unsigned vector)
{
	struct vhost_port *p = vd->driver;
	const uint64_t one = 1;

	if (vector && vector <= VHOST_PORT_RINGS && p->inject)
		p->inject(p, vector - 1);
	else if (vector && vector <= VHOST_PORT_RINGS && p->ring[vector - 1].call_fd >= 0)
		(void)!write(p->ring[vector - 1].call_fd, &one, sizeof(one));
}

/* The next descriptor of a packed ring. Behind it, in the upper half, may be the next used one:
 * ours is the same, as nothing that was fetched stays with a device that is stopped. */
static uint16_t packed_pos(uint32_t base)
{
	return base & ((1u << WRAP_BIT) - 1);
}

/* A ring goes on where it was stopped. */
static void ring_seek(struct vdev_queue *q, uint32_t base, bool packed)
{
	if (packed) {
		const struct vdev_cursor at = {.pos = packed_pos(base),
		                               .wrap = base >> WRAP_BIT & 1};

		q->fetch_at = q->use_at = q->public_at = at;
		return;
	}
	q->avail_idx = q->seen_idx = q->used_idx = q->used_idx_public = (uint16_t)base;
}

uint32_t vhost_port_ring_base(const struct vhost_port *p, uint32_t index)
{
	const struct vdev_queue *q = &p->d.queue[index];

	if (!q->enabled)
		return p->ring[index].base;
	if (p->d.features & VIRTIO_F_RING_PACKED)
		return q->use_at.pos | (uint32_t)q->use_at.wrap << WRAP_BIT;
	return q->used_idx;
}

/* Whatever the front end gave; the model looks at sizes and addresses once more. */
static int ring_enable(struct vhost_port *p, uint16_t index)
{
	const struct vhost_port_ring *r = &p->ring[index];
	const bool packed = p->features & VIRTIO_F_RING_PACKED;
	struct virtqueue vq = {
	    .index = index,
	    .nentries = (uint16_t)r->num,
	    .desc_iova = ring_iova(p, r->addr.desc),
	    .avail_iova = ring_iova(p, r->addr.avail),
	    .used_iova = ring_iova(p, r->addr.used),
	};

	if (r->num > VRING_SIZE_MAX || (packed && packed_pos(r->base) >= r->num))
		return -EINVAL;
	if (p->vd.ops->queue_enable(&p->vd, &vq, (uint16_t)(1 + index)))
		return -EINVAL;
	ring_seek(&p->d.queue[index], r->base, packed);
	return 0;
}

int vhost_port_start(struct vhost_port *p)
{
	int err = 0;

	vhost_port_reset(p);
	status_add(p, VIRTIO_STATUS_ACKNOWLEDGE);
	status_add(p, VIRTIO_STATUS_DRIVER);
	p->vd.ops->set_features(&p->vd, p->features & p->d.offered);
	status_add(p, VIRTIO_STATUS_FEATURES_OK);
	for (uint16_t i = 0; !err && i < VHOST_PORT_RINGS; i++)
		err = ring_enable(p, i);
	if (err) {
		printf("%s: rings of a size, at a place or at a position that cannot be\n",
		       p->path);
		vhost_port_reset(p);
		return err;
	}
	status_add(p, VIRTIO_STATUS_DRIVER_OK);
	p->running = true;
	printf("%s: runs, features 0x%llx, rings of %u and %u\n", p->path,
	       (unsigned long long)p->features, p->ring[0].num, p->ring[1].num);
	if (p->lie != VDEV_TRUTH)
		vdev_lie(&p->d, p->lie_queue, p->lie, p->lie_after, p->lie_value);
	p->lie = VDEV_TRUTH;
	return 0;
}

void vhost_port_stop(struct vhost_port *p)
{
	for (uint32_t i = 0; p->running && i < VHOST_PORT_RINGS; i++)
		p->ring[i].base = vhost_port_ring_base(p, i);
	vhost_port_reset(p);
}

void vhost_port_push(struct vhost_port *p, const void *data, uint32_t len)
{
	if (!p->running || p->d.queue[0].frames.n >= VHOST_PORT_WAITING_MAX) {
		p->dropped++;
		return;
	}
	p->rx_packets++;
	vdev_net_rx_push(&p->d, 0, data, len);
}

void vhost_port_make(struct vhost_port *p, const char *path)
{
	p->path = path;
	p->fd = p->listen_fd = -1;
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++)
		p->ring[i].kick_fd = p->ring[i].call_fd = -1;
	vdev_open(&p->d, VDEV_MODERN);
	p->d.offered = p->offered;
	p->d.threaded = true;
	p->d.kick = VDEV_KICK_NEVER;
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++)
		p->d.queue_max[i] = VRING_SIZE_MAX;
	vdev_attach(&p->d, &p->vd);
	p->vd.driver = p;
	p->vd.ops->irq_setup(&p->vd, 1 + VHOST_PORT_RINGS, device_irq);
}
