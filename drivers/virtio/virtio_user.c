/*
 * The transport to a vhost back end: virtio's registers as requests. What the registers have and
 * the back end does not is here: the device status, where it keeps none, and, where it gives no
 * configuration, the configuration space, which then holds the user's MTU and a link that is up as
 * long as the back end is there.
 */
#include "drivers/virtio/virtio_user.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include <arch/barrier.h>

/* Ours to offer or not, whatever the backend has: the control queue is the front end's business. */
#define FEATURES_OURS                                                                              \
	(VIRTIO_F_NOTIFY_ON_EMPTY | VIRTIO_F_RING_RESET | VIRTIO_NET_F_STATUS |                    \
	 VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | VIRTIO_NET_F_MQ |               \
	 VIRTIO_NET_F_GUEST_ANNOUNCE | VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_RSS |               \
	 VIRTIO_NET_F_NOTF_COAL | VIRTIO_NET_F_VQ_NOTF_COAL | VIRTIO_NET_F_DEVICE_STATS)
/* Meaningless without the configuration space that goes with them. */
#define FEATURES_CONFIG (VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX)

static struct virtio_user *user_of(const struct virtio_dev *vd)
{
	return vd->transport;
}

static unsigned user_nb_queues(struct virtio_dev *vd)
{
	return 2u * user_of(vd)->nb_pairs;
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
	const uint64_t features = u->backend->features;
	const uint32_t len = config_len(features);
	int err;

	u->has_config = false;
	u->config = (struct virtio_net_config){.mtu = u->mtu, .max_virtqueue_pairs = u->nb_pairs};
	u->backend_config = (struct virtio_net_config){.status = VIRTIO_NET_S_LINK_UP};
	if (!u->backend->has_config || !len)
		return;
	err = u->backend->ops->get_config(u->backend, &u->backend_config, len);
	if (err == -EOPNOTSUPP)
		log_warn("virtio_user", "%s: %s gives no configuration; done without", u->vd.name,
		         u->backend->path);
	if (err)
		return;
	u->has_config = true;
	u->config = u->backend_config;
	u->config.max_virtqueue_pairs = u->nb_pairs;
	if (features & VIRTIO_NET_F_STATUS)
		u->backend->config_len = len;
	else
		u->backend_config.status = VIRTIO_NET_S_LINK_UP;
}

/* Has the backend the queue pairs that the user wants? */
static int check_pairs(struct virtio_user *u)
{
	struct vhost_backend *b = u->backend;
	const uint64_t have = b->features & VIRTIO_NET_F_MQ ? b->pairs_max : 1;

	if (have >= u->nb_pairs)
		return 0;
	log_err("virtio_user",
	        "%s: %s has %llu queue pairs, and %u are wanted: give it more, or ask for fewer "
	        "(netN.queues=)",
	        u->vd.name, b->path, (unsigned long long)have, u->nb_pairs);
	b->ops->close(b);
	return -EOPNOTSUPP;
}

static void watch(struct virtio_user *u, struct vhost_watch *w, unsigned lcore)
{
	const int err = w->fd >= 0 ? vhost_watch(w, lcore) : 0;

	if (err)
		log_warn("virtio_user", "%s: its events are not noticed in time: %s", u->vd.name,
		         vhost_link_error(err));
}

static int user_open(struct virtio_dev *vd)
{
	struct virtio_user *u = user_of(vd);
	const bool was_up = u->backend->up;
	int err = u->backend->ops->open(u->backend);

	if (err || was_up)
		return err;
	err = check_pairs(u);
	if (err)
		return err;
	u->backend_status = 0;
	for (unsigned i = 0; i < user_nb_queues(vd); i++)
		u->queue[i].started = u->queue[i].running = false;
	config_open(u);
	if (!u->backend->up)
		return -EIO;
	if (u->news.fn) {
		u->news.fd = u->backend->news_fd;
		watch(u, &u->news, 0);
	}
	log_info("virtio_user", "%s: connected to %s, features 0x%llx, protocol features 0x%llx",
	         vd->name, u->backend->path, (unsigned long long)u->backend->features,
	         (unsigned long long)u->backend->protocol);
	return 0;
}

