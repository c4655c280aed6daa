/* The commands that stop and start ports, and show their counters, on the device model. */
#include "apps/commands.h"
#include "apps/xstats_commands.c"
#include "kernel/fmt.h"
#include "apps/port_commands.c"
#include "tests/unit/said.h"
#include "tests/unit/vnet_fixture.h"

static struct port port;
static char number[4];

static bool says(void (*fn)(const char *), const char *args, const char *text)
{
	plat_test_clear();
	fn(args);
	console_flush();
	return said(text);
}

static void send(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = mbuf_alloc(port.dev->queue[0].pool);

		cr_assert_not_null(m);
		m->data_len = 64;
		m->pkt_len = 64;
		cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	}
}

static void forget_sent(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&port.d, 0)) != NULL)
		free(f);
}

static void begin(enum layout layout)
{
	port_open(&port, layout);
	plat_test_time_step_ns = 1000;
	port_start(&port);
	fmt_buf(number, sizeof(number), "%u", port.dev->port);
}

Test(port_commands, a_stopped_port_has_all_its_buffers_and_lost_is_counted)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		const struct mempool *pool;
		struct mbuf *m;

		begin((enum layout)layout);
		pool = port.dev->queue[0].pool;
		exchange_frames(&port, 20);
		for (unsigned i = 1; i <= 3; i++) {
			send(5);
			port.d.hold = 2;
			frame_push(&port, 0, 64);
			vdev_step(&port.d, 8);
			cr_assert(says(cmd_stop, number, "Stopping ports...\r\nDone"));
			cr_assert(port.dev->stopped && !port.dev->link_up);
			cr_assert_eq(pool->n, pool->size, "%s: %u of %u", layout_name(layout),
			             pool->n, pool->size);
			cr_assert_eq(port_stats(&port).tx_lost, 2 * i);
			cr_assert_eq(port_stats(&port).rx_errors, i, "came, and was not read");
			m = mbuf_alloc(port.dev->queue[0].pool);
			cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 0);
			cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 0);
			mbuf_free(m);
			/* nobody starts it but who is told to */
			plat_test_time_ns += 20000000000ull;
			port.dev->ops->link_poll(port.dev);
			cr_assert_not(port.dev->link_up);
			(void)says(cmd_stop, number, "Done");
			port.d.hold = 0;
			cr_assert(says(cmd_start, number, ":"));
			cr_assert_not(port.dev->stopped);
			cr_assert(says(cmd_start, number, "is now not stopped"));
			forget_sent();
			exchange_frames(&port, 20);
		}
		cr_assert_eq(port_stats(&port).failures, 0);
		port_close(&port);
	}
}

Test(port_commands, a_port_that_does_not_start_can_be_started_later)
{
	begin(MRG);
	(void)says(cmd_stop, number, "Done");
	port.d.offered &= ~VIRTIO_NET_F_MRG_RXBUF;
	cr_assert(says(cmd_start, number, "Fail to start port 0"));
	cr_assert(port.dev->stopped);
	port.d.offered |= VIRTIO_NET_F_MRG_RXBUF;
	cr_assert(says(cmd_start, "all", "Port 0: "));
	exchange_frames(&port, 20);
	port_close(&port);
}

Test(port_commands, ports_are_named)
{
	static const char *const wrong[] = {"", "1", "x", "-1", "0 1", "all 0"};

	begin(MRG);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		cr_expect(says(cmd_stop, wrong[i], "give all, or a number below 1"), "%s",
		          wrong[i]);
		cr_expect(says(cmd_start, wrong[i], "give all, or a number below 1"));
		cr_expect(says(cmd_stats, wrong[i], "give all, or a number below 1"));
		cr_expect(says(cmd_xstats, wrong[i], "give all, or a number below 1"));
	}
	cr_assert_not(port.dev->stopped);
	cr_assert(says(cmd_stop, "all", "Done"));
	cr_assert(port.dev->stopped);
	port_close(&port);
}

Test(port_commands, counters_and_what_a_second_brought)
{
	begin(MRG);
	exchange_frames(&port, 100);
	(void)says(cmd_stats, "0", "");
	cr_assert(said("NIC statistics for port 0 "));
	cr_assert(said("  RX-packets: 100        RX-missed: 0          RX-bytes:  11350\r\n"), "%s",
	          plat_test_output());
	cr_assert(said("  TX-packets: 100        TX-errors: 0          TX-bytes:  11350\r\n"));
	cr_assert(said("  Rx-pps:            0          Rx-bps:            0"), "since nothing");
	plat_test_time_step_ns = 0;
	(void)says(cmd_stats, "0", "");
	exchange_frames(&port, 100);
	plat_test_time_ns += 500000000;
	(void)says(cmd_stats, "all", "");
	cr_assert(said("  Rx-pps:          200          Rx-bps:       181600"), "%s",
	          plat_test_output());
	cr_assert(said("  Tx-pps:          200          Tx-bps:       181600"));
	plat_test_time_step_ns = 1000;
	port_close(&port);
}
