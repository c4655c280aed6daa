/* See fake_vhost_dev.h. The rules are those of Linux' drivers/vhost and drivers/net/tun.c. */
#include "tests/unit/fake_vhost_dev.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/errno.h"
#include "tests/unit/plat_test.h"

#include <stdio.h>
#include <string.h>

#define FD_FIRST 100
#define E2BIG 7
#define EBADFD 77
#define RING_FILES_MIN 10 /* event counters have descriptors from here to FD_FIRST */

struct fake_dev dev;

void fake_dev_reset(void)
{
	dev = (struct fake_dev){
	    .features = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX |
	                VIRTIO_F_INDIRECT_DESC | VIRTIO_F_ACCESS_PLATFORM | VHOST_F_LOG_ALL |
	                VHOST_NET_F_HDR | VIRTIO_F_RING_RESET,
	    .backend_features = UINT64_MAX,
	    .device_id = VIRTIO_ID_NET,
	    .vring_num = 1024,
	    .range = {PLAT_TEST_IOVA_OFFSET, UINT64_MAX},
	    .config = {.mac = {2, 0, 0, 0, 0, 9}, .status = VIRTIO_NET_S_LINK_UP, .mtu = 1450},
	    .config_bytes = sizeof(struct virtio_net_config),
	    .tap_offloads = TAP_F_CSUM | TAP_F_TSO4 | TAP_F_TSO6 | TAP_F_USO4 | TAP_F_USO6,
	    .tap_up = true,
	    .error = -EIO,
	};
}

struct fake_dev_file *fake_dev_file(enum fake_dev_kind kind, unsigned n)
{
	for (unsigned i = 0; i < FAKE_DEV_FILES; i++) {
		if (dev.file[i].kind == kind && !n--)
			return &dev.file[i];
	}
	return NULL;
}

unsigned fake_dev_times(uint32_t request)
{
	unsigned n = 0;

	for (unsigned i = 0; i < min_u64(dev.calls, FAKE_DEV_SEEN); i++)
		n += dev.seen[i] == request;
	return n;
}

static int breach(const char *what)
{
	if (!dev.breach)
		dev.breach = what;
	return -EINVAL;
}

static struct fake_dev_file *file_of(int fd)
{
	return fd >= FD_FIRST && fd < FD_FIRST + FAKE_DEV_FILES ? &dev.file[fd - FD_FIRST] : NULL;
}

/* Is this call to fail? */
static bool refused(uint32_t request)
{
	dev.seen[dev.calls++ % FAKE_DEV_SEEN] = request;
	return dev.calls == dev.refuse_at || (request && request == dev.refuse);
}

/* ---- files -------------------------------------------------------------------------------- */

static int file_open(enum fake_dev_kind kind)
{
	for (int i = 0; i < FAKE_DEV_FILES; i++) {
		struct fake_dev_file *f = &dev.file[i];

		if (f->kind)
			continue;
		*f = (struct fake_dev_file){.kind = kind};
		for (unsigned r = 0; r < FAKE_DEV_RINGS; r++)
			f->ring[r].tap_fd = f->ring[r].kick_fd = -1;
		dev.open_files++;
		if (kind == FAKE_DEV_VDPA)
			dev.status = 0;
		return FD_FIRST + i;
	}
	return -ENOSPC;
}

int vhost_dev_open(const char *path)
{
	if (refused(0) || (dev.absent && !strcmp(path, dev.absent)))
		return dev.error;
	if (!strcmp(path, "/dev/vhost-net"))
		return file_open(FAKE_DEV_VHOST_NET);
	if (!strcmp(path, "/dev/net/tun"))
		return file_open(FAKE_DEV_TUN);
	if (!strcmp(path, "/dev/vhost-vdpa-0"))
		return file_open(FAKE_DEV_VDPA);
	return breach("a path of nothing");
}

int vhost_dev_socket(void)
{
	return refused(0) ? dev.error : file_open(FAKE_DEV_SOCKET);
}

void vhost_dev_close(int fd)
{
	struct fake_dev_file *f = file_of(fd);

	if (fd < 0)
		return;
	if (!f || !f->kind) {
		breach("closed, but not open");
		return;
	}
	if (f->kind == FAKE_DEV_VDPA)
		dev.mapped = (struct vhost_region){0};
	f->kind = FAKE_DEV_CLOSED;
	dev.open_files--;
}

