/* The DHCP client with an address: times, renewal, conflicts, the end of the lease. */
#include "tests/unit/dhcp_fixture.h"

TestSuite(dhcp_lease, .init = start, .fini = stop);

static void conflict(void)
{
	fake_inject(&w.port, frame, frame_arp(frame, 2, other_mac, OUR_IP, our_mac, OUR_IP));
	net_stack_poll(&w.st);
}

Test(dhcp_lease, declines_an_address_that_another_machine_has)
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

Test(dhcp_lease, keeps_an_address_that_it_has_had_for_a_while)
{
	bind_with(good);
	fake_world_turn(&w, (DHCP_CONFLICT_S + 1) * 1000);
	fake_forget(&w.port);
	conflict();
	cr_assert_eq(w.nif->ip, OUR_IP);
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(w.nif->stats.arp_conflicts, 1);
}

Test(dhcp_lease, a_lease_runs_from_the_first_request_for_it)
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

Test(dhcp_lease, tiny_leases_are_no_reason_to_hurry)
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

Test(dhcp_lease, renews_by_unicast_at_half_and_stays_quiet)
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

Test(dhcp_lease, rebinds_by_broadcast_with_any_server)
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

Test(dhcp_lease, repeats_a_renewal_no_more_than_once_a_minute)
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

Test(dhcp_lease, gives_the_address_up_when_the_lease_ends)
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

Test(dhcp_lease, keeps_an_infinite_lease)
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

Test(dhcp_lease, obeys_sane_times_of_the_server_and_replaces_mad_ones)
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

Test(dhcp_lease, gives_the_address_up_when_the_renewal_is_refused)
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
