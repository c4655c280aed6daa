/*
 * The verbs on a processor that hides its stores: every interleaving of a burst, or of going to
 * sleep, with a device that does the same from the other side. The verbs are compiled here with
 * accesses of the test's own in the place of kernel/atomic.h: a store goes into a buffer, from
 * which it may become visible at any later time, until a full fence empties it. That is what real
 * processors do, and too seldom to be met by chance. No notification and no interrupt may get lost
 * (pair K), and nobody may follow an index to what was not yet there (pairs A and U).
 */
#include "drivers/virtio/virtqueue.h"
#include "kernel/atomic.h"
#include "tests/unit/plat_test.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

enum order { RELAXED, ORDERED };

static uint64_t cpu_load(const void *p, size_t size, enum order order);
static void cpu_store(void *p, size_t size, uint64_t value, enum order order);
static void cpu_fence(void);

#undef ring_load_acquire
#undef ring_load_relaxed
#undef ring_store_release
#undef ring_store_relaxed
#undef ring_fence_full
#define ring_load_acquire(p) ((__typeof__(*(p)))cpu_load((p), sizeof(*(p)), ORDERED))
#define ring_load_relaxed(p) ((__typeof__(*(p)))cpu_load((p), sizeof(*(p)), RELAXED))
#define ring_store_release(p, v) cpu_store((p), sizeof(*(p)), (v), ORDERED)
#define ring_store_relaxed(p, v) cpu_store((p), sizeof(*(p)), (v), RELAXED)
#define ring_fence_full() cpu_fence()

/* the cold verbs too, with these accesses */
#include "drivers/virtio/vq.h"
#include "drivers/virtio/vq_packed.c"
#include "drivers/virtio/vq_split.c"

#define ENTRIES 4
#define BURSTS 2
#define STORES_MAX 4
#define CHOICES_MAX 64
#define SCHEDULES_MAX 1000000

struct order_case {
	unsigned ring; /* 0, VQ_PACKED */
	bool event_idx;
};

/* ---- every schedule, one after the other ---------------------------------------------------- */

static struct {
	uint8_t pick[CHOICES_MAX], of[CHOICES_MAX];
	unsigned depth, known;
	unsigned run; /* schedules so far */
} schedule;

/* One of @n ways to go on; over all runs each of them is taken. */
static unsigned choose(unsigned n)
{
	const unsigned at = schedule.depth++;

	cr_assert_lt(at, CHOICES_MAX);
	if (at == schedule.known) {
		schedule.pick[at] = 0;
		schedule.of[at] = (uint8_t)n;
		schedule.known++;
	}
	cr_assert_eq(schedule.of[at], n, "the run is not the same a second time");
	return schedule.pick[at];
}

/* The next schedule; false after the last. */
static bool schedule_next(void)
{
	schedule.depth = 0;
	while (schedule.known &&
	       ++schedule.pick[schedule.known - 1] == schedule.of[schedule.known - 1])
		schedule.known--;
	cr_assert_lt(++schedule.run, SCHEDULES_MAX);
	return schedule.known;
}

/* ---- ring and device ------------------------------------------------------------------------ */

struct store {
	void *p;
	size_t size;
	uint64_t value;
};

static _Alignas(CACHE_LINE) uint8_t ring_mem[PAGE_SIZE];
static struct vq_slot slots[ENTRIES];
static struct virtio_dev vd;
static struct virtqueue vq;
static const struct order_case *now;

static struct {
	struct store store[STORES_MAX];
	unsigned n;
	const void *loose; /* stored without order to what came before */
} buffer;

/* What the device does next. */
enum doing { WISH, LOOK, SLEEP, COMPLETE, INTERRUPT, NOTHING };

static struct {
	enum doing doing;
	unsigned seen; /* buffers that it has found */
	bool interrupted;
} device;

static bool packed(void)
{
	return now->ring & VQ_PACKED;
}

