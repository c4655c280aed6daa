/*
 * The split ring from the device's side (virtio 2.7): fetching available buffers with all that a
 * driver can do wrong in them, writing used entries, asking for notifications. Nothing here comes
 * from the driver's ring code.
 */
#include "tests/model/vdev_internal.h"

#include "kernel/atomic.h"

#include <stdlib.h>
#include <string.h>

#define FLAGS_KNOWN (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* ---- set-up ------------------------------------------------------------------------------- */

static void check_legacy_layout(struct vdev_queue *q)
{
	const uint64_t avail = q->desc_iova + 16ull * q->size;
	const uint64_t used = align_up(avail + 2ull * (3u + q->size), VIRTIO_LEGACY_RING_ALIGN);

	if (q->desc_iova % VIRTIO_LEGACY_RING_ALIGN || q->avail_iova != avail ||
	    q->used_iova != used)
		vdev_violate(q->d, "2.7.2: queue %u: not the legacy layout", q->index);
}

static bool split_open(struct vdev_queue *q)
{
	const uint64_t event = vdev_has(q->d, VIRTIO_F_EVENT_IDX) ? 2 : 0;
	const uint64_t n = q->size;

	if (!is_power_of_two(n) || n > VRING_SIZE_MAX) {
		vdev_violate(q->d, "4.1.4.3.2: queue %u: size %u is not a power of two", q->index,
		             q->size);
		return false;
	}
	if (q->d->kind == VDEV_LEGACY)
		check_legacy_layout(q);
	q->desc = vdev_part(q, "descriptor table", &(struct vdev_place){q->desc_iova, 16 * n, 16});
	q->avail = vdev_part(q, "available ring",
	                     &(struct vdev_place){q->avail_iova, 4 + 2 * n + event, 2});
	q->used =
	    vdev_part(q, "used ring", &(struct vdev_place){q->used_iova, 4 + 8 * n + event, 4});
	if (!q->desc || !q->avail || !q->used)
		return false;

	if (q->used->flags)
		vdev_violate(q->d, "2.7.10.1: queue %u: flags of the used ring not 0", q->index);
	if (q->used->idx)
		vdev_violate(q->d, "2.7.8: queue %u: index of the used ring not 0", q->index);
	q->busy = calloc(n, sizeof(*q->busy));
	q->used_copy = calloc(n, sizeof(*q->used_copy));
	if (!q->busy || !q->used_copy)
		abort();
	memcpy(q->used_copy, q->used->ring, n * sizeof(*q->used_copy));
	q->avail_event = 0;
	if (event)
		memcpy(&q->avail_event, &q->used->ring[n], sizeof(q->avail_event));
	q->used_flags = 0;
	q->avail_idx = q->used_idx = q->used_idx_public = q->seen_idx = 0;
	q->order_next = 0;
	return true;
}

static void split_close(struct vdev_queue *q)
{
	free(q->busy);
	free(q->used_copy);
	q->busy = NULL;
	q->used_copy = NULL;
}

static uint16_t *used_event(const struct vdev_queue *q)
{
	return &q->avail->ring[q->size];
}

static uint16_t *avail_event(const struct vdev_queue *q)
{
	return (uint16_t *)(void *)&q->used->ring[q->size];
}

/* ---- fetching ----------------------------------------------------------------------------- */

