/*
 * The console's command for all counters of a port, with the names of DPDK's extended statistics
 * where these are the same: the port's, those of its queue pairs, and what the driver and software
 * RSS count beside.
 */
#include "apps/commands.h"
#include "apps/words.h"
#include "kernel/console.h"
#include "kernel/string.h"
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

static void print_port(const struct netdev *dev)
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

static void cmd_xstats(const char *args)
{
	const bool all = !strcmp(args, "all");
	unsigned port = 0;

	if (!all && (!word_number(args, &port) || port >= netdev_count())) {
		console_printf("show port xstats: give all, or a port below %u\n", netdev_count());
		return;
	}
	for (unsigned i = all ? 0 : port; i < (all ? netdev_count() : port + 1); i++)
		print_port(netdev_get(i));
}

static const struct console_command xstats_commands[] = {
    {"show port xstats", "all or a port: all of its counters", cmd_xstats},
};

void xstats_commands_init(void)
{
	console_add_commands(xstats_commands, ARRAY_SIZE(xstats_commands));
}
