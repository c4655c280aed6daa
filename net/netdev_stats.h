/*
 * The counters of all ports on the console, as a table for people or as JSON lines for programs,
 * with what the main loop spends on a packet. Recipe:
 *
 *	stats_init(&s, STATS_TEXT, period_ns);
 *	each turn of the loop:	stats_work(&s.effort, cycles_of_the_turn, packets);
 *	now and then:		stats_poll(&s, plat_time_ns());
 *	at the end:		stats_print_now(&s, plat_time_ns());
 */
#ifndef NET_NETDEV_STATS_H
#define NET_NETDEV_STATS_H

#include "kernel/lcore.h"
#include "net/netdev.h"

/* Rows that the table shows; with more queues than that it has one row for a port. */
#define STATS_ROWS_MAX 64
static_assert(STATS_ROWS_MAX >= NETDEV_PORTS_MAX, "a row for each port");

enum stats_mode { STATS_OFF, STATS_TEXT, STATS_JSON };

/* What a loop did, since its start; stats_work() */
struct stats_effort {
	uint64_t total_cycles;
	uint64_t busy_cycles; /* of turns that handled packets */
	uint64_t busy_packets;
};

struct stats_printer {
	struct stats_effort effort; /* of the first lcore */
	/* of lcore i; NULL for the first */
	const struct stats_effort *effort_of[LCORES_MAX];
	struct stats_effort seen[LCORES_MAX]; /* at the end of the last period */
	unsigned nb_lcores;

	enum stats_mode mode;
	uint64_t period_ns;
	uint64_t next_ns; /* 0: not polled yet */
	uint64_t last_ns;
	unsigned rows_to_header;
	bool active; /* something happened in the last period */
	struct netdev_stats last[STATS_ROWS_MAX];
};

/** netdev_stats_collect() - the counters of one queue pair */
void netdev_stats_collect(const struct netdev *dev, uint16_t queue, struct netdev_stats *out);

/** stats_init() - print every @period_ns, more than 0 */
void stats_init(struct stats_printer *s, enum stats_mode mode, uint64_t period_ns);

/** stats_add_lcore() - the next lcore's effort is counted here */
void stats_add_lcore(struct stats_printer *s, const struct stats_effort *effort);

/** stats_work() - a turn of the lcore's loop took @cycles and handled @packets */
static inline void stats_work(struct stats_effort *e, uint64_t cycles, unsigned packets)
{
	e->total_cycles += cycles;
	e->busy_cycles += packets ? cycles : 0;
	e->busy_packets += packets;
}

/**
 * stats_poll() - print when a period is over
 *
 * The first period starts with the first call. JSON lines come every period, for every queue; the
 * table only shows periods in which something happened and the first one thereafter, so that an
 * idle machine's console stays still. A row has the rates of packets and megabits, totals of
 * packets, errors, drops and refills without a buffer, the rates of kicks and interrupts, cycles
 * per packet and the share of the loop's time that went into packets.
 */
void stats_poll(struct stats_printer *s, uint64_t now_ns);

/** stats_print_now() - print in any case, unless the mode is STATS_OFF */
void stats_print_now(struct stats_printer *s, uint64_t now_ns);

#endif
