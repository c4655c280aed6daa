/*
 * The console's commands about what ports receive, and about their queues, in testpmd's words:
 *
 *	port stop 0				port start all
 *	set promisc all on			set allmulti 0 off
 *	mac_addr add 0 02:00:00:00:00:07	mcast_addr add 0 01:00:5e:00:00:01
 *	rx_vlan add 5 all
 *	port 0 rxq 0 stop			port 0 txq 1 start
 *	port config 0 rxq 0 ring_size 128
 */
#include "apps/commands.h"
#include "apps/words.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/options.h"
#include "kernel/string.h"
#include "net/netdev.h"
#include "net/wire.h"

/* What a command does to one port. Return: as netdev_ops. */
typedef int (*port_fn)(struct netdev *dev, void *arg);

static const char *outcome(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EOPNOTSUPP:
		return "the device cannot be told (its features, and net.rx_offloads)";
	case -EEXIST:
		return "it is there already";
	case -ENOENT:
		return "it is not there";
	case -ENOSPC:
		return "the table is full";
	case -EINVAL:
		return "no address that can be used for this";
	default:
		return "the device did not do it";
	}
}

/* The ports that @word names, all or a number: *@from to below *@to. False: it names none, which is
 * told. */
static bool ports_named(const char *command, const char *word, unsigned *from, unsigned *to)
{
	*from = 0;
	*to = netdev_count();
	if (!strcmp(word, "all"))
		return true;
	if (!word_number(word, from) || *from >= *to) {
		console_printf("%s: port \"%s\": give all, or a number below %u\n", command, word,
		               *to);
		return false;
	}
	*to = *from + 1;
	return true;
}

bool each_port(const char *command, const char *word, void (*fn)(struct netdev *dev))
{
	unsigned i, to;

	if (!ports_named(command, word, &i, &to))
		return false;
	for (; i < to; i++)
		fn(netdev_get(i));
	return true;
}

/* To the ports that @word names. */
static void for_ports(const char *command, const char *word, port_fn fn, void *arg)
{
	unsigned i, to;

	if (!ports_named(command, word, &i, &to))
		return;
	for (; i < to; i++)
		console_printf("port %u: %s: %s\n", i, command, outcome(fn(netdev_get(i), arg)));
}

/* ---- stop and start ------------------------------------------------------------------------- */

static void cmd_stop(const char *args)
{
	unsigned i, to;

	if (!ports_named("port stop", args, &i, &to))
		return;
	console_printf("Stopping ports...\n");
	for (; i < to; i++) {
		netdev_get(i)->stopped = true;
		netdev_get(i)->ops->stop(netdev_get(i));
	}
	console_printf("Done\n");
}

