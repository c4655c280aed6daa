/* Toeplitz, and where in a frame its input stands. See rss_hash.h. */
#include "net/rss_hash.h"
#include "net/wire.h"

#define ETH_TYPE_IPV6 0x86dd
#define ETH_TYPE_QINQ 0x88a8
#define TAGS_MAX 2
#define IP_PROTO_TCP 6
#define IPV6_HDR_LEN 40
#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60
#define IPV6_HEADERS_MAX 8
#define IPV6_ROUTING_MOBILE 2 /* RFC 6275 6.4 */
#define IPV6_OPTION_HOME 201  /* RFC 6275 6.3 */
#define TCP_HEADER_LEN 20
#define PORTS_LEN 4
#define FIRST_IPV4 0 /* bits of the types by addresses alone; TCP and UDP are the next two */
#define FIRST_IPV6 3
#define FIRST_IPV6_EX 6

/* What there is to hash of a frame; NULL: it has no such thing. */
struct input {
	const uint8_t *addrs;        /* source and destination, one behind the other */
	const uint8_t *home, *route; /* IPv6: instead of them, by headers of mobility */
	const uint8_t *ports;
	uint8_t addr_len;
	bool tcp; /* else UDP, with @ports */
	bool extended;
};

/* ---- the hash ----------------------------------------------------------------------------- */

/* The 32 bits of the key from bit @at on. */
static uint32_t key_window(const uint8_t *key, unsigned at)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 5; i++)
		word = word << 8 | (at / 8 + i < RSS_KEY_LEN ? key[at / 8 + i] : 0u);
	return (uint32_t)(word >> (8 - at % 8));
}

void rss_hash_init(struct rss_hash *h, const struct rss *rss)
{
	h->types = rss->types;
	for (unsigned place = 0; place < 2 * RSS_INPUT_MAX; place++) {
		for (unsigned nibble = 0; nibble < 16; nibble++) {
			uint32_t sum = 0;

			for (unsigned bit = 0; bit < 4; bit++) {
				if (nibble >> (3 - bit) & 1)
					sum ^= key_window(rss->key, 4 * place + bit);
			}
			h->part[place][nibble] = sum;
		}
	}
}

/* Of @len bytes that stand at @at in the input. */
static inline uint32_t hash_part(const struct rss_hash *h, const uint8_t *in, unsigned at,
                                 unsigned len)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < len; i++)
		sum ^= h->part[2 * (at + i)][in[i] >> 4] ^ h->part[2 * (at + i) + 1][in[i] & 15];
	return sum;
}

/* ---- its input ---------------------------------------------------------------------------- */

static void take_ports(struct input *in, const uint8_t *l4, uint32_t len, uint8_t proto)
{
	in->tcp = proto == IP_PROTO_TCP;
	if ((in->tcp && len >= TCP_HEADER_LEN) || (proto == IP_PROTO_UDP && len >= UDP_HEADER_LEN))
		in->ports = l4;
}

static void take_ipv4(struct input *in, const uint8_t *p, uint32_t len)
{
	const struct ipv4_hdr *ip = (const void *)p;
	uint32_t hdr_len;

	if (len < IPV4_HDR_LEN || ip->version_ihl >> 4 != 4)
		return;
	hdr_len = (ip->version_ihl & 15u) * 4;
	if (hdr_len < IPV4_HDR_LEN || hdr_len > len)
		return;
	in->addrs = (const uint8_t *)&ip->src;
	in->addr_len = 4;
	/* a fragment has no ports, or has them where the next one of its datagram has none */
	if (!(ip->frag & cpu_to_be16(IPV4_MF_OR_OFFSET)))
		take_ports(in, p + hdr_len, len - hdr_len, ip->proto);
}

/* The home address among @len bytes of options. */
static void take_home(struct input *in, const uint8_t *p, uint32_t len)
{
	uint32_t at = 0;

	while (at + 1 < len) {
		const uint32_t option_len = p[at] ? 2u + p[at + 1] : 1;

		if (p[at] == IPV6_OPTION_HOME && option_len == 18 && at + option_len <= len)
			in->home = p + at + 2;
		at += option_len;
	}
}

