/* The DHCP client against a server written from RFC 2131, which also lies. */
#include "net/dhcp.h"
#include "kernel/console.h"
#include "kernel/log.h"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
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

static uint8_t *put(uint8_t *at, uint8_t code, uint8_t len, const void *value)
{
	*at++ = code;
	*at++ = len;
	memcpy(at, value, len);
	return at + len;
}

static uint8_t *put32(uint8_t *at, uint8_t code, uint32_t v)
{
	uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};

	return v ? put(at, code, 4, b) : at;
}

static uint8_t *put_address(uint8_t *at, uint8_t code, be32 ip)
{
	return ip ? put(at, code, 4, &ip) : at;
}

static const uint8_t *last_message(void)
{
	for (unsigned i = w.port.nb_tx; i-- > 0;)
		if (w.port.tx[i].bytes[13] == 0 && w.port.tx[i].bytes[37] == 67)
			return w.port.tx[i].bytes + 42;
	cr_assert_fail("no DHCP message was sent");
	return NULL;
}

static unsigned nb_messages(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += w.port.tx[i].bytes[13] == 0 && w.port.tx[i].bytes[37] == 67;
	return n;
}

static const uint8_t *option(const uint8_t *msg, uint8_t code)
{
	for (unsigned at = 240; at < 300 && msg[at] != 255;) {
		if (msg[at] == code)
			return &msg[at + 1];
		at += msg[at] ? 2u + msg[at + 1] : 1;
	}
	return NULL;
}

static uint8_t message_type(void)
{
	return option(last_message(), 53)[1];
}

static unsigned build_answer(uint8_t *msg, const struct answer *a)
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

static void receive_message(const uint8_t *msg, unsigned len, bool unicast)
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

static void answer(uint8_t type, struct answer a)
{
	uint8_t msg[548];

	a.type = type;
	receive_message(msg, build_answer(msg, &a), a.unicast);
}

static void bind_with(struct answer a)
{
	answer(OFFER, a);
	answer(ACK, a);
}

static void start(void)
{
	fake_world_start(&w, "net.ip=dhcp");
}

static void stop(void)
{
	struct net_if_stats *s = &w.nif->stats;

	cr_assert_eq(s->rx_packets, s->rx_delivered + fake_dropped(s));
}

TestSuite(dhcp, .init = start, .fini = stop);

Test(dhcp, discovers_at_once_by_broadcast_from_no_address)
{
	const struct fake_frame *f = fake_sent(&w.port, 0);
	const uint8_t *msg = last_message();

	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(f->len, 342);
	cr_assert_arr_eq(f->bytes, broadcast_mac, 6);
	cr_assert_eq(memcmp(f->bytes + 26, (const uint8_t[]){0, 0, 0, 0, 255, 255, 255, 255}, 8),
	             0);
	cr_assert_eq(frame_sum(f->bytes + 14, 20, 0), 0xffff);
	cr_assert_eq(frame_udp_sum(f->bytes + 34, 308, 0, 0xffffffff), 0xffff);
	cr_assert_eq(f->bytes[35], 68);
	cr_assert_eq(memcmp(msg, (const uint8_t[]){1, 1, 6, 0}, 4), 0);
	cr_assert_eq(msg[10], 0x80, "the broadcast flag");
	cr_assert_eq(memcmp(msg + 28, our_mac, 6), 0);
	cr_assert_eq(message_type(), DISCOVER);
	cr_assert_eq(memcmp(option(msg, 61), "\7\1\x52\x54\0\x12\x34\x56", 8), 0);
	cr_assert_eq(memcmp(option(msg, 12), "\10ringzero", 9), 0);
	cr_assert_not_null(option(msg, 55));
	cr_assert_not(net_if_ready(w.nif));
}

