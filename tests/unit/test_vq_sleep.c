/*
 * A million packets that come at random moments around the driver's falling asleep, on both kinds
 * of ring, in order and not, with event index and with flags: none is left in the ring of a driver
 * that sleeps. As in test_vq_order.c, which runs every interleaving of one such moment, the verbs
 * are compiled with accesses of the test's own, stores become visible late, and at each access the
 * device may act; here by lot, and the ring goes round thousands of times.
 */
#include "drivers/virtio/virtqueue.h"
#include "kernel/atomic.h"
#include "tests/unit/plat_test.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

static uint64_t cpu_load(const void *p, size_t size);
static void cpu_store(void *p, size_t size, uint64_t value);
static void cpu_fence(void);

#undef ring_load_acquire
#undef ring_load_relaxed
#undef ring_store_release
#undef ring_store_relaxed
#undef ring_fence_full
#define ring_load_acquire(p) ((__typeof__(*(p)))cpu_load((p), sizeof(*(p))))
#define ring_load_relaxed(p) ((__typeof__(*(p)))cpu_load((p), sizeof(*(p))))
#define ring_store_release(p, v) cpu_store((p), sizeof(*(p)), (v))
#define ring_store_relaxed(p, v) cpu_store((p), sizeof(*(p)), (v))
#define ring_fence_full() cpu_fence()

/* the cold verbs too, with these accesses */
#include "drivers/virtio/vq.h"
#include "drivers/virtio/vq_packed.c"
#include "drivers/virtio/vq_split.c"

#define ENTRIES 8
#define CASES 8
#define PACKETS (1000000 / CASES)
#define STORES_MAX 4
#define PAUSE_MAX 24 /* steps of the device between two packets, about as many as a turn has */

struct sleep_case {
	unsigned ring; /* VQ_PACKED, VQ_IN_ORDER */
	bool event_idx;
};

static _Alignas(CACHE_LINE) uint8_t ring_mem[PAGE_SIZE];
static struct vq_slot slots[ENTRIES];
static struct virtio_dev vd;
static struct virtqueue vq;
static const struct sleep_case *now;

static struct {
	struct {
		void *p;
		size_t size;
		uint64_t value;
	} store[STORES_MAX];
	unsigned n;
} buffer;

static struct {
	unsigned delivered, pause;
	bool interrupts; /* has used a buffer, and now looks whether to tell */
	bool interrupted;
	uint16_t idx, pos; /* split: free-running; packed: a position ... */
	bool wrap;         /* ... and its lap */
} device;

static struct {
	unsigned got, sleeps, spared;
} driver;

static uint32_t dice(void)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(state >> 33);
}

static bool packed(void)
{
	return now->ring & VQ_PACKED;
}

/* ---- the device ------------------------------------------------------------------------------ */

static bool device_uses_packed(void)
{
	struct vring_packed_desc *d = &vq.packed.desc[device.pos];
	const uint16_t mine = device.wrap ? VQ_PACKED_AVAIL : VQ_PACKED_USED;

	if ((d->flags & (VQ_PACKED_AVAIL | VQ_PACKED_USED)) != mine)
		return false;
	d->flags = device.wrap ? VQ_PACKED_AVAIL | VQ_PACKED_USED : 0;
	return true;
}

static bool device_uses_split(void)
{
	const uint16_t at = device.idx % ENTRIES;

	if (vq.split.avail->idx == device.idx)
		return false;
	vq.split.used->ring[at] = (struct vring_used_elem){.id = vq.split.avail->ring[at]};
	vq.split.used->idx = ++device.idx;
	return true;
}

