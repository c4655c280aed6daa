/* What the device is told to receive, what it still knows after a reset, and announcements. */
#include "kernel/errno.h"
#include "net/wire.h"
#include "tests/unit/vnet_fixture.h"

#define RX (VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX)
#define ALL                                                                                        \
	(RX | VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_CTRL_VLAN |   \
	 VIRTIO_NET_F_GUEST_ANNOUNCE)
#define VLANS "net.rx_offloads=vlan_filter"

static struct port port;

static void open_with(enum layout layout, uint64_t offered, const char *words)
{
	plat_test_clear();
	port_open(&port, layout);
	port.d.offered |= offered;
	port.d.nb_queues = 3;
	options(words);
	port_start(&port);
}

static bool told(unsigned command)
{
	return port.d.ctrl.mode[command];
}

static const uint8_t *numbered(unsigned i, bool multicast)
{
	static uint8_t mac[6];

	mac[0] = multicast ? 0x33 : 0x02;
	mac[4] = (uint8_t)(i >> 8);
	mac[5] = (uint8_t)i;
	return mac;
}

static int entry(const uint8_t *mac, bool on)
{
	return port.dev->ops->set_mac_entry(port.dev, mac, on);
}

/* The reset of a stop, and the start behind it. */
static void restart(void)
{
	port.dev->ops->stop(port.dev);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
}

/* ---- modes -------------------------------------------------------------------------------- */

Test(vnet_filter, ports_receive_what_is_for_them_unless_told_otherwise)
{
	static const struct {
		const char *words;
		unsigned mode;
	} cases[] = {
	    {"", 0},
	    {"net.promisc=1", NETDEV_RX_PROMISC},
	    {"net.allmulti=1", NETDEV_RX_ALLMULTI},
	    {"net.promisc=1 net.allmulti=1", NETDEV_RX_PROMISC | NETDEV_RX_ALLMULTI},
	};

	for (unsigned l = 0; l < LAYOUTS; l++) {
		const unsigned mode = cases[l % ARRAY_SIZE(cases)].mode;

		open_with((enum layout)l, RX, cases[l % ARRAY_SIZE(cases)].words);
		if (layout_hdr_alone((enum layout)l)) { /* commands want ANY_LAYOUT */
			cr_assert_not(port.vd.features & RX);
			port_close(&port);
			continue;
		}
		for (unsigned again = 0; again < 2; again++) {
			cr_assert_eq(port.dev->rx_mode, mode);
			cr_assert_eq(told(VIRTIO_NET_CTRL_RX_PROMISC), mode & 1);
			cr_assert_eq(told(VIRTIO_NET_CTRL_RX_ALLMULTI), mode >> 1 & 1);
			restart();
		}
		/* to addresses of all kinds */
		cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, NETDEV_RX_PROMISC), 0);
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(vnet_filter, each_mode_by_its_command)
{
	open_with(MRG, ALL, "");
	for (unsigned mode = 0; mode < 64; mode++) {
		cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, mode), 0);
		cr_assert_eq(port.dev->rx_mode, mode);
		for (unsigned i = 0; i < 6; i++)
			cr_assert_eq(told(i), mode >> i & 1, "mode %u, command %u", mode, i);
	}
	restart();
	cr_assert_eq(port.dev->rx_mode, 63);
	for (unsigned i = 0; i < 6; i++)
		cr_assert(told(i));
	port_close(&port);
}

Test(vnet_filter, what_was_not_offered_is_refused_and_changes_nothing)
{
	open_with(MRG, RX, "");
	cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, NETDEV_RX_NOBCAST), -EOPNOTSUPP);
	cr_assert_eq(port.dev->rx_mode, 0);
	cr_assert_eq(port.dev->ops->set_mac(port.dev, numbered(1, false)), -EOPNOTSUPP);
	cr_assert_eq(port.dev->ops->set_vlan(port.dev, 5, true), -EOPNOTSUPP);
	port_close(&port);

	open_with(MRG, 0, "net.promisc=0");
	cr_assert_not_null(strstr(plat_test_output(), "net.promisc=0 cannot be had"));
	cr_assert_eq(port.dev->rx_mode, NETDEV_RX_PROMISC);
	cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, 0), -EOPNOTSUPP);
	cr_assert_eq(entry(numbered(1, false), true), -EOPNOTSUPP);
	exchange_frames(&port, 20);
	port_close(&port);

	open_with(MRG, ALL & ~VIRTIO_NET_F_CTRL_VQ, "");
	cr_assert_not(port.vd.features & ALL, "without a queue for the commands");
	port_close(&port);

	open_with(MRG, 0, "net.promisc=1");
	cr_assert_null(strstr(plat_test_output(), "cannot be had"), "it is so anyway");
	port_close(&port);
}

