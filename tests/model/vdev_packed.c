/*
 * The packed ring from the device's side (virtio 2.8): finding available descriptors by the wrap
 * counter, writing used ones over them, asking for notifications by flags or by a place in the
 * ring. Beside the ring lies a copy of what it has to contain as long as the driver may not write
 * there. Nothing here comes from the driver's ring code.
 *
 *	    use_at            fetch_at       + seen_ahead
 *	       v                 v               v
 *	| free | with the device | available ... | free |
 */
#include "tests/model/vdev_internal.h"

#include "kernel/atomic.h"

#include <stdlib.h>
#include <string.h>

#define F_AVAIL VRING_PACKED_DESC_F_AVAIL
#define F_USED VRING_PACKED_DESC_F_USED
#define FLAGS_KNOWN                                                                                \
	(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT | F_AVAIL | F_USED)
#define IDS 65536

/* ---- places ------------------------------------------------------------------------------- */

static struct vdev_cursor cursor_add(const struct vdev_queue *q, struct vdev_cursor at, unsigned n)
{
	for (n += at.pos; n >= q->size; n -= q->size)
		at.wrap = !at.wrap;
	at.pos = (uint16_t)n;
	return at;
}

/* How many descriptors from @from to @to, in a circle of two laps. */
static unsigned distance(const struct vdev_queue *q, struct vdev_cursor from, struct vdev_cursor to)
{
	const unsigned n = q->size;
	const unsigned a = from.pos + (from.wrap ? 0 : n);
	const unsigned b = to.pos + (to.wrap ? 0 : n);

	return (b + 2 * n - a) % (2 * n);
}

static struct vdev_cursor event_place(uint32_t word)
{
	const uint16_t off_wrap = (uint16_t)word;

	return (struct vdev_cursor){.pos = off_wrap & (VRING_PACKED_EVENT_WRAP - 1),
	                            .wrap = off_wrap & VRING_PACKED_EVENT_WRAP};
}

/* Descriptors that the driver cannot own: with the device, or used and it cannot know yet. */
static unsigned nb_held(const struct vdev_queue *q)
{
	return distance(q, q->public_at, q->fetch_at);
}

static bool is_available(uint16_t flags, bool wrap)
{
	return !!(flags & F_AVAIL) == wrap && !!(flags & F_USED) != wrap;
}

static uint16_t used_flags(bool wrap)
{
	return wrap ? F_AVAIL | F_USED : 0;
}

/* acquire: the driver's flags before the rest of its descriptors (pair A) */
static uint16_t flags_at(const struct vdev_queue *q, struct vdev_cursor at)
{
	return ring_load_acquire(&q->packed[at.pos].flags);
}

/* ---- set-up ------------------------------------------------------------------------------- */

static bool packed_open(struct vdev_queue *q)
{
	const size_t bytes = sizeof(struct vring_packed_desc) * q->size;

	if (!q->size || q->size > VRING_SIZE_MAX) {
		vdev_violate(q->d, "2.8: queue %u: size %u", q->index, q->size);
		return false;
	}
	q->packed = vdev_part(q, "descriptor ring", &(struct vdev_place){q->desc_iova, bytes, 16});
	q->driver_event = vdev_part(q, "driver area", &(struct vdev_place){q->avail_iova, 4, 4});
	q->device_event = vdev_part(q, "device area", &(struct vdev_place){q->used_iova, 4, 4});
	if (!q->packed || !q->driver_event || !q->device_event)
		return false;

	q->packed_copy = calloc(q->size, sizeof(*q->packed_copy));
	q->busy = calloc(IDS, sizeof(*q->busy));
	if (!q->packed_copy || !q->busy)
		abort();
	if (!q->d->late && memcmp(q->packed, q->packed_copy, bytes) != 0)
		vdev_violate(q->d, "2.8.13: queue %u: the ring was not zero", q->index);
	if (q->device_event->word)
		vdev_violate(q->d, "2.8.10: queue %u: the device area was not zero", q->index);
	q->device_event_copy = q->device_event->word;
	q->fetch_at = q->use_at = q->public_at = (struct vdev_cursor){.wrap = true};
	q->nb_with = q->seen_ahead = 0;
	q->used_idx = q->used_idx_public = 0;
	return true;
}

static void packed_close(struct vdev_queue *q)
{
	free(q->busy);
	free(q->packed_copy);
	q->busy = NULL;
	q->packed_copy = NULL;
}

/* ---- fetching ----------------------------------------------------------------------------- */

