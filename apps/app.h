/*
 * An application: a file in this folder. It registers itself, and the option app=NAME chooses
 * it:
 *
 *	static int echo_start(struct net_stack *st) { ... udp_bind(st, 7, ...) ... }
 *
 *	APP_REGISTER(echo) = {
 *		.name = "echo",
 *		.help = "UDP echo on port 7 (RFC 862)",
 *		.start = echo_start,
 *	};
 */
#ifndef APPS_APP_H
#define APPS_APP_H

#include "kernel/options.h"
#include "net/idle.h"
#include "net/net_stack.h"

struct app {
	const char *name;
	const char *help;
	/* NULL: ports belong to the stack. Else each port that was started is the application's,
	 * which polls it itself, and the stack does not see it. Before @start. 0, or -Exxx */
	int (*take_port)(struct netdev *dev);
	/* before the first poll; -Exxx, already logged, ends the boot */
	int (*start)(struct net_stack *st);
	/* after @start, for the stack of each further lcore (st->lcore); -Exxx, already logged,
	 * ends the boot. It and @poll then run on several lcores, and share nothing that is written
	 * but counters. NULL: the application runs on one lcore */
	int (*start_lcore)(struct net_stack *st);
	/* NULL: as many lcores have work as there are queue pairs of ports of the stack. Else this
	 * says how many, before @start, and @lcore_needs what each needs: "a queue pair of ..." */
	unsigned (*lcores_most)(const struct net_stack *st);
	const char *lcore_needs;
	/* each turn after the stack's own poll; NULL: none. Return: packets it handled */
	unsigned (*poll)(struct net_stack *st);
	/* NULL: never. After @start, now and then: has it work although nothing comes in? Then no
	 * lcore sleeps */
	bool (*busy)(void);
	/* not NULL: ports wait for interrupts unless net.mode says otherwise, and this is told of
	 * lcores that fall asleep and are woken up (net/idle.h), by the first one */
	idle_tell_fn tell_idle;
	/* keys it owns; declared before the command line is read */
	const struct option *options;
	unsigned nb_options;
};

/* All registered applications lie one behind the other between these; the linker sets them. */
extern const struct app __start_ringzero_apps[], __stop_ringzero_apps[];

#define APP_REGISTER(id)                                                                           \
	static const struct app app_##id                                                           \
	    __attribute__((used, section("ringzero_apps"), aligned(__alignof__(struct app))))

#endif
