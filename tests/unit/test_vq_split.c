/*
 * The verbs of the split ring against the device model, without packets above them: layout, chains
 * and the free list, kicks and interrupts at every position of the indices, ids that lie.
 */
#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/vq_split.h"
#include "tests/model/vdev.h"
#include "tests/unit/plat_test.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE 1    /* the transmit queue: buffers that the device only reads */
#define BUF_LEN 64 /* enough for header and Ethernet header in one descriptor */
#define NO_VECTOR VIRTIO_NO_VECTOR

struct rig {
	struct vdev d;
	struct virtio_dev vd;
	struct virtqueue vq;
	struct vq_slot *slots;
	uint8_t *ring;
	uint8_t *buffers; /* BUF_LEN for each descriptor */
	unsigned outstanding;
};

static struct rig rig;
static unsigned irqs;

static void irq(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	irqs += vector == 1;
}

static void *shared(size_t bytes)
{
	void *p = aligned_alloc(PAGE_SIZE, align_up(bytes, PAGE_SIZE));

	cr_assert_not_null(p);
	memset(p, 0xcc, align_up(bytes, PAGE_SIZE));
	vdev_memory_add(&rig.d.memory, p, plat_test_iova(p), bytes);
	return p;
}

/* A live queue of @n entries on a fresh device; its vector is 1. */
static void rig_up(uint16_t n, bool event_idx, enum vdev_kind kind)
{
	const size_t align = kind == VDEV_LEGACY ? VIRTIO_LEGACY_RING_ALIGN : CACHE_LINE;
	const struct vq_split_layout l = vq_split_layout(n, align);

	vdev_open(&rig.d, kind);
	rig.d.queue_max[QUEUE] = n;
	vdev_attach(&rig.d, &rig.vd);
	cr_assert_eq(virtio_dev_begin(&rig.vd), 0);
	cr_assert_eq(virtio_dev_negotiate(&rig.vd, VIRTIO_F_VERSION_1 |
	                                               VIRTIO_F_ANY_LAYOUT * (kind != 0) |
	                                               (event_idx ? VIRTIO_F_EVENT_IDX : 0)),
	             0);

	rig.ring = shared(l.bytes);
	rig.buffers = shared((size_t)n * BUF_LEN);
	memset(rig.buffers, 0, (size_t)n * BUF_LEN);
	rig.slots = calloc(n + 1u, sizeof(*rig.slots));
	cr_assert_not_null(rig.slots);
	/* one behind the last, which an id out of range must not reach */
	rig.slots[n].cookie = &rig;
	rig.vq = (struct virtqueue){.nentries = n,
	                            .index = QUEUE,
	                            .slot = rig.slots,
	                            .vd = &rig.vd,
	                            .event_idx = event_idx};
	vq_split_init(&rig.vq, rig.ring, &l);
	rig.outstanding = 0;

	irqs = 0;
	rig.vd.ops->irq_setup(&rig.vd, 2, irq);
	cr_assert_eq(rig.vd.ops->queue_enable(&rig.vd, &rig.vq, 1), 0);
	cr_assert_eq(virtio_dev_ready(&rig.vd), 0);
}

static void rig_down(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&rig.d, 0)))
		free(f);
	vdev_close(&rig.d);
	cr_assert_eq(rig.d.violations, 0, "virtio %s", rig.d.violation[0].text);
	free(rig.slots);
	free(rig.ring);
	free(rig.buffers);
}

/* A buffer of @n pieces; its cookie is its first descriptor's memory. */
static void *add(unsigned n)
{
	struct vq_buf bufs[VQ_SEGS_MAX];
	uint8_t *first = rig.buffers + (size_t)rig.vq.desc_head * BUF_LEN;

	for (unsigned i = 0; i < n; i++)
		bufs[i] = (struct vq_buf){plat_test_iova(first), BUF_LEN};
	vq_split_add(&rig.vq, bufs, n, first, 0);
	rig.outstanding++;
	return first;
}

static void publish(void)
{
	vq_split_publish(&rig.vq);
	if (vq_split_need_kick(&rig.vq))
		virtqueue_notify(&rig.vq);
}

static void *pop(void)
{
	struct vq_used used;

	if (!vq_split_used_pop(&rig.vq, &used, 0))
		return NULL;
	rig.outstanding--;
	return used.cookie;
}

static void discard_frames(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&rig.d, 0)))
		free(f);
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

	const struct vq_split_layout l = vq_split_layout(8, CACHE_LINE);

	virtio_dev_reset(&rig.vd);
	vq_split_init(&rig.vq, rig.ring, &l);
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

struct mill_case {
	uint16_t n;
	bool event_idx;
	enum vdev_order order;
	uint64_t seed;
};

ParameterizedTestParameters(vq_split, keeps_its_books_under_random_work)
{
	static const uint16_t sizes[] = {1, 2, 4, 8, 256, 1024, 32768};
	static struct mill_case cases[ARRAY_SIZE(sizes) * 6];
	size_t n = 0;

	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		for (unsigned i = 0; i < 6; i++)
			cases[n++] = (struct mill_case){sizes[s], i & 1, (enum vdev_order)(i % 3),
			                                100 * s + i};
	}
	return cr_make_param_array(struct mill_case, cases, n);
}

