/* ARP: answers, learning, waiting packets, retries, expiry, and what hostile neighbours send. */
#include "net/arp.h"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

static struct fake_world w;
static uint8_t frame[FAKE_FRAME_MAX];

static void start(void)
{
	fake_world_start(&w, "net.ip=10.0.2.15/24 net.gw=10.0.2.2");
}

static void stop(void)
{
	cr_assert_eq(w.nif->stats.rx_packets,
	             w.nif->stats.rx_delivered + fake_dropped(&w.nif->stats));
	fake_world_turn(&w, 10000); /* all that waits is given up by then */
	cr_assert_eq(fake_leaks(&w.port), 0, "%u packets leaked", fake_leaks(&w.port));
}

TestSuite(arp, .init = start, .fini = stop);

static void receive_arp(uint16_t op, const uint8_t *sha, be32 spa, const uint8_t *tha, be32 tpa)
{
	fake_inject(&w.port, frame, frame_arp(frame, op, sha, spa, tha, tpa));
	net_stack_poll(&w.st);
}

static void send_udp(be32 to, unsigned payload)
{
	struct udp_pcb pcb = {.port = cpu_to_be16(9), .st = &w.st};
	struct mbuf *m = mbuf_alloc(w.port.dev.queue[0].pool);

	cr_assert(m);
	m->data_len = 4;
	m->pkt_len = 4;
	memset(mbuf_data(m), (int)payload, 4);
	udp_sendto(&pcb, m, &(struct udp_addr){.nif = w.nif, .ip = to, .port = cpu_to_be16(9)});
	net_if_flush(w.nif);
}

static bool is_arp(const struct fake_frame *f, uint8_t op)
{
	return f->len == 42 && f->bytes[12] == 8 && f->bytes[13] == 6 && f->bytes[21] == op;
}

static unsigned requests_for(be32 ip)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += is_arp(&w.port.tx[i], 1) && !memcmp(&w.port.tx[i].bytes[38], &ip, 4);
	return n;
}

static unsigned datagrams_to(be32 ip, const uint8_t *mac)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += w.port.tx[i].bytes[13] == 0 && !memcmp(&w.port.tx[i].bytes[30], &ip, 4) &&
		     !memcmp(w.port.tx[i].bytes, mac, 6);
	return n;
}

Test(arp, answers_a_request_for_our_address)
{
	uint8_t expect[42];

	receive_arp(1, other_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	frame_arp(expect, 2, our_mac, OUR_IP, other_mac, fake_ip(10, 0, 2, 77));
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(fake_sent(&w.port, 0)->len, 42);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, expect, 42);
	cr_assert_eq(w.nif->stats.rx_delivered, 1);
}

