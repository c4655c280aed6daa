/*
 * The life of a port on the device model: what is negotiated, what is read from the device and
 * believed, start and stop, interrupts, and every way in which a device can be unusable.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "kernel/errno.h"
#include "kernel/json.h"

static struct port port;

/* ---- negotiation -------------------------------------------------------------------------- */

Test(virtio_net, accepts_nothing_that_is_not_implemented)
{
	const uint64_t known =
	    VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_INDIRECT_DESC |
	    VIRTIO_F_EVENT_IDX | VIRTIO_NET_F_MAC | VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS |
	    VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_SPEED_DUPLEX | VIRTIO_F_RING_PACKED |
	    VIRTIO_F_IN_ORDER | VIRTIO_F_RING_RESET | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX |
	    VIRTIO_NET_F_CTRL_RX_EXTRA | VIRTIO_NET_F_CTRL_MAC_ADDR | VIRTIO_NET_F_GUEST_ANNOUNCE |
	    VIRTIO_NET_F_NOTF_COAL | VIRTIO_NET_F_VQ_NOTF_COAL | VIRTIO_NET_F_DEVICE_STATS;

	for (unsigned kind = 0; kind < 2; kind++) {
		port_open(&port, kind ? LEGACY_MRG : MRG);
		port.d.offered = UINT64_MAX;
		port.d.nb_queues = 3;
		port_start(&port);
		cr_assert_eq(port.d.features,
		             kind ? ((known & UINT32_MAX) | VIRTIO_F_ANY_LAYOUT) : known);
		exchange_frames(&port, 40);
		port_close(&port);
	}
}

Test(virtio_net, needs_hardly_any_feature)
{
	port_open(&port, MRG);
	port.d.offered = VIRTIO_F_VERSION_1;
	port_start(&port);
	cr_assert_eq(port.d.features, VIRTIO_F_VERSION_1);
	/* no MAC: a random one, local and unicast; no STATUS: always up */
	cr_assert_eq(port.dev->mac[0] & 3, 2);
	cr_assert(port.dev->link_up);
	exchange_frames(&port, 40);
	port_close(&port);

	port_open(&port, LEGACY);
	port.d.offered = 0;
	port_start(&port);
	exchange_frames(&port, 40);
	port_close(&port);
}

static const char *path_of(struct port *p)
{
	return ((struct vnet *)p->vd.driver)->choice.rx->name;
}

