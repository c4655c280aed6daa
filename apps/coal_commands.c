/*
 * The console's commands about when devices notify:
 *
 *	port config 0 coalesce rx all 32 100	port config 0 coalesce tx 1 0 0
 *	show port 0 coalesce
 */
#include "apps/commands.h"
#include "apps/words.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/string.h"
#include "net/netdev.h"

static const char *outcome(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EOPNOTSUPP:
		return "the device cannot be told (VIRTIO_NET_F_NOTF_COAL, VQ_NOTF_COAL for one "
		       "queue)";
	case -ENOENT:
		return "there is no such queue";
	case -EINVAL:
		return "at most 65535 packets and 1000000 microseconds";
	default:
		return "the device did not do it";
	}
}

static struct netdev *port_named(const char *word)
{
	unsigned port;

	if (word_number(word, &port) && port < netdev_count())
		return netdev_get(port);
	console_printf("port \"%s\": give a number below %u\n", word, netdev_count());
	return NULL;
}

/* "rx all 32 100": false: it is none. */
static bool parse(const char *args, struct netdev_queue_id *id, struct netdev_coalesce *c)
{
	char direction[WORD_LEN], queue[WORD_LEN], packets[WORD_LEN], usecs[WORD_LEN];
	unsigned n = 0;

	args = next_word(next_word(args, direction), queue);
	args = next_word(next_word(args, packets), usecs);
	id->tx = !strcmp(direction, "tx");
	if ((!id->tx && strcmp(direction, "rx") != 0) || *args)
		return false;
	if (strcmp(queue, "all") != 0 && (!word_number(queue, &n) || n >= NETDEV_QUEUES_MAX))
		return false;
	id->queue = strcmp(queue, "all") ? (int)n : -1;
	return word_number(packets, &c->packets) && word_number(usecs, &c->usecs);
}

static void cmd_set(const char *args)
{
	char port[WORD_LEN], word[WORD_LEN];
	struct netdev_queue_id id;
	struct netdev_coalesce c;
	struct netdev *dev;
	int err;

	args = next_word(next_word(args, port), word); /* "0 coalesce" */
	dev = port_named(port);
	if (!dev)
		return;
	if (!parse(args, &id, &c)) {
		console_printf("port config %s coalesce: rx or tx, all or a queue, packets, "
		               "microseconds\n",
		               port);
		return;
	}
	err = dev->ops->set_coalesce ? dev->ops->set_coalesce(dev, &id, &c) : -EOPNOTSUPP;
	console_printf("port %u: coalesce: %s\n", dev->port, outcome(err));
}

static void show(struct netdev *dev, int queue, bool tx)
{
	const struct netdev_queue_id id = {queue, tx};
	struct netdev_coalesce c;
	const int err = dev->ops->get_coalesce ? dev->ops->get_coalesce(dev, &id, &c) : -EOPNOTSUPP;

	if (err)
		console_printf("port %u: %s queue %d: %s\n", dev->port, tx ? "Tx" : "Rx", queue,
		               outcome(err));
	else
		console_printf("port %u: %s queue %d: %u packets, %u us\n", dev->port,
		               tx ? "Tx" : "Rx", queue, c.packets, c.usecs);
}

static void cmd_show(const char *args)
{
	char port[WORD_LEN];
	struct netdev *dev;

	next_word(args, port);
	dev = port_named(port);
	for (int i = 0; dev && i < dev->nb_queues; i++) {
		show(dev, i, false);
		show(dev, i, true);
	}
}

static const struct console_command coal_commands[] = {
    {"port config * coalesce", "rx or tx, all or a queue, packets, microseconds", cmd_set},
    {"show port * coalesce", "after how much the device notifies", cmd_show},
};

void coal_commands_init(void)
{
	console_add_commands(coal_commands, ARRAY_SIZE(coal_commands));
}
