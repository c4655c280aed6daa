/* DHCP messages as bytes: what the client (dhcp.h) reads and writes. */
#ifndef NET_DHCP_MSG_H
#define NET_DHCP_MSG_H

#include "net/dhcp.h"

enum dhcp_type {
	DHCP_DISCOVER = 1,
	DHCP_OFFER = 2,
	DHCP_REQUEST = 3,
	DHCP_DECLINE = 4,
	DHCP_ACK = 5,
	DHCP_NAK = 6,
};

#define DHCP_OPT_PAD 0
#define DHCP_OPT_MASK 1
#define DHCP_OPT_ROUTER 3
#define DHCP_OPT_HOSTNAME 12
#define DHCP_OPT_REQUESTED_IP 50
#define DHCP_OPT_LEASE 51
#define DHCP_OPT_OVERLOAD 52
#define DHCP_OPT_TYPE 53
#define DHCP_OPT_SERVER 54
#define DHCP_OPT_PARAMETERS 55
#define DHCP_OPT_MAX_SIZE 57
#define DHCP_OPT_T1 58
#define DHCP_OPT_T2 59
#define DHCP_OPT_CLIENT_ID 61
#define DHCP_OPT_END 255

#define DHCP_MSG_MIN 300 /* RFC 1542 2.1: some servers and relays drop shorter ones */

/* An answer, its options taken out of up to three places. Absent numbers are 0. */
struct dhcp_answer {
	uint8_t type;
	be32 xid;
	struct dhcp_lease lease; /* @ip is yiaddr */
};

/**
 * dhcp_parse() - read a server's answer to @mac
 * @msg: @len bytes, nothing of which is trusted
 *
 * Return: true, or false when it is malformed, no answer, or for somebody else.
 */
bool dhcp_parse(const uint8_t *msg, size_t len, const uint8_t *mac, struct dhcp_answer *out);

/* A message to a server. Options of which the value is 0 are left out. */
struct dhcp_question {
	enum dhcp_type type;
	uint32_t xid;
	uint16_t secs;
	uint16_t max_size; /* largest message that we take */
	be32 ciaddr;
	be32 requested_ip;
	be32 server;
	const uint8_t *mac;
};

/** dhcp_build() - write a message of DHCP_MSG_MIN bytes; a DECLINE has only what RFC 2131 table 5
 * lets it have */
void dhcp_build(uint8_t msg[DHCP_MSG_MIN], const struct dhcp_question *q);

#endif
