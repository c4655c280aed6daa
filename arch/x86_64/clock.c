/*
 * The clock: nanoseconds since the machine was entered, from the time-stamp counter (TSC).
 *
 * Reading the TSC is cheap everywhere, but it is true only when the processor says so (invariant)
 * and its rate is known exactly (from the hypervisor or CPUID 0x15). Otherwise the truth is a
 * reference counter (clock_ref.h), and reading that costs an exit of the virtual machine, in an
 * emulator even a lock that the I/O thread holds too. So the reference is read rarely: the time
 * follows a straight line over the TSC, and the first caller after the line's end reads the
 * reference and draws the next one (clock_math.h: never backwards, lost time made up at once).
 * The first line lasts until the machine is up, the next ones are 1 ms long and double up to 16 ms,
 * or 256 ms with an invariant TSC.
 *
 *   TSC invariant, rate known      the TSC alone
 *   a reference exists             TSC steered by HPET, else PM timer, else PIT
 *   neither                        the TSC alone, rate from CPUID 0x16 or assumed: a warning
 *
 * Any core and any interrupt handler may ask: lines are published by a latch of two copies, so a
 * reader never waits for a writer, and who finds another core drawing a line uses the old one.
 */
#include "arch/x86_64/clock_math.h"
#include "arch/x86_64/clock_ref.h"
#include "arch/x86_64/machine.h"
#include "arch/x86_64/regs.h"
#include "kernel/atomic.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/cpu.h>
#include <arch/irqflags.h>

#define SPAN_FIRST_NS (50 * NS_PER_MS)
#define SPAN_MIN_NS NS_PER_MS
#define SPAN_MAX_NS (16 * NS_PER_MS)
#define SPAN_MAX_INVARIANT_NS (256 * NS_PER_MS)

#define CALIBRATE_NS (NS_PER_MS / 2)     /* the lines that follow refine the rate */
#define CALIBRATE_TICKS_MAX (1ull << 30) /* 0.1 to 1 s: the reference stopped */
#define CALIBRATE_TRIES 3

#define LOOK_TRIES 4
#define LOOK_TICKS_GOOD 20000 /* some microseconds: not interrupted by the host */

#define HZ_MIN 50000000ull
#define HZ_MAX 20000000000ull
#define HZ_ASSUMED 2000000000ull /* within a factor of two of nearly every processor */

#define CPUID1_ECX_HYPERVISOR (1u << 31)
#define CPUID_HYPERVISOR 0x40000000u
#define CPUID_HYPERVISOR_TIMING 0x40000010u
#define CPUID_POWER 0x80000007u
#define CPUID_POWER_EDX_INVARIANT (1u << 8)

/* One look at both counters. */
struct look {
	uint64_t tsc;
	uint32_t raw;
};

static uint64_t entry_tsc; /* when the time was first asked for: it starts there */
static struct clock_line lines[2];
static uint32_t lines_seq; /* lines[lines_seq & 1] is valid */
static uint64_t hz = HZ_ASSUMED;

/* Only whoever holds @busy touches these. */
static struct {
	bool busy;
	const struct clock_ref *ref;
	uint64_t ticks_per_ns; /* of the reference, 32.32 */
	uint64_t ticks, tsc;   /* at the last look, ticks unwrapped */
	uint64_t start_ticks, start_ns;
	uint64_t span_ns, span_max_ns;
	struct clock_rate rate;
} steer;

/* ---- what the processor says of itself ---------------------------------------------------- */

static struct cpuid cpuid_hypervisor(uint32_t leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
	                 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
	                 : "a"(leaf), "c"(0));
	return r;
}

/* Others than these two use the leaf for something else, or not at all. */
static uint64_t hz_from_hypervisor(void)
{
	if (!(cpuid(1, 0).ecx & CPUID1_ECX_HYPERVISOR))
		return 0;

	const struct cpuid r = cpuid_hypervisor(CPUID_HYPERVISOR);
	const bool known =
	    !memcmp(&r.ebx, "KVMKVMKVM\0\0", 12) || !memcmp(&r.ebx, "VMwareVMware", 12);

	if (!known || r.eax < CPUID_HYPERVISOR_TIMING)
		return 0;
	return cpuid_hypervisor(CPUID_HYPERVISOR_TIMING).eax * 1000ull;
}

