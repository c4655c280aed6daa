/*
 * The transmit body against the device model: packets of one and of many segments over every
 * layout, ring size, burst and order of completion; the net header; rings that are full; lies.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/virtqueue.h"

#define POOL 1200 /* the port's own is no larger than its rings */

static struct port port;
static struct mempool *pool;

static const uint16_t bursts[] = {1, 3, 31, 32, 33, 64};

struct tx_case {
	enum layout layout;
	uint16_t ring;
	bool event_idx, indirect;
};

static void tx_open(struct port *p, const struct tx_case *c)
{
	port_open(p, c->layout);
	p->d.queue_max[0] = 128;
	p->d.queue_max[1] = c->ring;
	if (!c->event_idx)
		p->d.offered &= ~VIRTIO_F_EVENT_IDX;
	if (!c->indirect)
		p->d.offered &= ~VIRTIO_F_INDIRECT_DESC;
	port_start(p);
	pool = mempool_create("tx", POOL, MEMPOOL_DATA_ROOM);
	cr_assert_not_null(pool);
}

static void tx_close(struct port *p)
{
	port_close(p);
	cr_assert_eq(pool->n, POOL, "%u of %u mbufs are back", pool->n, POOL);
}

/* Frame @seq of @len bytes in @segs segments, headroom full of old bytes. NULL: no mbufs. */
static struct mbuf *frame_mbuf(uint64_t seq, uint32_t len, unsigned segs)
{
	uint8_t frame[FRAME_MAX];
	struct mbuf *head = NULL, **link = &head;
	uint32_t at = 0;

	if (pool->n < segs)
		return NULL;
	frame_fill(frame, seq, len);
	for (unsigned i = 0; i < segs; i++) {
		struct mbuf *m = mbuf_alloc(pool);
		/* as even as they can be: each fits */
		const uint32_t n = (len - at + segs - i - 1) / (segs - i);

		cr_assert(m && n <= mbuf_tailroom(m));
		memset(mbuf_buf(m), 0xee, m->data_off);
		memcpy(mbuf_data(m), frame + at, n);
		m->data_len = (uint16_t)n;
		at += n;
		*link = m;
		link = &m->next;
	}
	head->nb_segs = (uint16_t)segs;
	head->pkt_len = len;
	return head;
}

struct tx_run {
	uint64_t seed, first, frames;
	uint32_t max;
	uint16_t burst, ring;
	bool many_segs, hdr_alone;
};

static unsigned frame_segs(const struct tx_run *r, uint64_t seq, uint32_t len)
{
	const unsigned need = (len + MEMPOOL_DATA_ROOM - 1) / MEMPOOL_DATA_ROOM;
	const unsigned room = (unsigned)(r->ring - r->hdr_alone);
	const unsigned most = room < 15 ? room : 15;

	if (!r->many_segs)
		return need;
	return need + mix(r->seed ^ 0xabc, seq) % (most - need + 1);
}

/* Takes what the device sent; every frame whole and in order, with an empty net header. */
static uint64_t tx_take(struct port *p, const struct tx_run *r, uint64_t taken)
{
	static const struct virtio_net_hdr none;
	uint8_t want[FRAME_MAX];
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&p->d, 0))) {
		const uint64_t seq = r->first + taken;
		const uint32_t len = frame_len(r->seed, seq, r->max);

		cr_assert_eq(f->len, len, "frame %llu: %u bytes of %u", (unsigned long long)seq,
		             f->len, len);
		frame_fill(want, seq, len);
		cr_assert_eq(memcmp(f->data, want, len), 0, "frame %llu", (unsigned long long)seq);
		cr_assert_eq(memcmp(&f->hdr, &none, sizeof(none)), 0);
		cr_assert_eq(f->nb_descs, frame_segs(r, seq, len) + r->hdr_alone);
		free(f);
		taken++;
	}
	return taken;
}

