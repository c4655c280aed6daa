/*
 * Offloads, packet by packet (virtio 5.1.9.2, 5.1.9.4). Every field of a received header is checked
 * here, once, before anything is made of it: what was not negotiated is not looked at, a header
 * that contradicts itself or its packet is the end of the packet. Which offloads there are is
 * decided in vnet_features.c.
 */
#include "drivers/virtio/vnet_offload.h"
#include "drivers/virtio/vnet_filter.h"
#include "drivers/virtio/vnet_hdr.h"
#include "kernel/atomic.h"
#include "net/vlan.h"

#define TCP_DATA_OFF 12 /* the byte of a TCP header that has its length in words, upper half */
#define TCP_HDR_MIN 20

/* ---- receive ------------------------------------------------------------------------------ */

/* Each field is loaded once: the device may go on writing, and what was checked has to be what is
 * used. */
static struct virtio_net_hdr_hash rx_hdr(const struct vnet_rxq *q, const struct mbuf *m)
{
	const uint16_t *from = (const void *)(mbuf_buf(m) + NETDEV_HEADROOM - q->hdr_len);
	union {
		uint16_t half[sizeof(struct virtio_net_hdr_hash) / 2];
		struct virtio_net_hdr_hash hdr;
	} h = {.hdr = {.hash_report = VIRTIO_NET_HASH_REPORT_NONE}};

	for (unsigned i = 0; i < VIRTIO_NET_HDR_LEN_LEGACY / 2; i++)
		h.half[i] = ring_load_relaxed(&from[i]);
	for (unsigned i = VIRTIO_NET_HDR_LEN / 2; i < q->hdr_len / 2u; i++)
		h.half[i] = ring_load_relaxed(&from[i]);
	return h.hdr;
}

/* The checksum field is in the first segment and behind the Ethernet header, and what is summed up
 * starts there too. */
static bool rx_csum(struct mbuf *m, const struct virtio_net_hdr *h)
{
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (h->csum_start < ETH_HDR_LEN ||
		    (uint32_t)h->csum_start + h->csum_offset + 2u > m->data_len)
			return false;
		m->csum_start = h->csum_start;
		m->csum_offset = h->csum_offset;
		m->flags |= MBUF_RX_CSUM_NONE;
	} else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		m->flags |= MBUF_RX_CSUM_GOOD;
	}
	return true;
}

/* The mbuf's flag for a gso_type; 0: unknown. */
static uint32_t gso_flag(uint8_t type)
{
	switch (type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return MBUF_TSO4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return MBUF_TSO6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return MBUF_USO;
	default:
		return 0;
	}
}

/* Without the checksum's state nobody could cut it into segments, nor take it for good. */
static bool rx_gso(const struct vnet_rxq *q, struct mbuf *m, const struct virtio_net_hdr *h)
{
	const uint32_t flag = gso_flag(h->gso_type) & q->offloads;

	if (!flag || !h->gso_size || !(m->flags & (MBUF_RX_CSUM_NONE | MBUF_RX_CSUM_GOOD)))
		return false;
	m->flags |= flag;
	m->gso_size = h->gso_size;
	return true;
}

static void rx_hash(struct mbuf *m, const struct virtio_net_hdr_hash *h)
{
	if (h->hash_report == VIRTIO_NET_HASH_REPORT_NONE ||
	    h->hash_report > VIRTIO_NET_HASH_REPORT_MAX)
		return;
	m->flags |= MBUF_RX_HASH;
	m->hash = h->hash_value;
	m->hash_type = h->hash_report;
}

/* A tag that is in the way of csum_start would have to be part of what is summed up. */
static bool rx_vlan(struct mbuf *m)
{
	const bool csum = m->flags & MBUF_RX_CSUM_NONE;
	const uint16_t before = m->csum_start;

	if (!vlan_strip(m))
		return true;
	m->flags |= MBUF_RX_VLAN;
	return !csum || before >= ETH_HDR_LEN + ETH_VLAN_LEN;
}

