/*
 * Vector primitives against the scalar ones: both run on the same memory, filled with the same
 * bytes, and everything there is compared afterwards, so that a store too wide or in the wrong
 * lane is seen. Values that sit on an edge are frequent.
 */
#include "tests/vec/vec_set.h"

#include <string.h>

#define BUF_BYTES 448
#define IDS 64

/* All that a primitive may touch, with room around each array. */
static struct world {
	struct {
		struct mbuf m;
		uint8_t room[BUF_BYTES];
	} mbuf[VEC_BATCH] __attribute__((aligned(CACHE_LINE)));
	struct vring_used_elem used[VEC_BATCH + 2];
	struct vring_packed_desc packed[VEC_BATCH + 2];
	struct vring_desc split[IDS];
	struct vq_slot slot[IDS];
	struct mbuf *m[VEC_BATCH + 2];
	struct mbuf *out[VEC_BATCH + 2];
	uint16_t ids[VEC_BATCH + 2];
	struct vec_rx_case rx;
	uint64_t result;
} world, start, want;

static uint64_t seed;

static uint32_t dice(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 32);
}

static uint32_t pick_len(void)
{
	const uint32_t hdr = world.rx.hdr_len, max = world.rx.len_max + hdr;
	const uint32_t edges[] = {0, hdr - 1, hdr, hdr + 1, max, max + 1, 65535, 0xffffffff};

	return dice() % 64 ? hdr + dice() % (world.rx.len_max + 1) : edges[dice() % 8];
}

static uint32_t pick_id(void)
{
	const uint32_t edges[] = {0, IDS - 1, IDS, 0xffff, 0x10000, 0x80000000, 0xffffffff};

	return dice() % 64 ? dice() % IDS : edges[dice() % 7];
}

/* What a device writes in front of a packet: usually that one buffer holds it, or a number that
 * differs from that by a bit. */
static void make_header(struct mbuf *m)
{
	uint8_t *nb = mbuf_buf(m) + NETDEV_HEADROOM - world.rx.hdr_len +
	              offsetof(struct virtio_net_hdr, num_buffers);

	nb[0] = 1;
	nb[1] = 0;
	if (!(dice() % 16))
		nb[dice() % 2] ^= (uint8_t)(1u << dice() % 8);
}

static void make_mbufs(void)
{
	static struct mempool pool;

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct mbuf *m = &world.mbuf[i].m;

		world.m[i + 1] = m;
		m->next = dice() % 64 ? NULL : m;
		m->pool = dice() % 64 ? &pool : NULL;
		m->data_off = (uint16_t)(VEC_HDR_CLEAR + dice() % (BUF_BYTES - VEC_HDR_CLEAR));
		m->nb_segs = (uint16_t)(dice() % 64 ? 1 : 1 + dice() % 0xffff);
		m->pkt_len = dice() % 8 ? dice() % 9728 : (dice() & 1 ? 65535 : 0);
		m->flags = dice() % 32 ? m->flags & ~MBUF_TX_CSUM : m->flags;
		make_header(m);
	}
	for (unsigned i = VEC_BATCH; i > 1; i--) {
		const unsigned k = 1 + dice() % i;
		struct mbuf *swap = world.m[i];

		world.m[i] = world.m[k];
		world.m[k] = swap;
	}
}

static void make_world(void)
{
	uint32_t *words = (uint32_t *)&world;
	const uint16_t laps[] = {0, VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED};

	for (size_t i = 0; i < sizeof(world) / sizeof(*words); i++)
		words[i] = dice();
	world.rx.hdr_len = dice() & 1 ? 10 : 12;
	make_mbufs();
	world.rx.low_max = IDS - 1;
	world.rx.len_max = dice() & 1 ? 2048 : dice() % 65408;
	world.rx.id = (uint16_t)(dice() & 1 ? dice() % 32760 : 0);

	const uint16_t flags = laps[dice() & 1];

	for (unsigned i = 0; i < VEC_BATCH; i++) {
		struct vring_packed_desc *d = &world.packed[i + 1];

		world.used[i + 1] = (struct vring_used_elem){pick_id(), pick_len()};
		world.ids[i + 1] = (uint16_t)((i * 8 + dice() % 8) % IDS);
		d->id = (uint16_t)(dice() % 64 ? world.rx.id + i : dice());
		d->len = pick_len();
		d->flags &= (uint16_t) ~(VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED);
		d->flags |= dice() % 32 ? flags : VRING_PACKED_DESC_F_AVAIL;
	}
	for (unsigned i = 0; i < IDS; i++)
		world.slot[i].nb_desc = (uint16_t)(dice() % 64 ? 1 : dice());
	start = world;
}

