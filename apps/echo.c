/* UDP echo (RFC 862): port 7 sends every datagram for us alone back, payload untouched. */
#include "apps/app.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "net/mempool.h"
#include "net/udp.h"

#define ECHO_PORT 7
#define CHARGEN_PORT 19

/* Of an lcore. */
static struct echo_stats {
	uint64_t echoed;    /* given to the stack */
	uint64_t looped;    /* dropped: the answer would be answered, for ever */
	uint64_t broadcast; /* dropped: all of a network's answers would hit one victim */
} __attribute__((aligned(CACHE_LINE))) echo_stats[LCORES_MAX];

/* Nothing listens on port 0; echo and chargen answer answers. (Broadcast sources, and our own
 * address, do not get through IPv4.) */
static inline bool echo_would_loop(be16 port)
{
	return !(port & ~cpu_to_be16(0x1f)) &&
	       (port == 0 || port == cpu_to_be16(ECHO_PORT) || port == cpu_to_be16(CHARGEN_PORT));
}

static void echo_recv(struct udp_pcb *pcb, struct mbuf *m, const struct udp_addr *from)
{
	struct echo_stats *stats = pcb->arg;

	if (unlikely(echo_would_loop(from->port))) {
		stats->looped++;
		mbuf_free(m);
		return;
	}
	if (unlikely(from->broadcast)) {
		stats->broadcast++;
		mbuf_free(m);
		return;
	}
	stats->echoed++;
	(void)udp_reply_unchanged(pcb, m, from);
}

static READS_OTHERS struct echo_stats echo_sum(void)
{
	struct echo_stats sum = {.echoed = 0};

	for (unsigned i = 0; i < LCORES_MAX; i++) {
		sum.echoed += echo_stats[i].echoed;
		sum.looped += echo_stats[i].looped;
		sum.broadcast += echo_stats[i].broadcast;
	}
	return sum;
}

static void echo_show(const char *args)
{
	const struct echo_stats sum = echo_sum();

	(void)args;
	console_printf("echo: %llu echoed, %llu dropped because they would loop, "
	               "%llu dropped because they were broadcast\n",
	               (unsigned long long)sum.echoed, (unsigned long long)sum.looped,
	               (unsigned long long)sum.broadcast);
}

static const struct console_command echo_commands[] = {
    {"show echo", "datagrams echoed and dropped by app=echo", echo_show},
};

static int echo_start_lcore(struct net_stack *st)
{
	struct udp_pcb *pcb = udp_bind(st, ECHO_PORT, echo_recv, &echo_stats[st->lcore]);

	if (pcb) {
		pcb->takes_uso = true; /* it goes back as it came */
		return 0;
	}
	log_err("echo", "UDP port %d is taken: no other application may use it", ECHO_PORT);
	return -EADDRINUSE;
}

static int echo_start(struct net_stack *st)
{
	console_add_commands(echo_commands, ARRAY_SIZE(echo_commands));
	return echo_start_lcore(st);
}

APP_REGISTER(echo) = {
    .name = "echo",
    .help = "UDP echo on port 7 (RFC 862)",
    .start = echo_start,
    .start_lcore = echo_start_lcore,
};