Test(dhcp, goes_from_discover_to_bound_without_waiting)
{
	const uint8_t *msg;

	answer(OFFER, good);
	msg = last_message();
	cr_assert_eq(message_type(), REQUEST);
	cr_assert_eq(memcmp(option(msg, 50), "\4\12\0\2\17", 5), 0, "requested address");
	cr_assert_eq(memcmp(option(msg, 54), "\4\12\0\2\1", 5), 0, "server");
	cr_assert_eq(memcmp(msg + 12, "\0\0\0\0", 4), 0, "ciaddr");
	cr_assert_not(net_if_ready(w.nif));
	log_set_json(true);
	answer(ACK, good);
	log_set_json(false);
	console_flush();
	cr_assert(net_if_ready(w.nif));
	cr_assert_eq(w.nif->ip, OUR_IP);
	cr_assert_eq(w.nif->mask, fake_ip(255, 255, 255, 0));
	cr_assert_eq(w.nif->gw, PEER_IP);

	/* announced by ARP */
	const struct fake_frame *f = &w.port.tx[w.port.nb_tx - 1];

	cr_assert_eq(f->bytes[13], 6);
	cr_assert_eq(memcmp(f->bytes + 28, "\12\0\2\17", 4), 0);
	cr_assert_not_null(
	    strstr(plat_test_output(), "net: port 0 10.0.2.15/24 gateway 10.0.2.2 by dhcp"));
	cr_assert_not_null(
	    strstr(plat_test_output(),
	           "{\"type\":\"addr\",\"port\":0,\"family\":4,\"ip\":\"10.0.2.15/24\","
	           "\"gw\":\"10.0.2.2\",\"source\":\"dhcp\"}"));
}

Test(dhcp, takes_answers_sent_to_the_new_address_too)
{
	struct answer a = good;

	a.unicast = true;
	bind_with(a);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, repeats_discover_with_growing_waits)
{
	static const unsigned waits_s[] = {1, 2, 4, 8, 16, 32, 64, 64, 64};
	uint32_t xid;

	memcpy(&xid, last_message() + 4, 4);
	for (unsigned i = 0; i < ARRAY_SIZE(waits_s); i++) {
		unsigned before = nb_messages(), ms = 0;

		while (nb_messages() == before) {
			fake_world_turn(&w, 100);
			ms += 100;
			cr_assert_lt(ms, 100000);
		}
		cr_assert_geq(ms, waits_s[i] * 750 - 100, "wait %u: %u ms", i, ms);
		cr_assert_leq(ms, waits_s[i] * 1250 + 200, "wait %u: %u ms", i, ms);
		cr_assert_eq(message_type(), DISCOVER);
	}
	cr_assert_eq(memcmp(&xid, last_message() + 4, 4), 0);
	cr_assert_geq(last_message()[8] << 8 | last_message()[9], 150, "secs");
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, repeats_request_then_starts_again)
{
	answer(OFFER, good);

	unsigned before = nb_messages();

	for (unsigned i = 0; i < 300 && message_type() == REQUEST; i++)
		fake_world_turn(&w, 100);
	cr_assert_eq(message_type(), DISCOVER);
	cr_assert_eq(nb_messages() - before, DHCP_REQUEST_TRIES);
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, takes_the_first_good_offer)
{
	struct answer second = good;

	answer(OFFER, good);
	second.yiaddr = fake_ip(10, 0, 2, 200);
	second.server = fake_ip(10, 0, 2, 3);
	answer(OFFER, second);
	cr_assert_eq(memcmp(option(last_message(), 54), "\4\12\0\2\1", 5), 0);
	answer(ACK, second);
	cr_assert_eq(w.nif->ip, 0, "an ACK of the other server");
	answer(ACK, good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, reads_options_in_file_and_sname)
{
	for (uint8_t overload = 1; overload <= 3; overload++) {
		struct answer a = good;

		fake_world_start(&w, "net.ip=dhcp");
		a.overload = overload;
		bind_with(a);
		cr_assert_eq(w.nif->ip, OUR_IP, "overload %u", overload);
		cr_assert_eq(w.nif->gw, PEER_IP);
	}
}

Test(dhcp, derives_a_missing_mask_from_the_class)
{
	struct answer a = good;

	a.mask = 0;
	a.router = 0;
	bind_with(a);
	cr_assert_eq(w.nif->mask, fake_ip(255, 0, 0, 0));
	cr_assert_eq(w.nif->gw, 0);
}

Test(dhcp, does_without_a_gateway_outside_the_subnet)
{
	struct answer a = good;

	a.router = fake_ip(10, 0, 3, 2);
	bind_with(a);
	cr_assert_eq(w.nif->ip, OUR_IP);
	cr_assert_eq(w.nif->gw, 0);
	console_flush();
	cr_assert_not_null(
	    strstr(plat_test_output(), "router 10.0.3.2 is not in the subnet of 10.0.2.15/24"));
}

Test(dhcp, takes_any_router_with_an_address_that_has_no_subnet)
{
	struct answer a = good;
	struct udp_pcb pcb = {.port = cpu_to_be16(9), .st = &w.st};
	struct udp_addr to = {.nif = w.nif, .ip = FAR_IP, .port = cpu_to_be16(9)};

	a.mask = fake_ip(255, 255, 255, 255);
	a.router = fake_ip(10, 9, 0, 1);
	bind_with(a);
	cr_assert_eq(w.nif->gw, a.router);
	console_flush();
	cr_assert_null(strstr(plat_test_output(), "not in the subnet"));
	fake_forget(&w.port);
	cr_assert_eq(udp_sendto(&pcb, mbuf_alloc(w.port.dev.pool), &to), 0);
	net_if_flush(w.nif);
	cr_assert_eq(memcmp(fake_sent(&w.port, 0)->bytes + 38, &a.router, 4), 0, "asked by ARP");
}

Test(dhcp, does_without_a_router_that_is_nobodys_or_ours)
{
	const be32 bad[] = {OUR_IP, fake_ip(224, 0, 0, 1), fake_ip(127, 0, 0, 1)};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct answer a = good;

		fake_world_start(&w, "net.ip=dhcp");
		a.mask = fake_ip(255, 255, 255, 255);
		a.router = bad[i];
		bind_with(a);
		cr_assert_eq(w.nif->ip, OUR_IP);
		cr_assert_eq(w.nif->gw, 0);
	}
}