/* ---- vhost -------------------------------------------------------------------------------- */

/* vhost-net has our addresses, vDPA the device's. */
static bool ring_is_shared(const struct fake_dev_file *f, const struct vhost_vring_addr *a)
{
	const struct vhost_memory *mem = vhost_memory();
	const uint64_t base =
	    f->kind == FAKE_DEV_VDPA ? dev.mapped.guest_addr : (uintptr_t)mem->base;
	const uint64_t bytes = f->kind == FAKE_DEV_VDPA ? dev.mapped.bytes : mem->bytes;

	return a->desc - base < bytes && a->avail - base < bytes && a->used - base < bytes;
}

static int take_ring(struct fake_dev_file *f, uint32_t request, const void *arg)
{
	const struct vhost_vring_state *s = arg;
	const struct vhost_ring_file *with = arg;

	if (s->index >= FAKE_DEV_RINGS)
		return breach("a ring that it has not");

	struct fake_dev_ring *r = &f->ring[s->index];

	if (r->tap_fd != -1 && request != VHOST_IO_NET_SET_BACKEND)
		return breach("a ring that runs is changed");
	switch (request) {
	case VHOST_IO_SET_VRING_NUM:
		r->num = s->num;
		return !s->num || (s->num & (s->num - 1)) ? breach("no power of two") : 0;
	case VHOST_IO_SET_VRING_BASE:
		r->base = s->num;
		r->has_base = true;
		return 0;
	case VHOST_IO_SET_VRING_ADDR:
		r->addr = *(const struct vhost_vring_addr *)arg;
		return ring_is_shared(f, &r->addr) ? 0 : breach("a ring outside of the memory");
	case VHOST_IO_SET_VRING_KICK:
		r->kick_fd = with->fd;
		break;
	case VHOST_IO_SET_VRING_CALL:
		r->call_fd = with->fd;
		break;
	case VHOST_IO_SET_VRING_ERR:
		r->err_fd = with->fd;
		break;
	case VHOST_IO_VDPA_SET_VRING_ENABLE:
		r->enabled = s->num;
		return r->kick_fd >= 0 && r->has_base && !(dev.status & VIRTIO_STATUS_DRIVER_OK)
		           ? 0
		           : breach("enabled too early, or too late");
	}
	return with->fd >= RING_FILES_MIN && with->fd < FD_FIRST ? 0 : breach("no event counter");
}

static int take_memory(struct fake_dev_file *f, const struct vhost_memory_table *t)
{
	const struct vhost_region *r = &t->region[0];

	f->has_memory = true;
	return t->nb_regions == 1 && !t->padding && !r->mmap_offset && r->bytes &&
	               r->bytes <= vhost_memory()->bytes &&
	               r->user_addr == (uintptr_t)vhost_memory()->base &&
	               r->guest_addr == plat_test_iova(vhost_memory()->base)
	           ? 0
	           : breach("a strange memory table");
}

static int take_backend(struct fake_dev_file *f, const struct vhost_ring_file *with)
{
	const struct fake_dev_file *tap = file_of(with->fd);
	struct fake_dev_ring *r = &f->ring[with->index % FAKE_DEV_RINGS];

	if (with->index >= FAKE_DEV_RINGS)
		return breach("a ring that it has not");
	r->tap_fd = with->fd;
	if (with->fd == -1)
		return 0;
	if (!f->has_memory || !r->num || !r->has_base || r->kick_fd < 0)
		return breach("a ring that is not complete");
	return tap && tap->kind == FAKE_DEV_TUN && tap->attached && dev.tap_hdr_len &&
	               !tap->detached
	           ? 0
	           : breach("no tap, or one without a header or packets");
}

static int take_features(struct fake_dev_file *f, uint64_t features)
{
	const uint64_t own = f->kind == FAKE_DEV_VDPA
	                         ? VHOST_F_LOG_ALL
	                         : VHOST_F_LOG_ALL | VHOST_NET_F_HDR | VIRTIO_F_ACCESS_PLATFORM;

	f->features = features;
	if (features & ~dev.features)
		return breach("features that were not offered");
	return features & own ? breach("features of the conversation itself") : 0;
}

