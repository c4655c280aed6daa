/*
 * The clock's arithmetic (arch/x86_64/clock_math.h) against simulated counters: no hardware, no
 * waiting, and faults that no machine shows on demand.
 */
#include "arch/x86_64/clock_math.h"

#include <criterion/criterion.h>

#define PIT_HZ 1193182u

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* ---- rates -------------------------------------------------------------------------------- */

Test(clock, a_rate_scales_ticks_to_nanoseconds)
{
	const uint64_t rate = clock_rate_of(NS_PER_S, 2600000000u);

	cr_expect_eq(clock_scale(0, rate), 0);
	cr_expect_leq(distance(clock_scale(2600000000u, rate), NS_PER_S), 1);
	cr_expect_leq(distance(clock_hz(rate), 2600000000u), 5);
}

Test(clock, a_rate_is_right_over_a_month)
{
	const uint64_t month_s = 31 * 24 * 3600;
	const uint64_t rate = clock_rate_of(NS_PER_S, PIT_HZ);
	const uint64_t ns = clock_scale(month_s * PIT_HZ, rate);

	cr_expect_leq(distance(ns, month_s * NS_PER_S), 10 * NS_PER_MS, "%lu", ns);
}

Test(clock, a_rate_of_large_numbers_keeps_its_precision)
{
	const uint64_t small = clock_rate_of(1000000000, 2600000000u);
	const uint64_t large = clock_rate_of(1000000000ull << 20, 2600000000ull << 20);

	cr_expect_leq(distance(small, large), 4);
}

Test(clock, a_rate_of_nothing_is_0)
{
	cr_expect_eq(clock_rate_of(5, 0), 0);
	cr_expect_eq(clock_rate_of(0, 5), 0);
	cr_expect_eq(clock_rate_of(UINT64_MAX, 1), 0, "the divisor is shifted away");
}

/* ---- unwrapping --------------------------------------------------------------------------- */

Test(clock, unwrap_follows_a_counter_that_does_not_wrap)
{
	cr_expect_eq(clock_unwrap(1000, 1234, 24, 1200), 1234);
	cr_expect_eq(clock_unwrap(1000, 1234, 24, 1300), 1234, "expected too far");
}

Test(clock, unwrap_adds_a_turn_when_the_counter_wrapped)
{
	const uint64_t last = 0xfffff0;

	cr_expect_eq(clock_unwrap(last, 0x10, 24, last + 0x18), 0x1000010);
}

Test(clock, unwrap_finds_turns_nobody_saw)
{
	const uint64_t last = 5000, passed = 40 * 65536ull + 77;

	for (int off = -32000; off <= 32000; off += 1000) {
		const uint64_t expected = last + passed + (uint64_t)off;

		cr_expect_eq(clock_unwrap(last, (last + passed) & 0xffff, 16, expected),
		             last + passed, "estimate off by %d", off);
	}
}

Test(clock, unwrap_never_goes_back)
{
	cr_expect_eq(clock_unwrap(1000, 998, 32, 1000), 1000, "the counter stepped back");
	cr_expect_eq(clock_unwrap(0, 0xffffffff, 32, 0), 0, "below the start");
	cr_expect_eq(clock_unwrap(10, 0xffff, 16, 10), 10);
}

Test(clock, unwrap_is_right_for_a_32_bit_counter)
{
	const uint64_t last = 7ull << 32 | 0xffffff00u;

	cr_expect_eq(clock_unwrap(last, 0x40, 32, last + 0x150), (8ull << 32) + 0x40);
}

/* ---- measuring the rate ------------------------------------------------------------------- */

#define GHZ_2_6 2600000000ull

static uint64_t tsc_of(uint64_t ns, uint64_t hz)
{
	return (uint64_t)((unsigned __int128)ns * hz / NS_PER_S);
}

Test(clock, the_rate_is_refined_with_time)
{
	struct clock_rate r;

	clock_rate_begin(&r, 0, 0, clock_rate_of(NS_PER_S, GHZ_2_6 + GHZ_2_6 / 100));
	for (uint64_t ns = NS_PER_MS; ns < 3 * NS_PER_S; ns += 10 * NS_PER_MS) {
		const uint64_t jitter = ns / 10 % 2000;

		cr_assert(clock_rate_update(&r, tsc_of(ns, GHZ_2_6), ns + jitter));
	}
	cr_expect_leq(distance(clock_hz(r.rate), GHZ_2_6), GHZ_2_6 / 200000, "5 ppm: %lu",
	              clock_hz(r.rate));
}

Test(clock, the_measurement_starts_anew_after_a_while)
{
	const uint64_t other = GHZ_2_6 + GHZ_2_6 / 20;
	struct clock_rate r;
	uint64_t ns = 0, tsc = 0;

	clock_rate_begin(&r, 0, 0, clock_rate_of(NS_PER_S, GHZ_2_6));
	for (unsigned i = 0; i < 6000; i++) {
		ns += NS_PER_MS;
		tsc += tsc_of(NS_PER_MS, i < 3000 ? GHZ_2_6 : other);
		clock_rate_update(&r, tsc, ns);
	}
	cr_expect_leq(distance(clock_hz(r.rate), other), other / 100000,
	              "the first three seconds are forgotten: %lu", clock_hz(r.rate));
}

Test(clock, one_jump_of_one_counter_does_not_change_the_rate)
{
	const uint64_t rate = clock_rate_of(NS_PER_S, GHZ_2_6);
	struct clock_rate r;
	uint64_t ns = 0, tsc = 0;

	clock_rate_begin(&r, 0, 0, rate);
	for (unsigned i = 0; i < 100; i++) {
		ns += 10 * NS_PER_MS;
		tsc += tsc_of(10 * NS_PER_MS, GHZ_2_6);
		if (i == 50)
			tsc += 3600 * GHZ_2_6; /* the machine slept, the TSC did not */
		cr_expect_eq(clock_rate_update(&r, tsc, ns), i != 50);
		cr_expect_leq(distance(r.rate, rate), rate >> 16, "look %u", i);
	}
}

