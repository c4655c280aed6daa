/*
 * The fuzzer types at the console of a machine with two ports, one of which can do everything and
 * says so to all that is asked of it; what reaches it must be what its contract allows. An input
 * that begins with 0xff is a frame instead, to be hashed.
 */
#include "apps/commands.h"
#include "kernel/console.h"
#include "kernel/options.h"
#include "net/netdev.h"
#include "net/rss.h"
#include "net/rss_hash.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plat_test.h"

#include <stdlib.h>
#include <string.h>

#define QUEUES 4
#define POLLS 640 /* of which every 64th looks for 256 bytes */
#define TYPED_MAX 1024

static struct netdev ports[2];
static struct netdev_queue queues[QUEUES];

/* ---- what is asked of a port -------------------------------------------------------------- */

static int set_rss(struct netdev *dev, const struct rss *rss)
{
	fuzz_require(!(rss->types & ~dev->rss->types_known), "types %x", rss->types);
	for (unsigned i = 0; i < RSS_RETA_LEN; i++)
		fuzz_require(rss->reta[i] < QUEUES, "queue %u", rss->reta[i]);
	dev->rss->now = *rss;
	return 0;
}

static int set_mode(struct netdev *dev, unsigned mode)
{
	fuzz_require(mode < 64, "mode %u", mode);
	dev->rx_mode = mode;
	return 0;
}

static int set_mac(struct netdev *dev, const uint8_t mac[6])
{
	memcpy(dev->mac, mac, 6);
	return 0;
}

static int set_mac_entry(struct netdev *dev, const uint8_t mac[6], bool on)
{
	(void)dev;
	(void)mac;
	return on ? 0 : -2;
}

static int set_vlan(struct netdev *dev, uint16_t vid, bool on)
{
	(void)dev;
	(void)on;
	fuzz_require(vid <= NETDEV_VLAN_MAX, "VLAN %u", vid);
	return 0;
}

static int set_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                        const struct netdev_coalesce *want)
{
	(void)dev;
	(void)want;
	fuzz_require(id->queue >= -1 && id->queue < NETDEV_QUEUES_MAX, "queue %d", id->queue);
	return 0;
}

static int get_coalesce(struct netdev *dev, const struct netdev_queue_id *id,
                        struct netdev_coalesce *now)
{
	(void)dev;
	fuzz_require(id->queue >= 0 && id->queue < QUEUES, "queue %d", id->queue);
	*now = (struct netdev_coalesce){.packets = 1};
	return 0;
}

static void stats(const struct netdev *dev, uint16_t queue, struct netdev_stats *out)
{
	(void)dev;
	(void)out;
	fuzz_require(queue < QUEUES, "queue %u", queue);
}

static const struct netdev_ops can_all = {
    .set_rx_mode = set_mode,
    .set_mac = set_mac,
    .set_mac_entry = set_mac_entry,
    .set_vlan = set_vlan,
    .set_coalesce = set_coalesce,
    .get_coalesce = get_coalesce,
    .stats = stats,
};
static const struct netdev_ops can_nothing = {.stats = stats};

/* ---- inputs ------------------------------------------------------------------------------- */

static void hash_frame(const uint8_t *data, size_t size)
{
	static const struct rss rss = {.types = RSS_ALL, .key = {0x6d, 0x5a, 0x56}};
	uint8_t *frame = malloc(size + 2); /* headers are at even addresses */
	static struct rss_hash h;
	uint32_t value;

	if (!frame)
		abort();
	rss_hash_init(&h, &rss);
	memcpy(frame + 2, data, size);
	fuzz_require(rss_hash_frame(&h, frame + 2, (uint32_t)size, &value) <= 9, "a report");
	free(frame);
}

static void open_ports(void)
{
	static struct netdev_rss rss;

	for (unsigned i = 0; i < 2; i++) {
		ports[i].queue = queues;
		ports[i].nb_queues = QUEUES;
		ports[i].ops = i ? &can_nothing : &can_all;
		fuzz_require(!netdev_register(&ports[i]), "no port");
	}
	rss.types_known = RSS_ALL & ~RSS_TCPV6_EX;
	rss.steers = true;
	rss.set = set_rss;
	ports[0].rss = &rss;
	port_commands_init();
	rss_commands_init();
	coal_commands_init();
	xstats_commands_init();
	console_live();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char typed[TYPED_MAX + 2];
	size_t n = size < TYPED_MAX ? size : TYPED_MAX;

	if (!netdev_count())
		open_ports();
	fuzz_quiet();
	if (size && data[0] == 0xff) {
		hash_frame(data + 1, size - 1);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		typed[i] = data[i] ? (char)data[i] : '\n';
	memcpy(typed + n, "\n", 2);
	plat_test_input(typed);
	for (unsigned i = 0; i < POLLS; i++)
		console_poll();
	plat_test_clear();
	return 0;
}
