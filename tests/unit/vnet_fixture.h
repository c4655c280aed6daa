/*
 * A port on the device model, for the tests of the driver: memory of its own with holes that the
 * device cannot reach, the driver probed and started on it, frames that can be told apart. Closing
 * it checks what every test has to hold: all buffers at home, no breach in the model's list.
 */
#ifndef TESTS_UNIT_VNET_FIXTURE_H
#define TESTS_UNIT_VNET_FIXTURE_H

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/virtio/virtio_net.h"
#include "drivers/virtio/vnet.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "net/mempool.h"
#include "net/netdev.h"
#include "tests/model/vdev.h"
#include "tests/unit/plat_test.h"
#include "tests/vec/host_isa.h"

/* Options that all ports of a test program have; one that runs the tests of another with them
 * defines it. */
#ifndef PORT_OPTIONS
#define PORT_OPTIONS ""
#endif

/* How ports reach the device; likewise. */
#ifndef PORT_ATTACH
#define PORT_ATTACH vdev_attach
#define PORT_TRANSPORT "modern"
#endif

/* What a device can be as far as the form of its rings and buffers goes. The first of a kind of
 * ring is the mergeable one. */
enum layout {
	MRG,
	PLAIN,
	LEGACY,
	LEGACY_MRG,
	NO_ANY_LAYOUT,
	NO_ANY_LAYOUT_MRG,
	IN_ORDER_MRG,
	IN_ORDER_PLAIN,
	PACKED_MRG,
	PACKED_PLAIN,
	PACKED_IN_ORDER_MRG,
	PACKED_IN_ORDER_PLAIN,
	LAYOUTS,
};

#define PACKED VIRTIO_F_RING_PACKED
#define IN_ORDER VIRTIO_F_IN_ORDER

static const struct layout_form {
	const char *name;
	bool legacy, mrg, any_layout;
	uint64_t rings;
	const char *path;
} layout_forms[LAYOUTS] = {
    [MRG] = {"mrg", 0, 1, 1, 0, "Split virtqueue mergeable path"},
    [PLAIN] = {"plain", 0, 0, 1, 0, "Split virtqueue non-mergeable path"},
    [LEGACY] = {"legacy", 1, 0, 1, 0, "Split virtqueue non-mergeable path"},
    [LEGACY_MRG] = {"legacy mrg", 1, 1, 1, 0, "Split virtqueue mergeable path"},
    [NO_ANY_LAYOUT] = {"no any_layout", 1, 0, 0, 0, "Split virtqueue non-mergeable path"},
    [NO_ANY_LAYOUT_MRG] = {"no any_layout mrg", 1, 1, 0, 0, "Split virtqueue mergeable path"},
    [IN_ORDER_MRG] = {"in-order mrg", 0, 1, 1, IN_ORDER, "Split virtqueue in-order mergeable path"},
    [IN_ORDER_PLAIN] = {"in-order plain", 0, 0, 1, IN_ORDER,
                        "Split virtqueue in-order non-mergeable path"},
    [PACKED_MRG] = {"packed mrg", 0, 1, 1, PACKED, "Packed virtqueue mergeable path"},
    [PACKED_PLAIN] = {"packed plain", 0, 0, 1, PACKED, "Packed virtqueue non-mergeable path"},
    [PACKED_IN_ORDER_MRG] = {"packed in-order mrg", 0, 1, 1, PACKED | IN_ORDER,
                             "Packed virtqueue in-order mergeable path"},
    [PACKED_IN_ORDER_PLAIN] = {"packed in-order plain", 0, 0, 1, PACKED | IN_ORDER,
                               "Packed virtqueue in-order non-mergeable path"},
};
static const char *const order_names[] = {"in order", "reversed", "random"};

struct port {
	struct vdev d;
	struct virtio_dev vd;
	struct netdev *dev;
	uint8_t *arena;
	size_t arena_bytes;
};

static inline bool layout_is_mrg(enum layout layout)
{
	return layout_forms[layout].mrg;
}

static inline bool layout_is_packed(enum layout layout)
{
	return layout_forms[layout].rings & PACKED;
}

static inline bool layout_is_in_order(enum layout layout)
{
	return layout_forms[layout].rings & IN_ORDER;
}

/* Legacy framing: the header has a descriptor to itself. */
static inline bool layout_hdr_alone(enum layout layout)
{
	return !layout_forms[layout].any_layout;
}

/* Ring sizes that this layout can have, 0 behind the last. */
static inline const uint16_t *layout_rings(enum layout layout)
{
	static const uint16_t split[] = {4, 8, 256, 1024, 32768, 0};
	static const uint16_t packed[] = {4, 5, 8, 256, 257, 1024, 32768, 0};

	return layout_is_packed(layout) ? packed : split;
}

#define RING_SIZES_MAX 7

static inline const char *layout_name(enum layout layout)
{
	return layout_forms[layout].name;
}

