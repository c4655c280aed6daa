/*
 * The kernel's side of a VDUSE port: its requests become the steps by which a driver brings the
 * model up. Rings are polled, so there is no event counter for kicks; the memory that a driver uses
 * is mapped when the device first looks at it, as the kernel's own driver takes more as it runs.
 */
#include "tools/vswitch/vduse_port.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vduse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CONTROL "/dev/vduse/control"
#define RING_SIZE 1024
#define RING_ALIGN 4096
#define REQUESTS_MAX 64 /* in one poll */
#define FEATURES (VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS)

/* One for each port, for vduse_reach(). */
static struct vduse_port *ports[VHOST_REGIONS_MAX];

/* ---- memory ------------------------------------------------------------------------------- */

static bool map_at(struct vduse_port *v, uint64_t iova)
{
	struct vduse_iotlb_entry e = {.start = iova, .last = iova};
	const int fd = ioctl(v->fd, VDUSE_IOTLB_GET_FD, &e);
	int err;

	if (fd < 0)
		return false;

	const struct vhost_region r = {.guest_addr = e.start,
	                               .bytes = e.last - e.start + 1,
	                               .user_addr = e.start,
	                               .mmap_offset = e.offset};

	err = e.perm == VDUSE_ACCESS_RW ? vhost_port_map(v->p, &r, fd) : -EACCES;
	close(fd);
	if (err)
		printf("%s: memory at 0x%llx: %s\n", v->p->path, (unsigned long long)e.start,
		       strerror(-err));
	return !err;
}

/* The device looks where nothing was mapped yet. */
static bool vduse_reach(struct vdev_memory *mem, uint64_t iova)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		if (ports[i] && &ports[i]->p->d.memory == mem)
			return map_at(ports[i], iova);
	}
	return false;
}

static void forget_memory(struct vduse_port *v)
{
	vhost_port_unmap(v->p);
	v->p->d.memory.miss = vduse_reach;
}

/* Rings are mapped when they are looked for. */
static bool rings_reach(struct vduse_port *v)
{
	struct vdev_memory *mem = &v->p->d.memory;
	bool all = true;

	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++) {
		const struct vhost_vring_addr *at = &v->p->ring[i].addr;

		all = all && vdev_memory_at(mem, at->desc, 1) &&
		      vdev_memory_at(mem, at->avail, 1) && vdev_memory_at(mem, at->used, 1);
	}
	return all;
}

/* What is mapped may be another now; rings go on where they were. */
static int update_memory(struct vduse_port *v)
{
	const bool running = v->p->running;

	vhost_port_stop(v->p);
	forget_memory(v);
	if (!running)
		return 0;
	return rings_reach(v) ? vhost_port_start(v->p) : -EFAULT;
}

/* ---- requests ----------------------------------------------------------------------------- */

static int ring_read(struct vduse_port *v, unsigned index)
{
	struct vhost_port_ring *r = &v->p->ring[index];
	struct vduse_vq_info info = {.index = index};

	if (ioctl(v->fd, VDUSE_VQ_GET_INFO, &info))
		return -errno;
	r->num = info.num;
	r->addr = (struct vhost_vring_addr){.index = index,
	                                    .desc = info.desc_addr,
	                                    .avail = info.driver_addr,
	                                    .used = info.device_addr};
	r->base = info.split.avail_index;
	if (v->p->features & VIRTIO_F_RING_PACKED)
		r->base = info.packed.last_avail_idx | (uint32_t)info.packed.last_avail_counter
		                                           << 15;
	return info.ready ? 0 : -EINVAL;
}

static int start(struct vduse_port *v)
{
	uint64_t features;
	int err = 0;

	if (ioctl(v->fd, VDUSE_DEV_GET_FEATURES, &features))
		return -errno;
	v->p->features = features;
	for (unsigned i = 0; !err && i < VHOST_PORT_RINGS; i++)
		err = ring_read(v, i);
	if (!err && !rings_reach(v))
		err = -EFAULT;
	return err ? err : vhost_port_start(v->p);
}

static int set_status(struct vduse_port *v, uint8_t status)
{
	const bool starts = (status & VIRTIO_STATUS_DRIVER_OK) && !v->p->running;

	v->p->status = status;
	if (!status)
		vhost_port_stop(v->p);
	return starts ? start(v) : 0;
}

static int ring_state(struct vduse_port *v, const struct vduse_dev_request *q,
                      struct vduse_dev_response *a)
{
	const uint32_t index = q->vq_state.index;

	if (index >= VHOST_PORT_RINGS)
		return -EINVAL;

	const uint32_t base = vhost_port_ring_base(v->p, index);

	a->vq_state.index = index;
	if (v->p->features & VIRTIO_F_RING_PACKED) {
		a->vq_state.packed.last_avail_idx = a->vq_state.packed.last_used_idx =
		    (uint16_t)(base & 0x7fff);
		a->vq_state.packed.last_avail_counter = a->vq_state.packed.last_used_counter =
		    (uint16_t)(base >> 15 & 1);
	} else {
		a->vq_state.split.avail_index = (uint16_t)base;
	}
	return 0;
}

