/*
 * What testpmd does with a burst of packets between receiving and sending it: one function for
 * each forwarding mode, with the names and the meaning that DPDK's testpmd gives them.
 */
#ifndef APPS_FWD_MODES_H
#define APPS_FWD_MODES_H

#include "net/netdev.h"
#include "net/wire.h"

/* The headers of generated packets; the Ethernet addresses are those of mode mac too. */
struct fwd_headers {
	struct eth_hdr eth;
	struct ipv4_hdr ip;
	struct udp_hdr udp;
} WIRE;

#define FWD_SEGS_MAX 8 /* of a generated packet */

/* The way of packets from one port's queue to another's; one lcore's alone. */
struct fwd_stream {
	struct netdev *rx, *tx;
	uint16_t rxq, txq;
	struct fwd_headers hdr;
	/* received or generated is the sum of the others */
	uint64_t received, generated;
	uint64_t sent;       /* taken by the driver */
	uint64_t full;       /* dropped: the driver took less */
	uint64_t unsendable; /* dropped: what is left to do to them @tx cannot do */
	uint64_t consumed;   /* freed by the mode */
} __attribute__((aligned(CACHE_LINE)));

/* How long generated packets are: bytes of each segment, the headers in the first. */
struct fwd_sizes {
	unsigned nb_segs;
	uint16_t seg[FWD_SEGS_MAX];
};

/**
 * fwd_fn - a mode's function
 *
 * Owns the @n packets. Return: how many, in front of @pkts, are to be sent; the others are freed.
 */
typedef uint16_t (*fwd_fn)(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);

uint16_t fwd_io(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);
uint16_t fwd_mac(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);
uint16_t fwd_macswap(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);
uint16_t fwd_5tswap(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);
uint16_t fwd_rxonly(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);
uint16_t fwd_icmpecho(struct fwd_stream *s, struct mbuf **pkts, uint16_t n);

/** fwd_stream_init() - make @s lead from @rx's queue @rxq to @tx's @txq, with headers for what it
 * generates */
void fwd_stream_init(struct fwd_stream *s, struct netdev *rx, struct netdev *tx, uint16_t rxq,
                     uint16_t txq);

/** fwd_sizes_set() - all packets generated from now on have these; checked by fwd_sizes_parse() */
void fwd_sizes_set(struct fwd_stream *s, const struct fwd_sizes *sizes);

/** fwd_sizes_parse() - "64" or "64,1000,20". False: it is none, too short for the headers in the
 * first, or too long for a buffer or a frame */
bool fwd_sizes_parse(const char *text, struct fwd_sizes *sizes);

/** fwd_generate() - up to @n packets for @s. Return: how many there were buffers for */
uint16_t fwd_generate(struct fwd_stream *s, const struct fwd_sizes *sizes, struct mbuf **pkts,
                      uint16_t n);

#endif
