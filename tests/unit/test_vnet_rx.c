/*
 * The receive body against the device model: every layout of buffers, ring size, burst, order of
 * completion and way of suppressing notifications; lies of the device; a pool that is too small.
 */
#include "tests/unit/vnet_fixture.h"

static struct port port;

static const uint16_t bursts[] = {1, 3, 31, 32, 33, 64};

struct rx_case {
	enum layout layout;
	uint16_t ring;
	bool event_idx;
};

#define JUMBO_MTU (FRAME_MAX - 14)
#define TAGGED_OVERHEAD 18

/* The longest frame: with mergeable buffers as many as there are, or full to the last byte, which
 * an in-order device need not tell one by one. */
static uint32_t longest_merged(const struct rx_case *c, uint32_t hdr_len)
{
	const uint32_t most = layout_is_in_order(c->layout) ? 4 : c->ring;
	/* two descriptors make a buffer where the header needs its own */
	const uint32_t bufs = layout_hdr_alone(c->layout) ? c->ring / 2u : most;
	const uint64_t all = (uint64_t)bufs * (MEMPOOL_DATA_ROOM + hdr_len) - hdr_len;

	return all < FRAME_MAX ? (uint32_t)all : FRAME_MAX;
}

static uint32_t rx_open(struct port *p, const struct rx_case *c)
{
	const uint32_t hdr_len = c->layout == LEGACY || c->layout == NO_ANY_LAYOUT ? 10 : 12;
	const bool jumbo = c->ring < 32768;
	uint32_t max = jumbo ? FRAME_MAX : 1514;

	port_open(p, c->layout);
	p->d.queue_max[0] = c->ring;
	p->d.queue_max[1] = 4;
	if (!c->event_idx)
		p->d.offered &= ~VIRTIO_F_EVENT_IDX;
	if (jumbo) {
		p->d.offered |= VIRTIO_NET_F_MTU;
		p->d.config.mtu = JUMBO_MTU;
	}
	if (layout_is_mrg(c->layout)) {
		max = longest_merged(c, hdr_len);
	} else if (layout_is_in_order(c->layout)) {
		/* with a tag it fills a buffer exactly */
		max = jumbo ? 4096 : MEMPOOL_DATA_ROOM;
		p->d.offered |= VIRTIO_NET_F_MTU;
		p->d.config.mtu = (uint16_t)(max - TAGGED_OVERHEAD);
	}
	port_start(p);
	return max;
}

/* What goes through the port in one run. */
struct rx_run {
	uint64_t seed, first, frames;
	uint32_t max;
	uint16_t burst;
};

static uint64_t rx_take(struct port *p, const struct rx_run *r, uint64_t taken)
{
	struct mbuf *pkts[64];
	const uint16_t n = netdev_rx_burst(p->dev, 0, pkts, r->burst);

	cr_assert(n <= r->burst);
	for (uint16_t i = 0; i < n; i++) {
		const uint64_t seq = r->first + taken + i;

		frame_check(pkts[i], seq, frame_len(r->seed, seq, r->max));
		cr_assert_eq(pkts[i]->port, p->dev->port);
		mbuf_free(pkts[i]);
	}
	return taken + n;
}

/* Every frame comes once, in order, whole; at most one kick a burst, none unasked. */
static void rx_run(struct port *p, const struct rx_run *r)
{
	const struct netdev_stats before = port_stats(p);
	const struct vdev_queue *q = &p->d.queue[0];
	const uint64_t kicks = q->kicks;
	uint64_t pushed = 0, taken = 0, polls = 0, bytes = 0;

	while (taken < r->frames) {
		const uint32_t dice = mix(r->seed ^ 0x55, polls);

		for (unsigned i = dice % 80; i && pushed < r->frames; i--, pushed++) {
			const uint64_t seq = r->first + pushed;
			const uint32_t len = frame_len(r->seed, seq, r->max);

			frame_push(p, seq, len);
			bytes += len;
		}
		vdev_step(&p->d, 1 + (dice >> 8) % 64);
		taken = rx_take(p, r, taken);
		cr_assert(polls++ < 200 + 100 * r->frames, "%llu of %llu frames came, %s",
		          (unsigned long long)taken, (unsigned long long)r->frames,
		          p->d.violation[0].text);
	}

	const struct netdev_stats s = port_stats(p);

	cr_assert_eq(s.rx_packets - before.rx_packets, r->frames);
	cr_assert_eq(s.rx_bytes - before.rx_bytes, bytes);
	cr_assert_eq(s.rx_errors, before.rx_errors);
	cr_assert_eq(s.kicks - before.kicks, q->kicks - kicks);
	cr_assert(q->kicks - kicks <= polls, "%llu kicks in %llu bursts",
	          (unsigned long long)(q->kicks - kicks), (unsigned long long)polls);
	cr_assert_eq(q->kicks_unwanted, 0, "%llu kicks nobody asked for",
	             (unsigned long long)q->kicks_unwanted);
	cr_assert_eq(q->dropped, 0);
	ring_check(&((const struct vnet_rxq *)p->dev->queue[0].rx)->vq);
}

