/* net/netdev_stats.c and the registry of ports: the lines, the table, and when they are printed. */
#include "kernel/errno.h"
#include "net/netdev_stats.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static struct netdev_stats counters[NETDEV_PORTS_MAX][NETDEV_QUEUES_MAX];
static struct netdev devices[NETDEV_PORTS_MAX + 1];
static struct netdev_queue queues[NETDEV_PORTS_MAX + 1][NETDEV_QUEUES_MAX];
static struct stats_printer printer;

static void add_stats(const struct netdev *dev, uint16_t queue, struct netdev_stats *out)
{
	const struct netdev_stats *c = &counters[dev->port][queue];

	cr_assert_lt(queue, dev->nb_queues);
	out->rx_packets += c->rx_packets;
	out->rx_bytes += c->rx_bytes;
	out->rx_errors += c->rx_errors;
	out->rx_nombuf += c->rx_nombuf;
	out->tx_packets += c->tx_packets;
	out->tx_bytes += c->tx_bytes;
	out->tx_errors += c->tx_errors;
	out->tx_dropped += c->tx_dropped;
	out->kicks += c->kicks;
	out->interrupts += c->interrupts;
	out->tx_lost += c->tx_lost;
	out->failures += c->failures;
}

static const struct netdev_ops ops = {.stats = add_stats};

static void add_port(uint16_t nb_queues)
{
	struct netdev *dev = &devices[netdev_count()];

	dev->ops = &ops;
	dev->queue = queues[netdev_count()];
	dev->nb_queues = nb_queues;
	cr_assert_eq(netdev_register(dev), 0);
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *p = plat_test_output(); *p; p++)
		n += *p == '\n';
	return n;
}

Test(netdev, ports_are_numbered_in_the_order_of_registration)
{
	cr_assert_eq(netdev_count(), 0);
	cr_assert_null(netdev_get(0));
	add_port(1);
	add_port(1);
	cr_assert_eq(netdev_count(), 2);
	cr_assert_eq(netdev_get(1), &devices[1]);
	cr_assert_eq(devices[1].port, 1);
	cr_assert_null(netdev_get(2));
}

Test(netdev, a_17th_port_is_refused)
{
	for (unsigned i = 0; i < NETDEV_PORTS_MAX; i++)
		add_port(1);
	cr_assert_eq(netdev_register(&devices[NETDEV_PORTS_MAX]), -ENOSPC);
	cr_assert_eq(netdev_count(), NETDEV_PORTS_MAX);
}

Test(netdev_stats, collecting_starts_from_zero)
{
	struct netdev_stats st;

	add_port(1);
	counters[0][0].rx_packets = 5;
	memset(&st, 0xff, sizeof(st));
	netdev_stats_collect(netdev_get(0), 0, &st);
	cr_assert_eq(st.rx_packets, 5);
	cr_assert_eq(st.tx_packets, 0);
	cr_assert_eq(st.interrupts, 0);
}

Test(netdev_stats, the_json_line_is_as_documented)
{
	add_port(1);
	counters[0][0] = (struct netdev_stats){1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
	stats_init(&printer, STATS_JSON, SECOND);
	stats_poll(&printer, 100);
	stats_work(&printer.effort, 1000, 4);
	stats_work(&printer.effort, 3000, 0);
	stats_poll(&printer, SECOND + 100);
	cr_assert_str_eq(
	    plat_test_output(),
	    "{\"type\":\"stats\",\"t_us\":1000000,\"port\":0,\"queue\":0,\"rx_packets\":1,"
	    "\"rx_bytes\":2,\"rx_errors\":3,\"rx_nombuf\":4,\"tx_packets\":5,\"tx_bytes\":6,"
	    "\"tx_errors\":7,\"tx_dropped\":8,\"kicks\":9,\"interrupts\":10,\"tx_lost\":11,"
	    "\"failures\":12,"
	    "\"cycles_per_packet\":250,\"busy_permille\":250}\r\n");
}

Test(netdev_stats, json_has_a_line_for_every_queue_every_period)
{
	add_port(2);
	add_port(3);
	stats_init(&printer, STATS_JSON, SECOND);
	for (unsigned i = 0; i <= 10; i++)
		stats_poll(&printer, 1 + i * SECOND);
	cr_assert_eq(lines(), 50);
	cr_assert_not_null(strstr(plat_test_output(), "\"port\":1,\"queue\":2,"));
}

Test(netdev_stats, nothing_is_printed_within_a_period)
{
	add_port(1);
	stats_init(&printer, STATS_JSON, SECOND);
	stats_poll(&printer, 5 * SECOND);
	stats_poll(&printer, 6 * SECOND - 1);
	cr_assert_eq(lines(), 0);
	stats_poll(&printer, 6 * SECOND);
	cr_assert_eq(lines(), 1);
	stats_poll(&printer, 6 * SECOND + 1);
	cr_assert_eq(lines(), 1);
}

Test(netdev_stats, periods_keep_their_beat_and_missed_ones_are_skipped)
{
	add_port(1);
	stats_init(&printer, STATS_JSON, SECOND);
	stats_poll(&printer, SECOND);
	stats_poll(&printer, 2 * SECOND + SECOND / 2); /* late by half */
	cr_assert_eq(lines(), 1);
	stats_poll(&printer, 3 * SECOND);
	cr_assert_eq(lines(), 2);
	stats_poll(&printer, 100 * SECOND);
	stats_poll(&printer, 100 * SECOND + 1);
	cr_assert_eq(lines(), 3);
}

Test(netdev_stats, efforts_are_those_of_the_period)
{
	add_port(1);
	stats_init(&printer, STATS_JSON, SECOND);
	stats_poll(&printer, 1);
	stats_work(&printer.effort, 500, 1);
	stats_poll(&printer, 1 + SECOND);
	plat_test_clear();
	stats_work(&printer.effort, 999, 0);
	stats_work(&printer.effort, 1, 1);
	stats_poll(&printer, 1 + 2 * SECOND);
	cr_assert_not_null(
	    strstr(plat_test_output(), "\"cycles_per_packet\":1,\"busy_permille\":1}"));
	plat_test_clear();
	stats_poll(&printer, 1 + 3 * SECOND);
	cr_assert_not_null(
	    strstr(plat_test_output(), "\"cycles_per_packet\":0,\"busy_permille\":0}"));
}

Test(netdev_stats, the_table_shows_rates_and_totals)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, 2 * SECOND);
	stats_poll(&printer, 1);
	counters[0][0] = (struct netdev_stats){
	    .rx_packets = 2000000,
	    .rx_bytes = 128000000,
	    .tx_packets = 1000,
	    .tx_bytes = 64000,
	    .rx_errors = 1,
	    .tx_errors = 2,
	    .tx_dropped = 4,
	    .rx_nombuf = 5,
	    .kicks = 60,
	    .interrupts = 8,
	};
	stats_work(&printer.effort, 300, 1);
	stats_work(&printer.effort, 100, 0);
	stats_poll(&printer, 1 + 2 * SECOND);
	cr_assert_str_eq(
	    plat_test_output(),
	    "port  rx/s  tx/s  rxMb  txMb rxtot txtot  errs drops nobuf kicks  irqs cy/pk busy\r\n"
	    "0.0  1.00M   500   512  0.25 2.00M  1000     3     4     5    30     4   300  "
	    "75%\r\n");
}

