/*
 * Lcores: processors that each run a loop of their own, over queues that are theirs alone. The
 * first one is the one that booted: it has the console, the clock's work and all that concerns a
 * port as a whole. What it does to queues of the others it does while they are parked. Recipe:
 *
 *	n = lcore_plan(most, "a ...");		(by lcores=, the machine, and the work there is)
 *	lcore_start(i, loop, arg);		(1 <= i < n)
 *	...
 *	lcore_park();				(the first one: nobody else touches anything now)
 *	lcore_resume();
 *
 *	for (;;) { lcore_rest_if_asked(i); ... }	(the others, each turn)
 */
#ifndef KERNEL_LCORE_H
#define KERNEL_LCORE_H

#include "kernel/compiler.h"

#define LCORES_MAX 64
#define LCORE_PARK_NS 10000000000ull /* each of the others must have come to rest */
#define LCORE_PARK_WARN_NS 1000000000ull

/* For what reads counters of another lcore: single words that only their owner writes, an old value
 * is as good as a new one. */
#if defined(__SANITIZE_THREAD__)
#define READS_OTHERS __attribute__((no_sanitize("thread"), noipa))
#else
#define READS_OTHERS
#endif

typedef void (*lcore_fn)(void *arg);

/** lcores_valid() - is it a value of the option lcores: a count, or a list of processors as
 * 0-3,5? */
bool lcores_valid(const char *text);

/**
 * lcore_plan() - decide how many lcores there are
 * @most: so many can be given work
 * @each: what each of them needs for that, "a queue pair"
 *
 * Once. The caller is bound to the first processor, unless there is nothing to share; the others
 * have been started and wait for lcore_start(). One that does not start is told of and left out.
 * Return: 1..@most.
 */
unsigned lcore_plan(unsigned most, const char *each);

/** lcore_count() - what lcore_plan() returned, 1 before */
unsigned lcore_count(void);

/** lcore_start() - let lcore @i, one after the other, run @fn(@arg), which does not return */
void lcore_start(unsigned i, lcore_fn fn, void *arg);

/* Odd: the others are to rest. */
extern unsigned lcore_park_seq;

COLD void lcore_rest(unsigned i, unsigned seq);

/** lcore_run() - let @fn run on lcore @i, which has started, between two turns of its loop. From
 * the first lcore, which waits until it is done */
void lcore_run(unsigned i, lcore_fn fn, void *arg);

/** lcore_park() - from the first lcore: when it returns, no other is inside its loop's turn. May be
 * nested. Warns of one that does not come to rest within LCORE_PARK_WARN_NS, and panics after
 * LCORE_PARK_NS, of the time in which the first one runs */
void lcore_park(void);

/** lcore_resume() - once for each lcore_park() */
void lcore_resume(void);

/** lcore_asleep() - whoever has something for lcore @i, itself the caller, is to wake it from now
 * on, or not any more. What was there before is to be looked for behind the call */
void lcore_asleep(unsigned i, bool asleep);

/** lcore_wake() - there is something for lcore @i, which looks for it behind lcore_asleep() and
 * each turn. From any lcore, and from interrupt handlers */
void lcore_wake(unsigned i);

/** lcore_to_rest() - is lcore_rest_if_asked() going to wait? */
static inline bool lcore_to_rest(void)
{
	return __atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE) & 1;
}

/** lcore_rest_if_asked() - lcore @i has nothing in hand: it waits here while it is to be parked */
static inline void lcore_rest_if_asked(unsigned i)
{
	const unsigned seq = __atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE);

	if (unlikely(seq & 1))
		lcore_rest(i, seq);
}

#endif
