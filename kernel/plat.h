/*
 * What every platform supplies: arch/x86_64 and arch/aarch64 on bare (virtual) metal,
 * arch/hosted as a Linux process, tests/unit/plat_test.c under the unit tests. This is the whole
 * contract between the kernel's portable part and the machine; instruction-set matters (barriers,
 * cycle counter) are in <arch/...> headers instead.
 *
 * Every function may be called after the platform has entered kmain(), from the boot core, unless
 * said otherwise.
 */
#ifndef KERNEL_PLAT_H
#define KERNEL_PLAT_H

#include "kernel/compiler.h"

/* ---- console ------------------------------------------------------------------------------ */

/**
 * plat_console_write() - hand bytes to the console without waiting
 *
 * Return: bytes taken, 0..@len; 0 when the transmitter is busy. Safe in interrupt handlers.
 */
size_t plat_console_write(const char *text, size_t len);

/** plat_console_read() - next typed byte, or -1 when there is none */
int plat_console_read(void);

/* ---- time --------------------------------------------------------------------------------- */

/** plat_time_ns() - monotonic nanoseconds since the machine (or process) was entered */
uint64_t plat_time_ns(void);

/** plat_cycles_hz() - rate of cpu_cycles() */
uint64_t plat_cycles_hz(void);

/* ---- memory ------------------------------------------------------------------------------- */

/**
 * plat_mmio_map() - make device registers at a physical address accessible
 *
 * Uncached, readable and writable, not executable. Mapping the same page twice is fine; nothing
 * is ever unmapped. Return: the address to use with kernel/mmio.h, NULL if it cannot be mapped.
 */
volatile void *plat_mmio_map(uint64_t phys, size_t len);

/** plat_iova() - the address under which a device sees memory of mem_shared() or
 * mem_alloc_shared(); a panic where it is known that it sees no other */
uint64_t plat_iova(const void *va);

/* ---- PCI ---------------------------------------------------------------------------------- */

struct pci_host; /* kernel/pci.h */

/**
 * plat_pci_host() - how configuration space is reached, and where BARs may be put
 *
 * Return: the host bridge, or NULL when the machine has no PCI.
 */
const struct pci_host *plat_pci_host(void);

/** plat_io_read() - read an I/O port; @width is 1, 2 or 4 bytes */
uint32_t plat_io_read(uint32_t port, unsigned width);
void plat_io_write(uint32_t port, unsigned width, uint32_t value);

/* ---- interrupts --------------------------------------------------------------------------- */

typedef void (*plat_irq_fn)(void *arg);

/* Return: was it this device that raised the line? */
typedef bool (*plat_intx_fn)(void *arg);

/* What a device writes to raise a message-signalled interrupt. */
struct plat_msi {
	uint64_t addr;
	uint32_t data;
};

/**
 * plat_irq_msi() - reserve an interrupt and say how a device raises it
 * @requester: pci_requester() of the function that will; some machines look at who writes
 * @fn:  called in interrupt context with @arg, on the first lcore until plat_irq_move()
 * @msg: filled on success
 *
 * Return: 0, -ENOSPC when no vector is left, -EOPNOTSUPP when the machine has no MSI.
 */
int plat_irq_msi(uint16_t requester, plat_irq_fn fn, void *arg, struct plat_msi *msg);

/**
 * plat_irq_move() - let another lcore, which has started, take an interrupt
 * @requester: as told to plat_irq_msi()
 * @msg: what plat_irq_msi() filled. When it is another afterwards, the device has to be told
 *
 * One that was raised before may still arrive at the old lcore.
 *
 * Return: 0, -EINVAL when there is no such lcore or interrupt, -EOPNOTSUPP when that processor
 * cannot be reached by messages, -EIO; it stays where it is then.
 */
int plat_irq_move(uint16_t requester, unsigned lcore, struct plat_msi *msg);

/**
 * plat_irq_intx() - listen on the line of a PCI function's interrupt pin
 * @line: irq_line of the function (struct pci_dev)
 *
 * Handlers of one line share it: each is called and must look at its own device. A line that fires
 * again and again without any of them having raised it is switched off, for it would never end; its
 * handlers are then called by plat_irq_report().
 *
 * Return: 0, -ENXIO when the line is not connected, -ENOSPC.
 */