static bool walk_indirect(struct vdev_walk *w, const struct vring_packed_desc *at)
{
	struct vdev_queue *q = w->q;
	const uint8_t *table = vdev_memory_at(&q->d->memory, at->addr, at->len);
	struct vring_packed_desc d;

	w->indirect = true;
	if (!vdev_has(q->d, VIRTIO_F_INDIRECT_DESC))
		return vdev_bad(q, "2.8.19", "INDIRECT without VIRTIO_F_INDIRECT_DESC");
	if ((at->flags & VRING_DESC_F_NEXT) || w->nb_descs > 1)
		return vdev_bad(q, "2.8.19", "INDIRECT in a list linked by NEXT");
	if (!at->len || at->len % sizeof(d))
		return vdev_bad(q, "2.8.7", "length of an indirect table not a multiple of 16");
	if (!table)
		return vdev_bad(q, "2.8.7", "indirect table outside the memory of the device");

	for (unsigned i = 0; i < at->len / sizeof(d); i++) {
		memcpy(&d, table + i * sizeof(d), sizeof(d)); /* at any address */
		if (d.flags & ~VRING_DESC_F_WRITE)
			return vdev_bad(q, "2.8.19", "flags other than WRITE in an indirect table");
		if (!vdev_walk_seg(w, d.addr, d.len, d.flags))
			return false;
	}
	return true;
}

/* The list at fetch_at, whose first descriptor is available. */
static bool walk_list(struct vdev_walk *w, uint16_t *id)
{
	struct vdev_queue *q = w->q;
	struct vdev_cursor at = q->fetch_at;

	for (;;) {
		const uint16_t flags = flags_at(q, at);
		const struct vring_packed_desc d = q->packed[at.pos];

		if (!is_available(flags, at.wrap))
			return vdev_bad(q, "2.8.17", "first of a list available before the rest");
		if (nb_held(q) + w->nb_descs >= q->size)
			return vdev_bad(q, "2.8.17", "list longer than the room in the ring");
		if (!vdev_walk_desc(w, at.pos))
			return false;
		if (d.flags & ~FLAGS_KNOWN)
			return vdev_bad(q, "2.8.13", "unknown descriptor flags");
		q->packed_copy[at.pos] = d;
		*id = d.id;
		if (d.flags & VRING_DESC_F_INDIRECT)
			return walk_indirect(w, &d);
		if (!vdev_walk_seg(w, d.addr, d.len, d.flags & VRING_DESC_F_WRITE))
			return false;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return true;
		at = cursor_add(q, at, 1);
	}
}

static uint64_t packed_sum(struct vdev_queue *q, const struct vdev_chain *c)
{
	/* the ring's own descriptors are compared where they are overwritten */
	if (!c->indirect)
		return 0;

	const struct vring_packed_desc *d = &c->head;
	const void *table = vdev_memory_at(&q->d->memory, d->addr, d->len);

	return table ? vdev_sum(0, table, d->len) : 0;
}

/* The first descriptor of a list is the driver's until it is available: then its flags are as the
 * device left them. */
static bool next_is_available(struct vdev_queue *q)
{
	const uint16_t flags = flags_at(q, q->fetch_at);

	if (nb_held(q) == q->size) {
		if (flags == q->packed_copy[q->fetch_at.pos].flags ||
		    distance(q, q->public_at, q->use_at))
			return false;
		return vdev_bad(q, "2.8.16", "descriptor changed while with the device");
	}
	if (is_available(flags, q->fetch_at.wrap))
		return true;
	if (((flags ^ q->packed_copy[q->fetch_at.pos].flags) & (F_AVAIL | F_USED)) == 0)
		return false;
	q->dead = true;
	return vdev_bad(q, "2.8.1", "AVAIL and USED neither as they were nor available");
}

static struct vdev_chain *packed_fetch(struct vdev_queue *q)
{
	static _Thread_local struct vdev_walk walk;
	uint16_t id = 0;

	if (q->dead || !next_is_available(q))
		return NULL;
	vdev_walk_begin(&walk, q);
	if (!walk_list(&walk, &id)) {
		q->dead = true;
		return NULL;
	}
	if (id >= q->size || q->busy[id]) {
		vdev_bad(q, "2.8.21.1", "buffer id that is not free");
		q->dead = true;
		return NULL;
	}
	q->busy[id] = true;

	struct vdev_chain *c = vdev_walk_end(&walk, id);

	c->head = q->packed_copy[q->fetch_at.pos];
	q->fetch_at = cursor_add(q, q->fetch_at, c->nb_descs);
	q->nb_with += c->nb_descs;
	q->seen_ahead -= q->seen_ahead < c->nb_descs ? q->seen_ahead : c->nb_descs;
	return c;
}

static void packed_release(struct vdev_queue *q, const struct vdev_chain *c)
{
	q->busy[c->id] = false;
}