ParameterizedTestParameters(vnet_rx, delivers_each_frame_once_in_order)
{
	static struct rx_case cases[LAYOUTS * RING_SIZES_MAX * 2];
	size_t n = 0;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		for (const uint16_t *r = layout_rings((enum layout)l); *r; r++) {
			for (unsigned e = 0; e < 2; e++)
				cases[n++] = (struct rx_case){(enum layout)l, *r, e};
		}
	}
	return cr_make_param_array(struct rx_case, cases, n);
}

static void rx_all_bursts(const struct rx_case *c, struct rx_run *run)
{
	for (size_t b = 0; b < ARRAY_SIZE(bursts); b++) {
		for (unsigned order = VDEV_IN_ORDER; order <= VDEV_RANDOM; order++) {
			cr_log_info("%s, ring %u, event_idx %d, burst %u, %s, seed %llu",
			            layout_name(c->layout), c->ring, c->event_idx, bursts[b],
			            order_names[order], (unsigned long long)run->seed);
			port.d.order = (enum vdev_order)order;
			port.d.batch = (enum vdev_batch)order;
			port.d.kick = (enum vdev_kick)(run->seed % 3);
			port.d.scribble = run->seed & 4;
			run->burst = bursts[b];
			rx_run(&port, run);
			run->first += run->frames;
			run->seed++;
		}
	}
}

ParameterizedTest(struct rx_case *c, vnet_rx, delivers_each_frame_once_in_order)
{
	const uint32_t max = rx_open(&port, c);
	struct rx_run run = {.seed = c->ring, .max = max, .frames = 150};

	/* the seed says more than the order of chance: do not let it go with the bursts */
	for (unsigned i = 0; i < plat_test_seeds(); i++, run.seed++)
		rx_all_bursts(c, &run);
	port_close(&port);
}

ParameterizedTestParameters(vnet_rx, index_wraps_twice)
{
	static struct rx_case cases[] = {
	    {MRG, 4, true},
	    {MRG, 256, false},
	    {PLAIN, 256, true},
	    {LEGACY, 8, false},
	    {MRG, 32768, true},
	    {NO_ANY_LAYOUT, 256, true},
	    {IN_ORDER_MRG, 256, true},
	    {IN_ORDER_PLAIN, 32768, false},
	    {PACKED_MRG, 5, true},
	    {PACKED_MRG, 256, false},
	    {PACKED_PLAIN, 257, true},
	    {PACKED_IN_ORDER_MRG, 8, true},
	    {PACKED_IN_ORDER_PLAIN, 32768, true},
	};

	return cr_make_param_array(struct rx_case, cases, ARRAY_SIZE(cases));
}

ParameterizedTest(struct rx_case *c, vnet_rx, index_wraps_twice)
{
	struct rx_run run = {.seed = 7, .frames = 1 << 17, .max = FRAME_MIN, .burst = 32};

	rx_open(&port, c);
	port.d.order = VDEV_RANDOM;
	port.d.batch = VDEV_BATCH_RANDOM;
	port.d.kick = VDEV_KICK_RANDOM;
	run.max = 70;
	rx_run(&port, &run);
	cr_assert_geq(port.d.queue[0].completions, 1 << 17);
	port_close(&port);
}

/* ---- lies --------------------------------------------------------------------------------- */

enum outcome {
	BROKEN,  /* the queue is given up, the port goes down */
	DROPPED, /* one frame is counted as an error */
	HARMLESS,
	ANY, /* nothing may crash or get lost; what happens is the device's luck */
};

