/* When lcores sleep, and until when. See net/idle.h. */
#include "net/idle.h"
#include "kernel/lcore.h"
#include "kernel/plat.h"
#include "net/share.h"
#include "net/stack.h"
#include <arch/cpu.h>

/* ---- set-up ------------------------------------------------------------------------------- */

/* Its queues are those of the stack, or, of a port that an application has taken, the same. */
static void route(const struct net_stack *st, struct netdev *dev)
{
	for (unsigned q = st->lcore; q < dev->nb_queues; q += st->nb_lcores)
		dev->ops->rx_route(dev, (uint16_t)q, st->lcore);
}

void idle_init(struct idle *idle, struct net_stack *st)
{
	*idle = (struct idle){.on = netdev_count() > 0,
	                      .st = st,
	                      .tokens = {IDLE_TELL_BURST, plat_time_ns()}};
	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);

		if (dev->mode == NETDEV_POLL || !dev->ops->rx_route) {
			idle->on = false;
			continue;
		}
		if (dev->mode == NETDEV_ADAPTIVE)
			idle->patience_cycles = plat_cycles_hz() / (NS_PER_S / IDLE_ADAPTIVE_NS);
		route(st, dev);
	}
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

/* Return: all queues are quiet, and none will stay so silently. */
static bool arm(const struct net_stack *st)
{
	bool quiet = true;

	for (unsigned i = 0; i < netdev_count() && quiet; i++) {
		struct netdev *dev = netdev_get(i);

		for (unsigned q = st->lcore; q < dev->nb_queues && quiet; q += st->nb_lcores)
			quiet = dev->ops->rx_arm(dev, (uint16_t)q);
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

		for (unsigned q = st->lcore; q < dev->nb_queues; q += st->nb_lcores) {
			if (!dev->ops->rx_disarm(dev, (uint16_t)q))
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