/* Where the device looks for buffer @n, and the driver for its return. */
static const void *avail_word(unsigned n)
{
	return packed() ? (void *)&vq.packed.desc[n].flags : (void *)&vq.split.avail->idx;
}

static const void *used_word(void)
{
	return packed() ? (void *)&vq.packed.desc[0].flags : (void *)&vq.split.used->idx;
}

static bool device_finds_more(void)
{
	const bool more = packed() ? (vq.packed.desc[device.seen].flags & VQ_PACKED_AVAIL)
	                           : vq.split.avail->idx != device.seen;

	cr_assert(!more || avail_word(device.seen) != buffer.loose,
	          "the device found a buffer before its descriptor");
	return more;
}

/* It wants to be told of the next buffer, or of none while it is at work. */
static void device_wish(bool on)
{
	const uint32_t here = device.seen | VRING_PACKED_EVENT_WRAP;
	uint32_t word = VRING_PACKED_EVENT_DISABLE << 16;

	if (packed()) {
		if (on && now->event_idx)
			word = VRING_PACKED_EVENT_DESC << 16 | here;
		else if (on)
			word = VRING_PACKED_EVENT_ENABLE << 16;
		vq.packed.device_event->word = word;
	} else if (now->event_idx) {
		*vq.split.avail_event = (uint16_t)(on ? device.seen : device.seen - 1);
	} else {
		vq.split.used->flags = on ? 0 : VRING_USED_F_NO_NOTIFY;
	}
}

static void device_complete(void)
{
	if (packed()) {
		vq.packed.desc[0].flags = VQ_PACKED_AVAIL | VQ_PACKED_USED;
	} else {
		vq.split.used->ring[0] = (struct vring_used_elem){.id = 0};
		vq.split.used->idx = 1;
	}
}

