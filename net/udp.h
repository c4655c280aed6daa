/* UDP (RFC 768, RFC 1122 4.1): ports, receive callbacks, sending. */
#ifndef NET_UDP_H
#define NET_UDP_H

#include "net/net_stack.h"

#define UDP_HEADER_LEN 8
#define UDP_HEADROOM (14 + 20 + UDP_HEADER_LEN + MBUF_HEADROOM_MIN)

/**
 * udp_recv_fn - a datagram for a bound port
 * @m:    data is the payload; its headers stand in front of it. The callee owns it
 * @from: valid during the call
 */
typedef void (*udp_recv_fn)(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from);

struct udp_pcb {
	be16 port; /* 0: free */
	/* To be set after udp_bind(): recv also takes several datagrams in one (MBUF_USO), of
	 * m->gso_size bytes each but the last, when the port can send such a packet back. Without
	 * it they come one by one. */
	bool takes_uso;
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
 * Owns @m in every case. @m has UDP_HEADROOM bytes in front of its data. With MBUF_USO, which the
 * port must have, the device makes datagrams of m->gso_size bytes of it. Return: 0 (queued, or
 * waiting for ARP), -EMSGSIZE when it does not fit the MTU, -EHOSTUNREACH without an address or
 * route; what is not sent is freed and counted.
 */
int udp_sendto(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *to);

/**
 * udp_reply_unchanged() - send a received payload back as it came
 * @from: as udp_recv_fn got it
 *
 * Like udp_sendto(), but spares the checksum of the payload where that is known: exchanging both
 * addresses and both ports leaves a UDP checksum as it was (RFC 1071, order does not matter). The
 * caller promises that neither a byte nor the length of @m was changed; else use udp_sendto().
 */
int udp_reply_unchanged(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from);

#endif
