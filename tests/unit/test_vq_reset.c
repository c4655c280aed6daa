/* A ring that is set up again: what it forgets, and that it stays inside its slots. */
#include "drivers/virtio/vq_packed.h"
#include "drivers/virtio/vq_split.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define N 8

/* one behind the last, not the queue's */
static struct vq_slot slots[N + 1];
static uint16_t ids[N + 1];

static void init(struct virtqueue *vq, bool packed)
{
	const struct vq_packed_layout p = vq_packed_layout(N);
	const struct vq_split_layout s = vq_split_layout(N, CACHE_LINE);
	void *mem = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	cr_assert_not_null(mem);
	memset(mem, 0xcc, PAGE_SIZE);
	if (packed)
		vq_packed_init(vq, mem, &p);
	else
		vq_split_init(vq, mem, &s);
	free(mem);
}

static void set_up_again(bool packed)
{
	struct virtqueue vq;

	/* whatever its last life left */
	memset(&vq, 0x55, sizeof(vq));
	memset(slots, 0x55, sizeof(slots));
	memset(ids, 0x55, sizeof(ids));
	vq.nentries = N;
	vq.slot = slots;
	vq.ids = ids;
	vq.event_idx = false;
	vq.broken = true;
	vq.batch_left = 1;
	init(&vq, packed);

	cr_assert_eq(vq.is_packed, packed);
	cr_assert_eq(vq.free_cnt, N);
	cr_assert_eq(vq.desc_head, 0);
	cr_assert_eq(vq.order_head, 0);
	cr_assert_eq(vq.avail_idx | vq.kick_idx | vq.used_cons_idx | vq.used_idx_shadow, 0);
	cr_assert_eq(vq.batch_left, 0);
	cr_assert_not(vq.broken);
	cr_assert_null(vq.broken_why);
	for (unsigned i = 0; i < N; i++) {
		cr_assert_null(slots[i].cookie);
		cr_assert_eq(slots[i].nb_desc, 1);
		cr_assert_eq(slots[i].next, i + 1);
		cr_assert_eq(ids[i], i);
	}
	cr_assert_eq(ids[N], 0x5555, "the id behind the last was written");
	cr_assert_eq(slots[N].next, 0x5555, "the slot behind the last was written");
}

Test(vq_reset, a_split_ring_starts_as_new)
{
	set_up_again(false);
}

Test(vq_reset, a_packed_ring_starts_as_new)
{
	set_up_again(true);
}
