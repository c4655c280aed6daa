/* Ports whose device fails, does not send, or has no link, on the device model. */
#include "tests/unit/said.h"
#include "tests/unit/vnet_fixture.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define POLL_NS (100 * MS) /* between two calls of link_poll */

static struct port port;

/* link_poll for so long; the device does nothing meanwhile. */
static void polls(uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += POLL_NS) {
		plat_test_time_ns += POLL_NS;
		port.dev->ops->link_poll(port.dev);
	}
}

static unsigned lines(const char *what)
{
	unsigned n = 0;

	for (const char *at = plat_test_output(); (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

static uint16_t send(unsigned n)
{
	uint16_t sent = 0;

	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = mbuf_alloc(port.dev->queue[0].pool);

		cr_assert_not_null(m);
		m->data_len = 64;
		m->pkt_len = 64;
		if (netdev_tx_burst(port.dev, 0, &m, 1))
			sent++;
		else
			mbuf_free(m);
	}
	return sent;
}

static void forget_sent(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&port.d, 0)) != NULL)
		free(f);
}

static void begin(enum layout layout)
{
	plat_test_clear();
	port_open(&port, layout);
	plat_test_time_step_ns = 1000;
	port_start(&port);
	cr_assert(port.dev->link_up);
}

/* ---- failure ------------------------------------------------------------------------------ */

/* Some were sent, some received and not read, some are with the device: all are counted once. */
static void fails_and_runs_again(enum layout layout)
{
	struct netdev_stats s;

	begin(layout);
	exchange_frames(&port, 7);
	cr_assert_eq(send(5), 5);
	port.d.hold = 3;
	frame_push(&port, 0, 64);
	frame_push(&port, 1, 64);
	vdev_step(&port.d, 8);
	vdev_needs_reset(&port.d);
	polls(POLL_NS);
	cr_assert_not(port.dev->link_up);
	cr_assert_eq(send(2), 0, "nothing goes to a device that failed");
	cr_assert(port.dev->news, "the first try is soon");
	s = port_stats(&port);
	cr_assert_eq(s.rx_packets, 7);
	cr_assert_eq(s.rx_errors, 2);
	polls(POLL_NS);
	cr_assert(port.dev->link_up);
	s = port_stats(&port);
	cr_assert_eq(s.tx_packets, 12);
	cr_assert_eq(s.tx_lost, 3);
	cr_assert_eq(s.failures, 1);
	port.d.hold = 0;
	forget_sent();
	exchange_frames(&port, 7);
	cr_assert_eq(port_stats(&port).rx_packets, 14);
	cr_assert_eq(lines("needs a reset"), 1);
	cr_assert_eq(lines("runs again, link up"), 1);
	port_close(&port);
}

Test(vnet_recover, a_device_that_needs_a_reset)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++)
		fails_and_runs_again((enum layout)layout);
}

Test(vnet_recover, a_broken_queue)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		begin((enum layout)layout);
		for (unsigned i = 0; i < 3; i++) {
			struct mbuf *m;

			frame_push(&port, 0, 64);
			vdev_lie(&port.d, 0, VDEV_LIE_LEN_LONG, 0, 0);
			vdev_step(&port.d, 1);
			cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 0);
			polls(POLL_NS);
			cr_assert_not(port.dev->link_up, "%s", layout_name((enum layout)layout));
			polls(SECOND);
			cr_assert(port.dev->link_up);
			exchange_frames(&port, 3);
		}
		cr_assert_eq(port_stats(&port).failures, 3);
		port_close(&port);
	}
}

Test(vnet_recover, a_reset_that_takes_its_time_is_not_waited_for)
{
	begin(MRG);
	port.d.reset_reads = 4;
	vdev_needs_reset(&port.d);
	polls(2 * POLL_NS);
	cr_assert_not(port.dev->link_up);
	polls(4 * POLL_NS);
	cr_assert(port.dev->link_up);
	cr_assert_eq(lines("does not reset"), 0);
	port_close(&port);
}

