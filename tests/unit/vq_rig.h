/*
 * A live virtqueue of any kind on the device model, without packets above it, for the tests of the
 * ring verbs; and the mill that keeps its books under random work.
 */
#ifndef TESTS_UNIT_VQ_RIG_H
#define TESTS_UNIT_VQ_RIG_H

#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/vq.h"
#include "tests/model/vdev.h"
#include "tests/unit/plat_test.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE 1    /* the transmit queue: buffers that the device only reads */
#define BUF_LEN 64 /* enough for header and Ethernet header in one descriptor */
#define NO_VECTOR VIRTIO_MSI_NO_VECTOR
#define FULL_LEN 4711 /* what a buffer without a used entry of its own has as its length */

/* What a virtqueue is like. */
struct shape {
	uint16_t n;
	unsigned ring; /* VQ_PACKED, VQ_IN_ORDER */
	bool event_idx, legacy;
};

struct rig {
	struct vdev d;
	struct virtio_dev vd;
	struct virtqueue vq;
	struct shape shape;
	struct vq_slot *slots;
	uint8_t *ring;
	uint8_t *buffers; /* BUF_LEN for each descriptor */
	unsigned outstanding;
};

static struct rig rig;
static unsigned irqs;

static inline void irq(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	irqs += vector == 1;
}

static inline void *shared(size_t bytes)
{
	void *p = aligned_alloc(PAGE_SIZE, align_up(bytes, PAGE_SIZE));

	cr_assert_not_null(p);
	memset(p, 0xcc, align_up(bytes, PAGE_SIZE));
	vdev_memory_add(&rig.d.memory, p, plat_test_iova(p), bytes);
	return p;
}

static inline uint64_t rig_features(const struct shape *s)
{
	return VIRTIO_F_VERSION_1 | (s->legacy ? VIRTIO_F_ANY_LAYOUT : 0) |
	       (s->event_idx ? VIRTIO_F_EVENT_IDX : 0) |
	       (s->ring & VQ_PACKED ? VIRTIO_F_RING_PACKED : 0) |
	       (s->ring & VQ_IN_ORDER ? VIRTIO_F_IN_ORDER : 0);
}

/* An empty ring in rig.ring, taken anew when there is none. */
static inline void rig_init(void)
{
	const struct shape *s = &rig.shape;

	if (s->ring & VQ_PACKED) {
		const struct vq_packed_layout l = vq_packed_layout(s->n);

		rig.ring = rig.ring ? rig.ring : shared(l.bytes);
		vq_packed_init(&rig.vq, rig.ring, &l);
	} else {
		const struct vq_split_layout l =
		    vq_split_layout(s->n, s->legacy ? VIRTIO_LEGACY_RING_ALIGN : CACHE_LINE);

		rig.ring = rig.ring ? rig.ring : shared(l.bytes);
		vq_split_init(&rig.vq, rig.ring, &l);
	}
}

static inline void rig_live(void)
{
	cr_assert_eq(virtio_dev_begin(&rig.vd), 0);
	cr_assert_eq(virtio_dev_negotiate(&rig.vd, rig_features(&rig.shape)), 0);
	rig.vd.ops->irq_setup(&rig.vd, 2, irq);
	cr_assert_eq(rig.vd.ops->queue_enable(&rig.vd, &rig.vq, 1), 0);
	cr_assert_eq(virtio_dev_ready(&rig.vd), 0);
}

/* A live queue on a fresh device; its vector is 1. */
static inline void rig_shape_up(struct shape s)
{
	rig.shape = s;
	rig.ring = NULL;
	vdev_open(&rig.d, s.legacy ? VDEV_LEGACY : VDEV_MODERN);
	rig.d.offered |= rig_features(&s) & (VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER);
	rig.d.queue_max[QUEUE] = s.n;
	vdev_attach(&rig.d, &rig.vd);
	rig.slots = calloc(s.n + 1u, sizeof(*rig.slots));
	cr_assert_not_null(rig.slots);
	/* one behind the last, which an id out of range must not reach */
	rig.slots[s.n].cookie = &rig;
	rig.vq = (struct virtqueue){.nentries = s.n,
	                            .index = QUEUE,
	                            .slot = rig.slots,
	                            .vd = &rig.vd,
	                            .full_len = FULL_LEN,
	                            .event_idx = s.event_idx};
	rig_init();
	rig.buffers = shared((size_t)s.n * BUF_LEN);
	memset(rig.buffers, 0, (size_t)s.n * BUF_LEN);
	rig.outstanding = 0;
	irqs = 0;
	rig_live();
}

