/*
 * The transport to a vhost-user backend: virtio's registers as messages. What the registers have
 * and vhost-user does not is here: the device status of backends that keep none, and, without
 * CONFIG, the configuration space, which then holds the user's MTU and a link that is up as long as
 * the backend is there.
 */
#include "drivers/virtio/virtio_user.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include <arch/barrier.h>

/* Ours to offer or not, whatever the backend has: a control queue is the front end's business. */
#define FEATURES_OURS                                                                              \
	(VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES | VIRTIO_F_NOTIFY_ON_EMPTY |             \
	 VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_RESET | VIRTIO_NET_F_STATUS |                    \
	 VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
/* Meaningless without the configuration space that goes with them. */
#define FEATURES_CONFIG (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX)

static struct virtio_user *user_of(const struct virtio_dev *vd)
{
	return vd->transport;
}

/* ---- connection --------------------------------------------------------------------------- */

/* As long as the fields are that the backend's features bring with them (virtio 5.1.4). */
static uint32_t config_len(uint64_t features)
{
	if (features & VIRTIO_NET_F_SPEED_DUPLEX)
		return offsetof(struct virtio_net_config, rss_max_key_size);
	if (features & VIRTIO_NET_F_MTU)
		return offsetof(struct virtio_net_config, speed);
	if (features & (VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS))
		return offsetof(struct virtio_net_config, max_virtqueue_pairs);
	return 0;
}

static void config_open(struct virtio_user *u)
{
	const uint64_t features = u->vu.features;
	const uint32_t len = config_len(features);
	int err;

	u->has_config = false;
	u->config = (struct virtio_net_config){.mtu = u->mtu};
	u->backend_config = (struct virtio_net_config){.status = VIRTIO_NET_S_LINK_UP};
	if (!(u->vu.protocol & VHOST_USER_PROTOCOL_F_CONFIG) || !len)
		return;
	err = vhost_user_get_config(&u->vu, &u->backend_config, len);
	if (err == -EOPNOTSUPP)
		log_warn("virtio_user", "%s: %s gives no configuration; done without", u->vd.name,
		         u->vu.link.path);
	if (err)
		return;
	u->has_config = true;
	u->config = u->backend_config;
	if (features & VIRTIO_NET_F_STATUS)
		u->vu.config_len = len;
	else
		u->backend_config.status = VIRTIO_NET_S_LINK_UP;
}

static int user_open(struct virtio_dev *vd)
{
	struct virtio_user *u = user_of(vd);
	const bool was_up = u->vu.up;
	const int err = vhost_user_open(&u->vu);

	if (err || was_up)
		return err;
	u->backend_status = 0;
	for (unsigned i = 0; i < VIRTIO_USER_QUEUES_MAX; i++)
		u->queue[i].running = false;
	config_open(u);
	if (!u->vu.up)
		return -EIO;
	log_info("virtio_user", "%s: connected to %s, features 0x%llx, protocol features 0x%llx",
	         vd->name, u->vu.link.path, (unsigned long long)u->vu.features,
	         (unsigned long long)u->vu.protocol);
	return 0;
}

/* ---- features ----------------------------------------------------------------------------- */

static uint64_t user_get_features(struct virtio_dev *vd)
{
	const struct virtio_user *u = user_of(vd);
	uint64_t features = u->vu.features & ~FEATURES_OURS;

	if (!u->has_config) {
		features &= ~FEATURES_CONFIG;
		if (u->mtu)
			features |= u->vu.features & VIRTIO_NET_F_MTU;
	}
	return features | VIRTIO_NET_F_STATUS;
}

static void user_set_features(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_user *u = user_of(vd);
	const int err = vhost_user_set_features(&u->vu, features & u->vu.features);

	u->driver_features = features;
	if (!err && (features & VIRTIO_NET_F_MTU))
		vhost_user_set_mtu(&u->vu, u->mtu ? (uint16_t)min_u64(u->mtu, u->config.mtu)
		                                  : u->config.mtu);
	/* what failed has closed the connection; get_status tells */
}

/* ---- status ------------------------------------------------------------------------------- */

static void user_reset(struct virtio_user *u)
{
	vhost_user_begin(&u->vu);
	for (uint16_t i = 0; i < VIRTIO_USER_QUEUES_MAX; i++) {
		if (u->queue[i].running)
			vhost_user_ring_stop(&u->vu, i);
		u->queue[i].running = false;
	}
	u->memory_shared = false;
	u->backend_status = 0;
}

static void user_set_status(struct virtio_dev *vd, uint8_t status)
{
	struct virtio_user *u = user_of(vd);
	const uint8_t added = status & (uint8_t)~u->status;

	status &= (uint8_t)~VIRTIO_STATUS_NEEDS_RESET;
	if (!status)
		user_reset(u);
	u->status = status;
	if (!u->vu.up || vhost_user_set_status(&u->vu, status))
		return;
	/* does it agree to the features? */
	u->backend_status = status;
	if (status & VIRTIO_STATUS_DRIVER_OK)
		vhost_user_served(&u->vu);
	if (added & VIRTIO_STATUS_FEATURES_OK)
		vhost_user_get_status(&u->vu, &u->backend_status);
	if (!(u->backend_status & VIRTIO_STATUS_FEATURES_OK))
		u->status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	/* given up: what it offers is asked anew next time, and another one may come */
	if (status & VIRTIO_STATUS_FAILED)
		vhost_user_close(&u->vu);
}

static uint8_t user_get_status(struct virtio_dev *vd)
{
	struct virtio_user *u = user_of(vd);

	if (u->status & VIRTIO_STATUS_DRIVER_OK)
		vhost_user_poll(&u->vu, &u->backend_status, &u->backend_config);
	if (!u->status)
		return 0;
	if (!u->vu.up) /* nothing that was set counts any more */
		return (uint8_t)((u->status & ~VIRTIO_STATUS_FEATURES_OK) |
		                 VIRTIO_STATUS_NEEDS_RESET);
	return u->status | (u->backend_status & VIRTIO_STATUS_NEEDS_RESET);
}

/* ---- configuration ------------------------------------------------------------------------ */

static int user_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	struct virtio_user *u = user_of(vd);

	if (len > sizeof(u->config) || offset > sizeof(u->config) - len)
		return -ERANGE;
	u->config.status = u->vu.up ? u->backend_config.status & VIRTIO_NET_S_LINK_UP : 0;
	__builtin_memcpy(out, (const uint8_t *)&u->config + offset, len);
	return 0;
}