/* ---- one primitive each, on the world ----------------------------------------------------- */

#define M (&world.m[1])
#define DESC (&world.packed[1])

static struct virtqueue rings(void)
{
	return (struct virtqueue){.split = {.desc = world.split}, .slot = world.slot};
}

static void split_rx(const struct vec_set *s)
{
	world.result = s->split_rx(&world.used[1], M, &world.rx);
}

static void packed_rx(const struct vec_set *s)
{
	world.rx.low_max = 0;
	world.result = s->packed_rx(DESC, M, &world.rx);
}

static void packed_is_used(const struct vec_set *s)
{
	world.result = s->packed_is_used(DESC, DESC[0].flags);
}

static void one_buffer_each(const struct vec_set *s)
{
	world.result = s->one_buffer_each(M, world.rx.hdr_len);
}

static void split_post(const struct vec_set *s)
{
	const struct virtqueue vq = rings();

	s->split_post(&vq, &world.ids[1], M, 128 - world.rx.hdr_len, world.used[0].len);
}

static void split_send(const struct vec_set *s)
{
	const struct virtqueue vq = rings();

	world.result = s->split_send(&vq, &world.ids[1], M, world.rx.hdr_len);
}

static uint64_t meta(uint32_t len)
{
	return len | (uint64_t)world.rx.id << VEC_META_ID_SHIFT |
	       (uint64_t)world.ids[0] << VEC_META_FLAGS_SHIFT;
}

static uint64_t hide(void)
{
	return world.ids[VEC_BATCH + 1] & 1 ? UINT64_C(0x8080) << VEC_META_FLAGS_SHIFT : 0;
}

static void packed_post(const struct vec_set *s)
{
	s->packed_post(DESC, M, 128 - world.rx.hdr_len, meta(world.used[0].len), hide());
}

static void packed_send(const struct vec_set *s)
{
	world.result = s->packed_send(DESC, M, world.rx.hdr_len, meta(world.rx.hdr_len), hide());
}

static void slots_set(const struct vec_set *s)
{
	s->slots_set(&world.slot[world.ids[0] % (IDS - VEC_BATCH)], M);
}

static void slots_get(const struct vec_set *s)
{
	world.result = s->slots_get(&world.out[1], &world.slot[world.ids[0] % (IDS - VEC_BATCH)]);
}

static void slots_clear(const struct vec_set *s)
{
	s->slots_clear(&world.slot[world.ids[0] % (IDS - VEC_BATCH)]);
}

static void tx_plain(const struct vec_set *s)
{
	world.result = s->tx_plain(M, MBUF_TX_CSUM, world.rx.id & 1 ? M[0]->pkt_len : UINT32_MAX);
}

static void hdr_clear(const struct vec_set *s)
{
	s->hdr_clear(M);
}

static void free_plain(const struct vec_set *s)
{
	world.result = s->free_plain(M, M[0]->pool);
}

static const struct {
	const char *name;
	void (*run)(const struct vec_set *s);
	enum { BOTH, SPLIT, PACKED } ring;
} primitives[] = {
    {"split_used", split_rx, SPLIT},
    {"packed_used", packed_rx, PACKED},
    {"packed_is_used", packed_is_used, PACKED},
    {"one_buffer_each", one_buffer_each, BOTH},
    {"split_post", split_post, SPLIT},
    {"split_send", split_send, SPLIT},
    {"packed_post", packed_post, PACKED},
    {"packed_send", packed_send, PACKED},
    {"slots_set", slots_set, PACKED},
    {"slots_get", slots_get, PACKED},
    {"slots_clear", slots_clear, PACKED},
    {"tx_plain", tx_plain, BOTH},
    {"hdr_clear", hdr_clear, BOTH},
    {"free_plain", free_plain, BOTH},
};

const char *vec_compare(const struct vec_set *set, uint64_t from)
{
	seed = from;
	for (size_t i = 0; i < ARRAY_SIZE(primitives); i++) {
		if ((primitives[i].ring == SPLIT && !set->split_rx) ||
		    (primitives[i].ring == PACKED && !set->packed_rx))
			continue;
		make_world();
		primitives[i].run(&vec_set_scalar);
		want = world;
		world = start;
		primitives[i].run(set);
		/* every byte, padding too: nothing else may be touched */
		if (memcmp((const void *)&world, (const void *)&want, sizeof(world)) != 0)
			return primitives[i].name;
	}
	return NULL;
}
