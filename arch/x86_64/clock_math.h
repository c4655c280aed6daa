/*
 * The arithmetic of the clock, apart from the hardware so that it can be tested on the host.
 * Rates are nanoseconds a tick as 32.32 fixed point: below 2^-32 ns of error a tick, products of
 * 128 bits, and no 128-bit division, for which the freestanding build has no library.
 */
#ifndef ARCH_X86_64_CLOCK_MATH_H
#define ARCH_X86_64_CLOCK_MATH_H

#include "kernel/compiler.h"

#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull

#define RATE_STEP_NS (1000 * NS_PER_MS) /* age at which a measurement's start moves on */
#define RATE_SANE_SHIFT 3               /* a rate that changes by 1/8 is suspect */

/** clock_scale() - @ticks * @rate; also used the other way, with ticks a nanosecond */
static inline uint64_t clock_scale(uint64_t ticks, uint64_t rate)
{
	return (uint64_t)((unsigned __int128)ticks * rate >> 32);
}

/** clock_rate_of() - 32.32 quotient of @a by @b; 0 when it has no value */
static inline uint64_t clock_rate_of(uint64_t a, uint64_t b)
{
	for (; a >> 32; a >>= 1)
		b >>= 1;
	return b ? (a << 32) / b : 0;
}

/** clock_hz() - ticks a second of a rate that is not 0 */
static inline uint64_t clock_hz(uint64_t rate)
{
	return (NS_PER_S << 32) / rate;
}

/**
 * clock_unwrap() - the full value of a counter of which only the low @bits are seen
 * @last:     full value at the last look: the result is never below it
 * @raw:      what the counter shows
 * @bits:     1..63
 * @expected: the full value that other means suggest, right within half a turn of the counter
 */
static inline uint64_t clock_unwrap(uint64_t last, uint64_t raw, unsigned bits, uint64_t expected)
{
	const uint64_t turn = 1ull << bits;
	const uint64_t ahead = (raw - expected) & (turn - 1);
	const uint64_t nearest = expected + ahead - (ahead >= turn / 2 ? turn : 0);

	return (int64_t)(nearest - last) < 0 ? last : nearest;
}

/*
 * How fast the time-stamp counter runs, measured against the reference over one to two seconds.
 * A change by more than 1/8 is believed only when it is seen twice in a row: a single one comes
 * from a machine that was stopped with one of the two counters running on.
 */
struct clock_rate {
	uint64_t rate;
	uint64_t tsc, ns;         /* where the measurement starts */
	uint64_t mid_tsc, mid_ns; /* where the next one will start */
	bool suspect;
};

/** clock_rate_begin() - start measuring here, with a first guess */
static inline void clock_rate_begin(struct clock_rate *r, uint64_t tsc, uint64_t ns, uint64_t rate)
{
	*r = (struct clock_rate){.rate = rate, .tsc = tsc, .ns = ns, .mid_tsc = tsc, .mid_ns = ns};
}

/**
 * clock_rate_update() - one more look at both counters
 *
 * Return: false when they disagree with the rate known so far, which is then kept.
 */
static inline bool clock_rate_update(struct clock_rate *r, uint64_t tsc, uint64_t ns)
{
	const uint64_t seen = clock_rate_of(ns - r->ns, tsc - r->tsc);
	const uint64_t off = seen > r->rate ? seen - r->rate : r->rate - seen;
	const bool sane = seen != 0 && off <= r->rate >> RATE_SANE_SHIFT;

	if (!sane) {
		const bool believe = r->suspect && seen != 0;

		clock_rate_begin(r, tsc, ns, believe ? seen : r->rate);
		r->suspect = !believe;
		return false;
	}
	r->rate = seen;
	r->suspect = false;
	if (ns - r->mid_ns >= RATE_STEP_NS) {
		r->tsc = r->mid_tsc;
		r->ns = r->mid_ns;
		r->mid_tsc = tsc;
		r->mid_ns = ns;
	}
	return true;
}

/*
 * A straight line that gives the time until the next look at the reference. It is followed for
 * @limit ticks and not further, so that the latest time it can have given is known.
 */
struct clock_line {
	uint64_t tsc, ns;
	uint64_t rate;
	uint64_t limit; /* ticks */
};

/** clock_line_at() - the time at @tsc; before the line its start, behind it its end */
static inline uint64_t clock_line_at(const struct clock_line *l, uint64_t tsc)
{
	const uint64_t ticks = (int64_t)(tsc - l->tsc) < 0 ? 0 : tsc - l->tsc;

	return l->ns + clock_scale(min_u64(ticks, l->limit), l->rate);
}

/**
 * clock_line_next() - the line that follows @old
 * @tsc:     where it starts
 * @ns:      what the reference says there
 * @rate:    as measured
 * @span_ns: until the next look, below 4 s
 *
 * Time lost is made up at once. Time in advance is given back by running slower, down to half
 * speed, because the clock never goes backwards.
 */
static inline struct clock_line clock_line_next(const struct clock_line *old, uint64_t tsc,
                                                uint64_t ns, uint64_t rate, uint64_t span_ns)
{
	const uint64_t said = old->ns + clock_scale(old->limit, old->rate);
	const uint64_t ahead = said > ns ? said - ns : 0;
	const uint64_t run_ns = span_ns - min_u64(ahead, span_ns / 2);

	return (struct clock_line){
	    .tsc = tsc,
	    .ns = max_u64(said, ns),
	    .rate = clock_scale(rate, clock_rate_of(run_ns, span_ns)),
	    .limit = clock_rate_of(span_ns, rate),
	};
}

#endif
