/*
 * DHCP client (RFC 2131, RFC 2132): an address for a port, for as long as a server lets us. Time
 * comes in through dhcp_timers(), packets through dhcp_input(); nothing else drives it.
 *
 *	         DISCOVER          OFFER / REQUEST            ACK
 *	INIT ------------> SELECTING ------------> REQUESTING ----> BOUND
 *	  ^                                            | NAK,         | T1: REQUEST to the server
 *	  |<-------------------------------------------' silence   RENEWING
 *	  |                                                           | T2: REQUEST to everybody
 *	  '------------------------------- NAK, lease over ------ REBINDING
 *
 * An ACK brings RENEWING and REBINDING back to BOUND. When another machine turns out to have the
 * new address, it is declined, and after a while INIT follows. No link-local address is ever taken.
 */
#ifndef NET_DHCP_H
#define NET_DHCP_H

#include "net/net_stack.h"

#define DHCP_RETRY_MAX_S 64    /* waits are 1, 2, 4 .. 64 s, each up to a quarter off */
#define DHCP_REQUEST_TRIES 4   /* then everything starts again */
#define DHCP_SILENT_TRIES 3    /* then the log says that nobody answers */
#define DHCP_RENEW_MIN_S 60    /* RFC 2131 4.4.5 */
#define DHCP_ASK_MIN_S 1       /* between two requests for the same lease, however short it is */
#define DHCP_CONFLICT_S 10     /* after this time a conflict is only reported */
#define DHCP_DECLINE_WAIT_S 10 /* RFC 2131 3.1, step 5 */
#define DHCP_NAK_WAIT_MAX_S 64 /* 1 s after the first NAK in a row, doubled by each */
#define DHCP_LEASE_FOREVER 0xffffffffu

enum dhcp_state {
	DHCP_INIT, /* sends DISCOVER when due */
	DHCP_SELECTING,
	DHCP_REQUESTING,
	DHCP_BOUND,
	DHCP_RENEWING,
	DHCP_REBINDING,
};

/* What a server said about a lease. */
struct dhcp_lease {
	be32 ip, mask, router, server;
	uint32_t lease_s, t1_s, t2_s;
};

struct dhcp_client {
	enum dhcp_state state;
	uint32_t xid;
	uint32_t random;   /* for the jitter */
	uint64_t start_ns; /* of this attempt, for the field "secs" */
	uint64_t due_ns;   /* next retry or change of state; UINT64_MAX: never */
	uint64_t asked_ns; /* first REQUEST of this state: a lease runs from then */
	uint64_t last_ns;  /* latest REQUEST */
	uint64_t bound_ns; /* when the address became ours */
	unsigned tries;    /* sends in this state */
	unsigned naks;     /* in a row */
	struct dhcp_lease lease;
	uint64_t t1_ns, t2_ns, expiry_ns;
};

/** dhcp_create() - a client for a port, which sends its first DISCOVER at once; with an MTU too
 * small for that, it says so and stays silent. Return: 0 or -ENOMEM */
int dhcp_create(struct net_if *nif);

/** dhcp_input() - a datagram from a server's port to the client's, payload only. Owns @m */
void dhcp_input(struct net_if *nif, struct mbuf *m);

/** dhcp_conflict() - another machine has the port's address: give a new lease back */
void dhcp_conflict(struct net_if *nif);

/** dhcp_timers() - what is due; called every NET_TICK_NS */
void dhcp_timers(struct net_if *nif, uint64_t now_ns);

#endif