static void add_port_with_mtu(unsigned mtu)
{
	static struct net_stack st;

	fake_netdev_init(&w.port);
	w.port.dev.mtu = (uint16_t)mtu;
	plat_test_clear();
	net_stack_init(&st);
	cr_assert_eq(net_stack_add_port(&st, &w.port.dev), 0);
	for (unsigned s = 0; s < 20; s++)
		net_stack_timers(&st, plat_test_time_ns + s * 1000000000ull);
	console_flush();
	cr_assert_eq(st.ifs[0].stats.tx_no_route + st.ifs[0].stats.tx_too_long, 0);
}

Test(dhcp, says_that_an_mtu_is_too_small_and_asks_nobody)
{
	const char *text;

	add_port_with_mtu(327);
	cr_assert_eq(w.port.nb_tx, 0);
	text = strstr(plat_test_output(), "MTU 327 is too small for DHCP (328 needed)");
	cr_assert_not_null(text);
	cr_assert_null(strstr(text + 1, "dhcp:"), "and more: %s", text);
}

Test(dhcp, names_the_largest_message_that_fits_but_a_legal_one)
{
	static const unsigned sizes[][2] = {{328, 576}, {604, 576}, {605, 577}, {1500, 1472}};

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		add_port_with_mtu(sizes[i][0]);
		cr_assert_eq(message_type(), DISCOVER);

		const uint8_t *value = option(last_message(), 57) + 1;

		cr_assert_eq((unsigned)(value[0] << 8 | value[1]), sizes[i][1], "MTU %u",
		             sizes[i][0]);
	}
}

static void conflict(void)
{
	fake_inject(&w.port, frame, frame_arp(frame, 2, other_mac, OUR_IP, our_mac, OUR_IP));
	net_stack_poll(&w.st);
}

Test(dhcp, declines_an_address_that_another_machine_has)
{
	const uint8_t *msg;

	bind_with(good);
	fake_world_turn(&w, 9000);
	fake_forget(&w.port);
	conflict();
	cr_assert_eq(w.nif->ip, 0);
	cr_assert_not(net_if_ready(w.nif));
	cr_assert_eq(nb_messages(), 1);
	msg = last_message();
	cr_assert_eq(message_type(), DECLINE);
	cr_assert_eq(memcmp(msg - 16, "\0\0\0\0\377\377\377\377", 8), 0, "its addresses");
	cr_assert_eq(memcmp(msg - 42, broadcast_mac, 6), 0);
	cr_assert_eq(memcmp(msg + 8, "\0\0\0\0\0\0\0\0", 8), 0, "secs, flags, ciaddr");
	cr_assert_eq(memcmp(option(msg, 50), "\4\12\0\2\17", 5), 0, "requested address");
	cr_assert_eq(memcmp(option(msg, 54), "\4\12\0\2\1", 5), 0, "server");
	cr_assert(!option(msg, 57) && !option(msg, 55) && !option(msg, 12));
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "10.0.2.15 is another machine's: declined"));

	fake_forget(&w.port);
	fake_world_turn(&w, DHCP_DECLINE_WAIT_S * 1000 - 200);
	cr_assert_eq(w.port.nb_tx, 0);
	fake_world_turn(&w, 400);
	cr_assert_eq(message_type(), DISCOVER);
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, keeps_an_address_that_it_has_had_for_a_while)
{
	bind_with(good);
	fake_world_turn(&w, (DHCP_CONFLICT_S + 1) * 1000);
	fake_forget(&w.port);
	conflict();
	cr_assert_eq(w.nif->ip, OUR_IP);
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(w.nif->stats.arp_conflicts, 1);
}