/* Of the buffer just used. */
static bool device_may_interrupt(void)
{
	const uint32_t event = packed() ? vq.packed.driver_event->word : 0;

	if (!packed())
		return now->event_idx ? *vq.split.used_event == (uint16_t)(device.idx - 1)
		                      : !(vq.split.avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
	if (event >> 16 != VRING_PACKED_EVENT_DESC)
		return event >> 16 == VRING_PACKED_EVENT_ENABLE;
	return (event & 0xffff) == (device.pos | (device.wrap ? VRING_PACKED_EVENT_WRAP : 0u));
}

/* One access of the device, its full fences stand between each two. */
static void device_step(void)
{
	if (device.interrupts) {
		device.interrupts = false;
		device.interrupted |= device_may_interrupt();
		device.pos = (uint16_t)((device.pos + 1) % ENTRIES);
		device.wrap ^= packed() && !device.pos;
	} else if (device.pause) {
		device.pause--;
	} else if (device.delivered < PACKETS &&
	           (packed() ? device_uses_packed() : device_uses_split())) {
		device.delivered++;
		device.interrupts = true;
		device.pause = dice() % PAUSE_MAX;
	}
}

/* ---- the processor --------------------------------------------------------------------------- */

static void commit_oldest(void)
{
	memcpy(buffer.store[0].p, &buffer.store[0].value, buffer.store[0].size);
	buffer.n--;
	memmove(buffer.store, buffer.store + 1, buffer.n * sizeof(buffer.store[0]));
}

static void meanwhile(void)
{
	for (uint32_t lot; (lot = dice() % 4) < 2;) {
		if (lot)
			device_step();
		else if (buffer.n)
			commit_oldest();
	}
}

static uint64_t cpu_load(const void *p, size_t size)
{
	uint64_t value = 0;

	meanwhile();
	memcpy(&value, p, size);
	for (unsigned i = 0; i < buffer.n; i++) { /* a processor sees its own stores at once */
		if (buffer.store[i].p == p)
			value = buffer.store[i].value;
	}
	return value;
}

static void cpu_fence(void)
{
	meanwhile();
	while (buffer.n)
		commit_oldest();
}

static void cpu_store(void *p, size_t size, uint64_t value)
{
	meanwhile();
	if (buffer.n == STORES_MAX)
		commit_oldest();
	buffer.store[buffer.n].p = p;
	buffer.store[buffer.n].size = size;
	buffer.store[buffer.n++].value = value;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void ring_init(void)
{
	memset(&device, 0, sizeof(device));
	memset(&driver, 0, sizeof(driver));
	buffer.n = 0;
	vq = (struct virtqueue){
	    .nentries = ENTRIES, .event_idx = now->event_idx, .slot = slots, .vd = &vd};
	if (packed()) {
		const struct vq_packed_layout l = vq_packed_layout(ENTRIES);

		vq_packed_init(&vq, ring_mem, &l);
	} else {
		const struct vq_split_layout l = vq_split_layout(ENTRIES, CACHE_LINE);

		vq_split_init(&vq, ring_mem, &l);
	}
	device.wrap = true;
}

static void fill(void)
{
	const struct vq_buf buf = {4096, 64};

	while (vq.free_cnt) {
		vq_add(&vq, &buf, 1, slots, VRING_DESC_F_WRITE | now->ring);
		vq_publish(&vq, now->ring);
	}
}

static unsigned receive(void)
{
	struct vq_used used;
	unsigned n = 0;

	while (vq_used_pop(&vq, &used, now->ring))
		n++;
	cr_assert_not(vq.broken, "%s", vq.broken_why);
	fill();
	return n;
}

/* Until an interrupt, which must come for whatever is used meanwhile. */
static void sleep_on(void)
{
	driver.sleeps++;
	while (!device.interrupted && driver.got < PACKETS) {
		if (buffer.n)
			commit_oldest();
		device_step();
		cr_assert(device.interrupted || device.interrupts || device.delivered == driver.got,
		          "packet %u: it is there, and the driver sleeps", device.delivered);
	}
	device.interrupted = false;
}

ParameterizedTestParameters(vq_sleep, no_packet_is_left_with_a_sleeper)
{
	static struct sleep_case cases[CASES];

	for (unsigned i = 0; i < CASES; i++)
		cases[i] =
		    (struct sleep_case){(i & 1 ? VQ_PACKED : 0) | (i & 2 ? VQ_IN_ORDER : 0), i & 4};
	return cr_make_param_array(struct sleep_case, cases, CASES);
}

ParameterizedTest(struct sleep_case *c, vq_sleep, no_packet_is_left_with_a_sleeper)
{
	now = c;
	ring_init();
	fill();
	while (driver.got < PACKETS) {
		const unsigned n = receive();

		driver.got += n;
		if (n)
			continue;
		vq_intr_set(&vq, true);
		if (!vq_has_used(&vq))
			sleep_on();
		else
			driver.spared++;
		vq_intr_set(&vq, false);
	}
	cr_assert_eq(driver.got, PACKETS);
	cr_log_info("%u sleeps, %u spared", driver.sleeps, driver.spared);
	cr_assert_gt(driver.sleeps, PACKETS / 10);
	cr_assert_gt(driver.spared, PACKETS / 100, "packets hardly ever came at the moment");
}
