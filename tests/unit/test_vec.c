/*
 * The vector paths: primitives of every instruction set that this processor has against the scalar
 * reference, and the bodies made with them against a small device.
 */
#include "drivers/virtio/vec/vec_scalar.h" /* before what is made with it */

#include "drivers/virtio/vec/vec_packed.h"
#include "kernel/plat.h"
#include "tests/vec/host_isa.h"
#include "tests/vec/ring_dev.h"
#include "tests/vec/vec_set.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

static const struct vec_set *const sets[] = {VEC_SETS};

ParameterizedTestParameters(vec, a_set_does_what_the_reference_does)
{
	static unsigned at[ARRAY_SIZE(sets) - 1]; /* the first is the reference */

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		at[i] = i + 1;
	return cr_make_param_array(unsigned, at, ARRAY_SIZE(at));
}

ParameterizedTest(unsigned *at, vec, a_set_does_what_the_reference_does)
{
	const struct vec_set *set = sets[*at];

	if (set->isa & ~vec_host_isa())
		cr_skip_test("this processor has no %s", set->name);
	for (uint64_t seed = 0; seed < VEC_SEEDS; seed++) {
		const char *bad = vec_compare(set, seed);

		cr_assert_null(bad, "%s: %s differs from the reference, seed %llu", set->name, bad,
		               (unsigned long long)seed);
	}
}

/* ---- bodies ------------------------------------------------------------------------------- */

static const uint16_t bursts[] = {1, 3, 7, 8, 31, 32, 33, 64};

typedef const char *(*run_fn)(const struct vec_set *set, const struct vec_run *r);

static void run_sets(run_fn run, const struct vec_run *r)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		if ((sets[s]->isa & ~vec_host_isa()) ||
		    !(r->packed ? sets[s]->rx_packed : sets[s]->rx_split))
			continue;

		const char *bad = run(sets[s], r);

		cr_assert_null(bad,
		               "%s: %s (%s ring of %u, burst %u, order %u, batch %u, chains %u, "
		               "seed %llu)",
		               sets[s]->name, bad, r->packed ? "packed" : "split", r->nentries,
		               r->burst, r->order, r->batch, r->chains,
		               (unsigned long long)r->seed);
	}
}

Test(vec, split_receives_every_packet_once_in_any_order_of_completion)
{
	static const uint16_t rings[] = {1, 4, 8, 16, 256, 1024};
	uint64_t seed = 0;

	for (size_t n = 0; n < ARRAY_SIZE(rings); n++) {
		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
			for (unsigned order = 0; order <= RING_DEV_MIXED; order++)
				run_sets(vec_run_rx, &(struct vec_run){.nentries = rings[n],
				                                       .burst = bursts[b],
				                                       .order = order,
				                                       .seed = seed++,
				                                       .packets = 1000});
		}
	}
}

Test(vec, split_sends_every_packet_once_in_any_order_of_completion)
{
	static const uint16_t rings[] = {1, 4, 8, 16, 256, 1024};
	uint64_t seed = 0;

	for (size_t n = 0; n < ARRAY_SIZE(rings); n++) {
		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
			for (unsigned order = 0; order <= RING_DEV_MIXED; order++)
				run_sets(vec_run_tx, &(struct vec_run){.nentries = rings[n],
				                                       .burst = bursts[b],
				                                       .order = order,
				                                       .seed = seed++,
				                                       .packets = 1000});
		}
	}
}

Test(vec, packed_receives_every_packet_once)
{
	static const uint16_t rings[] = {1, 5, 8, 13, 256, 257, 1024};
	uint64_t seed = 0;

	for (size_t n = 0; n < ARRAY_SIZE(rings); n++) {
		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++)
			run_sets(vec_run_rx, &(struct vec_run){.packed = true,
			                                       .nentries = rings[n],
			                                       .burst = bursts[b],
			                                       .seed = seed++,
			                                       .packets = 2000});
	}
}

Test(vec, mergeable_packets_come_once_be_they_in_one_buffer_or_in_several)
{
	static const uint16_t rings[] = {4, 8, 16, 256, 1024};
	static const unsigned chains[] = {0, 2, 5, 20, 100};
	uint64_t seed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rings) * ARRAY_SIZE(chains); i++) {
		const uint16_t ring = rings[i / ARRAY_SIZE(chains)];

		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
			for (unsigned packed = 0; packed < 2; packed++)
				run_sets(vec_run_rx,
				         &(struct vec_run){.packed = packed,
				                           .mrg = true,
				                           .nentries = (uint16_t)(ring + packed),
				                           .burst = bursts[b],
				                           .chains = chains[i % ARRAY_SIZE(chains)],
				                           .seed = seed++,
				                           .packets = 600});
		}
	}
}

Test(vec, what_comes_by_eights_is_taken_by_eights)
{
	static const uint16_t rings[] = {8, 16, 64, 256};

	for (unsigned i = 0; i < ARRAY_SIZE(rings) * 8; i++) {
		const uint16_t ring = rings[i / 8];
		const struct vec_run r = {.packed = i & 1,
		                          .mrg = i & 2,
		                          .nentries = ring,
		                          .burst = ring < 32 || i & 4 ? 8 : 32,
		                          .order = i & 1 ? 0 : i / 2 % 3,
		                          .whole = true,
		                          .packets = 640};

		run_sets(vec_run_rx, &r);
		run_sets(vec_run_tx, &r);
	}
}

