/*
 * Hashes of the model device (virtio 5.1.9.4.3), bit by bit as the definition of Toeplitz has it,
 * the two commands that configure them (5.1.9.5.6.4, 5.1.9.5.7.1), and the way from a hash to a
 * queue.
 */
#include "tests/model/vdev_internal.h"

#include <string.h>

#define EXT_HOP_BY_HOP 0
#define EXT_ROUTING 43
#define EXT_FRAGMENT 44
#define EXT_DESTINATION 60
#define OPTION_HOME_ADDRESS 201
#define TCP 6
#define UDP 17
#define HEADERS_MAX 16

/* ---- what is hashed ----------------------------------------------------------------------- */

/* A packet in as far as hashes look at it. */
struct flow {
	const uint8_t *src, *dst; /* NULL: not IP */
	const uint8_t *home, *route;
	const uint8_t *ports;
	unsigned addr_len;
	unsigned proto; /* TCP, UDP, with ports; else 0 */
	bool extended;
};

static void see_ports(struct flow *f, const uint8_t *p, const uint8_t *end, unsigned proto)
{
	const unsigned least = proto == TCP ? 20 : 8;

	if ((proto != TCP && proto != UDP) || end - p < (long)least)
		return;
	f->proto = proto;
	f->ports = p;
}

static void see_ip4(struct flow *f, const uint8_t *p, const uint8_t *end)
{
	const unsigned header = (p[0] & 15u) * 4;

	if (end - p < 20 || p[0] >> 4 != 4 || header < 20 || end - p < (long)header)
		return;
	f->src = p + 12;
	f->dst = p + 16;
	f->addr_len = 4;
	/* fragments have no ports that could be relied on */
	if (!((p[6] & 0x3f) | p[7]))
		see_ports(f, p + header, end, p[9]);
}

static void see_home(struct flow *f, const uint8_t *p, unsigned len)
{
	for (unsigned at = 2; at + 1 < len;) {
		if (!p[at]) {
			at++;
			continue;
		}
		if (p[at] == OPTION_HOME_ADDRESS && p[at + 1] == 16 && at + 18 <= len)
			f->home = p + at + 2;
		at += 2u + p[at + 1];
	}
}

static void see_ip6(struct flow *f, const uint8_t *p, const uint8_t *end)
{
	unsigned next = p[6];

	if (end - p < 40 || p[0] >> 4 != 6)
		return;
	f->src = p + 8;
	f->dst = p + 24;
	f->addr_len = 16;
	p += 40;
	for (unsigned i = 0; i < HEADERS_MAX && end - p >= 8; i++) {
		const unsigned len = next == EXT_FRAGMENT ? 8 : 8u + 8u * p[1];

		if (next != EXT_HOP_BY_HOP && next != EXT_ROUTING && next != EXT_FRAGMENT &&
		    next != EXT_DESTINATION)
			break;
		if (end - p < (long)len)
			return;
		f->extended = true;
		if (next == EXT_FRAGMENT && (p[2] | (p[3] & 0xf9)))
			return;
		if (next == EXT_DESTINATION)
			see_home(f, p, len);
		if (next == EXT_ROUTING && p[2] == 2 && len == 24)
			f->route = p + 8;
		next = p[0];
		p += len;
	}
	see_ports(f, p, end, next);
}

static struct flow see(const uint8_t *frame, uint32_t len)
{
	const uint8_t *end = frame + len;
	struct flow f = {.src = NULL};
	unsigned at = 12, type;

	for (unsigned tags = 0;; tags++, at += 4) {
		if (at + 2 > len)
			return f;
		type = (unsigned)frame[at] << 8 | frame[at + 1];
		if ((type != 0x8100 && type != 0x88a8) || tags == 2)
			break;
	}
	if (len - at <= 8)
		return f;
	if (type == 0x0800)
		see_ip4(&f, frame + at + 2, end);
	else if (type == 0x86dd)
		see_ip6(&f, frame + at + 2, end);
	return f;
}

