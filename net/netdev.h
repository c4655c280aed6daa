/*
 * A network port as everything above the driver sees it: two burst functions per queue, and a
 * table of cold operations. Packets are struct mbuf; whoever has the pointer owns the packet.
 *
 *	n = netdev_rx_burst(dev, 0, pkts, 32);		(n packets are now ours)
 *	sent = netdev_tx_burst(dev, 0, pkts, n);	(the first @sent are the device's)
 *	for (i = sent; i < n; i++) mbuf_free(pkts[i]);	(our policy: drop and count)
 */
#ifndef NET_NETDEV_H
#define NET_NETDEV_H

#include "net/mbuf.h"

#define NETDEV_PORTS_MAX 16
#define NETDEV_QUEUES_MAX 128
#define NETDEV_BURST 32
#define NETDEV_SPEED_UNKNOWN 0xffffffffu
#define NETDEV_FRAME_MAX 9728 /* longest frame without FCS */
#define NETDEV_MTU_MAX (NETDEV_FRAME_MAX - 14)
#define NETDEV_MTU_MIN 68

typedef uint16_t (*netdev_burst_fn)(void *queue, struct mbuf **pkts, uint16_t n);

/* Counters of one queue pair. They never go back. */
struct netdev_stats {
	uint64_t rx_packets, rx_bytes;
	uint64_t rx_errors; /* dropped by the driver: bad length, bad header */
	uint64_t rx_nombuf; /* shortages: the pool could not fill the ring; counted once each */
	uint64_t tx_packets, tx_bytes;
	uint64_t tx_errors;  /* dropped by the driver: packet it cannot send */
	uint64_t tx_dropped; /* dropped above the driver: the ring was full, or the link down */
	uint64_t kicks;      /* notifications of the device, both directions */
	uint64_t interrupts; /* of this queue's vector */
	uint64_t tx_lost;    /* counted as sent, but the device was stopped before it said so */
	uint64_t failures;   /* of the port's device: it was reset; told with the first queue */
};

/* What a port receives beside frames for its own address, those of its table, and broadcasts. */
#define NETDEV_RX_PROMISC (1u << 0)  /* everything; wins over all others */
#define NETDEV_RX_ALLMULTI (1u << 1) /* all multicast */
#define NETDEV_RX_ALLUNI (1u << 2)   /* all unicast */
#define NETDEV_RX_NOMULTI (1u << 3)  /* no multicast; wins over ALLMULTI */
#define NETDEV_RX_NOUNI (1u << 4)
#define NETDEV_RX_NOBCAST (1u << 5)
#define NETDEV_MACS_MAX 64 /* further addresses, unicast and multicast */
#define NETDEV_VLAN_MAX 4095

/* How a port waits for packets: net.mode */
enum netdev_mode { NETDEV_POLL, NETDEV_INTERRUPT, NETDEV_ADAPTIVE };

struct netdev;
struct netdev_rss;
struct json;

/* When the device notifies: behind so many packets, or so many microseconds behind the first; with
 * a 0 at each. */
struct netdev_coalesce {
	uint32_t packets, usecs;
};
#define NETDEV_COALESCE_PACKETS_MAX 65535u
#define NETDEV_COALESCE_USECS_MAX 1000000u

struct netdev_queue_id {
	int queue; /* pair; -1: all */
	bool tx;
};

/* Takes a counter: "rx" or "tx", a queue pair or -1 for none, and its name. */
typedef void (*netdev_xstat_fn)(void *arg, const char *direction, int queue, const char *name,
                                uint64_t value);
typedef void (*netdev_xstats_fn)(const struct netdev *dev, netdev_xstat_fn emit, void *arg);

struct netdev_ops {
	/* 0; -EAGAIN: its device is not there, and link_poll() will start the port when it is; or
	 * an error, with the reason logged */
	int (*start)(struct netdev *dev);
	void (*stop)(struct netdev *dev);
	/* one Rx or Tx queue of a port that runs: its packets are counted as when the port is
	 * stopped. -EOPNOTSUPP: the device cannot; -EINVAL: no such queue; -EBUSY: it is stopped,
	 * or runs, already; -EIO: the port does not run, or failed. A start of the port starts all.
	 * May be NULL */
	int (*queue_stop)(struct netdev *dev, uint16_t queue, bool tx);
	int (*queue_start)(struct netdev *dev, uint16_t queue, bool tx);
	/* another number of descriptors from now on; a queue that runs is stopped and started.
	 * Also -ENOSPC: more than there was at first; -EINVAL: not possible in this ring */
	int (*queue_resize)(struct netdev *dev, uint16_t queue, bool tx, unsigned nentries);
	/* adds this queue pair's counters to @out */
	void (*stats)(const struct netdev *dev, uint16_t queue, struct netdev_stats *out);
	/* re-reads link state and speed if the device said that they changed; called often */
	void (*link_poll)(struct netdev *dev);
	/* interrupts of a queue go to this lcore, which alone uses it; before it sleeps for the
	 * first time. NULL: the port cannot interrupt */
	void (*rx_route)(struct netdev *dev, uint16_t queue, unsigned lcore);
	/* asks for an interrupt at the next packet. False: there is a reason to poll once more, a
	 * packet for one; or no interrupt would come. Together with rx_route */
	bool (*rx_arm)(struct netdev *dev, uint16_t queue);
	/* no interrupts any more. Return: are there packets? */
	bool (*rx_disarm)(struct netdev *dev, uint16_t queue);
	/* takes several segments in one, or not any more, of a port whose rx_offloads have it;
	 * waits. -EOPNOTSUPP: the device cannot be told; -EIO, -ETIMEDOUT: it did not do it. May be
	 * NULL */
	int (*set_lro)(struct netdev *dev, bool on);
	/*
	 * What the device is to receive; it is best effort, so unwanted frames may still come. All
	 * wait, survive stop and start, and may be NULL. -EOPNOTSUPP: the device cannot be told,
	 * and nothing has changed; -EIO, -ETIMEDOUT: it did not do it.
	 */
	int (*set_rx_mode)(struct netdev *dev, unsigned mode); /* NETDEV_RX_ flags */
	int (*set_mac)(struct netdev *dev, const uint8_t mac[6]);
	/* adds to the table, or takes out. Also -EEXIST, -ENOENT, -ENOSPC, -EINVAL */
	int (*set_mac_entry)(struct netdev *dev, const uint8_t mac[6], bool on);
	/* lets frames with this tag in or not, of a port with net.rx_offloads=vlan_filter */
	int (*set_vlan)(struct netdev *dev, uint16_t vid, bool on);
	/* As the filters. Also -ENOENT: no such queue; -EINVAL: above the limits. What a device has
	 * can be asked of single queues */
	int (*set_coalesce)(struct netdev *dev, const struct netdev_queue_id *id,
	                    const struct netdev_coalesce *want);
	int (*get_coalesce)(struct netdev *dev, const struct netdev_queue_id *id,
	                    struct netdev_coalesce *now);
	/* emits counters beyond netdev_stats; may wait, and may be NULL */
	netdev_xstats_fn xstats;
	/* members of the "port" line that only the driver knows */
	void (*describe)(const struct netdev *dev, struct json *j);
};

