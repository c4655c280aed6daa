/*
 * What a packet costs in each path: cycles, and instructions counted one by one, of the driver's
 * functions alone. A device that completes everything at once stands behind the rings; its work is
 * outside of what is measured.
 *
 *	vec_paths cycles|instructions [BURST]
 *
 * Instructions: the program runs itself under ptrace in single steps between the two marks.
 */
#include "drivers/virtio/vnet_paths.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "tests/vec/host_isa.h"
#include "tests/vec/ring_dev.h"
#include <arch/cpu.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define NENTRIES 256
#define ROUNDS 1000
#define STEPPED_ROUNDS 24

static unsigned burst = 32;
static bool stepping;

/* Single stepping goes from one of these to the next. */
static void NOINLINE mark(void)
{
	if (stepping)
		raise(SIGUSR1);
}

static uint64_t run_rx(struct ring_port *p, const struct vnet_path *path, unsigned rounds)
{
	struct mbuf *pkts[256];
	uint64_t cycles = 0;

	for (unsigned r = 0; r < rounds; r++) {
		ring_dev_run(&p->rx, burst);

		const uint64_t from = cpu_cycles();

		mark();
		const uint16_t n = path->rx(&p->rxq, pkts, (uint16_t)burst);
		mark();
		cycles += cpu_cycles() - from;
		if (n != burst)
			abort();
		for (unsigned i = 0; i < n; i++)
			mbuf_free(pkts[i]);
	}
	return cycles;
}

static uint64_t run_tx(struct ring_port *p, const struct vnet_path *path, unsigned rounds)
{
	struct mbuf *pkts[256];
	uint64_t cycles = 0;

	for (unsigned r = 0; r < rounds; r++) {
		ring_dev_run(&p->tx, NENTRIES);
		for (unsigned i = 0; i < burst; i++) {
			pkts[i] = mbuf_alloc(p->pool);
			pkts[i]->data_len = 64;
			pkts[i]->pkt_len = 64;
		}

		const uint64_t from = cpu_cycles();

		mark();
		const uint16_t n = path->tx(&p->txq, pkts, (uint16_t)burst);
		mark();
		cycles += cpu_cycles() - from;
		if (n != burst)
			abort();
	}
	return cycles;
}

static double measure(const struct vnet_path *path, uint64_t features, bool rx, unsigned rounds)
{
	static struct ring_port p;
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < (stepping ? 1 : 15); i++) {
		uint64_t cycles;

		ring_port_open(&p, features, NENTRIES);
		if (rx)
			path->rx(&p.rxq, NULL, 0);
		cycles = rx ? run_rx(&p, path, rounds) : run_tx(&p, path, rounds);
		if (cycles < best)
			best = cycles;
		ring_port_drain(&p);
	}
	return (double)best / (rounds * burst);
}

/* ---- counting instructions ---------------------------------------------------------------- */

/* Steps of the child between pairs of marks, without those of the marks themselves. */
static uint64_t step_child(pid_t child)
{
	uint64_t steps = 0;
	bool inside = false;
	int status;

	while (waitpid(child, &status, 0) == child && !WIFEXITED(status)) {
		int sig = WSTOPSIG(status);

		if (sig == SIGUSR1)
			inside = !inside;
		else if (inside)
			steps++;
		ptrace(inside ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL, NULL);
	}
	return steps;
}

static uint64_t count(const struct vnet_path *path, uint64_t features, bool rx, unsigned rounds)
{
	const pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		stepping = true;
		measure(path, features, rx, rounds);
		_exit(0);
	}
	return step_child(child);
}

/* A path that does nothing: what the marks cost. */
static uint16_t nothing(void *q, struct mbuf **pkts, uint16_t n)
{
	(void)q;
	(void)pkts;
	return n;
}

static double instructions(const struct vnet_path *path, uint64_t features, bool rx)
{
	const uint64_t all = count(path, features, rx, STEPPED_ROUNDS);
	const uint64_t half = count(path, features, rx, STEPPED_ROUNDS / 2);
	static const struct vnet_path empty = {.rx = nothing, .tx = nothing};
	uint64_t marks = 0;

	if (!rx) {
		marks = count(&empty, features, rx, STEPPED_ROUNDS) -
		        count(&empty, features, rx, STEPPED_ROUNDS / 2);
	} else {
		static uint64_t once;

		if (!once)
			once = count(&empty, features, false, STEPPED_ROUNDS) -
			       count(&empty, features, false, STEPPED_ROUNDS / 2);
		marks = once;
	}
	return (double)(all - half - marks) / (STEPPED_ROUNDS - STEPPED_ROUNDS / 2) / burst;
}

/* ---- table -------------------------------------------------------------------------------- */

static void row(const struct vnet_path *path, uint64_t features, bool rx, bool count_them)
{
	const double cycles = count_them ? 0 : measure(path, features, rx, ROUNDS);
	const double n = count_them ? instructions(path, features, rx) : 0;

	printf("%-34s %-8s %8.2f\n", rx ? path->rx_name : path->tx_name, vnet_isa_name(path->isa),
	       count_them ? n : cycles);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const uint64_t rings[] = {0, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER};
	const bool count_them = argc > 1 && !strcmp(argv[1], "instructions");
	const unsigned isa = vec_host_isa();

	if (argc > 2)
		burst = (unsigned)atoi(argv[2]);
	for (size_t r = 0; r < ARRAY_SIZE(rings); r++) {
		for (unsigned rx = 0; rx < 2; rx++) {
			struct vnet_wish w = {.features = rings[r]};
			struct vnet_choice c = vnet_path_select(&w);

			row(rx ? c.rx : c.tx, rings[r], rx, count_them);
			for (unsigned i = 0; i < vnet_nb_vec_paths; i++) {
				const struct vnet_path *p = &vnet_vec_paths[i];

				if ((rx ? !p->rx : !p->tx) || (p->isa & ~isa) ||
				    (p->need & ~VIRTIO_F_INDIRECT_DESC) != rings[r])
					continue;
				row(p, rings[r], rx, count_them);
			}
		}
	}
	return 0;
}