Test(clock, a_lasting_change_is_believed_at_the_second_look)
{
	const uint64_t half = clock_rate_of(NS_PER_S, GHZ_2_6 / 2);
	struct clock_rate r;

	clock_rate_begin(&r, 0, 0, clock_rate_of(NS_PER_S, GHZ_2_6));
	cr_expect_not(clock_rate_update(&r, tsc_of(10 * NS_PER_MS, GHZ_2_6 / 2), 10 * NS_PER_MS));
	cr_expect_not(clock_rate_update(&r, tsc_of(20 * NS_PER_MS, GHZ_2_6 / 2), 20 * NS_PER_MS));
	cr_expect_leq(distance(r.rate, half), half >> 16);
	cr_expect(clock_rate_update(&r, tsc_of(30 * NS_PER_MS, GHZ_2_6 / 2), 30 * NS_PER_MS));
}

Test(clock, a_tsc_that_restarts_does_not_make_the_rate_0)
{
	const uint64_t rate = clock_rate_of(NS_PER_S, GHZ_2_6);
	struct clock_rate r;

	clock_rate_begin(&r, 1ull << 60, 0, rate);
	for (unsigned i = 1; i < 5; i++) {
		clock_rate_update(&r, i * GHZ_2_6 / 100, i * 10 * NS_PER_MS);
		cr_expect_leq(distance(r.rate, rate), rate >> 10, "look %u", i);
	}
}

Test(clock, a_reference_that_stands_still_does_not_make_the_rate_0)
{
	const uint64_t rate = clock_rate_of(NS_PER_S, GHZ_2_6);
	struct clock_rate r;

	clock_rate_begin(&r, 0, 0, rate);
	for (unsigned i = 1; i < 5; i++) {
		cr_expect_not(clock_rate_update(&r, i * GHZ_2_6 / 100, 0));
		cr_expect_eq(r.rate, rate, "look %u", i);
	}
}

/* ---- lines -------------------------------------------------------------------------------- */

Test(clock, a_line_is_followed_up_to_its_end)
{
	const struct clock_line l = {.tsc = 1000, .ns = 5000, .rate = 1ull << 31, .limit = 200};

	cr_expect_eq(clock_line_at(&l, 1000), 5000);
	cr_expect_eq(clock_line_at(&l, 1100), 5050);
	cr_expect_eq(clock_line_at(&l, 1200), 5100);
	cr_expect_eq(clock_line_at(&l, 999999), 5100, "not behind its end");
	cr_expect_eq(clock_line_at(&l, 900), 5000, "not before its start");
}

Test(clock, lost_time_is_made_up_at_once)
{
	const struct clock_line old = {.tsc = 0, .ns = 0, .rate = 1ull << 32, .limit = NS_PER_MS};
	const uint64_t tsc = 2 * NS_PER_MS, true_ns = 7 * NS_PER_MS;
	const struct clock_line l = clock_line_next(&old, tsc, true_ns, 1ull << 32, NS_PER_MS);

	cr_expect_eq(clock_line_at(&l, tsc), true_ns);
	cr_expect_eq(l.rate, 1ull << 32);
	cr_expect_eq(l.limit, NS_PER_MS);
}

Test(clock, time_in_advance_is_given_back_by_the_end_of_the_line)
{
	const struct clock_line old = {.tsc = 0, .ns = 0, .rate = 1ull << 32, .limit = 1000000};
	const uint64_t tsc = 1000001, true_ns = 900000;
	const struct clock_line l = clock_line_next(&old, tsc, true_ns, 1ull << 32, NS_PER_MS);

	cr_expect_eq(clock_line_at(&l, tsc), 1000000, "what was said stays said");
	cr_expect_leq(distance(clock_line_at(&l, tsc + NS_PER_MS), true_ns + NS_PER_MS), 1);
}

Test(clock, the_clock_runs_at_half_speed_at_least)
{
	const struct clock_line old = {.rate = 1ull << 32, .limit = 100 * NS_PER_MS};
	const struct clock_line l = clock_line_next(&old, 0, 0, 1ull << 32, NS_PER_MS);

	cr_expect_eq(l.rate, 1ull << 31);
}

/* A minute with a reference that is read late at random, and a TSC whose rate changes. */
Test(clock, time_never_goes_backwards_and_stays_close)
{
	struct clock_line l = {0};
	struct clock_rate r;
	uint64_t true_ns = 0, tsc = 12345, said = 0, seed = 1;

	clock_rate_begin(&r, tsc, 0, clock_rate_of(NS_PER_S, GHZ_2_6 + GHZ_2_6 / 300));
	while (true_ns < 60 * NS_PER_S) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;

		const uint64_t step = (seed >> 33) % (2 * NS_PER_MS);
		const uint64_t late = (seed >> 20) % 5000;

		true_ns += step;
		tsc += tsc_of(step, true_ns < 30 * NS_PER_S ? GHZ_2_6 : GHZ_2_6 - GHZ_2_6 / 50);
		if (tsc - l.tsc > l.limit) {
			const uint64_t seen = true_ns > late ? true_ns - late : 0;

			clock_rate_update(&r, tsc, seen);
			l = clock_line_next(&l, tsc, seen, r.rate, 16 * NS_PER_MS);
		}

		const uint64_t now = clock_line_at(&l, tsc);

		cr_assert_geq(now, said);
		cr_assert_leq(distance(now, true_ns), NS_PER_MS, "%lu instead of %lu", now,
		              true_ns);
		said = now;
	}
}