Test(vnet_filter, a_device_that_says_no_is_not_believed_to_filter)
{
	open_with(MRG, ALL, "");
	for (unsigned mode = 1; mode < 64; mode <<= 1) {
		vdev_lie(&port.d, 2, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
		cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, mode), -EIO);
		cr_assert_eq(port.dev->rx_mode, 0);
	}
	vdev_lie(&port.d, 2, VDEV_LIE_ACK, 0, VIRTIO_NET_ERR);
	cr_assert_eq(entry(numbered(1, false), true), -EIO);
	cr_assert_eq(entry(numbered(1, false), false), -ENOENT);
	restart();
	cr_assert_eq(port.dev->rx_mode, 0, "nor is it asked for again");
	cr_assert_eq(port.d.ctrl.nb_unicast, 0);
	port_close(&port);
}

Test(vnet_filter, without_a_device_that_runs_nothing_is_told)
{
	open_with(MRG, ALL, "");
	port.dev->ops->stop(port.dev);
	cr_assert_eq(port.dev->ops->set_rx_mode(port.dev, 1), -EIO);
	cr_assert_eq(entry(numbered(1, true), true), -EIO);
	cr_assert_eq(port.dev->ops->set_mac(port.dev, numbered(1, false)), -EIO);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	port_close(&port);
}

/* ---- addresses ---------------------------------------------------------------------------- */

/* The device has these, in any order. */
static void check_table(unsigned unicast, unsigned multicast)
{
	const struct vdev_ctrl *c = &port.d.ctrl;

	cr_assert_eq(c->nb_unicast, unicast);
	cr_assert_eq(c->nb_multicast, multicast);
	for (unsigned i = 0; i < unicast + multicast; i++) {
		for (unsigned k = 0; k < i; k++)
			cr_assert_neq(memcmp(c->macs[i], c->macs[k], 6), 0, "twice");
	}
}

Test(vnet_filter, the_table_of_addresses)
{
	unsigned n[2] = {0};

	open_with(MRG, ALL, "");
	srand(11);
	for (unsigned i = 0; i < NETDEV_MACS_MAX; i++) {
		const bool multicast = rand() % 2;

		cr_assert_eq(entry(numbered(i, multicast), true), 0);
		n[multicast]++;
		check_table(n[0], n[1]);
	}
	cr_assert_eq(entry(numbered(1000, true), true), -ENOSPC);
	restart();
	check_table(n[0], n[1]);
	srand(11);
	for (unsigned i = 0; i < NETDEV_MACS_MAX; i++) {
		const bool multicast = rand() % 2;

		cr_assert_eq(entry(numbered(i, multicast), true), -EEXIST);
		cr_assert_eq(entry(numbered(i, !multicast), false), -ENOENT);
		cr_assert_eq(entry(numbered(i, multicast), false), 0);
		n[multicast]--;
		check_table(n[0], n[1]);
	}
	cr_assert_eq(entry((const uint8_t[6]){0}, true), -EINVAL);
	cr_assert_eq(entry((const uint8_t[6]){255, 255, 255, 255, 255, 255}, true), -EINVAL);
	port_close(&port);
}

Test(vnet_filter, an_own_address_that_the_device_does_not_know_is_told)
{
	static const uint8_t wish[6] = {2, 0, 0, 0, 0, 0x77};

	open_with(MRG, ALL, "net.mac=02:00:00:00:00:77");
	cr_assert(port.d.ctrl.mac_set);
	cr_assert_arr_eq(port.d.ctrl.mac, wish, 6);
	port_close(&port);

	open_with(MRG, ALL, "");
	cr_assert_not(port.d.ctrl.mac_set, "it has it");
	port_close(&port);

	/* it cannot be told: filtering would lose everything */
	open_with(MRG, RX, "net.mac=02:00:00:00:00:77");
	cr_assert_eq(port.dev->rx_mode, NETDEV_RX_PROMISC);
	cr_assert_not_null(strstr(plat_test_output(), "does not filter as it should"));
	port_close(&port);
}

Test(vnet_filter, another_address_while_it_runs)
{
	open_with(MRG, ALL, "");
	cr_assert_eq(port.dev->ops->set_mac(port.dev, numbered(7, false)), 0);
	cr_assert_arr_eq(port.dev->mac, numbered(7, false), 6);
	cr_assert_arr_eq(port.d.ctrl.mac, numbered(7, false), 6);
	cr_assert_eq(port.dev->ops->set_mac(port.dev, numbered(7, true)), -EINVAL);
	cr_assert_eq(port.dev->ops->set_mac(port.dev, (const uint8_t[6]){0}), -EINVAL);
	/* a device that is reset has the address of its maker */
	port.d.config.mac[5] ^= 1;
	restart();
	cr_assert_arr_eq(port.d.ctrl.mac, numbered(7, false), 6);
	exchange_frames(&port, 20);
	port_close(&port);
}

