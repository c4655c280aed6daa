/* testpmd: options, pairs of ports, full rings, and what it generates. */
#include "tests/unit/testpmd_fixture.h"

/* ---- options ------------------------------------------------------------------------------ */

Test(testpmd, ports_receive_all_that_comes_unless_told_otherwise)
{
	start(2, "net1.promisc=0");
	cr_assert_eq(port[0].dev.rx_mode, NETDEV_RX_PROMISC);
	cr_assert_eq(port[1].dev.rx_mode, 0);
}

Test(testpmd, good_options_are_taken)
{
	static const char *const good[] = {
	    "fwd=io burst=1", "fwd=txonly txpkts=42",    "txpkts=2048,2048,2048,2048,1536",
	    "burst=512",      "txpkts=64,1,1,1,1,1,1,1", "tx_first=65535",
	    "fwd_retry=1",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++)
		cr_expect_eq(parse(good[i]), 0, "%s", good[i]);
}

Test(testpmd, bad_options_are_refused)
{
	static const char *const bad[] = {
	    "fwd=csum",
	    "burst=0",
	    "burst=513",
	    "txpkts=41",
	    "txpkts=2049",
	    "txpkts=64,",
	    "txpkts=,64",
	    "txpkts=64,0",
	    "txpkts=64;64",
	    "txpkts=",
	    "txpkts=20,64",
	    "txpkts=2048,2048,2048,2048,1537",
	    "fwd_retry=2",
	    "tx_first=65536",
	    "txpkts=64,1,1,1,1,1,1,1,1",
	    "txpkts=42949672960064",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect_eq(parse(bad[i]), 1, "%s", bad[i]);
	cr_assert_not_null(strstr(plat_test_output(), "allowed: io mac macswap 5tswap rxonly"));
}

Test(testpmd, without_a_port_it_does_not_start)
{
	cr_assert_eq(parse(""), 0);
	cr_assert_eq(app_testpmd.start(&st), -ENODEV);
	cr_assert_not_null(strstr(plat_test_output(), "no port to forward from"));
}

/* ---- pairs, bursts, rings ----------------------------------------------------------------- */

Test(testpmd, ports_are_paired_and_an_odd_last_one_with_itself)
{
	static const unsigned to[] = {1, 0, 2};

	start(3, "");
	for (unsigned from = 0; from < 3; from++) {
		for (unsigned i = 0; i < 3; i++)
			fake_forget(&port[i]);
		fake_inject(&port[from], data, 100 + from);
		cr_assert_eq(turn(), 1);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(port[i].nb_tx, i == to[from]);
		assert_bytes(fake_sent(&port[to[from]], 0), data, 100 + from);
	}
}

Test(testpmd, every_queue_is_forwarded_from_to_one_that_the_other_port_has)
{
	queues_of[0] = 4;
	queues_of[1] = 3;
	start(2, "");
	cr_assert_eq(pmd.nb_streams, 7);
	for (uint16_t q = 0; q < 4; q++) {
		port[0].inject_queue = q;
		fake_inject(&port[0], data, 60u + q);
		cr_assert_eq(turn(), 1);
		assert_bytes(fake_sent(&port[1], q), data, 60u + q);
		cr_assert_eq(fake_sent(&port[1], q)->queue, q % 3);
	}
	for (uint16_t q = 0; q < 3; q++) {
		port[1].inject_queue = q;
		fake_inject(&port[1], data, 60u + q);
		cr_assert_eq(turn(), 1);
		cr_assert_eq(fake_sent(&port[0], q)->queue, q);
	}
	port[0].tx_room = 0;
	fake_inject(&port[1], data, 60);
	turn();
	cr_assert_eq(port[0].dev.queue[2].tx_dropped, 1);
	plat_test_clear();
	show_fwd_stats("");
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(), "queue 3 of port 0 to 1: 1 received"));
}