static int user_wait(struct virtio_dev *vd)
{
	return user_of(vd)->wait(user_of(vd));
}

/* ---- features ----------------------------------------------------------------------------- */

static uint64_t user_get_features(struct virtio_dev *vd)
{
	const struct virtio_user *u = user_of(vd);
	const struct vhost_backend *b = u->backend;
	uint64_t features = b->features & ~(b->ops->features_own | FEATURES_OURS);

	if (!u->has_config) {
		features &= ~FEATURES_CONFIG;
		if (u->mtu)
			features |= b->features & VIRTIO_NET_F_MTU;
	}
	if (u->has_ctrl)
		features |= VIRTIO_NET_F_CTRL_VQ;
	if (u->has_ctrl && u->nb_pairs > 1)
		features |= VIRTIO_NET_F_MQ;
	return features | VIRTIO_NET_F_STATUS;
}

static void user_set_features(struct virtio_dev *vd, uint64_t features)
{
	struct virtio_user *u = user_of(vd);
	const uint64_t told = features & u->backend->features & ~VIRTIO_NET_F_CTRL_VQ;
	const int err = u->backend->ops->set_features(u->backend, told);

	u->driver_features = features;
	if (!err && (features & VIRTIO_NET_F_MTU))
		vhost_set_mtu(u->backend,
		              u->mtu ? (uint16_t)min_u64(u->mtu, u->config.mtu) : u->config.mtu);
	/* what failed has closed the connection; get_status tells */
}

/* ---- status ------------------------------------------------------------------------------- */

static int queue_run(struct virtio_user *u, unsigned index, bool on)
{
	struct virtio_user_queue *q = &u->queue[index];

	if (q->running == on)
		return 0;
	if (vhost_ring_enable(u->backend, (uint16_t)index, on))
		return -EIO;
	q->running = on;
	return 0;
}