/* A queue pair. Its receiving half is one lcore's, with the pool; its sending half is one's, too,
 * which is another one's only if it sends nothing but what that one received or took from its
 * pools. */
struct netdev_queue {
	void *rx, *tx; /* the driver's */
	struct mempool
	    *pool;           /* of its Rx buffers; who receives by it takes packets from here too */
	uint64_t tx_dropped; /* the layer above counts here what was not accepted */
	uint16_t lcore;      /* that receives by it; once lcores run it stays so */
} __attribute__((aligned(CACHE_LINE)));

struct netdev {
	netdev_burst_fn rx_burst, tx_burst;
	struct netdev_queue *queue; /* nb_queues */
	const struct netdev_ops *ops;
	struct netdev_rss *rss; /* net/rss.h; NULL: nobody hashes */

	/* NULL, or are there packets for this queue of which no interrupt of its own tells? */
	bool (*rx_waiting)(const struct netdev *dev, uint16_t queue);
	enum netdev_mode mode;
	uint16_t port;
	uint16_t nb_queues;
	uint16_t mtu;
	uint8_t mac[6];
	bool link_up;
	bool stopped; /* told to be, at the console; who starts it again clears it */
	bool news; /* set by the driver, also in interrupts: call link_poll soon; by who has called
	            */
	bool announce; /* set by the driver: tell others where we are; cleared by who has done it */
	unsigned rx_mode;     /* NETDEV_RX_ flags that hold now */
	uint32_t speed;       /* Mb/s or NETDEV_SPEED_UNKNOWN */
	uint32_t rx_offloads; /* MBUF_ flags that received packets may have */
	uint32_t tx_offloads; /* MBUF_ flags that are honoured; others are ignored */
	char name[16];        /* bus address */
};

/**
 * netdev_rx_burst() - take received packets
 * @dev: started device
 * @qi:  queue index, below the configured number
 * @n:   entries in @pkts
 *
 * The returned packets belong to the caller. Never blocks.
 *
 * Return: number of packets, 0..@n.
 */
static inline uint16_t netdev_rx_burst(struct netdev *dev, uint16_t qi, struct mbuf **pkts,
                                       uint16_t n)
{
	return dev->rx_burst(dev->queue[qi].rx, pkts, n);
}

/**
 * netdev_tx_burst() - hand packets to the device
 * @dev:  started device
 * @qi:   queue index, below the configured number
 * @pkts: packets to send; each has MBUF_HEADROOM_MIN free bytes in front of its data
 * @n:    number of entries in @pkts
 *
 * The first @return packets now belong to the device, which frees them after sending.
 * The others still belong to the caller. Never blocks, never allocates. Buffers of what was sent
 * before come back in here, in batches; with @n == 0 that is all that happens.
 *
 * Return: number accepted, 0..@n. Short when the ring is full, the queue is broken or the link is
 * down.
 */
static inline uint16_t netdev_tx_burst(struct netdev *dev, uint16_t qi, struct mbuf **pkts,
                                       uint16_t n)
{
	return dev->tx_burst(dev->queue[qi].tx, pkts, n);
}

/**
 * netdev_tx_prepare() - make a received packet one that @dev can send
 *
 * What its own port's device left undone becomes the work of @dev's, or is done here: the checksum
 * (virtio 5.1.9.4), the VLAN tag that was taken out. For those who send on what they received
 * without looking into it; call it before the first netdev_tx_burst() with the packet.
 *
 * Return: 0; -EOPNOTSUPP for several segments in one that @dev cannot cut; -EINVAL when there is
 * no room for the tag, or the checksum lay in what was trimmed. The packet stays the caller's.
 */
int netdev_tx_prepare(const struct netdev *dev, struct mbuf *m);

/** netdev_register() - called by a driver; gives the port its number. -ENOSPC when there are
 * NETDEV_PORTS_MAX already */
int netdev_register(struct netdev *dev);

/** netdev_print() - print the port's "port" line, one JSON object */
void netdev_print(const struct netdev *dev);

unsigned netdev_count(void);
struct netdev *netdev_get(unsigned port);

#endif
