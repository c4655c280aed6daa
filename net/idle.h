/*
 * What an lcore does when nothing comes in. With net.mode=poll it looks again; with interrupt it
 * sleeps at the first turn of its loop that found nothing, with adaptive when nothing has come for
 * IDLE_ADAPTIVE_NS. An lcore sleeps only if none of its ports is polled, and until
 *
 *	a packet comes		its queues' interrupts, which are on as long as it sleeps
 *	something is for it	lcore_wake(): it is to be parked, another stack has told something
 *	a port has news		of the first lcore: netdev.news
 *	a timer is due		as the caller says
 *
 * Nothing is missed: first it says that it sleeps and asks for interrupts, then it looks for all of
 * the above once more, and whatever comes later than that ends plat_rest(). Recipe, each turn:
 *
 *	if (!packets && idle.on && idle_wants(&idle, effort.busy_packets, cpu_cycles()))
 *		idle_sleep(&idle, until_ns);
 */
#ifndef NET_IDLE_H
#define NET_IDLE_H

#include "net/net_stack.h"

/* About as long as it takes to fall asleep and to be woken up again: so nobody pays more than twice
 * what was possible, whatever comes when. */
#define IDLE_ADAPTIVE_NS 50000ull

struct idle {
	bool on; /* it may sleep at all */
	struct net_stack *st;
	uint64_t patience_cycles; /* it sleeps when nothing came for so long */
	uint64_t packets_seen;    /* all that had come when it looked last ... */
	uint64_t empty_cycles;    /* ... and when nothing more had come first */
	/* it fell asleep, a packet woke it: times. Read by the first lcore, too */
	uint64_t sleeps, wakes;
	uint16_t port, queue; /* of that packet */
	/* the first lcore's: what it has told of them */
	uint64_t sleeps_told, wakes_told;
	struct token_bucket tokens;
} __attribute__((aligned(CACHE_LINE)));

/** idle_init() - for the lcore of @st. All ports are there, and how many lcores there are is
 * known. Interrupts go to the right lcores from now on */
void idle_init(struct idle *idle, struct net_stack *st);

/**
 * idle_wants() - is it time to sleep?
 * @packets: that this lcore's loop has handled in all; none in this turn
 * @now:     cpu_cycles()
 */
bool idle_wants(struct idle *idle, uint64_t packets, uint64_t now);

/** idle_sleep() - sleep until there is something to do, at the latest until @until_ns. Return: has
 * a packet ended it? */
bool idle_sleep(struct idle *idle, uint64_t until_ns);

/* What an application may be told of an lcore; @woken_by is NULL when it falls asleep. @times it
 * has done so since that was told last, at least once */
struct idle_news {
	unsigned lcore;
	const struct netdev *woken_by;
	uint16_t queue;
	uint64_t times;
};
typedef void (*idle_tell_fn)(const struct idle_news *news);

#define IDLE_TELL_PER_S 1
#define IDLE_TELL_BURST 10

/** idle_tell() - tell of an lcore's sleep, if there is anything new, and not more often than
 * IDLE_TELL_PER_S after the first few; by the first lcore, now and then */
void idle_tell(struct idle *idle, idle_tell_fn fn, uint64_t now_ns);

#endif
