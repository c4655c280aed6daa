/*
 * The filter behind the device's, which is best effort: the model lets everything in. What somebody
 * asked not to have is dropped and counted on every path; where nobody asked nothing is looked at.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "net/wire.h"

#define RX (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_RX_EXTRA)
#define VLAN VIRTIO_NET_F_CTRL_VLAN
#define LEN 80

static struct port port;

static const uint8_t own[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
static const uint8_t other[6] = {0x02, 0, 0, 0, 0, 0x99};
static const uint8_t group[6] = {0x01, 0x00, 0x5e, 0, 0, 5};
static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t *const addresses[] = {own, other, group, all};

static void open_with(enum layout layout, uint64_t offered, const char *words)
{
	plat_test_clear();
	port_open(&port, layout);
	port.d.offered |= offered;
	port.d.nb_queues = 3;
	options(words);
	port_start(&port);
}

static bool armed(void)
{
	const struct vnet *vn = port.vd.driver;

	return vn->rxq[0].offloads & VNET_RX_FILTER;
}

static uint64_t filtered;

static void find_filtered(void *arg, const char *direction, int queue, const char *name,
                          uint64_t value)
{
	(void)arg;
	if (!strcmp(name, "filtered") && !strcmp(direction, "rx") && !queue)
		filtered = value;
}

/* Do @n frames to this address, tagged (-1: not), come through? All or none. */
static bool many_come(const uint8_t *dst, int vid, unsigned n)
{
	const struct netdev_stats before = port_stats(&port);
	uint8_t frame[LEN] = {0};
	struct mbuf *m[32];
	uint64_t had;
	uint16_t got;

	port.dev->ops->xstats(port.dev, find_filtered, NULL);
	had = filtered;
	memcpy(frame, dst, 6);
	memcpy(frame + 12, vid < 0 ? "\x88\xb5\0" : "\x81\0\xe0", 3);
	if (vid >= 0) {
		frame[14] = (uint8_t)(0xe0 | vid >> 8);
		frame[15] = (uint8_t)vid;
	}
	for (unsigned i = 0; i < n; i++)
		vdev_net_rx_push(&port.d, 0, frame, LEN);
	vdev_step(&port.d, n);
	got = netdev_rx_burst(port.dev, 0, m, 32);
	for (uint16_t i = 0; i < got; i++) {
		cr_assert_eq(memcmp(mbuf_data(m[i]), frame, LEN), 0);
		mbuf_free(m[i]);
	}
	cr_assert(got == 0 || got == n, "%u of %u came", got, n);
	port.dev->ops->xstats(port.dev, find_filtered, NULL);
	cr_assert_eq(filtered - had, n - got);
	cr_assert_eq(port_stats(&port).rx_packets - before.rx_packets, got);
	cr_assert_eq(port_stats(&port).rx_bytes - before.rx_bytes, got * LEN);
	cr_assert_eq(port_stats(&port).rx_errors, before.rx_errors);
	return got;
}

static bool comes(const uint8_t *dst)
{
	return many_come(dst, -1, 20);
}

/* What is to come in, by the definition of the modes. */
static bool wanted(unsigned mode, const uint8_t *dst)
{
	if (mode & NETDEV_RX_PROMISC)
		return true;
	if (dst == all)
		return !(mode & NETDEV_RX_NOBCAST);
	if (dst == group)
		return (mode & NETDEV_RX_ALLMULTI) && !(mode & NETDEV_RX_NOMULTI);
	return !(mode & NETDEV_RX_NOUNI) && (dst == own || (mode & NETDEV_RX_ALLUNI));
}

Test(vnet_gate, every_mode_on_every_path)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_hdr_alone((enum layout)l))
			continue;
		open_with((enum layout)l, RX, "net.vectorized=1");
		for (unsigned mode = 0; mode < 64; mode++) {
			cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, mode), 0);
			cr_assert_eq(armed(), !(mode & NETDEV_RX_PROMISC));
			for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
				cr_assert_eq(comes(addresses[i]), wanted(mode, addresses[i]),
				             "mode %u, address %zu", mode, i);
		}
		port_close(&port);
	}
}

