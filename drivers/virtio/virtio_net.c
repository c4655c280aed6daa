/*
 * The virtio network device (virtio 5.1): what is accepted of what is offered, the sizes of its
 * queues, the life of the port from probe over start to stop, and the cold netdev operations. The
 * hot ones are chosen in vnet_paths.c.
 */
#include "drivers/virtio/virtio_net.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_coal.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "drivers/virtio/vnet_devstats.h"
#include "drivers/virtio/vnet_features.h"
#include "drivers/virtio/vnet_filter.h"
#include "drivers/virtio/vnet_hdr.h"
#include "drivers/virtio/vnet_report.h"
#include "drivers/virtio/vnet_rss.h"
#include "drivers/virtio/vq_split.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/mac.h"

#define MTU_DEFAULT 1500

const struct option virtio_net_options[] = {
    {.key = "net.mrg_rxbuf",
     .kind = OPTION_BOOL,
     .fallback = "1",
     .help = "accept mergeable receive buffers when offered"},
    {.key = "net.in_order",
     .kind = OPTION_BOOL,
     .fallback = "1",
     .help = "accept use of buffers in order when offered"},
    {.key = "net.packed_vq",
     .kind = OPTION_BOOL,
     .fallback = "1",
     .help = "accept packed virtqueues when offered"},
    {.key = "net.vectorized", .kind = OPTION_BOOL, .fallback = "0", .help = "prefer vector paths"},
    {.key = "isa",
     .kind = OPTION_WORD,
     .fallback = "auto",
     .allowed = "auto scalar sse avx2 avx512 neon",
     .help = "the most that vector code may use"},
    {.key = "net.rx_offloads",
     .kind = OPTION_LIST,
     .fallback = "off",
     .allowed = VNET_RX_OFFLOAD_WORDS,
     .help = "receive offloads"},
    {.key = "net.tx_offloads",
     .kind = OPTION_LIST,
     .fallback = "off",
     .allowed = VNET_TX_OFFLOAD_WORDS,
     .help = "transmit offloads"},
    {.key = "net.rxq",
     .kind = OPTION_UINT,
     .min = 1,
     .max = NETDEV_QUEUES_MAX,
     .help = "receive queues (1)"},
    {.key = "net.txq",
     .kind = OPTION_UINT,
     .min = 1,
     .max = NETDEV_QUEUES_MAX,
     .help = "transmit queues (1); there are as many pairs as the larger of both says"},
    {.key = "net.rss",
     .kind = OPTION_WORD,
     .fallback = "off",
     .allowed = "off device software auto",
     .help = "who spreads received flows over the queues by their hashes"},
    {.key = "net.rss_types",
     .kind = OPTION_LIST,
     .fallback = "all",
     .allowed = RSS_TYPE_WORDS,
     .help = "what is hashed for net.rss, and for net.rx_offloads=rss_hash"},
    {.key = "net.rss_key",
     .kind = OPTION_TEXT,
     .allowed = "80 hexadecimal digits",
     .check = rss_key_valid,
     .help = "the key of these hashes (the usual one)"},
    {.key = "net.rss_reta",
     .kind = OPTION_TEXT,
     .allowed = "queues as 0,1,2, up to 128",
     .check = rss_reta_valid,
     .help = "queues by hash, repeated until the table of 128 is full (all in turn)"},
    {.key = "net.rxd",
     .kind = OPTION_UINT,
     .min = 1,
     .help = "receive descriptors (the device's own number)"},
    {.key = "net.txd",
     .kind = OPTION_UINT,
     .min = 1,
     .help = "transmit descriptors (the device's own number)"},
    {.key = "net.mode",
     .kind = OPTION_WORD,
     .fallback = "poll",
     .allowed = "poll interrupt adaptive",
     .help = "how a port waits for packets"},
    {.key = "net.rx_coal",
     .kind = OPTION_TEXT,
     .allowed = "packets,microseconds, up to 65535,1000000",
     .check = vnet_coal_valid,
     .help = "after how much received the device notifies"},
    {.key = "net.tx_coal",
     .kind = OPTION_TEXT,
     .allowed = "packets,microseconds, up to 65535,1000000",
     .check = vnet_coal_valid,
     .help = "after how much sent the device notifies"},
    {.key = "net.promisc", .kind = OPTION_BOOL, .fallback = "0", .help = "receive all that comes"},
    {.key = "net.allmulti", .kind = OPTION_BOOL, .fallback = "0", .help = "receive all multicast"},
    {.key = "net.mac", .kind = OPTION_MAC, .help = "MAC address (the device's own)"},
    {.key = "net.mtu",
     .kind = OPTION_UINT,
     .min = NETDEV_MTU_MIN,
     .max = NETDEV_MTU_MAX,
     .help = "MTU in bytes (the device's, or 1500)"},
    {.key = "net.speed",
     .kind = OPTION_UINT,
     .fallback = "0xffffffff",
     .max = NETDEV_SPEED_UNKNOWN,
     .help = "link speed in Mb/s to report when the device does not"},
};
const unsigned virtio_net_nb_options = ARRAY_SIZE(virtio_net_options);

