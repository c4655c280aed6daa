/* Receive-side scaling: its options, and testpmd's words for what is hashed. See rss.h. */
#include "net/rss.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/string.h"

#define QUEUE_DIGITS 3

/* The key that every description of the Toeplitz hash has as its example, and drivers as default.
 */
static const uint8_t default_key[RSS_KEY_LEN] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* In the order in which testpmd shows them. Fragments and other protocols are hashed by addresses,
 * which is a type of its own with DPDK. */
static const struct {
	const char *name;
	uint32_t types;
} type_names[] = {
    {"all", RSS_ALL},
    {"none", 0},
    {"ip", RSS_IP},
    {"udp", RSS_UDP},
    {"tcp", RSS_TCP},
    {"ipv4", RSS_IPV4},
    {"ipv4-frag", RSS_IPV4},
    {"ipv4-tcp", RSS_TCPV4},
    {"ipv4-udp", RSS_UDPV4},
    {"ipv4-other", RSS_IPV4},
    {"ipv6", RSS_IPV6},
    {"ipv6-frag", RSS_IPV6},
    {"ipv6-tcp", RSS_TCPV6},
    {"ipv6-udp", RSS_UDPV6},
    {"ipv6-other", RSS_IPV6},
    {"ipv6-ex", RSS_IPV6_EX},
    {"ipv6-tcp-ex", RSS_TCPV6_EX},
    {"ipv6-udp-ex", RSS_UDPV6_EX},
};

const char *rss_type_name(unsigned i, uint32_t *types)
{
	if (i >= ARRAY_SIZE(type_names))
		return NULL;
	*types = type_names[i].types;
	return type_names[i].name;
}

bool rss_types_named(const char *word, uint32_t *types)
{
	const char *name;

	for (unsigned i = 0; (name = rss_type_name(i, types)); i++) {
		if (!strcmp(name, word))
			return true;
	}
	return false;
}

/* ---- the key ------------------------------------------------------------------------------ */

static unsigned hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a' + 10);
	return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
}

bool rss_key_parse(const char *text, uint8_t *key)
{
	for (unsigned i = 0; i < RSS_KEY_LEN; i++, text += 2) {
		const unsigned high = hex_digit(text[0]);
		const unsigned low = high < 16 ? hex_digit(text[1]) : 16;

		if (low >= 16)
			return false;
		if (key)
			key[i] = (uint8_t)(high << 4 | low);
	}
	return !*text;
}

bool rss_key_valid(const char *text)
{
	return rss_key_parse(text, NULL);
}

/* ---- the table ---------------------------------------------------------------------------- */

/* Queues as "0,1,5" into @reta. Return: how many, 0: that is no list of queues. */
static unsigned parse_queues(const char *text, uint8_t reta[RSS_RETA_LEN])
{
	for (unsigned n = 0; n < RSS_RETA_LEN;) {
		unsigned digits = 0, queue = 0;

		for (; *text >= '0' && *text <= '9' && digits < QUEUE_DIGITS; digits++)
			queue = queue * 10 + (unsigned)(*text++ - '0');
		if (!digits || queue >= NETDEV_QUEUES_MAX)
			return 0;
		reta[n++] = (uint8_t)queue;
		if (!*text)
			return n;
		if (*text++ != ',')
			return 0;
	}
	return 0;
}

bool rss_reta_valid(const char *text)
{
	uint8_t reta[RSS_RETA_LEN];

	return parse_queues(text, reta) != 0;
}

/* The list fills the table, again and again. */
static void read_reta(unsigned port, unsigned nb_queues, uint8_t reta[RSS_RETA_LEN])
{
	const char *text = options_port_get("net.rss_reta", port);
	const unsigned given = text ? parse_queues(text, reta) : 0;
	const unsigned n = given ? given : nb_queues;

	for (unsigned i = 0; i < RSS_RETA_LEN; i++) {
		if (i >= given)
			reta[i] = (uint8_t)(given ? reta[i - n] : i % n);
		if (reta[i] < nb_queues)
			continue;
		log_warn("rss", "port %u: net.rss_reta=%s: there is no queue %u; 0 is used", port,
		         text, reta[i]);
		reta[i] = 0;
	}
}

/* ---- all of them -------------------------------------------------------------------------- */

enum rss_mode rss_mode(unsigned port)
{
	static const char *const words[] = {
	    [RSS_OFF] = "off",
	    [RSS_DEVICE] = "device",
	    [RSS_SOFTWARE] = "software",
	    [RSS_AUTO] = "auto",
	};
	const char *word = options_port_get("net.rss", port);
	enum rss_mode mode = RSS_AUTO;

	while (mode > RSS_OFF && strcmp(words[mode], word))
		mode--;
	return mode;
}

void rss_read_options(unsigned port, unsigned nb_queues, struct rss *out)
{
	const char *key = options_port_get("net.rss_key", port);
	const char *name;
	uint32_t types;

	memcpy(out->key, default_key, sizeof(default_key));
	if (key)
		(void)rss_key_parse(key, out->key);
	out->types = 0;
	for (unsigned i = 0; (name = rss_type_name(i, &types)); i++) {
		if (options_port_has("net.rss_types", port, name))
			out->types |= types;
	}
	read_reta(port, nb_queues, out->reta);
}