Test(netdev_stats, rates_are_those_of_the_last_period)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, SECOND);
	for (unsigned i = 0; i < 10; i++)
		stats_poll(&printer, 1 + i * SECOND);
	counters[0][0].rx_packets = 500;
	stats_poll(&printer, 1 + 10 * SECOND);
	counters[0][0].rx_packets = 800;
	plat_test_clear();
	stats_poll(&printer, 1 + 11 * SECOND);
	cr_assert_eq(strncmp(plat_test_output(), "0.0    300     0 ", 17), 0);
}

Test(netdev_stats, the_table_s_columns_hold_any_number)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, SECOND);
	stats_poll(&printer, 1);
	memset(&counters[0][0], 0x7f, sizeof(counters[0][0]));
	counters[0][0].rx_bytes = UINT64_C(12500000000);
	counters[0][0].tx_bytes = UINT64_C(1250000);
	counters[0][0].kicks = 99999;
	counters[0][0].interrupts = 100000;
	stats_work(&printer.effort, UINT64_C(1) << 50, 1);
	stats_poll(&printer, 1 + SECOND);

	const char *row = strchr(plat_test_output(), '\n') + 1;

	cr_assert_eq((size_t)(row - plat_test_output()), strlen(row), "as long as the header");
	cr_assert_str_eq(row, "0.0  9.18E 9.18E  100k 10.00 9.18E 9.18E 18.3E 9.18E 9.18E 99999  "
	                      "100k 1.12P 100%\r\n");
}

Test(netdev_stats, an_idle_machine_s_console_stays_still)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, SECOND);
	for (unsigned i = 0; i < 100; i++)
		stats_poll(&printer, 1 + i * SECOND);
	cr_assert_eq(lines(), 0);

	counters[0][0].rx_packets = 10;
	for (unsigned i = 100; i < 200; i++)
		stats_poll(&printer, 1 + i * SECOND);
	cr_assert_eq(lines(), 3, "a header, the packets, and once that they ended");
}

Test(netdev_stats, the_header_comes_back_every_20_rows)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, SECOND);
	for (unsigned i = 0; i <= 41; i++) {
		counters[0][0].rx_packets++;
		stats_poll(&printer, 1 + i * SECOND);
	}
	cr_assert_eq(lines(), 41 + 3);
}

Test(netdev_stats, with_more_queues_than_rows_the_table_has_a_row_a_port)
{
	add_port(60);
	add_port(5);
	counters[0][0].rx_packets = 3;
	counters[0][59].rx_packets = 4;
	counters[1][4].rx_packets = 5;
	stats_init(&printer, STATS_TEXT, SECOND);
	stats_poll(&printer, 1);
	stats_poll(&printer, 1 + SECOND);
	cr_assert_eq(lines(), 3);
	cr_assert_not_null(strstr(plat_test_output(), "0.all     7"));
	cr_assert_not_null(strstr(plat_test_output(), "1.all     5"));
}

Test(netdev_stats, print_now_prints_an_idle_machine_too)
{
	add_port(1);
	stats_init(&printer, STATS_TEXT, SECOND);
	stats_print_now(&printer, 0);
	cr_assert_eq(lines(), 2);
}

Test(netdev_stats, off_is_silent)
{
	add_port(1);
	stats_init(&printer, STATS_OFF, SECOND);
	counters[0][0].rx_packets = 1;
	stats_poll(&printer, 1);
	stats_poll(&printer, 1 + 2 * SECOND);
	stats_print_now(&printer, 3 * SECOND);
	cr_assert_eq(lines(), 0);
}

Test(netdev_stats, tells_what_the_layer_above_dropped_with_its_queue)
{
	struct netdev_stats first, second;

	add_port(2);
	devices[0].queue[0].tx_dropped = 9;
	devices[0].queue[1].tx_dropped = 2;
	netdev_stats_collect(&devices[0], 0, &first);
	netdev_stats_collect(&devices[0], 1, &second);
	cr_assert_eq(first.tx_dropped - second.tx_dropped, 7);
}