static uint64_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* Every cookie comes back exactly once; the free list never loses a descriptor. */
ParameterizedTest(struct mill_case *c, vq_split, keeps_its_books_under_random_work)
{
	uint64_t seed = c->seed, added = 0, popped = 0, bursts = 0, turns = 0;
	uint8_t *with_device = calloc(c->n, 1);
	uint8_t *cookie;

	cr_log_info("ring %u, event_idx %d, order %u, seed %llu", c->n, c->event_idx, c->order,
	            (unsigned long long)c->seed);
	rig_up(c->n, c->event_idx, VDEV_MODERN);
	rig.d.order = c->order;
	rig.d.seed = c->seed;
	rig.d.kick = (enum vdev_kick)(c->seed % 3);
	rig.d.scribble = c->seed & 2;
	while (added < 70000) {
		const uint64_t before = added;

		for (uint64_t i = dice(&seed) % 64; i && rig.vq.free_cnt; i--, added++) {
			const unsigned most = rig.vq.free_cnt < 4 ? rig.vq.free_cnt : 4;
			const uint64_t more = dice(&seed) % 4 ? 0 : dice(&seed) % most;

			cookie = add((unsigned)(1 + more));
			const size_t at = (size_t)(cookie - rig.buffers) / BUF_LEN;

			cr_assert_not(with_device[at]);
			with_device[at] = 1;
		}
		if (added != before) {
			publish();
			bursts++;
		}
		cr_assert(turns++ < 500000);
		rig.d.hold = (unsigned)(dice(&seed) % (c->n < 8 ? c->n : 8));
		vdev_step(&rig.d, (unsigned)(dice(&seed) % 100));
		discard_frames();
		for (uint64_t i = dice(&seed) % 80; i && (cookie = pop()); i--, popped++) {
			const size_t at = (size_t)(cookie - rig.buffers) / BUF_LEN;

			cr_assert(with_device[at]);
			with_device[at] = 0;
		}
		cr_assert_not(rig.vq.broken, "%s", rig.vq.broken_why);
		cr_assert_eq(rig.outstanding, added - popped);
	}
	vdev_drain(&rig.d);
	while (pop())
		;
	cr_assert_eq(rig.outstanding, 0);
	cr_assert_eq(rig.vq.free_cnt, c->n);
	cr_assert_eq(rig.d.queue[QUEUE].kicks, rig.vq.kicks);
	cr_assert_leq(rig.vq.kicks, bursts);
	cr_assert_eq(rig.d.queue[QUEUE].kicks_unwanted, 0);
	free(with_device);
	rig_down();
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
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		rig_up(8, event_idx, VDEV_MODERN);
		for (unsigned i = 0; i < 70000; i++) {
			const bool on = i % 3 == 0;
			const unsigned before = irqs;

			vq_split_intr_set(&rig.vq, on);
			add(1);
			publish();
			vdev_step(&rig.d, 1);
			discard_frames();
			cr_assert_eq(irqs - before, on, "event_idx %u, buffer %u", event_idx, i);
			cr_assert_not_null(pop());
		}
		rig_down();
	}
}

Test(vq_split, an_interrupt_asked_for_comes_once)
{
	rig_up(64, true, VDEV_MODERN);
	vq_split_intr_set(&rig.vq, true);
	for (unsigned i = 0; i < 20; i++) {
		add(1);
		publish();
		vdev_step(&rig.d, 1);
	}
	cr_assert_eq(irqs, 1);
	rig_down();
}

/* ---- lies --------------------------------------------------------------------------------- */

struct lie_case {
	enum vdev_lie lie;
	uint32_t value;
};

ParameterizedTestParameters(vq_split, a_lie_breaks_the_queue_once)
{
	static struct lie_case cases[] = {
	    {VDEV_LIE_ID_RANGE, 0},          {VDEV_LIE_ID_RANGE, 17},
	    {VDEV_LIE_ID_RANGE, 0xffff},     {VDEV_LIE_ID_RANGE, 0x10000},
	    {VDEV_LIE_ID_RANGE, 0xffffffff}, {VDEV_LIE_ID_IDLE, 0},
	    {VDEV_LIE_ID_REPEATED, 0},       {VDEV_LIE_USED_JUMP, 0},
	    {VDEV_LIE_USED_JUMP, 9},         {VDEV_LIE_USED_JUMP, 0x7fff},
	    {VDEV_LIE_USED_BACK, 0},         {VDEV_LIE_USED_BACK, 0x8000},
	};

	return cr_make_param_array(struct lie_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct lie_case *c, vq_split, a_lie_breaks_the_queue_once)
{
	unsigned popped = 0;

	rig_up(16, true, VDEV_MODERN);
	vdev_lie(&rig.d, QUEUE, c->lie, 20, c->value);
	for (unsigned i = 0; i < 40 && !rig.vq.broken; i++) {
		/* always some ids with the device and some not */
		while (rig.vq.free_cnt > 8)
			add(1);
		publish();
		vdev_step(&rig.d, 2);
		while (pop())
			popped++;
	}
	cr_assert(rig.vq.broken, "lie %u (0x%x) was believed", c->lie, c->value);
	cr_assert_not_null(rig.vq.broken_why);
	cr_assert_eq(rig.vd.stats.broken, 1);
	cr_assert(popped >= 17 && popped <= 22, "%u", popped);

	/* and it stays so */
	rig.vq.split.used->idx = (uint16_t)(rig.vq.used_cons_idx + 1);
	cr_assert_null(pop());
	cr_assert_eq(rig.vd.stats.broken, 1);
	vdev_expect(&rig.d, "2.7: queue 1: the driver wrote to the used ring");
	vdev_close(&rig.d);
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
	vdev_close(&rig.d);
}
