/*
 * A virtio-net port from inside the driver: its queues and what was decided for them. The parts:
 *
 *	virtio_net.c	probing, start and stop, the netdev operations
 *	vnet_features.c	which features are asked for, and what the port can do with them
 *	vnet_sizes.c	how many queues there are, and how large
 *	vnet_queue.c	memory for rings and buffers, filling and emptying them
 *	vnet_intr.c	interrupts, and asking for them
 *	vnet_recover.c	bringing a port back whose device failed or went away
 *	vnet_ring_reset.c stopping, starting and resizing one queue
 *	vnet_watchdog.c	noticing that a device does not send any more
 *	vnet_rx.h	the receive body	\  always-inline, specialised by a constant path
 *	vnet_tx.h	the transmit body	/
 *	vnet_offload.c	what comes and goes in the net header, for queues with offloads
 *	vnet_ctrl.c	the control queue and what is sent through it
 *	vnet_rss.c	hashes by the device, and queues chosen by them
 *	vnet_coal.c	when the device notifies
 *	vnet_devstats.c	what the device counts
 *	vnet_filter.c	which frames the device lets through, and announcements
 *	vnet_paths.c	the named wrappers, the table of paths, and the choice
 */
#ifndef DRIVERS_VIRTIO_VNET_H
#define DRIVERS_VIRTIO_VNET_H

#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/virtqueue.h"
#include "drivers/virtio/vnet_paths.h"
#include "net/mempool.h"
#include "net/netdev.h"
#include "net/rss.h"

#define ETHERNET_OVERHEAD (14u + 4u) /* header and one VLAN tag */
/* what makes a received packet several segments in one */
#define VNET_GUEST_GSO                                                                             \
	(VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_USO4 |             \
	 VIRTIO_NET_F_GUEST_USO6)
#define VNET_RX_FILTER (1u << 31) /* of vnet_rxq.offloads: not all that comes is for us */
#define VNET_BATCH 32             /* buffers refilled or reclaimed at a time */
#define VNET_REFILL_MAX 128       /* refilled at a time in a large ring */

/* Counters that only the queue's own lcore writes. */
struct vnet_queue_stats {
	uint64_t packets, bytes;
	uint64_t errors;   /* dropped: bad length, bad header, unsendable */
	uint64_t nombuf;   /* shortages of buffers, each counted once */
	uint64_t filtered; /* not for us, though the device let them in */
};

struct vnet_rxq {
	struct virtqueue vq;
	struct mempool *pool;
	struct vnet_queue_stats stats;
	uint32_t buf_bytes; /* of a posted buffer: net header and data room */
	uint32_t data_room; /* the same without the header */
	uint16_t refill_at; /* refill when this many are free: the device lacks none by then */
	uint16_t keep_free; /* descriptors never filled: the pool is smaller than the ring */
	uint16_t hdr_len;   /* 10, 12, 20 */
	uint16_t port;
	uint32_t offloads; /* MBUF_ flags that packets may get; VNET_RX_FILTER */
	const struct vnet_gate *gate;
	bool hdr_alone; /* legacy without ANY_LAYOUT: the header has a descriptor to itself */
	bool mergeable, in_order;
	bool starved;   /* the last refill found too little in the pool */
	uint16_t lcore; /* that uses it, once it was told */
	uint64_t interrupts;
};

struct vnet_txq {
	struct virtqueue vq;
	struct vnet_queue_stats stats;
	uint16_t reclaim_at; /* reclaim when fewer descriptors are free */
	uint32_t frame_max;  /* longer ones are not sent (virtio 5.1.4.2) */
	uint16_t hdr_len;
	bool in_order;
	bool hdr_alone;
	bool full_hdr;     /* each header is written by vnet_tx_offload() */
	bool odd;          /* one of these two */
	uint32_t offloads; /* MBUF_ flags that are honoured */
	uint64_t lost;     /* counted as sent, and then taken back from the device */
	/* of vnet_watchdog.c */
	uint32_t seen_at;  /* where the device was when it was looked at last */
	uint64_t stall_ns; /* for how long it has been there, with packets to send */
};

/* The control queue: one command at a time. */
struct vnet_ctrl {
	struct virtqueue vq; /* nentries 0: there is none */
	struct vnet_ctrl_cmd *cmd;
};

/* Which frames are let in. */
struct vnet_gate {
	unsigned mode; /* NETDEV_RX_ flags */
	unsigned nb_macs;
	uint8_t macs[NETDEV_MACS_MAX][6]; /* unicast ones first */
	bool tags;                        /* of @vlans only */
	uint64_t vlans[(NETDEV_VLAN_MAX + 1) / 64];
	const uint8_t *own; /* address */
};