/* A device of this layout, not yet probed; tests change it before port_probe(). */
static inline void port_open(struct port *p, enum layout layout)
{
	const struct layout_form *form = &layout_forms[layout];

	vdev_open(&p->d, form->legacy ? VDEV_LEGACY : VDEV_MODERN);
	p->d.offered |= form->rings;
	if (!form->mrg)
		p->d.offered &= ~VIRTIO_NET_F_MRG_RXBUF;
	if (!form->any_layout)
		p->d.offered &= ~VIRTIO_F_ANY_LAYOUT;
	p->dev = NULL;
	/* a former port's pool was looked at until now */
	free(p->arena);
	p->arena = NULL;
	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	plat_test_isa = vec_host_isa();
	cr_assert_eq(options_parse(PORT_OPTIONS, "fixture"), 0);
}

/* Gives mem_alloc() fresh memory of which the device sees nothing yet. */
static inline void port_memory(struct port *p, size_t bytes)
{
	p->arena_bytes = align_up(bytes, PAGE_SIZE);
	p->arena = aligned_alloc(PAGE_SIZE, p->arena_bytes);
	cr_assert_not_null(p->arena);
	mem_reset();
	mem_add(p->arena, p->arena_bytes);
}

static inline void port_share(struct port *p, void *from, void *to)
{
	if ((uint8_t *)to > (uint8_t *)from)
		vdev_memory_add(&p->d.memory, from, plat_test_iova(from),
		                (uint64_t)((uint8_t *)to - (uint8_t *)from));
}

/* Everything but the pools, and of these only the buffers: no header of an mbuf. */
static inline void port_share_all(struct port *p)
{
	uint8_t *from = p->arena;

	for (unsigned q = 0; q < p->dev->nb_queues; q++) {
		struct mempool *pool = p->dev->queue[q].pool;

		port_share(p, from, pool);
		for (unsigned i = 0; i < pool->n; i++) {
			struct mbuf *m = pool->stack[i];

			port_share(p, mbuf_buf(m), mbuf_buf(m) + m->buf_len);
			if (mbuf_buf(m) + m->buf_len > from)
				from = mbuf_buf(m) + m->buf_len;
		}
	}
	port_share(p, from, p->arena + p->arena_bytes);
}

/* Probes the driver; p->dev is NULL when it refuses the device. */
static inline void port_probe(struct port *p)
{
	const size_t room = 2048 + 512 + (p->d.offered & VIRTIO_NET_F_MTU ? p->d.config.mtu : 0);
	const size_t pairs = p->d.nb_queues > 3 ? p->d.nb_queues / 2 : 1;
	const size_t n = ((size_t)p->d.queue_max[0] + p->d.queue_max[1] + 160) * pairs;

	if (!p->arena)
		port_memory(p, n * room + (12u << 20));
	PORT_ATTACH(&p->d, &p->vd);
	p->dev = virtio_net_probe(&p->vd, p->arena_bytes);
	if (p->dev)
		port_share_all(p);
}

static inline void port_start(struct port *p)
{
	port_probe(p);
	cr_assert_not_null(p->dev, "probe failed: %s", plat_test_output());
	cr_assert_eq(p->dev->ops->start(p->dev), 0, "start failed: %s", plat_test_output());
}

/* Stops the port; every buffer is back. */
static inline void port_stop(struct port *p)
{
	p->dev->ops->stop(p->dev);
	for (unsigned q = 0; q < p->dev->nb_queues; q++) {
		const struct mempool *pool = p->dev->queue[q].pool;

		cr_assert_eq(pool->n, pool->size, "%u of %u buffers of pair %u are back", pool->n,
		             pool->size, q);
	}
}

static inline void port_close(struct port *p)
{
	if (p->dev)
		port_stop(p);

	const uint64_t breaches = vdev_close(&p->d);

	for (unsigned i = 0; i < p->d.nb_violations; i++)
		cr_log_error("virtio %s", p->d.violation[i].text);
	cr_assert_eq(breaches, 0, "the driver broke the specification");
}

static inline struct netdev_stats port_stats(const struct port *p)
{
	struct netdev_stats s = {.rx_packets = 0};

	p->dev->ops->stats(p->dev, 0, &s);
	return s;
}

/* The books of a ring agree with each other: what is free, what the device has, and where the
 * indices or positions are. */
static inline void ring_check(const struct virtqueue *vq)
{
	const unsigned n = vq->nentries, with = n - vq->free_cnt;
	unsigned bufs = 0, descs = 0;

	for (unsigned i = 0; i < n; i++) {
		bufs += vq->slot[i].cookie != NULL;
		descs += vq->slot[i].cookie ? vq->slot[i].nb_desc : 0;
	}
	cr_assert_eq(descs, with, "%u descriptors belong to buffers, %u are not free", descs, with);
	if (!vq->is_packed) {
		cr_assert_eq((uint16_t)(vq->avail_idx - vq->used_cons_idx), bufs);
		cr_assert_eq(vq->split.avail->idx, vq->avail_idx);
		return;
	}

	const bool avail_lap = vq->packed.avail_flags & VRING_PACKED_DESC_F_AVAIL;
	const bool used_lap = vq->packed.used_flags & VRING_PACKED_DESC_F_AVAIL;
	const unsigned ahead = vq->packed.avail_pos + (avail_lap == used_lap ? 0 : n);

	cr_assert_eq(ahead - vq->packed.used_pos, with);
	cr_assert_eq(vq->packed.publish_pos, vq->packed.avail_pos);
}