/* An lcore's streams have their queues to themselves, and each receives by its own. */
static void check_dealt(unsigned nb_lcores)
{
	unsigned lcore_of_tx[PORTS][FAKE_QUEUES_MAX] = {{0}}, nb_streams = 0;

	for (unsigned l = 0; l < nb_lcores; l++) {
		cr_expect_gt(pmd.lcore[l].nb_streams, 0, "lcore %u of %u", l, nb_lcores);
		for (unsigned i = 0; i < pmd.lcore[l].nb_streams; i++) {
			const struct fwd_stream *s = &pmd.lcore[l].streams[i];
			unsigned *of = &lcore_of_tx[s->tx->port][s->txq];

			cr_assert_eq(s->rx->queue[s->rxq].lcore, l);
			cr_assert_lt(s->txq, s->tx->nb_queues);
			cr_assert(!*of || *of == l + 1, "port %u queue %u", s->tx->port, s->txq);
			*of = l + 1;
			nb_streams++;
		}
	}
	cr_assert_eq(nb_streams, pmd.nb_streams);
}

Test(testpmd, streams_that_leave_by_the_same_queue_are_one_lcores)
{
	static const struct {
		uint16_t queues[PORTS];
		const char *options;
		unsigned most;
	} cases[] = {
	    {{1, 1}, "", 2},        {{4, 3}, "", 6},
	    {{4, 1}, "", 2},        {{4, 1}, "fwd=icmpecho", 2},
	    {{2, 2, 3}, "", 7},     {{1, 4, 2}, "fwd=macswap", 4},
	    {{3}, "fwd=txonly", 3}, {{4, 4}, "fwd=icmpecho", 8},
	};

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		for (unsigned n = 1; n <= cases[c].most; n++) {
			unsigned ports = 0;

			while (ports < PORTS && cases[c].queues[ports]) {
				queues_of[ports] = cases[c].queues[ports];
				ports++;
			}
			plat_test_memory(64 << 20);
			memset(&pmd, 0, sizeof(pmd));
			st.nb_lcores = n;
			start(ports, cases[c].options);
			cr_assert_eq(app_testpmd.lcores_most(&st), cases[c].most);
			check_dealt(n);
		}
	}
	st.nb_lcores = 1;
}

Test(testpmd, one_queue_each_way_for_two_lcores)
{
	struct net_stack other = {.lcore = 1, .nb_lcores = 2};

	st.nb_lcores = 2;
	start(2, "");
	fake_inject(&port[0], data, 60);
	fake_inject(&port[1], data, 61);
	cr_assert_eq(app_testpmd.poll(&other), 1);
	assert_bytes(fake_sent(&port[0], 0), data, 61);
	cr_assert_eq(port[1].nb_tx, 0);
	cr_assert_eq(app_testpmd.poll(&st), 1);
	assert_bytes(fake_sent(&port[1], 0), data, 60);
	st.nb_lcores = 1;
}

Test(testpmd, a_burst_is_as_long_as_it_was_told)
{
	start(1, "burst=5");
	for (unsigned i = 0; i < 12; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 5);
	cr_assert_eq(turn(), 5);
	cr_assert_eq(turn(), 2);
	cr_assert_eq(turn(), 0);
	for (unsigned i = 0; i < 12; i++)
		assert_bytes(fake_sent(&port[0], i), data, 60 + i);
}

Test(testpmd, what_a_full_ring_does_not_take_is_freed_and_counted)
{
	start(2, "");
	port[1].tx_room = 3;
	for (unsigned i = 0; i < 8; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 8);
	cr_assert_eq(port[1].nb_tx, 3);
	cr_assert_eq(port[1].dev.queue[0].tx_dropped, 5);
	cr_assert_eq(pmd.streams[0].full, 5);
	plat_test_clear();
	show_fwd_stats("");
	console_flush();
	cr_assert_not_null(strstr(plat_test_output(),
	                          "port 0 to 1: 8 received, 0 generated, 3 sent, dropped: 5 ring "
	                          "full, 0 unsendable, 0 by fwd=io"));
}