static struct vnet *to_vnet(struct netdev *dev)
{
	return container_of(dev, struct vnet, dev);
}

/* ---- link --------------------------------------------------------------------------------- */

/* Link state and speed as the device has them now (virtio 5.1.4). A device without STATUS is
 * always up. */
static int link_read(struct vnet *vn)
{
	int err = 0;
	uint16_t status = VIRTIO_NET_S_LINK_UP;
	uint32_t speed = NETDEV_SPEED_UNKNOWN;

	if (virtio_has(vn->vd, VIRTIO_NET_F_STATUS))
		err = virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, status),
		                             &status, sizeof(status));
	if (err)
		return err; /* what was known stays */
	if (virtio_has(vn->vd, VIRTIO_NET_F_SPEED_DUPLEX))
		virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, speed), &speed,
		                       sizeof(speed));
	/* anything beyond 0x7fffffff means unknown (virtio 5.1.4) */
	vn->dev.speed = speed <= INT32_MAX ? speed : vn->speed_option;
	vnet_link_set(vn, status & VIRTIO_NET_S_LINK_UP);
	if (status & VIRTIO_NET_S_ANNOUNCE)
		vnet_filter_announce(vn);
	return 0;
}

static void vnet_link_poll(struct netdev *dev)
{
	struct vnet *vn = to_vnet(dev);
	const uint64_t interrupts = __atomic_load_n(&vn->config_interrupts, __ATOMIC_RELAXED);
	bool was_up;

	vn->ctrl.waited_ns = 0;
	vnet_recover(vn);
	if (!vn->started || vn->failed)
		return;
	was_up = dev->link_up;
	vnet_health(vn);
	if (vn->failed)
		return;
	vnet_filter_poll(vn);
	if (interrupts == vn->config_seen && vn->vd->irq_mode < VIRTIO_IRQ_EVENTS)
		return;
	/* a configuration that does not hold still is looked at again next time */
	if (!link_read(vn))
		vn->config_seen = interrupts;
	if (dev->link_up == was_up)
		return;
	log_info("virtio_net", "port %u: link %s", dev->port, dev->link_up ? "up" : "down");
	if (dev->link_up)
		vnet_watchdog_link_up(vn);
}

/* ---- start and stop ----------------------------------------------------------------------- */

static int queues_enable(struct vnet *vn)
{
	struct virtio_dev *vd = vn->vd;
	int err = 0;

	for (uint16_t i = 0; !err && i < vn->nb_queues; i++) {
		err = vd->ops->queue_enable(vd, &vn->rxq[i].vq, vnet_rx_vector(vd, i));
		if (!err)
			err = vd->ops->queue_enable(vd, &vn->txq[i].vq, VIRTIO_MSI_NO_VECTOR);
	}
	if (!err && vn->ctrl.vq.nentries)
		err = vd->ops->queue_enable(vd, &vn->ctrl.vq, VIRTIO_MSI_NO_VECTOR);
	if (err)
		log_err("virtio_net", "%s: the device does not take its queues (error %d)",
		        vd->name, -err);
	return err;
}

static void config_vector(struct virtio_dev *vd)
{
	if (vd->irq_mode != VIRTIO_IRQ_MSIX && vd->irq_mode != VIRTIO_IRQ_SHARED)
		return;
	if (vd->ops->set_config_vector(vd, 0)) {
		log_warn("virtio_net", "%s: no vector for configuration changes; polling for them",
		         vd->name);
		vd->irq_mode = VIRTIO_IRQ_NONE;
	}
}

/* How many queue pairs there are decides which number the control queue has, and may be another
 * one each time. */