static inline void discard_frames(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&rig.d, 0)))
		free(f);
}

static inline void rig_free(void)
{
	discard_frames();
	vdev_close(&rig.d);
	free(rig.slots);
	free(rig.ring);
	free(rig.buffers);
}

static inline void rig_down(void)
{
	rig_free();
	cr_assert_eq(rig.d.violations, 0, "virtio %s", rig.d.violation[0].text);
}

/* A buffer of @n pieces; its cookie is its first descriptor's memory. */
static inline void *add(unsigned n)
{
	struct vq_buf bufs[VQ_SEGS_MAX];
	uint8_t *first = rig.buffers + (size_t)rig.vq.desc_head * BUF_LEN;

	for (unsigned i = 0; i < n; i++)
		bufs[i] = (struct vq_buf){plat_test_iova(first), BUF_LEN};
	vq_add(&rig.vq, bufs, n, first, rig.shape.ring);
	rig.outstanding++;
	return first;
}

static inline void publish(void)
{
	vq_publish(&rig.vq, rig.shape.ring);
	if (vq_need_kick(&rig.vq, rig.shape.ring))
		virtqueue_notify(&rig.vq);
}

static inline void *pop_len(uint32_t *len)
{
	struct vq_used used;

	if (!vq_used_pop(&rig.vq, &used, rig.shape.ring))
		return NULL;
	rig.outstanding--;
	*len = used.len;
	return used.cookie;
}

static inline void *pop(void)
{
	uint32_t len;

	return pop_len(&len);
}

static inline void intr_set(bool on)
{
	if (rig.shape.ring & VQ_PACKED)
		vq_packed_intr_set(&rig.vq, on);
	else
		vq_split_intr_set(&rig.vq, on);
}

/* ---- the mill ----------------------------------------------------------------------------- */

struct mill_case {
	struct shape shape;
	enum vdev_order order;
	uint64_t seed;
};