static netdev_burst_fn real_tx;
static unsigned tx_calls;

static uint16_t tx_one_every_third_time(void *queue, struct mbuf **pkts, uint16_t n)
{
	cr_assert_gt(n, 0);
	return tx_calls++ % 3 ? 0 : real_tx(queue, pkts, 1);
}

Test(testpmd, with_fwd_retry_a_full_ring_gets_more_time)
{
	start(1, "fwd_retry=1");
	real_tx = port[0].dev.tx_burst;
	port[0].dev.tx_burst = tx_one_every_third_time;
	for (unsigned i = 0; i < 8; i++)
		fake_inject(&port[0], data, 60 + i);
	cr_assert_eq(turn(), 8);
	for (unsigned i = 0; i < 8; i++)
		assert_bytes(fake_sent(&port[0], i), data, 60 + i);
	cr_assert_eq(port[0].dev.queue[0].tx_dropped, 0);
}

Test(testpmd, the_retries_end)
{
	start(1, "fwd_retry=1");
	real_tx = port[0].dev.tx_burst;
	port[0].dev.tx_burst = tx_one_every_third_time;
	port[0].tx_room = 0;
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(tx_calls, 1 + RETRIES);
	cr_assert_eq(port[0].dev.queue[0].tx_dropped, 1);
}

Test(testpmd, what_a_device_left_undone_is_done_or_the_packet_dropped)
{
	static const uint8_t zeros[108];
	uint8_t want[FAKE_FRAME_MAX];
	unsigned len;
	uint16_t sum;

	start(2, "");
	port[0].dev.rx_offloads = MBUF_RX_CSUM_NONE | MBUF_USO;
	len = frame_udp(want, &FRAME_TO_US, data, 100);
	memcpy(frame, want, len);
	sum = cpu_to_be16(frame_udp_sum(zeros, sizeof(zeros), PEER_IP, OUR_IP));
	memcpy(frame + 40, &sum, 2); /* of the pseudo header alone */

	struct mbuf *m = fake_inject(&port[0], frame, len);

	m->flags = MBUF_RX_CSUM_NONE;
	m->csum_start = 34;
	m->csum_offset = 6;
	fake_inject(&port[0], frame, len)->flags = MBUF_USO | MBUF_RX_CSUM_GOOD;
	cr_assert_eq(turn(), 2);
	cr_assert_eq(port[1].nb_tx, 1);
	cr_assert_eq(fake_sent(&port[1], 0)->flags, 0);
	assert_bytes(fake_sent(&port[1], 0), want, len);
	cr_assert_eq(pmd.streams[0].unsendable, 1);
}

/* ---- generated packets -------------------------------------------------------------------- */

static void check_generated(const struct fake_frame *f, unsigned len)
{
	const uint8_t *b = f->bytes;

	cr_assert_eq(f->len, len);
	cr_assert_eq(frame_sum(b + 14, 20, 0), 0xffff);
	cr_assert_eq((unsigned)b[16] << 8 | b[17], len - 14);
	cr_assert_eq((unsigned)b[38] << 8 | b[39], len - 34);
	cr_assert_arr_eq(b + 12, "\x08\x00\x45", 3);
	cr_assert_eq(b[23], 17);
	cr_assert_arr_eq(b + 26, "\xc6\x12\x00\x01\xc6\x12\x00\x02\x00\x09\x00\x09", 12);
	cr_assert_arr_eq(b + 40, "\0\0", 2);
	for (unsigned i = 42; i < len; i++)
		cr_assert_eq(b[i], 0, "what was in the buffer is sent");
}