/* ---- tags --------------------------------------------------------------------------------- */

Test(vnet_filter, tags_that_are_let_in)
{
	static const uint16_t vids[] = {0, 1, 63, 64, 4094, 4095};

	open_with(MRG, ALL, VLANS);
	cr_assert(port.vd.features & VIRTIO_NET_F_CTRL_VLAN);
	for (size_t i = 0; i < ARRAY_SIZE(vids); i++) {
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, vids[i], false), -ENOENT);
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, vids[i], true), 0);
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, vids[i], true), -EEXIST);
		cr_assert(port.d.ctrl.vlan[vids[i]]);
	}
	cr_assert_eq(port.dev->ops->set_vlan(port.dev, 4096, true), -EINVAL);
	restart();
	for (size_t i = 0; i < ARRAY_SIZE(vids); i++) {
		cr_assert(port.d.ctrl.vlan[vids[i]]);
		cr_assert_eq(port.dev->ops->set_vlan(port.dev, vids[i], false), 0);
		cr_assert_not(port.d.ctrl.vlan[vids[i]]);
	}
	port_close(&port);

	open_with(MRG, ALL, "");
	cr_assert_not(port.vd.features & VIRTIO_NET_F_CTRL_VLAN, "all tags come unless asked for");
	port_close(&port);
}

/* A device can have tags without modes, and has our address also when it lets all in: for later. */
Test(vnet_filter, a_reset_forgets_neither_tags_nor_the_address)
{
	open_with(MRG, VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_VLAN, VLANS);
	cr_assert_not(port.vd.features & VIRTIO_NET_F_CTRL_RX);
	cr_assert_eq(port.dev->ops->set_vlan(port.dev, 9, true), 0);
	restart();
	cr_assert(port.d.ctrl.vlan[9]);
	exchange_frames(&port, 20);
	port_close(&port);

	open_with(MRG, ALL, "net.promisc=1");
	cr_assert_eq(port.dev->ops->set_mac(port.dev, numbered(7, false)), 0);
	port.d.config.mac[5] ^= 1;
	restart();
	cr_assert(told(VIRTIO_NET_CTRL_RX_PROMISC));
	cr_assert_eq(memcmp(port.d.ctrl.mac, numbered(7, false), 6), 0);
	port_close(&port);
}

/* ---- announcements ------------------------------------------------------------------------ */

static void device_asks(void)
{
	struct virtio_net_config config = port.d.config;

	config.status |= VIRTIO_NET_S_ANNOUNCE;
	vdev_config_change(&port.d, &config);
}

Test(vnet_filter, an_announcement_is_acknowledged_when_it_was_made)
{
	open_with(MRG, ALL, "");
	for (unsigned i = 1; i <= 3; i++) {
		device_asks();
		port.dev->ops->link_poll(port.dev);
		cr_assert(port.dev->announce);
		port.dev->ops->link_poll(port.dev);
		cr_assert_eq(port.d.ctrl.announced, i - 1, "not before");
		port.dev->announce = false;
		port.dev->ops->link_poll(port.dev);
		cr_assert_eq(port.d.ctrl.announced, i);
		cr_assert_not(port.d.config.status & VIRTIO_NET_S_ANNOUNCE);
		port.dev->ops->link_poll(port.dev);
		cr_assert_not(port.dev->announce);
	}
	port_close(&port);
}

Test(vnet_filter, or_after_a_second_when_nobody_announces)
{
	open_with(MRG, ALL, "");
	device_asks();
	port.dev->ops->link_poll(port.dev);
	plat_test_time_ns += 999999999;
	port.dev->ops->link_poll(port.dev);
	cr_assert_eq(port.d.ctrl.announced, 0);
	plat_test_time_ns += 1;
	port.dev->ops->link_poll(port.dev);
	cr_assert_eq(port.d.ctrl.announced, 1);
	cr_assert_not(port.dev->announce);
	port_close(&port);
}

Test(vnet_filter, a_device_that_takes_no_commands_is_not_announced_for_ever)
{
	open_with(MRG, ALL, "");
	plat_test_time_step_ns = 1000000;
	vdev_lie(&port.d, 2, VDEV_LIE_SILENT, 0, 0);
	device_asks();
	port.dev->ops->link_poll(port.dev);
	port.dev->announce = false;
	port.dev->ops->link_poll(port.dev);
	for (unsigned i = 0; i < 100; i++) {
		plat_test_time_ns += 100000000;
		port.dev->ops->link_poll(port.dev);
	}
	port.dev->announce = false; /* of the link that came up */
	for (unsigned i = 0; i < 10; i++) {
		device_asks();
		port.dev->ops->link_poll(port.dev);
		cr_assert_not(port.dev->announce);
	}
	exchange_frames(&port, 20);
	port_close(&port);
}