static int do_vhost(struct fake_dev_file *f, uint32_t request, void *arg)
{
	if (!f->owned && request != VHOST_IO_SET_OWNER && request != VHOST_IO_VDPA_GET_DEVICE_ID)
		return breach("nobody's");
	switch (request) {
	case VHOST_IO_SET_OWNER:
		f->owned = true;
		return 0;
	case VHOST_IO_GET_FEATURES:
		*(uint64_t *)arg = dev.features;
		return 0;
	case VHOST_IO_SET_FEATURES:
		return take_features(f, *(uint64_t *)arg);
	case VHOST_IO_SET_VRING_NUM:
	case VHOST_IO_SET_VRING_BASE:
	case VHOST_IO_SET_VRING_ADDR:
	case VHOST_IO_SET_VRING_KICK:
	case VHOST_IO_SET_VRING_CALL:
	case VHOST_IO_SET_VRING_ERR:
		return take_ring(f, request, arg);
	}
	return -EOPNOTSUPP;
}

static int do_net(struct fake_dev_file *f, uint32_t request, void *arg)
{
	const int n = do_vhost(f, request, arg);

	if (n != -EOPNOTSUPP)
		return n;
	switch (request) {
	case VHOST_IO_SET_MEM_TABLE:
		return take_memory(f, arg);
	case VHOST_IO_NET_SET_BACKEND:
		return take_backend(f, arg);
	}
	return breach("a request that vhost-net has not");
}

/* ---- vDPA --------------------------------------------------------------------------------- */

static int set_status(struct fake_dev_file *f, uint8_t status)
{
	if (status && (dev.status & ~status))
		return breach("a bit of the status is taken away");
	dev.status = status;
	if (dev.does_not_agree)
		dev.status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	for (unsigned i = 0; !status && i < FAKE_DEV_RINGS; i++)
		f->ring[i].enabled = false;
	return 0;
}

static int get_config(void *arg)
{
	const struct vdpa_config_head h = *(const struct vdpa_config_head *)arg;

	if (h.offset || h.size > dev.config_bytes)
		return -E2BIG;
	memcpy((char *)arg + sizeof(h), &dev.config, h.size);
	return 0;
}

static int do_vdpa(struct fake_dev_file *f, uint32_t request, void *arg)
{
	const int n = do_vhost(f, request, arg);

	if (n != -EOPNOTSUPP)
		return n;
	switch (request) {
	case VHOST_IO_VDPA_GET_DEVICE_ID:
		*(uint32_t *)arg = dev.device_id;
		return 0;
	case VHOST_IO_GET_BACKEND_FEATURES:
		*(uint64_t *)arg = dev.backend_features;
		return 0;
	case VHOST_IO_SET_BACKEND_FEATURES:
		f->batch = *(uint64_t *)arg & BACKEND_F_IOTLB_BATCH;
		return *(uint64_t *)arg & ~(BACKEND_F_IOTLB_MSG_V2 | BACKEND_F_IOTLB_BATCH)
		           ? breach("backend features that nobody here knows")
		           : 0;
	case VHOST_IO_VDPA_GET_VRING_NUM:
		*(uint16_t *)arg = dev.vring_num;
		return 0;
	case VHOST_IO_VDPA_GET_IOVA_RANGE:
		*(struct iova_range *)arg = dev.range;
		return dev.range.last ? 0 : -EINVAL;
	case VHOST_IO_VDPA_GET_STATUS:
		*(uint8_t *)arg = dev.status;
		return 0;
	case VHOST_IO_VDPA_SET_STATUS:
		return set_status(f, *(uint8_t *)arg);
	case VHOST_IO_VDPA_GET_CONFIG:
		return get_config(arg);
	case VHOST_IO_VDPA_SET_VRING_ENABLE:
		return take_ring(f, request, arg);
	}
	return breach("a request that vhost-vdpa has not");
}

