/*
 * The device model: a whole virtio-net device, written from the specification and from nothing of
 * the driver's. It acts only when told and then checks whatever the driver did meanwhile:
 *
 *	vdev_open(&d, VDEV_MODERN);		(then set d.offered, d.queue_max, d.order, ...)
 *	vdev_memory_add(&d.memory, va, iova, len);
 *	vdev_attach(&d, &vd);			(vd is now a struct virtio_dev on this device)
 *	... the driver probes and starts ...
 *	vdev_net_rx_push(&d, 0, frame, len);
 *	vdev_step(&d, 32);			(the device does up to 32 packets a queue)
 *	f = vdev_net_tx_pop(&d, 0);		(what the driver sent; free(f))
 *	cr_assert_eq(vdev_close(&d), 0);	(breaches by the driver; see d.violation)
 *
 * Every breach of a "driver MUST" (virtio 1.4) is recorded with its section. Told to, the device
 * lies as a broken or hostile one would: vdev_lie().
 */
#ifndef TESTS_MODEL_VDEV_H
#define TESTS_MODEL_VDEV_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtio_transport.h"
#include "tests/model/vdev_memory.h"

#define VDEV_QUEUES_MAX 10 /* four pairs, and the control queue */
#define VDEV_VIOLATIONS_MAX 32
#define VDEV_SEGS_MAX 1024 /* longer chains are a breach: no device takes them */
#define VDEV_FRAME_MAX 65600

enum vdev_kind { VDEV_MODERN, VDEV_LEGACY };

/* In which order buffers are completed, of those that the device has fetched; with IN_ORDER
 * negotiated always in order. */
enum vdev_order { VDEV_IN_ORDER, VDEV_REVERSED, VDEV_RANDOM };

/* When the device wants to be notified of available buffers. */
enum vdev_kick {
	VDEV_KICK_ALWAYS, /* at the next one */
	VDEV_KICK_NEVER,  /* it polls */
	VDEV_KICK_RANDOM, /* now one, now the other; with EVENT_IDX also some buffers later */
};

/* With IN_ORDER negotiated: which buffers share a used entry with the one behind them, of those
 * that were used completely. */
enum vdev_batch { VDEV_BATCH_NONE, VDEV_BATCH_ALL, VDEV_BATCH_RANDOM };

/* What a broken or hostile device does once; @value of vdev_lie() in parentheses. */
enum vdev_lie {
	VDEV_TRUTH,
	VDEV_LIE_ID_RANGE,    /* used id that no queue of this size has (the id; 0: queue size) */
	VDEV_LIE_ID_IDLE,     /* used id that is not with the device */
	VDEV_LIE_ID_REPEATED, /* the same id in two used entries */
	VDEV_LIE_ID_AHEAD,    /* the id of a buffer that will be used later */
	VDEV_LIE_LEN,         /* (the used length) */
	VDEV_LIE_LEN_LONG,    /* one byte more than the buffer has */
	VDEV_LIE_LEN_SHORT,   /* one byte less than the net header */
	VDEV_LIE_NUM_BUFFERS, /* (header's num_buffers) */
	VDEV_LIE_CSUM,        /* header: NEEDS_CSUM from an offset on (the offset) */
	VDEV_LIE_DESC,        /* split: a used descriptor goes on with another one (which) */
	VDEV_LIE_MERGE_TORN,  /* the last buffer of a merged frame becomes used a step later */
	VDEV_LIE_USED_JUMP,   /* used index further ahead (by how much; 0: queue size + 1); packed:
	                         so many further descriptors become used as they stand */
	VDEV_LIE_USED_BACK,   /* used index goes back (by how much; 0: one); packed: a descriptor
	                         does not become used */
	VDEV_LIE_NEEDS_RESET, /* DEVICE_NEEDS_RESET instead of a completion */
	VDEV_LIE_ACK,         /* control queue: (the answer) */
	VDEV_LIE_SILENT,      /* control queue: the command is never answered */
	VDEV_LIE_STATS,       /* control queue: a reply of STATS_GET (enum vdev_stats_lie) */
	VDEV_LIE_RESULT,      /* control queue: (bytes of a result that are there) */
};

