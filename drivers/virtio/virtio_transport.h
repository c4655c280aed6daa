/*
 * The seam between the virtio-net driver and the way its registers are reached: modern PCI, legacy
 * PCI, vDPA, vhost-user, or the device model of the tests. Everything here is cold but notify().
 *
 * Values read through a transport come from the device and are checked by virtio_dev.c and
 * virtio_net.c, once.
 */
#ifndef DRIVERS_VIRTIO_TRANSPORT_H
#define DRIVERS_VIRTIO_TRANSPORT_H

#include "kernel/compiler.h"

struct virtio_dev;
struct virtio_net_ctrl_hdr;
struct virtqueue;
struct json;

typedef void (*virtio_irq_fn)(struct virtio_dev *vd, unsigned vector);

/* Its @vector when one interrupt speaks for several. */
#define VIRTIO_IRQ_ANY_QUEUE 0x10000u /* one of the Rx queues, or some */
#define VIRTIO_IRQ_ANY 0x10001u       /* the same, or the configuration */

/* How the driver learns that something happened, best first. */
enum virtio_irq_mode {
	VIRTIO_IRQ_MSIX,   /* a vector for the configuration, one for each Rx queue */
	VIRTIO_IRQ_SHARED, /* MSI-X, but one vector for everything */
	VIRTIO_IRQ_INTX,   /* the function's pin; ISR tells which */
	VIRTIO_IRQ_EVENTS, /* each Rx queue's own event counter; the configuration is polled for */
	VIRTIO_IRQ_NONE,   /* polling only */
};

struct virtio_transport_ops {
	const char *name; /* "modern", "legacy", "user", "vdpa" */

	/* of devices that may go away and come back: reach the device, if that is not done already.
	 * -EAGAIN, not logged, when it is not there now; NULL: the device is always there */
	int (*open)(struct virtio_dev *vd);

	/* with vd->awaited: waits until the next device is there to be opened, with a pause after
	 * one that could not be used. 0, or an error, logged */
	int (*wait)(struct virtio_dev *vd);

	/* of devices that may be taken out and put back: is it there, and not about to leave? One
	 * that came back is as new. Called often. NULL: it stays */
	bool (*present)(struct virtio_dev *vd);

	/* virtio 2.2 */
	uint64_t (*get_features)(struct virtio_dev *vd);
	void (*set_features)(struct virtio_dev *vd, uint64_t features);

	/* virtio 2.1; writing 0 resets the device, virtio_dev.c waits for it */
	uint8_t (*get_status)(struct virtio_dev *vd);
	void (*set_status)(struct virtio_dev *vd, uint8_t status);

	/* virtio 2.5; fields are read in their own width. -ERANGE behind the end of the space */
	int (*config_read)(struct virtio_dev *vd, unsigned offset, void *out, unsigned len);
	int (*config_write)(struct virtio_dev *vd, unsigned offset, const void *in, unsigned len);
	/* 0 always, where the transport has none (legacy): then callers read twice and compare */
	uint32_t (*config_generation)(struct virtio_dev *vd);

	/* number of virtqueues the device has at present */
	unsigned (*nb_queues)(struct virtio_dev *vd);
	/* maximum size of a queue, 0: the queue does not exist */
	uint16_t (*queue_size)(struct virtio_dev *vd, uint16_t index);
	/* can nentries be smaller than queue_size()? */
	bool queue_size_is_fixed;
	/* hands the ring's addresses and size over and enables it. @vector: VIRTIO_MSI_NO_VECTOR
	 * for none. -EIO when the device does not accept, -ERANGE when it cannot address the ring
	 */
	int (*queue_enable)(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector);

	/* with VIRTIO_F_RING_RESET: the device forgets this queue alone, and has done so when 0
	 * comes back (virtio 2.6.1); then it may be enabled again. -ETIMEDOUT. NULL: cannot be */
	int (*queue_reset)(struct virtio_dev *vd, const struct virtqueue *vq);

	/* asks for @wanted vectors (1 + Rx queues); @fn is called in interrupt context with 0 for
	 * the configuration and 1 + i for the i-th Rx queue, or VIRTIO_IRQ_ANY when they share one;
	 * once an interrupt, but that a pin may speak of a queue and the configuration at once */
	enum virtio_irq_mode (*irq_setup)(struct virtio_dev *vd, unsigned wanted, virtio_irq_fn fn);
	/* NULL: all go to the first lcore. Else interrupts of the i-th Rx queue go to another from
	 * now on, where the device has one for each queue, and the machine can */
	void (*irq_route)(struct virtio_dev *vd, unsigned i, unsigned lcore);
	/* -EIO when the device has no vector left for its configuration */
	int (*set_config_vector)(struct virtio_dev *vd, uint16_t vector);

	/* NULL: commands go through the control queue. Else there is no such queue, and the
	 * transport carries out a command itself: 0, or -EIO for no */
	int (*ctrl)(struct virtio_dev *vd, const struct virtio_net_ctrl_hdr *what, const void *data,
	            size_t len);

	/* pair N: one store, ordered behind all ring memory by the transport itself */
	void (*notify)(struct virtio_dev *vd, const struct virtqueue *vq);
};

struct virtio_dev {
	const struct virtio_transport_ops *ops;
	void *transport;          /* the transport's own structure */
	uint64_t device_features; /* offered */
	uint64_t features;        /* negotiated */
	uint16_t device_id;       /* 1: network card */
	bool awaited;             /* one that cannot be used is no error: another one may come */
	bool legacy;              /* 0.9.5 layout: page-frame ring, 10-byte header */
	enum virtio_irq_mode irq_mode;
	uint16_t nb_vectors; /* in use */
	uint16_t pairs;      /* queue pairs to use when no option says how many; 0: one */
	void *driver;        /* the device driver's own structure */
	char name[16];       /* bus address, for log lines */
	struct {
		uint64_t broken; /* breaches of protocol by the device */
	} stats;
};

#endif