Test(dhcp, a_lease_runs_from_the_first_request_for_it)
{
	uint64_t asked_ns;

	fake_world_turn(&w, 300);
	asked_ns = w.now_ns;
	answer(OFFER, good);
	fake_world_turn(&w, 2000); /* asked again meanwhile */
	cr_assert_geq(nb_messages(), 3);
	answer(ACK, good);
	cr_assert_eq(w.nif->dhcp->expiry_ns, asked_ns + LEASE_S * 1000000000ull);

	fake_world_turn(&w, LEASE_S * 7 / 8 * 1000);
	cr_assert_eq(w.nif->dhcp->state, DHCP_REBINDING);
	cr_assert_eq(w.nif->dhcp->t2_ns, asked_ns + LEASE_S * 7 / 8 * 1000000000ull);
	asked_ns += LEASE_S * 7 / 8 * 1000000000ull;
	answer(ACK, good);
	cr_assert_eq(w.nif->dhcp->expiry_ns, asked_ns + LEASE_S * 1000000000ull);
}

Test(dhcp, tiny_leases_are_no_reason_to_hurry)
{
	static const uint32_t leases[][2] = {{1, 0}, {2, 0}, {3, 0}, {3600, 1}};
	const unsigned seconds = 20;

	for (unsigned i = 0; i < ARRAY_SIZE(leases); i++) {
		struct answer a = good;
		unsigned requests = 0;

		fake_world_start(&w, "net.ip=dhcp");
		a.lease_s = leases[i][0];
		a.t1_s = a.t2_s = leases[i][1];
		for (unsigned turn = 0; turn < seconds * 10; turn++) {
			while (nb_messages()) {
				requests += message_type() == REQUEST;
				answer(message_type() == DISCOVER ? OFFER : ACK, a);
				if (message_type() == DISCOVER || w.nif->dhcp->state >= DHCP_BOUND)
					break;
			}
			fake_forget(&w.port);
			fake_world_turn(&w, 100);
		}
		cr_assert_geq(requests, 1, "lease of %u s", a.lease_s);
		cr_assert_leq(requests, seconds + 1, "lease of %u s: %u", a.lease_s, requests);
	}
}

Test(dhcp, refuses_leases_that_cannot_be)
{
	static const struct answer bad[] = {
	    {.yiaddr = 0},          {.yiaddr = 0x0100007f}, {.yiaddr = 0xffffffff},
	    {.yiaddr = 0x010000e0}, {.yiaddr = 0xff02000a}, {.yiaddr = 0x0002000a},
	};
	struct answer a;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		a = good;
		a.yiaddr = bad[i].yiaddr;
		answer(OFFER, a);
	}
	a = good;
	a.mask = fake_ip(255, 0, 255, 0);
	answer(OFFER, a);
	a = good;
	a.server = 0;
	answer(OFFER, a);
	a = good;
	a.lease_s = 0;
	answer(OFFER, a);
	a = good;
	a.xid_off = 1;
	answer(OFFER, a);
	a = good;
	a.chaddr5_xor = 1;
	answer(OFFER, a);
	cr_assert_eq(nb_messages(), 1);
	cr_assert_eq(message_type(), DISCOVER);
	answer(OFFER, good);
	a = good;
	a.yiaddr = fake_ip(10, 0, 2, 16);
	answer(ACK, a);
	cr_assert_eq(w.nif->ip, 0, "another address than offered");
}