static int handle(struct vduse_port *v, const struct vduse_dev_request *q,
                  struct vduse_dev_response *a)
{
	switch (q->type) {
	case VDUSE_GET_VQ_STATE:
		return ring_state(v, q, a);
	case VDUSE_SET_STATUS:
		return set_status(v, q->s.status);
	case VDUSE_UPDATE_IOTLB:
		return update_memory(v);
	default:
		return -EINVAL;
	}
}

void vduse_port_poll(struct vduse_port *v)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct vduse_dev_request q;
		struct vduse_dev_response a = {.result = VDUSE_REQ_RESULT_OK};
		int err;

		if (read(v->fd, &q, sizeof(q)) != sizeof(q))
			return;
		a.request_id = q.request_id;
		err = handle(v, &q, &a);
		if (err) {
			printf("%s: request %u refused: %s\n", v->p->path, q.type, strerror(-err));
			a.result = VDUSE_REQ_RESULT_FAILED;
		}
		if (write(v->fd, &a, sizeof(a)) != sizeof(a))
			printf("%s: no answer: %s\n", v->p->path, strerror(errno));
	}
}

/* In interrupt context of the model. */
static void inject(struct vhost_port *p, uint32_t index)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		if (ports[i] && ports[i]->p == p)
			ioctl(ports[i]->fd, VDUSE_VQ_INJECT_IRQ, &index);
	}
}

/* ---- life --------------------------------------------------------------------------------- */

static int device_make(struct vduse_port *v, const char *name)
{
	struct {
		struct vduse_dev_config c;
		struct virtio_net_config net;
	} make = {
	    .c = {.device_id = VIRTIO_ID_NET,
	          .features = v->p->offered | FEATURES,
	          .vq_num = VHOST_PORT_RINGS,
	          .vq_align = RING_ALIGN,
	          .config_size = sizeof(struct virtio_net_config)},
	    .net = {.mac = {2, 'v', 'd'}, .status = VIRTIO_NET_S_LINK_UP},
	};
	const uint64_t version = VDUSE_API_VERSION;

	if (strlen(name) >= sizeof(make.c.name))
		return -ENAMETOOLONG;
	memcpy(make.c.name, name, strlen(name));
	for (size_t i = 0; name[i]; i++)
		make.net.mac[3 + i % 3] = (uint8_t)(make.net.mac[3 + i % 3] * 31 + name[i]);
	if (ioctl(v->control_fd, VDUSE_SET_API_VERSION, &version) ||
	    ioctl(v->control_fd, VDUSE_CREATE_DEV, &make))
		return -errno;
	return 0;
}

static int rings_make(struct vduse_port *v)
{
	for (unsigned i = 0; i < VHOST_PORT_RINGS; i++) {
		const struct vduse_vq_config c = {.index = i, .max_size = RING_SIZE};

		if (ioctl(v->fd, VDUSE_VQ_SETUP, &c))
			return -errno;
	}
	return 0;
}

static int device_open(struct vduse_port *v, const char *name)
{
	char path[512];
	int err;

	snprintf(path, sizeof(path), "/dev/vduse/%s", name);
	v->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (v->fd < 0)
		return -errno;
	err = rings_make(v);
	if (err)
		close(v->fd);
	return err;
}

static void device_destroy(struct vduse_port *v)
{
	char name[VDUSE_NAME_MAX] = {0};

	memcpy(name, v->p->path, strlen(v->p->path));
	if (ioctl(v->control_fd, VDUSE_DESTROY_DEV, name))
		printf("%s: stays: %s (vdpa dev del %s)\n", name, strerror(errno), name);
}

int vduse_port_open(struct vduse_port *v, struct vhost_port *p, const char *name)
{
	unsigned slot = 0;
	int err;

	vhost_port_make(p, name);
	v->p = p;
	v->control_fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (v->control_fd < 0)
		return -errno;
	err = device_make(v, name);
	if (err)
		goto err_control;
	err = device_open(v, name);
	if (err)
		goto err_device;
	while (ports[slot])
		slot++;
	ports[slot] = v;
	v->p->d.offered |= FEATURES;
	v->p->inject = inject;
	forget_memory(v);
	return 0;

err_device:
	device_destroy(v);
err_control:
	close(v->control_fd);
	return err;
}

uint64_t vduse_port_close(struct vduse_port *v)
{
	uint64_t breaches;

	vhost_port_stop(v->p);
	vhost_port_unmap(v->p);
	breaches = vhost_port_close(v->p);
	close(v->fd);
	device_destroy(v);
	close(v->control_fd);
	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		if (ports[i] == v)
			ports[i] = NULL;
	}
	return breaches;
}
