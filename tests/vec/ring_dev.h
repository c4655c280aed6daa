/*
 * The least device that can serve a ring: it completes what is available when told, in a given
 * order, and touches buffers only through a callback. For tests and measurements of the bodies
 * where the whole device model would hide what is measured, and on machines without Criterion.
 */
#ifndef TESTS_VEC_RING_DEV_H
#define TESTS_VEC_RING_DEV_H

#include "drivers/virtio/vnet.h"

#define RING_DEV_GROUP_MAX 1024 /* buffers fetched at a time */

enum ring_dev_order { RING_DEV_SAME, RING_DEV_REVERSED, RING_DEV_MIXED };

struct ring_dev {
	struct virtqueue *vq;
	uint16_t pos; /* packed: next descriptor; split: next available entry */
	uint16_t used_idx;
	bool wrap;
	enum ring_dev_order order; /* split: of completions within one run */
	unsigned batch;            /* with IN_ORDER: buffers completed by one used entry; 0: one */
	uint32_t len;              /* used length when there is no callback */
	/* does what the device does to a buffer. Return: the used length */
	uint32_t (*buffer)(void *arg, uint64_t iova, uint32_t len);
	void *arg;
	uint64_t notified;
};

#define RING_DEV_MAPS 6

/* A port's queue pair with a device behind each queue, and a pool. Behind the rings, slots and ids
 * of each queue is memory that cannot be read. */
struct ring_port {
	struct virtio_dev vd;
	struct mempool *pool;
	struct vnet_rxq rxq;
	struct vnet_txq txq;
	struct ring_dev rx, tx;
	struct {
		void *base;
		size_t bytes;
	} map[RING_DEV_MAPS];
	unsigned nb_maps;
};

/** ring_port_open() - queues of @nentries for these features; vector paths may use them */
void ring_port_open(struct ring_port *p, uint64_t features, uint16_t nentries);

/** ring_dev_run() - complete up to @max available buffers. Return: how many */
unsigned ring_dev_run(struct ring_dev *d, unsigned max);

/** ring_port_drain() - take all buffers out of the rings. Return: is every one in the pool? */
bool ring_port_drain(struct ring_port *p);

#endif