static bool walk_indirect(struct vdev_walk *w, const struct vring_desc *at)
{
	struct vdev_queue *q = w->q;
	const uint8_t *table = vdev_memory_at(&q->d->memory, at->addr, at->len);
	struct vring_desc d;
	const unsigned n = at->len / 16;
	unsigned pos = 0;

	w->indirect = true;
	if (!vdev_has(q->d, VIRTIO_F_INDIRECT_DESC))
		return vdev_bad(q, "2.7.5.3.1", "INDIRECT without VIRTIO_F_INDIRECT_DESC");
	if (at->flags & VRING_DESC_F_NEXT)
		return vdev_bad(q, "2.7.5.3.1", "INDIRECT and NEXT in one descriptor");
	if (!n || at->len % 16)
		return vdev_bad(q, "2.7.5.3", "length of an indirect table not a multiple of 16");
	if (!table)
		return vdev_bad(q, "2.7.5.3",
		                "indirect table outside the memory the device can reach");

	for (;;) {
		memcpy(&d, table + pos * sizeof(d), sizeof(d)); /* at any address */
		if (d.flags & VRING_DESC_F_INDIRECT)
			return vdev_bad(q, "2.7.5.3.1", "INDIRECT inside an indirect table");
		if (d.flags & ~FLAGS_KNOWN)
			return vdev_bad(q, "2.7.5", "unknown descriptor flags");
		if (!vdev_walk_seg(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		if (d.next >= n)
			return vdev_bad(q, "2.7.5.3", "next outside the indirect table");
		pos++;
		if (vdev_has(q->d, VIRTIO_F_IN_ORDER) && d.next != pos)
			return vdev_bad(q, "2.7.5.3.1",
			                "indirect table not in order, with IN_ORDER");
		pos = d.next;
	}
}

static bool walk_chain(struct vdev_walk *w, uint16_t head)
{
	struct vdev_queue *q = w->q;
	const bool in_order = vdev_has(q->d, VIRTIO_F_IN_ORDER);
	uint16_t id = head;

	for (;;) {
		const struct vring_desc d = q->desc[id];

		if (q->busy[id])
			return vdev_bad(q, "3.3.1",
			                "descriptor used again while with the device, or a loop");
		if (!vdev_walk_desc(w, id))
			return false;
		q->busy[id] = true;
		if (in_order && id != q->order_next)
			return vdev_bad(q, "2.7.5", "descriptors not in ring order, with IN_ORDER");
		q->order_next = (uint16_t)((id + 1u) % q->size);
		if (d.flags & ~FLAGS_KNOWN)
			return vdev_bad(q, "2.7.5", "unknown descriptor flags");
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(w, &d);
		if (!vdev_walk_seg(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		if (d.next >= q->size)
			return vdev_bad(q, "2.7.5", "next outside the descriptor table");
		if (in_order && d.next != q->order_next)
			return vdev_bad(q, "2.7.5.2",
			                "next is not the following one, with IN_ORDER");
		id = d.next;
	}
}

static uint64_t split_sum(struct vdev_queue *q, const struct vdev_chain *c)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->nb_descs; i++) {
		const struct vring_desc d = q->desc[c->desc[i]];

		sum = vdev_sum(sum, &d, sizeof(d));
		if (!c->indirect || i + 1 < c->nb_descs)
			continue;

		/* as far as any chain can go */
		const uint32_t len = (uint32_t)min_u64(d.len, VDEV_SEGS_MAX * sizeof(d));
		const void *table = vdev_memory_at(&q->d->memory, d.addr, len);

		if (table)
			sum = vdev_sum(sum, table, len);
	}
	return sum;
}

static struct vdev_chain *split_fetch(struct vdev_queue *q)
{
	/* acquire: the driver's index before its descriptors (pair A) */
	const uint16_t idx = ring_load_acquire(&q->avail->idx);
	const uint16_t n = (uint16_t)(idx - q->avail_idx);
	static _Thread_local struct vdev_walk walk;

	if (!n || q->dead)
		return NULL;
	if ((uint16_t)(idx - q->used_idx_public) > q->size) {
		vdev_violate(q->d,
		             "2.7.6.1: queue %u: available index went back, or ahead by more than "
		             "the queue has",
		             q->index);
		q->dead = true;
		return NULL;
	}

	const uint16_t head = q->avail->ring[q->avail_idx % q->size];

	vdev_walk_begin(&walk, q);
	if (head >= q->size) {
		vdev_bad(q, "2.7.6", "available entry names no descriptor");
		q->dead = true;
		return NULL;
	}
	if (!walk_chain(&walk, head)) {
		q->dead = true;
		return NULL;
	}
	q->avail_idx++;
	return vdev_walk_end(&walk, head);
}

static void split_release(struct vdev_queue *q, const struct vdev_chain *c)
{
	for (unsigned i = 0; i < c->nb_descs; i++) {
		q->busy[c->desc[i]] = false;
		if (q->d->scribble)
			memset(&q->desc[c->desc[i]], (int)(vdev_random(q->d) & 0xff),
			       sizeof(struct vring_desc));
	}
	if (q->d->scribble)
		q->avail->ring[(uint16_t)(q->avail_idx - 1) % q->size] = 0xfffe;
}

/* Not with the device means neither fetched nor waiting in the available ring. */
static uint32_t split_idle_id(const struct vdev_queue *q, uint16_t id)
{
	const uint16_t idx = ring_load_acquire(&q->avail->idx);
	bool *taken = calloc(q->size, sizeof(*taken));
	uint32_t i;

	if (!taken)
		abort();
	memcpy(taken, q->busy, q->size * sizeof(*taken));
	taken[id] = true;
	for (uint16_t at = q->avail_idx; at != idx; at++)
		taken[q->avail->ring[at % q->size] % q->size] = true;
	for (i = 0; i < q->size && taken[i]; i++)
		;
	free(taken);
	return i < q->size ? i : q->size;
}

/* ---- using -------------------------------------------------------------------------------- */

/* A batch has one entry, at the place of its first buffer (2.7.9). */
static void split_used(struct vdev_queue *q, const struct vdev_used *u)
{
	const unsigned pos = q->used_idx % q->size;

	q->used_copy[pos] = (struct vring_used_elem){.id = u->id, .len = u->len};
	q->used->ring[pos] = q->used_copy[pos];
	q->used_idx = (uint16_t)(q->used_idx + u->nb_bufs);
}

static bool split_publish(struct vdev_queue *q, int lie)
{
	const uint16_t old = q->used_idx_public;
	const uint16_t new = (uint16_t)(q->used_idx + lie);

	if (new == old)
		return false;
	/* release: used entries before the index (pair U) */
	ring_store_release(&q->used->idx, new);
	q->used_idx_public = new;

	/* full: our index before the driver's wish (pair K, seen from the device) */
	ring_fence_full();
	if (vdev_has(q->d, VIRTIO_F_EVENT_IDX))
		return (uint16_t)(ring_load_relaxed(used_event(q)) - old) < (uint16_t)(new - old);
	return !(ring_load_relaxed(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

/* ---- notifications ------------------------------------------------------------------------ */

static bool split_kick_due(const struct vdev_queue *q)
{
	const uint16_t made = (uint16_t)(ring_load_acquire(&q->avail->idx) - q->seen_idx);

	if (!made)
		return false;
	if (vdev_has(q->d, VIRTIO_F_EVENT_IDX))
		return (uint16_t)(q->avail_event - q->seen_idx) < made;
	return !(q->used_flags & VRING_USED_F_NO_NOTIFY);
}

static void split_kick_seen(struct vdev_queue *q)
{
	q->seen_idx = ring_load_acquire(&q->avail->idx);
}

static void split_kick_ask(struct vdev_queue *q, enum vdev_kick wish)
{
	const bool event_idx = vdev_has(q->d, VIRTIO_F_EVENT_IDX);
	const uint16_t next = ring_load_acquire(&q->avail->idx);
	const uint64_t dice = vdev_random(q->d);

	if (event_idx) {
		/* with EVENT_IDX the driver must not look at the flags (2.7.10.1) */
		q->used_flags = wish == VDEV_KICK_RANDOM && (dice & 1);
		if (wish == VDEV_KICK_RANDOM && (dice & 2))
			q->avail_event = (uint16_t)(next + (dice >> 8) % 8);
		else if (wish == VDEV_KICK_NEVER || (wish == VDEV_KICK_RANDOM && (dice & 4)))
			q->avail_event = (uint16_t)(next - 1);
		else
			q->avail_event = next;
		ring_store_relaxed(avail_event(q), q->avail_event);
	} else {
		q->used_flags = wish == VDEV_KICK_NEVER || (wish == VDEV_KICK_RANDOM && (dice & 1));
	}
	ring_store_relaxed(&q->used->flags, q->used_flags);
	/* full: the wish before the next look at the ring (pair K) */
	ring_fence_full();
}

static void split_check(struct vdev_queue *q, bool thorough)
{
	const bool event_idx = vdev_has(q->d, VIRTIO_F_EVENT_IDX);
	const uint16_t flags = ring_load_relaxed(&q->avail->flags);

	if (flags > (event_idx ? 0 : VRING_AVAIL_F_NO_INTERRUPT))
		vdev_violate(q->d, "2.7.7.1: queue %u: flags of the available ring are %u",
		             q->index, flags);
	if (q->used->flags != q->used_flags || q->used->idx != q->used_idx_public ||
	    (event_idx && *avail_event(q) != q->avail_event))
		vdev_violate(q->d, "2.7: queue %u: the driver wrote to the used ring", q->index);
	if (thorough && memcmp(q->used->ring, q->used_copy, q->size * sizeof(*q->used_copy)) != 0)
		vdev_violate(q->d, "2.7: queue %u: the driver wrote used entries", q->index);
}

const struct vdev_ring_ops vdev_ring_split = {
    .kick_rule = "2.7.10.1",
    .open = split_open,
    .close = split_close,
    .fetch = split_fetch,
    .sum = split_sum,
    .release = split_release,
    .idle_id = split_idle_id,
    .used = split_used,
    .publish = split_publish,
    .kick_due = split_kick_due,
    .kick_seen = split_kick_seen,
    .kick_ask = split_kick_ask,
    .check = split_check,
};