Test(dhcp, renews_by_unicast_at_half_and_stays_quiet)
{
	struct answer a = good;

	a.unicast = true;
	a.server = PEER_IP; /* whose MAC the cache may have */
	bind_with(a);
	for (unsigned round = 0; round < 3; round++) {
		fake_world_turn(&w, 2000);
		fake_forget(&w.port);
		fake_world_turn(&w, LEASE_S / 2 * 1000 - 3000);
		cr_assert_eq(w.port.nb_tx, 0, "round %u: %u frames", round, w.port.nb_tx);
		fake_world_turn(&w, 1000);
		cr_assert_eq(w.port.tx[0].bytes[13], 6, "asks for the server's MAC");
		fake_inject(&w.port, frame,
		            frame_arp(frame, 2, peer_mac, PEER_IP, our_mac, OUR_IP));
		net_stack_poll(&w.st);

		const uint8_t *msg = last_message();

		cr_assert_eq(message_type(), REQUEST);
		cr_assert_eq(memcmp(msg + 12, "\12\0\2\17", 4), 0, "ciaddr");
		cr_assert_eq(msg[10], 0, "no broadcast flag");
		cr_assert_null(option(msg, 50));
		cr_assert_null(option(msg, 54));
		cr_assert_eq(memcmp(msg - 42, peer_mac, 6), 0);
		answer(ACK, a);
		cr_assert_eq(w.nif->dhcp->state, DHCP_BOUND);
		cr_assert_eq(w.nif->ip, OUR_IP);
	}
}

Test(dhcp, rebinds_by_broadcast_with_any_server)
{
	struct answer a = good;

	bind_with(good);
	fake_world_turn(&w, LEASE_S * 7 / 8 * 1000 - 1000);
	cr_assert_eq(w.nif->dhcp->state, DHCP_RENEWING);
	fake_forget(&w.port);
	fake_world_turn(&w, 2000);
	cr_assert_eq(w.nif->dhcp->state, DHCP_REBINDING);
	cr_assert_eq(message_type(), REQUEST);
	cr_assert_eq(memcmp(last_message() - 42, broadcast_mac, 6), 0);
	a.server = fake_ip(10, 0, 2, 9);
	a.unicast = true;
	answer(ACK, a);
	cr_assert_eq(w.nif->dhcp->state, DHCP_BOUND);
	cr_assert_eq(w.nif->dhcp->lease.server, a.server);
}

Test(dhcp, repeats_a_renewal_no_more_than_once_a_minute)
{
	bind_with(good);
	fake_world_turn(&w, 1000);
	w.port.nb_tx = 0;
	for (unsigned s = 0; s < LEASE_S - 10; s++) {
		fake_world_turn(&w, 1000);
		cr_assert_lt(w.port.nb_tx, 100);
	}
	cr_assert_geq(nb_messages(), 3);
	cr_assert_leq(nb_messages(), 20);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, gives_the_address_up_when_the_lease_ends)
{
	bind_with(good);
	fake_world_turn(&w, (LEASE_S - 1) * 1000);
	cr_assert_eq(w.nif->ip, OUR_IP);
	fake_world_turn(&w, 2000);
	cr_assert_eq(w.nif->ip, 0);
	cr_assert_eq(w.nif->gw, 0);
	cr_assert_not(net_if_ready(w.nif));
	cr_assert_eq(message_type(), DISCOVER);
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "the lease of 10.0.2.15 ended"));
	fake_forget(&w.port);
	fake_world_turn(&w, 3000);
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, keeps_an_infinite_lease)
{
	struct answer a = good;

	a.lease_s = DHCP_LEASE_FOREVER;
	bind_with(a);
	fake_world_turn(&w, 2000);
	fake_forget(&w.port);
	for (unsigned year = 0; year < 200; year++) {
		w.now_ns += 365ull * 86400 * 1000000000;
		net_stack_timers(&w.st, w.now_ns);
	}
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, obeys_sane_times_of_the_server_and_replaces_mad_ones)
{
	static const struct {
		uint32_t t1, t2, expect1, expect2;
	} cases[] = {{100, 200, 100, 200},     {0, 0, 1800, 3150},
	             {4000, 200, 1800, 3150},  {100, 50, 100, 3150},
	             {3400, 3300, 3400, 3400}, {0xffffffff, 0xffffffff, 1800, 3150},
	             {100, 3600, 100, 3150}};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct answer a = good;

		fake_world_start(&w, "net.ip=dhcp");
		a.t1_s = cases[i].t1;
		a.t2_s = cases[i].t2;
		bind_with(a);
		cr_assert_eq(w.nif->dhcp->lease.t1_s, cases[i].expect1, "case %u", i);
		cr_assert_eq(w.nif->dhcp->lease.t2_s, cases[i].expect2, "case %u", i);
	}
}