static bool device_may_interrupt(void)
{
	if (packed())
		return vq.packed.driver_event->word >> 16 != VRING_PACKED_EVENT_DISABLE;
	if (now->event_idx)
		return *vq.split.used_event == 0;
	return !(vq.split.avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
}

/* One access of the device. Its own full fences stand between each two. */
static void device_step(void)
{
	switch (device.doing) {
	case WISH:
		device_wish(true);
		device.doing = LOOK;
		break;
	case LOOK:
		if (device_finds_more()) {
			device.seen++;
			device_wish(false);
			device.doing = WISH;
		} else {
			device.doing = SLEEP;
		}
		break;
	case COMPLETE:
		device_complete();
		device.doing = INTERRUPT;
		break;
	case INTERRUPT:
		device.interrupted = device_may_interrupt();
		device.doing = NOTHING;
		break;
	case SLEEP:
	case NOTHING:
		break;
	}
}

static bool device_acts(void)
{
	return device.doing != SLEEP && device.doing != NOTHING;
}

/* ---- the processor -------------------------------------------------------------------------- */

static void commit_oldest(void)
{
	const struct store s = buffer.store[0];

	memcpy(s.p, &s.value, s.size);
	buffer.n--;
	memmove(buffer.store, buffer.store + 1, buffer.n * sizeof(s));
}

/* Whatever may happen between two accesses of ours. */
static void meanwhile(void)
{
	while (buffer.n || device_acts()) {
		const unsigned ways = 1u + (buffer.n != 0) + device_acts();
		const unsigned way = choose(ways);

		if (!way)
			return;
		if (way == 1 && buffer.n)
			commit_oldest();
		else
			device_step();
	}
}

/* And in the end everything does. */
static void afterwards(void)
{
	while (buffer.n || device_acts()) {
		if (buffer.n && (!device_acts() || choose(2)))
			commit_oldest();
		else
			device_step();
	}
}

static uint64_t cpu_load(const void *p, size_t size, enum order order)
{
	uint64_t value = 0;

	meanwhile();
	cr_assert(order == ORDERED || p != used_word(), "what the word says may not be there yet");
	memcpy(&value, p, size);
	/* a processor sees its own stores at once */
	for (unsigned i = 0; i < buffer.n; i++) {
		if (buffer.store[i].p == p)
			value = buffer.store[i].value;
	}
	return value;
}

static void cpu_store(void *p, size_t size, uint64_t value, enum order order)
{
	meanwhile();
	cr_assert_lt(buffer.n, STORES_MAX);
	buffer.store[buffer.n++] = (struct store){p, size, value};
	if (order == RELAXED)
		buffer.loose = p;
}

static void cpu_fence(void)
{
	meanwhile();
	while (buffer.n)
		commit_oldest();
}

/* ---- the runs ------------------------------------------------------------------------------- */

static void ring_init(const struct order_case *c, enum doing doing)
{
	now = c;
	device.doing = NOTHING;
	vq = (struct virtqueue){
	    .nentries = ENTRIES, .event_idx = c->event_idx, .slot = slots, .vd = &vd};
	if (packed()) {
		const struct vq_packed_layout l = vq_packed_layout(ENTRIES);

		vq_packed_init(&vq, ring_mem, &l);
	} else {
		const struct vq_split_layout l = vq_split_layout(ENTRIES, CACHE_LINE);

		vq_split_init(&vq, ring_mem, &l);
	}
	while (buffer.n)
		commit_oldest();
	buffer.loose = NULL;
	device.seen = 0;
	device.interrupted = false;
	device_wish(false);
	device.doing = doing;
}

static void add(void)
{
	const struct vq_buf buf = {4096, 64};

	vq_add(&vq, &buf, 1, slots, now->ring);
}

/* The notification comes behind all stores before it (pair N), and wakes a device that sleeps. */
static void kick(void)
{
	cpu_fence();
	if (device.doing == SLEEP)
		device.doing = LOOK;
}

ParameterizedTestParameters(vq_order, no_notification_gets_lost)
{
	static struct order_case cases[] = {
	    {0, false}, {0, true}, {VQ_PACKED, false}, {VQ_PACKED, true}};

	return cr_make_param_array(struct order_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct order_case *c, vq_order, no_notification_gets_lost)
{
	memset(&schedule, 0, sizeof(schedule));
	do {
		ring_init(c, WISH);
		for (unsigned i = 0; i < BURSTS; i++) {
			add();
			vq_publish(&vq, c->ring);
			if (vq_need_kick(&vq, c->ring))
				kick();
		}
		afterwards();
		cr_assert_eq(device.doing, SLEEP);
		cr_assert_eq(device.seen, BURSTS, "schedule %u: the device sleeps, %u of %u seen",
		             schedule.run, device.seen, BURSTS);
	} while (schedule_next());
	cr_assert_gt(schedule.run, 100);
}

ParameterizedTestParameters(vq_order, no_interrupt_gets_lost)
{
	static struct order_case cases[] = {
	    {0, false}, {0, true}, {VQ_PACKED, false}, {VQ_PACKED, true}};

	return cr_make_param_array(struct order_case, cases, ARRAY_SIZE(cases));
}

static void intr_on(void)
{
	if (packed())
		vq_packed_intr_set(&vq, true);
	else
		vq_split_intr_set(&vq, true);
}

ParameterizedTest(struct order_case *c, vq_order, no_interrupt_gets_lost)
{
	memset(&schedule, 0, sizeof(schedule));
	do {
		struct vq_used used;

		ring_init(c, NOTHING);
		add();
		vq_publish(&vq, c->ring);
		cpu_fence();
		device.doing = COMPLETE;

		intr_on();
		const bool found = vq_has_used(&vq);

		cr_assert(!found || vq_used_pop(&vq, &used, c->ring));

		afterwards();
		cr_assert(found || device.interrupted,
		          "schedule %u: asleep with a buffer that came back", schedule.run);
	} while (schedule_next());
	cr_assert_gt(schedule.run, 8);
}