/* False: the header is a lie, drop the packet. */
static bool rx_offload(const struct vnet_rxq *q, struct mbuf *m)
{
	const struct virtio_net_hdr_hash h = rx_hdr(q, m);

	if ((q->offloads & MBUF_RX_CSUM_GOOD) && !rx_csum(m, &h.hdr))
		return false;
	/* what was never negotiated is a lie too: the packet may be longer than anyone expects */
	if (h.hdr.gso_type != VIRTIO_NET_HDR_GSO_NONE && !rx_gso(q, m, &h.hdr))
		return false;
	rx_hash(m, &h);
	return !(q->offloads & MBUF_RX_VLAN) || rx_vlan(m);
}

uint16_t vnet_rx_offloads(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t kept = 0;

	if (q->offloads & VNET_RX_FILTER)
		n = vnet_filter_rx(q, pkts, n, bytes);
	if (!(q->offloads & ~VNET_RX_FILTER)) /* the header says nothing that was negotiated */
		return n;
	for (uint16_t i = 0; i < n; i++) {
		const uint32_t len = pkts[i]->pkt_len;

		if (likely(rx_offload(q, pkts[i]))) {
			pkts[kept++] = pkts[i];
			continue;
		}
		*bytes -= len;
		q->stats.errors++;
		mbuf_free(pkts[i]);
	}
	return kept;
}

/* ---- transmit ----------------------------------------------------------------------------- */

static bool tx_csum(const struct mbuf *m, struct virtio_net_hdr *h)
{
	if ((uint32_t)m->csum_start + m->csum_offset + 2u > m->pkt_len)
		return false;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = m->csum_start;
	h->csum_offset = m->csum_offset;
	return true;
}

/* Up to the end of the transport header, which has to be in the first segment; 0: it is not. */
static uint32_t tx_hdrs_len(const struct mbuf *m, uint32_t gso)
{
	const uint32_t start = m->csum_start;
	uint32_t len = UDP_HEADER_LEN;

	if (gso != MBUF_USO) {
		if (start + TCP_HDR_MIN > m->data_len)
			return 0;
		len = (mbuf_data(m)[start + TCP_DATA_OFF] >> 4) * 4u;
		if (len < TCP_HDR_MIN)
			return 0;
	}
	return start + len <= m->data_len ? start + len : 0;
}

/* hdr_len is exact, as GUEST_HDRLEN asks for. */
static bool tx_gso(const struct mbuf *m, struct virtio_net_hdr *h, uint32_t gso)
{
	const uint32_t hdrs = tx_hdrs_len(m, gso);

	if (!hdrs || !m->gso_size)
		return false;
	h->hdr_len = (uint16_t)hdrs;
	h->gso_size = m->gso_size;
	if (gso == MBUF_USO)
		h->gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	else
		h->gso_type =
		    gso == MBUF_TSO4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
	return true;
}

bool vnet_tx_offload(const struct vnet_txq *q, struct mbuf *m)
{
	struct virtio_net_hdr_hash h = {.hash_report = 0};
	uint32_t flags = m->flags & q->offloads;

	if (flags & MBUF_TX_VLAN) {
		if (!vlan_insert(m))
			return false;
		m->flags &= ~MBUF_TX_VLAN; /* should there be no room for it now */
	}
	flags &= MBUF_TX_CSUM | MBUF_GSO;
	if (flags && !tx_csum(m, &h.hdr))
		return false;
	flags &= MBUF_GSO;
	if (flags && ((flags & (flags - 1)) || !tx_gso(m, &h.hdr, flags)))
		return false;

	uint8_t *out = mbuf_data(m) - q->hdr_len;

	if (likely(q->hdr_len == VIRTIO_NET_HDR_LEN))
		__builtin_memcpy(out, &h, VIRTIO_NET_HDR_LEN);
	else if (q->hdr_len == VIRTIO_NET_HDR_LEN_HASH)
		__builtin_memcpy(out, &h, VIRTIO_NET_HDR_LEN_HASH);
	else
		__builtin_memcpy(out, &h, VIRTIO_NET_HDR_LEN_LEGACY);
	return true;
}
