/*
 * The tests of tests/unit/test_vec.c for aarch64, where there is no Criterion to link with: run
 * under qemu-aarch64 on other machines. Prints a line for each failure, and a JUnit report to the
 * file named by the first argument.
 */
#include "arch/generic/csum.h"
#include "tests/vec/ring_dev.h"
#include "tests/vec/vec_set.h"

#include <arch/csum.h>
#include <stdio.h>

static FILE *report;
static unsigned failed;

static void result(const char *name, const char *bad)
{
	if (bad)
		failed++;
	printf("%s: %s\n", name, bad ? bad : "ok");
	if (!report)
		return;
	fprintf(report, "<testcase classname=\"vec_neon\" name=\"%s\">", name);
	if (bad)
		fprintf(report, "<failure message=\"%s\"/>", bad);
	fprintf(report, "</testcase>\n");
}

static const char *primitives(void)
{
	for (uint64_t seed = 0; seed < 3000; seed++) {
		const char *bad = vec_compare(&vec_set_neon, seed);

		if (bad)
			return bad;
	}
	return NULL;
}

typedef const char *(*run_fn)(const struct vec_set *set, const struct vec_run *r);

/* Every kind of run like @like, with the reference and with NEON. */
static const char *runs(run_fn run, const struct vec_run *like)
{
	static const struct vec_set *const sets[] = {&vec_set_scalar, &vec_set_neon};
	static const uint16_t rings[] = {8, 16, 256}, bursts[] = {1, 8, 31, 33, 64};

	for (unsigned i = 0; i < 2 * 3 * 5 * 3; i++) {
		struct vec_run r = *like;

		r.nentries = (uint16_t)(rings[i / 2 % 3] + r.packed);
		r.burst = bursts[i / 6 % 5];
		r.order = r.packed || r.mrg ? 0 : i / 30;
		r.batch = r.batch * (i / 30);
		r.seed = i;
		r.packets = 400;

		const char *bad = run(sets[i % 2], &r);

		if (bad)
			return bad;
	}
	return NULL;
}

/* More packets than an index has numbers. */
static const char *wraps(void)
{
	static const struct vec_run like[] = {
	    {.nentries = 256, .burst = 32, .order = RING_DEV_MIXED},
	    {.nentries = 64, .burst = 32, .mrg = true, .chains = 50},
	    {.packed = true, .nentries = 257, .burst = 32},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(like); i++) {
		struct vec_run r = like[i];

		r.packets = (1 << 17) + 100;

		const char *bad = vec_run_rx(&vec_set_neon, &r);

		if (!bad && !r.mrg)
			bad = vec_run_tx(&vec_set_neon, &r);
		if (bad)
			return bad;
	}
	return NULL;
}

static const char *lies(void)
{
	for (unsigned i = 0; i < VEC_LIES * 2 * 32; i++) {
		const char *bad = vec_run_lie(&vec_set_neon, i & 1,
		                              (enum vec_lie)(i / 2 % VEC_LIES), i / 2 / VEC_LIES);

		if (bad)
			return bad;
	}
	return NULL;
}

static const char *too_many(void)
{
	const char *bad = vec_run_too_many(&vec_set_neon, false);

	return bad ? bad : vec_run_too_many(&vec_set_neon, true);
}

static const char *told_twice(void)
{
	const char *bad = vec_run_batch_told_twice(&vec_set_neon, false);

	return bad ? bad : vec_run_batch_told_twice(&vec_set_neon, true);
}

static const char *checksums(void)
{
	static uint8_t block[520];

	for (unsigned i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i % 5 ? 0xff : i * 7);
	for (unsigned n = 0; n < 4000; n++) {
		const uint8_t *p = block + n % 8;
		const uint64_t sum = n % 3 ? UINT64_MAX - n : n;

		if (csum_words(p, n % 64, sum) % 0xffff !=
		        csum_words_generic(p, n % 64, sum) % 0xffff ||
		    csum_words20(p) % 0xffff != csum_words20_generic(p) % 0xffff)
			return "sum";
	}
	return NULL;
}

int main(int argc, char **argv)
{
	report = argc > 1 ? fopen(argv[1], "w") : NULL;
	if (report)
		fprintf(report, "<testsuites><testsuite name=\"vec_neon\">\n");
	result("neon_does_what_the_reference_does", primitives());
	result("split_receives_every_packet_once",
	       runs(vec_run_rx, &(struct vec_run){.mrg = false}));
	result("split_sends_every_packet_once", runs(vec_run_tx, &(struct vec_run){.mrg = false}));
	result("split_mergeable_packets_come_once",
	       runs(vec_run_rx, &(struct vec_run){.mrg = true, .chains = 10}));
	result("packed_receives_every_packet_once",
	       runs(vec_run_rx, &(struct vec_run){.packed = true}));
	result("packed_sends_every_packet_once",
	       runs(vec_run_tx, &(struct vec_run){.packed = true, .batch = 9, .chains = 20}));
	result("packed_mergeable_packets_come_once",
	       runs(vec_run_rx, &(struct vec_run){.packed = true, .mrg = true, .chains = 10}));
	result("indexes_wrap_twice", wraps());
	result("a_lie_in_the_middle_of_a_batch_is_found", lies());
	result("a_device_cannot_use_what_it_was_not_given", too_many());
	result("a_batch_that_is_told_twice_comes_once", told_twice());
	result("ids_beyond_the_last_are_not_believed", vec_run_beyond(&vec_set_neon, true));
	result("descriptors_behind_the_ring_are_not_looked_at",
	       vec_run_beyond(&vec_set_neon, false));
	result("checksums_are_those_of_plain_c", checksums());
	if (report) {
		fprintf(report, "</testsuite></testsuites>\n");
		fclose(report);
	}
	return failed != 0;
}