static int user_config_write(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len)
{
	(void)vd;
	(void)offset;
	(void)in;
	(void)len;
	return -ERANGE; /* modern devices have no field to write */
}

static uint32_t user_config_generation(struct virtio_dev *vd)
{
	(void)vd;
	return 0; /* ours: it changes only in get_status and open */
}

/* ---- queues ------------------------------------------------------------------------------- */

static unsigned user_nb_queues(struct virtio_dev *vd)
{
	return 2u * user_of(vd)->nb_pairs;
}

static uint16_t user_queue_size(struct virtio_dev *vd, uint16_t index)
{
	return index < user_nb_queues(vd) ? user_of(vd)->queue_size : 0;
}

static int user_queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	struct virtio_user *u = user_of(vd);
	struct virtio_user_queue *q = &u->queue[vq->index];
	const struct vhost_ring ring = {
	    .vq = vq,
	    .kick_fd = q->kick_fd,
	    .call_fd = q->call_fd,
	    .packed = u->driver_features & VIRTIO_F_RING_PACKED,
	};

	(void)vector;
	/* not earlier: by now everything is allocated that a ring may point at */
	if (!u->memory_shared && vhost_user_set_memory(&u->vu))
		return -EIO;
	u->memory_shared = true;
	if (vhost_user_ring_start(&u->vu, &ring))
		return -EIO;
	q->running = true;
	return 0;
}

static void user_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	io_wmb(); /* ring memory before the notification (pair N) */
	vhost_event_signal(user_of(vd)->queue[vq->index].kick_fd);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static enum virtio_irq_mode user_irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	(void)vd;
	(void)wanted;
	(void)fn;
	return VIRTIO_IRQ_NONE;
}

static int user_set_config_vector(struct virtio_dev *vd, uint16_t vector)
{
	(void)vd;
	(void)vector;
	return 0;
}

/* ---- the seam ----------------------------------------------------------------------------- */

static const struct virtio_transport_ops user_ops = {
    .name = "user",
    .open = user_open,
    .get_features = user_get_features,
    .set_features = user_set_features,
    .get_status = user_get_status,
    .set_status = user_set_status,
    .config_read = user_config_read,
    .config_write = user_config_write,
    .config_generation = user_config_generation,
    .nb_queues = user_nb_queues,
    .queue_size = user_queue_size,
    .queue_size_is_fixed = false,
    .queue_enable = user_queue_enable,
    .irq_setup = user_irq_setup,
    .set_config_vector = user_set_config_vector,
    .notify = user_notify,
};

int virtio_user_init(struct virtio_user *u, const char *name)
{
	u->vd.ops = &user_ops;
	u->vd.transport = u;
	u->vd.device_id = VIRTIO_ID_NET;
	u->vd.irq_mode = VIRTIO_IRQ_NONE;
	fmt_buf(u->vd.name, sizeof(u->vd.name), "%s", name);
	u->nb_pairs = VIRTIO_USER_PAIRS_MAX;
	for (unsigned i = 0; i < VIRTIO_USER_QUEUES_MAX; i++) {
		struct virtio_user_queue *q = &u->queue[i];

		q->kick_fd = vhost_event_open();
		q->call_fd = vhost_event_open();
		if (q->kick_fd < 0 || q->call_fd < 0)
			return q->kick_fd < 0 ? q->kick_fd : q->call_fd;
	}
	return 0;
}