int plat_irq_intx(unsigned line, plat_intx_fn fn, void *arg);

/** plat_irq_report() - log what interrupt handlers noticed and may not log themselves, and poll
 * lines that were switched off; to be called now and then, never from a handler */
void plat_irq_report(void);

/** plat_irq_off() - let no interrupt in any more on this lcore, for panic(). Platforms without
 * interrupts need not supply it */
void plat_irq_off(void);

/* ---- processor ---------------------------------------------------------------------------- */

/* Vector instruction sets: present, and their register state switched on by us. */
#define ISA_SSE (1u << 0)
#define ISA_AVX2 (1u << 1)
#define ISA_AVX512 (1u << 2)
#define ISA_NEON (1u << 3)

/** plat_isa() - the ISA_ bits that code may use (on x86_64 CPUID and XCR0 both agree) */
unsigned plat_isa(void);

/* Lcores; see kernel/lcore.h. */

/** plat_cpus() - the processors that may be used, at most @max, that of the caller first where it
 * cannot leave it. Return: how many, at least 1 */
unsigned plat_cpus(uint16_t *cpus, unsigned max);

/** plat_cpu_bind() - stay on this processor from now on. Return: 0, or -EINVAL when that cannot be
 */
int plat_cpu_bind(uint16_t cpu);

/**
 * plat_cpu_start() - let a processor run @fn(@arg) as lcore @lcore; from the first lcore alone
 *
 * On bare metal it takes interrupts. Return: 0, -EINVAL when there is no such processor or it runs
 * already, -EAGAIN when it does not answer for some seconds, -ENOMEM, -EOPNOTSUPP.
 */
int plat_cpu_start(unsigned lcore, uint16_t cpu, void (*fn)(void *arg), void *arg);

/** plat_lcore() - which lcore calls; in handlers, too. Platforms without several need not supply it
 */
unsigned plat_lcore(void);

/* ---- resting ------------------------------------------------------------------------------- */

/** plat_rest_begin() - an event that comes from now on ends the plat_rest() that follows, also when
 * it comes before that: interrupts of devices, plat_wake(), on the first processor also console
 * input, and whatever tells that the kernel is to end. What lies between only looks whether there
 * is a reason not to rest. On the processor that is to rest */
void plat_rest_begin(void);

/**
 * plat_rest() - let the processor rest until an event comes, at the latest until @until_ns
 * @until_ns: on plat_time_ns()'s clock; 0: not at all
 *
 * Ends what plat_rest_begin() began: interrupt handlers have run when it returns. It may return
 * early, without any reason.
 */
void plat_rest(uint64_t until_ns);

/** plat_wake() - an event for another lcore, or for this one, which is awake. From any lcore, and
 * from interrupt handlers */
void plat_wake(unsigned lcore);

/** plat_random() - fill @buf with unpredictable bytes (good enough for transaction ids) */
void plat_random(void *buf, size_t len);

/* ---- the end ------------------------------------------------------------------------------ */

/** plat_end_asked() - does somebody outside want the kernel to end (a signal)? Platforms where
 * nobody can need not supply it */
bool plat_end_asked(void);

/** plat_poweroff() - end with success: status 0 for QEMU or the process */
NORETURN void plat_poweroff(void);

/**
 * plat_fail() - end with a status that is not 0: isa-debug-exit or semihosting where there is one,
 * else a reset
 *
 * Called by panic() after the console was flushed. Safe everywhere.
 */
NORETURN void plat_fail(void);

/** plat_stop_others() - the other lcores run no further, for panic(). Platforms that end all at
 * once need not supply it */
void plat_stop_others(void);

/** plat_print_registers() - print what the processor's registers hold, for panic(). Platforms whose
 * debugger shows them need not supply it */
void plat_print_registers(void);

/** plat_backtrace() - print the callers of the current function, innermost first, with names */
void plat_backtrace(void);

#endif