Test(vnet_recover, a_device_that_stays_dead_is_tried_rarely)
{
	uint64_t resets;

	begin(MRG);
	port.d.reset_sticks = true;
	vdev_needs_reset(&port.d);
	polls(60 * SECOND);
	cr_assert_not(port.dev->link_up);
	cr_assert_eq(lines("does not reset"), 1);
	cr_assert_eq(lines("tried only every 10 s"), 1);
	resets = port.d.resets;
	plat_test_clear();
	polls(1000 * SECOND);
	cr_assert(port.d.resets - resets > 50, "it is still tried");
	cr_assert(port.d.resets - resets < 200, "but rarely: %llu times",
	          (unsigned long long)(port.d.resets - resets));
	cr_assert_str_empty(plat_test_output());

	port.d.reset_sticks = false;
	polls(15 * SECOND);
	cr_assert(port.dev->link_up);
	exchange_frames(&port, 3);
	port_close(&port);
}

Test(vnet_recover, a_device_that_fails_again_and_again_is_tried_rarely)
{
	begin(MRG);
	port.d.needs_reset_at_start = true;
	vdev_needs_reset(&port.d);
	polls(20 * SECOND);
	cr_assert_eq(lines("tried only every 10 s"), 1);
	plat_test_clear();
	polls(100 * SECOND);
	cr_assert(lines("right after DRIVER_OK") <= 10);
	cr_assert(lines("right after DRIVER_OK") >= 8);

	port.d.needs_reset_at_start = false;
	polls(11 * SECOND);
	cr_assert(port.dev->link_up);
	/* once it has been well for a while, the next failure is a first one again */
	polls(6 * SECOND);
	vdev_needs_reset(&port.d);
	polls(2 * POLL_NS);
	cr_assert(port.dev->link_up);
	port_close(&port);
}

Test(vnet_recover, a_port_that_is_stopped_stays_so)
{
	begin(MRG);
	vdev_needs_reset(&port.d);
	polls(POLL_NS);
	port_stop(&port);
	polls(20 * SECOND);
	cr_assert_not(port.dev->link_up);
	cr_assert_eq(port.d.status, 0);
	port_close(&port);
}

/* ---- cards -------------------------------------------------------------------------------- */

Test(vnet_recover, a_card_that_is_taken_out_and_put_back)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		begin((enum layout)layout);

		const struct mempool *pool = port.dev->queue[0].pool;

		for (unsigned i = 1; i <= 3; i++) {
			exchange_frames(&port, 20);
			cr_assert_eq(send(4), 4);
			vdev_take_out(&port.d);
			cr_assert_eq(send(2), 2, "nobody knows yet");
			polls(POLL_NS);
			cr_assert_not(port.dev->link_up);
			cr_assert_eq(send(2), 0);
			polls(POLL_NS);
			cr_assert_eq(pool->n, pool->size, "all buffers are back");
			cr_assert_eq(port_stats(&port).tx_lost, 6 * i);
			polls(100 * SECOND);
			cr_assert_eq(lines("is taken out"), i);
			cr_assert_eq(lines("in a row"), 0);
			vdev_put_back(&port.d);
			polls(SECOND);
			cr_assert(port.dev->link_up);
			cr_assert_eq(port_stats(&port).failures, i);
		}
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(vnet_recover, a_port_whose_card_is_gone_can_be_stopped)
{
	begin(MRG);
	vdev_take_out(&port.d);
	port_stop(&port);
	cr_assert_eq(lines("one second after"), 0);
	vdev_put_back(&port.d);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	exchange_frames(&port, 5);
	port_close(&port);
}

/* ---- the link ----------------------------------------------------------------------------- */

static void set_link(bool up)
{
	struct virtio_net_config config = port.d.config;

	config.status = up;
	vdev_config_change(&port.d, &config);
	polls(POLL_NS);
	cr_assert_eq(port.dev->link_up, up);
}

Test(vnet_recover, nothing_is_given_to_a_device_without_a_link)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		begin((enum layout)layout);
		cr_assert_eq(send(5), 5);
		set_link(false);

		const struct vdev_queue *q = &port.d.queue[1];
		const struct vnet *vn = container_of(port.dev, struct vnet, dev);
		const uint16_t free = vn->txq->vq.free_cnt;
		const uint64_t kicks = q->kicks;

		cr_assert_eq(send(300), 0);
		cr_assert_eq(q->kicks, kicks);
		cr_assert_eq(vn->txq->vq.free_cnt, free);
		vdev_drain(&port.d);
		forget_sent();
		set_link(true);
		cr_assert_eq(vn->txq->vq.free_cnt, vn->txd, "what was sent is back");
		exchange_frames(&port, 5);
		cr_assert_eq(port_stats(&port).failures, 0);
		port_close(&port);
	}
}