Test(vec, packed_receives_what_a_device_completes_by_one_descriptor)
{
	static const uint16_t rings[] = {5, 8, 64, 257};
	static const unsigned batches[] = {2, 3, 8, 9, 32, 1000};
	uint64_t seed = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rings) * ARRAY_SIZE(batches); i++) {
		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++)
			run_sets(vec_run_rx,
			         &(struct vec_run){.packed = true,
			                           .nentries = rings[i / ARRAY_SIZE(batches)],
			                           .burst = bursts[b],
			                           .batch = batches[i % ARRAY_SIZE(batches)],
			                           .seed = seed++,
			                           .packets = 500});
	}
}

/* Hidden, it looks as the device left it: both flags those of the lap before (virtio 2.8.1). */
Test(vec, the_first_descriptor_of_a_burst_is_hidden_and_no_other)
{
	const uint16_t both = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;
	struct virtqueue vq = {.packed = {.avail_pos = 3, .publish_pos = 3}};

	for (unsigned lap = 0; lap < 2; lap++) {
		const uint16_t left = lap ? 0 : both;

		vq.packed.avail_flags = lap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED;
		vq.packed.avail_pos = 3;
		cr_assert_eq((uint64_t)vq.packed.avail_flags << VEC_META_FLAGS_SHIFT ^
		                 vec_packed_hide(&vq, VRING_DESC_F_WRITE),
		             (uint64_t)left << VEC_META_FLAGS_SHIFT);
		cr_assert_eq(vq.packed.publish_flags, vq.packed.avail_flags | VRING_DESC_F_WRITE);
		vq.packed.avail_pos = 11;
		cr_assert_eq(vec_packed_hide(&vq, VRING_DESC_F_WRITE), 0);
	}
}

Test(vec, indexes_wrap_twice)
{
	static const struct vec_run runs[] = {
	    {.nentries = 8, .burst = 33, .order = RING_DEV_MIXED},
	    {.nentries = 64, .burst = 32, .order = RING_DEV_SAME},
	    {.nentries = 256, .burst = 32, .order = RING_DEV_REVERSED},
	    {.nentries = 64, .burst = 32, .mrg = true, .chains = 50},
	    {.packed = true, .nentries = 13, .burst = 8},
	    {.packed = true, .nentries = 257, .burst = 32},
	    {.packed = true, .nentries = 64, .burst = 32, .mrg = true, .chains = 50},
	};

	for (size_t i = 0; i < ARRAY_SIZE(runs); i++) {
		struct vec_run r = runs[i];

		r.packets = (1 << 17) + 100;
		run_sets(vec_run_rx, &r);
		if (r.mrg)
			continue;
		run_sets(vec_run_tx, &r);
	}
}

Test(vec, packed_sends_every_packet_once_however_the_device_completes_them)
{
	static const uint16_t rings[] = {5, 8, 13, 256, 257};
	static const unsigned batches[] = {1, 2, 9, 32, 1000};
	uint64_t seed = 0;

	for (size_t n = 0; n < ARRAY_SIZE(rings); n++) {
		for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
			for (size_t k = 0; k < ARRAY_SIZE(batches); k++) {
				for (unsigned chains = 0; chains <= 20; chains += 20)
					run_sets(vec_run_tx, &(struct vec_run){.packed = true,
					                                       .nentries = rings[n],
					                                       .burst = bursts[b],
					                                       .batch = batches[k],
					                                       .chains = chains,
					                                       .seed = seed++,
					                                       .packets = 600});
			}
		}
	}
}

/* ---- hostile devices ---------------------------------------------------------------------- */

Test(vec, a_lie_in_the_middle_of_a_batch_is_found)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		for (unsigned lie = 0; lie < VEC_LIES * 2 * 32; lie++) {
			const bool packed = lie & 1;
			const unsigned what = lie / 2 % VEC_LIES, at = lie / 2 / VEC_LIES;
			const char *bad;

			if ((sets[s]->isa & ~vec_host_isa()) ||
			    !(packed ? sets[s]->rx_packed : sets[s]->rx_split))
				continue;
			bad = vec_run_lie(sets[s], packed, (enum vec_lie)what, at);
			cr_assert_null(bad, "%s, %s: %s (lie %u at %u)", sets[s]->name,
			               packed ? "packed" : "split", bad, what, at);
		}
	}
}

Test(vec, a_device_cannot_use_what_it_was_not_given)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		for (unsigned tx = 0; tx < 2; tx++) {
			if ((sets[s]->isa & ~vec_host_isa()) || !sets[s]->rx_packed)
				continue;

			const char *bad = vec_run_too_many(sets[s], tx);

			cr_assert_null(bad, "%s, %s: %s", sets[s]->name, tx ? "Tx" : "Rx", bad);
		}
	}
}

Test(vec, a_batch_that_is_told_twice_comes_once)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		for (unsigned tx = 0; tx < 2; tx++) {
			if ((sets[s]->isa & ~vec_host_isa()) || !sets[s]->rx_packed)
				continue;

			const char *bad = vec_run_batch_told_twice(sets[s], tx);

			cr_assert_null(bad, "%s, %s: %s", sets[s]->name, tx ? "Tx" : "Rx", bad);
		}
	}
}

Test(vec, ids_and_descriptors_beyond_the_last_are_not_believed)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		for (unsigned ids = 0; ids < 2; ids++) {
			if ((sets[s]->isa & ~vec_host_isa()) || !sets[s]->rx_packed)
				continue;

			const char *bad = vec_run_beyond(sets[s], ids);

			cr_assert_null(bad, "%s: %s", sets[s]->name, bad);
		}
	}
}
