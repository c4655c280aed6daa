/* What the files of the stack share and nobody else sees. */
#ifndef NET_STACK_H
#define NET_STACK_H

#include "kernel/lcore.h"
#include "net/mempool.h"
#include "net/net_stack.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NET_TICK_NS (100 * NS_PER_MS) /* how often timers look at the time */

/** net_drop() - count a packet under @reason, a member of net_if_stats, and free it */
COLD void net_drop(struct mbuf *m, uint64_t *reason);

/** net_trim() - shorten a packet to its first @len bytes, which it has; spare segments are freed */
void net_trim(struct mbuf *m, uint32_t len);

/** net_if_pool() - where packets come from that are to be sent now */
static inline struct mempool *net_if_pool(const struct net_if *nif)
{
	return nif->pool;
}

/** net_alloc() - an empty packet for the stack itself; NULL is counted */
struct mbuf *net_alloc(struct net_if *nif);

/**
 * net_take_token() - may one more be sent now?
 * @per_s: the rate, as long as there is more to send than that
 * @burst: how many may go at once after a silence
 */
static inline bool net_take_token(struct token_bucket *b, uint64_t now_ns, unsigned per_s,
                                  unsigned burst)
{
	uint64_t new = (now_ns - b->refill_ns) / (NS_PER_S / per_s);

	if (new) {
		b->tokens = (unsigned)min_u64(b->tokens + new, burst);
		b->refill_ns += new *(NS_PER_S / per_s);
	}
	if (!b->tokens)
		return false;
	b->tokens--;
	return true;
}

/** stack_enqueue() - send a complete frame at the end of the turn. Owns @m */
static inline void stack_enqueue(struct net_if *nif, struct mbuf *m)
{
	nif->out[nif->nb_out++] = m;
	if (unlikely(nif->nb_out == NET_OUT_MAX))
		net_if_flush(nif);
}

/** net_if_set_addr() - the port has an address from now on: report it and announce it by ARP
 * @source: "dhcp" or "static" */
void net_if_set_addr(struct net_if *nif, be32 ip, be32 mask, be32 gw, const char *source);

/** net_if_take_addr() - the port has this address (0: none) from now on, which others have reported
 */
void net_if_take_addr(struct net_if *nif, be32 ip, be32 mask, be32 gw);

/** net_stack_join_port() - serve a port that another lcore's stack serves as @of, by this one's
 * queue pairs. Return: 0 or -ENOMEM */
int net_stack_join_port(struct net_stack *st, const struct net_if *of);

/** net_if_deal() - the queue pairs of the port that are its stack's, as they themselves say */
void net_if_deal(struct net_if *nif);

/** net_if_clear_addr() - the port's address is no longer ours; waiting packets are dropped */
void net_if_clear_addr(struct net_if *nif);

struct ip4_text {
	char s[16];
};

/** ip4_text() - A.B.C.D: log_info("net", "%s", ip4_text(ip).s) */
struct ip4_text ip4_text(be32 ip);

/** ipv4_prefix() - number of leading ones of a mask; -1 when it has others */
static inline int ipv4_prefix(be32 mask)
{
	uint32_t m = be32_to_cpu(mask);
	int ones = m ? __builtin_clz(~m | 1) : 0;

	if (m == 0xffffffffu)
		return 32;
	return m << ones ? -1 : ones;
}

/** ipv4_mask() - the mask of a prefix length 0..32 */
static inline be32 ipv4_mask(unsigned prefix)
{
	return prefix ? cpu_to_be32(0xffffffffu << (32 - prefix)) : 0;
}

/** ipv4_fits_net() - is @ip a host's address in a subnet: not all zeros or ones behind the mask
 * (RFC 3021: /31 has no such addresses, nor has /32) */
static inline bool ipv4_fits_net(be32 ip, be32 mask)
{
	uint32_t host = be32_to_cpu(ip & ~mask);
	uint32_t ones = be32_to_cpu(~mask);

	return ipv4_is_host(ip) && (ones <= 1 || (host != 0 && host != ones));
}

/** ipv4_is_gateway() - can @gw be asked for by ARP as the way out for host @ip? Inside the subnet,
 * or anywhere when there is none: with a /32 the gateway is on the link all the same */
static inline bool ipv4_is_gateway(be32 gw, be32 ip, be32 mask)
{
	if (gw == ip || !ipv4_fits_net(gw, mask))
		return false;
	return mask == 0xffffffffu || !((gw ^ ip) & mask);
}

#endif