static inline uint64_t dice(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* Adds up to 63 buffers, most of one descriptor. */
static inline uint64_t mill_add(uint64_t *seed, uint8_t *with_device)
{
	uint64_t added = 0;

	for (uint64_t i = dice(seed) % 64; i && rig.vq.free_cnt; i--, added++) {
		const unsigned most = rig.vq.free_cnt < 4 ? rig.vq.free_cnt : 4;
		const uint64_t more = dice(seed) % 4 ? 0 : dice(seed) % most;
		const size_t at = (size_t)((uint8_t *)add((unsigned)(1 + more)) - rig.buffers);

		cr_assert_not(with_device[at / BUF_LEN]);
		with_device[at / BUF_LEN] = 1;
	}
	return added;
}

static inline uint64_t mill_pop(uint64_t most, uint8_t *with_device)
{
	uint64_t popped = 0;
	uint8_t *cookie;

	for (; most && (cookie = pop()); most--, popped++) {
		const size_t at = (size_t)(cookie - rig.buffers) / BUF_LEN;

		cr_assert(with_device[at]);
		with_device[at] = 0;
	}
	cr_assert_not(rig.vq.broken, "%s", rig.vq.broken_why);
	return popped;
}

/* Every cookie comes back exactly once; the free list never loses a descriptor. */
static inline void mill(const struct mill_case *c)
{
	const uint16_t n = c->shape.n;
	uint64_t seed = c->seed, added = 0, popped = 0, bursts = 0, turns = 0;
	uint8_t *with_device = calloc(n, 1);

	cr_log_info("ring %u of kind 0x%x, event_idx %d, order %u, seed %llu", n, c->shape.ring,
	            c->shape.event_idx, c->order, (unsigned long long)c->seed);
	rig_shape_up(c->shape);
	rig.d.order = c->order;
	rig.d.batch = (enum vdev_batch)c->order;
	rig.d.seed = c->seed;
	rig.d.kick = (enum vdev_kick)(c->seed % 3);
	rig.d.scribble = c->seed & 2;
	while (added < 70000) {
		const uint64_t now = mill_add(&seed, with_device);

		added += now;
		if (now) {
			publish();
			bursts++;
		}
		cr_assert(turns++ < 500000);
		rig.d.hold = (unsigned)(dice(&seed) % (n < 8 ? n : 8));
		vdev_step(&rig.d, (unsigned)(dice(&seed) % 100));
		discard_frames();
		popped += mill_pop(dice(&seed) % 80, with_device);
		cr_assert_eq(rig.outstanding, added - popped);
	}
	vdev_drain(&rig.d);
	mill_pop(UINT64_MAX, with_device);
	cr_assert_eq(rig.outstanding, 0);
	cr_assert_eq(rig.vq.free_cnt, n);
	cr_assert_eq(rig.d.queue[QUEUE].kicks, rig.vq.kicks);
	cr_assert_leq(rig.vq.kicks, bursts);
	cr_assert_eq(rig.d.queue[QUEUE].kicks_unwanted, 0);
	free(with_device);
	rig_down();
}

/* ---- lies --------------------------------------------------------------------------------- */

struct lie_case {
	enum vdev_lie lie;
	uint32_t value;
	unsigned ring;
};

/* Always some ids with the device and some not; the lie is found out once, and for good. */
static inline void lie_breaks_the_queue(const struct lie_case *c)
{
	unsigned popped = 0;

	rig_shape_up((struct shape){.n = 16, .ring = c->ring, .event_idx = true});
	vdev_lie(&rig.d, QUEUE, c->lie, 20, c->value);
	rig.d.hold = c->lie == VDEV_LIE_ID_AHEAD ? 4 : 0;
	for (unsigned i = 0; i < 40 && !rig.vq.broken; i++) {
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
	cr_assert_null(pop());
	cr_assert_eq(rig.vd.stats.broken, 1);
}

/* In-order rings: a batch that one used entry completes comes out buffer by buffer. */
static inline void batches_come_one_by_one(struct shape shape)
{
	for (unsigned batch = VDEV_BATCH_NONE; batch <= VDEV_BATCH_ALL; batch++) {
		rig_shape_up(shape);
		rig.d.batch = (enum vdev_batch)batch;
		for (unsigned round = 0; round < 30; round++) {
			void *cookie[4];
			uint32_t len;

			for (unsigned i = 0; i < 4; i++)
				cookie[i] = add(1 + (round + i) % 4);
			publish();
			vdev_step(&rig.d, 4);
			for (unsigned i = 0; i < 4; i++) {
				cr_assert_eq(pop_len(&len), cookie[i]);
				cr_assert_eq(len, batch && i < 3 ? FULL_LEN : 0);
			}
			cr_assert_null(pop());
			cr_assert_eq(rig.vq.free_cnt, shape.n);
		}
		rig_down();
	}
}

/* With EVENT_IDX and without. Buffers have 1 to @pieces_max descriptors. */
static inline void interrupts_come_as_asked(struct shape shape, unsigned pieces_max)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		shape.event_idx = event_idx;
		rig_shape_up(shape);
		for (unsigned i = 0; i < 70000; i++) {
			const bool on = i % 3 == 0;
			const unsigned before = irqs;

			intr_set(on);
			add(1 + i % pieces_max);
			publish();
			vdev_step(&rig.d, 1);
			discard_frames();
			cr_assert_eq(irqs - before, on, "event_idx %u, buffer %u", event_idx, i);
			cr_assert_not_null(pop());
		}
		rig_down();
	}
}

static inline void nobody_interrupts(struct shape shape)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		shape.event_idx = event_idx;
		rig_shape_up(shape);
		for (unsigned i = 0; i < 20; i++) {
			add(1);
			publish();
			vdev_step(&rig.d, 1);
			cr_assert_eq(irqs, 0);
			pop();
		}
		rig_down();
	}
}

static inline void an_interrupt_comes_once(struct shape shape)
{
	rig_shape_up(shape);
	intr_set(true);
	for (unsigned i = 0; i < 20; i++) {
		add(1);
		publish();
		vdev_step(&rig.d, 1);
	}
	cr_assert_eq(irqs, 1);
	rig_down();
}

#endif
