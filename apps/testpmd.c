/*
 * testpmd: packets go from port to port, as in DPDK's program of this name. Ports are paired, 0
 * with 1, 2 with 3; the last one of an odd number is paired with itself. What is done to a packet
 * on its way is the mode, fwd=.
 */
#include "apps/app.h"
#include "apps/fwd_modes.h"
#include "apps/words.h"
#include "kernel/assert.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/string.h"
#include "net/mempool.h"
#include <arch/cpu.h>

#define BURST_MAX 512
#define RETRIES 64      /* of fwd_retry=1, a microsecond or so apart */
#define RETRY_PAUSES 16 /* of the processor, between two of them */
#define TX_FIRST_MAX 65535

static const struct fwd_mode {
	const char *name;
	fwd_fn fn; /* NULL: packets are generated */
	bool back; /* to the port that they came from, whatever the pairs are */
} modes[] = {
    {"io", fwd_io, false},
    {"mac", fwd_mac, false},
    {"macswap", fwd_macswap, false},
    {"5tswap", fwd_5tswap, false},
    {"rxonly", fwd_rxonly, false},
    {"txonly", NULL, false},
    {"icmpecho", fwd_icmpecho, true},
};

/* NULL: there is none of this name. */
static const struct fwd_mode *mode_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	}
	return NULL;
}

static bool sizes_valid(const char *text)
{
	struct fwd_sizes sizes;

	return fwd_sizes_parse(text, &sizes);
}

static const struct option testpmd_options[] = {
    {.key = "fwd",
     .kind = OPTION_WORD,
     .fallback = "io",
     .allowed = "io mac macswap 5tswap rxonly txonly icmpecho",
     .help = "what testpmd does with packets"},
    {.key = "burst",
     .kind = OPTION_UINT,
     .fallback = "32",
     .min = 1,
     .max = BURST_MAX,
     .help = "packets that testpmd takes at a time"},
    {.key = "txpkts",
     .kind = OPTION_TEXT,
     .fallback = "64",
     .allowed = "bytes of up to 8 segments, 64 or 64,1000: the first 42 to 2048, 9728 in all",
     .check = sizes_valid,
     .help = "packets that testpmd generates"},
    {.key = "tx_first",
     .kind = OPTION_UINT,
     .fallback = "0",
     .max = TX_FIRST_MAX,
     .help = "bursts that testpmd generates at its start"},
    {.key = "fwd_retry",
     .kind = OPTION_BOOL,
     .fallback = "0",
     .help = "testpmd tries to send again when a ring is full"},
};

/* What an lcore forwards, and the burst that it has in hand. */
struct pmd_lcore {
	struct fwd_stream *streams;
	unsigned nb_streams;
	struct mbuf *pkts[BURST_MAX];
} __attribute__((aligned(CACHE_LINE)));

static struct {
	const struct fwd_mode *mode;
	unsigned nb_lcores;
	bool running; /* else no lcore has a stream */
	struct fwd_sizes sizes;
	uint16_t burst;
	bool retry;
	struct netdev *ports[NETDEV_PORTS_MAX];
	unsigned nb_ports;
	struct fwd_stream *streams; /* those of an lcore behind those of the one before */
	unsigned nb_streams;
	struct pmd_lcore *lcore; /* one for each */
} pmd;

/* ---- packets ------------------------------------------------------------------------------ */

/* A ring that is full gets time to be emptied. Return: how many more were sent. */
static COLD uint16_t stream_retry(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0;

	for (unsigned i = 0; sent < n && i < RETRIES; i++) {
		for (unsigned k = 0; k < RETRY_PAUSES; k++)
			cpu_pause();
		sent = (uint16_t)(sent + netdev_tx_burst(s->tx, s->txq, pkts + sent,
		                                         (uint16_t)(n - sent)));
	}
	return sent;
}

static void stream_send(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	uint16_t sent = netdev_tx_burst(s->tx, s->txq, pkts, n);

	if (unlikely(sent < n) && pmd.retry)
		sent = (uint16_t)(sent + stream_retry(s, pkts + sent, (uint16_t)(n - sent)));
	s->sent += sent;
	if (likely(sent == n))
		return;
	s->full += (uint64_t)(n - sent);
	s->tx->queue[s->txq].tx_dropped += (uint64_t)(n - sent);
	for (unsigned i = sent; i < n; i++)
		mbuf_free(pkts[i]);
}

