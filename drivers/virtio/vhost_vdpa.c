/* Linux' vhost-vdpa; see the header. */
#include "drivers/virtio/vhost_vdpa.h"
#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/vhost_request.h"
#include "kernel/errno.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define PROTOCOL_KNOWN (BACKEND_F_IOTLB_MSG_V2 | BACKEND_F_IOTLB_BATCH)

static struct vhost_vdpa *vdpa_of(struct vhost_backend *b)
{
	return container_of(b, struct vhost_vdpa, b);
}

/* ---- the connection ----------------------------------------------------------------------- */

static void vdpa_close(struct vhost_backend *b)
{
	struct vhost_vdpa *vv = vdpa_of(b);

	vhost_dev_close(vv->fd);
	vv->fd = VHOST_DEV_NONE;
	b->up = false;
}

/* The device is asked what it is, and what it can. */
static int greet(struct vhost_vdpa *vv)
{
	struct vhost_backend *b = &vv->b;
	uint32_t id = 0;
	uint64_t protocol = 0;
	int err = vhost_request(b, vv->fd, VHOST_IO_VDPA_GET_DEVICE_ID, &id);

	if (!err && id != VIRTIO_ID_NET)
		return vhost_fail(b, "VHOST_VDPA_GET_DEVICE_ID", -EINVAL, "no network device");
	if (!err)
		err = vhost_request(b, vv->fd, VHOST_IO_SET_OWNER, NULL);
	if (!err)
		err = vhost_request(b, vv->fd, VHOST_IO_GET_BACKEND_FEATURES, &protocol);
	if (!err && !(protocol & BACKEND_F_IOTLB_MSG_V2))
		return vhost_fail(b, "VHOST_GET_BACKEND_FEATURES", -EOPNOTSUPP,
		                  "it cannot be told where memory is (no IOTLB_MSG_V2)");
	b->protocol = protocol & PROTOCOL_KNOWN;
	if (!err)
		err = vhost_request(b, vv->fd, VHOST_IO_SET_BACKEND_FEATURES, &b->protocol);
	if (!err)
		err = vhost_request(b, vv->fd, VHOST_IO_GET_FEATURES, &b->features);
	if (!err)
		err = vhost_request(b, vv->fd, VHOST_IO_VDPA_GET_VRING_NUM, &b->ring_max);
	return err;
}

static int vdpa_open(struct vhost_backend *b)
{
	struct vhost_vdpa *vv = vdpa_of(b);
	int err;

	if (b->up)
		return 0;
	vv->fd = vhost_dev_open(b->path);
	if (vv->fd < 0)
		return vhost_absent(b, b->path, vv->fd);
	b->said = 0;
	b->up = b->has_config = true;
	b->config_len = 0;
	b->pairs_max = 1; /* more are switched on by its own control queue, which is not for us */
	vv->mapped = (struct vhost_region){0};
	err = greet(vv);
	if (err)
		return err;
	/* kernels before 5.13 do not know the question */
	if (vhost_dev_ioctl(vv->fd, VHOST_IO_VDPA_GET_IOVA_RANGE, &vv->range) < 0)
		vv->range = (struct iova_range){.last = UINT64_MAX};
	return 0;
}

static int vdpa_set_features(struct vhost_backend *b, uint64_t features)
{
	return vhost_request(b, vdpa_of(b)->fd, VHOST_IO_SET_FEATURES, &features);
}

/* ---- memory ------------------------------------------------------------------------------- */

static int iotlb_tell(struct vhost_vdpa *vv, enum iotlb_what what, const struct vhost_region *r)
{
	struct iotlb_message m = {.type = IOTLB_MSG_V2, .what = (uint8_t)what};
	int err;

	if (r) {
		m.iova = r->guest_addr;
		m.bytes = r->bytes;
		m.user_addr = r->user_addr;
		m.access = IOTLB_ACCESS_RW;
	}
	err = vhost_dev_write(vv->fd, &m, sizeof(m));
	return err ? vhost_fail(&vv->b, "mapping our memory", err, vhost_link_error(err)) : 0;
}

/* In the place of what was mapped before. */
static int iotlb_set(struct vhost_vdpa *vv, const struct vhost_region *r)
{
	const bool batch = vv->b.protocol & BACKEND_F_IOTLB_BATCH;
	int err = batch ? iotlb_tell(vv, IOTLB_BATCH_BEGIN, NULL) : 0;

	if (!err && vv->mapped.bytes)
		err = iotlb_tell(vv, IOTLB_INVALIDATE, &vv->mapped);
	if (!err)
		err = iotlb_tell(vv, IOTLB_UPDATE, r);
	if (!err && batch)
		err = iotlb_tell(vv, IOTLB_BATCH_END, NULL);
	return err;
}

