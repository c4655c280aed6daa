/* The device's filters: modes, the table of addresses, tags; and announcements. See vnet_filter.h.
 */
#include "drivers/virtio/vnet_filter.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/options.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/mac.h"
#include "net/vlan.h"

#define ANNOUNCE_PATIENCE_NS 1000000000ull
#define RX_MODES_PLAIN (NETDEV_RX_PROMISC | NETDEV_RX_ALLMULTI)
#define RX_MODES_EXTRA (NETDEV_RX_ALLUNI | NETDEV_RX_NOMULTI | NETDEV_RX_NOUNI | NETDEV_RX_NOBCAST)

/* The two tables of VIRTIO_NET_CTRL_MAC_TABLE_SET, each with its number in front. */
struct mac_tables {
	uint8_t bytes[2 * sizeof(uint32_t) + NETDEV_MACS_MAX * 6];
};
static_assert(sizeof(struct mac_tables) <= VNET_CTRL_DATA_MAX, "fits into a command");

static struct vnet *to_vnet(struct netdev *dev)
{
	return container_of(dev, struct vnet, dev);
}

/* A command that needs @feature, to a port that runs. */
static int tell(struct vnet *vn, uint64_t feature, struct virtio_net_ctrl_hdr what,
                const void *data, size_t len)
{
	if (!virtio_has(vn->vd, feature))
		return -EOPNOTSUPP;
	if (!vn->started || vn->failed)
		return -EIO;
	return vnet_ctrl_command(vn, what, data, len);
}

/* ---- behind the device -------------------------------------------------------------------- */

/* What the device filters it need not filter well: what is in its table of tags at first, for one,
 * differs. Where nobody asked for anything this is left to who gets the packets, and costs
 * nothing. */
static void arm(struct vnet *vn)
{
	struct vnet_filter *f = &vn->filter;
	const bool on = (f->asked || f->want.tags) && !(vn->dev.rx_mode & NETDEV_RX_PROMISC);

	lcore_park();
	f->live = f->want;
	f->live.mode = vn->dev.rx_mode;
	for (unsigned i = 0; i < vn->nb_queues; i++)
		vn->rxq[i].offloads = vn->dev.rx_offloads | (on ? VNET_RX_FILTER : 0);
	lcore_resume();
}

static unsigned mac_find(const struct vnet_gate *g, const uint8_t mac[6])
{
	unsigned i = 0;

	while (i < g->nb_macs && !mac_equal(g->macs[i], mac))
		i++;
	return i;
}

static bool lets_in_address(const struct vnet_gate *g, const uint8_t *dst)
{
	if (mac_is_broadcast(dst))
		return !(g->mode & NETDEV_RX_NOBCAST);
	if (mac_is_multicast(dst))
		return !(g->mode & NETDEV_RX_NOMULTI) &&
		       (g->mode & NETDEV_RX_ALLMULTI || mac_find(g, dst) < g->nb_macs);
	return !(g->mode & NETDEV_RX_NOUNI) &&
	       (g->mode & NETDEV_RX_ALLUNI || mac_equal(dst, g->own) ||
	        mac_find(g, dst) < g->nb_macs);
}

/* A tag of VLAN 0 is none, but a priority (802.1Q 6.9). */
static bool lets_in_tag(const struct vnet_gate *g, const struct mbuf *m, const uint8_t *frame)
{
	unsigned vid;

	if (m->data_len < ETH_HDR_LEN + ETH_VLAN_LEN ||
	    load_u16(frame + VLAN_MACS) != cpu_to_be16(ETH_TYPE_VLAN))
		return true;
	vid = be16_to_cpu(load_u16(frame + VLAN_MACS + 2)) & ETH_VLAN_VID;
	return !vid || g->vlans[vid / 64] >> vid % 64 & 1;
}

uint16_t vnet_filter_rx(struct vnet_rxq *q, struct mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	const struct vnet_gate *g = q->gate;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *frame = mbuf_data(pkts[i]);

		/* what is too short to be for anybody is dropped by who looks at it */
		if (pkts[i]->data_len < ETH_HDR_LEN ||
		    (lets_in_address(g, frame) && (!g->tags || lets_in_tag(g, pkts[i], frame)))) {
			pkts[kept++] = pkts[i];
			continue;
		}
		*bytes -= pkts[i]->pkt_len;
		q->stats.filtered++;
		mbuf_free(pkts[i]);
	}
	return kept;
}

/* ---- modes -------------------------------------------------------------------------------- */