static int read_pairs(struct vnet *vn)
{
	uint16_t max = 1;

	if (virtio_has(vn->vd, VIRTIO_NET_F_MQ))
		max = vnet_pairs_max(vn->vd);
	vn->pairs_max = max;
	if (max && max >= vn->nb_queues)
		return 0;
	log_err("virtio_net", "%s: the device now has %u queue pairs; not used", vn->vd->name, max);
	virtio_dev_fail(vn->vd);
	return -EOPNOTSUPP;
}

/* The device may have another MTU than the first time: buffers were made for that one. */
static void read_mtu_again(struct vnet *vn)
{
	uint16_t mtu;

	if (!virtio_has(vn->vd, VIRTIO_NET_F_MTU) ||
	    virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, mtu), &mtu,
	                           sizeof(mtu)))
		return; /* what was known stays */
	if (mtu > vn->mtu_max || vn->dev.mtu != min_u64(mtu, vn->mtu_first))
		log_warn("virtio_net", "port %u: the device's MTU is now %u; using %u",
		         vn->dev.port, mtu, (unsigned)min_u64(mtu, vn->mtu_first));
	vn->dev.mtu = (uint16_t)min_u64(mtu, vn->mtu_first);
	for (unsigned i = 0; i < vn->nb_queues; i++)
		vn->txq[i].frame_max = (uint32_t)min_u64(mtu + ETHERNET_OVERHEAD, vn->tx_frame_max);
}

static int negotiate(struct vnet *vn, unsigned port)
{
	/* rings, buffers and path were made for the features of the first time */
	const uint64_t usable = vn->choice.rx ? vn->features : UINT64_MAX;
	int err = virtio_dev_begin(vn->vd);

	if (!err)
		err = virtio_dev_negotiate(vn->vd, vnet_features(vn->vd, port) & usable);
	if (!err && vn->choice.rx && vn->vd->features != usable) {
		log_err("virtio_net", "%s: the device has no %s any more; not restarted",
		        vn->vd->name, vnet_feature_lacking(usable, vn->vd->features));
		virtio_dev_fail(vn->vd);
		err = -EOPNOTSUPP;
	}
	if (!err)
		err = read_pairs(vn);
	if (!err && vn->choice.rx)
		read_mtu_again(vn);
	vn->negotiated = !err;
	return err;
}

/* No other lcore looks at the queues. */
static int start_parked(struct netdev *dev)
{
	struct vnet *vn = to_vnet(dev);
	int err = 0;

	if (vn->started)
		return -EBUSY;
	if (!vn->negotiated)
		err = negotiate(vn, dev->port);
	if (err)
		return err;
	vn->failed = false;
	(void)vnet_queues_drain(vn); /* what a stop left with a device that did not answer */
	vnet_queues_init(vn);
	vnet_ctrl_init(vn);
	config_vector(vn->vd);
	err = queues_enable(vn);
	if (err)
		goto err_reset;
	err = virtio_dev_ready(vn->vd);
	if (err)
		goto err_reset;
	vn->started = true;
	vnet_ctrl_start(vn);
	vnet_filter_start(vn);
	vnet_coal_start(vn);
	vnet_queues_fill(vn);
	vnet_mode_check(vn);
	if (link_read(vn) == -ERANGE) {
		log_warn("virtio_net", "%s: the device has STATUS but no status; link taken as up",
		         vn->vd->name);
		vnet_link_set(vn, true);
	}
	vnet_watchdog_start(vn);
	return 0;

err_reset:
	vnet_queues_give_up(vn, "the port did not start");
	virtio_dev_reset(vn->vd);
	vn->negotiated = false;
	return err;
}

static void stop_parked(struct netdev *dev)
{
	struct vnet *vn = to_vnet(dev);
	int err;

	vn->recovery.wanted = false;
	if (!vn->started)
		return;
	vn->started = false;
	vn->negotiated = false;
	vnet_link_set(vn, false);
	/* a device that does not stop keeps its buffers: better lost than written to */
	err = virtio_dev_reset(vn->vd);
	if (!err)
		vnet_queues_settle(vn);
	vnet_queues_give_up(vn, "the port is stopped");
	if (err)
		return;

	const unsigned unsent = vnet_queues_drain(vn);

	if (vn->failed && unsent && !vn->recovery.quiet)
		log_warn("virtio_net",
		         "port %u: %u packets were with the device when it failed: sent or lost",
		         dev->port, unsent);
}

