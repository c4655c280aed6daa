/* Frames of flows of all kinds that hashes tell apart, and the examples that everybody who
 * describes RSS gives. */
#ifndef TESTS_UNIT_FLOW_FRAMES_H
#define TESTS_UNIT_FLOW_FRAMES_H

#include <stdint.h>
#include <string.h>

#define FLOW_FRAME_MAX 200

enum flow_kind {
	FLOW_IPV4,
	FLOW_TCPV4,
	FLOW_UDPV4,
	FLOW_IPV4_FRAGMENT,
	FLOW_IPV6,
	FLOW_TCPV6,
	FLOW_UDPV6,
	FLOW_IPV6_HOME, /* with a home address and a way through another */
	FLOW_TCPV6_HOME,
	FLOW_UDPV6_HOP, /* with options for every hop */
	FLOW_UDPV6_FRAGMENT,
	FLOW_ARP,
	FLOW_KINDS,
};

static inline void flow_bytes(uint8_t *out, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		out[i] = (uint8_t)(seed >> 56);
	}
}

/* TCP or UDP, or something else, with these ports in front. Return: bytes. */
static inline unsigned flow_l4(uint8_t *p, const uint8_t ports[4])
{
	memset(p, 0, 24);
	memcpy(p, ports, 4);
	p[12] = 0x50;
	return 24;
}

static inline unsigned flow_ip4(uint8_t *p, enum flow_kind kind, const uint8_t addrs[8],
                                const uint8_t ports[4])
{
	memset(p, 0, 20);
	p[0] = 0x45;
	p[3] = 44;
	p[6] = kind == FLOW_IPV4_FRAGMENT ? 0x20 : 0x40;
	p[8] = 64;
	p[9] = kind == FLOW_TCPV4 ? 6 : kind == FLOW_IPV4 ? 89 : 17;
	memcpy(p + 12, addrs, 8);
	return 20 + flow_l4(p + 20, ports);
}

/* A header of mobility, or another; its first byte says what follows. */
static inline unsigned flow_extension(uint8_t *p, enum flow_kind kind, uint8_t next, uint64_t seed)
{
	memset(p, 0, 48);
	p[0] = next;
	if (kind == FLOW_UDPV6_HOP || kind == FLOW_UDPV6_FRAGMENT) {
		p[3] = kind == FLOW_UDPV6_HOP ? 4 : 0x09; /* PadN; an offset, and more to come */
		p[2] = kind == FLOW_UDPV6_HOP ? 1 : 0;
		return 8;
	}
	/* destination options: padding, then the home address; and routing behind it */
	p[0] = 43;
	p[1] = 2;
	p[2] = 1;
	p[3] = 2;
	p[6] = 201;
	p[7] = 16;
	flow_bytes(p + 8, 16, seed ^ 77);
	p[24] = next;
	p[25] = 2;
	p[26] = 2;
	p[27] = 1;
	flow_bytes(p + 32, 16, seed ^ 99);
	return 48;
}

static inline unsigned flow_ip6(uint8_t *p, enum flow_kind kind, const uint8_t addrs[32],
                                const uint8_t ports[4], uint64_t seed)
{
	const uint8_t proto = kind == FLOW_TCPV6 || kind == FLOW_TCPV6_HOME ? 6
	                      : kind == FLOW_IPV6 || kind == FLOW_IPV6_HOME ? 89
	                                                                    : 17;
	unsigned len = 40;

	memset(p, 0, 40);
	p[0] = 0x60;
	p[6] = proto;
	memcpy(p + 8, addrs, 32);
	if (kind >= FLOW_IPV6_HOME) {
		p[6] = kind == FLOW_UDPV6_HOP ? 0 : kind == FLOW_UDPV6_FRAGMENT ? 44 : 60;
		len += flow_extension(p + 40, kind, proto, seed);
	}
	return len + flow_l4(p + len, ports);
}

/** flow_frame() - one of flow number @seed, tagged by @tags VLANs. Return: its length */
static inline unsigned flow_frame(uint8_t out[FLOW_FRAME_MAX], enum flow_kind kind, uint64_t seed,
                                  unsigned tags)
{
	uint8_t addrs[32], ports[4];
	unsigned at = 14 + 4 * tags;
	uint16_t type = kind == FLOW_ARP ? 0x0806 : kind < FLOW_IPV6 ? 0x0800 : 0x86dd;

	memset(out, 0, FLOW_FRAME_MAX);
	flow_bytes(addrs, 32, seed);
	flow_bytes(ports, 4, ~seed);
	memcpy(out, "\x52\x54\x00\x12\x34\x56\x02\x00\x00\x00\x00\x01", 12);
	for (unsigned i = 0; i < tags; i++)
		memcpy(out + 12 + 4 * i, i + 1 < tags ? "\x88\xa8\x00\x07" : "\x81\x00\x00\x05", 4);
	out[at - 2] = (uint8_t)(type >> 8);
	out[at - 1] = (uint8_t)type;
	if (kind == FLOW_ARP)
		return at + 46;
	if (kind < FLOW_IPV6)
		at += flow_ip4(out + at, kind, addrs, ports);
	else
		at += flow_ip6(out + at, kind, addrs, ports, seed);
	return at;
}

#endif
