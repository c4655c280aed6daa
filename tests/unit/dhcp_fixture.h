/* A DHCP server written from RFC 2131, which also lies, for the tests of the client. */
#ifndef TESTS_UNIT_DHCP_FIXTURE_H
#define TESTS_UNIT_DHCP_FIXTURE_H

#include "kernel/console.h"
#include "net/dhcp.h"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

#define SERVER_IP fake_ip(10, 0, 2, 1)
#define LEASE_S 3600

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX];

enum { DISCOVER = 1, OFFER = 2, REQUEST = 3, DECLINE = 4, ACK = 5, NAK = 6 };

/* What the server says; tests bend it. */
struct answer {
	uint8_t type;
	be32 yiaddr, mask, router, server;
	uint32_t lease_s, t1_s, t2_s;
	uint8_t overload; /* where the options behind the type go: 1 file, 2 sname, 3 both */
	bool unicast;
	int xid_off; /* added to the right one */
	uint8_t chaddr5_xor;
};

static const struct answer good = {.yiaddr = 0x0f02000a,
                                   .mask = 0x00ffffff,
                                   .router = 0x0202000a,
                                   .server = 0x0102000a,
                                   .lease_s = LEASE_S};

static inline uint8_t *put(uint8_t *at, uint8_t code, uint8_t len, const void *value)
{
	*at++ = code;
	*at++ = len;
	memcpy(at, value, len);
	return at + len;
}

static inline uint8_t *put32(uint8_t *at, uint8_t code, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	return v ? put(at, code, 4, b) : at;
}

static inline uint8_t *put_address(uint8_t *at, uint8_t code, be32 ip)
{
	return ip ? put(at, code, 4, &ip) : at;
}

static inline const uint8_t *last_message(void)
{
	for (unsigned i = w.port.nb_tx; i-- > 0;)
		if (w.port.tx[i].bytes[13] == 0 && w.port.tx[i].bytes[37] == 67)
			return w.port.tx[i].bytes + 42;
	cr_assert_fail("no DHCP message was sent");
	return NULL;
}

static inline unsigned nb_messages(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += w.port.tx[i].bytes[13] == 0 && w.port.tx[i].bytes[37] == 67;
	return n;
}

static inline const uint8_t *option(const uint8_t *msg, uint8_t code)
{
	for (unsigned at = 240; at < 300 && msg[at] != 255;) {
		if (msg[at] == code)
			return &msg[at + 1];
		at += msg[at] ? 2u + msg[at + 1] : 1;
	}
	return NULL;
}

static inline uint8_t message_type(void)
{
	return option(last_message(), 53)[1];
}

static inline unsigned build_answer(uint8_t *msg, const struct answer *a)
{
	const uint8_t *asked = last_message();
	uint8_t *at = msg + 240;

	memset(msg, 0, 548);
	msg[0] = 2;
	msg[1] = 1;
	msg[2] = 6;
	memcpy(msg + 4, asked + 4, 4);
	msg[7] = (uint8_t)(msg[7] + a->xid_off);
	memcpy(msg + 16, &a->yiaddr, 4);
	memcpy(msg + 28, our_mac, 6);
	msg[33] ^= a->chaddr5_xor;
	memcpy(msg + 236, (const uint8_t[]){0x63, 0x82, 0x53, 0x63}, 4);
	at = put(at, 53, 1, &a->type);
	if (a->overload) {
		at = put(at, 52, 1, &a->overload);
		*at++ = 255;
		at = msg + (a->overload & 1 ? 108 : 44);
	}
	at = put_address(at, 1, a->mask);
	if (a->router) { /* a list, of which the first counts */
		uint8_t list[8] = {0};

		memcpy(list, &a->router, 4);
		at = put(at, 3, 8, list);
	}
	if (a->overload == 3) {
		*at++ = 255;
		at = msg + 44;
	}
	at = put_address(at, 54, a->server);
	at = put32(at, 51, a->lease_s);
	at = put32(at, 58, a->t1_s);
	at = put32(at, 59, a->t2_s);
	*at++ = 255;
	return 300;
}

static inline void receive_message(const uint8_t *msg, unsigned len, bool unicast)
{
	struct frame_spec s = {.dst_mac = unicast ? our_mac : broadcast_mac,
	                       .src_mac = peer_mac,
	                       .src = SERVER_IP,
	                       .dst = unicast ? OUR_IP : 0xffffffff,
	                       .sport = 67,
	                       .dport = 68};

	fake_inject(&w.port, frame, frame_udp(frame, &s, msg, len));
	net_stack_poll(&w.st);
	net_if_flush(w.nif);
}

static inline void answer(uint8_t type, struct answer a)
{
	uint8_t msg[548];

	a.type = type;
	receive_message(msg, build_answer(msg, &a), a.unicast);
}

static inline void bind_with(struct answer a)
{
	answer(OFFER, a);
	answer(ACK, a);
}

static inline void start(void)
{
	fake_world_start(&w, "net.ip=dhcp");
}

static inline void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
}

#endif