/* ---- the hash ----------------------------------------------------------------------------- */

/* For each bit of the input that is set, the 32 bits of the key that start there. */
static uint32_t toeplitz(const uint8_t *key, const uint8_t *in, unsigned len)
{
	uint32_t hash = 0;

	for (unsigned bit = 0; bit < 8 * len; bit++) {
		if (!(in[bit / 8] >> (7 - bit % 8) & 1))
			continue;
		for (unsigned k = 0; k < 32; k++) {
			const unsigned at = bit + k;

			hash ^= (uint32_t)(key[at / 8] >> (7 - at % 8) & 1) << (31 - k);
		}
	}
	return hash;
}

/* The number of the report, of the first of three types that fits. @base: that of addresses alone
 */
static uint16_t choose(uint32_t types, unsigned base, unsigned proto)
{
	if (proto == TCP && types >> base & 1)
		return (uint16_t)(base + 1);
	if (proto == UDP && types >> (base + 1) & 1)
		return (uint16_t)(base + 2);
	return types >> (base - 1) & 1 ? (uint16_t)base : VIRTIO_NET_HASH_REPORT_NONE;
}

uint32_t vdev_net_hash(const uint8_t *frame, uint32_t len, uint32_t types, const uint8_t *key,
                       uint16_t *report)
{
	const struct flow f = see(frame, len);
	const uint8_t *src = f.src, *dst = f.dst;
	uint8_t in[36];
	unsigned n = 2 * f.addr_len;

	*report = VIRTIO_NET_HASH_REPORT_NONE;
	if (!src)
		return 0;
	if (f.addr_len == 4) {
		*report = choose(types, 1, f.proto);
	} else {
		if (f.extended)
			*report = choose(types, 7, f.proto);
		if (*report) {
			src = f.home ? f.home : src;
			dst = f.route ? f.route : dst;
		} else {
			*report = choose(types, 4, f.proto);
		}
	}
	if (!*report)
		return 0;
	memcpy(in, src, f.addr_len);
	memcpy(in + f.addr_len, dst, f.addr_len);
	if (*report % 3 != 1) { /* not by addresses alone */
		memcpy(in + n, f.ports, 4);
		n += 4;
	}
	return toeplitz(key, in, n);
}

unsigned vdev_net_rx_wire(struct vdev *d, const void *data, uint32_t len)
{
	const struct vdev_ctrl *c = &d->ctrl;
	const uint32_t types = c->steers ? c->rss.types : c->hash.hash_types;
	const uint8_t *key = c->steers ? c->rss.key : c->hash.hash_key_data;
	struct virtio_net_hdr_hash h = {.hash_report = 0};
	unsigned pair = 0;

	h.hash_value = vdev_net_hash(data, len, types, key, &h.hash_report);
	if (c->steers)
		pair =
		    h.hash_report ? c->rss.table[h.hash_value & c->rss.mask] : c->rss.unclassified;
	vdev_net_rx_push_hash(d, pair, &h, data, len);
	return pair;
}

/* ---- commands ----------------------------------------------------------------------------- */

uint8_t vdev_hash_config(struct vdev *d)
{
	static const uint16_t zero[4];
	struct virtio_net_hash_config config = {.hash_types = 0};
	const uint8_t *data = d->ctrl.data;
	const uint32_t len = d->ctrl.len;
	const uint32_t head = offsetof(struct virtio_net_hash_config, hash_key_data);

	memcpy(&config, data, len < sizeof(config) ? len : sizeof(config));
	if (!vdev_has(d, VIRTIO_NET_F_HASH_REPORT)) {
		vdev_violate(d, "5.1.9.5.6.4: HASH_CONFIG without HASH_REPORT");
		return VIRTIO_NET_ERR;
	}
	if (len < head || len != head + config.hash_key_length ||
	    config.hash_key_length > d->config.rss_max_key_size) {
		vdev_violate(d, "5.1.9.5.6.4: HASH_CONFIG of %u bytes with a key of %u", len,
		             config.hash_key_length);
		return VIRTIO_NET_ERR;
	}
	if (memcmp(config.reserved, zero, sizeof(zero)))
		vdev_violate(d, "5.1.9.5.6.4: reserved is not 0");
	if (config.hash_types & ~d->config.supported_hash_types)
		vdev_violate(d, "5.1.9.5.6.4: hash types 0x%x of 0x%x", config.hash_types,
		             d->config.supported_hash_types);
	d->ctrl.hash = config;
	return VIRTIO_NET_OK;
}