static void tx_run(struct port *p, const struct tx_run *r)
{
	const struct netdev_stats before = port_stats(p);
	const struct vdev_queue *q = &p->d.queue[1];
	const uint64_t kicks = q->kicks;
	uint64_t made = 0, sent = 0, taken = 0, turns = 0, bytes = 0;
	struct mbuf *pkts[64];
	uint16_t waiting = 0;

	while (taken < r->frames) {
		for (; waiting < r->burst && made < r->frames; made++) {
			const uint64_t seq = r->first + made;
			const uint32_t len = frame_len(r->seed, seq, r->max);
			struct mbuf *m = frame_mbuf(seq, len, frame_segs(r, seq, len));

			if (!m)
				break;
			bytes += len;
			pkts[waiting++] = m;
		}

		const uint16_t n = netdev_tx_burst(p->dev, 0, pkts, waiting);

		cr_assert(n <= waiting);
		sent += n;
		waiting = (uint16_t)(waiting - n);
		memmove(pkts, pkts + n, waiting * sizeof(pkts[0]));
		vdev_step(&p->d, 1 + mix(r->seed, turns) % 64);
		taken = tx_take(p, r, taken);
		cr_assert(taken <= sent);
		if (turns % 4 == 3)
			p->d.hold = mix(r->seed ^ 1, turns) % 16;
		cr_assert(turns++ < 200 + 100 * r->frames, "%llu of %llu frames went, %s",
		          (unsigned long long)taken, (unsigned long long)r->frames,
		          p->d.violation[0].text);
	}

	const struct netdev_stats s = port_stats(p);

	cr_assert_eq(sent, r->frames);
	cr_assert_eq(s.tx_packets - before.tx_packets, r->frames);
	cr_assert_eq(s.tx_bytes - before.tx_bytes, bytes);
	cr_assert_eq(s.tx_errors, 0);
	cr_assert_eq(s.kicks - before.kicks, q->kicks - kicks);
	cr_assert(q->kicks - kicks <= turns);
	cr_assert_eq(q->kicks_unwanted, 0);
	cr_assert_eq(q->interrupts, 0);
	ring_check(&((const struct vnet_txq *)p->dev->queue[0].tx)->vq);
}

ParameterizedTestParameters(vnet_tx, sends_each_frame_once_in_order)
{
	static struct tx_case cases[LAYOUTS * RING_SIZES_MAX * 4];
	size_t n = 0;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		for (const uint16_t *r = layout_rings((enum layout)l); *r; r++) {
			/* large rings differ in nothing but their memory: half the choices do */
			for (unsigned e = *r < 1024 ? 0 : 1; *r >= 8 && e < (*r < 1024 ? 4 : 3);
			     e++)
				cases[n++] = (struct tx_case){(enum layout)l, *r, e & 1, e >> 1};
		}
	}
	return cr_make_param_array(struct tx_case, cases, n);
}

static void tx_all_bursts(const struct tx_case *c, struct tx_run *run)
{
	for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
		for (unsigned order = VDEV_IN_ORDER; order <= VDEV_RANDOM; order++) {
			cr_log_info("%s, ring %u, event_idx %d, indirect %d, burst %u, %s, "
			            "seed %llu",
			            layout_name(c->layout), c->ring, c->event_idx, c->indirect,
			            bursts[b], order_names[order], (unsigned long long)run->seed);
			port.d.order = (enum vdev_order)order;
			port.d.batch = (enum vdev_batch)order;
			port.d.kick = (enum vdev_kick)(run->seed % 3);
			port.d.scribble = run->seed & 4;
			run->burst = bursts[b];
			run->many_segs = run->seed & 1;
			tx_run(&port, run);
			run->first += run->frames;
			run->seed++;
		}
	}
}

ParameterizedTest(struct tx_case *c, vnet_tx, sends_each_frame_once_in_order)
{
	struct tx_run run = {.seed = c->ring,
	                     .frames = 100,
	                     .max = FRAME_MAX,
	                     .ring = c->ring,
	                     .hdr_alone = layout_hdr_alone(c->layout)};

	tx_open(&port, c);
	/* the seed says more than the order of chance: do not let it go with the bursts */
	for (unsigned i = 0; i < plat_test_seeds(); i++, run.seed++)
		tx_all_bursts(c, &run);
	tx_close(&port);
}

