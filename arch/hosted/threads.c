/*
 * Lcores of a process: threads, each bound to a processor that the process may use. They take no
 * signals but crashes: those are for the first one, which looks whether it is asked to end.
 */
#define _GNU_SOURCE
#include "kernel/plat.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#define CPUS_MAX 1024

struct start {
	unsigned lcore;
	void (*fn)(void *arg);
	void *arg;
};

static __thread unsigned own_lcore;
static cpu_set_t taken; /* by lcores */

unsigned plat_lcore(void)
{
	return own_lcore;
}

unsigned plat_cpus(uint16_t *cpus, unsigned max)
{
	cpu_set_t set;
	unsigned n = 0;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	(void)sched_getaffinity(0, sizeof(set), &set); /* if it fails: the first */
	for (unsigned i = 0; i < CPUS_MAX && n < max; i++) {
		if (CPU_ISSET(i, &set))
			cpus[n++] = (uint16_t)i;
	}
	return n;
}

int plat_cpu_bind(uint16_t cpu)
{
	cpu_set_t set;

	if (cpu >= CPUS_MAX)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return -EINVAL;
	CPU_SET(cpu, &taken);
	return 0;
}

static void *run(void *arg)
{
	const struct start s = *(struct start *)arg;

	free(arg);
	own_lcore = s.lcore;
	s.fn(s.arg);
	return NULL;
}

int plat_cpu_start(unsigned lcore, uint16_t cpu, void (*fn)(void *arg), void *arg)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
	struct start *s = malloc(sizeof(*s));
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;
	sigset_t all, before;
	int err;

	if (!s || cpu >= CPUS_MAX || CPU_ISSET(cpu, &taken) || pthread_attr_init(&attr)) {
		free(s);
		return -EINVAL;
	}
	*s = (struct start){lcore, fn, arg};
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	sigfillset(&all);
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		sigdelset(&all, crashes[i]);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&thread, &attr, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		free(s);
	else
		CPU_SET(cpu, &taken);
	return err ? -err : 0;
}
