/*
 * The console's commands about receive-side scaling, in testpmd's words and with its answers:
 *
 *	port config all rss udp			port config 0 rss reta (0,1),(1,0)
 *	port config 0 rss-hash-key ipv4 HEX	show port 0 rss reta 128 (0xff,0)
 *	show port 0 rss-hash key
 */
#include "apps/commands.h"
#include "apps/words.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/string.h"
#include "net/netdev.h"
#include "net/rss.h"

#define LINE_LEN 64 /* of testpmd's lists of types */
#define MASK_BITS 64

static const char *why_not(int err)
{
	switch (err) {
	case -EOPNOTSUPP:
		return "nobody hashes here: net.rss= or net.rx_offloads=rss_hash, and a device "
		       "that has it or net.rss=software";
	default:
		return "the device did not do it";
	}
}

/* Return: 0, or the reason is printed. */
static int set_rss(struct netdev *dev, const struct rss *rss)
{
	const int err = dev->rss ? dev->rss->set(dev, rss) : -EOPNOTSUPP;

	if (err)
		console_printf("port %u: rss: %s\n", dev->port, why_not(err));
	return err;
}

/* The port that the first word of @args names, if it can be asked about hashes; else NULL, printed.
 */
static struct netdev *port_of(const char **args)
{
	char word[WORD_LEN];
	unsigned port;

	*args = next_word(*args, word);
	if (!word_number(word, &port) || port >= netdev_count()) {
		console_printf("port \"%s\": give a number below %u\n", word, netdev_count());
		return NULL;
	}
	if (!netdev_get(port)->rss) {
		console_printf("port %u: rss: %s\n", port, why_not(-EOPNOTSUPP));
		return NULL;
	}
	return netdev_get(port);
}

/* ---- types and keys ----------------------------------------------------------------------- */

/* To as many of @types as can be had, which is told when it is fewer. */
static void set_types(struct netdev *dev, struct rss *rss, uint32_t types)
{
	rss->types = types & dev->rss->types_known;
	if (rss->types != types)
		console_printf("Port %u modified RSS hash function based on hardware "
		               "support,requested:0x%x configured:0x%x\n",
		               dev->port, types, rss->types);
	if (!set_rss(dev, rss))
		console_printf("port %u: rss: done\n", dev->port);
}

static void cmd_types(const char *args)
{
	char word[WORD_LEN], more[WORD_LEN];
	uint32_t types;

	next_word(next_word(args, word), more);
	if (!strcmp(word, "default"))
		memcpy(word, "all", sizeof("all"));
	if (!rss_types_named(word, &types) || *more) {
		console_printf("port config all rss: one of %s default\n", RSS_TYPE_WORDS);
		return;
	}
	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);
		struct rss rss;

		if (!dev->rss) {
			console_printf("port %u: rss: %s\n", i, why_not(-EOPNOTSUPP));
			continue;
		}
		rss = dev->rss->now;
		set_types(dev, &rss, types);
	}
}

/* As DPDK's driver takes it: with the key come the types that are hashed by it. */
static void cmd_key(const char *args)
{
	struct netdev *dev = port_of(&args);
	char word[WORD_LEN];
	uint32_t types;
	struct rss rss;

	if (!dev)
		return;
	rss = dev->rss->now;
	args = next_word(next_word(args, word), word); /* "rss-hash-key", then the type */
	while (*args == ' ')
		args++;
	if (!rss_types_named(word, &types) || !rss_key_parse(args, rss.key)) {
		console_printf("port config %u rss-hash-key: one of %s, then %u hexadecimal "
		               "digits\n",
		               dev->port, RSS_TYPE_WORDS, 2 * RSS_KEY_LEN);
		return;
	}
	set_types(dev, &rss, types);
}

static void print_types(uint32_t types)
{
	size_t width = 0;
	const char *name;
	uint32_t of;

	for (unsigned i = 1; (name = rss_type_name(i, &of)); i++) { /* behind "all" */
		const size_t len = strlen(name) + 2;

		if (!of || (types & of) != of)
			continue;
		if (width + len > LINE_LEN) {
			console_printf("\n");
			width = 0;
		}
		console_printf("  %s", name);
		width += len;
	}
	console_printf("\n");
}