/* What can be wrong with a reply of statistics. */
enum vdev_stats_lie {
	VDEV_STATS_SIZE_ZERO,
	VDEV_STATS_SIZE_SHORT,
	VDEV_STATS_SIZE_LONG,
	VDEV_STATS_SIZE_HUGE,
	VDEV_STATS_TYPE,
	VDEV_STATS_TYPE_BEYOND,
	VDEV_STATS_QUEUE,
	VDEV_STATS_CUT,
	VDEV_STATS_MISSING,
	VDEV_STATS_TWICE,
	VDEV_STATS_LIES, /* how many */
};

struct vdev;
struct vdev_ring_ops;

struct vdev_frame {
	struct vdev_frame *next;
	union { /* of a sent frame: as the driver wrote it */
		struct virtio_net_hdr hdr;
		struct virtio_net_hdr_hash hash;
	};
	uint32_t len;
	unsigned nb_descs; /* of a sent frame: descriptors of its chain, header included */
	bool indirect;
	uint8_t data[];
};

struct vdev_fifo {
	struct vdev_frame *head, **tail;
	unsigned n;
};

/* One piece of a buffer, in I/O and host addresses. */
struct vdev_seg {
	uint64_t iova;
	uint8_t *va;
	uint32_t len;
	bool write;
};

/* A buffer that the device has fetched and not yet used. */
struct vdev_chain {
	uint16_t id;
	bool indirect;
	uint16_t nb_descs;             /* in the ring itself */
	uint16_t *desc;                /* which */
	struct vring_packed_desc head; /* packed: the first of them */
	uint32_t readable, writable;
	uint64_t desc_sum;   /* over the descriptors, which the driver must not touch now */
	uint64_t memory_sum; /* over the readable memory, likewise */
	unsigned nb_segs;
	struct vdev_seg seg[];
};

/* A place in a packed ring: the lap has the wrap counter @wrap. */
struct vdev_cursor {
	uint16_t pos;
	bool wrap;
};

/* A used entry or descriptor, for one buffer or for a batch of them. */
struct vdev_used {
	uint32_t id, len;           /* of the last */
	uint32_t writable;          /* what the last one could hold */
	uint16_t nb_bufs, nb_descs; /* of all; 0 buffers: there is none */
	bool full;                  /* the last one was used completely */
};

struct vdev_queue {
	struct vdev *d;
	const struct vdev_ring_ops *ring;
	uint16_t index, size, vector;
	bool enabled;
	bool was_reset; /* alone, since the device was: it may be enabled once more */
	bool dead;      /* a breach or a lie after which the ring means nothing any more */
	uint64_t desc_iova, avail_iova, used_iova;

	/* split ring: our view, and a copy of all that only the device may write */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	struct vring_used_elem *used_copy;
	uint16_t used_flags, used_idx_public, avail_event;
	uint16_t avail_idx;  /* next to fetch */
	uint16_t used_idx;   /* next to write */
	uint16_t seen_idx;   /* the driver's avail index at the last notification or step */
	uint16_t order_next; /* with IN_ORDER: the descriptor that has to come next */
	bool *busy;          /* with the device: by descriptor; packed: by buffer id */

	/* packed ring: our view, and what is in it as long as the driver may not write there */
	struct vring_packed_desc *packed, *packed_copy;
	struct vring_packed_event *driver_event, *device_event;
	uint32_t device_event_copy;
	uint32_t event_late;          /* a place that the driver has passed */
	struct vdev_cursor fetch_at;  /* next to fetch */
	struct vdev_cursor use_at;    /* next to write */
	struct vdev_cursor public_at; /* first used one that the driver does not see yet */
	unsigned nb_with;             /* descriptors between use_at and fetch_at */
	unsigned seen_ahead;          /* known to be available at the last notification or step */

	struct vdev_used batch;      /* completed, its used entry not yet written */
	struct vdev_chain **pending; /* size entries: fetched, not completed */
	unsigned nb_pending;
	struct vdev_chain **picked; /* size entries: for the frame in hand */
	struct vdev_chain *torn;    /* VDEV_LIE_MERGE_TORN: completed a step later */
	uint32_t torn_len;
	struct vdev_fifo frames; /* Rx: waiting for buffers; Tx: waiting for the test */

	enum vdev_lie lie;
	uint64_t lie_after;
	uint32_t lie_value;

