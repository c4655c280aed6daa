/* Linux' vhost-net; see the header. Its ring 0 of each pair receives and 1 sends, as ours. */
#include "drivers/virtio/vhost_kernel.h"
#include "drivers/virtio/vhost_link.h"
#include "drivers/virtio/vhost_request.h"
#include "drivers/virtio/vhost_tap.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "kernel/string.h"

static struct vhost_kernel *kernel_of(struct vhost_backend *b)
{
	return container_of(b, struct vhost_kernel, b);
}

/* ---- the connection ----------------------------------------------------------------------- */

static void vk_forget(struct vhost_kernel *vk)
{
	for (unsigned i = 0; i < VHOST_PAIRS_MAX; i++)
		vk->vhost_fd[i] = vk->tap_fd[i] = VHOST_DEV_NONE;
	vk->ask_fd = VHOST_DEV_NONE;
}

static void vk_close(struct vhost_backend *b)
{
	struct vhost_kernel *vk = kernel_of(b);

	for (unsigned i = 0; i < VHOST_PAIRS_MAX; i++) {
		vhost_dev_close(vk->vhost_fd[i]);
		vhost_dev_close(vk->tap_fd[i]);
	}
	vhost_dev_close(vk->ask_fd);
	vk_forget(vk);
	b->up = false;
}

/* Return: 0, or -EAGAIN, with whatever was opened so far. */
static int open_files(struct vhost_kernel *vk)
{
	struct vhost_backend *b = &vk->b;

	vk->ask_fd = vhost_dev_socket();
	if (vk->ask_fd < 0)
		return vhost_absent(b, "a socket", vk->ask_fd);
	for (unsigned i = 0; i < b->nb_pairs; i++) {
		vk->vhost_fd[i] = vhost_dev_open(b->path);
		if (vk->vhost_fd[i] < 0)
			return vhost_absent(b, b->path, vk->vhost_fd[i]);
		vk->tap_fd[i] = tap_open(vk->iface, b->nb_pairs > 1);
		if (vk->tap_fd[i] < 0)
			return vhost_absent(b, vk->iface[0] ? vk->iface : TAP_PATH, vk->tap_fd[i]);
	}
	return 0;
}

static int vk_open(struct vhost_backend *b)
{
	struct vhost_kernel *vk = kernel_of(b);
	int err;

	if (b->up)
		return 0;
	err = open_files(vk);
	if (err) {
		vk_close(b);
		return err;
	}
	b->said = 0;
	b->up = b->has_config = true;
	b->config_len = 0;
	b->pairs_max = b->nb_pairs;
	for (unsigned i = 0; !err && i < b->nb_pairs; i++) {
		err = vhost_request(b, vk->vhost_fd[i], VHOST_IO_SET_OWNER, NULL);
		if (!err && i) /* until it is enabled */
			err = tap_attach_queue(b, vk->tap_fd[i], false);
	}
	if (!err)
		err =
		    vhost_request(b, vk->vhost_fd[0], VHOST_IO_GET_FEATURES, &vk->kernel_features);
	if (err)
		return err;
	(void)vhost_event_take(vk->err_fd);
	b->features = vk->kernel_features | tap_features(vk->tap_fd[0]) | VIRTIO_NET_F_STATUS;
	if (b->nb_pairs > 1)
		b->features |= VIRTIO_NET_F_MQ;
	log_info("vhost", "%s: the interface is %s", b->path, vk->iface);
	return 0;
}

static int vk_set_features(struct vhost_backend *b, uint64_t features)
{
	struct vhost_kernel *vk = kernel_of(b);
	uint64_t accepted = features & vk->kernel_features & ~b->ops->features_own;
	int err = b->up ? 0 : -ENOTCONN;

	for (unsigned i = 0; !err && i < b->nb_pairs; i++)
		err = vhost_request(b, vk->vhost_fd[i], VHOST_IO_SET_FEATURES, &accepted);
	return err ? err : tap_set_features(b, vk->tap_fd[0], features); /* all of its queues */
}

static int vk_set_memory(struct vhost_backend *b)
{
	struct vhost_kernel *vk = kernel_of(b);
	struct vhost_memory_table table = {.nb_regions = 1, .region[0] = vhost_shared()};
	int err = b->up ? 0 : -ENOTCONN;

	for (unsigned i = 0; !err && i < b->nb_pairs; i++)
		err = vhost_request(b, vk->vhost_fd[i], VHOST_IO_SET_MEM_TABLE, &table);
	return err;
}

/* ---- rings -------------------------------------------------------------------------------- */

