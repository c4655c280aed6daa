/*
 * The network device of fuzz_vnet.c: a transport whose every answer the input decides, and a hand
 * that writes into the rings. It can do what it should, so that the driver's buffers come back and
 * deep states are reached, and it can write anything anywhere that a real device could.
 */
#ifndef TESTS_FUZZ_FUZZ_VNET_DEV_H
#define TESTS_FUZZ_FUZZ_VNET_DEV_H

#include "drivers/virtio/vnet.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_RX 0
#define FUZZ_TX 1
#define FUZZ_CTRL 2
#define FUZZ_QUEUES 3
#define FUZZ_CONFIG_BYTES 24

struct fuzz_queue {
	struct virtqueue *vq; /* the driver's, while it is enabled; NULL else */
	void *mem;
	size_t bytes;
	uint16_t seen; /* split: next avail entry to look at; packed: next descriptor */
	uint16_t used; /* split: the used index */
	bool wrap;     /* packed: the lap that @seen is in */
	unsigned notified;
};

struct fuzz_dev {
	struct virtio_dev vd;
	struct fuzz_in *in;
	uint64_t offered;
	uint8_t status;
	uint8_t reset_delay; /* reads of the status until a reset is over */
	bool refuses_features, refuses_queues, refuses_vector, config_moves;
	unsigned resets_left, generation;
	uint16_t queue_max[FUZZ_QUEUES];
	uint8_t config[FUZZ_CONFIG_BYTES];
	unsigned config_bytes;
	enum virtio_irq_mode irq_mode;
	virtio_irq_fn irq;
	struct virtio_net_hdr_hash hdr; /* of received packets, but for num_buffers */
	uint8_t tag[16];                /* how their data begins */
	struct fuzz_queue queue[FUZZ_QUEUES];
};

/** fuzz_dev_open() - read from the input what the device is like */
void fuzz_dev_open(struct fuzz_dev *d, struct fuzz_in *in);

/** fuzz_dev_act() - read from the input what it does now to a receive or transmit queue, and do it.
 * A control command it answers, or not, when it is notified */
void fuzz_dev_act(struct fuzz_dev *d);

#endif
