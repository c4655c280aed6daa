/*
 * The platform under unit tests: every function of kernel/plat.h, with strings for a test to pull.
 * Criterion runs each test in a process of its own, so a test sets what it needs and restores
 * nothing.
 */
#ifndef TESTS_UNIT_PLAT_TEST_H
#define TESTS_UNIT_PLAT_TEST_H

#include "kernel/compiler.h"
#include "kernel/pci.h"
#include "kernel/plat.h"

/* ---- console ------------------------------------------------------------------------------ */

/** plat_test_output() - all that was written to the console since the last clear, terminated */
const char *plat_test_output(void);
void plat_test_clear(void);

/** plat_test_input() - type @text; at most 4096 bytes wait to be read */
void plat_test_input(const char *text);

extern bool plat_test_console_stalled;    /* the transmitter takes nothing */
extern size_t plat_test_console_chunk;    /* most bytes taken by one call; 0: all */
extern unsigned plat_test_console_reads;  /* calls of plat_console_read() */
extern unsigned plat_test_console_writes; /* calls of plat_console_write() */

/* ---- time, processor ---------------------------------------------------------------------- */

extern uint64_t plat_test_time_ns;      /* what plat_time_ns() returns */
extern uint64_t plat_test_time_step_ns; /* added after each plat_time_ns() */
extern void (*plat_test_on_time)(void); /* before each; NULL: nothing */
extern uint64_t plat_test_cycles_hz;
extern unsigned plat_test_isa;
extern uint64_t plat_test_seed; /* of plat_random() */

/* Processors are threads. */
extern unsigned plat_test_cpus;   /* the machine's, from number 0 on */
extern uint16_t plat_test_bound;  /* where the first lcore is */
extern unsigned plat_test_starts; /* calls of plat_cpu_start() that succeeded */

/* Resting takes no time but what the test's function takes. */
extern bool plat_test_rest_begun;                 /* between plat_rest_begin() and plat_rest() */
extern unsigned plat_test_rests;                  /* calls of plat_rest() */
extern uint64_t plat_test_rest_until_ns;          /* what the last was told */
extern void (*plat_test_rest)(uint64_t until_ns); /* NULL: it returns at once */
extern uint64_t plat_test_woken;                  /* a bit for each lcore that plat_wake() named */

/* ---- memory ------------------------------------------------------------------------------- */

/* I/O addresses differ from the processor's, so that a leaked pointer is caught. */
#define PLAT_TEST_IOVA_OFFSET UINT64_C(0x400000000000)

static inline uint64_t plat_test_iova(const void *va)
{
	return (uint64_t)(uintptr_t)va + PLAT_TEST_IOVA_OFFSET;
}

/** plat_test_va() - the memory behind an I/O address, NULL when it is not one of ours */
static inline void *plat_test_va(uint64_t iova)
{
	if (iova < PLAT_TEST_IOVA_OFFSET)
		return NULL;
	return (void *)(uintptr_t)(iova - PLAT_TEST_IOVA_OFFSET);
}

/**
 * plat_test_memory() - forget all memory and give mem_alloc() @bytes of fresh memory
 *
 * Before main() there are 64 MiB. What was allocated stays valid. At most 64 calls.
 */
void plat_test_memory(size_t bytes);

/* ---- PCI and I/O ports -------------------------------------------------------------------- */

extern const struct pci_host *plat_test_pci_host; /* NULL: no PCI */
/* NULL: reads give all ones, writes are lost */
extern uint32_t (*plat_test_io_read)(uint32_t port, unsigned width);
extern void (*plat_test_io_write)(uint32_t port, unsigned width, uint32_t value);

/* ---- interrupts --------------------------------------------------------------------------- */

#define PLAT_TEST_IRQS_MAX 256
#define PLAT_TEST_MSI_ADDR UINT64_C(0xfee00000)
#define PLAT_TEST_MSI_LCORE_SHIFT 12
#define PLAT_TEST_MSI_DATA 0x40u

struct plat_test_irq {
	plat_irq_fn fn;       /* of a message */
	plat_intx_fn intx_fn; /* of a line */
	void *arg;
	unsigned line;
	unsigned lcore;   /* that a message named last */
	unsigned count;   /* times raised through the functions below */
	unsigned claimed; /* times the line's handler said that it was its device */
};

extern struct plat_test_irq plat_test_irqs[PLAT_TEST_IRQS_MAX]; /* message n: data 0x40 + n */
extern unsigned plat_test_nb_irqs;
extern unsigned plat_test_irq_limit; /* further plat_irq_msi() fail; 0: -EOPNOTSUPP */
extern struct plat_test_irq plat_test_intx[PLAT_TEST_IRQS_MAX];
extern unsigned plat_test_nb_intx;
extern unsigned plat_test_intx_limit; /* further plat_irq_intx() fail with -ENXIO */

/** plat_test_msi() - a device writes @data to @addr. Return: false when nobody reserved it */
bool plat_test_msi(uint64_t addr, uint32_t data);

/** plat_test_raise_intx() - call all handlers of a line. Return: how many */
unsigned plat_test_raise_intx(unsigned line);

/** plat_test_seeds() - with how many seeds each case of a grid is run: one, more in `make soak` */
unsigned plat_test_seeds(void);

#endif