ParameterizedTestParameters(vnet_tx, a_tiny_ring_sends_what_fits)
{
	static struct tx_case cases[LAYOUTS * 2 * 4];
	size_t n = 0;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		for (const uint16_t *r = layout_rings((enum layout)l); *r; r++) {
			for (unsigned i = 0; *r < 8 && i < 4; i++)
				cases[n++] = (struct tx_case){(enum layout)l, *r, i & 1, i & 2};
		}
	}
	return cr_make_param_array(struct tx_case, cases, n);
}

ParameterizedTest(struct tx_case *c, vnet_tx, a_tiny_ring_sends_what_fits)
{
	const unsigned alone = layout_hdr_alone(c->layout);
	struct tx_run run = {
	    .seed = 4, .frames = 100, .max = 1514, .ring = c->ring, .hdr_alone = alone};

	tx_open(&port, c);
	tx_all_bursts(c, &run);

	/* a chain may not be longer than the ring, be its table elsewhere or not (2.7.5.3.1,
	 * 2.8.17) */
	struct mbuf *m = frame_mbuf(0, 1514, c->ring + 1u - alone);
	const uint64_t packets = port_stats(&port).tx_packets;

	vdev_drain(&port.d);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	cr_assert_eq(port_stats(&port).tx_errors, 1);
	cr_assert_eq(port_stats(&port).tx_packets, packets);
	vdev_drain(&port.d);
	tx_close(&port);
}

ParameterizedTestParameters(vnet_tx, index_wraps_twice)
{
	static struct tx_case cases[] = {
	    {MRG, 8, true, true},
	    {PLAIN, 256, false, true},
	    {LEGACY, 256, true, false},
	    {MRG, 32768, true, true},
	    {NO_ANY_LAYOUT, 64, true, false},
	    {IN_ORDER_MRG, 8, true, false},
	    {IN_ORDER_PLAIN, 256, false, true},
	    {PACKED_MRG, 5, false, false},
	    {PACKED_PLAIN, 256, true, true},
	    {PACKED_IN_ORDER_MRG, 257, true, false},
	    {PACKED_IN_ORDER_PLAIN, 32768, true, true},
	};

	return cr_make_param_array(struct tx_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct tx_case *c, vnet_tx, index_wraps_twice)
{
	struct tx_run run = {.seed = 11,
	                     .frames = 1 << 17,
	                     .max = 70,
	                     .burst = 32,
	                     .ring = c->ring,
	                     .hdr_alone = layout_hdr_alone(c->layout)};

	tx_open(&port, c);
	port.d.order = VDEV_RANDOM;
	port.d.batch = VDEV_BATCH_RANDOM;
	port.d.kick = VDEV_KICK_RANDOM;
	tx_run(&port, &run);
	tx_close(&port);
}

/* ---- segments ----------------------------------------------------------------------------- */

static struct vdev_frame *send_one(struct mbuf *m)
{
	cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	vdev_drain(&port.d);
	return vdev_net_tx_pop(&port.d, 0);
}

Test(vnet_tx, several_segments_take_one_descriptor_with_indirect)
{
	for (unsigned indirect = 0; indirect < 2; indirect++) {
		tx_open(&port, &(struct tx_case){MRG, 256, true, indirect});
		for (unsigned segs = 1; segs <= VQ_SEGS_MAX; segs++) {
			struct mbuf *m = frame_mbuf(segs, 1514, segs);
			struct vdev_frame *f = send_one(m);

			cr_assert_not_null(f);
			cr_assert_eq(f->nb_descs, segs);
			cr_assert_eq(f->indirect, indirect && segs > 1);
			free(f);
		}
		tx_close(&port);
	}
}

Test(vnet_tx, a_packet_of_too_many_segments_is_dropped_and_counted)
{
	tx_open(&port, &(struct tx_case){MRG, 256, true, true});
	cr_assert_null(send_one(frame_mbuf(1, 1514, VQ_SEGS_MAX + 1)));
	cr_assert_eq(port_stats(&port).tx_errors, 1);
	cr_assert_eq(port_stats(&port).tx_packets, 0);

	struct vdev_frame *f = send_one(frame_mbuf(2, 1514, VQ_SEGS_MAX));

	cr_assert_not_null(f);
	free(f);
	tx_close(&port);
}

Test(vnet_tx, a_bad_packet_does_not_hold_up_the_burst)
{
	struct mbuf *pkts[3];
	struct vdev_frame *f;

	tx_open(&port, &(struct tx_case){PLAIN, 256, true, false});
	pkts[0] = frame_mbuf(0, 100, 1);
	pkts[1] = frame_mbuf(1, 1514, VQ_SEGS_MAX + 1);
	pkts[2] = frame_mbuf(2, 100, 1);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, 3), 3);
	vdev_drain(&port.d);
	for (unsigned i = 0; i < 2; i++) {
		f = vdev_net_tx_pop(&port.d, 0);
		cr_assert_not_null(f);
		free(f);
	}
	cr_assert_null(vdev_net_tx_pop(&port.d, 0));
	cr_assert_eq(port_stats(&port).tx_packets, 2);
	cr_assert_eq(port_stats(&port).tx_bytes, 200);
	tx_close(&port);
}

