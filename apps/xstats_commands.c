/*
 * The console's commands for counters of a port: as testpmd shows them, and all of them, with the
 * names of DPDK's extended statistics where these are the same: the port's, those of its queue
 * pairs, and what the driver and software RSS count beside.
 */
#include "apps/commands.h"
#include "kernel/console.h"
#include "kernel/plat.h"
#include "net/netdev.h"
#include "net/netdev_stats.h"
#include "net/rss.h"

static void print(void *arg, const char *direction, int queue, const char *name, uint64_t value)
{
	(void)arg;
	if (queue < 0)
		console_printf("%s_%s: %llu\n", direction, name, (unsigned long long)value);
	else
		console_printf("%s_q%d_%s: %llu\n", direction, queue, name,
		               (unsigned long long)value);
}

static void print_queue(const struct netdev *dev, uint16_t queue)
{
	struct netdev_stats s;

	netdev_stats_collect(dev, queue, &s);
	print(NULL, "rx", queue, "packets", s.rx_packets);
	print(NULL, "rx", queue, "bytes", s.rx_bytes);
	print(NULL, "rx", queue, "errors", s.rx_errors);
	print(NULL, "tx", queue, "packets", s.tx_packets);
	print(NULL, "tx", queue, "bytes", s.tx_bytes);
}

/* Of all queue pairs. */
static struct netdev_stats sum_up(const struct netdev *dev)
{
	struct netdev_stats sum = {.rx_packets = 0};

	for (uint16_t q = 0; q < dev->nb_queues; q++) {
		struct netdev_stats s;

		netdev_stats_collect(dev, q, &s);
		sum.rx_packets += s.rx_packets;
		sum.tx_packets += s.tx_packets;
		sum.rx_bytes += s.rx_bytes;
		sum.tx_bytes += s.tx_bytes;
		sum.rx_errors += s.rx_errors;
		sum.rx_nombuf += s.rx_nombuf;
		sum.tx_errors += s.tx_errors;
		sum.tx_dropped += s.tx_dropped;
	}
	return sum;
}

static void print_port(struct netdev *dev)
{
	const struct netdev_stats s = sum_up(dev);

	console_printf("###### NIC extended statistics for port %-2u\n", dev->port);
	print(NULL, "rx", -1, "good_packets", s.rx_packets);
	print(NULL, "tx", -1, "good_packets", s.tx_packets);
	print(NULL, "rx", -1, "good_bytes", s.rx_bytes);
	print(NULL, "tx", -1, "good_bytes", s.tx_bytes);
	print(NULL, "rx", -1, "errors", s.rx_errors);
	print(NULL, "tx", -1, "errors", s.tx_errors);
	print(NULL, "rx", -1, "mbuf_allocation_errors", s.rx_nombuf);
	print(NULL, "tx", -1, "dropped", s.tx_dropped);
	for (uint16_t q = 0; q < dev->nb_queues; q++)
		print_queue(dev, q);
	if (dev->ops->xstats)
		dev->ops->xstats(dev, print, NULL);
	if (dev->rss && dev->rss->xstats)
		dev->rss->xstats(dev, print, NULL);
}

#define BORDER "########################"

/* What a second brought, since this was shown last. */
static unsigned long long per_second(uint64_t n, uint64_t ns)
{
	const uint64_t us = ns / 1000;

	return us ? n / us * 1000000 + n % us * 1000000 / us : 0;
}

static void print_stats(struct netdev *dev)
{
	static struct netdev_stats shown[NETDEV_PORTS_MAX];
	static uint64_t shown_ns[NETDEV_PORTS_MAX];
	const struct netdev_stats s = sum_up(dev), *last = &shown[dev->port];
	const uint64_t now_ns = plat_time_ns();
	const uint64_t ns = shown_ns[dev->port] ? now_ns - shown_ns[dev->port] : 0;

	console_printf("\n  " BORDER " NIC statistics for port %-2u " BORDER "\n", dev->port);
	console_printf("  RX-packets: %-10llu RX-missed: %-10u RX-bytes:  %llu\n  RX-errors: %llu\n"
	               "  RX-nombuf:  %-10llu\n",
	               (unsigned long long)s.rx_packets, 0u, (unsigned long long)s.rx_bytes,
	               (unsigned long long)s.rx_errors, (unsigned long long)s.rx_nombuf);
	console_printf("  TX-packets: %-10llu TX-errors: %-10llu TX-bytes:  %llu\n",
	               (unsigned long long)s.tx_packets, (unsigned long long)s.tx_errors,
	               (unsigned long long)s.tx_bytes);
	console_printf(
	    "\n  Throughput (since last show)\n  Rx-pps: %12llu          Rx-bps: %12llu\n"
	    "  Tx-pps: %12llu          Tx-bps: %12llu\n  " BORDER
	    "############################" BORDER "\n",
	    per_second(s.rx_packets - last->rx_packets, ns),
	    8 * per_second(s.rx_bytes - last->rx_bytes, ns),
	    per_second(s.tx_packets - last->tx_packets, ns),
	    8 * per_second(s.tx_bytes - last->tx_bytes, ns));
	shown[dev->port] = s;
	shown_ns[dev->port] = now_ns;
}

static void cmd_stats(const char *args)
{
	(void)each_port("show port stats", args, print_stats);
}

static void cmd_xstats(const char *args)
{
	(void)each_port("show port xstats", args, print_port);
}

static const struct console_command xstats_commands[] = {
    {"show port stats", "all or a port: packets, bytes, errors, rates", cmd_stats},
    {"show port xstats", "all or a port: all of its counters", cmd_xstats},
};

void xstats_commands_init(void)
{
	console_add_commands(xstats_commands, ARRAY_SIZE(xstats_commands));
}
