/*
 * Negotiation (virtio 2.2, 5.1.3): all that is implemented is wanted unless an option says no, but
 * offloads only when an option says yes. What the device does not offer, or offers without what it
 * depends on, is told and done without.
 */
#include "drivers/virtio/vnet_features.h"
#include "drivers/virtio/vnet_rss.h"
#include "kernel/log.h"
#include "kernel/options.h"

/* Everything that is implemented beside offloads; VERSION_1 is required of a modern device, the
 * rest is optional. */
#define VNET_FEATURES                                                                              \
	(VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ANY_LAYOUT |                     \
	 VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU |       \
	 VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_SPEED_DUPLEX |                \
	 VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER | VIRTIO_F_RING_RESET)
/* What the options for offloads may bring in addition. */
#define VNET_OFFLOAD_FEATURES                                                                      \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS |          \
	 VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_HOST_TSO4 |              \
	 VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_USO4 |                 \
	 VIRTIO_NET_F_GUEST_USO6 | VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_HASH_REPORT |              \
	 VIRTIO_NET_F_GUEST_HDRLEN | VIRTIO_NET_F_CTRL_VLAN)
/* What a second queue pair brings. */
#define VNET_PAIRS_FEATURES (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_MQ)
/* Of use as soon as somebody asks. */
#define CTRL_EXTRAS (VIRTIO_NET_F_NOTF_COAL | VIRTIO_NET_F_VQ_NOTF_COAL | VIRTIO_NET_F_DEVICE_STATS)
#define LEGACY_FEATURES 0xffffffffull /* all that the legacy registers can carry */
#define LRO_SWITCH (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)
#define GUEST_USO (VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)
#define HOST_TSO (VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6)

/* A word of an option: one of @any makes it true, and all of @all are needed for that. */
static const struct offload {
	const char *key, *word;
	uint64_t any, all;
} offloads[] = {
    {"net.rx_offloads", "csum", VIRTIO_NET_F_GUEST_CSUM, 0},
    {"net.rx_offloads", "lro", VNET_GUEST_GSO, VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MRG_RXBUF},
    {"net.rx_offloads", "vlan_filter", VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ},
    {"net.rx_offloads", "rss_hash", VIRTIO_NET_F_HASH_REPORT, VIRTIO_NET_F_CTRL_VQ},
    {"net.tx_offloads", "csum", VIRTIO_NET_F_CSUM, 0},
    {"net.tx_offloads", "tso", HOST_TSO, VIRTIO_NET_F_CSUM},
    {"net.tx_offloads", "uso", VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM},
};

const char *vnet_feature_lacking(uint64_t set, uint64_t has)
{
	const char *name = NULL;

	for (unsigned bit = 0; !name && bit < 64; bit++) {
		if (set & ~has & VIRTIO_BIT(bit))
			name = virtio_feature_name(bit);
	}
	return name ? name : "a feature";
}

/* Is all of @features, which need the control queue, there? Not where each part of a command would
 * need a descriptor of its own (virtio 5.1.9.8). */
static bool ctrl_offers(const struct virtio_dev *vd, uint64_t features)
{
	return (vd->device_features & features) == features &&
	       (!vd->legacy || (vd->device_features & VIRTIO_F_ANY_LAYOUT));
}

/* The features for the offloads that were asked for. @base: what else can be had. */
static uint64_t offload_features(const struct virtio_dev *vd, unsigned port, uint64_t base)
{
	const uint64_t offered = vd->device_features & (vd->legacy ? LEGACY_FEATURES : UINT64_MAX);
	uint64_t features = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++) {
		const struct offload *o = &offloads[i];
		/* what is refused by an option is not there */
		const uint64_t has = offered & (VNET_OFFLOAD_FEATURES | base);

		if (!options_port_has(o->key, port, o->word))
			continue;
		if (!(has & o->any) || (o->all & ~has)) {
			log_warn("virtio_net", "port %u: %s=%s cannot be had: no %s", port, o->key,
			         o->word,
			         vnet_feature_lacking(has & o->any ? o->all : o->any, has));
			continue;
		}
		features |= (has & o->any) | (o->all & VNET_OFFLOAD_FEATURES);
	}
	/* to switch it at run time */
	if ((features & VNET_GUEST_GSO) && ctrl_offers(vd, LRO_SWITCH))
		features |= LRO_SWITCH;
	/* hdr_len of what the device cuts is exact (virtio 5.1.9.2.1) */
	if (features & (HOST_TSO | VIRTIO_NET_F_HOST_USO))
		features |= VIRTIO_NET_F_GUEST_HDRLEN;
	return features;
}

/* The device's filters of addresses, announcements, and what else the control queue brings (virtio
 * 5.1.3.1). */