/* What is wanted of the device's filters; it forgets them at each reset. */
struct vnet_filter {
	struct vnet_gate want;
	struct vnet_gate
	    live;        /* what queues with VNET_RX_FILTER hold to; changed while lcores rest */
	bool asked;      /* somebody wanted anything */
	bool announcing; /* the device waits for the acknowledgement */
	uint64_t announce_ns;
};

/* Of notifications: what is wanted, if anybody wanted anything. */
struct vnet_coal {
	struct netdev_coalesce want;
	bool given;
};

/* Of a port that failed; see vnet_recover.c. */
struct vnet_recovery {
	bool wanted;
	bool quiet;        /* it is nothing new: not logged */
	bool excused;      /* it does not count as a failure in a row */
	bool away;         /* said that its device is not there */
	uint64_t asked_ns; /* when the device was told to reset, and did not do it at once; or 0 */
	uint64_t tried_ns; /* when the last try ended */
	uint64_t wait_ns;  /* until the next one */
	unsigned failures; /* tries in a row after which the port did not run for long */
	uint64_t failed;   /* how often the port did */
};

#define VNET_WATCHDOG_LINK_NS 500000000ull /* the patience once a link has come up */

/* See vnet_watchdog.c. */
struct vnet_watchdog {
	uint64_t looked_ns;
	uint64_t patience_ns; /* with a device that does not send */
	unsigned bites;       /* without a packet sent in between */
};

struct vnet {
	struct netdev dev;
	struct virtio_dev *vd;
	struct vnet_choice choice;
	uint64_t features;     /* that rings, buffers and path were made for */
	uint32_t tx_frame_max; /* by the MTU of the device; UINT32_MAX when it has none */
	struct vnet_rxq *rxq;  /* nb_queues of each */
	struct vnet_txq *txq;
	struct vnet_ctrl ctrl;
	struct vnet_filter filter;
	struct vnet_coal coal_all[2]; /* Rx, Tx */
	struct vnet_coal *coal;       /* by virtqueue; NULL: the device cannot be told */
	struct netdev_rss rss;
	uint8_t hash_key_len; /* as long as the device takes it */
	uint16_t rxd, txd;
	uint16_t pairs_max; /* of the device: its control queue is behind them (virtio 5.1.2) */
	uint16_t nb_queues; /* pairs that there is memory for */
	uint16_t nb_active; /* those that the device uses */
	uint16_t hdr_len;
	uint16_t data_room; /* of Rx buffers */
	uint16_t mtu_first; /* dev.mtu of the first start: never more than that */
	uint16_t mtu_max;   /* what may be received: the device's MTU, dev.mtu when it has none */
	bool negotiated;    /* FEATURES_OK since the last reset */
	bool started;
	bool failed; /* a queue is broken, or the device asks for a reset */
	struct vnet_recovery recovery;
	struct vnet_watchdog watchdog;
	uint64_t config_interrupts;
	uint64_t config_seen; /* config_interrupts when link_poll looked last */
	uint32_t speed_option;
};

/* Legacy framing: the net header is a descriptor of its own (virtio 5.1.9.8). */
static inline bool vnet_hdr_is_alone(const struct virtio_dev *vd)
{
	return vd->legacy && !virtio_has(vd, VIRTIO_F_ANY_LAYOUT);
}

/** vnet_ring_alloc() - a virtqueue's rings and slots, once. Return: 0 or -ENOMEM */
int vnet_ring_alloc(struct vnet *vn, struct virtqueue *vq, uint16_t index, uint16_t nentries);

/** vnet_ring_init() - an empty ring, whose slots hold nothing */
void vnet_ring_init(const struct vnet *vn, struct virtqueue *vq);

/** vnet_pairs_wanted() - queue pairs that the options ask for, or the transport */
unsigned vnet_pairs_wanted(const struct virtio_dev *vd, unsigned port);

/** vnet_pairs_max() - max_virtqueue_pairs of a device that offers MQ; 0: it gives no number that
 * can be (virtio 5.1.4.1) */
uint16_t vnet_pairs_max(struct virtio_dev *vd);

/** vnet_sizes_probe() - how many queue pairs, and of which size; and memory to remember them. Less
 * than what is asked for is told. Return: 0; -EINVAL or -ENOMEM, logged */
int vnet_sizes_probe(struct vnet *vn, unsigned port, size_t budget);

/** vnet_queues_afford() - the number of queue pairs, at most @wanted and at least one, that @budget
 * bytes are enough for; fewer than @wanted is logged */
