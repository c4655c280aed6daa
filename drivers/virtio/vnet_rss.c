/* Hashes by the device: the limits it has, and the two commands. See vnet_rss.h. */
#include "drivers/virtio/vnet_rss.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/string.h"

static_assert(RSS_KEY_LEN == VIRTIO_NET_HASH_KEY_MAX, "a key is sent as it is");
static_assert(RSS_RETA_LEN == VIRTIO_NET_RSS_TABLE_LEN, "and so is a table");
static_assert(RSS_ALL == VIRTIO_NET_HASH_TYPES_IP, "and types");
static_assert(sizeof(struct virtio_net_rss_config) <= VNET_CTRL_DATA_MAX, "fits into a command");

/* ---- limits ------------------------------------------------------------------------------- */

/* What virtio 5.1.4 has for a device with hashes. */
struct hash_limits {
	uint8_t key_bytes;
	uint16_t table_len;
	uint32_t types;
};

/* 0 for what the device does not tell. */
static struct hash_limits read_limits(struct virtio_dev *vd)
{
	struct hash_limits l = {.key_bytes = 0};

	if (virtio_dev_config_read(vd, offsetof(struct virtio_net_config, rss_max_key_size),
	                           &l.key_bytes, sizeof(l.key_bytes)))
		l.key_bytes = 0;
	if ((vd->device_features & VIRTIO_NET_F_RSS) &&
	    virtio_dev_config_read(
		vd, offsetof(struct virtio_net_config, rss_max_indirection_table_length),
		&l.table_len, sizeof(l.table_len)))
		l.table_len = 0;
	if (virtio_dev_config_read(vd, offsetof(struct virtio_net_config, supported_hash_types),
	                           &l.types, sizeof(l.types)))
		l.types = 0;
	l.types &= RSS_ALL;
	return l;
}

/* Why it cannot be had; NULL: it can. */
static const char *rss_lacks(struct virtio_dev *vd, uint64_t pairs)
{
	struct hash_limits l;

	if (vd->legacy || !(vd->device_features & VIRTIO_NET_F_RSS))
		return "no VIRTIO_NET_F_RSS (QEMU: rss=on)";
	if (!pairs)
		return "there is one queue pair (net.rxq)";
	l = read_limits(vd);
	if (l.key_bytes < RSS_KEY_LEN || l.table_len < RSS_RETA_LEN)
		return "the device's keys or tables are shorter than virtio 5.1.4 demands";
	return l.types ? NULL : "the device has no hash types";
}

uint64_t vnet_rss_features(struct virtio_dev *vd, unsigned port, uint64_t pairs)
{
	const enum rss_mode mode = rss_mode(port);
	const char *why;

	if (mode != RSS_DEVICE && mode != RSS_AUTO)
		return 0;
	why = rss_lacks(vd, pairs);
	if (why && mode == RSS_DEVICE)
		log_warn("virtio_net",
		         "port %u: net.rss=device cannot be had: %s; net.rss=software needs "
		         "nothing of the device",
		         port, why);
	return why ? 0 : VIRTIO_NET_F_RSS;
}

/* ---- commands ----------------------------------------------------------------------------- */

static int tell_rss(struct vnet *vn)
{
	const struct rss *r = &vn->rss.now;
	struct virtio_net_rss_config c = {
	    .hash_types = r->types,
	    .indirection_table_mask = RSS_RETA_LEN - 1,
	    .max_tx_vq = vn->nb_queues,
	    .hash_key_length = RSS_KEY_LEN,
	};

	for (unsigned i = 0; i < RSS_RETA_LEN; i++)
		c.indirection_table[i] = r->reta[i];
	memcpy(c.hash_key_data, r->key, RSS_KEY_LEN);
	return vnet_ctrl_command(
	    vn, (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG}, &c,
	    sizeof(c));
}

static int tell_hashes(struct vnet *vn)
{
	const struct rss *r = &vn->rss.now;
	struct virtio_net_hash_config c = {
	    .hash_types = r->types,
	    .hash_key_length = vn->hash_key_len,
	};

	memcpy(c.hash_key_data, r->key, vn->hash_key_len);
	return vnet_ctrl_command(
	    vn, (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG},
	    &c, offsetof(struct virtio_net_hash_config, hash_key_data) + vn->hash_key_len);
}

static int set_rss(struct netdev *dev, const struct rss *rss)
{
	struct vnet *vn = container_of(dev, struct vnet, dev);
	const struct rss before = vn->rss.now;
	int err;

	if (!vn->started || vn->failed)
		return -EIO;
	if (!vn->rss.steers && !virtio_has(vn->vd, VIRTIO_NET_F_HASH_REPORT))
		return -EOPNOTSUPP; /* the device said no at the start */
	vn->rss.now = *rss;
	err = vn->rss.steers ? tell_rss(vn) : tell_hashes(vn);
	if (err)
		vn->rss.now = before;
	return err;
}

/* ---- start -------------------------------------------------------------------------------- */

void vnet_rss_init(struct vnet *vn, unsigned port)
{
	struct hash_limits l;

	if (!virtio_has(vn->vd, VIRTIO_NET_F_RSS) && !virtio_has(vn->vd, VIRTIO_NET_F_HASH_REPORT))
		return;
	l = read_limits(vn->vd);
	if (!l.types)
		log_warn("virtio_net", "port %u: the device does not say what it can hash", port);
	rss_read_options(port, vn->nb_queues, &vn->rss.now);
	vn->rss.types_known = l.types;
	if (options_given("net.rss_types", port) && (vn->rss.now.types & ~l.types))
		log_info("virtio_net", "port %u: the device hashes 0x%x of the types 0x%x", port,
		         vn->rss.now.types & l.types, vn->rss.now.types);
	vn->rss.now.types &= l.types;
	vn->rss.steers = virtio_has(vn->vd, VIRTIO_NET_F_RSS);
	vn->rss.set = set_rss;
	vn->hash_key_len = (uint8_t)min_u64(l.key_bytes, RSS_KEY_LEN);
	vn->dev.rss = &vn->rss;
}

bool vnet_rss_start(struct vnet *vn)
{
	vn->rss.steers = virtio_has(vn->vd, VIRTIO_NET_F_RSS) && !tell_rss(vn);
	if (virtio_has(vn->vd, VIRTIO_NET_F_RSS) && !vn->rss.steers)
		log_warn("virtio_net", "port %u: no RSS: the device spreads packets as it likes",
		         vn->dev.port);
	return vn->rss.steers;
}

void vnet_hash_start(struct vnet *vn)
{
	/* a failure is logged: then no packet has a hash */
	if (virtio_has(vn->vd, VIRTIO_NET_F_HASH_REPORT) && !vn->rss.steers)
		(void)tell_hashes(vn);
}
