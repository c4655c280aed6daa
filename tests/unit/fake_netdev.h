/*
 * The end of the world for tests of the stack: a port that gives what was injected and keeps what
 * is sent. With it, the peer's side of the protocols, written from the RFCs with code of its own.
 *
 *	fake_world_start(&w, "net.ip=10.0.2.15/24");	(peer 10.0.2.2 is in the ARP cache)
 *	len = frame_udp(frame, &FRAME_TO_US, "hi", 2);
 *	fake_inject(&w.port, frame, len);
 *	net_stack_poll(&w.st);
 *	... fake_sent(&w.port, 0)->bytes ...
 */
#ifndef TESTS_UNIT_FAKE_NETDEV_H
#define TESTS_UNIT_FAKE_NETDEV_H

#include "net/mempool.h"
#include "net/net_stack.h"
#include "net/udp.h"

#define FAKE_RX_MAX 256
#define FAKE_TX_MAX 512
#define FAKE_FRAME_MAX 2048
#define FAKE_QUEUES_MAX 4

#define OUR_IP fake_ip(10, 0, 2, 15)
#define PEER_IP fake_ip(10, 0, 2, 2)
#define FAR_IP fake_ip(192, 0, 2, 1)

extern const uint8_t our_mac[6], peer_mac[6], other_mac[6], broadcast_mac[6];

struct fake_frame {
	uint8_t bytes[FAKE_FRAME_MAX];
	unsigned len;
	uint32_t flags; /* mbuf.flags */
	uint16_t csum_start, csum_offset, gso_size;
	uint16_t queue; /* by which it was sent */
};

struct fake_queue {
	struct fake_netdev *port;
	uint16_t index;
};

struct fake_netdev {
	struct netdev dev; /* one queue pair; tests may set nb_queues */
	struct netdev_queue queues[FAKE_QUEUES_MAX];
	struct fake_queue of[FAKE_QUEUES_MAX];
	struct mempool *rx_pool; /* its own, so that what lies behind a packet can be poisoned */
	struct mbuf *rx[FAKE_RX_MAX];
	uint16_t rx_queue[FAKE_RX_MAX]; /* by which it arrives: */
	uint16_t inject_queue;
	unsigned rx_head, rx_tail;
	struct fake_frame tx[FAKE_TX_MAX];
	unsigned nb_tx;
	unsigned tx_room; /* frames taken before the ring is full */
};

struct fake_world {
	struct net_stack st;
	struct fake_netdev port;
	struct net_if *nif;
	uint64_t now_ns;
};

static inline be32 fake_ip(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return a | b << 8 | c << 16 | (be32)d << 24;
}

void fake_netdev_init(struct fake_netdev *f);

/** fake_inject() - a frame arrives. Bytes behind it are poisoned under ASan */
struct mbuf *fake_inject(struct fake_netdev *f, const void *bytes, unsigned len);

/** fake_inject_split() - it arrives in segments: @first bytes, then at most @each */
struct mbuf *fake_inject_split(struct fake_netdev *f, const void *bytes, unsigned len,
                               unsigned first, unsigned each);

/** fake_sent() - frame @i of those sent since fake_forget(); fails the test when there is none */
const struct fake_frame *fake_sent(const struct fake_netdev *f, unsigned i);
void fake_forget(struct fake_netdev *f);

/** fake_leaks() - packets that are in none of the pools */
unsigned fake_leaks(const struct fake_netdev *f);

/** fake_world_start() - a stack with one port. With a static address, the announcement is sent and
 * forgotten, and the peer has asked for our address */
void fake_world_start(struct fake_world *w, const char *options);

/** fake_world_turn() - time passes in steps of 100 ms, packets are handled */
void fake_world_turn(struct fake_world *w, uint64_t ms);

/** fake_dropped() - sum of all drop_ counters; together with rx_delivered it must be rx_packets */
uint64_t fake_dropped(const struct net_if_stats *s);

/* ---- frames of a peer --------------------------------------------------------------------- */

struct frame_spec {
	const uint8_t *dst_mac, *src_mac;
	be32 src, dst;
	uint16_t sport, dport; /* host order */
	uint8_t proto;         /* frame_ip() */
	uint16_t frag;         /* host order: flags and offset */
	const uint8_t *options;
	unsigned options_len; /* multiple of 4 */
};

#define FRAME_TO_US                                                                                \
	((struct frame_spec){.dst_mac = our_mac,                                                   \
	                     .src_mac = peer_mac,                                                  \
	                     .src = PEER_IP,                                                       \
	                     .dst = OUR_IP,                                                        \
	                     .sport = 40000,                                                       \
	                     .dport = 7})

/** frame_sum() - the Internet checksum, byte by byte, of a block with a 0 in its place */
uint16_t frame_sum(const uint8_t *p, unsigned len, uint32_t start);

/** frame_udp_sum() - of a datagram with its pseudo header, big-endian; 0xffff when a good one is
 * summed with its checksum */
uint16_t frame_udp_sum(const uint8_t *udp, unsigned len, be32 src, be32 dst);

unsigned frame_ip(uint8_t *out, const struct frame_spec *s, const void *payload, unsigned len);
unsigned frame_udp(uint8_t *out, const struct frame_spec *s, const void *payload, unsigned len);
unsigned frame_icmp(uint8_t *out, const struct frame_spec *s, uint8_t type, uint8_t code,
                    const void *payload, unsigned len);
unsigned frame_arp(uint8_t *out, uint16_t op, const uint8_t *sha, be32 spa, const uint8_t *tha,
                   be32 tpa);

/** frame_fix_ip_csum() - make the IPv4 header's checksum right again after a change */
void frame_fix_ip_csum(uint8_t *frame);

#endif
