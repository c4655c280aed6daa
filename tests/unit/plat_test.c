/*
 * kernel/plat.h under unit tests. Nothing here is a mock of code under test: it is the machine,
 * with the console captured, the clock set by hand and memory from malloc.
 */
#include "tests/unit/plat_test.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES ((size_t)64 << 20)
#define MEMORY_BLOCKS_MAX 64
#define DIRTY_BYTES ((size_t)1 << 20)
#define INPUT_MAX 4096

bool plat_test_console_stalled;
size_t plat_test_console_chunk;
unsigned plat_test_console_reads, plat_test_console_writes;
uint64_t plat_test_time_ns, plat_test_time_step_ns;
void (*plat_test_on_time)(void);
uint64_t plat_test_cycles_hz = 1000000000;
unsigned plat_test_isa;
unsigned plat_test_cpus = 4;
uint16_t plat_test_bound = UINT16_MAX;
unsigned plat_test_starts;
uint64_t plat_test_seed = 1;
bool plat_test_rest_begun;
unsigned plat_test_rests;
uint64_t plat_test_rest_until_ns;
void (*plat_test_rest)(uint64_t until_ns);
uint64_t plat_test_woken;
const struct pci_host *plat_test_pci_host;
uint32_t (*plat_test_io_read)(uint32_t port, unsigned width);
void (*plat_test_io_write)(uint32_t port, unsigned width, uint32_t value);
struct plat_test_irq plat_test_irqs[PLAT_TEST_IRQS_MAX];
unsigned plat_test_nb_irqs;
unsigned plat_test_irq_limit = PLAT_TEST_IRQS_MAX;
struct plat_test_irq plat_test_intx[PLAT_TEST_IRQS_MAX];
unsigned plat_test_nb_intx;
unsigned plat_test_intx_limit = PLAT_TEST_IRQS_MAX;

static struct {
	char *text;
	size_t len, size;
} output;

/* never read: a leak checker finds old blocks here */
static void *volatile blocks[MEMORY_BLOCKS_MAX];
static unsigned nb_blocks;

static struct {
	char text[INPUT_MAX];
	size_t head, tail;
} input;

/* ---- console ------------------------------------------------------------------------------ */

const char *plat_test_output(void)
{
	return output.text ? output.text : "";
}

void plat_test_clear(void)
{
	output.len = 0;
	if (output.text)
		output.text[0] = '\0';
}

void plat_test_input(const char *text)
{
	for (; *text && input.head - input.tail < INPUT_MAX; text++)
		input.text[input.head++ % INPUT_MAX] = *text;
}

size_t plat_console_write(const char *text, size_t len)
{
	plat_test_console_writes++;
	if (plat_test_console_stalled)
		return 0;
	if (plat_test_console_chunk && len > plat_test_console_chunk)
		len = plat_test_console_chunk;
	if (output.len + len + 1 > output.size) {
		output.size = 2 * (output.len + len + 1);
		output.text = realloc(output.text, output.size);
		if (!output.text)
			abort();
	}
	memcpy(output.text + output.len, text, len);
	output.len += len;
	output.text[output.len] = '\0';
	return len;
}

int plat_console_read(void)
{
	plat_test_console_reads++;
	if (input.head == input.tail)
		return -1;
	return (unsigned char)input.text[input.tail++ % INPUT_MAX];
}

/* ---- time, processor ---------------------------------------------------------------------- */

uint64_t plat_time_ns(void)
{
	uint64_t now;

	if (plat_test_on_time)
		plat_test_on_time();
	now = plat_test_time_ns;
	plat_test_time_ns += plat_test_time_step_ns;
	return now;
}

uint64_t plat_cycles_hz(void)
{
	return plat_test_cycles_hz;
}

unsigned plat_cpus(uint16_t *cpus, unsigned max)
{
	const unsigned n = plat_test_cpus < max ? plat_test_cpus : max;

	for (unsigned i = 0; i < n; i++)
		cpus[i] = (uint16_t)i;
	return n;
}

int plat_cpu_bind(uint16_t cpu)
{
	plat_test_bound = cpu;
	return cpu < plat_test_cpus ? 0 : -EINVAL;
}

struct cpu_start {
	void (*fn)(void *arg);
	void *arg;
};

static void *cpu_run(void *arg)
{
	const struct cpu_start s = *(struct cpu_start *)arg;

	free(arg);
	s.fn(s.arg);
	return NULL;
}

int plat_cpu_start(unsigned lcore, uint16_t cpu, void (*fn)(void *arg), void *arg)
{
	struct cpu_start *s = malloc(sizeof(*s));
	pthread_t thread;

	(void)lcore;
	if (!s || cpu >= plat_test_cpus) {
		free(s);
		return -EINVAL;
	}
	*s = (struct cpu_start){fn, arg};
	if (pthread_create(&thread, NULL, cpu_run, s))
		abort();
	pthread_detach(thread);
	plat_test_starts++;
	return 0;
}

void plat_rest_begin(void)
{
	plat_test_rest_begun = true;
}

void plat_rest(uint64_t until_ns)
{
	if (!plat_test_rest_begun)
		abort();
	plat_test_rest_begun = false;
	plat_test_rests++;
	plat_test_rest_until_ns = until_ns;
	if (plat_test_rest)
		plat_test_rest(until_ns);
}