/* ---- a full ring -------------------------------------------------------------------------- */

Test(vnet_tx, a_full_ring_takes_no_more_and_leaves_the_rest_to_the_caller)
{
	struct mbuf *pkts[40];

	tx_open(&port, &(struct tx_case){PLAIN, 32, true, true});
	for (unsigned i = 0; i < 40; i++)
		pkts[i] = frame_mbuf(i, 100, 1);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, 40), 32);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + 32, 8), 0);
	cr_assert_eq(port_stats(&port).tx_packets, 32);

	vdev_step(&port.d, 5);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + 32, 8), 5);
	vdev_drain(&port.d);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + 37, 3), 3);
	vdev_drain(&port.d);
	cr_assert_eq(port.d.queue[1].packets, 40);
	tx_close(&port);
}

Test(vnet_tx, a_chain_waits_until_all_of_it_fits)
{
	struct mbuf *pkts[4];

	tx_open(&port, &(struct tx_case){PLAIN, 8, true, false});
	for (unsigned i = 0; i < 4; i++)
		pkts[i] = frame_mbuf(i, 1000, 3);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, 4), 2);
	vdev_step(&port.d, 1);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + 2, 2), 1);
	vdev_drain(&port.d);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + 3, 1), 1);
	vdev_drain(&port.d);
	cr_assert_eq(port.d.queue[1].packets, 4);
	tx_close(&port);
}

Test(vnet_tx, an_empty_burst_publishes_and_kicks_nothing)
{
	tx_open(&port, &(struct tx_case){MRG, 256, false, true});
	cr_assert_eq(netdev_tx_burst(port.dev, 0, NULL, 0), 0);
	cr_assert_eq(port.d.queue[1].kicks, 0);
	tx_close(&port);
}

Test(vnet_tx, what_was_not_sent_comes_home_at_stop)
{
	struct mbuf *pkts[60];

	tx_open(&port, &(struct tx_case){MRG, 64, true, true});
	for (unsigned i = 0; i < 30; i++)
		pkts[i] = frame_mbuf(i, 1000, 1 + i % 3);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, 30), 30);
	port.d.hold = 10;
	vdev_step(&port.d, 20);
	tx_close(&port);
}

/* ---- lies --------------------------------------------------------------------------------- */

enum outcome {
	BROKEN,
	HARMLESS,
	ANY, /* nothing may crash or get lost; what happens is the device's luck */
};

struct lie {
	enum vdev_lie lie;
	uint32_t value;
	enum outcome outcome;
};

struct lie_case {
	enum layout layout;
	struct lie lie;
};

