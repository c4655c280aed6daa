/*
 * The verbs of the split ring against the device model, without packets above them: layout, chains
 * and the free list, kicks and interrupts at every position of the indices, ids that lie.
 */
#include "tests/unit/vq_rig.h"

static void rig_up(uint16_t n, bool event_idx, enum vdev_kind kind)
{
	rig_shape_up((struct shape){.n = n, .event_idx = event_idx, .legacy = kind == VDEV_LEGACY});
}

/* ---- layout ------------------------------------------------------------------------------- */

Test(vq_split, parts_lie_where_the_specification_puts_them)
{
	/* 2.7: 16 n, 6 + 2 n, 6 + 8 n bytes; 2.7.2: used ring on the next page */
	static const struct {
		uint16_t n;
		size_t align, avail, used, bytes;
	} cases[] = {
	    {1, 64, 16, 64, 128},        {4, 64, 64, 128, 192},
	    {256, 64, 4096, 4672, 6784}, {256, 4096, 4096, 8192, 12288},
	    {1, 4096, 16, 4096, 8192},   {32768, 4096, 524288, 593920, 860160},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct vq_split_layout l = vq_split_layout(cases[i].n, cases[i].align);

		cr_assert_eq(l.avail, cases[i].avail, "%u: %zu", cases[i].n, l.avail);
		cr_assert_eq(l.used, cases[i].used, "%u: %zu", cases[i].n, l.used);
		cr_assert_eq(l.bytes, cases[i].bytes, "%u: %zu", cases[i].n, l.bytes);
	}
}

Test(vq_split, every_size_is_accepted_by_the_device)
{
	for (uint32_t n = 1; n <= VRING_SIZE_MAX; n *= 2) {
		for (unsigned legacy = 0; legacy < 2; legacy++) {
			rig_up((uint16_t)n, n & 0x5555, (enum vdev_kind)legacy);
			cr_assert_eq(rig.vq.free_cnt, n);
			void *cookie = add(1);

			publish();
			cr_assert_null(pop());
			vdev_step(&rig.d, 1);
			cr_assert_eq(pop(), cookie);
			cr_assert_null(pop());
			cr_assert_eq(rig.vq.free_cnt, n);
			rig_down();
		}
	}
}

Test(vq_split, init_forgets_a_former_life)
{
	rig_up(8, true, VDEV_MODERN);
	for (unsigned i = 0; i < 5; i++)
		add(1);
	publish();
	vdev_step(&rig.d, 3);
	pop();

	virtio_dev_reset(&rig.vd);
	rig_init();
	cr_assert_eq(rig.vq.free_cnt, 8);
	cr_assert_eq(rig.vq.split.avail->idx, 0);
	cr_assert_eq(rig.vq.split.used->idx, 0);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_null(rig.vq.slot[i].cookie);
	cr_assert_null(pop());
	rig_down();
}

/* ---- buffers ------------------------------------------------------------------------------ */

Test(vq_split, nothing_is_visible_before_publish)
{
	rig_up(8, false, VDEV_MODERN);
	add(2);
	add(1);
	cr_assert_eq(vdev_step(&rig.d, 8), 0);
	publish();
	cr_assert_eq(vdev_step(&rig.d, 8), 2);
	rig_down();
}

Test(vq_split, a_chain_takes_and_returns_its_descriptors)
{
	rig_up(16, true, VDEV_MODERN);
	for (unsigned round = 0; round < 50; round++) {
		const unsigned n = 1 + round % VQ_SEGS_MAX;
		void *cookie = add(n);

		cr_assert_eq(rig.vq.free_cnt, 16 - n);
		publish();
		vdev_step(&rig.d, 1);

		struct vdev_frame *f = vdev_net_tx_pop(&rig.d, 0);

		cr_assert(f && f->nb_descs == n && f->len == n * BUF_LEN - 12);
		free(f);
		cr_assert_eq(pop(), cookie);
		cr_assert_eq(rig.vq.free_cnt, 16);
	}
	rig_down();
}

ParameterizedTestParameters(vq_split, keeps_its_books_under_random_work)
{
	static const uint16_t sizes[] = {1, 2, 4, 8, 256, 1024, 32768};
	static struct mill_case cases[ARRAY_SIZE(sizes) * 12];
	size_t n = 0;

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned i = 0; i < 12; i++) {
			const struct shape shape = {sizes[s], i < 6 ? 0 : VQ_IN_ORDER, i & 1,
			                            false};

			cases[n++] =
			    (struct mill_case){shape, (enum vdev_order)(i % 3), 100 * s + i};
		}
	}
	return cr_make_param_array(struct mill_case, cases, n);
}

ParameterizedTest(struct mill_case *c, vq_split, keeps_its_books_under_random_work)
{
	for (unsigned i = 0; i < plat_test_seeds(); i++, c->seed += 7919)
		mill(c);
}

Test(vq_split, in_order_buffers_of_a_batch_come_one_by_one)
{
	batches_come_one_by_one((struct shape){.n = 16, .ring = VQ_IN_ORDER});
}

/* ---- kicks and interrupts ----------------------------------------------------------------- */

