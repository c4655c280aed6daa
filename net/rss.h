/*
 * Receive-side scaling: flows are spread over the queues of a port by a Toeplitz hash of addresses
 * and ports and a table (virtio 5.1.9.5.7). Who does it, the device or net/soft_rss.c, leaves
 * a struct netdev_rss at the port, and whoever wants it otherwise asks through that:
 *
 *	struct rss r = dev->rss->now;
 *	r.types = RSS_UDP;
 *	err = dev->rss->set(dev, &r);
 */
#ifndef NET_RSS_H
#define NET_RSS_H

#include "net/netdev.h"

#define RSS_KEY_LEN 40
#define RSS_RETA_LEN 128

/* What is hashed: the bits of virtio 5.1.9.4.3.1. A report's number is that of the bit plus 1. */
#define RSS_IPV4 (1u << 0)
#define RSS_TCPV4 (1u << 1)
#define RSS_UDPV4 (1u << 2)
#define RSS_IPV6 (1u << 3)
#define RSS_TCPV6 (1u << 4)
#define RSS_UDPV6 (1u << 5)
#define RSS_IPV6_EX (1u << 6)
#define RSS_TCPV6_EX (1u << 7)
#define RSS_UDPV6_EX (1u << 8)
#define RSS_IP (RSS_IPV4 | RSS_IPV6 | RSS_IPV6_EX)
#define RSS_TCP (RSS_TCPV4 | RSS_TCPV6 | RSS_TCPV6_EX)
#define RSS_UDP (RSS_UDPV4 | RSS_UDPV6 | RSS_UDPV6_EX)
#define RSS_ALL (RSS_IP | RSS_TCP | RSS_UDP)

#define RSS_TYPE_WORDS                                                                             \
	"all none ip udp tcp ipv4 ipv4-tcp ipv4-udp ipv6 ipv6-tcp ipv6-udp ipv6-ex ipv6-tcp-ex "   \
	"ipv6-udp-ex"

/* A wish, or what holds. A packet of none of the types goes to queue 0. */
struct rss {
	uint32_t types;
	uint8_t key[RSS_KEY_LEN];
	uint8_t reta[RSS_RETA_LEN]; /* queue pair by the low bits of the hash */
};

/* A port's. */
struct netdev_rss {
	struct rss now;
	uint32_t types_known;
	bool steers; /* else hashes are only reported, and nobody looks at the table */
	/*
	 * From the first lcore; may wait. @rss has known types and queues that there are. 0;
	 * -EOPNOTSUPP, -EIO or -ETIMEDOUT: nothing has changed. Holds across stop and start
	 */
	int (*set)(struct netdev *dev, const struct rss *rss);
	netdev_xstats_fn xstats; /* NULL: counts nothing */
};

enum rss_mode { RSS_OFF, RSS_DEVICE, RSS_SOFTWARE, RSS_AUTO };

/** rss_mode() - net.rss of a port */
enum rss_mode rss_mode(unsigned port);

/** rss_read_options() - what net.rss_types, net.rss_key and net.rss_reta wish for a port with
 * @nb_queues pairs. A queue that is not there is told, and replaced */
void rss_read_options(unsigned port, unsigned nb_queues, struct rss *out);

/** rss_types_named() - the types that a word of testpmd's means: "udp", "ipv4-tcp". False: none */
bool rss_types_named(const char *word, uint32_t *types);

/** rss_type_name() - the @i-th of these words and its types, NULL behind the last */
const char *rss_type_name(unsigned i, uint32_t *types);

/** rss_key_parse() - RSS_KEY_LEN bytes as so many pairs of hexadecimal digits. False: it is none;
 * @key may be NULL */
bool rss_key_parse(const char *text, uint8_t *key);

/* Option checks. */
bool rss_key_valid(const char *text);
bool rss_reta_valid(const char *text);

#endif
