/*
 * The verbs of the packed ring against the device model, without packets above them: rings of any
 * size, chains across the wrap, ids that are no positions, kicks by flags and by a place in the
 * ring, batches in order, ids that lie.
 */
#include "tests/unit/vq_rig.h"

#define ANY_SIZE_MAX 7

static void rig_up(uint16_t n, bool event_idx)
{
	rig_shape_up((struct shape){.n = n, .ring = VQ_PACKED, .event_idx = event_idx});
}

/* ---- layout ------------------------------------------------------------------------------- */

Test(vq_packed, parts_lie_where_the_specification_allows_them)
{
	static const uint16_t sizes[] = {1, 2, 3, 4, 5, 7, 256, 257, 32767, 32768};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		const struct vq_packed_layout l = vq_packed_layout(sizes[i]);

		/* 2.8.10.1: 16 n bytes, then twice 4 that are aligned to 4 */
		cr_assert_geq(l.driver_event, 16u * sizes[i]);
		cr_assert_geq(l.device_event, l.driver_event + 4);
		cr_assert_geq(l.bytes, l.device_event + 4);
		cr_assert_eq(l.driver_event % CACHE_LINE, 0);
		cr_assert_eq(l.device_event % CACHE_LINE, 0);
	}
}

Test(vq_packed, every_size_is_accepted_by_the_device)
{
	static const uint16_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 100, 256, 257, 32767, 32768};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		rig_up(sizes[i], i & 1);
		cr_assert_eq(rig.vq.free_cnt, sizes[i]);

		void *cookie = add(1);

		publish();
		cr_assert_null(pop());
		vdev_step(&rig.d, 1);
		cr_assert_eq(pop(), cookie);
		cr_assert_null(pop());
		cr_assert_eq(rig.vq.free_cnt, sizes[i]);
		rig_down();
	}
}

Test(vq_packed, init_forgets_a_former_life)
{
	rig_up(5, true);
	for (unsigned i = 0; i < 7; i++) {
		add(1);
		publish();
		vdev_step(&rig.d, i == 6 ? 0 : 1);
		pop();
	}
	virtio_dev_reset(&rig.vd);
	rig_init();
	cr_assert_eq(rig.vq.free_cnt, 5);
	for (unsigned i = 0; i < 5; i++) {
		cr_assert_null(rig.vq.slot[i].cookie);
		cr_assert_eq(rig.vq.packed.desc[i].flags, 0);
	}
	cr_assert_null(pop());

	/* and a new one begins */
	rig.outstanding = 0;
	rig_live();
	for (unsigned i = 0; i < 12; i++) {
		void *cookie = add(1);

		publish();
		vdev_step(&rig.d, 1);
		cr_assert_eq(pop(), cookie);
	}
	rig_down();
}

/* ---- buffers ------------------------------------------------------------------------------ */

Test(vq_packed, nothing_is_visible_before_publish)
{
	rig_up(7, false);
	for (unsigned round = 0; round < 20; round++) {
		add(2);
		add(1);
		add(3);
		cr_assert_eq(vdev_step(&rig.d, 8), 0);
		publish();
		cr_assert_eq(vdev_step(&rig.d, 8), 3);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_not_null(pop());
		cr_assert_null(pop());
	}
	rig_down();
}

/* Chains begin at every place of the ring, so some go across its end. */
static void chains(uint16_t n, unsigned ring)
{
	rig_shape_up((struct shape){.n = n, .ring = VQ_PACKED | ring, .event_idx = n & 1});
	for (unsigned round = 0; round < 20u * n; round++) {
		const unsigned len = 1 + round % n;
		void *cookie = add(len);

		cr_assert_eq(rig.vq.free_cnt, n - len);
		publish();
		vdev_step(&rig.d, 1);

		struct vdev_frame *f = vdev_net_tx_pop(&rig.d, 0);

		cr_assert(f && f->nb_descs == len && f->len == len * BUF_LEN - 12);
		free(f);
		cr_assert_eq(pop(), cookie);
		cr_assert_eq(rig.vq.free_cnt, n);
	}
	rig_down();
}

Test(vq_packed, a_chain_goes_across_the_wrap)
{
	for (uint16_t n = 1; n <= VQ_SEGS_MAX; n++) {
		chains(n, 0);
		chains(n, VQ_IN_ORDER);
	}
}

Test(vq_packed, used_descriptors_lie_in_the_order_of_completion)
{
	rig_up(4, false);
	rig.d.order = VDEV_REVERSED;
	for (unsigned round = 0; round < 9; round++) {
		void *cookie[3];

		for (unsigned i = 0; i < 3; i++)
			cookie[i] = add(1);
		publish();
		vdev_step(&rig.d, 3);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(pop(), cookie[2 - i]);
		cr_assert_null(pop());
	}
	rig_down();
}

Test(vq_packed, in_order_buffers_of_a_batch_come_one_by_one)
{
	batches_come_one_by_one((struct shape){.n = 13, .ring = VQ_PACKED | VQ_IN_ORDER});
}

