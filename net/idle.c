/* When lcores sleep, and until when. See net/idle.h. */
#include "net/idle.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "net/share.h"
#include "net/stack.h"
#include <arch/cpu.h>

/* ---- set-up ------------------------------------------------------------------------------- */

static bool is_ours(const struct net_stack *st, const struct netdev *dev, unsigned q)
{
	return dev->queue[q].lcore == st->lcore;
}

/* Return: how many queues are this lcore's. */
static unsigned route(const struct net_stack *st, struct netdev *dev)
{
	unsigned n = 0;

	for (unsigned q = 0; q < dev->nb_queues; q++) {
		if (!is_ours(st, dev, q))
			continue;
		n++;
		if (dev->mode != NETDEV_POLL && dev->ops->rx_route)
			dev->ops->rx_route(dev, (uint16_t)q, st->lcore);
	}
	return n;
}

void idle_init(struct idle *idle, struct net_stack *st)
{
	const struct netdev *polled = NULL, *sleeper = NULL;

	*idle = (struct idle){.st = st, .tokens = {IDLE_TELL_BURST, plat_time_ns()}};
	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);

		if (!route(st, dev))
			continue;
		if (dev->mode == NETDEV_POLL || !dev->ops->rx_route) {
			polled = dev;
			continue;
		}
		sleeper = dev;
		if (dev->mode == NETDEV_ADAPTIVE)
			idle->patience_cycles = plat_cycles_hz() / (NS_PER_S / IDLE_ADAPTIVE_NS);
	}
	idle->on = sleeper && !polled;
	if (sleeper && polled)
		log_warn("net",
		         "lcore %u never sleeps: it polls port %u, so that port %u is polled, too, "
		         "whatever net.mode says",
		         st->lcore, polled->port, sleeper->port);
}

/* ---- sleeping ----------------------------------------------------------------------------- */

bool idle_wants(struct idle *idle, uint64_t packets, uint64_t now)
{
	if (packets != idle->packets_seen || !idle->empty_cycles) {
		idle->packets_seen = packets;
		idle->empty_cycles = now;
	}
	return now - idle->empty_cycles >= idle->patience_cycles;
}

/* What other lcores have put there: they wake us behind that. */
static bool is_waiting(const struct netdev *dev, unsigned q)
{
	return dev->rx_waiting && dev->rx_waiting(dev, (uint16_t)q);
}

/* Return: all queues are quiet, and none will stay so silently. */
static bool arm(const struct net_stack *st)
{
	bool quiet = true;

	for (unsigned i = 0; i < netdev_count() && quiet; i++) {
		struct netdev *dev = netdev_get(i);

		for (unsigned q = 0; q < dev->nb_queues && quiet; q++)
			quiet = !is_ours(st, dev, q) ||
			        (dev->ops->rx_arm(dev, (uint16_t)q) && !is_waiting(dev, q));
	}
	return quiet;
}

/* Return: has any of them packets? The last such is remembered. */
static bool disarm(struct idle *idle)
{
	const struct net_stack *st = idle->st;
	bool packets = false;

	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);

		for (unsigned q = 0; q < dev->nb_queues; q++) {
			if (!is_ours(st, dev, q) ||
			    (!dev->ops->rx_disarm(dev, (uint16_t)q) && !is_waiting(dev, q)))
				continue;
			packets = true;
			idle->port = dev->port;
			idle->queue = (uint16_t)q;
		}
	}
	return packets;
}

static bool has_news(const struct net_stack *st)
{
	bool news = false;

	for (unsigned i = 0; !st->lcore && i < netdev_count(); i++)
		news |= __atomic_load_n(&netdev_get(i)->news, __ATOMIC_RELAXED);
	return news;
}

/* Behind the wishes to be woken: is there anything to do? */
static bool is_quiet(const struct net_stack *st)
{
	return arm(st) && !has_news(st) && (!st->lcore || !lcore_to_rest()) &&
	       !net_share_waiting(st);
}

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

bool idle_sleep(struct idle *idle, uint64_t until_ns)
{
	const unsigned lcore = idle->st->lcore;
	bool packets;

	plat_rest_begin();
	lcore_asleep(lcore, true);
	if (!is_quiet(idle->st))
		until_ns = 0;
	else if (idle->sleeps == idle->wakes)
		count(&idle->sleeps);
	plat_rest(until_ns);
	lcore_asleep(lcore, false);
	packets = disarm(idle);
	if (packets && idle->sleeps != idle->wakes)
		count(&idle->wakes);
	return packets;
}

/* ---- telling ------------------------------------------------------------------------------ */

READS_OTHERS void idle_tell(struct idle *idle, idle_tell_fn fn, uint64_t now_ns)
{
	const uint64_t wakes = __atomic_load_n(&idle->wakes, __ATOMIC_RELAXED);
	const uint64_t sleeps = __atomic_load_n(&idle->sleeps, __ATOMIC_RELAXED);
	struct idle_news news = {.lcore = idle->st->lcore};

	if ((wakes == idle->wakes_told && sleeps == idle->sleeps_told) ||
	    !net_take_token(&idle->tokens, now_ns, IDLE_TELL_PER_S, IDLE_TELL_BURST))
		return;
	/* what it did last is told last */
	for (unsigned i = 0; i < 2; i++) {
		const bool woken = (i == 0) == (sleeps != wakes);
		uint64_t *told = woken ? &idle->wakes_told : &idle->sleeps_told;

		news.times = (woken ? wakes : sleeps) - *told;
		*told += news.times;
		news.woken_by = woken ? netdev_get(idle->port) : NULL;
		news.queue = idle->queue;
		if (news.times)
			fn(&news);
	}
}