/* What the device they came from left undone. Return: how many can be sent, in front. */
static COLD uint16_t stream_prepare(struct fwd_stream *s, struct mbuf **pkts, uint16_t n)
{
	uint16_t good = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!netdev_tx_prepare(s->tx, pkts[i]))
			pkts[good++] = pkts[i];
		else
			mbuf_free(pkts[i]);
	}
	s->unsendable += (uint64_t)(n - good);
	return good;
}

static uint16_t stream_forward(struct fwd_stream *s, struct mbuf **pkts)
{
	const uint16_t n = netdev_rx_burst(s->rx, s->rxq, pkts, pmd.burst);
	uint16_t out;

	if (!n)
		return 0;
	s->received += n;
	out = pmd.mode->fn(s, pkts, n);
	if (unlikely(s->rx->rx_offloads))
		out = stream_prepare(s, pkts, out);
	if (out)
		stream_send(s, pkts, out);
	return n;
}

static uint16_t stream_generate(struct fwd_stream *s, struct mbuf **pkts)
{
	const uint16_t n = fwd_generate(s, &pmd.sizes, pkts, pmd.burst);
	const uint64_t before = s->sent;

	/* also without any: all buffers may be with the device, which has sent them by now */
	stream_send(s, pkts, n);
	return (uint16_t)(s->sent - before);
}

static unsigned testpmd_poll(struct net_stack *st)
{
	struct pmd_lcore *l = &pmd.lcore[st->lcore];
	unsigned n = 0;

	for (unsigned i = 0; i < l->nb_streams; i++)
		n += pmd.mode->fn ? stream_forward(&l->streams[i], l->pkts)
		                  : stream_generate(&l->streams[i], l->pkts);
	return n;
}

static bool testpmd_generates(void)
{
	return !pmd.mode->fn && pmd.running;
}

/* ---- streams ------------------------------------------------------------------------------ */

static struct netdev *peer_of(unsigned i)
{
	const unsigned paired = i ^ 1;

	return pmd.ports[paired >= pmd.nb_ports ? i : paired];
}

/* By which port what comes in by port @i leaves. */
static struct netdev *way_out(unsigned i)
{
	return pmd.mode->back ? pmd.ports[i] : peer_of(i);
}

/* By how many queues what comes in by port @i leaves, at most. */
static unsigned ways_of(unsigned i)
{
	return (unsigned)min_u64(pmd.ports[i]->nb_queues, peer_of(i)->nb_queues);
}

static unsigned testpmd_lcores_most(const struct net_stack *unused)
{
	unsigned n = 0;

	(void)unused;
	for (unsigned i = 0; i < pmd.nb_ports; i++)
		n += ways_of(i);
	return n;
}

/* What comes in by several queues and leaves by the same is one lcore's; so is then what goes back,
 * for which no two have the same. */
static void deal_queues(unsigned nb_lcores)
{
	unsigned nth = 0;

	for (unsigned i = 0; i < pmd.nb_ports; i++) {
		const unsigned ways = ways_of(i);

		assert(ways);
		for (unsigned q = 0; q < pmd.ports[i]->nb_queues; q++)
			pmd.ports[i]->queue[q].lcore = (uint16_t)((nth + q % ways) % nb_lcores);
		nth += ways;
	}
}

/* An lcore's streams of a port: from each of its queues to that of the same number or, where there
 * are fewer, to one of those. */
static void add_streams(unsigned lcore, unsigned i)
{
	struct netdev *rx = pmd.ports[i], *tx = way_out(i);

	for (unsigned q = 0; q < rx->nb_queues; q++) {
		struct fwd_stream *s = &pmd.streams[pmd.nb_streams];

		if (rx->queue[q].lcore != lcore)
			continue;
		fwd_stream_init(s, rx, tx, (uint16_t)q, (uint16_t)(q % tx->nb_queues));
		fwd_sizes_set(s, &pmd.sizes);
		pmd.nb_streams++;
		pmd.lcore[lcore].nb_streams++;
	}
}