static void cmd_show_hash(const char *args)
{
	struct netdev *dev = port_of(&args);
	char word[WORD_LEN];

	if (!dev)
		return;
	next_word(next_word(args, word), word); /* "rss-hash", then "key" or nothing */
	if (!dev->rss->now.types) {
		console_printf("RSS disabled\n");
		return;
	}
	console_printf("RSS functions:\n");
	print_types(dev->rss->now.types);
	if (strcmp(word, "key") != 0)
		return;
	console_printf("RSS key:\n");
	for (unsigned i = 0; i < RSS_KEY_LEN; i++)
		console_printf("%02X", dev->rss->now.key[i]);
	console_printf("\n");
}

/* ---- the table ---------------------------------------------------------------------------- */

/* "(hash,queue),(hash,queue)" into the table. False: that is no such list, or out of range. */
static bool parse_reta(const char *text, unsigned nb_queues, struct rss *rss)
{
	for (unsigned i = 0; i <= RSS_RETA_LEN; i++) {
		unsigned entry, queue;

		if (*text++ != '(' || !read_number(&text, &entry) || *text++ != ',' ||
		    !read_number(&text, &queue) || *text++ != ')')
			return false;
		if (entry >= RSS_RETA_LEN || queue >= nb_queues)
			return false;
		rss->reta[entry] = (uint8_t)queue;
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
	return false;
}

static void cmd_reta(const char *args)
{
	struct netdev *dev = port_of(&args);
	char word[WORD_LEN];
	struct rss rss;

	if (!dev)
		return;
	if (!dev->rss->steers) {
		console_printf("port %u: rss: no table: the device spreads packets as it likes, "
		               "net.rss=\n",
		               dev->port);
		return;
	}
	rss = dev->rss->now;
	args = next_word(next_word(args, word), word); /* "rss reta" */
	while (*args == ' ')
		args++;
	if (!parse_reta(args, dev->nb_queues, &rss)) {
		console_printf("port config %u rss reta: (entry,queue),..., entries below %u, "
		               "queues below %u\n",
		               dev->port, RSS_RETA_LEN, dev->nb_queues);
		return;
	}
	if (!set_rss(dev, &rss))
		console_printf("port %u: rss: done\n", dev->port);
}

/* "(0x1,ff)": 64 entries each, up to the table's size. False: no such list. */
static bool parse_masks(const char *text, uint64_t mask[RSS_RETA_LEN / MASK_BITS])
{
	if (*text++ != '(')
		return false;
	for (unsigned i = 0; i < RSS_RETA_LEN / MASK_BITS; i++) {
		if (!read_mask(&text, &mask[i]))
			return false;
		if (*text == ')')
			return !text[1];
		if (*text++ != ',')
			return false;
	}
	return false;
}

static void cmd_show_reta(const char *args)
{
	uint64_t mask[RSS_RETA_LEN / MASK_BITS] = {0};
	struct netdev *dev = port_of(&args);
	char word[WORD_LEN];
	unsigned size;

	if (!dev)
		return;
	args = next_word(next_word(next_word(args, word), word), word); /* "rss reta 128" */
	while (*args == ' ')
		args++;
	if (!word_number(word, &size) || !size || size > RSS_RETA_LEN) {
		console_printf("Invalid redirection table size: %s (1-%u)\n", word, RSS_RETA_LEN);
		return;
	}
	if (!parse_masks(args, mask)) {
		console_printf("show port %u rss reta %u: (mask,mask), each of 64 entries\n",
		               dev->port, size);
		return;
	}
	for (unsigned i = 0; i < size; i++) {
		if (mask[i / MASK_BITS] >> i % MASK_BITS & 1)
			console_printf("RSS RETA configuration: hash index=%u, queue=%u\n", i,
			               dev->rss->now.reta[i]);
	}
}

static const struct console_command rss_commands[] = {
    {"port config all rss", "what is hashed: all none ip udp tcp ipv4-udp ...", cmd_types},
    {"port config * rss-hash-key", "a type, 80 hexadecimal digits: the key", cmd_key},
    {"port config * rss reta", "(entry,queue),...: queues by hash", cmd_reta},
    {"show port * rss reta", "a size, (mask,mask): queues by hash", cmd_show_reta},
    {"show port * rss-hash", "what is hashed; key: and the key", cmd_show_hash},
};

void rss_commands_init(void)
{
	console_add_commands(rss_commands, ARRAY_SIZE(rss_commands));
}