static const struct lie lies[] = {
    {VDEV_LIE_ID_RANGE, 0, BROKEN},
    {VDEV_LIE_ID_RANGE, 0xffff, BROKEN},
    {VDEV_LIE_ID_RANGE, 0x10000, BROKEN},
    {VDEV_LIE_ID_RANGE, 0xffffffff, BROKEN},
    {VDEV_LIE_ID_IDLE, 0, BROKEN},
    {VDEV_LIE_ID_REPEATED, 0, BROKEN},
    {VDEV_LIE_ID_AHEAD, 0, ANY},
    /* devices write all kinds of lengths here (5.1.9.1), and nothing depends on them */
    {VDEV_LIE_LEN_LONG, 0, HARMLESS},
    {VDEV_LIE_LEN, 0xffffffff, HARMLESS},
    {VDEV_LIE_USED_JUMP, 0, BROKEN},
    {VDEV_LIE_USED_JUMP, 0x8000, BROKEN},
    {VDEV_LIE_USED_BACK, 64, BROKEN},
};

/* Does this kind of ring have a place for the lie, and how does it end there? */
static bool lie_case(enum layout layout, const struct lie *l, struct lie_case *c)
{
	*c = (struct lie_case){layout, *l};
	if (!layout_is_packed(layout)) {
		if (l->lie == VDEV_LIE_ID_AHEAD && layout_is_in_order(layout))
			c->lie.outcome = BROKEN; /* the index says that the batch is shorter */
		return true;
	}
	/* there is no index, only descriptors with ids that may be right */
	if (l->lie == VDEV_LIE_USED_JUMP || l->lie == VDEV_LIE_USED_BACK)
		c->lie.outcome = ANY;
	return l->lie != VDEV_LIE_ID_RANGE || l->value <= UINT16_MAX;
}

ParameterizedTestParameters(vnet_tx, survives_a_device_that_lies)
{
	static struct lie_case cases[ARRAY_SIZE(lies) * LAYOUTS];
	size_t n = 0;

	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
			n += lie_case((enum layout)layout, &lies[i], &cases[n]);
	}
	return cr_make_param_array(struct lie_case, cases, n);
}

/* Sends until @frames are out or the queue takes no more. */
static unsigned tx_some(struct port *p, unsigned frames)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < 4 * frames && sent < frames; i++) {
		struct mbuf *m = frame_mbuf(sent, 100, 1 + sent % 3);
		struct vdev_frame *f;

		cr_assert_not_null(m);
		if (netdev_tx_burst(p->dev, 0, &m, 1))
			sent++;
		else
			mbuf_free(m);
		vdev_step(&p->d, 8);
		while ((f = vdev_net_tx_pop(&p->d, 0)))
			free(f);
	}
	return sent;
}

static void lie_once(const struct lie_case *c, unsigned after)
{
	const struct lie *l = &c->lie;

	tx_open(&port, &(struct tx_case){c->layout, 32, true, after % 4 == 1});
	port.d.order = (enum vdev_order)(after % 3);
	port.d.batch = VDEV_BATCH_RANDOM;
	port.d.hold = l->lie == VDEV_LIE_ID_AHEAD ? 3 : 0;
	vdev_lie(&port.d, 1, l->lie, after, l->value);

	const unsigned sent = tx_some(&port, 200);

	cr_assert_eq(port_stats(&port).tx_packets, sent);
	port.dev->ops->link_poll(port.dev);
	if (l->outcome != ANY) {
		const bool broken = l->outcome == BROKEN;

		cr_assert_eq(port.vd.stats.broken, broken);
		cr_assert_eq(port.dev->link_up, !broken);
		cr_assert_eq(sent == 200, !broken);
	}

	port_stop(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	port.d.queue[1].lie = VDEV_TRUTH;
	port.d.hold = 0;
	cr_assert_eq(tx_some(&port, 100), 100);
	tx_close(&port);
}

ParameterizedTest(struct lie_case *c, vnet_tx, survives_a_device_that_lies)
{
	for (unsigned after = 1; after < 80; after += 26) {
		cr_log_info("%s, lie %u (0x%x) after %u", layout_name(c->layout), c->lie.lie,
		            c->lie.value, after);
		lie_once(c, after);
	}
}