struct lie {
	enum vdev_lie lie;
	uint32_t value;
	enum outcome mrg, plain;
};

struct lie_case {
	enum layout layout;
	enum vdev_lie lie;
	uint32_t value;
	enum outcome outcome;
};

static const struct lie lies[] = {
    {VDEV_LIE_ID_RANGE, 0, BROKEN, BROKEN},
    {VDEV_LIE_ID_RANGE, 65, BROKEN, BROKEN},
    {VDEV_LIE_ID_RANGE, 0xffff, BROKEN, BROKEN},
    {VDEV_LIE_ID_RANGE, 0x10000, BROKEN, BROKEN},
    {VDEV_LIE_ID_RANGE, 0x80000000, BROKEN, BROKEN},
    {VDEV_LIE_ID_RANGE, 0xffffffff, BROKEN, BROKEN},
    {VDEV_LIE_ID_IDLE, 0, BROKEN, BROKEN},
    {VDEV_LIE_ID_REPEATED, 0, BROKEN, BROKEN},
    {VDEV_LIE_ID_AHEAD, 0, ANY, ANY},
    {VDEV_LIE_LEN_LONG, 0, BROKEN, BROKEN},
    {VDEV_LIE_LEN, 0x10040, BROKEN, BROKEN},
    {VDEV_LIE_LEN, 0xffffffff, BROKEN, BROKEN},
    {VDEV_LIE_LEN_SHORT, 0, DROPPED, DROPPED},
    {VDEV_LIE_LEN, 0, DROPPED, DROPPED},
    {VDEV_LIE_NUM_BUFFERS, 0, DROPPED, HARMLESS},
    {VDEV_LIE_NUM_BUFFERS, 0xffff, BROKEN, HARMLESS},
    {VDEV_LIE_NUM_BUFFERS, 64, BROKEN, HARMLESS},
    {VDEV_LIE_NUM_BUFFERS, 2, ANY, HARMLESS},
    {VDEV_LIE_USED_JUMP, 0, BROKEN, BROKEN},
    {VDEV_LIE_USED_JUMP, 0x8000, BROKEN, BROKEN},
    {VDEV_LIE_USED_JUMP, 1, ANY, ANY},
    {VDEV_LIE_USED_BACK, 0, BROKEN, BROKEN},
};

/* Does this kind of ring have a place for the lie, and how does it end there? */
static bool lie_case(enum layout layout, const struct lie *l, struct lie_case *c)
{
	*c = (struct lie_case){layout, l->lie, l->value, layout_is_mrg(layout) ? l->mrg : l->plain};
	if (!layout_is_packed(layout)) {
		if (l->lie == VDEV_LIE_ID_AHEAD && layout_is_in_order(layout))
			c->outcome = BROKEN; /* the index says that the batch is shorter */
		return true;
	}
	/* there is no index, only descriptors with ids that may be right */
	if (l->lie == VDEV_LIE_USED_JUMP || l->lie == VDEV_LIE_USED_BACK)
		c->outcome = ANY;
	return l->lie != VDEV_LIE_ID_RANGE || l->value <= UINT16_MAX;
}

ParameterizedTestParameters(vnet_rx, survives_a_device_that_lies)
{
	static struct lie_case cases[ARRAY_SIZE(lies) * LAYOUTS];
	size_t n = 0;

	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		for (size_t i = 0; i < ARRAY_SIZE(lies); i++)
			n += lie_case((enum layout)layout, &lies[i], &cases[n]);
	}
	return cr_make_param_array(struct lie_case, cases, n);
}

/* Receives what comes in @turns turns, without a look at it. */
static unsigned rx_turns(struct port *p, unsigned turns)
{
	struct mbuf *pkts[32];
	unsigned got = 0;

	for (unsigned i = 0; i < turns; i++) {
		vdev_step(&p->d, 4);

		const uint16_t n = netdev_rx_burst(p->dev, 0, pkts, 32);

		got += n;
		for (uint16_t k = 0; k < n; k++)
			mbuf_free(pkts[k]);
	}
	return got;
}