static int take_iotlb(struct fake_dev_file *f, const struct iotlb_message *m)
{
	const bool is_mapped = dev.mapped.bytes;

	if (m->type != IOTLB_MSG_V2 || m->asid || !f->owned)
		return breach("a message of another kind");
	switch (m->what) {
	case IOTLB_BATCH_BEGIN:
	case IOTLB_BATCH_END:
		f->in_batch = m->what == IOTLB_BATCH_BEGIN;
		return f->batch ? 0 : breach("a batch without its feature");
	case IOTLB_INVALIDATE:
		if (m->iova != dev.mapped.guest_addr || m->bytes != dev.mapped.bytes)
			return breach("what was not mapped is taken away");
		dev.mapped = (struct vhost_region){0};
		return 0;
	case IOTLB_UPDATE:
		dev.maps++;
		dev.mapped = (struct vhost_region){m->iova, m->bytes, m->user_addr, 0};
		if (is_mapped)
			return breach("mapped twice");
		if (f->in_batch != f->batch || m->access != IOTLB_ACCESS_RW)
			return breach("not in a batch, or not to be written");
		return m->user_addr == (uintptr_t)vhost_memory()->base &&
		               m->iova == plat_test_iova(vhost_memory()->base) &&
		               m->bytes <= vhost_memory()->bytes
		           ? 0
		           : breach("other memory is mapped");
	}
	return breach("a message of another kind");
}

int vhost_dev_write(int fd, const void *data, size_t len)
{
	struct fake_dev_file *f = file_of(fd);

	if (refused(0))
		return dev.error;
	if (!f || f->kind != FAKE_DEV_VDPA || len != sizeof(struct iotlb_message))
		return breach("a strange message");
	return take_iotlb(f, data);
}

/* ---- taps --------------------------------------------------------------------------------- */

static int tap_attach(struct fake_dev_file *f, struct if_request *r)
{
	const unsigned flags = TAP_IFF_TAP | TAP_IFF_NO_PI | TAP_IFF_VNET_HDR;

	if ((r->flags & ~TAP_IFF_MULTI_QUEUE) != flags || f->attached)
		return breach("a strange tap");
	if (dev.tap_has_queues && !(r->flags & TAP_IFF_MULTI_QUEUE))
		return -EINVAL;
	if (!r->name[0])
		snprintf(r->name, sizeof(r->name), "tap0");
	memcpy(dev.tap_name, r->name, sizeof(dev.tap_name));
	f->attached = true;
	dev.tap_gone = false;
	return 0;
}

static int do_tap(struct fake_dev_file *f, uint32_t request, void *arg)
{
	if (request == TAP_IO_SET_IFF)
		return tap_attach(f, arg);
	if (!f->attached)
		return breach("a tap without a name");
	if (dev.tap_gone || (f->detached && request != TAP_IO_SET_QUEUE))
		return -EBADFD;
	switch (request) {
	case TAP_IO_SET_OFFLOAD:
		if ((uintptr_t)arg & ~(uintptr_t)dev.tap_offloads)
			return -EINVAL;
		dev.tap_offload = (unsigned)(uintptr_t)arg;
		return 0;
	case TAP_IO_SET_VNET_HDR_SZ:
		dev.tap_hdr_len = *(int *)arg;
		return dev.tap_hdr_len == 12 ? 0 : breach("a strange header");
	case TAP_IO_SET_QUEUE:
		f->detached = ((struct if_request *)arg)->flags == TAP_IFF_DETACH_QUEUE;
		return 0;
	case TAP_IO_GET_IFF:
		memcpy(((struct if_request *)arg)->name, dev.tap_name, IF_NAME_LEN);
		return 0;
	}
	return breach("a request that taps have not");
}

static int do_socket(uint32_t request, struct if_request *r)
{
	if (request != IF_IO_GET_FLAGS || strcmp(r->name, dev.tap_name) != 0)
		return breach("a question about another interface");
	if (dev.tap_elsewhere)
		return -ENODEV;
	r->flags = dev.tap_up ? IF_FLAG_UP : 0;
	return 0;
}

int vhost_dev_ioctl(int fd, uint32_t request, void *arg)
{
	struct fake_dev_file *f = file_of(fd);

	if (!f || !f->kind)
		return breach("a request to nobody");
	if (refused(request))
		return dev.error;
	switch (f->kind) {
	case FAKE_DEV_VHOST_NET:
		return do_net(f, request, arg);
	case FAKE_DEV_VDPA:
		return do_vdpa(f, request, arg);
	case FAKE_DEV_TUN:
		return do_tap(f, request, arg);
	default:
		return do_socket(request, arg);
	}
}