static uint64_t filter_features(const struct virtio_dev *vd)
{
	uint64_t features = 0;

	if (ctrl_offers(vd, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX))
		features = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
		           VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR;
	if (ctrl_offers(vd, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_ANNOUNCE))
		features |= VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_GUEST_ANNOUNCE;
	if (ctrl_offers(vd, VIRTIO_NET_F_CTRL_VQ))
		features |= vd->device_features & CTRL_EXTRAS;
	if (features & CTRL_EXTRAS)
		features |= VIRTIO_NET_F_CTRL_VQ;
	return features;
}

/* The features for more than one queue pair, if that is asked for and can be had. */
static uint64_t multiqueue_features(struct virtio_dev *vd, unsigned port)
{
	uint16_t max;

	if (vnet_pairs_wanted(vd, port) == 1 || !ctrl_offers(vd, VNET_PAIRS_FEATURES))
		return 0;
	max = vnet_pairs_max(vd);
	if (!max)
		log_warn("virtio_net",
		         "%s: the device has no number of queue pairs that can be; one is used",
		         vd->name);
	return max > 1 ? VNET_PAIRS_FEATURES : 0;
}

/* Is the device's MTU one that we can have? An MTU below IPv4's least is a lie, and without merging
 * no buffer holds one beyond the largest: do not accept the feature (virtio 5.1.4.2). */
static bool mtu_is_usable(struct virtio_dev *vd, bool mergeable)
{
	uint16_t mtu = 0;

	if (!virtio_dev_config_read(vd, offsetof(struct virtio_net_config, mtu), &mtu,
	                            sizeof(mtu)) &&
	    mtu >= VIRTIO_NET_MTU_MIN && (mtu <= NETDEV_MTU_MAX || mergeable))
		return true;
	log_warn("virtio_net", "%s: the device's MTU of %u is not between %u and %u; not used",
	         vd->name, mtu, VIRTIO_NET_MTU_MIN, NETDEV_MTU_MAX);
	return false;
}

uint64_t vnet_features(struct virtio_dev *vd, unsigned port)
{
	const uint64_t pairs = multiqueue_features(vd, port);
	uint64_t wanted = VNET_FEATURES;

	if (!options_port_u64("net.mrg_rxbuf", port))
		wanted &= ~VIRTIO_NET_F_MRG_RXBUF;
	if (!options_port_u64("net.in_order", port))
		wanted &= ~VIRTIO_F_IN_ORDER;
	if (!options_port_u64("net.packed_vq", port))
		wanted &= ~VIRTIO_F_RING_PACKED;
	if (!vd->ops->queue_reset)
		wanted &= ~VIRTIO_F_RING_RESET;
	if (!vd->legacy)
		wanted &= ~VIRTIO_F_ANY_LAYOUT; /* implied by VERSION_1 (virtio 6.3) */
	wanted |= offload_features(vd, port, wanted) | pairs | vnet_rss_features(vd, port, pairs) |
	          filter_features(vd);
	if (vd->legacy)
		wanted &= LEGACY_FEATURES;
	if ((vd->device_features & VIRTIO_NET_F_MTU) &&
	    !mtu_is_usable(vd, vd->device_features & wanted & VIRTIO_NET_F_MRG_RXBUF))
		wanted &= ~VIRTIO_NET_F_MTU;
	return wanted;
}

/* Flags of an mbuf that a negotiated feature makes possible. */
static const struct {
	uint64_t feature;
	uint32_t rx, tx;
} feature_flags[] = {
    {VIRTIO_NET_F_GUEST_CSUM, MBUF_RX_CSUM_GOOD | MBUF_RX_CSUM_NONE, 0},
    {VIRTIO_NET_F_GUEST_TSO4, MBUF_TSO4, 0},
    {VIRTIO_NET_F_GUEST_TSO6, MBUF_TSO6, 0},
    {GUEST_USO, MBUF_USO, 0},
    {VIRTIO_NET_F_HASH_REPORT, MBUF_RX_HASH, 0},
    {VIRTIO_NET_F_CSUM, 0, MBUF_TX_CSUM},
    {VIRTIO_NET_F_HOST_TSO4, 0, MBUF_TSO4},
    {VIRTIO_NET_F_HOST_TSO6, 0, MBUF_TSO6},
    {VIRTIO_NET_F_HOST_USO, 0, MBUF_USO},
};

void vnet_offloads_init(struct vnet *vn, unsigned port)
{
	struct netdev *dev = &vn->dev;

	dev->rx_offloads = dev->tx_offloads = 0;
	for (size_t i = 0; i < ARRAY_SIZE(feature_flags); i++) {
		if (!virtio_has(vn->vd, feature_flags[i].feature))
			continue;
		dev->rx_offloads |= feature_flags[i].rx;
		dev->tx_offloads |= feature_flags[i].tx;
	}
	if (options_port_has("net.rx_offloads", port, "vlan_strip"))
		dev->rx_offloads |= MBUF_RX_VLAN;
	if (options_port_has("net.tx_offloads", port, "vlan_insert"))
		dev->tx_offloads |= MBUF_TX_VLAN;
}