static void start_one(struct netdev *dev)
{
	const uint8_t *mac = dev->mac;

	if (!dev->stopped) {
		console_printf("Port %u is now not stopped\n", dev->port);
		return;
	}
	dev->stopped = dev->ops->start(dev) != 0;
	if (dev->stopped)
		console_printf("Fail to start port %u: the log says why\n", dev->port);
	else
		console_printf("Port %u: %02X:%02X:%02X:%02X:%02X:%02X\n", dev->port, mac[0],
		               mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void cmd_start(const char *args)
{
	if (each_port("port start", args, start_one))
		console_printf("Done\n");
}

/* An application that has them has its own. */
static void cmd_forward(const char *args)
{
	(void)args;
	console_printf("start, stop, set fwd: for app=testpmd alone; app=%s has nothing to start\n",
	               options_get("app"));
}

/* ---- modes -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned flag;
} modes[] = {
    {"promisc", NETDEV_RX_PROMISC}, {"allmulti", NETDEV_RX_ALLMULTI},
    {"alluni", NETDEV_RX_ALLUNI},   {"nomulti", NETDEV_RX_NOMULTI},
    {"nouni", NETDEV_RX_NOUNI},     {"nobcast", NETDEV_RX_NOBCAST},
};

struct mode_change {
	unsigned flag;
	bool on;
};

static int change_mode(struct netdev *dev, void *arg)
{
	const struct mode_change *c = arg;

	if (!dev->ops->set_rx_mode)
		return -EOPNOTSUPP;
	return dev->ops->set_rx_mode(dev, c->on ? dev->rx_mode | c->flag : dev->rx_mode & ~c->flag);
}

static void set_mode(unsigned which, const char *args)
{
	char port[WORD_LEN], state[WORD_LEN], more[WORD_LEN];
	struct mode_change c = {.flag = modes[which].flag};

	next_word(next_word(next_word(args, port), state), more);
	c.on = !strcmp(state, "on");
	if ((!c.on && strcmp(state, "off") != 0) || *more) {
		console_printf("set %s: all or a port, then on or off\n", modes[which].name);
		return;
	}
	for_ports(modes[which].name, port, change_mode, &c);
}

static void cmd_promisc(const char *args)
{
	set_mode(0, args);
}

static void cmd_allmulti(const char *args)
{
	set_mode(1, args);
}

static void cmd_alluni(const char *args)
{
	set_mode(2, args);
}

static void cmd_nomulti(const char *args)
{
	set_mode(3, args);
}

static void cmd_nouni(const char *args)
{
	set_mode(4, args);
}

static void cmd_nobcast(const char *args)
{
	set_mode(5, args);
}

static void cmd_rxmode(const char *args)
{
	(void)args;
	for (unsigned i = 0; i < netdev_count(); i++) {
		console_printf("port %u:", i);
		for (size_t k = 0; k < ARRAY_SIZE(modes); k++)
			console_printf(" %s %s", modes[k].name,
			               netdev_get(i)->rx_mode & modes[k].flag ? "on" : "off");
		console_printf("\n");
	}
}

/* ---- addresses ---------------------------------------------------------------------------- */

static int add_mac(struct netdev *dev, void *mac)
{
	return dev->ops->set_mac_entry ? dev->ops->set_mac_entry(dev, mac, true) : -EOPNOTSUPP;
}

static int remove_mac(struct netdev *dev, void *mac)
{
	return dev->ops->set_mac_entry ? dev->ops->set_mac_entry(dev, mac, false) : -EOPNOTSUPP;
}

static int set_mac(struct netdev *dev, void *mac)
{
	return dev->ops->set_mac ? dev->ops->set_mac(dev, mac) : -EOPNOTSUPP;
}

static void mac_command(const char *name, const char *args, bool multicast)
{
	char what[WORD_LEN], port[WORD_LEN], text[WORD_LEN];
	uint8_t mac[6];
	port_fn fn = NULL;

	next_word(next_word(next_word(args, what), port), text);
	if (!strcmp(what, "add"))
		fn = add_mac;
	else if (!strcmp(what, "remove"))
		fn = remove_mac;
	else if (!strcmp(what, "set") && !multicast)
		fn = set_mac;
	if (!fn || options_mac(text, mac) || mac_is_multicast(mac) != multicast) {
		console_printf("%s: %s, all or a port, then a %s address\n", name,
		               multicast ? "add or remove" : "add, remove or set",
		               multicast ? "multicast" : "unicast");
		return;
	}
	for_ports(name, port, fn, mac);
}

static void cmd_mac(const char *args)
{
	mac_command("mac_addr", args, false);
}

static void cmd_mcast(const char *args)
{
	mac_command("mcast_addr", args, true);
}

/* ---- tags --------------------------------------------------------------------------------- */

struct vlan_change {
	uint16_t vid;
	bool on;
};

static int change_vlan(struct netdev *dev, void *arg)
{
	const struct vlan_change *c = arg;

	return dev->ops->set_vlan ? dev->ops->set_vlan(dev, c->vid, c->on) : -EOPNOTSUPP;
}

static void cmd_vlan(const char *args)
{
	char what[WORD_LEN], text[WORD_LEN], port[WORD_LEN];
	struct vlan_change c;
	unsigned vid;

	next_word(next_word(next_word(args, what), text), port);
	c.on = !strcmp(what, "add");
	if ((!c.on && strcmp(what, "rm") != 0) || !word_number(text, &vid) ||
	    vid > NETDEV_VLAN_MAX) {
		console_printf("rx_vlan: add or rm, a VLAN 0 to %u, then all or a port\n",
		               NETDEV_VLAN_MAX);
		return;
	}
	c.vid = (uint16_t)vid;
	for_ports("rx_vlan", port, change_vlan, &c);
}

/* ---- queues ------------------------------------------------------------------------------- */

static const char *queue_outcome(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EOPNOTSUPP:
		return "the device does not offer VIRTIO_F_RING_RESET, or the driver cannot";
	case -EBUSY:
		return "it is so already";
	case -ENOSPC:
		return "more descriptors than the queue had at the start (net.rxd, net.txd)";
	case -EINVAL:
		return "no such queue, or no size that its ring can have, see the log";
	default:
		return "the port does not run, or its device failed";
	}
}

/* "P rxq|txq Q": which queue. Return: what follows, NULL for something else. */
static const char *next_queue(const char *args, struct netdev **dev, uint16_t *queue, bool *tx)
{
	char port[WORD_LEN], kind[WORD_LEN], index[WORD_LEN];
	unsigned p, q;

	args = next_word(next_word(next_word(args, port), kind), index);
	*tx = !strcmp(kind, "txq");
	if ((!*tx && strcmp(kind, "rxq") != 0) || !word_number(port, &p) ||
	    !word_number(index, &q) || p >= netdev_count() || q >= NETDEV_QUEUES_MAX)
		return NULL;
	*dev = netdev_get(p);
	*queue = (uint16_t)q;
	return args;
}

static void queue_done(const char *command, const struct netdev *dev, uint16_t queue, bool tx,
                       int err)
{
	console_printf("port %u %s %u: %s: %s\n", dev->port, tx ? "txq" : "rxq", queue, command,
	               queue_outcome(err));
}

static void cmd_port(const char *args)
{
	char what[WORD_LEN];
	struct netdev *dev;
	uint16_t queue;
	bool tx;
	int (*fn)(struct netdev *, uint16_t, bool) = NULL;

	args = next_queue(args, &dev, &queue, &tx);
	if (!args || *next_word(args, what) || (strcmp(what, "start") && strcmp(what, "stop"))) {
		console_printf("port: a port, rxq or txq, its number, then start or stop\n");
		return;
	}
	fn = !strcmp(what, "start") ? dev->ops->queue_start : dev->ops->queue_stop;
	queue_done(what, dev, queue, tx, fn ? fn(dev, queue, tx) : -EOPNOTSUPP);
}

static void cmd_port_config(const char *args)
{
	char what[WORD_LEN] = "", size[WORD_LEN] = "";
	struct netdev *dev;
	uint16_t queue;
	unsigned n;
	bool tx;

	args = next_queue(args, &dev, &queue, &tx);
	if (!args || *next_word(next_word(args, what), size) || strcmp(what, "ring_size") != 0 ||
	    !word_number(size, &n)) {
		console_printf(
		    "port config: a port, rxq or txq, its number, ring_size, descriptors\n");
		return;
	}
	queue_done(what, dev, queue, tx,
	           dev->ops->queue_resize ? dev->ops->queue_resize(dev, queue, tx, n)
	                                  : -EOPNOTSUPP);
}

static const struct console_command port_commands[] = {
    {"port stop", "all or a port: it receives and sends nothing", cmd_stop},
    {"port start", "all or a port that was stopped", cmd_start},
    {"start", "app=testpmd: forward; tx_first, bursts: which it generates before", cmd_forward},
    {"stop", "app=testpmd: forward no more, and say what was forwarded", cmd_forward},
    {"set fwd", "app=testpmd: a mode, as of the option fwd", cmd_forward},
    {"set promisc", "all or a port, on or off: receive all that comes", cmd_promisc},
    {"set allmulti", "likewise: receive all multicast", cmd_allmulti},
    {"set alluni", "receive all unicast", cmd_alluni},
    {"set nomulti", "receive no multicast", cmd_nomulti},
    {"set nouni", "receive no unicast", cmd_nouni},
    {"set nobcast", "receive no broadcasts", cmd_nobcast},
    {"show port rxmode all", "which of these are on", cmd_rxmode},
    {"mac_addr", "add, remove or set, a port, an address: unicast to receive", cmd_mac},
    {"mcast_addr", "add or remove, a port, an address: multicast to receive", cmd_mcast},
    {"rx_vlan", "add or rm, a VLAN, a port: tags to receive", cmd_vlan},
    {"port", "a port, rxq or txq, its number, start or stop: this queue alone", cmd_port},
    {"port config", "the same three, ring_size, descriptors", cmd_port_config},
};

void port_commands_init(void)
{
	console_add_commands(port_commands, ARRAY_SIZE(port_commands));
}