/* After a lie: counted, the rest of the port in order, and a new start works. */
static void lie_aftermath(struct port *p, enum outcome outcome, unsigned got, unsigned sent)
{
	const struct netdev_stats s = port_stats(p);

	p->dev->ops->link_poll(p->dev);
	if (outcome == BROKEN) {
		cr_assert_eq(p->vd.stats.broken, 1);
		cr_assert_eq(p->d.status, 0, "it may still write to our buffers");
		cr_assert_not(p->dev->link_up);
		cr_assert_eq(rx_turns(p, 4), 0);
	} else if (outcome != ANY) {
		cr_assert_eq(p->vd.stats.broken, 0);
		cr_assert_eq(got, sent - (outcome == DROPPED));
		cr_assert_eq(s.rx_errors, outcome == DROPPED);
	}
	cr_assert_eq(s.rx_packets, got);

	port_stop(p);
	cr_assert_eq(p->dev->ops->start(p->dev), 0);
	cr_assert(p->dev->link_up);
	p->d.queue[0].lie = VDEV_TRUTH;
	while (p->d.queue[0].frames.n)
		rx_turns(p, 1);
	rx_turns(p, 2);

	const struct rx_run run = {.seed = 3, .first = 1000, .frames = 40, .max = 128, .burst = 8};
	const uint64_t errors = port_stats(p).rx_errors;
	uint64_t taken = 0;

	for (unsigned i = 0; i < 40; i++)
		frame_push(p, 1000 + i, frame_len(run.seed, 1000 + i, run.max));
	for (unsigned i = 0; i < 40; i++) {
		vdev_step(&p->d, 4);
		taken = rx_take(p, &run, taken);
	}
	cr_assert_eq(taken, 40, "after a new start %u of 40 frames", (unsigned)taken);
	cr_assert_eq(port_stats(p).rx_errors, errors);
}

ParameterizedTest(struct lie_case *c, vnet_rx, survives_a_device_that_lies)
{
	for (unsigned after = 1; after < 90; after += 29) {
		port_open(&port, c->layout);
		port.d.queue_max[0] = 64;
		port.d.order = (enum vdev_order)(after % 3);
		port.d.batch = VDEV_BATCH_RANDOM;
		port_start(&port);
		for (unsigned i = 0; i < 100; i++)
			frame_push(&port, i, FRAME_MIN);
		vdev_lie(&port.d, 0, c->lie, after, c->value);

		const unsigned got = rx_turns(&port, 40);

		cr_log_info("%s, lie %u (0x%x) after %u", layout_name(c->layout), c->lie, c->value,
		            after);
		lie_aftermath(&port, c->outcome, got, 100);
		port_close(&port);
	}
}

Test(vnet_rx, gives_up_when_the_rest_of_a_merged_frame_is_missing)
{
	port_open(&port, MRG);
	port_start(&port);
	frame_push(&port, 0, 5000);
	vdev_lie(&port.d, 0, VDEV_LIE_MERGE_TORN, 0, 0);
	cr_assert_eq(rx_turns(&port, 3), 0);
	cr_assert_eq(port.vd.stats.broken, 1);
	cr_assert_eq(port_stats(&port).rx_errors, 1);
	port_close(&port);
}

Test(vnet_rx, checks_the_length_of_every_buffer_of_a_merged_frame)
{
	static const uint32_t lens[] = {MEMPOOL_DATA_ROOM + 12 + 1, 0x10040, 0xffffffff};

	for (unsigned after = 0; after < 3; after++) {
		for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
			port_open(&port, MRG);
			port_start(&port);
			frame_push(&port, 0, 5000);
			vdev_lie(&port.d, 0, VDEV_LIE_LEN, after, lens[i]);
			cr_assert_eq(rx_turns(&port, 3), 0);
			cr_assert_eq(port.vd.stats.broken, 1, "buffer %u, length 0x%x", after,
			             lens[i]);
			cr_assert_eq(port_stats(&port).rx_errors, 1);
			port_close(&port);
		}
	}
}

Test(vnet_rx, lies_about_merged_buffers_lose_no_mbuf)
{
	for (uint32_t nb = 0; nb < 12; nb++) {
		port_open(&port, MRG);
		port.d.queue_max[0] = 16;
		port_start(&port);
		for (unsigned i = 0; i < 30; i++)
			frame_push(&port, i, 64 + 500 * (i % 10));
		vdev_lie(&port.d, 0, VDEV_LIE_NUM_BUFFERS, nb, nb);
		rx_turns(&port, 30);
		port_close(&port);
	}
}