static unsigned modes_known(const struct vnet *vn)
{
	return (virtio_has(vn->vd, VIRTIO_NET_F_CTRL_RX) ? RX_MODES_PLAIN : 0) |
	       (virtio_has(vn->vd, VIRTIO_NET_F_CTRL_RX_EXTRA) ? RX_MODES_EXTRA : 0);
}

/* Tell of each mode that differs from what holds. The commands have the order of our flags. */
static int tell_modes(struct vnet *vn, unsigned mode)
{
	int err = 0;

	for (uint8_t i = 0; !err && i <= VIRTIO_NET_CTRL_RX_NOBCAST; i++) {
		const uint8_t on = mode >> i & 1;

		if (on == (vn->dev.rx_mode >> i & 1))
			continue;
		err = tell(vn, VIRTIO_NET_F_CTRL_RX,
		           (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_RX, i}, &on, sizeof(on));
		if (!err)
			vn->dev.rx_mode ^= 1u << i;
	}
	return err;
}

int vnet_set_rx_mode(struct netdev *dev, unsigned mode)
{
	struct vnet *vn = to_vnet(dev);
	int err;

	if ((mode ^ dev->rx_mode) & ~modes_known(vn))
		return -EOPNOTSUPP;
	err = tell_modes(vn, mode);
	if (!err)
		vn->filter.want.mode = mode;
	vn->filter.asked = true;
	arm(vn);
	return err;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static int tell_mac(struct vnet *vn, const uint8_t mac[6])
{
	return tell(vn, VIRTIO_NET_F_CTRL_MAC_ADDR,
	            (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET},
	            mac, 6);
}

int vnet_set_mac(struct netdev *dev, const uint8_t mac[6])
{
	int err;

	if (mac_is_multicast(mac) || mac_is_zero(mac))
		return -EINVAL;
	err = tell_mac(to_vnet(dev), mac);
	if (err)
		return err;
	lcore_park(); /* all stacks look at it */
	mac_copy(dev->mac, mac);
	lcore_resume();
	return 0;
}

static int tell_macs(struct vnet *vn)
{
	const struct vnet_filter *f = &vn->filter;
	struct mac_tables t;
	uint32_t unicast = 0;

	while (unicast < f->want.nb_macs && !mac_is_multicast(f->want.macs[unicast]))
		unicast++;

	const uint32_t multicast = f->want.nb_macs - unicast;
	uint8_t *second = t.bytes + sizeof(unicast) + 6 * unicast;

	memcpy(t.bytes, &unicast, sizeof(unicast));
	memcpy(t.bytes + sizeof(unicast), f->want.macs, 6 * unicast);
	memcpy(second, &multicast, sizeof(multicast));
	memcpy(second + sizeof(multicast), f->want.macs[unicast], 6 * multicast);
	return tell(
	    vn, VIRTIO_NET_F_CTRL_RX,
	    (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET},
	    t.bytes, 2 * sizeof(uint32_t) + 6 * (size_t)f->want.nb_macs);
}

/* Multicast ones at the end, unicast ones in front of these. */
static void mac_insert(struct vnet_filter *f, const uint8_t mac[6])
{
	unsigned at = f->want.nb_macs++;

	if (!mac_is_multicast(mac)) {
		for (; at && mac_is_multicast(f->want.macs[at - 1]); at--)
			mac_copy(f->want.macs[at], f->want.macs[at - 1]);
	}
	mac_copy(f->want.macs[at], mac);
}

static void mac_remove(struct vnet_filter *f, unsigned at)
{
	f->want.nb_macs--;
	memmove(f->want.macs[at], f->want.macs[at + 1], 6 * (size_t)(f->want.nb_macs - at));
}

int vnet_set_mac_entry(struct netdev *dev, const uint8_t mac[6], bool on)
{
	struct vnet *vn = to_vnet(dev);
	struct vnet_filter *f = &vn->filter;
	const struct vnet_gate before = f->want;
	const unsigned at = mac_find(&f->want, mac);
	int err;

	if (mac_is_zero(mac) || mac_is_broadcast(mac))
		return -EINVAL;
	if (on == (at < f->want.nb_macs))
		return on ? -EEXIST : -ENOENT;
	if (on && f->want.nb_macs == NETDEV_MACS_MAX)
		return -ENOSPC;
	if (on)
		mac_insert(f, mac);
	else
		mac_remove(f, at);
	err = tell_macs(vn);
	if (err)
		f->want = before;
	f->asked = true;
	arm(vn);
	return err;
}

/* ---- tags --------------------------------------------------------------------------------- */

static int tell_vlan(struct vnet *vn, uint16_t vid, bool on)
{
	return tell(
	    vn, VIRTIO_NET_F_CTRL_VLAN,
	    (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_VLAN,
	                                 on ? VIRTIO_NET_CTRL_VLAN_ADD : VIRTIO_NET_CTRL_VLAN_DEL},
	    &vid, sizeof(vid));
}

int vnet_set_vlan(struct netdev *dev, uint16_t vid, bool on)
{
	struct vnet *vn = to_vnet(dev);
	const uint64_t bit = 1ull << vid % 64;
	uint64_t *word;
	int err;

	if (vid > NETDEV_VLAN_MAX)
		return -EINVAL;
	word = &vn->filter.want.vlans[vid / 64];
	if (!(*word & bit) == !on)
		return on ? -EEXIST : -ENOENT;
	err = tell_vlan(vn, vid, on);
	if (!err)
		*word ^= bit;
	arm(vn);
	return err;
}

static int tell_vlans(struct vnet *vn)
{
	int err = 0;

	for (uint16_t vid = 0; !err && vid <= NETDEV_VLAN_MAX; vid++) {
		if (vn->filter.want.vlans[vid / 64] >> vid % 64 & 1)
			err = tell_vlan(vn, vid, true);
	}
	return err;
}

/* ---- start -------------------------------------------------------------------------------- */

void vnet_filter_init(struct vnet *vn, unsigned port)
{
	static const struct {
		const char *key;
		unsigned flag;
	} wishes[] = {{"net.promisc", NETDEV_RX_PROMISC}, {"net.allmulti", NETDEV_RX_ALLMULTI}};
	const unsigned known = modes_known(vn);

	vn->filter.want.own = vn->dev.mac;
	vn->filter.want.tags = virtio_has(vn->vd, VIRTIO_NET_F_CTRL_VLAN);
	vn->filter.asked =
	    options_given("net.promisc", port) || options_given("net.allmulti", port);
	vn->filter.want.mode = known ? 0 : NETDEV_RX_PROMISC;
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		const bool on = options_port_u64(wishes[i].key, port);

		if (known && on)
			vn->filter.want.mode |= wishes[i].flag;
		else if (!known && options_given(wishes[i].key, port) &&
		         on != (wishes[i].flag == NETDEV_RX_PROMISC))
			log_warn("virtio_net",
			         "port %u: %s=%u cannot be had: no VIRTIO_NET_F_CTRL_RX; all that "
			         "comes is received",
			         port, wishes[i].key, on);
	}
}