Test(virtio_net, chooses_the_path_by_features)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		port_open(&port, (enum layout)l);
		port_start(&port);
		cr_assert_str_eq(path_of(&port), layout_forms[l].path);
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(virtio_net, options_refuse_features)
{
	static const struct {
		const char *option;
		uint64_t refused;
		const char *path;
	} cases[] = {
	    {"net.mrg_rxbuf=0", VIRTIO_NET_F_MRG_RXBUF,
	     "Packed virtqueue in-order non-mergeable path"},
	    {"net.in_order=0", VIRTIO_F_IN_ORDER, "Packed virtqueue mergeable path"},
	    {"net.packed_vq=0", VIRTIO_F_RING_PACKED, "Split virtqueue in-order mergeable path"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		port_open(&port, PACKED_IN_ORDER_MRG);
		options(cases[i].option);
		port_start(&port);
		cr_assert_not(port.d.features & cases[i].refused);
		cr_assert_str_eq(path_of(&port), cases[i].path);
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(virtio_net, header_length_follows_the_specification)
{
	cr_assert_eq(vnet_hdr_len(true, 0), 10);
	cr_assert_eq(vnet_hdr_len(true, VIRTIO_NET_F_MRG_RXBUF), 12);
	cr_assert_eq(vnet_hdr_len(false, 0), 12);
	cr_assert_eq(vnet_hdr_len(false, VIRTIO_NET_F_MRG_RXBUF), 12);
	cr_assert_eq(vnet_hdr_len(false, VIRTIO_NET_F_HASH_REPORT), 20);
	cr_assert_eq(vnet_hdr_len(false, VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_MRG_RXBUF), 20);
}

Test(virtio_net, refuses_a_modern_device_without_version_1)
{
	port_open(&port, MRG);
	port.d.offered &= ~VIRTIO_F_VERSION_1;
	refused(&port, "VIRTIO_F_VERSION_1");
	cr_assert(port.d.status & VIRTIO_STATUS_FAILED);
}

Test(virtio_net, gives_up_when_the_device_refuses_the_features)
{
	port_open(&port, MRG);
	port.d.features_needed = VIRTIO_BIT(38);
	refused(&port, "features");
	cr_assert(port.d.status & VIRTIO_STATUS_FAILED);
}

/* ---- reset -------------------------------------------------------------------------------- */

Test(virtio_net, waits_for_a_slow_reset)
{
	port_open(&port, MRG);
	port.d.reset_reads = 1000;
	plat_test_time_step_ns = 1000;
	port_start(&port);
	exchange_frames(&port, 5);
	port_close(&port);
}

Test(virtio_net, does_not_wait_for_ever)
{
	port_open(&port, MRG);
	port.d.reset_sticks = true;
	plat_test_time_step_ns = 1000000;
	refused(&port, "after a reset");
}

Test(virtio_net, buffers_of_a_device_that_does_not_stop_are_not_reused)
{
	port_open(&port, MRG);
	port_start(&port);

	const unsigned free_before = port.dev->queue[0].pool->n;

	port.d.reset_sticks = true;
	plat_test_time_step_ns = 1000000;
	port.dev->ops->stop(port.dev);
	cr_assert_eq(port.dev->queue[0].pool->n, free_before);
	cr_assert_neq(port.dev->ops->start(port.dev), 0);
	vdev_close(&port.d);
}

Test(virtio_net, starts_and_stops_as_often_as_asked)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		port_open(&port, (enum layout)l);
		port_start(&port);
		for (unsigned i = 0; i < 20; i++) {
			exchange_frames(&port, 10 + i);
			port_stop(&port);
			cr_assert_eq(netdev_rx_burst(port.dev, 0, NULL, 0), 0);
			cr_assert_eq(port.dev->ops->start(port.dev), 0);
		}
		cr_assert_neq(port.dev->ops->start(port.dev), 0, "started twice");
		cr_assert_eq(port_stats(&port).rx_packets, 20 * 10 + 190);
		port_stop(&port);
		port.dev->ops->stop(port.dev);
		port_close(&port);
	}
}

Test(virtio_net, is_not_started_again_without_a_feature_that_it_was_made_for)
{
	static const struct {
		enum layout layout;
		uint64_t feature;
		const char *says;
	} lost[] = {
	    {PACKED_IN_ORDER_MRG, VIRTIO_NET_F_MRG_RXBUF, "no VIRTIO_NET_F_MRG_RXBUF any more"},
	    {PACKED_IN_ORDER_MRG, VIRTIO_F_IN_ORDER, "no VIRTIO_F_IN_ORDER any more"},
	    {MRG, VIRTIO_F_EVENT_IDX, "no VIRTIO_F_EVENT_IDX any more"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lost); i++) {
		port_open(&port, lost[i].layout);
		port_start(&port);
		exchange_frames(&port, 10);
		port_stop(&port);
		cr_assert(port.d.offered & lost[i].feature);
		port.d.offered ^= lost[i].feature;
		cr_assert_eq(port.dev->ops->start(port.dev), -EOPNOTSUPP);
		cr_assert_not_null(strstr(plat_test_output(), lost[i].says));
		cr_assert(port.d.status & VIRTIO_STATUS_FAILED);
		cr_assert_eq(netdev_rx_burst(port.dev, 0, NULL, 0), 0);

		/* and again when it is as it was */
		port.d.offered ^= lost[i].feature;
		plat_test_clear();
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		exchange_frames(&port, 10);
		port_close(&port);
	}
}

Test(virtio_net, features_that_a_device_has_in_addition_later_are_left_alone)
{
	static const uint64_t more[] = {VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_NET_F_MTU};

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		uint64_t before;

		port_open(&port, MRG);
		port_start(&port);
		before = port.d.features;
		port_stop(&port);
		cr_assert_not(port.d.offered & more[i]);
		port.d.offered |= more[i];
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(port.d.features, before);
		exchange_frames(&port, 10);
		port_close(&port);
	}
}

Test(virtio_net, a_device_that_needs_a_reset_at_start_is_not_started)
{
	port_open(&port, MRG);
	port.d.needs_reset_at_start = true;
	port_probe(&port);
	cr_assert_neq(port.dev->ops->start(port.dev), 0);
	port.d.needs_reset_at_start = false;
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	exchange_frames(&port, 5);
	port_close(&port);
}

/* ---- configuration ------------------------------------------------------------------------ */

Test(virtio_net, takes_address_mtu_and_speed_from_the_device)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU | VIRTIO_NET_F_SPEED_DUPLEX;
	port.d.config.mtu = 9000;
	port.d.config.speed = 25000;
	port_start(&port);
	cr_assert_eq(memcmp(port.dev->mac, mac, 6), 0);
	cr_assert_eq(port.dev->mtu, 9000);
	cr_assert_eq(port.dev->speed, 25000);
	port_close(&port);
}