static bool is_receiveq(struct vdev *d, uint16_t id)
{
	return id < d->config.max_virtqueue_pairs && d->queue[2 * id].enabled;
}

/* The variable part behind each other: the table, the number of transmit queues, the key. */
static bool rss_take(struct vdev_ctrl *c, struct vdev_rss *r, uint16_t *max_tx)
{
	const uint32_t table_at = 8;
	uint32_t entries, key_at;

	if (c->len < table_at)
		return false;
	memcpy(&r->types, c->data, 4);
	memcpy(&r->mask, c->data + 4, 2);
	memcpy(&r->unclassified, c->data + 6, 2);
	entries = r->mask + 1u;
	key_at = table_at + 2 * entries + 3;
	if (entries > VDEV_RSS_TABLE_MAX || c->len < key_at)
		return false;
	memcpy(r->table, c->data + table_at, 2 * entries);
	memcpy(max_tx, c->data + key_at - 3, 2);
	r->key_len = c->data[key_at - 1];
	if (r->key_len > sizeof(r->key) || c->len != key_at + r->key_len)
		return false;
	memcpy(r->key, c->data + key_at, r->key_len);
	return true;
}

uint8_t vdev_rss_config(struct vdev *d)
{
	struct vdev_rss r = {.types = 0};
	const uint64_t before = d->violations;
	uint16_t max_tx = 0;

	if (!vdev_has(d, VIRTIO_NET_F_RSS)) {
		vdev_violate(d, "5.1.9.5.7.2: RSS_CONFIG without RSS");
		return VIRTIO_NET_ERR;
	}
	if (!rss_take(&d->ctrl, &r, &max_tx) || r.key_len > d->config.rss_max_key_size) {
		vdev_violate(d, "5.1.9.5.7.1: RSS_CONFIG of %u bytes is none", d->ctrl.len);
		return VIRTIO_NET_ERR;
	}
	if (r.mask & (r.mask + 1u))
		vdev_violate(d, "5.1.9.5.7.2: %u entries are no power of two", r.mask + 1u);
	if (r.mask >= d->config.rss_max_indirection_table_length)
		vdev_violate(d, "5.1.9.5.7.2: a mask of %u for tables of %u", r.mask,
		             d->config.rss_max_indirection_table_length);
	if (r.types & ~d->config.supported_hash_types)
		vdev_violate(d, "5.1.9.5.7.2: hash types 0x%x of 0x%x", r.types,
		             d->config.supported_hash_types);
	for (unsigned i = 0; i <= r.mask; i++) {
		if (!is_receiveq(d, r.table[i]))
			vdev_violate(d, "5.1.9.5.7.2: entry %u is queue %u, which is not enabled",
			             i, r.table[i]);
	}
	if (!is_receiveq(d, r.unclassified))
		vdev_violate(d, "5.1.9.5.7.1: unclassified packets to queue %u", r.unclassified);
	if (!max_tx || max_tx > d->config.max_virtqueue_pairs)
		vdev_violate(d, "5.1.9.5.7.1: %u transmit queues", max_tx);
	if (d->violations != before)
		return VIRTIO_NET_ERR;
	d->ctrl.rss = r;
	d->ctrl.steers = true;
	d->ctrl.pairs = max_tx;
	return VIRTIO_NET_OK;
}
