/* UDP (RFC 768, RFC 1122 4.1): ports, receive callbacks, sending. */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "net/net_stack.h"

#define UDP_HEADER_LEN 8
#define UDP_HEADROOM (14 + 20 + UDP_HEADER_LEN + MBUF_HEADROOM_MIN)

/* The other end of a datagram, and the port (interface) it goes through. */
struct udp_addr {
	struct net_if *nif;
	be32 ip;
	be16 port;
};

/**
 * udp_recv_fn - a datagram for a bound port
 * @m:    data is the payload; its headers stand in front of it. The callee owns it
 * @from: valid during the call
 */
typedef void (*udp_recv_fn)(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from);

struct udp_pcb {
	be16 port; /* 0: free */
	udp_recv_fn recv;
	void *arg;
	struct net_stack *st;
};

/** udp_bind() - receive datagrams for @port (host order) on all interfaces. Return: the pcb, or
 * NULL when the port is taken or UDP_PCBS_MAX are in use */
struct udp_pcb *udp_bind(struct net_stack *st, uint16_t port, udp_recv_fn recv, void *arg);

/**
 * udp_sendto() - send @m's data as one datagram
 *
 * Owns @m in every case. @m has UDP_HEADROOM bytes in front of its data. Return: 0 (queued, or
 * waiting for ARP), -EMSGSIZE when it does not fit the MTU, -EHOSTUNREACH without an address or
 * route; what is not sent is freed and counted.
 */
int udp_sendto(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *to);

#endif