static int vdpa_set_memory(struct vhost_backend *b)
{
	struct vhost_vdpa *vv = vdpa_of(b);
	const struct vhost_region r = vhost_shared();
	int err;

	if (!b->up)
		return -ENOTCONN;
	if (r.bytes == vv->mapped.bytes)
		return 0; /* a reset leaves it as it is */
	if (r.guest_addr < vv->range.first || r.guest_addr + (r.bytes - 1) > vv->range.last)
		return vhost_fail(b, "mapping our memory", -ERANGE,
		                  "its addresses are not among those that the device can have");
	err = iotlb_set(vv, &r);
	if (!err)
		vv->mapped = r;
	return err;
}

/* ---- rings -------------------------------------------------------------------------------- */

static int vdpa_ring_start(struct vhost_backend *b, const struct vhost_ring *ring)
{
	const int fd = vdpa_of(b)->fd;
	const struct virtqueue *vq = ring->vq;
	const uint32_t base = ring->packed ? VHOST_BASE_PACKED_START : 0;
	struct vhost_vring_addr addr = {
	    .index = vq->index,
	    .desc = vq->desc_iova, /* the device's addresses, not ours */
	    .used = vq->used_iova,
	    .avail = vq->avail_iova,
	};
	int err = vhost_request_ring(b, fd, VHOST_IO_SET_VRING_NUM,
	                             (struct vhost_vring_state){vq->index, vq->nentries});

	if (!err)
		err = vhost_request(b, fd, VHOST_IO_SET_VRING_ADDR, &addr);
	if (!err)
		err = vhost_request_ring(b, fd, VHOST_IO_SET_VRING_BASE,
		                         (struct vhost_vring_state){vq->index, base});
	if (!err)
		err = vhost_request_file(b, fd, VHOST_IO_SET_VRING_CALL,
		                         (struct vhost_ring_file){vq->index, ring->call_fd});
	if (!err)
		err = vhost_request_file(b, fd, VHOST_IO_SET_VRING_KICK,
		                         (struct vhost_ring_file){vq->index, ring->kick_fd});
	return err;
}

static int vdpa_ring_enable(struct vhost_backend *b, uint16_t index, bool on)
{
	return vhost_request_ring(b, vdpa_of(b)->fd, VHOST_IO_VDPA_SET_VRING_ENABLE,
	                          (struct vhost_vring_state){index, on});
}

/* Its rings are stopped by the reset. */
static int vdpa_ring_stop(struct vhost_backend *b, uint16_t index)
{
	(void)index;
	return b->up ? 0 : -ENOTCONN;
}

/* ---- status, configuration ---------------------------------------------------------------- */

static int vdpa_set_status(struct vhost_backend *b, uint8_t status)
{
	return vhost_request(b, vdpa_of(b)->fd, VHOST_IO_VDPA_SET_STATUS, &status);
}

static int vdpa_get_status(struct vhost_backend *b, uint8_t *status)
{
	uint8_t now;
	const int err = vhost_request(b, vdpa_of(b)->fd, VHOST_IO_VDPA_GET_STATUS, &now);

	if (!err)
		*status = now;
	return err;
}

static int vdpa_get_config(struct vhost_backend *b, void *out, uint32_t len)
{
	struct {
		struct vdpa_config_head head;
		struct virtio_net_config config;
	} c = {.head = {.size = len}};

	if (!b->up)
		return -ENOTCONN;
	/* refused for nothing but its length */
	if (len > sizeof(c.config) ||
	    vhost_dev_ioctl(vdpa_of(b)->fd, VHOST_IO_VDPA_GET_CONFIG, &c) < 0)
		return -EOPNOTSUPP;
	memcpy(out, &c.config, len);
	return 0;
}

static int vdpa_poll(struct vhost_backend *b, uint8_t *status, struct virtio_net_config *config)
{
	struct vhost_vdpa *vv = vdpa_of(b);
	const uint64_t now_ns = plat_time_ns();
	int err;

	if (!b->up)
		return -ENOTCONN;
	if (now_ns - vv->asked_ns < VHOST_NEWS_NS)
		return 0;
	vv->asked_ns = now_ns;
	err = vdpa_get_status(b, status);
	if (!err && b->config_len && vdpa_get_config(b, config, b->config_len))
		b->config_len = 0;
	return err;
}

/* ---- the seam ----------------------------------------------------------------------------- */

static const struct vhost_backend_ops vdpa_ops = {
    .features_own = VHOST_F_LOG_ALL | VIRTIO_NET_F_MQ,
    .open = vdpa_open,
    .close = vdpa_close,
    .set_features = vdpa_set_features,
    .set_memory = vdpa_set_memory,
    .ring_start = vdpa_ring_start,
    .ring_enable = vdpa_ring_enable,
    .ring_stop = vdpa_ring_stop,
    .set_status = vdpa_set_status,
    .get_status = vdpa_get_status,
    .get_config = vdpa_get_config,
    .poll = vdpa_poll,
};

void vhost_vdpa_init(struct vhost_vdpa *vv, const char *path)
{
	vv->b.ops = &vdpa_ops;
	vv->b.path = path;
	vv->b.ring_max = VRING_SIZE_MAX;
	vv->fd = VHOST_DEV_NONE;
	vv->b.news_fd = VHOST_NO_NEWS;
}
