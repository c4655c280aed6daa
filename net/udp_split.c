/*
 * Cutting a packet of several datagrams into single ones: each gets a copy of the headers, with the
 * lengths of its own, and of its part of the payload.
 */
#include "net/udp_split.h"
#include "kernel/string.h"
#include "net/stack.h"
#include "net/udp.h"

unsigned udp_split_count(const struct mbuf *m)
{
	const uint32_t payload = m->pkt_len - UDP_HEADER_LEN;

	if (!m->gso_size || payload > (uint32_t)m->gso_size * UDP_SPLIT_MAX)
		return 0;
	return (payload + m->gso_size - 1) / m->gso_size;
}

void udp_split_begin(struct udp_split *s, const struct mbuf *m, const struct ipv4_hdr *ip)
{
	const uint8_t *udp = mbuf_data(m);
	const uint8_t *eth = (const uint8_t *)ip - ETH_HDR_LEN;

	*s = (struct udp_split){
	    .seg = m,
	    .at = UDP_HEADER_LEN,
	    .left = m->pkt_len - UDP_HEADER_LEN,
	    .first = m,
	    .hdrs = eth,
	    .hdrs_len = (uint16_t)(udp + UDP_HEADER_LEN - eth),
	};
}

/* Append as many bytes as there are in the source's segment and room in @to, at most @n. */
static uint32_t copy_some(struct udp_split *s, struct mbuf *to, uint32_t n)
{
	const uint32_t there = s->seg->data_len - s->at;

	n = (uint32_t)min_u64(n, min_u64(there, mbuf_tailroom(to)));
	memcpy(mbuf_data(to) + to->data_len, mbuf_data(s->seg) + s->at, n);
	to->data_len = (uint16_t)(to->data_len + n);
	s->at += n;
	s->left -= n;
	if (s->at == s->seg->data_len && s->left) {
		s->seg = s->seg->next;
		s->at = 0;
	}
	return n;
}

/* Append @len bytes of payload. False: no buffer is left. */
static bool copy_payload(struct udp_split *s, struct mbuf *m, uint32_t len)
{
	struct mbuf *to = m;

	for (uint32_t done = 0; done < len; done += copy_some(s, to, len - done)) {
		if (mbuf_tailroom(to))
			continue;
		to->next = mbuf_alloc(m->pool);
		to = to->next;
		if (!to)
			return false;
		m->nb_segs++;
	}
	m->pkt_len += len;
	return true;
}

struct mbuf *udp_split_next(struct udp_split *s, struct net_if *nif)
{
	const uint32_t len = (uint32_t)min_u64(s->left, s->first->gso_size);
	struct mbuf *m = len ? mbuf_alloc(net_if_pool(nif)) : NULL;

	if (!m)
		return NULL;
	memcpy(mbuf_data(m), s->hdrs, s->hdrs_len);
	m->data_len = s->hdrs_len;
	m->pkt_len = s->hdrs_len;
	if (!copy_payload(s, m, len)) {
		mbuf_free(m);
		return NULL;
	}

	struct ipv4_hdr *ip = (void *)(mbuf_data(m) + ETH_HDR_LEN);
	struct udp_hdr *udp = mbuf_pull(m, (uint16_t)(s->hdrs_len - UDP_HEADER_LEN));

	ip->total_len = cpu_to_be16((uint16_t)(s->hdrs_len - ETH_HDR_LEN + len));
	udp->len = cpu_to_be16((uint16_t)(UDP_HEADER_LEN + len));
	m->port = s->first->port;
	return m;
}