Test(virtio_net, an_mtu_that_is_smaller_after_a_restart_is_kept_to)
{
	static const struct {
		uint16_t now, used;
	} mtus[] = {{1300, 1300}, {1500, 1400}, {1300, 1300}, {1400, 1400}};

	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 1400;
	port_start(&port);
	for (size_t i = 0; i < ARRAY_SIZE(mtus); i++) {
		const uint64_t errors = port_stats(&port).tx_errors;
		struct mbuf *m;

		port_stop(&port);
		plat_test_clear();
		port.d.config.mtu = mtus[i].now;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(port.dev->mtu, mtus[i].used);
		cr_assert_eq(strstr(plat_test_output(), "the device's MTU is now") != NULL,
		             mtus[i].now != 1400 || mtus[i - 1].used != 1400);
		m = mbuf_alloc(port.dev->queue[0].pool);
		m->data_len = 1340;
		m->pkt_len = m->data_len;
		cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
		cr_assert_eq(port_stats(&port).tx_errors, errors + (mtus[i].used == 1300));
	}
	port_close(&port);
}

Test(virtio_net, options_win_over_the_device)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 9000;
	options("net.mac=02:00:00:00:00:09 net.mtu=1400 net.speed=1234");
	port_start(&port);
	cr_assert_eq(memcmp(port.dev->mac, mac, 6), 0);
	cr_assert_eq(port.dev->mtu, 1400);
	cr_assert_eq(port.dev->speed, 1234);
	port_close(&port);
}

Test(virtio_net, an_mtu_option_above_the_devices_is_cut_with_a_warning)
{
	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	options("net.mtu=4000");
	port_start(&port);
	cr_assert_eq(port.dev->mtu, 1500);
	cr_assert_not_null(strstr(plat_test_output(), "net.mtu=4000"));
	port_close(&port);
}

Test(virtio_net, does_not_believe_an_impossible_mtu)
{
	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 67;
	port_start(&port);
	cr_assert_not(port.d.features & VIRTIO_NET_F_MTU);
	cr_assert_eq(port.dev->mtu, 1500);
	port_close(&port);

	/* beyond the largest buffer: with merging what we send is cut, without it is not accepted
	 */
	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 65535;
	port_start(&port);
	cr_assert_eq(port.dev->mtu, NETDEV_MTU_MAX);
	exchange_frames(&port, 5);
	port_close(&port);

	port_open(&port, PLAIN);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 65535;
	port_start(&port);
	cr_assert_not(port.d.features & VIRTIO_NET_F_MTU);
	cr_assert_eq(port.dev->mtu, 1500);
	exchange_frames(&port, 5);
	port_close(&port);
}

Test(virtio_net, treats_impossible_speeds_as_unknown)
{
	/* 5.1.4.2: any value above 0x7fffffff */
	static const uint32_t speeds[] = {0x80000000, 0xfffffffe, 0xffffffff};

	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		port_open(&port, MRG);
		port.d.offered |= VIRTIO_NET_F_SPEED_DUPLEX;
		port.d.config.speed = speeds[i];
		options("net.speed=777");
		port_start(&port);
		cr_assert_eq(port.dev->speed, 777, "0x%x", speeds[i]);
		port_close(&port);
	}
}

Test(virtio_net, reads_configuration_again_when_it_changed_meanwhile)
{
	for (unsigned l = 0; l < 2; l++) {
		port_open(&port, l ? LEGACY : MRG);

		struct virtio_net_config next = port.d.config;

		memset(next.mac, 0x42, sizeof(next.mac));
		vdev_config_race(&port.d, &next, 1, 1);
		port_start(&port);
		for (unsigned i = 0; i < 6; i++)
			cr_assert_eq(port.dev->mac[i], 0x42);
		port_close(&port);
	}
}

Test(virtio_net, gives_up_on_configuration_that_never_settles)
{
	port_open(&port, MRG);

	struct virtio_net_config next = port.d.config;

	memset(next.mac, 0x42, sizeof(next.mac));
	vdev_config_race(&port.d, &next, 1, UINT32_MAX);
	refused(&port, "not usable");
}

Test(virtio_net, refuses_a_configuration_space_that_is_too_short)
{
	port_open(&port, MRG);
	port.d.config_len = 4;
	refused(&port, "not usable");
}

Test(virtio_net, follows_the_link)
{
	for (unsigned vectors = 0; vectors < 4; vectors += 3) {
		port_open(&port, MRG);
		port.d.vectors = vectors;
		port_start(&port);
		cr_assert(port.dev->link_up);

		struct virtio_net_config config = port.d.config;

		for (unsigned i = 0; i < 5; i++) {
			config.status = i & 1;
			port.dev->announce = false;
			vdev_config_change(&port.d, &config);
			port.dev->ops->link_poll(port.dev);
			cr_assert_eq(port.dev->link_up, i & 1);
			cr_assert_eq(port.dev->announce, i & 1);
		}
		port_close(&port);
	}
}