	uint64_t completions; /* buffers */
	uint64_t packets;
	uint64_t dropped; /* Rx frames that no buffer of this queue can hold */
	uint64_t kicks;
	uint64_t kicks_unwanted; /* notifications that the device had not asked for */
	uint64_t kicks_late;     /* packed: asked for at a place that was passed some time ago */
	uint64_t interrupts;     /* raised */
	uint64_t quiet;          /* used buffers published without one: suppressed */
};

struct vdev_violation {
	char text[200]; /* "2.7.13.1: ..." */
	uint64_t times;
};

#define VDEV_MACS_MAX 64
#define VDEV_RSS_TABLE_MAX 128

/* The control queue's last command, and what all of them did. */
struct vdev_ctrl {
	struct virtio_net_ctrl_hdr what;
	uint32_t len; /* of its data */
	uint8_t data[512];
	uint8_t result[512]; /* behind the answer */
	uint32_t result_len;
	unsigned commands;
	uint16_t pairs;    /* that are used, with MQ */
	uint64_t offloads; /* bits of features that are switched on */
	struct virtio_net_hash_config hash;
	bool steers; /* by @rss, which is as the driver sent it; else as VQ_PAIRS_SET has it */
	struct vdev_rss {
		uint32_t types;
		uint16_t mask, unclassified;
		uint16_t table[VDEV_RSS_TABLE_MAX];
		uint8_t key_len, key[VIRTIO_NET_HASH_KEY_MAX];
	} rss;

	struct virtio_net_ctrl_coal coal[VDEV_QUEUES_MAX];
	struct virtio_net_ctrl_coal
	    coal_all[2]; /* Rx, Tx: what queues have when they are enabled */
	bool stats_queried;

	/* filters, vdev_filter.c */
	uint8_t mode[VIRTIO_NET_CTRL_RX_NOBCAST + 1]; /* by command; promiscuous at first */
	uint8_t mac[6];                               /* that was set */
	bool mac_set;
	uint8_t macs[VDEV_MACS_MAX][6];
	unsigned nb_unicast, nb_multicast; /* in macs, the latter behind the former */
	uint8_t vlan[4096];
	unsigned announced; /* acknowledgements */
};

struct vdev {
	/* set before vdev_attach(), some also later */
	enum vdev_kind kind;
	uint64_t offered;
	uint64_t features_needed;  /* FEATURES_OK is refused without these */
	uint64_t features_refused; /* ... and with one of these */
	uint16_t queue_max[VDEV_QUEUES_MAX];
	unsigned nb_queues;
	unsigned reset_reads;      /* status reads until a reset is done */
	bool reset_sticks;         /* it never is */
	bool queue_reset_sticks;   /* nor is that of a queue */
	bool gone;                 /* vdev_take_out() */
	bool needs_reset_at_start; /* DEVICE_NEEDS_RESET as the answer to DRIVER_OK */
	unsigned vectors;          /* MSI-X vectors that the device has; 0: none */
	bool intx;                 /* without MSI-X: has it a pin? */
	int queue_error;           /* queue_enable() of queue_error_at answers this */
	unsigned queue_error_at;
	uint64_t ring_reach; /* highest address of a ring, 0: any (legacy registers: 44 bits) */
	int vector_error;    /* set_config_vector() answers this */
	struct virtio_net_config config;
	unsigned config_len;
	uint64_t stats_types; /* supported_stats_types, with DEVICE_STATS */
	enum vdev_order order;
	enum vdev_batch batch;
	enum vdev_kick kick;
	uint64_t seed;
	unsigned hold; /* Tx: how many fetched buffers stay with the device after a step */
	bool threaded; /* the device steps on a thread of its own: what it cannot know at the very
	                  moment when it looks is not checked */
	bool late; /* the device learns of its queues when the driver may be using them already */
	bool scribble; /* overwrite descriptors and avail ring, which nobody may rely on */
	struct vdev_memory memory;

	/* what the driver did */
	uint64_t features;
	uint8_t status;
	uint8_t generation;
	bool features_written;
	bool reset_seen;   /* a reset was ever asked for */
	bool reset_unread; /* ... and not seen to be complete */
	unsigned reset_left;
	virtio_irq_fn irq_fn;
	unsigned irq_wanted;
	enum virtio_irq_mode irq_mode;
	uint16_t config_vector;
	uint64_t config_interrupts, resets;
	struct virtio_dev *vd;
	struct vdev_queue queue[VDEV_QUEUES_MAX];

	struct vdev_ctrl ctrl;

