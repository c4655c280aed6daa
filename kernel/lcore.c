/*
 * How many lcores there are, on which processors, and parking them: the first lcore makes a
 * sequence number odd, the others see that between two turns of their loops, answer with the
 * number, and wait until it is another. What they did before is seen by the first one, and the
 * other way round: both numbers are written with release and read with acquire.
 */
#include "kernel/lcore.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/panic.h"
#include "kernel/plat.h"
#include <arch/cpu.h>

#define CPU_DIGITS 4
#define LIST_TEXT 64
#define PARK_STEP_NS 10000000ull /* more at a time is not time in which we ran */

struct wish {
	unsigned n;
	bool is_list;
	uint16_t cpu[LCORES_MAX]; /* as many of a list as there is room for; the count itself */
};

/* What the first lcore and another tell each other. */
struct lcore {
	unsigned seq;        /* for which it rests */
	bool asleep;         /* whoever has something for it wakes it */
	lcore_fn fn, errand; /* for ever, and between two turns */
	void *arg, *errand_arg;
} __attribute__((aligned(CACHE_LINE)));

static struct {
	unsigned others;         /* than the first */
	unsigned others_running; /* of these: they are to be parked */
	unsigned depth;          /* of lcore_park() */
	uint16_t cpu[LCORES_MAX];
	struct lcore lcore[LCORES_MAX];
} lcores;

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
	return 1 + lcores.others;
}

/* The processors: those of a list, else the machine's. Return: how many. */
static unsigned choose(unsigned most, const char *each)
{
	const char *text = options_get("lcores");
	unsigned n = plat_cpus(lcores.cpu, LCORES_MAX);
	const unsigned cpus = n;
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
		         "%u lcores instead of %u: each needs a processor, of which there are %u, "
		         "and %s, which is there for %u: net.rxq=",
		         n, w.n, cpus, each, most);
	return n;
}

/* The first one's processor is the first of them that it can go to. */
static void bind_first(unsigned n)
{
	uint16_t *cpu = lcores.cpu;

	for (unsigned i = 0; i < n; i++) {
		const uint16_t taken = cpu[i];

		if (plat_cpu_bind(taken) != 0)
			continue;
		cpu[i] = cpu[0];
		cpu[0] = taken;
		return;
	}
	log_warn("lcore",
	         "lcore 0 cannot be bound to processor %u: it stays where it is; lcores= names "
	         "others",
	         cpu[0]);
}

/* Where a processor starts. */
static void wait_for_job(void *arg)
{
	const struct lcore *l = arg;
	lcore_fn fn;

	while (!(fn = __atomic_load_n(&l->fn, __ATOMIC_ACQUIRE)))
		cpu_pause();
	fn(l->arg);
}

static const char *reason(int err)
{
	switch (err) {
	case -EINVAL:
		return "there is none, or it is taken: lcores= names others";
	case -ENOMEM:
		return "no memory for its stacks: give the machine more";
	case -EOPNOTSUPP:
		return "this machine has no way to start it";
	default:
		return "it does not answer";
	}
}

/* Return: how many lcores there are then, the first one too. */
static unsigned start_processors(unsigned n)
{
	unsigned started = 1;

	for (unsigned i = 1; i < n; i++) {
		const uint16_t cpu = lcores.cpu[i];
		const int err = plat_cpu_start(started, cpu, wait_for_job, &lcores.lcore[started]);

		if (err)
			log_warn("lcore", "lcore %u does not start on processor %u: %s", started,
			         cpu, reason(err));
		else
			lcores.cpu[started++] = cpu;
	}
	return started;
}

unsigned lcore_plan(unsigned most, const char *each)
{
	unsigned n;

	if (most == 1 && !options_given("lcores", 0))
		return 1; /* wherever it may run */
	n = choose(most, each);
	if (n == 1 && !options_given("lcores", 0))
		return 1;
	bind_first(n);
	n = start_processors(n);
	lcores.others = n - 1;
	for (unsigned i = 0; i < n; i++)
		log_info("lcore", "lcore %u on processor %u", i, lcores.cpu[i]);
	return n;
}

void lcore_start(unsigned i, lcore_fn fn, void *arg)
{
	lcores.lcore[i].arg = arg;
	__atomic_store_n(&lcores.lcore[i].fn, fn, __ATOMIC_RELEASE);
	lcores.others_running = i;
}

/* ---- sleep -------------------------------------------------------------------------------- */

void lcore_asleep(unsigned i, bool asleep)
{
	__atomic_store_n(&lcores.lcore[i].asleep, asleep, __ATOMIC_RELAXED);
	/* full: asleep before the look for work; with the fence below one of both sees the other */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void lcore_wake(unsigned i)
{
	/* full: the work before the look whether somebody sleeps */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&lcores.lcore[i].asleep, __ATOMIC_RELAXED))
		plat_wake(i);
}

/* ---- parking ------------------------------------------------------------------------------ */

static bool rests(unsigned i, unsigned seq)
{
	return __atomic_load_n(&lcores.lcore[i].seq, __ATOMIC_ACQUIRE) == seq;
}

/* Counted is only time in which this one ran: a thread or a virtual processor may lose its turn,
 * and a process or a machine be stopped, with or without this one. */
static void wait_for_rest(unsigned i, unsigned seq)
{
	uint64_t last_ns = plat_time_ns(), waited_ns = 0;
	bool told = false;

	while (!rests(i, seq)) {
		const uint64_t now_ns = plat_time_ns();

		waited_ns += min_u64(now_ns - last_ns, PARK_STEP_NS);
		last_ns = now_ns;
		if (waited_ns > LCORE_PARK_NS)
			panic("lcore %u does not come to rest", i);
		if (waited_ns > LCORE_PARK_WARN_NS && !told) {
			told = true;
			log_warn("lcore",
			         "lcore %u has not come to rest for 1 s: is its processor shared?",
			         i);
		}
		cpu_pause();
	}
}

void lcore_park(void)
{
	const unsigned seq = lcore_park_seq + 1;

	if (lcores.depth++ || !lcores.others_running)
		return;
	__atomic_store_n(&lcore_park_seq, seq, __ATOMIC_RELEASE);
	for (unsigned i = 1; i <= lcores.others_running; i++)
		lcore_wake(i);
	for (unsigned i = 1; i <= lcores.others_running; i++)
		wait_for_rest(i, seq);
}

void lcore_resume(void)
{
	if (--lcores.depth || !lcores.others_running)
		return;
	__atomic_store_n(&lcore_park_seq, lcore_park_seq + 1, __ATOMIC_RELEASE);
}

void lcore_rest(unsigned i, unsigned seq)
{
	struct lcore *l = &lcores.lcore[i];

	if (l->errand)
		l->errand(l->errand_arg);
	__atomic_store_n(&l->seq, seq, __ATOMIC_RELEASE);
	while (__atomic_load_n(&lcore_park_seq, __ATOMIC_ACQUIRE) == seq)
		cpu_pause();
}

void lcore_run(unsigned i, lcore_fn fn, void *arg)
{
	if (i == 0) {
		fn(arg);
		return;
	}
	lcores.lcore[i].errand_arg = arg;
	lcores.lcore[i].errand = fn;
	lcore_park();
	lcores.lcore[i].errand = NULL;
	lcore_resume();
}
