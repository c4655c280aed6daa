/*
 * The same frames through every path, by scalar and by vector code: whatever the ring, its order
 * and its buffers, the stack gets the same packets and the device the same frames as over the plain
 * split ring.
 */
#include "tests/unit/vnet_fixture.h"

#define FRAMES 400
#define BURST 32
#define SEEDS_MAX 100
#define MTU 2030 /* with a tag it fills a buffer of the usual size exactly */
#define LEN_MAX (MTU + 18)

/* All that is seen of a frame. */
struct seen {
	uint32_t len, flags, packet_type;
	uint16_t nb_segs, port;
	uint64_t sum;
};

static struct port port;
static uint64_t seed;

static uint32_t len_of(uint64_t seq)
{
	return frame_len(seed, seq, LEN_MAX);
}

static uint64_t sum_bytes(uint64_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 0x100000001b3ull;
	return sum;
}

static struct seen seen_mbuf(const struct mbuf *m)
{
	struct seen s = {.len = m->pkt_len,
	                 .flags = m->flags,
	                 .packet_type = m->packet_type,
	                 .nb_segs = m->nb_segs,
	                 .port = m->port};

	for (; m; m = m->next)
		s.sum = sum_bytes(s.sum, mbuf_data(m), m->data_len);
	return s;
}

static struct seen seen_frame(const struct vdev_frame *f)
{
	struct seen s = {.len = f->len, .nb_segs = (uint16_t)f->nb_descs};

	s.sum = sum_bytes(0, (const uint8_t *)&f->hdr, VIRTIO_NET_HDR_LEN_LEGACY);
	s.sum = sum_bytes(s.sum, f->data, f->len);
	return s;
}

/* Frames in at one side of the port, what came in out again at the other. */
static void echo(struct seen *rx, struct seen *tx)
{
	struct mbuf *pkts[BURST];
	unsigned pushed = 0, got = 0, sent = 0;

	for (unsigned turn = 0; sent < FRAMES; turn++) {
		cr_assert(turn < 10 * FRAMES);
		for (unsigned i = mix(seed ^ 9, turn) % 40; i && pushed < FRAMES; i--, pushed++)
			frame_push(&port, pushed, len_of(pushed));
		vdev_step(&port.d, BURST);

		const uint16_t n = netdev_rx_burst(port.dev, 0, pkts, BURST);

		for (uint16_t i = 0; i < n; i++)
			rx[got++] = seen_mbuf(pkts[i]);
		cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, n), n);
		vdev_step(&port.d, BURST);
		for (struct vdev_frame *f; (f = vdev_net_tx_pop(&port.d, 0)); free(f))
			tx[sent++] = seen_frame(f);
	}
}

static void run(enum layout layout, const char *words, bool event_idx, struct seen *rx,
                struct seen *tx)
{
	port_open(&port, layout);
	if (!event_idx)
		port.d.offered &= ~VIRTIO_F_EVENT_IDX;
	port.d.offered |= VIRTIO_NET_F_MTU;
	/* the model holds frames to the MTU when they are sent */
	port.d.config.mtu = MTU + 4;
	port.d.queue_max[0] = 128;
	port.d.order = VDEV_RANDOM;
	port.d.batch = VDEV_BATCH_RANDOM;
	port.d.kick = VDEV_KICK_RANDOM;
	port.d.scribble = true;
	port.d.seed = seed;
	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	cr_assert_eq(options_parse("net.mtu=2030", "test"), 0);
	cr_assert_eq(options_parse(words, "test"), 0);
	port_start(&port);
	for (unsigned i = 0; i < FRAMES; i++)
		rx[i].port = tx[i].port = UINT16_MAX;
	echo(rx, tx);
	/* the port's number is the only difference there may be */
	for (unsigned i = 0; i < FRAMES; i++) {
		cr_assert_eq(rx[i].port, port.dev->port);
		rx[i].port = 0;
	}
	port_close(&port);
}

static void same(const struct seen *a, const struct seen *b, const char *what, enum layout layout)
{
	for (unsigned i = 0; i < FRAMES; i++)
		cr_assert_eq(memcmp(&a[i], &b[i], sizeof(*a)), 0,
		             "%s, frame %u of %u bytes differs %s: %u bytes, %u segments",
		             layout_name(layout), i, a[i].len, what, b[i].len, b[i].nb_segs);
}

struct choice {
	uint64_t seed;
	char words[64]; /* options */
};

ParameterizedTestParameters(differential, every_path_gives_the_same_packets_and_frames)
{
	static const char *const isas[] = {"scalar", VEC_OPTIONS};
	static struct choice choices[3 * SEEDS_MAX * ARRAY_SIZE(isas)];
	const unsigned wanted = plat_test_seeds();
	/* with one seed of three nearly every buffer is filled, see frame_len() */
	const size_t n = 3 * (wanted < SEEDS_MAX ? wanted : SEEDS_MAX) * ARRAY_SIZE(isas);

	for (size_t i = 0; i < n; i++) {
		choices[i].seed = 4 + i / ARRAY_SIZE(isas);
		snprintf(choices[i].words, sizeof(choices[i].words), "net.vectorized=1 isa=%s",
		         isas[i % ARRAY_SIZE(isas)]);
	}
	return cr_make_param_array(struct choice, choices, n);
}

ParameterizedTest(struct choice *c, differential, every_path_gives_the_same_packets_and_frames)
{
	static struct seen rx[FRAMES], tx[FRAMES], base_rx[FRAMES], base_tx[FRAMES];

	seed = c->seed;
	cr_log_info("seed %llu, options \"%s\"", (unsigned long long)seed, c->words);
	run(PLAIN, "", true, base_rx, base_tx);
	for (unsigned i = 0; i < FRAMES; i++) {
		cr_assert_eq(base_rx[i].len, len_of(i));
		cr_assert_eq(base_tx[i].len, len_of(i));
	}
	/* with vector code where there is some for it and the processor has it */
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_hdr_alone((enum layout)l))
			continue; /* one descriptor more, see test_vnet_tx.c */
		run((enum layout)l, c->words, l & 1, rx, tx);
		same(base_rx, rx, "when received", (enum layout)l);
		same(base_tx, tx, "when sent", (enum layout)l);
	}
}