	/* vdev_config_race() */
	struct virtio_net_config config_next;
	unsigned config_race_reads, config_race_times;

	struct vdev_violation violation[VDEV_VIOLATIONS_MAX];
	unsigned nb_violations;
	uint64_t violations; /* all, with those that did not fit */
};

/** vdev_open() - a device with defaults: one queue pair of 256, the usual features of its kind,
 * three vectors, link up, nothing wrong */
void vdev_open(struct vdev *d, enum vdev_kind kind);

/** vdev_attach() - make @vd a device on this model */
void vdev_attach(struct vdev *d, struct virtio_dev *vd);

/**
 * vdev_step() - let the device work
 * @budget: packets for each queue
 *
 * Return: packets moved.
 */
unsigned vdev_step(struct vdev *d, unsigned budget);

/** vdev_drain() - steps without holding buffers back until nothing moves; returns packets moved */
unsigned vdev_drain(struct vdev *d);

/** vdev_lie() - at the first completion of @queue after @after more, do what @lie says, once */
void vdev_lie(struct vdev *d, unsigned queue, enum vdev_lie lie, uint64_t after, uint32_t value);

/** vdev_needs_reset() - set DEVICE_NEEDS_RESET and tell the driver */
void vdev_needs_reset(struct vdev *d);

/** vdev_take_out() - the card is not there any more: reads give all ones, writes are lost */
void vdev_take_out(struct vdev *d);

/** vdev_put_back() - it is, as new */
void vdev_put_back(struct vdev *d);

/** vdev_config_change() - new configuration, with its notification */
void vdev_config_change(struct vdev *d, const struct virtio_net_config *config);

/** vdev_config_race() - configuration changes in the middle of the @reads-th read from now, and of
 * the @times - 1 reads behind that: the reader gets half of each */
void vdev_config_race(struct vdev *d, const struct virtio_net_config *next, unsigned reads,
                      unsigned times);

/** vdev_pairs() - offer @n queue pairs and a control queue; before vdev_attach() */
void vdev_pairs(struct vdev *d, unsigned n);

/** vdev_net_rx_push() - a frame for queue pair @pair, which is used, arrives from the wire; copied
 */
void vdev_net_rx_push(struct vdev *d, unsigned pair, const void *data, uint32_t len);

/** vdev_net_rx_push_hdr() - the same with the header that the device is to write; its num_buffers
 * is the device's business */
void vdev_net_rx_push_hdr(struct vdev *d, unsigned pair, const struct virtio_net_hdr *hdr,
                          const void *data, uint32_t len);

/** vdev_net_rx_push_hash() - the same with what HASH_REPORT adds to the header */
void vdev_net_rx_push_hash(struct vdev *d, unsigned pair, const struct virtio_net_hdr_hash *hash,
                           const void *data, uint32_t len);

/** vdev_net_rx_wire() - a frame arrives for nobody in particular: the device hashes it, chooses the
 * queue pair as it was told, and reports the hash if it is to. Return: the pair */
unsigned vdev_net_rx_wire(struct vdev *d, const void *data, uint32_t len);

/** vdev_net_hash() - what the device makes of a frame (5.1.9.4.3): @report is the number of the
 * type, VIRTIO_NET_HASH_REPORT_NONE when there is no hash */
uint32_t vdev_net_hash(const uint8_t *frame, uint32_t len, uint32_t types, const uint8_t *key,
                       uint16_t *report);

/** vdev_stats_value() - a counter of the device's statistics, which are only numbers here */
uint64_t vdev_stats_value(unsigned queue, unsigned type, unsigned counter);

/** vdev_net_tx_pop() - the next frame that was sent, in the order in which the driver made them
 * available, checksum filled in if asked for; NULL when there is none. free() it */
struct vdev_frame *vdev_net_tx_pop(struct vdev *d, unsigned pair);

/** vdev_net_hdr_len() - length of the net header with what was negotiated */
uint32_t vdev_net_hdr_len(const struct vdev *d);

/** vdev_check() - look at what can only be seen with patience: was the used ring written? */
void vdev_check(struct vdev *d);

/** vdev_expect() - forget the breaches whose text starts with @section. Return: how many */
uint64_t vdev_expect(struct vdev *d, const char *section);

/** vdev_close() - vdev_check(), then free everything but the list of breaches. Return: breaches
 * that nobody expected */
uint64_t vdev_close(struct vdev *d);

#endif