Test(testpmd, txonly_sends_and_does_not_receive)
{
	start(2, "fwd=txonly burst=4 txpkts=99");
	memset(mbuf_buf(port[1].dev.queue[0].pool->stack[port[1].dev.queue[0].pool->n - 1]), 0xee,
	       MEMPOOL_DATA_ROOM);
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 8);
	for (unsigned p = 0; p < 2; p++) {
		cr_assert_eq(port[p].nb_tx, 4);
		for (unsigned i = 0; i < 4; i++) {
			check_generated(fake_sent(&port[p], i), 99);
			cr_assert_arr_eq(fake_sent(&port[p], i)->bytes, eth_peer, 5);
			cr_assert_eq(fake_sent(&port[p], i)->bytes[5], p);
			cr_assert_arr_eq(fake_sent(&port[p], i)->bytes + 6, port[p].dev.mac, 6);
		}
	}
	cr_assert_eq(port[0].rx_head - port[0].rx_tail, 1);
	mbuf_free(port[0].rx[port[0].rx_tail++]);
}

Test(testpmd, txonly_makes_packets_of_several_segments)
{
	start(1, "fwd=txonly burst=2 txpkts=42,1,500,7,7,7,7,900");
	cr_assert_eq(turn(), 2);
	check_generated(fake_sent(&port[0], 1), 1471);
}

Test(testpmd, txonly_counts_what_was_sent)
{
	start(1, "fwd=txonly");
	port[0].tx_room = 7;
	cr_assert_eq(turn(), 7);
	cr_assert_eq(turn(), 0);
	cr_assert_eq(port[0].dev.queue[0].tx_dropped, 25 + 32);
}

Test(testpmd, txonly_sends_what_there_are_buffers_for)
{
	struct mbuf *held[256];
	unsigned n;

	start(1, "fwd=txonly txpkts=42,42,42");
	n = mempool_get_bulk(port[0].dev.queue[0].pool, held, port[0].dev.queue[0].pool->n - 8);
	cr_assert_eq(turn(), 2);
	cr_assert_eq(port[0].dev.queue[0].pool->n, 8);
	mempool_get_bulk(port[0].dev.queue[0].pool, held + n, 8);
	cr_assert_eq(turn(), 0);
	for (unsigned i = 0; i < n + 8; i++)
		mempool_put(held[i]);
}

static struct mbuf *held[256];
static unsigned nb_held;

/* As a driver does it: what was sent comes back when something is sent the next time. */
static uint16_t tx_and_hold(void *queue, struct mbuf **pkts, uint16_t n)
{
	(void)queue;
	while (nb_held)
		mbuf_free(held[--nb_held]);
	for (; nb_held < n; nb_held++)
		held[nb_held] = pkts[nb_held];
	return n;
}

Test(testpmd, txonly_goes_on_when_all_buffers_were_with_the_device)
{
	start(1, "fwd=txonly burst=512");
	port[0].dev.tx_burst = tx_and_hold;
	cr_assert_eq(turn(), port[0].dev.queue[0].pool->size);
	cr_assert_eq(port[0].dev.queue[0].pool->n, 0);
	cr_assert_eq(turn(), 0);
	cr_assert_eq(turn(), port[0].dev.queue[0].pool->size);
	(void)turn();
}

Test(testpmd, tx_first_sends_bursts_before_it_forwards)
{
	start(2, "fwd=macswap tx_first=3 burst=16 txpkts=100");
	for (unsigned p = 0; p < 2; p++) {
		cr_assert_eq(port[p].nb_tx, 48);
		for (unsigned i = 0; i < 48; i++)
			check_generated(fake_sent(&port[p], i), 100);
	}
	cr_assert_eq(turn(), 0);
	fake_forget(&port[1]);
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 1);
	cr_assert_eq(port[1].nb_tx, 1);
}

/* ---- commands ----------------------------------------------------------------------------- */

static const char *said_by(void (*fn)(const char *), const char *args)
{
	plat_test_clear();
	fn(args);
	console_flush();
	return plat_test_output();
}

#define assert_said(fn, args, text)                                                                \
	cr_assert_not_null(strstr(said_by(fn, args), text), "%s", plat_test_output())