/* By the definition in 2.7.10: is the index of one of the new entries the device's event index? */
static bool kick_by_definition(uint16_t old_idx, uint16_t new_idx, uint16_t event_idx)
{
	for (uint16_t i = old_idx; i != new_idx; i++) {
		if (i == event_idx)
			return true;
	}
	return false;
}

Test(vq_split, kicks_exactly_when_the_event_index_is_crossed)
{
	static const uint16_t starts[] = {0, 1, 7, 0x7ffe, 0x7fff, 0x8000, 0xfff9, 0xfffe, 0xffff};

	rig_up(8, true, VDEV_MODERN);
	for (size_t s = 0; s < ARRAY_SIZE(starts); s++) {
		for (uint16_t n = 1; n <= 8; n++) {
			for (int away = -10; away <= 10; away++) {
				const uint16_t event = (uint16_t)(starts[s] + away);
				const uint16_t next = (uint16_t)(starts[s] + n);

				rig.vq.kick_idx = starts[s];
				rig.vq.avail_idx = next;
				*rig.vq.split.avail_event = event;
				cr_assert_eq(vq_split_need_kick(&rig.vq),
				             kick_by_definition(starts[s], next, event),
				             "from %u to %u, event %u", starts[s], next, event);
			}
		}
	}
	/* the ring was only borrowed */
	memset(rig.ring, 0, vq_split_layout(8, CACHE_LINE).bytes);
	rig_down();
}

Test(vq_split, without_event_idx_the_flag_decides)
{
	rig_up(8, false, VDEV_MODERN);
	rig.d.kick = VDEV_KICK_NEVER;
	add(1);
	publish();
	cr_assert_eq(rig.vq.kicks, 1);
	vdev_step(&rig.d, 1);
	add(1);
	publish();
	cr_assert_eq(rig.vq.kicks, 1, "the device polls now");
	rig.d.kick = VDEV_KICK_ALWAYS;
	vdev_step(&rig.d, 1);
	add(1);
	publish();
	cr_assert_eq(rig.vq.kicks, 2);
	rig_down();
}

Test(vq_split, interrupts_come_when_asked_for_and_never_else)
{
	interrupts_come_as_asked((struct shape){.n = 8}, 1);
}

Test(vq_split, nobody_interrupts_a_ring_that_has_not_asked)
{
	nobody_interrupts((struct shape){.n = 8});
}

Test(vq_split, an_interrupt_asked_for_comes_once)
{
	an_interrupt_comes_once((struct shape){.n = 64, .event_idx = true});
}

/* ---- lies --------------------------------------------------------------------------------- */

ParameterizedTestParameters(vq_split, a_lie_breaks_the_queue_once)
{
	static struct lie_case cases[] = {
	    {VDEV_LIE_ID_RANGE, 0, 0},
	    {VDEV_LIE_ID_RANGE, 17, 0},
	    {VDEV_LIE_ID_RANGE, 0xffff, 0},
	    {VDEV_LIE_ID_RANGE, 0x10000, 0},
	    {VDEV_LIE_ID_RANGE, 0xffffffff, 0},
	    {VDEV_LIE_ID_IDLE, 0, 0},
	    {VDEV_LIE_ID_REPEATED, 0, 0},
	    {VDEV_LIE_USED_JUMP, 0, 0},
	    {VDEV_LIE_USED_JUMP, 9, 0},
	    {VDEV_LIE_USED_JUMP, 0x7fff, 0},
	    {VDEV_LIE_USED_BACK, 0, 0},
	    {VDEV_LIE_USED_BACK, 0x8000, 0},
	    {VDEV_LIE_ID_RANGE, 0, VQ_IN_ORDER},
	    {VDEV_LIE_ID_RANGE, 0xffffffff, VQ_IN_ORDER},
	    {VDEV_LIE_ID_IDLE, 0, VQ_IN_ORDER},
	    {VDEV_LIE_ID_REPEATED, 0, VQ_IN_ORDER},
	    {VDEV_LIE_ID_AHEAD, 0, VQ_IN_ORDER},
	    {VDEV_LIE_USED_JUMP, 0, VQ_IN_ORDER},
	    {VDEV_LIE_USED_BACK, 0, VQ_IN_ORDER},
	};

	return cr_make_param_array(struct lie_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct lie_case *c, vq_split, a_lie_breaks_the_queue_once)
{
	lie_breaks_the_queue(c);

	/* and it stays so */
	rig.vq.split.used->idx = (uint16_t)(rig.vq.used_cons_idx + 1);
	cr_assert_null(pop());
	cr_assert_eq(rig.vd.stats.broken, 1);
	vdev_expect(&rig.d, "2.7: queue 1: the driver wrote to the used ring");
	rig_free();
}

Test(vq_split, the_id_inside_a_chain_is_not_one_of_ours)
{
	struct vring_used_elem *e;

	rig_up(16, true, VDEV_MODERN);
	add(3);
	publish();
	/* descriptor 1 is with the device, but it is no buffer's first */
	e = &rig.vq.split.used->ring[0];
	e->id = 1;
	rig.vq.split.used->idx = 1;
	cr_assert_null(pop());
	cr_assert(rig.vq.broken);
	rig_free();
}