unsigned vnet_queues_afford(const struct vnet *vn, unsigned wanted, size_t budget);

/** vnet_queues_alloc() - memory for the rings, slots and pools of all queues, once, at most @budget
 * bytes. Fewer buffers than the rings could hold are fine. Return: 0, or -ENOMEM, logged */
int vnet_queues_alloc(struct vnet *vn, size_t budget);

/** vnet_ring_resize() - an empty ring gets another number of entries, as far as there is memory for
 * them. Return: 0, -ENOSPC above that, or -EINVAL */
int vnet_ring_resize(struct vnet *vn, struct virtqueue *vq, unsigned nentries);

/** vnet_queues_init() - empty rings, as before the first start; every buffer must be at home */
void vnet_queues_init(struct vnet *vn);

/** vnet_queues_fill() - give the device its first receive buffers; it is live */
void vnet_queues_fill(struct vnet *vn);

/** vnet_rxq_discard() - take received packets that nobody has read out of the ring, and count them
 * as errors */
void vnet_rxq_discard(struct vnet *vn, struct vnet_rxq *q);

/** vnet_queues_settle() - take out of the rings what the device has used by now: sent packets are
 * free, received ones are counted as errors, as nobody will read them. Not of broken queues */
void vnet_queues_settle(struct vnet *vn);

/** vnet_queues_give_up() - bursts do nothing from now on */
void vnet_queues_give_up(struct vnet *vn, const char *why);

/** vnet_queues_drain() - take back every buffer that the device holds; it was reset before. Packets
 * among them that were to be sent are counted as lost. Return: how many */
unsigned vnet_queues_drain(struct vnet *vn);

/** vnet_irq() - the transport's interrupts, in whose context it runs */
void vnet_irq(struct virtio_dev *vd, unsigned vector);

/** vnet_mode_init() - how the port waits, by its options */
void vnet_mode_init(struct vnet *vn, unsigned port);

/** vnet_mode_check() - a port that is to wait for interrupts and gets none polls, which is logged;
 * after each start */
void vnet_mode_check(struct vnet *vn);

void vnet_rx_route(struct netdev *dev, uint16_t queue, unsigned lcore);
bool vnet_rx_arm(struct netdev *dev, uint16_t queue);
bool vnet_rx_disarm(struct netdev *dev, uint16_t queue);
/** vnet_rxq_drain(), vnet_txq_drain() - the same of one queue */
void vnet_rxq_drain(struct vnet_rxq *q);
unsigned vnet_txq_drain(struct vnet_txq *q);

/** vnet_txq_reclaim() - free what the device has sent, however little it is */
void vnet_txq_reclaim(struct vnet *vn, struct vnet_txq *q);

/** vnet_link_set() - the link is up or down from now on; while it is down nothing is sent */
void vnet_link_set(struct vnet *vn, bool up);

/** vnet_rx_vector() - of an Rx queue */
static inline uint16_t vnet_rx_vector(const struct virtio_dev *vd, unsigned pair)
{
	if (vd->irq_mode == VIRTIO_IRQ_MSIX)
		return (uint16_t)(1 + pair);
	return vd->irq_mode == VIRTIO_IRQ_SHARED ? 0 : VIRTIO_MSI_NO_VECTOR;
}

/* As in netdev_ops; see vnet_ring_reset.c. */
int vnet_queue_stop(struct netdev *dev, uint16_t queue, bool tx);
int vnet_queue_start(struct netdev *dev, uint16_t queue, bool tx);
int vnet_queue_resize(struct netdev *dev, uint16_t queue, bool tx, unsigned nentries);

/** vnet_fail() - no more of this device until the port is stopped and started, which
 * vnet_recover() will do. Every buffer stays where it is. Who knows why has said it */
void vnet_fail(struct vnet *vn);

/** vnet_health() - if a queue is broken, or the device needs a reset, is gone or does not send any
 * more: say so and vnet_fail(); from link_poll */
void vnet_health(struct vnet *vn);

/** vnet_recover() - if the port failed and it is time to: stop and start it; from link_poll */
void vnet_recover(struct vnet *vn);

/** vnet_watchdog_start() - the port has been started; the other lcores are parked */
void vnet_watchdog_start(struct vnet *vn);

/** vnet_watchdog_link_up() - the link of a port that runs has come up */
void vnet_watchdog_link_up(struct vnet *vn);

/** vnet_watchdog_stalled() - a Tx queue whose device has had packets for too long without sending
 * one, NULL: there is none; from link_poll */
const struct vnet_txq *vnet_watchdog_stalled(struct vnet *vn);

#endif