static int vnet_start(struct netdev *dev)
{
	struct vnet *vn = to_vnet(dev);
	int err;

	lcore_park();
	err = start_parked(dev);
	lcore_resume();
	if (!err || err == -EBUSY || !vn->vd->awaited)
		return err;
	vn->recovery.wanted = true;
	return -EAGAIN;
}

static void vnet_stop(struct netdev *dev)
{
	lcore_park();
	stop_parked(dev);
	lcore_resume();
}

static READS_OTHERS void vnet_stats(const struct netdev *dev, uint16_t queue,
                                    struct netdev_stats *out)
{
	const struct vnet *vn = container_of(dev, struct vnet, dev);
	const struct vnet_rxq *rx = &vn->rxq[queue];
	const struct vnet_txq *tx = &vn->txq[queue];

	out->rx_packets += rx->stats.packets;
	out->rx_bytes += rx->stats.bytes;
	out->rx_errors += rx->stats.errors;
	out->rx_nombuf += rx->stats.nombuf;
	out->tx_packets += tx->stats.packets;
	out->tx_bytes += tx->stats.bytes;
	out->tx_errors += tx->stats.errors;
	out->tx_lost += tx->lost;
	out->kicks += rx->vq.kicks + tx->vq.kicks;
	out->interrupts += __atomic_load_n(&rx->interrupts, __ATOMIC_RELAXED);
	if (queue)
		return;
	/* what concerns the whole port is told with the first queue */
	out->interrupts += __atomic_load_n(&vn->config_interrupts, __ATOMIC_RELAXED);
	out->failures += vn->recovery.failed;
}

static int vnet_set_lro(struct netdev *dev, bool on)
{
	struct vnet *vn = to_vnet(dev);

	return vn->started && !vn->failed ? vnet_ctrl_lro(vn, on) : -EIO;
}

static const struct netdev_ops vnet_ops = {
    .set_lro = vnet_set_lro,
    .set_rx_mode = vnet_set_rx_mode,
    .set_mac = vnet_set_mac,
    .set_mac_entry = vnet_set_mac_entry,
    .set_vlan = vnet_set_vlan,
    .rx_route = vnet_rx_route,
    .rx_arm = vnet_rx_arm,
    .rx_disarm = vnet_rx_disarm,
    .set_coalesce = vnet_set_coalesce,
    .get_coalesce = vnet_get_coalesce,
    .xstats = vnet_xstats,
    .start = vnet_start,
    .stop = vnet_stop,
    .queue_stop = vnet_queue_stop,
    .queue_start = vnet_queue_start,
    .queue_resize = vnet_queue_resize,
    .stats = vnet_stats,
    .link_poll = vnet_link_poll,
    .describe = vnet_describe,
};

/* ---- probing ------------------------------------------------------------------------------ */

/* MAC address: option, device, or a random one (virtio 5.1.5). */
static int read_mac(struct vnet *vn, unsigned port)
{
	const char *option = options_port_get("net.mac", port);
	uint8_t *mac = vn->dev.mac;
	int err;

	if (option)
		return options_mac(option, mac);
	if (virtio_has(vn->vd, VIRTIO_NET_F_MAC)) {
		err = virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, mac), mac,
		                             sizeof(vn->dev.mac));
		if (err || !(mac_is_multicast(mac) || mac_is_zero(mac)))
			return err;
		log_warn("virtio_net",
		         "port %u: the device's MAC address is %s; a random one is used", port,
		         mac_is_zero(mac) ? "zero" : "a group's");
	}
	plat_random(mac, sizeof(vn->dev.mac));
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02); /* local, unicast */
	return 0;
}