Test(testpmd, stops_and_starts)
{
	start(2, "");
	assert_said(cmd_start, "", "Packet forwarding already started");
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 1);
	assert_said(cmd_stop, "", "port 0 to 1: 1 received, 0 generated, 1 sent");
	cr_assert_not_null(strstr(plat_test_output(), "Telling cores to stop..."));
	cr_assert_not_null(strstr(plat_test_output(), "Done."));
	assert_said(cmd_stop, "", "Packet forwarding not started");
	fake_inject(&port[0], data, 60);
	cr_assert_eq(turn(), 0);
	port[1].dev.stopped = true;
	assert_said(cmd_start, "", "Not all ports were started");
	cr_assert_eq(turn(), 0);
	port[1].dev.stopped = false;
	assert_said(cmd_start, "",
	            "io packet forwarding - ports=2 - cores=1 - streams=2\r\nLogical Core 0: RX "
	            "P=0/Q=0 (socket 0) -> TX P=1/Q=0 (socket 0) peer=02:00:00:00:00:01");
	cr_assert_eq(turn(), 1, "it is still there");
	assert_said(show_fwd_stats, "", "port 0 to 1: 1 received, 0 generated, 1 sent");
}

Test(testpmd, a_start_may_generate_first)
{
	static const char *const wrong[] = {"tx_last", "tx_first x", "tx_first 1 2",
	                                    "tx_first 65536"};

	start(2, "burst=4");
	(void)said_by(cmd_stop, "");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_said(cmd_start, wrong[i], "start: nothing, or tx_first");
		cr_assert_not(pmd.running);
	}
	assert_said(cmd_start, "tx_first 3", "io packet forwarding");
	cr_assert_eq(port[0].nb_tx, 12);
	cr_assert_eq(port[1].nb_tx, 12);
	(void)said_by(cmd_stop, "");
	assert_said(cmd_start, "tx_first", "io packet forwarding");
	cr_assert_eq(port[1].nb_tx, 16);
}

Test(testpmd, the_mode_changes_at_once)
{
	start(2, "");
	assert_said(cmd_set_fwd, "macswap", "Set macswap packet forwarding mode\r\n");
	memcpy(frame, data, 60);
	assert_bytes(pass(12, 1), data, 12);
	cr_assert_eq(ports_stopped, 0);
	assert_said(cmd_set_fwd, "rxonly", "Set rxonly");
	cr_assert_null(pass(60, 1));
	cr_assert_not(app_testpmd.busy());
	assert_said(cmd_set_fwd, "txonly", "Set txonly");
	cr_assert(app_testpmd.busy());
	cr_assert_eq(turn(), 64);
	(void)said_by(cmd_stop, "");
	cr_assert_not(app_testpmd.busy());
	assert_said(cmd_set_fwd, "io", "Set io");
	cr_assert_eq(turn(), 0, "it stays stopped");
	assert_said(cmd_set_fwd, "x", "Invalid x packet forwarding mode: one of io mac");
	assert_said(cmd_set_fwd, "", "Invalid  packet");
	cr_assert_eq(pmd.mode, mode_named("io"));
}

/* What is in a ring when its queue becomes another lcore's would be freed by that one. */
Test(testpmd, rings_are_emptied_before_they_become_another_lcores)
{
	st.nb_lcores = 2;
	start(3, "");
	port[2].dev.stopped = true;
	assert_said(cmd_set_fwd, "mac", "Set mac");
	cr_assert_eq(ports_stopped, 0, "the ways are the same");
	assert_said(cmd_set_fwd, "icmpecho", "Set icmpecho");
	cr_assert_eq(ports_stopped, 2);
	cr_assert_eq(ports_started, 2, "and one stays stopped");
	check_dealt(2);
	assert_said(cmd_set_fwd, "io", "Set io");
	cr_assert_eq(ports_started, 4);
	check_dealt(2);
	st.nb_lcores = 1;
}