/* Not with the device means neither fetched nor waiting in the ring. */
static uint32_t packed_idle_id(const struct vdev_queue *q, uint16_t id)
{
	bool *taken = calloc(IDS, sizeof(*taken));
	struct vdev_cursor at = q->fetch_at;
	uint32_t i;

	if (!taken)
		abort();
	memcpy(taken, q->busy, IDS * sizeof(*taken));
	taken[id] = true;
	for (i = nb_held(q); i < q->size && is_available(flags_at(q, at), at.wrap); i++) {
		taken[q->packed[at.pos].id] = true;
		at = cursor_add(q, at, 1);
	}
	for (i = 0; i < q->size && taken[i]; i++)
		;
	free(taken);
	return i;
}

/* ---- using -------------------------------------------------------------------------------- */

/* The driver has not touched what it gave away. Only flags may be read while another thread
 * publishes the first one. */
static void check_untouched(struct vdev_queue *q, struct vdev_cursor at, unsigned n)
{
	for (unsigned i = 0; i < n; i++, at = cursor_add(q, at, 1)) {
		if (memcmp(&q->packed[at.pos], &q->packed_copy[at.pos], sizeof(*q->packed)) == 0)
			continue;
		vdev_violate(q->d, "2.8.16: queue %u: descriptor changed while with the device",
		             q->index);
		return;
	}
}

/* What a used descriptor does not mean anything with (2.8.3, 2.8.4, 2.8.6). */
static void scribble(struct vdev_queue *q, struct vring_packed_desc *d)
{
	const uint64_t dice = vdev_random(q->d);

	d->addr = dice;
	d->flags |= (uint16_t)(dice & (VRING_DESC_F_NEXT | VRING_DESC_F_INDIRECT));
	if (!(d->flags & VRING_DESC_F_WRITE))
		d->len = (uint32_t)(dice >> 32);
}

/* One descriptor for a batch, over the first of its first buffer (2.8.8). The flags of the first
 * one written since the last publish are held back: they hide the others. */
static void packed_used(struct vdev_queue *q, const struct vdev_used *u)
{
	const struct vdev_cursor at = q->use_at;
	struct vring_packed_desc *mine = &q->packed_copy[at.pos], *d = &q->packed[at.pos];

	if (u->nb_descs <= q->nb_with)
		check_untouched(q, at, u->nb_descs);
	mine->id = (uint16_t)u->id;
	mine->len = u->len;
	mine->flags = used_flags(at.wrap) | (vdev_is_rx(q) ? VRING_DESC_F_WRITE : 0);
	if (q->d->scribble)
		scribble(q, mine);
	d->addr = mine->addr;
	d->len = mine->len;
	d->id = mine->id;
	if (distance(q, q->public_at, at))
		d->flags = mine->flags;
	q->use_at = cursor_add(q, at, u->nb_descs);
	q->nb_with -= u->nb_descs < q->nb_with ? u->nb_descs : q->nb_with;
	q->used_idx = (uint16_t)(q->used_idx + u->nb_bufs);
}

/* Marks descriptors used as they stand. */
static void jump(struct vdev_queue *q, unsigned n)
{
	struct vdev_cursor at = q->use_at;

	for (; n; n--, at = cursor_add(q, at, 1))
		ring_store_release(&q->packed[at.pos].flags, used_flags(at.wrap));
}

static bool packed_publish(struct vdev_queue *q, int lie)
{
	const unsigned made = distance(q, q->public_at, q->use_at);

	if (lie > 0)
		jump(q, (unsigned)lie);
	if (!made || lie < 0)
		return false;

	const uint16_t first = q->public_at.pos;
	const struct vdev_cursor old = q->public_at;

	/* release: used descriptors before the flags of their first (pair U) */
	ring_store_release(&q->packed[first].flags, q->packed_copy[first].flags);
	q->public_at = q->use_at;
	q->used_idx_public = q->used_idx;

	/* full: our flags before the driver's wish (pair K, seen from the device) */
	ring_fence_full();

	const uint32_t word = ring_load_relaxed(&q->driver_event->word);

	switch ((word >> 16) & VRING_PACKED_EVENT_MASK) {
	case VRING_PACKED_EVENT_ENABLE:
		return true;
	case VRING_PACKED_EVENT_DESC:
		return distance(q, old, event_place(word)) < made;
	default:
		return false;
	}
}

/* ---- notifications ------------------------------------------------------------------------ */

static struct vdev_cursor seen_at(const struct vdev_queue *q)
{
	return cursor_add(q, q->fetch_at, q->seen_ahead);
}