static void user_reset(struct virtio_user *u)
{
	vhost_begin(u->backend);
	for (unsigned i = 0; i < user_nb_queues(&u->vd); i++) {
		if (i >= 2) /* not to run again unasked */
			(void)queue_run(u, i, false);
		if (u->queue[i].started)
			u->backend->ops->ring_stop(u->backend, (uint16_t)i);
		u->queue[i].started = u->queue[i].running = false;
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
	if (!u->backend->up || vhost_set_status(u->backend, status))
		return;
	/* does it agree to the features? */
	u->backend_status = status;
	if (status & VIRTIO_STATUS_DRIVER_OK)
		vhost_served(u->backend);
	if (added & VIRTIO_STATUS_FEATURES_OK)
		vhost_get_status(u->backend, &u->backend_status);
	if (!(u->backend_status & VIRTIO_STATUS_FEATURES_OK))
		u->status &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	/* given up: what it offers is asked anew next time, and another one may come */
	if (status & VIRTIO_STATUS_FAILED)
		u->backend->ops->close(u->backend);
}

static uint8_t user_get_status(struct virtio_dev *vd)
{
	struct virtio_user *u = user_of(vd);

	if (u->status & VIRTIO_STATUS_DRIVER_OK)
		u->backend->ops->poll(u->backend, &u->backend_status, &u->backend_config);
	if (!u->status)
		return 0;
	if (!u->backend->up) /* nothing that was set counts any more */
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
	u->config.status = u->backend->up ? u->backend_config.status & VIRTIO_NET_S_LINK_UP : 0;
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

static uint16_t user_queue_size(struct virtio_dev *vd, uint16_t index)
{
	const struct virtio_user *u = user_of(vd);

	return index < user_nb_queues(vd) ? (uint16_t)min_u64(u->queue_size, u->backend->ring_max)
	                                  : 0;
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
	if (!u->memory_shared && u->backend->ops->set_memory(u->backend))
		return -EIO;
	u->memory_shared = true;
	if (u->backend->ops->ring_start(u->backend, &ring))
		return -EIO;
	q->started = true;
	/* the other pairs run when a command says so */
	return vq->index < 2 ? queue_run(u, vq->index, true) : 0;
}

static void user_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	io_wmb(); /* ring memory before the notification (pair N) */
	vhost_event_signal(user_of(vd)->queue[vq->index].kick_fd);
}

/* ---- commands ----------------------------------------------------------------------------- */

/* The first @pairs run from now on, and no others. */
static int set_pairs(struct virtio_user *u, const void *data, size_t len)
{
	uint16_t pairs;
	int err = 0;

	if (len != sizeof(pairs))
		return -EIO;
	__builtin_memcpy(&pairs, data, sizeof(pairs));
	if (!pairs || pairs > u->nb_pairs || !u->queue[2 * pairs - 1].started)
		return -EIO;
	for (unsigned i = 0; !err && i < user_nb_queues(&u->vd) && u->queue[i].started; i++)
		err = queue_run(u, i, i < 2 * pairs);
	return err;
}

/* As virtio-user answers: a backend filters nothing, so all that is to come does. */
static int user_ctrl(struct virtio_dev *vd, const struct virtio_net_ctrl_hdr *what,
                     const void *data, size_t len)
{
	switch (what->class) {
	case VIRTIO_NET_CTRL_RX:
	case VIRTIO_NET_CTRL_MAC:
	case VIRTIO_NET_CTRL_VLAN:
		return 0;
	case VIRTIO_NET_CTRL_MQ:
		if (what->command == VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
			return set_pairs(user_of(vd), data, len);
		return -EIO;
	default:
		return -EIO;
	}
}

/* ---- interrupts --------------------------------------------------------------------------- */

/* On the lcore that has the queue. */
static void queue_event(void *arg)
{
	struct virtio_user_queue *q = arg;
	struct virtio_user *u = q->user;

	u->irq_fn(&u->vd, 1u + (unsigned)(q - u->queue) / 2);
}

static void news_event(void *arg)
{
	struct virtio_user *u = arg;

	u->irq_fn(&u->vd, 0);
}

static enum virtio_irq_mode user_irq_setup(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn)
{
	(void)wanted;
	user_of(vd)->irq_fn = fn;
	return VIRTIO_IRQ_EVENTS;
}

/* What happens to the port as a whole is for the first lcore, which has its first queue. */
static void user_irq_route(struct virtio_dev *vd, unsigned i, unsigned lcore)
{
	struct virtio_user *u = user_of(vd);
	struct virtio_user_queue *q = &u->queue[2 * i];

	q->user = u;
	q->watch = (struct vhost_watch){q->call_fd, queue_event, q};
	watch(u, &q->watch, lcore);
	if (i)
		return;
	u->news = (struct vhost_watch){u->backend->news_fd, news_event, u};
	watch(u, &u->news, lcore);
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
    .wait = user_wait,
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
    .irq_route = user_irq_route,
    .set_config_vector = user_set_config_vector,
    .ctrl = user_ctrl,
    .notify = user_notify,
};

int virtio_user_init(struct virtio_user *u, struct vhost_backend *backend, const char *name)
{
	u->backend = backend;
	u->vd.ops = &user_ops;
	u->vd.transport = u;
	u->vd.device_id = VIRTIO_ID_NET;
	u->vd.irq_mode = VIRTIO_IRQ_NONE;
	fmt_buf(u->vd.name, sizeof(u->vd.name), "%s", name);
	u->vd.pairs = backend->nb_pairs = u->nb_pairs;
	for (unsigned i = 0; i < user_nb_queues(&u->vd); i++) {
		struct virtio_user_queue *q = &u->queue[i];

		q->kick_fd = vhost_event_open();
		q->call_fd = vhost_event_open();
		if (q->kick_fd < 0 || q->call_fd < 0)
			return q->kick_fd < 0 ? q->kick_fd : q->call_fd;
	}
	return 0;
}