static uint64_t hz_sane(uint64_t v)
{
	return v >= HZ_MIN && v <= HZ_MAX ? v : 0;
}

/* An exact rate of the TSC, 0 when nobody tells. */
static uint64_t hz_exact(void)
{
	const uint64_t told = hz_sane(hz_from_hypervisor());
	const struct cpuid crystal = cpuid(0x15, 0);

	if (told || crystal.eax == 0)
		return told;
	return hz_sane((uint64_t)crystal.ecx * crystal.ebx / crystal.eax);
}

/* ---- the line ----------------------------------------------------------------------------- */

ALWAYS_INLINE struct clock_line line_get(void)
{
	struct clock_line l;
	uint32_t seq;

	/* ends: a copy is only overwritten when two lines were drawn meanwhile */
	do {
		seq = __atomic_load_n(&lines_seq, __ATOMIC_ACQUIRE);
		l = lines[seq & 1];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (unlikely(seq != __atomic_load_n(&lines_seq, __ATOMIC_RELAXED)));
	return l;
}

static void line_set(struct clock_line l)
{
	lines[(lines_seq + 1) & 1] = l;
	__atomic_store_n(&lines_seq, lines_seq + 1, __ATOMIC_RELEASE);
}

/* The TSC is taken in the middle of the reference's read, and the quickest of some reads counts:
 * a host that ran something else in between would move the two apart. */
static struct look look_at(const struct clock_ref *ref)
{
	uint64_t best = UINT64_MAX;
	struct look l = {0};

	for (unsigned i = 0; i < LOOK_TRIES && best > LOOK_TICKS_GOOD; i++) {
		const uint64_t before = cpu_cycles();
		const uint32_t raw = ref->read();
		const uint64_t took = cpu_cycles() - before;

		if (took < best) {
			best = took;
			l = (struct look){.tsc = before + took / 2, .raw = raw};
		}
	}
	return l;
}

/* Draws the next line. Interrupts are off and steer.busy is held. */
static void line_draw(void)
{
	const struct clock_line old = lines[lines_seq & 1];
	const struct look now = look_at(steer.ref);
	const int64_t tsc_passed = (int64_t)(now.tsc - steer.tsc);
	const uint64_t guess_ns =
	    tsc_passed > 0 ? clock_scale((uint64_t)tsc_passed, steer.rate.rate) : 0;

	steer.ticks = clock_unwrap(steer.ticks, now.raw, steer.ref->bits,
	                           steer.ticks + clock_scale(guess_ns, steer.ticks_per_ns));
	steer.tsc = now.tsc;

	const uint64_t ns =
	    steer.start_ns + clock_scale(steer.ticks - steer.start_ticks, steer.ref->rate);
	const bool agree = clock_rate_update(&steer.rate, now.tsc, ns);

	steer.span_ns = agree ? min_u64(2 * steer.span_ns, steer.span_max_ns) : SPAN_MIN_NS;
	line_set(clock_line_next(&old, now.tsc, ns, steer.rate.rate, steer.span_ns));
	hz = clock_hz(steer.rate.rate);
}

COLD static uint64_t time_behind_line(void)
{
	if (!steer.ref) {
		if (!entry_tsc)
			entry_tsc = cpu_cycles();
		return clock_line_at(&lines[lines_seq & 1], cpu_cycles());
	}

	const uint64_t flags = irq_save();

	if (!__atomic_exchange_n(&steer.busy, true, __ATOMIC_ACQUIRE)) {
		const struct clock_line l = line_get();

		/* perhaps another core drew it just now */
		if (cpu_cycles() - l.tsc > l.limit)
			line_draw();
		__atomic_store_n(&steer.busy, false, __ATOMIC_RELEASE);
	}
	irq_restore(flags);

	const struct clock_line l = line_get();

	return clock_line_at(&l, cpu_cycles());
}

uint64_t plat_time_ns(void)
{
	const struct clock_line l = line_get();
	const uint64_t ticks = cpu_cycles() - l.tsc;

	if (unlikely(ticks > l.limit))
		return time_behind_line();
	return l.ns + clock_scale(ticks, l.rate);
}

uint64_t plat_cycles_hz(void)
{
	return hz;
}

/* ---- start -------------------------------------------------------------------------------- */

/* Nanoseconds that @ref counted from @first on; less than one turn of it. */
static uint64_t passed_ns(const struct clock_ref *ref, uint32_t first, uint32_t raw)
{
	const uint64_t mask = (1ull << ref->bits) - 1;

	return clock_scale((raw - first) & mask, ref->rate);
}

/* Return: the TSC's rate as 32.32 nanoseconds a tick, 0 when the measurement makes no sense. */
static uint64_t calibrate_once(const struct clock_ref *ref)
{
	const struct look first = look_at(ref);
	struct look last;

	do {
		last = look_at(ref);
	} while (passed_ns(ref, first.raw, last.raw) < CALIBRATE_NS &&
	         last.tsc - first.tsc < CALIBRATE_TICKS_MAX);

	const uint64_t rate =
	    clock_rate_of(passed_ns(ref, first.raw, last.raw), last.tsc - first.tsc);

	return rate && hz_sane(clock_hz(rate)) ? rate : 0;
}

static uint64_t calibrate(const struct clock_ref *ref)
{
	for (unsigned i = 0; i < CALIBRATE_TRIES; i++) {
		const uint64_t rate = calibrate_once(ref);

		if (rate)
			return rate;
	}
	log_warn("clock", "the TSC cannot be measured against the %s: not used", ref->name);
	return 0;
}

static uint64_t since_entry_ns(uint64_t tsc, uint64_t rate)
{
	return entry_tsc ? clock_scale(tsc - entry_tsc, rate) : 0;
}

static void start_steered(const struct clock_ref *ref, uint64_t rate, bool invariant)
{
	const struct look now = look_at(ref);
	const uint64_t ns = since_entry_ns(now.tsc, rate);

	steer.ticks_per_ns = clock_rate_of(1ull << 32, ref->rate);
	steer.ticks = steer.start_ticks = now.raw & ((1ull << ref->bits) - 1);
	steer.tsc = now.tsc;
	steer.start_ns = ns;
	steer.span_ns = SPAN_MIN_NS;
	steer.span_max_ns = invariant ? SPAN_MAX_INVARIANT_NS : SPAN_MAX_NS;
	clock_rate_begin(&steer.rate, now.tsc, ns, rate);
	line_set(clock_line_next(&lines[lines_seq & 1], now.tsc, ns, rate, SPAN_FIRST_NS));
	steer.ref = ref;
}

static void start_alone(uint64_t tsc_hz)
{
	const uint64_t rate = clock_rate_of(NS_PER_S, tsc_hz);
	const uint64_t tsc = cpu_cycles();

	hz = tsc_hz;
	line_set((struct clock_line){
	    .tsc = tsc,
	    .ns = since_entry_ns(tsc, rate),
	    .rate = rate,
	    .limit = INT64_MAX,
	});
}

static bool start_with_reference(uint64_t exact, bool invariant)
{
	const struct clock_ref *ref = clock_ref_find();
	uint64_t rate;

	if (!ref)
		return false;
	rate = exact ? clock_rate_of(NS_PER_S, exact) : calibrate(ref);
	if (!rate)
		return false;
	start_steered(ref, rate, invariant);
	hz = clock_hz(rate);
	log_info("clock", "TSC %llu MHz%s, reference %s %llu kHz", (unsigned long long)hz / 1000000,
	         invariant ? " (invariant)" : "", ref->name,
	         (unsigned long long)clock_hz(ref->rate) / 1000);
	return true;
}

void clock_init(void)
{
	const bool invariant = cpuid(CPUID_POWER, 0).edx & CPUID_POWER_EDX_INVARIANT;
	const uint64_t exact = hz_exact();

	if (invariant && exact) {
		start_alone(exact);
		log_info("clock", "TSC %llu MHz (invariant, rate known), no reference",
		         (unsigned long long)hz / 1000000);
		return;
	}
	if (start_with_reference(exact, invariant))
		return;

	const uint64_t nominal = hz_sane((cpuid(0x16, 0).eax & 0xffff) * 1000000ull);

	start_alone(exact ? exact : nominal ? nominal : HZ_ASSUMED);
	log_warn("clock",
	         "TSC taken as %llu MHz (%s), no HPET, PM timer or PIT to check it: times "
	         "may be wrong",
	         (unsigned long long)hz / 1000000,
	         exact || nominal ? "as the processor says" : "a guess");
}
