/* The DHCP client until it has an address, and what a lying server can do to it. */
#include "tests/unit/dhcp_fixture.h"
#include "kernel/log.h"
#include <stdlib.h>

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
	cr_assert_eq(udp_sendto(&pcb, mbuf_alloc(w.port.dev.queue[0].pool), &to), 0);
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
	struct mempool *pool = w.port.dev.queue[0].pool;
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