/* MTU: the option within the device's bound, the device's own, or Ethernet's. */
static int read_mtu(struct vnet *vn, unsigned port)
{
	uint16_t max = NETDEV_MTU_MAX;
	const bool told = virtio_has(vn->vd, VIRTIO_NET_F_MTU);
	int err = 0;

	if (told)
		err = virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, mtu), &max,
		                             sizeof(max));
	if (err)
		return err;
	vn->mtu_max = told ? max : MTU_DEFAULT;
	vn->tx_frame_max = told ? max + ETHERNET_OVERHEAD : UINT32_MAX;
	if (max > NETDEV_MTU_MAX) {
		log_info("virtio_net", "port %u: the device's MTU of %u is more than %u; using %u",
		         port, max, NETDEV_MTU_MAX, NETDEV_MTU_MAX);
		max = NETDEV_MTU_MAX;
	}
	vn->dev.mtu = told ? max : MTU_DEFAULT;
	if (options_given("net.mtu", port)) {
		const uint64_t mtu = options_port_u64("net.mtu", port);

		if (mtu > max)
			log_warn("virtio_net",
			         "port %u: net.mtu=%u is more than the device's %u; "
			         "using %u",
			         port, (unsigned)mtu, max, max);
		vn->dev.mtu = (uint16_t)min_u64(mtu, max);
	}
	vn->mtu_max = (uint16_t)max_u64(vn->mtu_max, vn->dev.mtu);
	vn->mtu_first = vn->dev.mtu;
	return 0;
}

/* How to receive and to send, by what was negotiated, the processor and the options. */
static void probe_path(struct vnet *vn, unsigned port)
{
	const struct virtio_dev *vd = vn->vd;
	const unsigned allowed = vnet_isa_allowed(options_get("isa"));
	struct vnet_wish w = {.features = vd->features, .isa = plat_isa() & allowed};

	if (options_port_u64("net.vectorized", port))
		w.wish |= VNET_WISH_VECTORIZED;
	if (vnet_hdr_is_alone(vd))
		w.wish |= VNET_WISH_HDR_ALONE;
	if (virtio_has(vd, VIRTIO_NET_F_HASH_REPORT))
		w.wish |= VNET_WISH_HDR_HASH;
	if (vn->dev.rx_offloads & ~MBUF_RX_HASH)
		w.wish |= VNET_WISH_RX_OFFLOADS;
	if (vn->dev.rx_offloads & MBUF_GSO)
		w.wish |= VNET_WISH_LRO;
	if (vn->dev.tx_offloads)
		w.wish |= VNET_WISH_TX_OFFLOADS;
	vn->choice = vnet_path_select(&w);
	vn->dev.rx_burst = vn->choice.rx->rx;
	vn->dev.tx_burst = vn->choice.tx->tx;
}

/* Everything that is known once the features are. */
static int probe_port(struct vnet *vn, unsigned port, size_t budget)
{
	int err;

	vn->features = vn->vd->features;
	vnet_offloads_init(vn, port);
	vnet_filter_init(vn, port);
	probe_path(vn, port);
	err = read_mac(vn, port);
	if (err)
		return err;
	err = read_mtu(vn, port);
	if (err)
		return err;
	err = vnet_sizes_probe(vn, port, budget);
	if (err)
		return err;
	vnet_rss_init(vn, port);
	err = vnet_ctrl_alloc(vn);
	if (!err)
		err = vnet_coal_init(vn, port);
	if (err)
		return err;
	err = vnet_queues_alloc(vn, budget);
	if (err)
		return err;
	vn->speed_option = (uint32_t)options_port_u64("net.speed", port);
	vnet_mode_init(vn, port);
	vn->vd->irq_mode = vn->vd->ops->irq_setup(vn->vd, 1u + vn->nb_queues, vnet_irq);
	vn->dev.ops = &vnet_ops;
	vn->dev.nb_queues = vn->nb_queues;
	return netdev_register(&vn->dev);
}

struct netdev *virtio_net_probe(struct virtio_dev *vd, size_t budget)
{
	const unsigned port = netdev_count();
	struct vnet *vn = mem_alloc("virtio-net port", sizeof(*vn), CACHE_LINE);
	int err;

	if (!vn) {
		log_err("virtio_net", "%s: no memory for the port", vd->name);
		return NULL;
	}
	vn->vd = vd;
	vd->driver = vn;
	memcpy(vn->dev.name, vd->name, sizeof(vn->dev.name));
	err = negotiate(vn, port);
	while (err && vd->awaited && !vd->ops->wait(vd))
		err = negotiate(vn, port);
	if (err)
		return NULL;
	err = probe_port(vn, port, budget);
	if (err) {
		/* who lacked memory has said so, and how much */
		if (err != -ENOMEM)
			log_err("virtio_net", "%s: not usable (error %d)", vd->name, -err);
		virtio_dev_fail(vd);
		return NULL;
	}
	vnet_log_port(vn);
	return &vn->dev;
}
