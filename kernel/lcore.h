/*
 * Lcores: processors that each run a loop of their own, over queues that are theirs alone. The
 * first one is the one that booted: it has the console, the clock's work and all that concerns a
 * port as a whole. What it does to queues of the others it does while they are parked. Recipe:
 *
 *	n = lcore_plan(most);			(by lcores=, the machine, and the work there is)
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

#ifndef LCORES_MAX
#define LCORES_MAX 1 /* a platform that can start processors is built with more */
#endif
#define LCORE_PARK_NS 1000000000ull /* all others must have come to rest */

/* For what reads counters of another lcore: single words that only their owner writes, an old value
 * is as good as a new one. */
#if defined(__SANITIZE_THREAD__)
#define READS_OTHERS __attribute__((no_sanitize("thread"), noinline))
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
 *
 * Once. With more than one, the caller is bound to the first processor. Return: 1..@most.
 */
unsigned lcore_plan(unsigned most);

/** lcore_count() - what lcore_plan() returned, 1 before */
unsigned lcore_count(void);

/** lcore_start() - let lcore @i, one after the other, run @fn(@arg), which does not return. Panics
 * when there is no such processor after all */
void lcore_start(unsigned i, lcore_fn fn, void *arg);

/* Odd: the others are to rest. */
extern unsigned lcore_park_seq;

void lcore_park_others(void);
void lcore_resume_others(void);
COLD void lcore_rest(unsigned i, unsigned seq);

/** lcore_park() - from the first lcore: when it returns, no other is inside its loop's turn. May be
 * nested. Panics when one does not come to rest within LCORE_PARK_NS */
static inline void lcore_park(void)
{
	if (LCORES_MAX > 1)
		lcore_park_others();
}

/** lcore_resume() - once for each lcore_park() */
static inline void lcore_resume(void)
{
	if (LCORES_MAX > 1)
		lcore_resume_others();
}

void lcore_tell_asleep(unsigned i, bool asleep);
void lcore_wake_asleep(unsigned i);

/** lcore_asleep() - whoever has something for lcore @i, itself the caller, is to wake it from now
 * on, or not any more. What was there before is to be looked for behind the call */
static inline void lcore_asleep(unsigned i, bool asleep)
{
	if (LCORES_MAX > 1)
		lcore_tell_asleep(i, asleep);
}

/** lcore_wake() - there is something for lcore @i, which looks for it behind lcore_asleep() and
 * each turn. From any lcore, and from interrupt handlers */
static inline void lcore_wake(unsigned i)
{
	if (LCORES_MAX > 1)
		lcore_wake_asleep(i);
}

/** lcore_to_rest() - is lcore_rest_if_asked() going to wait? */
static inline bool lcore_to_rest(void)
{
	return LCORES_MAX > 1 && (__atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE) & 1);
}

/** lcore_rest_if_asked() - lcore @i has nothing in hand: it waits here while it is to be parked */
static inline void lcore_rest_if_asked(unsigned i)
{
	const unsigned seq = __atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE);

	if (unlikely(seq & 1))
		lcore_rest(i, seq);
}

#endif
