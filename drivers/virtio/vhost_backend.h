/*
 * The seam between virtio_user.c, which keeps virtio's registers, and what is the device behind
 * them: another process (vhost_user.c), or the operating system's kernel (vhost_kernel.c,
 * vhost_vdpa.c). Recipe:
 *
 *	ops->open(b);				(b->features ...; up)
 *	ops->set_features(b, features);
 *	ops->set_memory(b);
 *	ops->ring_start(b, &ring);		(each)
 *	vhost_ring_enable(b, index, true);
 *	vhost_set_status(b, DRIVER_OK ...);
 *	ops->poll(b, &status, &config);		(now and then: is it still there?)
 *	ops->ring_stop(b, index);		(each)
 *
 * What the back end says is checked behind this seam. Whatever goes wrong is logged once, with the
 * request that it concerns, and ends the connection: b->up is false from then on, and every
 * function but open returns -ENOTCONN without a word.
 */
#ifndef DRIVERS_VIRTIO_VHOST_BACKEND_H
#define DRIVERS_VIRTIO_VHOST_BACKEND_H

#include "drivers/virtio/vhost_spec.h"
#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtqueue.h"

#define VHOST_PAIRS_MAX 128        /* as virtio-user has them */
#define VHOST_NEWS_NS 200000000ull /* between two questions of poll() */
#define VHOST_NO_NEWS (-1)
#define VHOST_BASE_PACKED_START 0x80008000u /* index 0 of a first lap, for both sides */

struct vhost_backend;

/* A ring as the back end has to know it. */
struct vhost_ring {
	const struct virtqueue *vq;
	int kick_fd, call_fd;
	bool packed;
};

struct vhost_backend_ops {
	/* offered, but about the back end itself: never the driver's */
	uint64_t features_own;

	/* NULL, or be there for the first open: from @from_ns until @deadline_ns. 0; -EAGAIN when
	 * nobody came, -EINTR when the process is asked to end meanwhile, or an error, all of them
	 * not logged */
	int (*wait)(struct vhost_backend *b, uint64_t from_ns, uint64_t deadline_ns);
	/* connect, and learn what is offered, unless it is up. 0; -EAGAIN, not logged (again), when
	 * it is not there now, or has not answered yet; or an error, logged */
	int (*open)(struct vhost_backend *b);
	/* end the connection; nothing is logged, nothing of ours is touched any more */
	void (*close)(struct vhost_backend *b);
	/* NULL, or a new step begins: the deadline for all its answers is set */
	void (*begin)(struct vhost_backend *b);
	/* NULL, or the rings run: from now on the process has other things to do, and a back end
	 * that makes it wait is left */
	void (*served)(struct vhost_backend *b);

	int (*set_features)(struct vhost_backend *b, uint64_t features);
	/* share what mem_alloc() has given so far: some back ends touch all they are given, and
	 * what exists only once it is touched may be more than the machine has */
	int (*set_memory)(struct vhost_backend *b);
	/* NULL, or tell it, if it wants to know */
	int (*set_mtu)(struct vhost_backend *b, uint16_t mtu);

	/* an empty ring and its event counters */
	int (*ring_start)(struct vhost_backend *b, const struct vhost_ring *ring);
	/* let a ring that was started run, or not; NULL: all run from their start on */
	int (*ring_enable)(struct vhost_backend *b, uint16_t index, bool on);
	/* when it returns 0, the ring is not touched any more, at the latest behind set_status(0),
	 * which follows */
	int (*ring_stop)(struct vhost_backend *b, uint16_t index);

	/* the device status; NULL, or @status left as it is: the back end keeps none */
	int (*set_status)(struct vhost_backend *b, uint8_t status);
	int (*get_status)(struct vhost_backend *b, uint8_t *status);
	/* with b->has_config: @len bytes of device configuration from its start on. Also
	 * -EOPNOTSUPP, not logged and with the connection up, when the back end has not so much */
	int (*get_config)(struct vhost_backend *b, void *out, uint32_t len);
	/* is it still there, what is its status, and, with b->config_len set, its configuration?
	 * Waits for nothing: what is told may be some VHOST_NEWS_NS old. @status and @config are
	 * left as they are when there is nothing new; config_len becomes 0 when the back end will
	 * not say */
	int (*poll)(struct vhost_backend *b, uint8_t *status, struct virtio_net_config *config);
};

struct vhost_backend {
	const struct vhost_backend_ops *ops;
	const char *path;
	uint16_t nb_pairs; /* queue pairs that open is to make room for */
	int said;          /* why it was not there, when that was logged last */
	int news_fd;       /* readable when poll has something to say, or VHOST_NO_NEWS; while up */

	/* since open */
	bool up;             /* connected, and nothing was wrong so far */
	bool has_config;     /* it gives its configuration */
	uint64_t features;   /* offered */
	uint64_t protocol;   /* of what is about the conversation itself, in use */
	uint64_t pairs_max;  /* queue pairs that it has */
	uint16_t ring_max;   /* descriptors that a ring may have; before, too */
	uint32_t config_len; /* so much of the configuration is asked for by poll; 0 after open */
};

static inline void vhost_begin(struct vhost_backend *b)
{
	if (b->ops->begin)
		b->ops->begin(b);
}

static inline void vhost_served(struct vhost_backend *b)
{
	if (b->ops->served)
		b->ops->served(b);
}

static inline int vhost_ring_enable(struct vhost_backend *b, uint16_t index, bool on)
{
	return b->ops->ring_enable ? b->ops->ring_enable(b, index, on) : 0;
}

static inline int vhost_set_mtu(struct vhost_backend *b, uint16_t mtu)
{
	return b->ops->set_mtu ? b->ops->set_mtu(b, mtu) : 0;
}

static inline int vhost_set_status(struct vhost_backend *b, uint8_t status)
{
	return b->ops->set_status ? b->ops->set_status(b, status) : 0;
}

static inline int vhost_get_status(struct vhost_backend *b, uint8_t *status)
{
	return b->ops->get_status ? b->ops->get_status(b, status) : 0;
}

/** vhost_shared() - what there is to share now: one region */
struct vhost_region vhost_shared(void);

/** vhost_ring_addr() - where a ring is, in our addresses */
struct vhost_vring_addr vhost_ring_addr(const struct virtqueue *vq);

#endif