Test(vnet_rx, goes_down_when_the_device_needs_a_reset)
{
	port_open(&port, MRG);
	port_start(&port);
	frame_push(&port, 0, 64);
	vdev_lie(&port.d, 0, VDEV_LIE_NEEDS_RESET, 0, 0);
	cr_assert_eq(rx_turns(&port, 2), 0);
	port.dev->ops->link_poll(port.dev);
	cr_assert_not(port.dev->link_up);
	port_stop(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert(port.dev->link_up);
	port_close(&port);
}

/* A batch of full buffers is taken in part, then the port is stopped. */
static void stop_within_a_batch(enum layout layout)
{
	const struct rx_run run = {.seed = 5, .first = 100, .frames = 50, .max = 128, .burst = 4};
	const uint32_t len = rx_open(&port, &(struct rx_case){layout, 16, true});
	struct mbuf *m;

	port.d.batch = VDEV_BATCH_ALL;
	for (unsigned i = 0; i < 3; i++)
		frame_push(&port, i, len);
	vdev_step(&port.d, 3);
	cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 1);
	frame_check(m, 0, len);
	mbuf_free(m);

	port_stop(&port);
	cr_assert_eq(port_stats(&port).rx_packets, 1);
	cr_assert_eq(port_stats(&port).rx_errors, 2, "received, and read by nobody");
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 0);
	rx_run(&port, &run);
	port_close(&port);
}

Test(vnet_rx, a_stop_within_a_batch_forgets_the_rest)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		if (layout_is_in_order((enum layout)layout))
			stop_within_a_batch((enum layout)layout);
	}
}

/* ---- the pool ----------------------------------------------------------------------------- */

Test(vnet_rx, refills_later_when_the_pool_was_empty)
{
	struct mbuf *held[512];
	struct mbuf *pkts[32];
	unsigned nb_held = 0, taken = 0;

	port_open(&port, MRG);
	port.d.queue_max[0] = port.d.queue_max[1] = 64;
	port_start(&port);

	while (port.dev->queue[0].pool->n)
		nb_held += mempool_get_bulk(port.dev->queue[0].pool, held + nb_held, 1);
	for (unsigned i = 0; i < 200; i++)
		frame_push(&port, i, 64);

	/* received packets stay here too, until the device has no buffer left */
	for (unsigned i = 0; i < 20; i++) {
		vdev_step(&port.d, 64);

		const uint16_t n = netdev_rx_burst(port.dev, 0, pkts, 32);

		for (uint16_t k = 0; k < n; k++, taken++) {
			frame_check(pkts[k], taken, 64);
			held[nb_held++] = pkts[k];
		}
	}
	cr_assert_eq(taken, 64);
	cr_assert_eq(port_stats(&port).rx_nombuf, 1, "one shortage, however long");

	while (nb_held)
		mempool_put(held[--nb_held]);
	for (unsigned i = 0; i < 40; i++) {
		const uint16_t n = netdev_rx_burst(port.dev, 0, pkts, 32);

		for (uint16_t k = 0; k < n; k++, taken++) {
			frame_check(pkts[k], taken, 64);
			mbuf_free(pkts[k]);
		}
		vdev_step(&port.d, 64);
	}
	cr_assert_eq(taken, 200, "%u of 200 frames", taken);
	port_close(&port);
}

Test(vnet_rx, works_with_fewer_buffers_than_descriptors)
{
	const struct rx_run run = {.seed = 5, .frames = 500, .max = 1514, .burst = 32};

	port_open(&port, MRG);
	port.d.queue_max[0] = port.d.queue_max[1] = 1024;
	port_memory(&port, 400 << 10);
	port_start(&port);
	cr_assert_lt(port.dev->queue[0].pool->size, 256);
	rx_run(&port, &run);
	port_close(&port);
}

Test(vnet_rx, an_interrupt_is_suppressed_while_polling)
{
	const struct rx_run run = {.seed = 9, .frames = 300, .max = 64, .burst = 32};

	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		port_open(&port, MRG);
		if (!event_idx)
			port.d.offered &= ~VIRTIO_F_EVENT_IDX;
		port_start(&port);
		rx_run(&port, &run);
		cr_assert_eq(port.d.queue[0].interrupts, 0);
		cr_assert_eq(port_stats(&port).interrupts, 0);
		port_close(&port);
	}
}