ParameterizedTestParameters(vq_packed, keeps_its_books_under_random_work)
{
	static const uint16_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 256, 257, 1024, 32768};
	static struct mill_case cases[ARRAY_SIZE(sizes) * 12];
	size_t n = 0;

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned i = 0; i < 12; i++) {
			const unsigned ring = VQ_PACKED | (i < 6 ? 0 : VQ_IN_ORDER);
			const struct shape shape = {sizes[s], ring, i & 1, false};

			cases[n++] =
			    (struct mill_case){shape, (enum vdev_order)(i % 3), 100 * s + i};
		}
	}
	return cr_make_param_array(struct mill_case, cases, n);
}

ParameterizedTest(struct mill_case *c, vq_packed, keeps_its_books_under_random_work)
{
	for (unsigned i = 0; i < plat_test_seeds(); i++, c->seed += 7919)
		mill(c);
}

/* ---- kicks and interrupts ----------------------------------------------------------------- */

/* Walks back over the last lap: is the place that the device named among what was made available?
 */
static bool kick_by_definition(uint16_t n, unsigned pos, bool wrap, uint32_t event)
{
	for (unsigned i = 0; i < n; i++) {
		if (!pos) {
			pos = n;
			wrap = !wrap;
		}
		pos--;
		if (event == (pos | (wrap ? VRING_PACKED_EVENT_WRAP : 0u)))
			return true;
	}
	return false;
}

/* As if so many descriptors had been made available since the start, and so many used. */
static void stand_at(uint16_t n, unsigned us, unsigned used)
{
	rig.vq.packed.avail_pos = (uint16_t)(us % n);
	rig.vq.packed.avail_flags = us / n % 2 ? VQ_PACKED_USED : VQ_PACKED_AVAIL;
	rig.vq.packed.used_pos = (uint16_t)(used % n);
	rig.vq.packed.used_flags = used / n % 2 ? 0 : VQ_PACKED_AVAIL | VQ_PACKED_USED;
}

static void name_place(uint16_t n, unsigned it)
{
	rig.vq.packed.device_event->word =
	    VRING_PACKED_EVENT_DESC << 16 | it % n | (it / n % 2 ? 0 : VRING_PACKED_EVENT_WRAP);
}

static void check_kick(uint16_t n, unsigned us, bool wrap, uint32_t event)
{
	/* asked last a lap ago, when all had been used */
	stand_at(n, wrap ? us + n : us, wrap ? us + n : us);
	rig.vq.packed.device_event->word = VRING_PACKED_EVENT_DISABLE << 16;
	vq_packed_need_kick(&rig.vq);

	stand_at(n, wrap ? us : us + n, 0);
	rig.vq.packed.device_event->word = VRING_PACKED_EVENT_DESC << 16 | event;
	cr_assert_eq(vq_packed_need_kick(&rig.vq), kick_by_definition(n, us, wrap, event),
	             "ring %u, next %u of lap %d, event 0x%x", n, us, wrap, event);
}

Test(vq_packed, kicks_when_the_place_named_lies_in_the_last_lap)
{
	for (uint16_t n = 1; n <= ANY_SIZE_MAX; n++) {
		rig_up(n, true);
		for (unsigned us = 0; us < 2u * n; us++) {
			for (unsigned it = 0; it < 2u * n; it++)
				check_kick(n, us % n, us < n,
				           it % n | (it < n ? VRING_PACKED_EVENT_WRAP : 0));
		}
		/* the ring was only borrowed */
		rig.vq.packed.device_event->word = 0;
		rig_down();
	}
}

Test(vq_packed, kicks_however_long_ago_the_place_was_passed)
{
	for (uint16_t n = 1; n <= ANY_SIZE_MAX; n++) {
		for (unsigned it = 0; it < n; it++) {
			rig_up(n, true);
			name_place(n, it);
			for (unsigned us = 1; us < 6u * n; us++) {
				stand_at(n, us, us - 1);
				cr_assert_eq(vq_packed_need_kick(&rig.vq), us > it,
				             "ring %u, place %u, %u made available", n, it, us);
			}
			rig.vq.packed.device_event->word = 0;
			rig_down();
		}
	}
}

/* The device went on from the place that it named while we were not to ask, and what came then
 * made the distance more than a lap. */
Test(vq_packed, a_place_is_new_but_more_than_a_lap_behind)
{
	const uint16_t n = 33;

	for (unsigned used = 60; used <= 90; used++) {
		for (unsigned it = used; it <= 90; it++) {
			for (unsigned more = 1; more <= n; more++) {
				rig_up(n, true);
				rig.vq.packed.device_event->word = VRING_PACKED_EVENT_DISABLE << 16;
				stand_at(n, 90, used);
				cr_assert_not(vq_packed_need_kick(&rig.vq));
				stand_at(n, 90 + more, 90);
				name_place(n, it);
				cr_assert_eq(vq_packed_need_kick(&rig.vq), it < 90 + more,
				             "used %u, place %u, %u more", used, it, more);
				rig.vq.packed.device_event->word = 0;
				rig_down();
			}
		}
	}
}