Test(dhcp, starts_again_after_a_nak_but_not_at_once)
{
	for (unsigned i = 0; i < 3; i++) {
		answer(OFFER, good);
		answer(NAK, good);
		fake_forget(&w.port);
		fake_world_turn(&w, (1000u << i) - 200);
		cr_assert_eq(w.port.nb_tx, 0, "nak %u", i);
		fake_world_turn(&w, 400);
		cr_assert_eq(message_type(), DISCOVER);
	}
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
	cr_assert_eq(w.nif->dhcp->naks, 0);
}

Test(dhcp, gives_the_address_up_when_the_renewal_is_refused)
{
	struct answer a = good;

	a.unicast = true;
	bind_with(a);
	fake_world_turn(&w, LEASE_S / 2 * 1000 + 1000);
	cr_assert_eq(w.nif->dhcp->state, DHCP_RENEWING);
	answer(NAK, a);
	cr_assert_eq(w.nif->ip, 0);
	cr_assert_eq(w.nif->dhcp->state, DHCP_INIT);
}

Test(dhcp, ignores_a_nak_that_nobody_asked_for)
{
	struct answer a = good;

	answer(NAK, good);
	cr_assert_eq(w.nif->dhcp->state, DHCP_SELECTING);
	answer(OFFER, good);
	a.server = fake_ip(10, 0, 2, 66);
	answer(NAK, a);
	cr_assert_eq(w.nif->dhcp->state, DHCP_REQUESTING);
	answer(ACK, good);
	a = good;
	a.unicast = true;
	answer(NAK, a);
	cr_assert_eq(w.nif->ip, OUR_IP);
}

Test(dhcp, survives_messages_cut_off_and_bent_at_every_byte)
{
	uint8_t msg[548];
	struct answer a = good;
	unsigned len;

	a.type = OFFER;
	a.overload = 3;
	len = build_answer(msg, &a);
	for (unsigned cut = 0; cut < 246; cut++)
		receive_message(msg, cut, false);
	cr_assert_eq(nb_messages(), 1, "answered a message without its end");
	for (unsigned at = 240; at < len; at++) {
		uint8_t was = msg[at];

		for (unsigned v = 0; v < 256; v += 5) {
			msg[at] = (uint8_t)v;
			receive_message(msg, len, false);
			w.nif->dhcp->state = DHCP_SELECTING;
			w.port.nb_tx = 1;
		}
		msg[at] = was;
	}
}

Test(dhcp, survives_noise_behind_a_good_header)
{
	uint8_t msg[548];
	struct answer a = good;

	a.type = OFFER;
	build_answer(msg, &a);
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned len = 240 + (unsigned)rand() % 308;

		for (unsigned k = 240; k < len; k++)
			msg[k] = (uint8_t)(rand() % 3 ? rand() % 64 : rand());
		for (unsigned k = 44; k < 236; k++)
			msg[k] = (uint8_t)rand();
		msg[240] = 53;
		msg[241] = 1;
		msg[242] = (uint8_t)(1 + rand() % 7);
		msg[243] = 52;
		msg[244] = 1;
		msg[245] = (uint8_t)rand();
		receive_message(msg, len, false);
		w.port.nb_tx = 1; /* keeps the xid */
		memcpy(w.port.tx[0].bytes + 46, &w.nif->dhcp->xid, 4);
	}
	cr_assert_eq(fake_leaks(&w.port), 0);
}

Test(dhcp, keeps_trying_when_no_buffer_is_free)
{
	struct mempool *pool = w.port.dev.pool;
	unsigned n = pool->n;

	fake_forget(&w.port);
	pool->n = 0;
	fake_world_turn(&w, 5000);
	cr_assert_geq(w.nif->stats.tx_no_mbuf, 2);
	pool->n = n;
	fake_world_turn(&w, 10000);
	bind_with(good);
	cr_assert_eq(w.nif->ip, OUR_IP);
}
