/*
 * What stands on the wire: Ethernet II, ARP (RFC 826), IPv4 (RFC 791), ICMP (RFC 792), UDP
 * (RFC 768) and BOOTP/DHCP (RFC 951, RFC 2131) headers, and the byte order they are in. Everything
 * behind the 14-byte Ethernet header is aligned to 2 only.
 */
#ifndef NET_WIRE_H
#define NET_WIRE_H

#include "net/mac.h"

typedef uint32_t be32; /* in network order */
typedef uint16_t be16;

static inline be16 cpu_to_be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline be32 cpu_to_be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

static inline uint16_t be16_to_cpu(be16 v)
{
	return __builtin_bswap16(v);
}

static inline uint32_t be32_to_cpu(be32 v)
{
	return __builtin_bswap32(v);
}

#define WIRE __attribute__((packed, aligned(2)))

/* ---- Ethernet ----------------------------------------------------------------------------- */

#define ETH_HDR_LEN 14
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_VLAN 0x8100
#define ETH_VLAN_LEN 4 /* of a tag */
#define ETH_VLAN_VID 0x0fff

struct eth_hdr {
	uint8_t dst[6], src[6];
	be16 type;
} WIRE;
static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "Ethernet II");

/* ---- ARP ---------------------------------------------------------------------------------- */

#define ARP_HDR_LEN 28
#define ARP_HTYPE_ETHERNET 1
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2

struct arp_hdr {
	be16 htype, ptype;
	uint8_t hlen, plen;
	be16 op;
	uint8_t sha[6];
	be32 spa;
	uint8_t tha[6];
	be32 tpa;
} WIRE;
static_assert(sizeof(struct arp_hdr) == ARP_HDR_LEN, "RFC 826, Ethernet and IPv4");

/* ---- IPv4 --------------------------------------------------------------------------------- */

#define IPV4_HDR_LEN 20
#define IPV4_VERSION_IHL 0x45 /* without options */
#define IPV4_DF 0x4000
#define IPV4_MF_OR_OFFSET 0x3fff
#define IPV4_BROADCAST 0xffffffffu
#define IP_PROTO_ICMP 1
#define IP_PROTO_UDP 17

struct ipv4_hdr {
	uint8_t version_ihl, tos;
	be16 total_len;
	be16 id, frag;
	uint8_t ttl, proto;
	uint16_t csum;
	be32 src, dst;
} WIRE;
static_assert(sizeof(struct ipv4_hdr) == IPV4_HDR_LEN, "RFC 791");

/** ipv4_is_host() - may @ip be one host's address? Not in 0/8, 127/8, 224/4 or 240/4 */
static inline bool ipv4_is_host(be32 ip)
{
	uint8_t net = (uint8_t)ip;

	return (uint8_t)(net - 1) < 223 && net != 127;
}

/* ---- ICMP --------------------------------------------------------------------------------- */

#define ICMP_HDR_LEN 8
#define ICMP_ECHO_REPLY 0
#define ICMP_UNREACH 3
#define ICMP_SOURCE_QUENCH 4
#define ICMP_REDIRECT 5
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP_UNREACH_NET 0
#define ICMP_UNREACH_HOST 1
#define ICMP_UNREACH_PROTO 2
#define ICMP_UNREACH_PORT 3
#define ICMP_UNREACH_FRAG 4

struct icmp_hdr {
	uint8_t type, code;
	uint16_t csum;
	be32 rest;
} WIRE;
static_assert(sizeof(struct icmp_hdr) == ICMP_HDR_LEN, "RFC 792");

/* ---- UDP ---------------------------------------------------------------------------------- */

#define UDP_HEADER_LEN 8

struct udp_hdr {
	be16 src, dst;
	be16 len;
	uint16_t csum;
} WIRE;
static_assert(sizeof(struct udp_hdr) == UDP_HEADER_LEN, "RFC 768");

/* ---- DHCP --------------------------------------------------------------------------------- */

#define DHCP_SERVER_PORT 67
#define DHCP_CLIENT_PORT 68
#define DHCP_COOKIE 0x63825363
#define DHCP_FLAG_BROADCAST 0x8000

struct dhcp_hdr {
	uint8_t op, htype, hlen, hops;
	be32 xid;
	be16 secs, flags;
	be32 ciaddr, yiaddr, siaddr, giaddr;
	uint8_t chaddr[16];
	uint8_t sname[64];
	uint8_t file[128];
	be32 cookie;
} WIRE;
static_assert(sizeof(struct dhcp_hdr) == 240, "RFC 2131 figure 1, and the cookie");

#endif