/* The address that the device has, if it tells any, is another than ours: have it changed. */
static int tell_own_mac(struct vnet *vn)
{
	uint8_t mac[6] = {0};

	if (virtio_has(vn->vd, VIRTIO_NET_F_MAC) &&
	    !virtio_dev_config_read(vn->vd, offsetof(struct virtio_net_config, mac), mac,
	                            sizeof(mac)) &&
	    mac_equal(mac, vn->dev.mac))
		return 0;
	return tell_mac(vn, vn->dev.mac);
}

void vnet_filter_start(struct vnet *vn)
{
	struct vnet_filter *f = &vn->filter;
	int err;

	f->announcing = vn->dev.announce = false;
	vn->dev.rx_mode = NETDEV_RX_PROMISC; /* what a reset leaves */
	err = tell_own_mac(vn);
	/* with a filter for another address, nothing would come */
	if (err == -EOPNOTSUPP && (f->want.mode & NETDEV_RX_PROMISC))
		err = 0;
	if (!err && f->want.nb_macs)
		err = tell_macs(vn);
	if (!err)
		err = tell_vlans(vn);
	if (!err)
		err = tell_modes(vn, f->want.mode);
	if (err)
		log_warn("virtio_net",
		         "port %u: the device does not filter as it should; all that comes is "
		         "received",
		         vn->dev.port);
	arm(vn);
}

/* ---- announcements ------------------------------------------------------------------------ */

void vnet_filter_announce(struct vnet *vn)
{
	struct vnet_filter *f = &vn->filter;

	/* without commands it could not be told that it was done, and would ask for ever */
	if (f->announcing || vn->ctrl.vq.broken || !virtio_has(vn->vd, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return;
	f->announcing = vn->dev.announce = true;
	f->announce_ns = plat_time_ns();
}

void vnet_filter_poll(struct vnet *vn)
{
	struct vnet_filter *f = &vn->filter;

	if (!f->announcing ||
	    (vn->dev.announce && plat_time_ns() - f->announce_ns < ANNOUNCE_PATIENCE_NS))
		return;
	f->announcing = vn->dev.announce = false;
	(void)tell(
	    vn, VIRTIO_NET_F_GUEST_ANNOUNCE,
	    (struct virtio_net_ctrl_hdr){VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK},
	    NULL, 0);
}