/* How many descriptors have become available since the last look. */
static unsigned made_available(const struct vdev_queue *q)
{
	const unsigned room = q->size - nb_held(q) - q->seen_ahead;
	struct vdev_cursor at = seen_at(q);
	unsigned n = 0;

	while (n < room && is_available(flags_at(q, at), at.wrap)) {
		at = cursor_add(q, at, 1);
		n++;
	}
	return n;
}

static unsigned wish(const struct vdev_queue *q)
{
	return q->device_event_copy >> 16;
}

static bool packed_kick_due(const struct vdev_queue *q)
{
	const unsigned made = made_available(q);

	if (!made || wish(q) == VRING_PACKED_EVENT_DISABLE)
		return false;
	if (wish(q) == VRING_PACKED_EVENT_ENABLE)
		return true;
	return distance(q, seen_at(q), event_place(q->device_event_copy)) < made;
}

/* Does the place named lie in the driver's last lap? More than a lap behind, it looks like ahead.
 */
static bool event_passed(const struct vdev_queue *q)
{
	const struct vdev_cursor next = cursor_add(q, seen_at(q), made_available(q));
	const unsigned passed = distance(q, event_place(q->device_event_copy), next);

	return wish(q) == VRING_PACKED_EVENT_DESC && passed >= 1 && passed <= q->size;
}

static bool packed_kick_late(const struct vdev_queue *q)
{
	return event_passed(q) || q->device_event_copy == q->event_late;
}

static void packed_kick_seen(struct vdev_queue *q)
{
	q->seen_ahead += made_available(q);
}

static uint32_t event_word(const struct vdev_queue *q, unsigned ahead)
{
	const struct vdev_cursor at = cursor_add(q, seen_at(q), made_available(q) + ahead);

	return VRING_PACKED_EVENT_DESC << 16 | (at.wrap ? VRING_PACKED_EVENT_WRAP : 0) | at.pos;
}

static void packed_kick_ask(struct vdev_queue *q, enum vdev_kick kick)
{
	const bool event_idx = vdev_has(q->d, VIRTIO_F_EVENT_IDX);
	const uint64_t dice = vdev_random(q->d);
	uint32_t word = VRING_PACKED_EVENT_ENABLE << 16;

	if (event_passed(q))
		q->event_late = q->device_event_copy;
	if (kick == VDEV_KICK_NEVER || (kick == VDEV_KICK_RANDOM && (dice & 1)))
		word = VRING_PACKED_EVENT_DISABLE << 16;
	else if (event_idx && kick == VDEV_KICK_ALWAYS)
		word = event_word(q, 0);
	else if (event_idx && (dice & 2))
		word = event_word(q, (unsigned)(dice >> 8) % 8 % q->size);
	else if (event_idx && (dice & 4))
		word = q->device_event_copy; /* forgotten, as some devices do */
	q->device_event_copy = word;
	ring_store_relaxed(&q->device_event->word, word);
	/* full: the wish before the next look at the ring (pair K) */
	ring_fence_full();
}

static void packed_check(struct vdev_queue *q, bool thorough)
{
	const uint32_t word = ring_load_relaxed(&q->driver_event->word);
	const unsigned flags = word >> 16;

	if (flags > VRING_PACKED_EVENT_MASK)
		vdev_violate(q->d, "2.8.14: queue %u: reserved bits in the driver area", q->index);
	else if (flags == VRING_PACKED_EVENT_MASK)
		vdev_violate(q->d, "2.8.10: queue %u: reserved flags in the driver area", q->index);
	if (flags == VRING_PACKED_EVENT_DESC && !vdev_has(q->d, VIRTIO_F_EVENT_IDX))
		vdev_violate(q->d, "2.8.10: queue %u: DESC without VIRTIO_F_EVENT_IDX", q->index);
	if (flags == VRING_PACKED_EVENT_DESC && event_place(word).pos >= q->size)
		vdev_violate(q->d, "2.8.10: queue %u: event at %u of %u", q->index,
		             event_place(word).pos, q->size);
	if (ring_load_relaxed(&q->device_event->word) != q->device_event_copy)
		vdev_violate(q->d, "2.8.10: queue %u: the driver wrote to the device area",
		             q->index);
	if (thorough && !q->dead)
		check_untouched(q, q->use_at, q->nb_with);
}

const struct vdev_ring_ops vdev_ring_packed = {
    .kick_rule = "2.8.21.2",
    .open = packed_open,
    .close = packed_close,
    .fetch = packed_fetch,
    .sum = packed_sum,
    .release = packed_release,
    .idle_id = packed_idle_id,
    .used = packed_used,
    .publish = packed_publish,
    .kick_due = packed_kick_due,
    .kick_late = packed_kick_late,
    .kick_seen = packed_kick_seen,
    .kick_ask = packed_kick_ask,
    .check = packed_check,
};