/* ---- frames ------------------------------------------------------------------------------- */

#define FRAME_MAX NETDEV_FRAME_MAX
#define FRAME_MIN 64

static inline uint32_t mix(uint64_t seed, uint64_t n)
{
	uint64_t z = (seed + n) * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	return (uint32_t)(z >> 32);
}

/* Length of frame @seq, between FRAME_MIN and @max. The longest is common, and with some seeds
 * nearly all are: then buffers are filled completely one behind the other. */
static inline uint32_t frame_len(uint64_t seed, uint64_t seq, uint32_t max)
{
	const uint32_t dice = mix(seed, seq);

	if (dice % 8 <= (seed % 3 ? 0 : 6))
		return max;
	if (dice % 2)
		return FRAME_MIN + (dice >> 8) % 64;
	return FRAME_MIN + (dice >> 8) % (max - FRAME_MIN + 1);
}

/* Frame @seq: its number, then bytes that depend on number and position. */
static inline void frame_fill(uint8_t *out, uint64_t seq, uint32_t len)
{
	static uint8_t pattern[FRAME_MAX + 1024];

	if (!pattern[1]) {
		for (size_t i = 0; i < sizeof(pattern); i++)
			pattern[i] = (uint8_t)(mix(1, i) | 1);
	}
	memcpy(out, pattern + seq % 1021, len);
	memcpy(out, &seq, sizeof(seq));
}

static inline void frame_push_to(struct port *p, unsigned pair, uint64_t seq, uint32_t len)
{
	uint8_t frame[FRAME_MAX];

	frame_fill(frame, seq, len);
	vdev_net_rx_push(&p->d, pair, frame, len);
}

static inline void frame_push(struct port *p, uint64_t seq, uint32_t len)
{
	frame_push_to(p, 0, seq, len);
}

/* Is the packet frame @seq, in a chain whose lengths agree? */
static inline void frame_check(const struct mbuf *m, uint64_t seq, uint32_t len)
{
	uint8_t want[FRAME_MAX];
	uint32_t at = 0;
	unsigned segs = 0;

	frame_fill(want, seq, len);
	cr_assert_eq(m->pkt_len, len, "frame %llu: %u bytes of %u", (unsigned long long)seq,
	             m->pkt_len, len);
	for (const struct mbuf *s = m; s; s = s->next, segs++) {
		cr_assert(at + s->data_len <= len);
		cr_assert((uint32_t)s->data_off + s->data_len <= s->buf_len);
		cr_assert_eq(memcmp(mbuf_buf(s) + s->data_off, want + at, s->data_len), 0,
		             "frame %llu differs behind byte %u", (unsigned long long)seq, at);
		at += s->data_len;
	}
	cr_assert_eq(at, len);
	cr_assert_eq(segs, m->nb_segs);
}

/* ---- life of a port ------------------------------------------------------------------------ */

static inline void options(const char *line)
{
	cr_assert_eq(options_parse(line, "test"), 0);
}

static inline void exchange_frames_of(struct port *p, uint16_t pair, unsigned n)
{
	struct mbuf *pkts[32];
	unsigned got = 0;

	for (unsigned i = 0; i < 4 * n && got < n; i++) {
		if (i < n)
			frame_push_to(p, pair, i, 64 + i);
		vdev_step(&p->d, 8);

		const uint16_t rx = netdev_rx_burst(p->dev, pair, pkts, 32);

		for (uint16_t k = 0; k < rx; k++)
			frame_check(pkts[k], got + k, 64 + got + k);
		got += rx;
		cr_assert_eq(netdev_tx_burst(p->dev, pair, pkts, rx), rx);
	}
	vdev_drain(&p->d);
	cr_assert_eq(got, n, "%u of %u frames came", got, n);
	for (unsigned i = 0; i < n; i++) {
		struct vdev_frame *f = vdev_net_tx_pop(&p->d, pair);

		cr_assert(f && f->len == 64 + i);
		free(f);
	}
}

static inline void exchange_frames(struct port *p, unsigned n)
{
	exchange_frames_of(p, 0, n);
}

static inline void refused(struct port *p, const char *why)
{
	port_probe(p);
	cr_assert_null(p->dev);
	cr_assert_not_null(strstr(plat_test_output(), why), "no \"%s\" in: %s", why,
	                   plat_test_output());
	cr_assert_not(p->d.status & VIRTIO_STATUS_DRIVER_OK);
	port_close(p);
	plat_test_clear();
}

#endif
