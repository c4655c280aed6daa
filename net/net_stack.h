/*
 * The UDP/IPv4 stack: a run-to-completion loop over ports. Packets come in by bursts, go up
 * through eth, arp/ipv4, icmp/udp to a bound receiver, and what is to be sent is collected and
 * goes out as one burst at the end of the turn. docs/packet-walk.md follows one packet.
 *
 *	net_stack_init(&st);
 *	net_stack_add_port(&st, dev);			(per port; address by DHCP or as given)
 *	pcb = udp_bind(&st, 7, recv, arg);		(net/udp.h)
 *	for (;;) net_stack_poll(&st);			(and now and then net_stack_timers())
 */
#ifndef NET_NET_STACK_H
#define NET_NET_STACK_H

#include "kernel/options.h"
#include "net/netdev.h"
#include "net/wire.h"

#define NET_IFS_MAX NETDEV_PORTS_MAX
#define UDP_PCBS_MAX 64

struct net_stack;
struct net_share;
struct arp_cache;
struct dhcp_client;
struct forward;

/* Why packets were dropped; every packet that came in is received by a protocol or counted in
 * exactly one of these. */
struct net_if_stats {
	uint64_t rx_packets;      /* handed up by the driver */
	uint64_t rx_delivered;    /* to an application or answered by the stack itself */
	uint64_t drop_short;      /* shorter than its headers say */
	uint64_t drop_not_for_us; /* other MAC or IP address */
	uint64_t drop_proto;      /* EtherType or IP protocol that nobody handles */
	uint64_t drop_ip_header;  /* version, header length, source address, options */
	uint64_t drop_ip_csum;
	uint64_t drop_fragment;
	uint64_t drop_udp_csum;
	uint64_t drop_udp_length;
	uint64_t drop_no_port;
	uint64_t
	    drop_no_mbuf;   /* datagrams that came several in one, no buffer to have them singly */
	uint64_t drop_icmp; /* malformed, or of a type that nobody handles */
	uint64_t drop_arp;  /* malformed */
	/* with a forwarder */
	uint64_t rx_forwarded;  /* sent on, or for another port's address and received there */
	uint64_t drop_ttl;      /* at its end */
	uint64_t drop_no_route; /* for its destination */
	uint64_t drop_too_long; /* for the port that it would leave by */
	uint64_t tx_packets;    /* accepted by the driver */
	uint64_t tx_ring_full;  /* dropped: the driver took less */
	uint64_t tx_no_route;
	uint64_t tx_too_long;       /* for the MTU */
	uint64_t tx_arp_queue_full; /* more than may wait for a neighbour's address */
	uint64_t tx_unresolved;     /* the neighbour did not tell its address */
	uint64_t tx_no_mbuf;
	/* counted besides the above */
	uint64_t icmp_errors;   /* ICMP errors from others */
	uint64_t icmp_limited;  /* ICMP errors that were not sent: too many */
	uint64_t arp_conflicts; /* another machine has our address */
	uint64_t share_lost;    /* copies for other lcores: too many, or too long */
};

#define NET_OUT_MAX (2 * NETDEV_BURST)

/* Holds a rate: net_take_token() in net/stack.h. */
struct token_bucket {
	unsigned tokens;
	uint64_t refill_ns; /* when the last whole token came in */
};

/* The headers in front of the datagrams for @dst, the one that was sent to last. Holds a true
 * mapping always: the limited broadcast's when there is no better one. */
struct net_hop {
	be32 dst;
	uint32_t ip_sum; /* of @ip, in which length, protocol and checksum are 0 */
	struct {
		struct eth_hdr eth;
		struct ipv4_hdr ip;
	} WIRE hdr;
};

/* The other end of a datagram, and the port (interface) it goes through. */
struct udp_addr {
	struct net_if *nif;
	be32 ip;
	be16 port;
	/* Set by the stack: the checksum that the same payload has on its way back, 0: not known.
	 * Only udp_reply_unchanged() looks at it. */
	uint16_t reply_csum;
	/* Set by the stack: the datagram came by broadcast, so an answer may be one of many. */
	bool broadcast;
};

struct net_if {
	struct net_stack *st;
	struct netdev *dev;
	be32 ip, mask, gw; /* 0: not configured */
	be32 broadcast;    /* of the subnet; 0: none */
	struct net_hop hop;
	struct udp_addr from; /* of the datagram that is being delivered */
	struct arp_cache *arp;
	struct dhcp_client *dhcp; /* NULL: static or off */
	struct mbuf *out[NET_OUT_MAX];
	uint16_t nb_out;
	struct mempool *pool;        /* of the queue pair in use; of another port if none is ours */
	uint16_t queue;              /* the queue pair in use */
	int queue_first, queue_last; /* those that are this stack's, nb_lcores apart; 0, -1: none */
	bool ip_off;                 /* told to have no address */
	struct token_bucket icmp_bucket; /* ICMP errors that may be sent */
	struct net_if_stats stats;
};

struct udp_pcb;

struct net_stack {
	struct net_if ifs[NET_IFS_MAX];
	unsigned nb_ifs;
	struct udp_pcb *pcbs;    /* UDP_PCBS_MAX */
	struct forward *forward; /* net/forward.h; NULL: a host, which forwards nothing */
	uint64_t now_ns;         /* read once per turn that needs it */
	uint64_t next_timer_ns;
	unsigned lcore, nb_lcores;
	struct net_share *share; /* net/share.h; NULL: this is the only stack */
};

/* net.ip, net.gw: to be declared before the command line is read */
extern const struct option net_stack_options[];
extern const unsigned net_stack_nb_options;

/** net_stack_init() - start from nothing. Return: 0 or -ENOMEM */
int net_stack_init(struct net_stack *st);

/**
 * net_stack_add_port() - serve a started port: gratuitous ARP and a static address, or DHCP
 *
 * Options: net.ip, net.gw. Return: 0, -ENOSPC, -ENOMEM, -EINVAL (option, already logged).
 */
int net_stack_add_port(struct net_stack *st, struct netdev *dev);

/**
 * net_stack_poll() - one turn: receive a burst from every port, send the answers
 *
 * Return: number of packets that came in.
 */
unsigned net_stack_poll(struct net_stack *st);

/**
 * net_stack_timers() - run what is due: ARP expiry and retries, DHCP
 * @now_ns: plat_time_ns()
 *
 * Called some thousand times a second at most; cheap when nothing is due. It is the stack's only
 * clock: between two calls, time stands still for it.
 */
void net_stack_timers(struct net_stack *st, uint64_t now_ns);

/** net_if_ready() - has the port an address (or was told to have none)? */
bool net_if_ready(const struct net_if *nif);

/** net_if_flush() - hand the collected frames to the driver; what it does not take is dropped and
 * counted */
void net_if_flush(struct net_if *nif);

/** net_stack_print_stats() - every port's address and counters as text on the console */
void net_stack_print_stats(const struct net_stack *st);

#endif