void plat_wake(unsigned lcore)
{
	__atomic_fetch_or(&plat_test_woken, UINT64_C(1) << lcore, __ATOMIC_SEQ_CST);
}

unsigned plat_isa(void)
{
	return plat_test_isa;
}

void plat_random(void *buf, size_t len)
{
	uint8_t *p = buf;

	for (size_t i = 0; i < len; i++) {
		plat_test_seed =
		    plat_test_seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(plat_test_seed >> 56);
	}
}

/* ---- memory ------------------------------------------------------------------------------- */

void plat_test_memory(size_t bytes)
{
	size_t size = (bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
	void *block = aligned_alloc(PAGE_SIZE, size ? size : PAGE_SIZE);

	if (!block || nb_blocks == MEMORY_BLOCKS_MAX)
		abort();
	blocks[nb_blocks++] = block;

	/* dirty, so that memory which was not zeroed shows */
	memset(block, 0xa5, size < DIRTY_BYTES ? size : DIRTY_BYTES);
	mem_reset();
	mem_add(block, bytes);
}

__attribute__((constructor)) static void memory_before_main(void)
{
	plat_test_memory(MEMORY_BYTES);
}

volatile void *plat_mmio_map(uint64_t phys, size_t len)
{
	(void)len;
	return (volatile void *)(uintptr_t)phys;
}

uint64_t plat_iova(const void *va)
{
	return plat_test_iova(va);
}

/* ---- PCI and I/O ports -------------------------------------------------------------------- */

const struct pci_host *plat_pci_host(void)
{
	return plat_test_pci_host;
}

uint32_t plat_io_read(uint32_t port, unsigned width)
{
	if (plat_test_io_read)
		return plat_test_io_read(port, width);
	return width >= 4 ? UINT32_MAX : (1u << (8 * width)) - 1;
}

void plat_io_write(uint32_t port, unsigned width, uint32_t value)
{
	if (plat_test_io_write)
		plat_test_io_write(port, width, value);
}

/* ---- interrupts --------------------------------------------------------------------------- */

int plat_irq_msi(uint16_t requester, plat_irq_fn fn, void *arg, struct plat_msi *msg)
{
	unsigned n = plat_test_nb_irqs;

	(void)requester;
	if (!plat_test_irq_limit)
		return -EOPNOTSUPP;
	if (n >= plat_test_irq_limit || n >= PLAT_TEST_IRQS_MAX)
		return -ENOSPC;
	plat_test_irqs[n] = (struct plat_test_irq){.fn = fn, .arg = arg};
	plat_test_nb_irqs++;
	msg->addr = PLAT_TEST_MSI_ADDR;
	msg->data = PLAT_TEST_MSI_DATA + n;
	return 0;
}

int plat_irq_move(uint16_t requester, unsigned lcore, struct plat_msi *msg)
{
	(void)requester;
	if (lcore >= plat_test_cpus || msg->data < PLAT_TEST_MSI_DATA ||
	    msg->data - PLAT_TEST_MSI_DATA >= plat_test_nb_irqs)
		return -EINVAL;
	msg->addr = PLAT_TEST_MSI_ADDR | (uint64_t)lcore << PLAT_TEST_MSI_LCORE_SHIFT;
	return 0;
}

int plat_irq_intx(unsigned line, plat_intx_fn fn, void *arg)
{
	unsigned n = plat_test_nb_intx;

	if (n >= plat_test_intx_limit)
		return -ENXIO;
	if (n >= PLAT_TEST_IRQS_MAX)
		return -ENOSPC;
	plat_test_intx[n] = (struct plat_test_irq){.intx_fn = fn, .arg = arg, .line = line};
	plat_test_nb_intx++;
	return 0;
}

void plat_irq_report(void)
{
}

bool plat_test_msi(uint64_t addr, uint32_t data)
{
	const uint64_t lcore = (addr ^ PLAT_TEST_MSI_ADDR) >> PLAT_TEST_MSI_LCORE_SHIFT;

	if (lcore >= plat_test_cpus || data < PLAT_TEST_MSI_DATA ||
	    data - PLAT_TEST_MSI_DATA >= plat_test_nb_irqs)
		return false;

	struct plat_test_irq *irq = &plat_test_irqs[data - PLAT_TEST_MSI_DATA];

	irq->count++;
	irq->lcore = (unsigned)lcore;
	irq->fn(irq->arg);
	return true;
}

unsigned plat_test_raise_intx(unsigned line)
{
	unsigned called = 0;

	for (unsigned i = 0; i < plat_test_nb_intx; i++) {
		if (plat_test_intx[i].line != line)
			continue;
		plat_test_intx[i].count++;
		plat_test_intx[i].claimed += plat_test_intx[i].intx_fn(plat_test_intx[i].arg);
		called++;
	}
	return called;
}

/* ---- the end ------------------------------------------------------------------------------ */

NORETURN void plat_poweroff(void)
{
	exit(0);
}

NORETURN void plat_fail(void)
{
	/* what the code under test said before it gave up */
	fprintf(stderr, "%s", plat_test_output());
	fflush(stderr);
	abort();
}

void plat_backtrace(void)
{
}

unsigned plat_test_seeds(void)
{
	const char *seeds = getenv("SOAK_SEEDS");
	const unsigned long n = seeds ? strtoul(seeds, NULL, 10) : 1;

	return n ? (unsigned)n : 1;
}