Test(vnet_gate, it_is_there_only_when_somebody_asked)
{
	static const struct {
		const char *words;
		bool armed;
	} cases[] = {
	    {"", false},
	    {"net.promisc=0", true},
	    {"net.promisc=1", false},
	    {"net.allmulti=1", true},
	    {"net.rx_offloads=vlan_filter", true},
	    {"net.rx_offloads=vlan_filter net.promisc=1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_with(MRG, RX | VLAN, cases[i].words);
		for (unsigned again = 0; again < 2; again++) {
			const struct vnet *vn = port.vd.driver;

			cr_assert_eq(armed(), cases[i].armed, "%s", cases[i].words);
			cr_assert(vn->rxq[0].offloads == 0 || armed(), "it costs");
			cr_assert_eq(comes(other), !cases[i].armed);
			port_stop(&port);
			cr_assert_eq(port.dev->ops->start(port.dev), 0);
		}
		port_close(&port);
	}
	/* without filters in the device everything comes, as the log says */
	open_with(MRG, 0, "net.promisc=0");
	cr_assert(!armed() && comes(other));
	port_close(&port);
}

Test(vnet_gate, a_device_that_was_not_told_lets_all_in)
{
	port_open(&port, MRG);
	port.d.offered |= RX;
	port.d.nb_queues = 3;
	options("net.promisc=0");
	port_probe(&port);
	vdev_lie(&port.d, 2, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(port.dev->rx_mode, NETDEV_RX_PROMISC);
	cr_assert(!armed() && comes(other));
	port_close(&port);
}

Test(vnet_gate, addresses_of_the_table_come)
{
	uint8_t mac[6] = {0x02, 0, 0, 0, 1, 0};

	open_with(MRG, RX | VIRTIO_NET_F_CTRL_MAC_ADDR, "");
	cr_assert_eq(port.dev->ops->set_mac_entry(port.dev, group, true), 0);
	cr_assert(armed() && comes(group) && !comes(other));
	for (mac[5] = 0; mac[5] < NETDEV_MACS_MAX - 1; mac[5]++)
		cr_assert_eq(port.dev->ops->set_mac_entry(port.dev, mac, true), 0);
	for (mac[5] = 0; mac[5] < NETDEV_MACS_MAX - 1; mac[5]++)
		cr_assert(comes(mac));
	cr_assert(!comes(mac) && comes(group) && comes(own));
	cr_assert_eq(port.dev->ops->set_mac_entry(port.dev, group, false), 0);
	cr_assert(!comes(group));
	/* another own address */
	cr_assert_eq(port.dev->ops->set_mac(port.dev, other), 0);
	cr_assert(comes(other) && !comes(own));
	port_close(&port);
}

Test(vnet_gate, tags_that_were_not_asked_for_stay_outside)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_hdr_alone((enum layout)l))
			continue;
		open_with((enum layout)l, RX | VLAN,
		          "net.rx_offloads=vlan_filter net.vectorized=1");
		cr_assert(many_come(own, -1, 20) && many_come(own, 0, 20));
		cr_assert(!many_come(own, 5, 20));
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, 5, true), 0);
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, 4095, true), 0);
		cr_assert(many_come(own, 5, 20) && many_come(own, 4095, 1));
		cr_assert(!many_come(own, 6, 20) && !many_come(other, 5, 20));
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, 5, false), 0);
		cr_assert(!many_come(own, 5, 3));
		cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, NETDEV_RX_PROMISC), 0);
		cr_assert(many_come(own, 6, 20));
		port_close(&port);
	}
}

Test(vnet_gate, beside_offloads_that_read_the_header)
{
	open_with(MRG, RX | VLAN | VIRTIO_NET_F_GUEST_CSUM,
	          "net.rx_offloads=csum,vlan_strip,vlan_filter");
	cr_assert(!many_come(own, 6, 20));
	cr_assert(many_come(own, -1, 20) && !comes(other));
	port_close(&port);
}
