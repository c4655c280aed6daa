/*
 * Device statistics: a question for each queue, about the types that the device has, that are of
 * such a queue and whose features were negotiated; then a walk over the replies, in which nothing
 * of what is told, least of all lengths, is believed.
 */
#include "drivers/virtio/vnet_devstats.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define COUNTERS_MAX 6
#define RX_TYPES 0xffffull
#define TX_TYPES (RX_TYPES << VIRTIO_NET_STATS_TX_BASIC)
#define REPLY_MAX 160 /* of all types of one queue */

/* A type, its counters in their order, and one of the features without which there is none; 0: any.
 */
static const struct type {
	unsigned type;
	uint64_t feature;
	const char *counter[COUNTERS_MAX];
} types[] = {
    {VIRTIO_NET_STATS_CVQ, 0, {"commands", "commands_ok"}},
    {VIRTIO_NET_STATS_RX_BASIC,
     0,
     {"notifications", "packets", "bytes", "interrupts", "drops", "drop_overruns"}},
    {VIRTIO_NET_STATS_RX_CSUM,
     VIRTIO_NET_F_GUEST_CSUM,
     {"csum_valid", "needs_csum", "csum_none", "csum_bad"}},
    {VIRTIO_NET_STATS_RX_GSO,
     VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6,
     {"gso_packets", "gso_bytes", "gso_packets_coalesced", "gso_bytes_coalesced"}},
    {VIRTIO_NET_STATS_RX_SPEED,
     VIRTIO_NET_F_SPEED_DUPLEX,
     {"packets_allowance_exceeded", "bytes_allowance_exceeded"}},
    {VIRTIO_NET_STATS_TX_BASIC,
     0,
     {"notifications", "packets", "bytes", "interrupts", "drops", "drop_malformed"}},
    {VIRTIO_NET_STATS_TX_CSUM, VIRTIO_NET_F_CSUM, {"csum_none", "needs_csum"}},
    {VIRTIO_NET_STATS_TX_GSO,
     VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_USO,
     {"gso_packets", "gso_bytes", "gso_segments", "gso_segments_bytes", "gso_packets_noseg",
      "gso_bytes_noseg"}},
    {VIRTIO_NET_STATS_TX_SPEED,
     VIRTIO_NET_F_SPEED_DUPLEX,
     {"packets_allowance_exceeded", "bytes_allowance_exceeded"}},
};

/* Where the counters go, and of which queue they are. */
struct sink {
	netdev_xstat_fn emit;
	void *arg;
	const char *direction;
	int pair; /* -1: the control queue */
	uint16_t index;
	uint64_t asked; /* types_bitmap; a type that was replied to is taken out */
};

/* ---- replies ------------------------------------------------------------------------------ */

static const struct type *type_find(unsigned type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type == type)
			return &types[i];
	}
	return NULL;
}

/* The counters of one reply, @bytes of them. False: nobody asked for it. */
static bool take_reply(struct sink *s, const struct virtio_net_stats_reply_hdr *hdr,
                       const uint8_t *counters, size_t bytes)
{
	const struct type *t = type_find(hdr->type);

	if (!t || !(s->asked >> hdr->type & 1) || hdr->vq_index != s->index)
		return false;
	s->asked &= ~VIRTIO_BIT(hdr->type);
	for (unsigned i = 0; i < COUNTERS_MAX && t->counter[i] && 8 * i + 8 <= bytes; i++) {
		uint64_t value;

		memcpy(&value, counters + 8u * i, sizeof(value));
		s->emit(s->arg, s->direction, s->pair, t->counter[i], value);
	}
	return true;
}

/* Return: whether all of it made sense. What a reply has more than we know of is skipped. */
static bool take_replies(struct sink *s, const uint8_t *p, size_t left)
{
	while (left) {
		struct virtio_net_stats_reply_hdr hdr;

		if (left < sizeof(hdr))
			return false;
		memcpy(&hdr, p, sizeof(hdr));
		if (hdr.size < sizeof(hdr) || hdr.size > left ||
		    !take_reply(s, &hdr, p + sizeof(hdr), hdr.size - sizeof(hdr)))
			return false;
		p += hdr.size;
		left -= hdr.size;
	}
	return !s->asked;
}

/* ---- questions ---------------------------------------------------------------------------- */

static struct virtio_net_ctrl_hdr command(uint8_t which)
{
	return (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_STATS, which};
}

/* The types of @mask that may be asked for. */
static uint64_t types_of(const struct vnet *vn, uint64_t supported, uint64_t mask)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!types[i].feature || (vn->vd->features & types[i].feature))
			bits |= VIRTIO_BIT(types[i].type);
	}
	return bits & supported & mask;
}

/* False: the device does not answer, or answers nonsense. */
static bool ask(struct vnet *vn, struct sink *s)
{
	const struct virtio_net_ctrl_queue_stats what = {.vq_index = s->index,
	                                                 .types_bitmap = s->asked};
	uint8_t reply[REPLY_MAX];
	const struct vnet_query q = {&what, sizeof(what), reply, sizeof(reply)};
	int got;

	if (!s->asked)
		return true;
	got = vnet_ctrl_query(vn, command(VIRTIO_NET_CTRL_STATS_GET), &q);
	if (got < 0)
		return false;
	if (take_replies(s, reply, (size_t)got))
		return true;
	log_warn("virtio_net", "port %u: the device's statistics of queue %u make no sense",
	         vn->dev.port, s->index);
	return false;
}

static bool ask_pair(struct vnet *vn, struct sink *s, unsigned pair, uint64_t supported)
{
	s->pair = (int)pair;
	s->direction = "device_rx";
	s->index = (uint16_t)(2 * pair);
	s->asked = types_of(vn, supported, RX_TYPES);
	if (!ask(vn, s))
		return false;
	s->direction = "device_tx";
	s->index++;
	s->asked = types_of(vn, supported, TX_TYPES);
	return ask(vn, s);
}

static READS_OTHERS void emit_own(const struct vnet *vn, netdev_xstat_fn emit, void *arg)
{
	for (unsigned i = 0; i < vn->nb_queues; i++)
		emit(arg, "rx", (int)i, "filtered", vn->rxq[i].stats.filtered);
}

void vnet_xstats(const struct netdev *dev, netdev_xstat_fn emit, void *arg)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);
	struct sink s = {.emit = emit, .arg = arg, .direction = "device", .pair = -1};
	uint64_t supported = 0;
	const struct vnet_query q = {NULL, 0, &supported, sizeof(supported)};
	bool good;

	emit_own(vn, emit, arg);
	if (!virtio_has(vn->vd, VIRTIO_NET_F_DEVICE_STATS) || !vn->started || vn->failed ||
	    vnet_ctrl_query(vn, command(VIRTIO_NET_CTRL_STATS_QUERY), &q) != sizeof(supported))
		return;
	s.index = vn->ctrl.vq.index;
	s.asked = types_of(vn, supported, VIRTIO_BIT(VIRTIO_NET_STATS_CVQ));
	good = ask(vn, &s);
	for (unsigned i = 0; good && i < vn->nb_active; i++)
		good = ask_pair(vn, &s, i, supported);
}
