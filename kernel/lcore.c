/*
 * How many lcores there are, on which processors, and parking them: the first lcore makes a
 * sequence number odd, the others see that between two turns of their loops, answer with the
 * number, and wait until it is another. What they did before is seen by the first one, and the
 * other way round: both numbers are written with release and read with acquire.
 */
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define CPU_DIGITS 4
#define LIST_TEXT 64

struct wish {
	unsigned n;
	bool is_list;
	uint16_t cpu[LCORES_MAX]; /* as many of a list as there is room for; the count itself */
};

struct rest {
	unsigned seq; /* for which the lcore rests */
	bool asleep;  /* whoever has something for it wakes it */
} __attribute__((aligned(CACHE_LINE)));

static struct {
	unsigned n;
	unsigned running; /* these are to be parked, and the first one */
	unsigned depth;   /* of lcore_park() */
	uint16_t cpu[LCORES_MAX];
	struct rest rest[LCORES_MAX];
} lcores = {.n = 1, .running = 1};

unsigned lcore_park_seq;

/* ---- the option --------------------------------------------------------------------------- */

static bool number(const char **text, unsigned *out)
{
	unsigned digits = 0;

	*out = 0;
	for (; **text >= '0' && **text <= '9' && digits < CPU_DIGITS; digits++)
		*out = *out * 10 + (unsigned)(*(*text)++ - '0');
	return digits > 0;
}

static bool parse(const char *text, struct wish *w)
{
	unsigned from, to;

	*w = (struct wish){.n = 0};
	for (;; text++) {
		if (!number(&text, &from))
			return false;
		to = from;
		if (*text == '-') {
			text++;
			w->is_list = true;
			if (!number(&text, &to) || to < from)
				return false;
		}
		for (; from <= to; from++, w->n++) {
			if (w->n < LCORES_MAX)
				w->cpu[w->n] = (uint16_t)from;
		}
		if (*text != ',')
			break;
		w->is_list = true;
	}
	if (!w->is_list)
		w->n = w->cpu[0];
	return !*text && w->n;
}

bool lcores_valid(const char *text)
{
	struct wish w;

	return parse(text, &w);
}

/* ---- how many ----------------------------------------------------------------------------- */

unsigned lcore_count(void)
{
	return LCORES_MAX > 1 ? lcores.n : 1;
}

/* The processors: those of a list, else the machine's. Return: how many. */
static unsigned choose(unsigned most)
{
	const char *text = options_get("lcores");
	unsigned n = plat_cpus(lcores.cpu, LCORES_MAX);
	struct wish w = {.n = 0};

	if (text && parse(text, &w) && w.is_list) {
		n = (unsigned)min_u64(w.n, LCORES_MAX);
		for (unsigned i = 0; i < n; i++)
			lcores.cpu[i] = w.cpu[i];
	} else if (w.n) {
		n = (unsigned)min_u64(n, w.n);
	}
	n = (unsigned)max_u64(min_u64(n, most), 1);
	if (w.n > n)
		log_info("lcore",
		         "%u lcores instead of %u: each needs a processor, and a queue pair of "
		         "every port",
		         n, w.n);
	return n;
}

unsigned lcore_plan(unsigned most)
{
	if (LCORES_MAX == 1 && options_given("lcores", 0))
		log_info("lcore", "one lcore: other processors are not started on this platform");
	if (LCORES_MAX == 1)
		return 1;
	lcores.n = choose(most);
	if (lcores.n == 1 && !options_given("lcores", 0))
		return 1; /* wherever it may run */
	if (plat_cpu_bind(lcores.cpu[0]))
		log_warn("lcore", "lcore 0 cannot be bound to processor %u: lcores= names others",
		         lcores.cpu[0]);
	for (unsigned i = 0; i < lcores.n; i++)
		log_info("lcore", "lcore %u on processor %u", i, lcores.cpu[i]);
	return lcores.n;
}

void lcore_start(unsigned i, lcore_fn fn, void *arg)
{
	if (LCORES_MAX > 1 && plat_cpu_start(i, lcores.cpu[i], fn, arg))
		panic("lcore %u does not start on processor %u: lcores= names others", i,
		      lcores.cpu[i]);
	lcores.running = i + 1;
}

/* ---- sleep -------------------------------------------------------------------------------- */

void lcore_tell_asleep(unsigned i, bool asleep)
{
	__atomic_store_n(&lcores.rest[i].asleep, asleep, __ATOMIC_RELAXED);
	/* full: asleep before the look for work; with the fence below one of both sees the other */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void lcore_wake_asleep(unsigned i)
{
	/* full: the work before the look whether somebody sleeps */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&lcores.rest[i].asleep, __ATOMIC_RELAXED))
		plat_wake(i);
}

/* ---- parking ------------------------------------------------------------------------------ */

static bool rests(unsigned i, unsigned seq)
{
	return __atomic_load_n(&lcores.rest[i].seq, __ATOMIC_ACQUIRE) == seq;
}

void lcore_park_others(void)
{
	const unsigned seq = lcore_park_seq + 1;
	uint64_t deadline_ns;

	if (LCORES_MAX == 1 || lcores.depth++ || lcores.running == 1)
		return;
	deadline_ns = plat_time_ns() + LCORE_PARK_NS;
	__atomic_store_n(&lcore_park_seq, seq, __ATOMIC_RELEASE);
	for (unsigned i = 1; i < lcores.running; i++)
		lcore_wake(i);
	for (unsigned i = 1; i < lcores.running; i++) {
		while (!rests(i, seq)) {
			if (plat_time_ns() > deadline_ns)
				panic("lcore %u does not come to rest", i);
			cpu_pause();
		}
	}
}

void lcore_resume_others(void)
{
	if (LCORES_MAX == 1 || --lcores.depth || lcores.running == 1)
		return;
	__atomic_store_n(&lcore_park_seq, lcore_park_seq + 1, __ATOMIC_RELEASE);
}

void lcore_rest(unsigned i, unsigned seq)
{
	__atomic_store_n(&lcores.rest[i].seq, seq, __ATOMIC_RELEASE);
	while (__atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE) == seq)
		cpu_pause();
}
