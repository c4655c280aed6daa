/*
 * What a packet costs in each path: cycles, and instructions counted one by one, of the driver's
 * functions alone. A device that completes everything at once stands behind the rings, in the same
 * thread; its work is outside of what is measured.
 *
 *	vec_paths cycles|instructions [BURST]
 *
 * Prints a line for each path, direction and instruction set; bench/paths.py makes a table of them.
 * Cycles: of the time-stamp counter, the best of many short stretches, as other programs may run.
 * Instructions: the program runs itself under ptrace, in single steps between marks.
 */
#include "drivers/virtio/vnet_paths.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "tests/unit/plat_test.h"
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
#define BURST_MAX 128
#define FRAME 64
#define ROUNDS 64 /* bursts in a stretch */
#define STRETCHES 600
#define STEPPED_ROUNDS 16 /* half of them, of 32 packets each, are a lap of the ring */

/* What is measured. */
struct job {
	const struct vnet_path *path; /* NULL: the marks alone */
	uint64_t features;
	bool rx;
};

static unsigned burst = 32;
static bool stepping;
static struct ring_port port;

/* Single stepping goes from one of these to the next. */
static void NOINLINE mark(void)
{
	if (stepping)
		raise(SIGUSR1);
}

/* ---- one burst ---------------------------------------------------------------------------- */

static uint32_t device_writes(void *arg, uint64_t iova, uint32_t len)
{
	struct virtio_net_hdr hdr = {.num_buffers = 1};

	(void)arg;
	(void)len;
	memcpy(plat_test_va(iova), &hdr, sizeof(hdr));
	return sizeof(hdr) + FRAME;
}

static void open_port(const struct job *job)
{
	ring_port_open(&port, job->features, NENTRIES);
	port.rxq.mergeable = job->features & VIRTIO_NET_F_MRG_RXBUF;
	port.rx.buffer = device_writes;
	if (job->path && job->rx)
		job->path->rx(&port.rxq, NULL, 0);
}

/* What comes before a burst and is not measured: the device's part, and packets to send. */
static void before(const struct job *job, struct mbuf **pkts)
{
	if (!job->path)
		return;
	if (job->rx) {
		ring_dev_run(&port.rx, burst);
		return;
	}
	ring_dev_run(&port.tx, NENTRIES);
	for (unsigned i = 0; i < burst; i++) {
		pkts[i] = mbuf_alloc(port.pool);
		pkts[i]->data_len = FRAME;
		pkts[i]->pkt_len = FRAME;
	}
}

static uint16_t NOINLINE nothing(void *q, struct mbuf **pkts, uint16_t n)
{
	(void)q;
	(void)pkts;
	return n;
}

/* Return: cycles of so many bursts. */
static uint64_t run(const struct job *job, unsigned rounds)
{
	const netdev_burst_fn fn = !job->path ? nothing : job->rx ? job->path->rx : job->path->tx;
	void *q = job->rx ? (void *)&port.rxq : &port.txq;
	struct mbuf *pkts[BURST_MAX];
	uint64_t cycles = 0;

	for (unsigned r = 0; r < rounds; r++) {
		before(job, pkts);

		const uint64_t from = cpu_cycles();

		mark();
		const uint16_t n = fn(q, pkts, (uint16_t)burst);
		mark();
		cycles += cpu_cycles() - from;
		if (n != burst)
			abort();
		for (unsigned i = 0; job->path && job->rx && i < n; i++)
			mbuf_free(pkts[i]);
	}
	return cycles;
}

/* ---- cycles ------------------------------------------------------------------------------- */

static double best_cycles(const struct job *job)
{
	uint64_t best = UINT64_MAX;

	open_port(job);
	for (unsigned i = 0; i < STRETCHES; i++) {
		const uint64_t cycles = run(job, ROUNDS);

		if (cycles < best)
			best = cycles;
	}
	ring_port_drain(&port);
	return (double)best / (ROUNDS * burst);
}

static double cycles(const struct job *job)
{
	return best_cycles(job) - best_cycles(&(struct job){.rx = job->rx});
}

/* ---- instructions ------------------------------------------------------------------------- */

/* Steps of the child between pairs of marks, with some of the marks' own. */
static uint64_t step_child(pid_t child)
{
	uint64_t steps = 0;
	bool inside = false;
	int status;

	while (waitpid(child, &status, 0) == child && !WIFEXITED(status)) {
		if (WIFSIGNALED(status))
			abort();

		const int sig = WSTOPSIG(status);

		if (sig == SIGUSR1)
			inside = !inside;
		else if (inside)
			steps++;
		ptrace(inside ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL,
		       sig == SIGUSR1 || sig == SIGTRAP || sig == SIGSTOP ? 0l : (long)sig);
	}
	return steps;
}

static uint64_t count(const struct job *job, unsigned rounds)
{
	const pid_t child = fork();

	if (!child) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		stepping = true;
		open_port(job);
		run(job, rounds);
		_exit(0);
	}
	return step_child(child);
}

/* What half of the rounds take, behind the first half, in which the rings settle. */
static uint64_t second_half(const struct job *job)
{
	return count(job, STEPPED_ROUNDS) - count(job, STEPPED_ROUNDS / 2);
}

static double instructions(const struct job *job)
{
	const uint64_t marks = second_half(&(struct job){.rx = job->rx});
	const unsigned packets = STEPPED_ROUNDS / 2 * burst;

	return (double)(second_half(job) - marks) / packets;
}

/* ---- the list ----------------------------------------------------------------------------- */

static void line(const struct job *job, double (*measure)(const struct job *))
{
	const struct vnet_path *p = job->path;

	printf("%s\t%s\t%s\t%s\t%.2f\n", job->rx ? "rx" : "tx", p->name,
	       job->rx ? p->rx_name : p->tx_name, vnet_isa_name(p->isa), measure(job));
	fflush(stdout);
}

/* The scalar path for these features, then the vector ones. */
static void paths_of(uint64_t features, bool rx, double (*measure)(const struct job *))
{
	const struct vnet_wish scalar = {.features = features};
	const struct vnet_choice c = vnet_path_select(&scalar);
	const uint64_t has = features | VIRTIO_F_INDIRECT_DESC;

	line(&(struct job){rx ? c.rx : c.tx, features, rx}, measure);
	for (unsigned i = 0; i < vnet_nb_vec_paths; i++) {
		const struct vnet_path *p = &vnet_vec_paths[i];

		if ((rx ? !p->rx : !p->tx) || (p->isa & ~vec_host_isa()) || (p->need & ~has) ||
		    (p->forbid & has))
			continue;
		line(&(struct job){p, features, rx}, measure);
	}
}

int main(int argc, char **argv)
{
	const bool stepped = argc > 1 && !strcmp(argv[1], "instructions");
	const uint64_t bits[] = {VIRTIO_NET_F_MRG_RXBUF, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED};

	if (argc > 2)
		burst = (unsigned)atoi(argv[2]);
	if (!burst || burst > BURST_MAX)
		return 2;
	for (unsigned set = 0; set < 1u << ARRAY_SIZE(bits); set++) {
		uint64_t features = 0;

		for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
			features |= set >> i & 1 ? bits[i] : 0;
		paths_of(features, true, stepped ? instructions : cycles);
		/* how packets are received changes nothing in how they are sent */
		if (!(features & VIRTIO_NET_F_MRG_RXBUF))
			paths_of(features, false, stepped ? instructions : cycles);
	}
	return 0;
}