/* ---- interrupts --------------------------------------------------------------------------- */

Test(virtio_net, makes_do_with_the_vectors_there_are)
{
	static const struct {
		unsigned vectors;
		bool intx;
		enum virtio_irq_mode mode;
		uint16_t config, rx;
	} cases[] = {
	    {3, true, VIRTIO_IRQ_MSIX, 0, 1},
	    {2, true, VIRTIO_IRQ_MSIX, 0, 1},
	    {1, true, VIRTIO_IRQ_SHARED, 0, 0},
	    {0, true, VIRTIO_IRQ_INTX, VIRTIO_MSI_NO_VECTOR, VIRTIO_MSI_NO_VECTOR},
	    {0, false, VIRTIO_IRQ_NONE, VIRTIO_MSI_NO_VECTOR, VIRTIO_MSI_NO_VECTOR},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		port_open(&port, MRG);
		port.d.vectors = cases[i].vectors;
		port.d.intx = cases[i].intx;
		port_start(&port);
		cr_assert_eq(port.vd.irq_mode, cases[i].mode);
		cr_assert_eq(port.d.config_vector, cases[i].config);
		cr_assert_eq(port.d.queue[0].vector, cases[i].rx);
		cr_assert_eq(port.d.queue[1].vector, VIRTIO_MSI_NO_VECTOR);
		exchange_frames(&port, 5);
		port_close(&port);
	}
}

Test(virtio_net, goes_on_without_a_configuration_vector)
{
	port_open(&port, MRG);
	port.d.vector_error = -EIO;
	port_start(&port);
	cr_assert_not_null(strstr(plat_test_output(), "no vector"));

	struct virtio_net_config config = port.d.config;

	config.status = 0;
	vdev_config_change(&port.d, &config);
	port.dev->ops->link_poll(port.dev);
	cr_assert_not(port.dev->link_up, "polled instead");
	port_close(&port);
}

Test(virtio_net, counts_interrupts)
{
	port_open(&port, MRG);
	port_start(&port);
	for (unsigned i = 0; i < 3; i++)
		vdev_config_change(&port.d, &(struct virtio_net_config){.status = 1});
	port.d.irq_fn(port.d.vd, 1);
	/* one that nobody set up must not hurt */
	port.d.irq_fn(port.d.vd, 2);
	port.d.irq_fn(port.d.vd, 0xffff);
	cr_assert_eq(port_stats(&port).interrupts, 4);
	port_close(&port);
}

/* ---- ports -------------------------------------------------------------------------------- */

Test(virtio_net, no_more_ports_than_there_is_room_for)
{
	static struct port ports[NETDEV_PORTS_MAX + 1];

	for (unsigned i = 0; i <= NETDEV_PORTS_MAX; i++) {
		port_open(&ports[i], MRG);
		ports[i].d.queue_max[0] = ports[i].d.queue_max[1] = 16;
		port_probe(&ports[i]);
		cr_assert_eq(ports[i].dev != NULL, i < NETDEV_PORTS_MAX);
		if (ports[i].dev)
			cr_assert_eq(ports[i].dev->port, i);
	}
	for (unsigned i = 0; i < NETDEV_PORTS_MAX; i++) {
		cr_assert_eq(ports[i].dev->ops->start(ports[i].dev), 0);
		exchange_frames(&ports[i], 5);
	}
	for (unsigned i = 0; i <= NETDEV_PORTS_MAX; i++)
		port_close(&ports[i]);
}

Test(virtio_net, describes_itself)
{
	static struct json j;

	port_open(&port, MRG);
	port_start(&port);
	json_begin(&j, "port");
	port.dev->ops->describe(port.dev, &j);
	cr_assert_not_null(strstr(j.text, "\"transport\":\"" PORT_TRANSPORT "\""));
	cr_assert_not_null(strstr(j.text, "\"mac\":\"52:54:00:12:34:56\""));
	cr_assert_not_null(strstr(j.text, "\"VIRTIO_NET_F_MRG_RXBUF\""));
	cr_assert_not_null(strstr(j.text, "\"path\":\"Split virtqueue mergeable path\""));
	cr_assert_not_null(strstr(j.text, "\"rx\":\"virtio_recv_mergeable_pkts\""));
	cr_assert_not_null(strstr(j.text, "\"rxd\":256"));
	cr_assert_not_null(strstr(j.text, "\"link\":\"up\""));
	cr_assert_not_null(strstr(j.text, "\"msix\":{\"vectors\":2,\"config\":0,\"rx\":[1]}"));
	port_close(&port);
}