static void add_lcore(unsigned lcore)
{
	pmd.lcore[lcore].streams = &pmd.streams[pmd.nb_streams];
	pmd.lcore[lcore].nb_streams = 0;
	for (unsigned i = 0; i < pmd.nb_ports; i++)
		add_streams(lcore, i);
}

/* Every lcore gets its streams, which have counted nothing yet. */
static void streams_begin(unsigned tx_first)
{
	pmd.nb_streams = 0;
	for (unsigned i = 0; i < pmd.nb_lcores; i++)
		add_lcore(i);
	for (; tx_first; tx_first--) {
		for (unsigned i = 0; i < pmd.nb_streams; i++)
			(void)stream_generate(&pmd.streams[i], pmd.lcore[0].pkts);
	}
	pmd.running = true;
}

static void streams_end(void)
{
	for (unsigned i = 0; i < pmd.nb_lcores; i++)
		pmd.lcore[i].nb_streams = 0;
	pmd.running = false;
}

/* ---- console ------------------------------------------------------------------------------ */

static READS_OTHERS struct fwd_stream stream_now(unsigned i)
{
	return pmd.streams[i];
}

static void show_fwd_stats(const char *args)
{
	(void)args;
	for (unsigned i = 0; i < pmd.nb_streams; i++) {
		const struct fwd_stream now = stream_now(i), *s = &now;

		if (s->rx->nb_queues > 1)
			console_printf("queue %u of ", s->rxq);
		console_printf("port %u to %u: %llu received, %llu generated, %llu sent, dropped: "
		               "%llu ring full, %llu unsendable, %llu by fwd=%s\n",
		               s->rx->port, s->tx->port, (unsigned long long)s->received,
		               (unsigned long long)s->generated, (unsigned long long)s->sent,
		               (unsigned long long)s->full, (unsigned long long)s->unsendable,
		               (unsigned long long)s->consumed, pmd.mode->name);
	}
}

static void show_config(const char *args)
{
	(void)args;
	console_printf("%s packet forwarding%s - ports=%u - cores=%u - streams=%u\n",
	               pmd.mode->name, pmd.retry ? " with retry" : "", pmd.nb_ports, pmd.nb_lcores,
	               pmd.nb_streams);
	for (unsigned i = 0; i < pmd.nb_streams; i++) {
		const struct fwd_stream *s = &pmd.streams[i];
		const uint8_t *peer = s->hdr.eth.dst;

		console_printf(
		    "Logical Core %u: RX P=%u/Q=%u (socket 0) -> TX P=%u/Q=%u (socket 0) "
		    "peer=%02X:%02X:%02X:%02X:%02X:%02X\n",
		    s->rx->queue[s->rxq].lcore, s->rx->port, s->rxq, s->tx->port, s->txq, peer[0],
		    peer[1], peer[2], peer[3], peer[4], peer[5]);
	}
}

static void cmd_start(const char *args)
{
	char word[WORD_LEN], number[WORD_LEN], more[WORD_LEN];
	unsigned tx_first = 0;

	next_word(next_word(next_word(args, word), number), more);
	if (!strcmp(word, "tx_first") && !*number)
		tx_first = 1;
	else if (*word && (strcmp(word, "tx_first") != 0 || *more ||
	                   !word_number(number, &tx_first) || tx_first > TX_FIRST_MAX)) {
		console_printf("start: nothing, or tx_first and a number of bursts, at most %u\n",
		               TX_FIRST_MAX);
		return;
	}
	for (unsigned i = 0; i < pmd.nb_ports; i++) {
		if (pmd.ports[i]->stopped) {
			console_printf("Not all ports were started\n");
			return;
		}
	}
	if (pmd.running) {
		console_printf("Packet forwarding already started\n");
		return;
	}
	lcore_park();
	streams_begin(tx_first);
	lcore_resume();
	show_config("");
}

static void cmd_stop(const char *args)
{
	(void)args;
	if (!pmd.running) {
		console_printf("Packet forwarding not started\n");
		return;
	}
	console_printf("Telling cores to stop...\nWaiting for lcores to finish...\n");
	lcore_park();
	streams_end();
	lcore_resume();
	show_fwd_stats("");
	console_printf("\nDone.\n");
}

