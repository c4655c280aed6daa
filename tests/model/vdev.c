/*
 * The model device's core: what a step is, in which order buffers are completed, which lies are
 * told, and the list of the driver's breaches.
 */
#include "tests/model/vdev_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW                                                                                     \
	64 /* buffers fetched ahead, so that an order other than the driver's is possible          \
	    */
#define DRAIN_STEPS_MAX 100000

/* ---- helpers ------------------------------------------------------------------------------ */

void vdev_violate(struct vdev *d, const char *fmt, ...)
{
	char text[sizeof(d->violation[0].text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->violations++;
	for (unsigned i = 0; i < d->nb_violations; i++) {
		if (!strcmp(d->violation[i].text, text)) {
			d->violation[i].times++;
			return;
		}
	}
	if (d->nb_violations == VDEV_VIOLATIONS_MAX)
		return;

	struct vdev_violation *v = &d->violation[d->nb_violations++];

	memcpy(v->text, text, sizeof(text));
	v->times = 1;
}

uint64_t vdev_expect(struct vdev *d, const char *section)
{
	uint64_t found = 0;
	unsigned kept = 0;

	for (unsigned i = 0; i < d->nb_violations; i++) {
		if (!strncmp(d->violation[i].text, section, strlen(section)))
			found += d->violation[i].times;
		else
			d->violation[kept++] = d->violation[i];
	}
	d->nb_violations = kept;
	d->violations -= found;
	return found;
}

bool vdev_has(const struct vdev *d, uint64_t feature)
{
	return (d->features & feature) != 0;
}

/* splitmix64: every seed gives a good sequence, the same on every machine */
uint64_t vdev_random(struct vdev *d)
{
	uint64_t z = d->seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

uint64_t vdev_sum(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word = 0;

	sum ^= len * 0x9e3779b97f4a7c15ull;
	for (; len >= sizeof(word); len -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum = (sum ^ word) * 0xff51afd7ed558ccdull;
		sum ^= sum >> 32;
	}
	word = 0;
	memcpy(&word, p, len);
	sum = (sum ^ word) * 0xc4ceb9fe1a85ec53ull;
	return sum ^ (sum >> 29);
}

void vdev_lie(struct vdev *d, unsigned queue, enum vdev_lie lie, uint64_t after, uint32_t value)
{
	struct vdev_queue *q = &d->queue[queue];

	q->lie = lie;
	q->lie_after = q->completions + after;
	q->lie_value = value;
}

bool vdev_lie_due(struct vdev_queue *q, enum vdev_lie lie)
{
	if (q->lie != lie || q->completions < q->lie_after)
		return false;
	q->lie = VDEV_TRUTH;
	return true;
}

void vdev_needs_reset(struct vdev *d)
{
	d->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (d->status & VIRTIO_STATUS_DRIVER_OK)
		vdev_interrupt_config(d);
}

/* ---- buffers ------------------------------------------------------------------------------ */

/* As far as a packet can go: buffers of gigabytes would stop the device. */
static uint64_t readable_sum(const struct vdev_chain *c)
{
	uint32_t left = VDEV_FRAME_MAX;
	uint64_t sum = 0;

	for (unsigned i = 0; i < c->nb_segs && !c->seg[i].write && left; i++) {
		const uint32_t len = (uint32_t)min_u64(c->seg[i].len, left);

		sum = vdev_sum(sum, c->seg[i].va, len);
		left -= len;
	}
	return sum;
}

void vdev_fetch(struct vdev_queue *q, unsigned n)
{
	struct vdev_chain *c;

	while (q->nb_pending < n && q->nb_pending < q->size && (c = q->ring->fetch(q))) {
		c->desc_sum = q->ring->sum(q, c);
		c->memory_sum = readable_sum(c);
		vdev_net_check(q, c);
		q->pending[q->nb_pending++] = c;
	}
}

struct vdev_chain *vdev_pick(struct vdev_queue *q)
{
	unsigned at = 0;

	if (!q->nb_pending)
		return NULL;
	if (vdev_has(q->d, VIRTIO_F_IN_ORDER))
		at = 0;
	else if (q->d->order == VDEV_REVERSED)
		at = q->nb_pending - 1;
	else if (q->d->order == VDEV_RANDOM)
		at = (unsigned)(vdev_random(q->d) % q->nb_pending);

	struct vdev_chain *c = q->pending[at];

	q->nb_pending--;
	memmove(&q->pending[at], &q->pending[at + 1], (q->nb_pending - at) * sizeof(c));
	return c;
}

static uint32_t lie_about_id(struct vdev_queue *q, uint32_t id)
{
	if (vdev_lie_due(q, VDEV_LIE_ID_RANGE))
		return q->lie_value ? q->lie_value : q->size;
	if (vdev_lie_due(q, VDEV_LIE_ID_IDLE))
		return q->ring->idle_id(q, (uint16_t)id);
	if (q->nb_pending && vdev_lie_due(q, VDEV_LIE_ID_AHEAD)) {
		q->dead = true;
		return q->pending[q->nb_pending - 1]->id;
	}
	return id;
}

static uint32_t lie_about_len(struct vdev_queue *q, const struct vdev_used *u)
{
	if (vdev_lie_due(q, VDEV_LIE_LEN))
		return q->lie_value;
	if (vdev_lie_due(q, VDEV_LIE_LEN_LONG))
		return u->writable + 1;
	if (vdev_lie_due(q, VDEV_LIE_LEN_SHORT))
		return vdev_net_hdr_len(q->d) - 1;
	return u->len;
}

/* Writes the used entry of what has been completed. */
static void batch_flush(struct vdev_queue *q)
{
	struct vdev_used *u = &q->batch;

	if (!u->nb_bufs)
		return;
	if (q->desc && vdev_lie_due(q, VDEV_LIE_DESC)) {
		q->desc[u->id].flags |= VRING_DESC_F_NEXT;
		q->desc[u->id].next = (uint16_t)q->lie_value;
	}
	u->id = lie_about_id(q, u->id);
	u->len = lie_about_len(q, u);
	q->ring->used(q, u);
	if (vdev_lie_due(q, VDEV_LIE_ID_REPEATED)) {
		u->nb_bufs = u->nb_descs = 1;
		q->ring->used(q, u);
		q->dead = true;
	}
	*u = (struct vdev_used){.nb_bufs = 0};
}

/* May the buffer behind it complete the batch in hand? Only if that was used completely (2.7.9,
 * 2.8.8): nobody could tell its length. */
static bool batch_goes_on(struct vdev_queue *q)
{
	const enum vdev_batch batch = q->d->batch;

	if (!vdev_has(q->d, VIRTIO_F_IN_ORDER) || !q->batch.full || batch == VDEV_BATCH_NONE)
		return false;
	return batch == VDEV_BATCH_ALL || vdev_random(q->d) % 4;
}

void vdev_complete(struct vdev_queue *q, struct vdev_chain *c, uint32_t len)
{
	struct vdev_used *u = &q->batch;

	if (q->ring->sum(q, c) != c->desc_sum)
		vdev_violate(q->d, "3.3.1: queue %u: descriptors changed while with the device",
		             q->index);
	if (readable_sum(c) != c->memory_sum)
		vdev_violate(q->d, "3.3.1: queue %u: buffer changed while with the device",
		             q->index);
	if (!batch_goes_on(q))
		batch_flush(q);
	u->id = c->id;
	u->len = len;
	u->writable = c->writable;
	u->full = len == c->writable;
	u->nb_bufs++;
	u->nb_descs = (uint16_t)(u->nb_descs + c->nb_descs);
	q->ring->release(q, c);
	if (!vdev_has(q->d, VIRTIO_F_IN_ORDER))
		batch_flush(q);
	q->completions++;
	free(c);
}

static int lie_about_index(struct vdev_queue *q)
{
	if (vdev_lie_due(q, VDEV_LIE_USED_JUMP)) {
		q->dead = true;
		return q->lie_value ? (int)q->lie_value : q->size + 1;
	}
	if (vdev_lie_due(q, VDEV_LIE_USED_BACK)) {
		q->dead = true;
		return -(int)(q->lie_value ? q->lie_value : 1) -
		       (uint16_t)(q->used_idx - q->used_idx_public);
	}
	return 0;
}

static void publish(struct vdev_queue *q)
{
	const uint16_t before = q->used_idx_public;

	batch_flush(q);

	const bool wanted = q->ring->publish(q, lie_about_index(q));

	if (wanted)
		vdev_interrupt_queue(q);
	else if (q->used_idx_public != before)
		q->quiet++;
}

/* ---- steps -------------------------------------------------------------------------------- */

static unsigned step_tx(struct vdev_queue *q, unsigned budget)
{
	struct vdev_chain *c;
	unsigned done = 0;

	while (done < budget && vdev_net_tx_fetch(q))
		done++;
	/* the order is free among what has come together; some may stay for later */
	while (q->nb_pending > q->d->hold && (c = vdev_pick(q)))
		vdev_complete(q, c, 0);
	return done;
}

static unsigned step_rx(struct vdev_queue *q, unsigned budget)
{
	unsigned done = 0;

	if (q->torn) {
		vdev_complete(q, q->torn, q->torn_len);
		q->torn = NULL;
	}
	vdev_fetch(q, WINDOW);
	while (done < budget && vdev_net_rx_one(q))
		done++;
	return done;
}

unsigned vdev_queue_step(struct vdev_queue *q, unsigned budget)
{
	unsigned done;

	q->ring->check(q, false);
	if (!q->d->threaded && q->ring->kick_due(q))
		vdev_violate(q->d, "%s: queue %u: a notification that was asked for is missing",
		             q->ring->kick_rule, q->index);
	q->ring->kick_seen(q);

	if (vdev_is_ctrl(q))
		done = vdev_ctrl_step(q);
	else
		done = vdev_is_rx(q) ? step_rx(q, budget) : step_tx(q, budget);
	if (vdev_lie_due(q, VDEV_LIE_NEEDS_RESET)) {
		vdev_needs_reset(q->d);
		return done;
	}
	publish(q);
	if (!q->dead)
		q->ring->kick_ask(q, vdev_is_ctrl(q) ? VDEV_KICK_ALWAYS : q->d->kick);
	return done;
}

unsigned vdev_step(struct vdev *d, unsigned budget)
{
	unsigned done = 0;

	for (unsigned i = 0; i < d->nb_queues; i++) {
		struct vdev_queue *q = &d->queue[i];

		/* 2.1.2: nothing is consumed before DRIVER_OK */
		if (!(d->status & VIRTIO_STATUS_DRIVER_OK) ||
		    (d->status & VIRTIO_STATUS_NEEDS_RESET))
			break;
		if (q->enabled && !q->dead)
			done += vdev_queue_step(q, budget);
	}
	return done;
}

unsigned vdev_drain(struct vdev *d)
{
	const unsigned hold = d->hold;
	unsigned total = 0, done = 1;

	d->hold = 0;
	for (unsigned i = 0; i < DRAIN_STEPS_MAX && done; i++) {
		done = vdev_step(d, WINDOW);
		total += done;
	}
	d->hold = hold;
	return total;
}

/* ---- life --------------------------------------------------------------------------------- */

void vdev_open(struct vdev *d, enum vdev_kind kind)
{
	const uint64_t both = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MRG_RXBUF |
	                      VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;

	memset(d, 0, sizeof(*d));
	d->kind = kind;
	d->offered = both | (kind == VDEV_MODERN ? VIRTIO_F_VERSION_1 : VIRTIO_F_ANY_LAYOUT);
	d->nb_queues = 2;
	for (unsigned i = 0; i < VDEV_QUEUES_MAX; i++) {
		d->queue_max[i] = 256;
		d->queue[i].d = d;
		d->queue[i].index = (uint16_t)i;
		d->queue[i].vector = VIRTIO_MSI_NO_VECTOR;
		d->queue[i].ring = &vdev_ring_split;
		d->queue[i].frames.tail = &d->queue[i].frames.head;
	}
	d->vectors = 3;
	d->config_vector = VIRTIO_MSI_NO_VECTOR;
	d->config = (struct virtio_net_config){
	    .mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
	    .status = VIRTIO_NET_S_LINK_UP,
	    .max_virtqueue_pairs = 1,
	    .mtu = 1500,
	    .speed = 10000,
	    .duplex = 1,
	};
	d->config_len = sizeof(d->config);
}

void vdev_pairs(struct vdev *d, unsigned n)
{
	d->offered |= VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_VQ;
	d->config.max_virtqueue_pairs = (uint16_t)n;
	d->nb_queues = 2 * n + 1;
	d->vectors = 1 + n;
}

void vdev_check(struct vdev *d)
{
	for (unsigned i = 0; i < VDEV_QUEUES_MAX; i++) {
		if (d->queue[i].enabled)
			d->queue[i].ring->check(&d->queue[i], true);
	}
}

static void frames_free(struct vdev_fifo *fifo)
{
	while (fifo->head) {
		struct vdev_frame *f = fifo->head;

		fifo->head = f->next;
		free(f);
	}
}

uint64_t vdev_close(struct vdev *d)
{
	vdev_check(d);
	for (unsigned i = 0; i < VDEV_QUEUES_MAX; i++) {
		vdev_queue_close(&d->queue[i]);
		frames_free(&d->queue[i].frames);
	}
	vdev_memory_free(&d->memory);
	return d->violations;
}
