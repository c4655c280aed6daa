/*
 * The packet buffer. One element of a mempool: this header in one cache line, then NETDEV_HEADROOM
 * bytes of headroom, then room for data. A packet is one mbuf, or several linked by @next, whose
 * first carries the packet's fields. What a device may see begins behind the header
 * (kernel/memory.h).
 *
 *	|<- struct mbuf ->|<- headroom ->|<-- data -->|<- tailroom ->|
 *	m             mbuf_buf(m)     mbuf_data(m)
 *
 * Invariant: data_off + data_len <= buf_len. The driver writes its 10-, 12- or 20-byte virtio-net
 * header into the headroom, so that a packet is one descriptor.
 *
 * The order of the fields is one that vector code can write: 8 bytes from @data_off, 16 bytes from
 * @packet_type.
 */
#ifndef NET_MBUF_H
#define NET_MBUF_H

#include "kernel/assert.h"
#include "kernel/compiler.h"
#include "kernel/memory.h"

/* In front of a received packet's data. The last 16 bytes, the net header in them, begin a cache
 * line: with the packet's own headers that is one line to move between processors, not two. */
#define NETDEV_HEADROOM (128 + 16)
#define MBUF_HEADROOM_MIN 24 /* the largest virtio-net header that we use, and a VLAN tag */
static_assert(NETDEV_HEADROOM >= MBUF_HEADROOM_MIN, "the net header goes into the headroom");

/* mbuf.flags. Which a port may set, and which it honours, is in netdev.rx_offloads and tx_offloads.
 * A received packet that is sent on goes through netdev_tx_prepare() first. */
#define MBUF_RX_CSUM_GOOD (1u << 0) /* the device vouches for the L4 checksum */
#define MBUF_RX_CSUM_NONE (1u << 1) /* L4 checksum not filled in, data is good (local sender) */
#define MBUF_TX_CSUM (1u << 2)      /* device fills in: from csum_start, at csum_start + offset */
/* Several segments in one, of gso_size bytes of L4 payload each and a shorter last one: received
 * so, or to be cut by the device. With RX_CSUM_NONE or _GOOD, or TX_CSUM. One of the three. */
#define MBUF_TSO4 (1u << 3)    /* TCP over IPv4 */
#define MBUF_TSO6 (1u << 4)    /* TCP over IPv6 */
#define MBUF_USO (1u << 5)     /* UDP: datagrams */
#define MBUF_RX_VLAN (1u << 6) /* the tag was taken out of the data and is in vlan_tci */
#define MBUF_TX_VLAN (1u << 7) /* vlan_tci is to be put in as a tag */
#define MBUF_RX_HASH (1u << 8) /* hash and hash_type are set */
#define MBUF_GSO (MBUF_TSO4 | MBUF_TSO6 | MBUF_USO)
#define MBUF_TX_OFFLOADS (MBUF_TX_CSUM | MBUF_GSO | MBUF_TX_VLAN)

struct mempool;

struct mbuf {
	struct mbuf *next;    /* next segment, NULL in the last */
	struct mempool *pool; /* where it goes when freed */

	uint16_t data_off; /* of the data, from mbuf_buf() */
	uint16_t nb_segs;  /* in the first segment: number of segments, at least 1 */
	uint16_t port;     /* where it came from */
	uint16_t buf_len;  /* headroom + data room */

	uint64_t iova; /* of mbuf_buf(), as a device sees it */

	uint32_t packet_type; /* of the parsed headers; 0: unknown */
	uint32_t pkt_len;     /* in the first segment: sum of all data_len */
	uint16_t data_len;    /* of this segment */
	uint16_t vlan_tci;
	uint32_t hash; /* RSS hash, when the device reports it */

	uint32_t flags;
	uint16_t csum_start; /* from the start of the data; with RX_CSUM_NONE too */
	uint16_t csum_offset;

	uint16_t gso_size;
	uint16_t hash_type; /* what was hashed: VIRTIO_NET_HASH_REPORT_... of virtio 5.1.9.4.5 */
	uint32_t reserved;
} __attribute__((aligned(CACHE_LINE)));

static_assert(sizeof(struct mbuf) == CACHE_LINE, "one line, and data starts on the next");
static_assert(offsetof(struct mbuf, data_len) - offsetof(struct mbuf, packet_type) == 8, "vector");

/** mbuf_buf() - first byte of the headroom */
static inline uint8_t *mbuf_buf(const struct mbuf *m)
{
	return mem_shared(m + 1);
}

/** mbuf_data() - first byte of this segment's data */
static inline uint8_t *mbuf_data(const struct mbuf *m)
{
	return mbuf_buf(m) + m->data_off;
}

static inline uint64_t mbuf_data_iova(const struct mbuf *m)
{
	return m->iova + m->data_off;
}

static inline unsigned mbuf_tailroom(const struct mbuf *m)
{
	return (unsigned)(m->buf_len - m->data_off - m->data_len);
}

/** mbuf_reset() - make an mbuf from the pool an empty packet with full headroom */
static inline void mbuf_reset(struct mbuf *m)
{
	m->next = NULL;
	m->data_off = NETDEV_HEADROOM;
	m->nb_segs = 1;
	m->pkt_len = 0;
	m->data_len = 0;
	m->flags = 0;
}

/** mbuf_push() - grow the data by @n bytes at its front; the caller knows that they are there */
static inline void *mbuf_push(struct mbuf *m, uint16_t n)
{
	assert(m->data_off >= n);
	m->data_off = (uint16_t)(m->data_off - n);
	m->data_len = (uint16_t)(m->data_len + n);
	m->pkt_len += n;
	return mbuf_data(m);
}

/** mbuf_pull() - drop @n bytes at the front of the first segment, which has at least @n */
static inline void *mbuf_pull(struct mbuf *m, uint16_t n)
{
	assert(m->data_len >= n);
	m->data_off = (uint16_t)(m->data_off + n);
	m->data_len = (uint16_t)(m->data_len - n);
	m->pkt_len -= n;
	return mbuf_data(m);
}

#endif