static int ring_files(struct vhost_kernel *vk, int fd, const struct vhost_ring *ring)
{
	const uint32_t i = ring->vq->index % 2;
	const struct {
		uint32_t request;
		int fd;
	} file[] = {
	    {VHOST_IO_SET_VRING_KICK, ring->kick_fd},
	    {VHOST_IO_SET_VRING_CALL, ring->call_fd},
	    {VHOST_IO_SET_VRING_ERR, vk->err_fd},
	};
	int err = 0;

	for (unsigned n = 0; !err && n < ARRAY_SIZE(file); n++)
		err = vhost_request_file(&vk->b, fd, file[n].request,
		                         (struct vhost_ring_file){i, file[n].fd});
	return err;
}

static int vk_ring_start(struct vhost_backend *b, const struct vhost_ring *ring)
{
	struct vhost_kernel *vk = kernel_of(b);
	const uint32_t i = ring->vq->index % 2;
	const int fd = vk->vhost_fd[ring->vq->index / 2];
	struct vhost_vring_addr addr = vhost_ring_addr(ring->vq);
	int err;

	addr.index = i;
	err = vhost_request_ring(b, fd, VHOST_IO_SET_VRING_NUM,
	                         (struct vhost_vring_state){i, ring->vq->nentries});
	if (!err)
		err = vhost_request_ring(b, fd, VHOST_IO_SET_VRING_BASE,
		                         (struct vhost_vring_state){i, 0});
	if (!err)
		err = vhost_request(b, fd, VHOST_IO_SET_VRING_ADDR, &addr);
	return err ? err : ring_files(vk, fd, ring);
}

/* A queue of the tap that nobody reads must get no packets, either. */
static int vk_ring_enable(struct vhost_backend *b, uint16_t index, bool on)
{
	struct vhost_kernel *vk = kernel_of(b);
	const unsigned pair = index / 2;
	const bool is_rx = index % 2 == 0;
	const int fd = on ? vk->tap_fd[pair] : VHOST_DEV_NONE;
	int err = b->up ? 0 : -ENOTCONN;

	if (!err && is_rx && pair)
		err = tap_attach_queue(b, vk->tap_fd[pair], on);
	return err ? err
	           : vhost_request_file(b, vk->vhost_fd[pair], VHOST_IO_NET_SET_BACKEND,
	                                (struct vhost_ring_file){index % 2, fd});
}

static int vk_ring_stop(struct vhost_backend *b, uint16_t index)
{
	return vhost_request_file(b, kernel_of(b)->vhost_fd[index / 2], VHOST_IO_NET_SET_BACKEND,
	                          (struct vhost_ring_file){index % 2, VHOST_DEV_NONE});
}

/* ---- the link ----------------------------------------------------------------------------- */

static int vk_link(struct vhost_backend *b, struct virtio_net_config *config)
{
	const struct vhost_kernel *vk = kernel_of(b);
	const int up = tap_is_up(vk->tap_fd[0], vk->ask_fd);

	if (up < 0)
		return vhost_fail(b, vk->iface, up, "the interface is gone");
	config->status = up ? VIRTIO_NET_S_LINK_UP : 0;
	return 0;
}

static int vk_get_config(struct vhost_backend *b, void *out, uint32_t len)
{
	struct virtio_net_config config = {.status = 0};
	const int err = b->up ? vk_link(b, &config) : -ENOTCONN;

	memcpy(out, &config, min_u64(len, sizeof(config)));
	return err;
}

static int vk_poll(struct vhost_backend *b, uint8_t *status, struct virtio_net_config *config)
{
	struct vhost_kernel *vk = kernel_of(b);
	const uint64_t now_ns = plat_time_ns();

	if (!b->up)
		return -ENOTCONN;
	if (now_ns - vk->asked_ns < VHOST_NEWS_NS)
		return 0;
	vk->asked_ns = now_ns;
	if (vhost_event_take(vk->err_fd))
		*status |= VIRTIO_STATUS_NEEDS_RESET;
	return vk_link(b, config);
}

/* ---- the seam ----------------------------------------------------------------------------- */

static const struct vhost_backend_ops vk_ops = {
    .features_own = VHOST_F_LOG_ALL | VHOST_NET_F_HDR | VIRTIO_F_ACCESS_PLATFORM,
    .open = vk_open,
    .close = vk_close,
    .set_features = vk_set_features,
    .set_memory = vk_set_memory,
    .ring_start = vk_ring_start,
    .ring_enable = vk_ring_enable,
    .ring_stop = vk_ring_stop,
    .get_config = vk_get_config,
    .poll = vk_poll,
};

int vhost_kernel_init(struct vhost_kernel *vk, const char *path, const char *iface)
{
	if (iface && (!iface[0] || strlen(iface) >= IF_NAME_LEN))
		return -EINVAL;
	if (iface)
		memcpy(vk->iface, iface, strlen(iface));
	vk->b.ops = &vk_ops;
	vk->b.path = path;
	vk->b.ring_max = VRING_SIZE_MAX;
	vk_forget(vk);
	vk->err_fd = vk->b.news_fd = vhost_event_open();
	return vk->err_fd < 0 ? vk->err_fd : 0;
}