Test(vq_packed, a_new_place_counts_anew)
{
	rig_up(8, true);
	name_place(8, 0);
	stand_at(8, 3, 0);
	cr_assert(vq_packed_need_kick(&rig.vq));
	name_place(8, 1);
	stand_at(8, 4, 3);
	cr_assert(vq_packed_need_kick(&rig.vq));
	name_place(8, 5);
	stand_at(8, 5, 4);
	cr_assert_not(vq_packed_need_kick(&rig.vq), "it is the next one");
	rig.vq.packed.device_event->word = 0;
	rig_down();
}

Test(vq_packed, flags_decide_whatever_the_place)
{
	rig_up(8, true);
	for (uint32_t place = 0; place <= UINT16_MAX; place += 13) {
		rig.vq.packed.device_event->word = VRING_PACKED_EVENT_ENABLE << 16 | place;
		cr_assert(vq_packed_need_kick(&rig.vq));
		rig.vq.packed.device_event->word = VRING_PACKED_EVENT_DISABLE << 16 | place;
		cr_assert_not(vq_packed_need_kick(&rig.vq));
	}
	rig.vq.packed.device_event->word = 0;
	rig_down();
}

Test(vq_packed, a_device_that_polls_is_left_alone)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		rig_up(8, event_idx);
		rig.d.kick = VDEV_KICK_NEVER;
		add(1);
		publish();
		cr_assert_eq(rig.vq.kicks, 1, "it has said nothing yet");
		for (unsigned i = 0; i < 20; i++) {
			vdev_step(&rig.d, 1);
			pop();
			add(1);
			publish();
		}
		cr_assert_eq(rig.vq.kicks, 1);
		rig.d.kick = VDEV_KICK_ALWAYS;
		vdev_step(&rig.d, 1);
		pop();
		add(1);
		publish();
		cr_assert_eq(rig.vq.kicks, 2);
		rig_down();
	}
}

Test(vq_packed, interrupts_come_when_asked_for_and_never_else)
{
	interrupts_come_as_asked((struct shape){.n = 7, .ring = VQ_PACKED}, 2);
}

Test(vq_packed, nobody_interrupts_a_ring_that_has_not_asked)
{
	nobody_interrupts((struct shape){.n = 8, .ring = VQ_PACKED});
}

Test(vq_packed, an_interrupt_asked_for_comes_once)
{
	an_interrupt_comes_once((struct shape){.n = 64, .ring = VQ_PACKED, .event_idx = true});
}

/* ---- lies --------------------------------------------------------------------------------- */

ParameterizedTestParameters(vq_packed, a_lie_breaks_the_queue_once)
{
	static struct lie_case cases[] = {
	    {VDEV_LIE_ID_RANGE, 0, VQ_PACKED},
	    {VDEV_LIE_ID_RANGE, 17, VQ_PACKED},
	    {VDEV_LIE_ID_RANGE, 0x8000, VQ_PACKED},
	    {VDEV_LIE_ID_RANGE, 0xffff, VQ_PACKED},
	    {VDEV_LIE_ID_IDLE, 0, VQ_PACKED},
	    {VDEV_LIE_ID_REPEATED, 0, VQ_PACKED},
	    {VDEV_LIE_ID_RANGE, 0, VQ_PACKED | VQ_IN_ORDER},
	    {VDEV_LIE_ID_RANGE, 0xffff, VQ_PACKED | VQ_IN_ORDER},
	    {VDEV_LIE_ID_IDLE, 0, VQ_PACKED | VQ_IN_ORDER},
	    {VDEV_LIE_ID_REPEATED, 0, VQ_PACKED | VQ_IN_ORDER},
	};

	return cr_make_param_array(struct lie_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct lie_case *c, vq_packed, a_lie_breaks_the_queue_once)
{
	lie_breaks_the_queue(c);

	/* and it stays so, whatever the ring says */
	for (unsigned flags = 0; flags < 4; flags++) {
		for (unsigned i = 0; i < 16; i++)
			rig.vq.packed.desc[i].flags = (uint16_t)((flags & 1 ? VQ_PACKED_AVAIL : 0) |
			                                         (flags & 2 ? VQ_PACKED_USED : 0));
		cr_assert_null(pop());
	}
	cr_assert_eq(rig.vd.stats.broken, 1);
	vdev_expect(&rig.d, "2.8");
	rig_free();
}

Test(vq_packed, flags_of_a_ring_that_is_all_used_are_not_believed)
{
	rig_up(8, true);
	for (unsigned i = 0; i < 8; i++)
		rig.vq.packed.desc[i].flags = VQ_PACKED_AVAIL | VQ_PACKED_USED;
	cr_assert_null(pop());
	cr_assert(rig.vq.broken);
	rig_free();
}