/* One extension header. Return: its length, 0: nothing that can be hashed follows. */
static uint32_t take_extension(struct input *in, const uint8_t *p, uint32_t len, uint8_t type)
{
	const uint32_t hdr_len = type == IPV6_FRAGMENT ? 8 : 8 + 8u * p[1];

	if (hdr_len > len)
		return 0;
	in->extended = true;
	if (type == IPV6_FRAGMENT) /* whole, though it says that it is one? */
		return p[2] || p[3] & 0xf9 ? 0 : hdr_len;
	if (type == IPV6_DESTINATION)
		take_home(in, p + 2, hdr_len - 2);
	else if (type == IPV6_ROUTING && p[2] == IPV6_ROUTING_MOBILE && hdr_len == 24)
		in->route = p + 8;
	return hdr_len;
}

static bool is_extension(uint8_t type)
{
	return type == IPV6_HOP_BY_HOP || type == IPV6_ROUTING || type == IPV6_FRAGMENT ||
	       type == IPV6_DESTINATION;
}

static void take_ipv6(struct input *in, const uint8_t *p, uint32_t len)
{
	uint8_t type;

	if (len < IPV6_HDR_LEN || p[0] >> 4 != 6)
		return;
	in->addrs = p + 8;
	in->addr_len = 16;
	type = p[6];
	p += IPV6_HDR_LEN;
	len -= IPV6_HDR_LEN;
	for (unsigned i = 0; is_extension(type); i++) {
		const uint32_t hdr_len = len >= 8 ? take_extension(in, p, len, type) : 0;

		if (!hdr_len || i == IPV6_HEADERS_MAX)
			return;
		type = p[0];
		p += hdr_len;
		len -= hdr_len;
	}
	take_ports(in, p, len, type);
}

static struct input find_input(const uint8_t *frame, uint32_t len)
{
	struct input in = {.addrs = NULL};
	uint32_t at = ETH_HDR_LEN;
	unsigned type;

	for (unsigned tags = 0;; tags++, at += ETH_VLAN_LEN) {
		if (at > len)
			return in;
		type = (unsigned)frame[at - 2] << 8 | frame[at - 1];
		if ((type != ETH_TYPE_VLAN && type != ETH_TYPE_QINQ) || tags == TAGS_MAX)
			break;
	}
	if (type == ETH_TYPE_IPV4)
		take_ipv4(&in, frame + at, len - at);
	else if (type == ETH_TYPE_IPV6)
		take_ipv6(&in, frame + at, len - at);
	return in;
}

/* The bit of the type that a packet is hashed by, of the three that begin at @first; -1: none. */
static int find_type(uint32_t types, unsigned first, const struct input *in)
{
	const unsigned with_ports = first + (in->tcp ? 1 : 2);

	if (in->ports && types >> with_ports & 1)
		return (int)with_ports;
	return types >> first & 1 ? (int)first : -1;
}

uint16_t rss_hash_frame(const struct rss_hash *h, const uint8_t *frame, uint32_t len,
                        uint32_t *value)
{
	const struct input in = find_input(frame, len);
	const uint8_t *src = in.addrs, *dst;
	int type = -1;

	if (!src)
		return 0;
	dst = src + in.addr_len;
	if (in.extended)
		type = find_type(h->types, FIRST_IPV6_EX, &in);
	if (type >= 0) {
		src = in.home ? in.home : src;
		dst = in.route ? in.route : dst;
	} else {
		type = find_type(h->types, in.addr_len == 4 ? FIRST_IPV4 : FIRST_IPV6, &in);
	}
	if (type < 0)
		return 0;
	*value = hash_part(h, src, 0, in.addr_len) ^ hash_part(h, dst, in.addr_len, in.addr_len);
	if (type % 3)
		*value ^= hash_part(h, in.ports, 2u * in.addr_len, PORTS_LEN);
	return (uint16_t)(type + 1);
}
