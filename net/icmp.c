/*
 * ICMP (RFC 792, RFC 1122 3.2.2, RFC 1812 4.3): answers echo requests, tells senders of closed
 * ports, unknown protocols and what cannot be forwarded. All are made in the buffer that came.
 * Errors are never sent about errors, broadcasts or fragments behind the first, and by a token
 * bucket no more than ICMP_ERRORS_PER_S.
 */
#include "net/icmp.h"
#include "net/csum.h"
#include "net/ipv4.h"
#include "net/stack.h"

#define ICMP_QUOTED_PAYLOAD 8
#define IPV4_OFFSET 0x1fff

static bool icmp_is_error(uint8_t type)
{
	return type == ICMP_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETER;
}

static void icmp_answer_echo(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	struct icmp_hdr *icmp = (void *)mbuf_data(m);
	be32 asker = ip->src;

	icmp->type = ICMP_ECHO_REPLY;
	icmp->csum = csum_replace(icmp->csum, ICMP_ECHO, ICMP_ECHO_REPLY);
	m->flags = 0;
	(void)ipv4_output(nif, m, 0, asker, IP_PROTO_ICMP);
}

void icmp_input(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip)
{
	struct net_if_stats *stats = &nif->stats;
	const struct icmp_hdr *icmp = (const void *)mbuf_data(m);

	if (m->data_len < ICMP_HDR_LEN) {
		net_drop(m, &stats->drop_short);
		return;
	}
	if (!csum_good(csum_packet(m, 0))) {
		net_drop(m, &stats->drop_icmp);
		return;
	}
	if (icmp_is_error(icmp->type)) {
		stats->icmp_errors++;
		stats->rx_delivered++;
		mbuf_free(m);
		return;
	}
	/* RFC 1122 3.2.2.6: an echo to a broadcast address may be left unanswered */
	if (icmp->type != ICMP_ECHO || icmp->code != 0 || ip->dst != nif->ip) {
		net_drop(m, &stats->drop_icmp);
		return;
	}
	stats->rx_delivered++;
	icmp_answer_echo(nif, m, ip);
}

/* RFC 1122 3.2.2: not for errors, for what was sent to many, on either layer, and for fragments
 * that others were told of before. */
static bool icmp_may_complain(struct net_if *nif, const struct mbuf *m, const struct ipv4_hdr *ip)
{
	const struct eth_hdr *eth = (const struct eth_hdr *)ip - 1;
	const struct icmp_hdr *icmp = (const void *)mbuf_data(m);
	unsigned room = MBUF_HEADROOM_MIN + ETH_HDR_LEN + IPV4_HDR_LEN + ICMP_HDR_LEN;

	if (!ipv4_is_host(ip->dst) || ip->dst == nif->broadcast || mac_is_multicast(eth->dst) ||
	    (ip->frag & cpu_to_be16(IPV4_OFFSET)))
		return false;
	if (ip->proto == IP_PROTO_ICMP && (!m->data_len || icmp_is_error(icmp->type)))
		return false;
	if ((unsigned)((const uint8_t *)ip - mbuf_buf(m)) < room)
		return false;
	if (net_take_token(&nif->icmp_bucket, nif->st->now_ns, ICMP_ERRORS_PER_S,
	                   ICMP_ERRORS_BURST))
		return true;
	nif->stats.icmp_limited++;
	return false;
}

void icmp_error(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip, struct icmp_hdr why,
                uint64_t *reason)
{
	if (!icmp_may_complain(nif, m, ip)) {
		net_drop(m, reason);
		return;
	}
	(*reason)++;

	be32 sender = ip->src;
	uint16_t hdr_len = (uint16_t)(mbuf_data(m) - (const uint8_t *)ip);

	net_trim(m, (uint32_t)min_u64(m->pkt_len, ICMP_QUOTED_PAYLOAD));
	mbuf_push(m, hdr_len);

	struct icmp_hdr *icmp = mbuf_push(m, ICMP_HDR_LEN);

	*icmp = why;
	icmp->csum = csum_final(csum_fold(csum_packet(m, 0)));
	m->flags = 0;
	(void)ipv4_output(nif, m, 0, sender, IP_PROTO_ICMP);
}

void icmp_unreach(struct net_if *nif, struct mbuf *m, const struct ipv4_hdr *ip, uint8_t code)
{
	struct net_if_stats *stats = &nif->stats;

	icmp_error(nif, m, ip, (struct icmp_hdr){.type = ICMP_UNREACH, .code = code},
	           code == ICMP_UNREACH_PORT ? &stats->drop_no_port : &stats->drop_proto);
}