/* Packets take another way from now on: none may be left in rings that become other lcores'. */
static void empty_rings(void)
{
	for (unsigned i = 0; i < pmd.nb_ports; i++) {
		struct netdev *dev = pmd.ports[i];

		if (dev->stopped)
			continue;
		dev->ops->stop(dev);
		if (dev->ops->start(dev))
			console_printf("Fail to start port %u\n", dev->port);
	}
}

static void cmd_set_fwd(const char *args)
{
	const struct fwd_mode *mode = mode_named(args);
	const bool runs = pmd.running;

	if (!mode) {
		console_printf("Invalid %s packet forwarding mode: one of %s\n", args,
		               testpmd_options[0].allowed);
		return;
	}
	lcore_park();
	streams_end();
	if (mode->back != pmd.mode->back && pmd.nb_lcores > 1)
		empty_rings();
	pmd.mode = mode;
	if (runs)
		streams_begin(0);
	lcore_resume();
	console_printf("Set %s packet forwarding mode%s\n", mode->name,
	               pmd.retry ? " with retry" : "");
}

static const struct console_command testpmd_commands[] = {
    {"start", "forward; tx_first, bursts: which are generated before", cmd_start},
    {"stop", "forward no more, and say what was forwarded", cmd_stop},
    {"set fwd", "a mode, as of the option fwd", cmd_set_fwd},
    {"show config fwd", "from where to where which lcore forwards", show_config},
    {"show fwd stats all", "packets that testpmd forwarded and dropped", show_fwd_stats},
};

/* ---- set-up ------------------------------------------------------------------------------- */

static int testpmd_take_port(struct netdev *dev)
{
	pmd.ports[pmd.nb_ports++] = dev;
	/* as DPDK's, unless told not to; a device that cannot filter receives all anyway */
	if (!options_given("net.promisc", dev->port) && dev->ops->set_rx_mode)
		(void)dev->ops->set_rx_mode(dev, dev->rx_mode | NETDEV_RX_PROMISC);
	return 0;
}

static void read_options(void)
{
	pmd.mode = mode_named(options_get("fwd"));
	pmd.burst = (uint16_t)options_u64("burst");
	pmd.retry = options_u64("fwd_retry");
	(void)fwd_sizes_parse(options_get("txpkts"), &pmd.sizes);
}

static int testpmd_start(struct net_stack *st)
{
	unsigned nb_streams = 0;

	read_options();
	for (unsigned i = 0; i < pmd.nb_ports; i++)
		nb_streams += pmd.ports[i]->nb_queues;
	if (!nb_streams) {
		log_err("testpmd", "no port to forward from; give the machine a virtio network "
		                   "card");
		return -ENODEV;
	}
	pmd.streams = mem_alloc("testpmd", nb_streams * sizeof(*pmd.streams), CACHE_LINE);
	pmd.lcore = mem_alloc("testpmd", st->nb_lcores * sizeof(*pmd.lcore), CACHE_LINE);
	if (!pmd.streams || !pmd.lcore)
		return -ENOMEM;
	pmd.nb_lcores = st->nb_lcores;
	deal_queues(st->nb_lcores);
	streams_begin((unsigned)options_u64("tx_first"));
	for (unsigned i = 0; i < pmd.nb_ports; i++)
		log_info("testpmd", "port %u sends to port %u, fwd=%s", pmd.ports[i]->port,
		         way_out(i)->port, pmd.mode->name);
	console_add_commands(testpmd_commands, ARRAY_SIZE(testpmd_commands));
	return 0;
}

/* All is dealt out already. */
static int testpmd_start_lcore(struct net_stack *st)
{
	(void)st;
	return 0;
}

APP_REGISTER(testpmd) = {
    .name = "testpmd",
    .help = "forwards packets between ports, as DPDK's testpmd",
    .start = testpmd_start,
    .start_lcore = testpmd_start_lcore,
    .lcores_most = testpmd_lcores_most,
    .lcore_needs = "a queue that packets leave by",
    .poll = testpmd_poll,
    .busy = testpmd_generates,
    .take_port = testpmd_take_port,
    .options = testpmd_options,
    .nb_options = ARRAY_SIZE(testpmd_options),
};