Test(vnet_recover, a_port_that_starts_without_a_link_gives_nothing_either)
{
	port_open(&port, PACKED_MRG);
	port.d.config.status = 0;
	port_start(&port);
	cr_assert_not(port.dev->link_up);
	cr_assert_eq(send(5), 0);
	set_link(true);
	exchange_frames(&port, 5);
	port_close(&port);
}

/* ---- the watchdog ------------------------------------------------------------------------- */

Test(vnet_recover, a_device_that_does_not_send_is_reset)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		begin((enum layout)layout);
		exchange_frames(&port, 40);
		polls(100 * SECOND); /* nothing to do is nothing wrong */
		cr_assert_eq(port_stats(&port).failures, 0);
		cr_assert_eq(send(6), 6);
		polls(4900 * MS);
		cr_assert(port.dev->link_up);
		polls(500 * MS);
		cr_assert(port.dev->link_up);
		cr_assert_eq(port_stats(&port).failures, 1);
		cr_assert_eq(port_stats(&port).tx_lost, 6);
		cr_assert_eq(lines("sent none of its packets for 5000 ms"), 1);
		exchange_frames(&port, 40);
		port_close(&port);
	}
}

Test(vnet_recover, a_device_that_sends_slowly_is_not)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		begin((enum layout)layout);
		for (unsigned i = 0; i < 40; i++) {
			cr_assert_eq(send(i % 3 + 1), i % 3 + 1);
			polls(4 * SECOND);
			vdev_step(&port.d, 1);
			forget_sent();
		}
		vdev_drain(&port.d);
		forget_sent();
		polls(100 * SECOND);
		cr_assert_eq(port_stats(&port).failures, 0, "%s", layout_name((enum layout)layout));
		port_close(&port);
	}
}

Test(vnet_recover, one_that_is_stuck_for_good_is_told_of_once)
{
	begin(PACKED_MRG);
	for (unsigned i = 0; i < 1000; i++) {
		(void)send(1);
		polls(SECOND);
	}
	cr_assert_eq(lines("sent none"), 1);
	cr_assert_eq(lines("runs again"), 1);
	cr_assert(port_stats(&port).failures > 5);
	cr_assert(port_stats(&port).failures < 20, "%llu times",
	          (unsigned long long)port_stats(&port).failures);

	/* it moves again, and then not */
	vdev_drain(&port.d);
	forget_sent();
	polls(100 * SECOND);
	cr_assert_eq(send(1), 1);
	polls(6 * SECOND);
	cr_assert_eq(lines("sent none"), 2);
	port_close(&port);
}

Test(vnet_recover, a_clock_that_jumps_does_not_set_it_off)
{
	begin(MRG);
	cr_assert_eq(send(3), 3);
	for (unsigned i = 0; i < 10; i++) {
		plat_test_time_ns += 3600 * SECOND;
		port.dev->ops->link_poll(port.dev);
	}
	cr_assert_eq(port_stats(&port).failures, 0);
	vdev_drain(&port.d);
	forget_sent();
	port_close(&port);
}

Test(vnet_recover, without_a_link_nobody_waits)
{
	begin(MRG);
	cr_assert_eq(send(3), 3);
	set_link(false);
	polls(100 * SECOND);
	cr_assert_eq(port_stats(&port).failures, 0);
	/* what did not move until then does not within half a second, either */
	set_link(true);
	polls(SECOND);
	cr_assert_eq(port_stats(&port).failures, 1);
	cr_assert_eq(port_stats(&port).tx_lost, 3);
	exchange_frames(&port, 5);

	/* and so each time, if some were sent in between */
	set_link(false);
	set_link(true);
	cr_assert_eq(send(1), 1);
	polls(SECOND);
	cr_assert_eq(port_stats(&port).failures, 2);
	set_link(false);
	set_link(true);
	cr_assert_eq(send(1), 1);
	polls(SECOND);
	cr_assert_eq(port_stats(&port).failures, 2);
	polls(10 * SECOND);
	cr_assert_eq(port_stats(&port).failures, 3);
	port_close(&port);
}

Test(vnet_recover, links_that_come_and_go_are_no_failures_in_a_row)
{
	begin(PACKED_MRG);
	for (unsigned i = 1; i <= 30; i++) {
		set_link(false);
		set_link(true);
		cr_assert_eq(send(1), 1);
		polls(SECOND);
		cr_assert(port.dev->link_up);
		cr_assert_eq(port_stats(&port).failures, i);
		exchange_frames(&port, 3);
	}
	cr_assert_eq(lines("in a row"), 0);
	port_close(&port);
}