Test(arp, answers_without_the_padding_of_the_request)
{
	frame_arp(frame, 1, other_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	memset(frame + 42, 0x55, 18);
	fake_inject_split(&w.port, frame, 60, 50, 5);
	net_stack_poll(&w.st);
	cr_assert_eq(fake_sent(&w.port, 0)->len, 42);
}

Test(arp, does_not_answer_for_others)
{
	receive_arp(1, other_mac, fake_ip(10, 0, 2, 77), NULL, fake_ip(10, 0, 2, 16));
	cr_assert_eq(w.port.nb_tx, 0);
	cr_assert_eq(w.nif->stats.drop_not_for_us, 1);
}

Test(arp, answers_a_probe_without_learning_from_it)
{
	receive_arp(1, other_mac, 0, NULL, OUR_IP);
	cr_assert(is_arp(fake_sent(&w.port, 0), 2));
	cr_assert_null(arp_lookup(w.nif, 0));
}

Test(arp, announces_a_new_address_twice)
{
	uint8_t expect[42];

	fake_world_start(&w, "net.ip=10.0.2.15/24");
	frame_arp(expect, 1, our_mac, OUR_IP, NULL, OUR_IP);
	fake_world_turn(&w, 900);
	cr_assert_eq(w.port.nb_tx, 0);
	fake_world_turn(&w, 5000);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_arr_eq(fake_sent(&w.port, 0)->bytes, expect, 42);
}

Test(arp, announces_at_the_very_start)
{
	static struct fake_netdev port;
	static struct net_stack st;

	fake_netdev_init(&port);
	net_stack_init(&st);
	cr_assert_eq(net_stack_add_port(&st, &port.dev), 0);
	cr_assert_eq(port.nb_tx, 1);
	cr_assert(is_arp(&port.tx[0], 1));
}

Test(arp, learns_from_a_request_for_us_and_needs_not_ask)
{
	receive_arp(1, other_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	fake_forget(&w.port);
	send_udp(fake_ip(10, 0, 2, 77), 0);
	cr_assert_eq(datagrams_to(fake_ip(10, 0, 2, 77), other_mac), 1);
	cr_assert_eq(w.port.nb_tx, 1);
}

Test(arp, learns_nothing_from_unasked_replies_and_strangers_requests)
{
	receive_arp(2, other_mac, fake_ip(10, 0, 2, 77), our_mac, OUR_IP);
	receive_arp(1, other_mac, fake_ip(10, 0, 2, 77), NULL, fake_ip(10, 0, 2, 9));
	receive_arp(1, other_mac, FAR_IP, NULL, OUR_IP); /* not on our link */
	cr_assert_null(arp_lookup(w.nif, fake_ip(10, 0, 2, 77)));
	cr_assert_null(arp_lookup(w.nif, FAR_IP));
}

Test(arp, follows_a_neighbour_it_knows_to_a_new_mac)
{
	send_udp(PEER_IP, 0);
	cr_assert_eq(datagrams_to(PEER_IP, peer_mac), 1);
	receive_arp(1, other_mac, PEER_IP, NULL, fake_ip(10, 0, 2, 9));
	fake_forget(&w.port);
	send_udp(PEER_IP, 0);
	cr_assert_eq(datagrams_to(PEER_IP, other_mac), 1, "the hop of the last datagram was kept");
}

Test(arp, asks_and_sends_what_waited_in_order)
{
	be32 ip = fake_ip(10, 0, 2, 77);

	for (unsigned i = 0; i < 4; i++)
		send_udp(ip, i);
	cr_assert_eq(w.port.nb_tx, 1);
	cr_assert_eq(requests_for(ip), 1);
	fake_forget(&w.port);
	receive_arp(2, other_mac, ip, our_mac, OUR_IP);
	cr_assert_eq(datagrams_to(ip, other_mac), 4);
	cr_assert_eq(w.nif->stats.rx_delivered, 1);
	cr_assert_eq(w.nif->stats.tx_arp_queue_full, 0);
}

Test(arp, drops_the_oldest_of_more_than_may_wait_for_one)
{
	be32 ip = fake_ip(10, 0, 2, 77);

	for (unsigned i = 0; i < ARP_QUEUE_MAX + 2; i++)
		send_udp(ip, i);
	cr_assert_eq(w.nif->stats.tx_arp_queue_full, 2);
	fake_forget(&w.port);
	receive_arp(2, other_mac, ip, our_mac, OUR_IP);
	cr_assert_eq(datagrams_to(ip, other_mac), ARP_QUEUE_MAX);
	for (unsigned i = 0; i < ARP_QUEUE_MAX; i++)
		cr_assert_eq(w.port.tx[i].bytes[42], i + 2, "out of order, or not the oldest");
}

static unsigned waiting_max(void)
{
	const unsigned quarter = w.nif->dev->queue[0].pool->size / 4;

	return quarter < ARP_WAITING_MAX ? quarter : ARP_WAITING_MAX;
}

Test(arp, bounds_what_waits_in_all)
{
	const unsigned max = waiting_max();

	for (unsigned i = 0; i < 180; i++)
		send_udp(fake_ip(10, 0, 2, 100 + i % 60), i);
	cr_assert_leq(fake_leaks(&w.port), max);
	cr_assert_eq(w.nif->stats.tx_arp_queue_full, 180 - fake_leaks(&w.port));
}

Test(arp, strangers_that_never_answer_keep_nobody_out)
{
	be32 ip = fake_ip(10, 0, 2, 77);

	for (unsigned i = 0; i < 200; i++)
		send_udp(fake_ip(10, 0, 2, 80 + i % 150), i);
	send_udp(ip, 7);
	fake_forget(&w.port);
	receive_arp(2, other_mac, ip, our_mac, OUR_IP);
	cr_assert_eq(datagrams_to(ip, other_mac), 1);
}

static unsigned requests(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w.port.nb_tx; i++)
		n += is_arp(&w.port.tx[i], 1);
	return n;
}

Test(arp, asks_little_for_more_silent_addresses_than_fit_in_a_set)
{
	const unsigned silent = ARP_WAYS + 1, seconds = 10;

	fake_world_turn(&w, 2000); /* announcements are over */
	fake_forget(&w.port);
	for (unsigned turn = 0; turn < seconds * 10; turn++) {
		for (unsigned i = 0; i < 10 * silent; i++)
			send_udp(fake_ip(10, 0, 2, 80 + i % silent * ARP_SETS), i);
		fake_world_turn(&w, 100);
	}
	cr_assert_geq(requests(), ARP_WAYS);
	cr_assert_leq(requests(), ARP_WAYS * (seconds + 1));
}

Test(arp, asks_strangers_in_a_burst_of_32_then_50_a_second)
{
	be32 ip;

	fake_world_turn(&w, 2000);
	fake_forget(&w.port);
	for (unsigned i = 0; i < ARP_SETS * ARP_WAYS; i++)
		send_udp(fake_ip(10, 0, 2, 100 + i), i);
	cr_assert_eq(requests(), ARP_REQUESTS_BURST);
	cr_assert_eq(arp_nb_waiting(w.nif), ARP_SETS * ARP_WAYS);
	fake_world_turn(&w, 500);
	cr_assert_eq(requests(), ARP_REQUESTS_BURST + ARP_REQUESTS_PER_S / 2);
	fake_world_turn(&w, 3000);
	for (unsigned i = 0; i < ARP_SETS * ARP_WAYS; i++) {
		ip = fake_ip(10, 0, 2, 100 + i);
		cr_assert_geq(requests_for(ip), 1, "10.0.2.%u was never asked for", 100 + i);
	}
}

Test(arp, a_newcomer_is_not_the_first_to_go)
{
	be32 ip = fake_ip(10, 0, 2, 80);

	for (unsigned i = 1; i <= ARP_WAYS; i++)
		send_udp(fake_ip(10, 0, 2, 80 + i * ARP_SETS), i);
	send_udp(ip, 7);
	send_udp(fake_ip(10, 0, 2, 80 - ARP_SETS), 8);
	fake_forget(&w.port);
	receive_arp(2, other_mac, ip, our_mac, OUR_IP);
	cr_assert_eq(datagrams_to(ip, other_mac), 1);
}

Test(arp, gives_every_place_its_turn_in_a_flood)
{
	const unsigned flood = ARP_SETS * (ARP_WAYS + 1);
	unsigned asked[ARP_SETS] = {0};

	for (unsigned turn = 0; turn < 80; turn++) {
		for (unsigned i = 0; i < flood; i++)
			send_udp(fake_ip(10, 0, 2, 100 + i), i);
		if (turn == 20)
			fake_forget(&w.port);
		fake_world_turn(&w, 100);
	}
	for (unsigned i = 0; i < flood; i++)
		asked[i % ARP_SETS] += requests_for(fake_ip(10, 0, 2, 100 + i));
	for (unsigned i = 0; i < ARP_SETS; i++)
		cr_assert_geq(asked[i], ARP_WAYS, "set %u", i);
}

Test(arp, sends_what_waited_without_a_token)
{
	be32 ip = fake_ip(10, 0, 2, 77);

	for (unsigned i = 0; i < ARP_REQUESTS_BURST; i++)
		send_udp(fake_ip(10, 0, 2, 100 + i), i);
	send_udp(ip, 7);
	cr_assert_eq(requests_for(ip), 0);
	fake_world_turn(&w, 100);
	cr_assert_eq(requests_for(ip), 1);
	fake_forget(&w.port);
	receive_arp(2, other_mac, ip, our_mac, OUR_IP);
	cr_assert_eq(datagrams_to(ip, other_mac), 1);
}

Test(arp, learns_from_a_gateway_outside_the_subnet)
{
	fake_world_start(&w, "net.ip=10.0.2.15/32 net.gw=192.0.2.1");
	receive_arp(1, other_mac, FAR_IP, NULL, OUR_IP);
	fake_forget(&w.port);
	send_udp(fake_ip(198, 51, 100, 1), 0);
	cr_assert_eq(datagrams_to(fake_ip(198, 51, 100, 1), other_mac), 1);
	cr_assert_eq(requests(), 0);
}

Test(arp, asks_once_a_second_three_times_then_gives_up_for_a_while)
{
	be32 ip = fake_ip(10, 0, 2, 77);

	fake_world_turn(&w, 2000); /* announcements are over */
	fake_forget(&w.port);
	send_udp(ip, 0);
	cr_assert_eq(requests_for(ip), 1);
	fake_world_turn(&w, 1200);
	cr_assert_eq(requests_for(ip), 2);
	fake_world_turn(&w, 1000);
	cr_assert_eq(requests_for(ip), 3);
	cr_assert_eq(w.nif->stats.tx_arp_queue_full, 0);
	fake_world_turn(&w, 1000);
	cr_assert_eq(requests_for(ip), 3);
	cr_assert_eq(w.nif->stats.tx_unresolved, 1);
	send_udp(ip, 0);
	cr_assert_eq(requests_for(ip), 3, "asked again at once");
	cr_assert_eq(w.nif->stats.tx_unresolved, 2);
	cr_assert_eq(w.nif->stats.tx_arp_queue_full, 0);
	fake_world_turn(&w, (ARP_FAILED_S + 1) * 1000);
	send_udp(ip, 0);
	cr_assert_eq(requests_for(ip), 4);
}

Test(arp, refreshes_a_neighbour_in_use_without_a_gap)
{
	for (unsigned s = 0; s < ARP_REACHABLE_S + 10; s++) {
		send_udp(PEER_IP, 0);
		cr_assert_eq(datagrams_to(PEER_IP, peer_mac), s + 1, "waited in second %u", s);
		if (s == ARP_REACHABLE_S + 1) {
			cr_assert_geq(requests_for(PEER_IP), 1);
			receive_arp(2, peer_mac, PEER_IP, our_mac, OUR_IP);
		}
		fake_world_turn(&w, 1000);
	}
	cr_assert_leq(requests_for(PEER_IP), 2);
}

Test(arp, forgets_a_neighbour_in_use_that_is_silent)
{
	for (unsigned s = 0; s < ARP_REACHABLE_S + 5; s++) {
		send_udp(PEER_IP, 0);
		fake_world_turn(&w, 1000);
	}
	cr_assert_geq(requests_for(PEER_IP), 3);
	cr_assert_null(arp_lookup(w.nif, PEER_IP));
}

Test(arp, forgets_an_unused_neighbour_without_asking)
{
	fake_world_turn(&w, (ARP_REACHABLE_S + 1) * 1000);
	cr_assert_eq(requests_for(PEER_IP), 0);
	cr_assert_null(arp_lookup(w.nif, PEER_IP));
}

Test(arp, keeps_as_many_neighbours_as_a_subnet_has_in_a_row)
{
	for (unsigned i = 0; i < 60; i++)
		receive_arp(1, other_mac, fake_ip(10, 0, 2, 100 + i), NULL, OUR_IP);
	for (unsigned i = 0; i < 60; i++)
		cr_assert_not_null(arp_lookup(w.nif, fake_ip(10, 0, 2, 100 + i)), "%u", i);
}

Test(arp, is_not_thrown_by_more_neighbours_than_it_has_room_for)
{
	for (unsigned i = 1; i < 255; i++)
		if (i != 15)
			receive_arp(1, other_mac, fake_ip(10, 0, 2, i), NULL, OUR_IP);
	cr_assert_not_null(arp_lookup(w.nif, fake_ip(10, 0, 2, 254)));
	cr_assert_eq(w.nif->stats.rx_delivered, 253);
}

Test(arp, reports_another_machine_with_our_address_once)
{
	plat_test_clear();
	receive_arp(1, other_mac, OUR_IP, NULL, OUR_IP);
	receive_arp(2, other_mac, OUR_IP, our_mac, OUR_IP);
	cr_assert_eq(w.nif->stats.arp_conflicts, 2);
	cr_assert_eq(w.nif->stats.drop_arp, 2);
	cr_assert_eq(w.port.nb_tx, 0);

	const char *text = strstr(plat_test_output(), "also uses our address 10.0.2.15");

	cr_assert_not_null(text);
	cr_assert_null(strstr(text + 1, "also uses"));
}

struct bad_arp {
	unsigned at;
	uint8_t value;
};

Test(arp, drops_what_is_malformed)
{
	static const struct bad_arp bad[] = {
	    {15, 6},                                     /* hardware type */
	    {17, 6},                                     /* protocol type */
	    {18, 5},                                     /* hardware address length */
	    {19, 16},                                    /* protocol address length */
	    {21, 0},    {21, 3},                         /* operation */
	    {22, 0x03},                                  /* multicast sender */
	    {28, 0},                                     /* sender 0.0.2.77 */
	    {28, 127},  {28, 224}, {28, 255}, {31, 255}, /* the subnet's broadcast */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		frame_arp(frame, 1, other_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
		frame[bad[i].at] = bad[i].value;
		fake_inject(&w.port, frame, 42);
		net_stack_poll(&w.st);
		cr_assert_eq(w.nif->stats.drop_arp, i + 1, "byte %u = %u", bad[i].at, bad[i].value);
	}
	receive_arp(1, our_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	receive_arp(1, broadcast_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	receive_arp(1, (const uint8_t[6]){0}, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	receive_arp(2, other_mac, 0, our_mac, OUR_IP);
	cr_assert_eq(w.nif->stats.drop_arp, ARRAY_SIZE(bad) + 4);
	cr_assert_eq(w.port.nb_tx, 0);
}

Test(arp, drops_what_is_cut_off)
{
	frame_arp(frame, 1, other_mac, fake_ip(10, 0, 2, 77), NULL, OUR_IP);
	for (unsigned len = 0; len < 42; len++) {
		fake_inject(&w.port, frame, len);
		fake_inject_split(&w.port, frame, 42, len, 30);
		net_stack_poll(&w.st);
	}
	cr_assert_eq(w.nif->stats.drop_short, 84);
	cr_assert_eq(w.port.nb_tx, 0);
}
