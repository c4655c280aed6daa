/*
 * Which features the offload options ask for; hashes, and the control queue that they need.
 */
#include "drivers/virtio/vnet_ctrl.h"
#include "tests/unit/ctrl_lies.h"
#include "tests/unit/offload_fixture.h"

/* ---- options and features ----------------------------------------------------------------- */

Test(vnet_ctrl, nothing_is_asked_for_without_an_option)
{
	open_with(MRG, RX_ALL | TX_ALL | HASH | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "");
	cr_assert_not(port.vd.features &
	              (RX_ALL | TX_ALL | HASH | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	cr_assert_eq(port.dev->rx_offloads | port.dev->tx_offloads, 0);
	port_close(&port);
}

Test(vnet_ctrl, an_option_asks_for_what_belongs_to_it)
{
	static const struct {
		const char *words;
		uint64_t features;
	} cases[] = {
	    {"net.rx_offloads=csum", VIRTIO_NET_F_GUEST_CSUM},
	    {"net.rx_offloads=lro", RX_ALL},
	    {"net.rx_offloads=vlan_strip net.tx_offloads=vlan_insert", 0},
	    {"net.rx_offloads=rss_hash", HASH},
	    {"net.tx_offloads=csum", VIRTIO_NET_F_CSUM},
	    {"net.tx_offloads=tso", VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 |
	                                VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_HDRLEN},
	    {"net.tx_offloads=off,uso",
	     VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_HDRLEN},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t got;

		open_with(MRG, RX_ALL | TX_ALL | HASH, cases[i].words);
		got = port.vd.features & (RX_ALL | TX_ALL | HASH);
		cr_assert_eq(got, cases[i].features, "%s: 0x%llx", cases[i].words,
		             (unsigned long long)got);
		cr_assert_null(strstr(plat_test_output(), "cannot be had"));
		port_close(&port);
	}
}

Test(vnet_ctrl, what_cannot_be_had_is_told_and_done_without)
{
	static const struct {
		enum layout layout;
		uint64_t offered;
		const char *words, *lacks;
	} cases[] = {
	    {MRG, 0, "net.rx_offloads=csum",
	     "rx_offloads=csum cannot be had: no VIRTIO_NET_F_GUEST_CSUM"},
	    {MRG, VIRTIO_NET_F_GUEST_TSO4, "net.rx_offloads=lro",
	     "lro cannot be had: no VIRTIO_NET_F_GUEST_CSUM"},
	    {MRG, VIRTIO_NET_F_GUEST_CSUM, "net.rx_offloads=lro",
	     "lro cannot be had: no VIRTIO_NET_F_GUEST_TSO4"},
	    {PLAIN, RX_ALL, "net.rx_offloads=lro", "lro cannot be had: no VIRTIO_NET_F_MRG_RXBUF"},
	    {MRG, RX_ALL, "net.rx_offloads=lro net.mrg_rxbuf=0",
	     "lro cannot be had: no VIRTIO_NET_F_MRG_RXBUF"},
	    {MRG, VIRTIO_NET_F_HASH_REPORT, "net.rx_offloads=rss_hash",
	     "rss_hash cannot be had: no VIRTIO_NET_F_CTRL_VQ"},
	    {MRG, 0, "net.tx_offloads=csum",
	     "tx_offloads=csum cannot be had: no VIRTIO_NET_F_CSUM"},
	    {MRG, VIRTIO_NET_F_HOST_USO, "net.tx_offloads=uso",
	     "uso cannot be had: no VIRTIO_NET_F_CSUM"},
	    {MRG, VIRTIO_NET_F_CSUM, "net.tx_offloads=tso",
	     "tso cannot be had: no VIRTIO_NET_F_HOST_TSO4"},
	    {LEGACY_MRG, TX_ALL, "net.tx_offloads=uso",
	     "uso cannot be had: no VIRTIO_NET_F_HOST_USO"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		plat_test_clear();
		open_with(cases[i].layout, cases[i].offered, cases[i].words);
		cr_assert_not_null(strstr(plat_test_output(), cases[i].lacks), "no \"%s\" in: %s",
		                   cases[i].lacks, plat_test_output());
		cr_assert_eq(port.dev->rx_offloads | port.dev->tx_offloads, 0);
		exchange_frames(&port, 5);
		port_close(&port);
	}
}

/* ---- hash report and the control queue ---------------------------------------------------- */

static struct mbuf *receive_hash(uint32_t value, uint16_t report)
{
	const struct virtio_net_hdr_hash hash = {.hash_value = value, .hash_report = report};
	uint8_t frame[LEN];
	struct mbuf *m = NULL;

	frame_fill(frame, 5, LEN);
	vdev_net_rx_push_hash(&port.d, 0, &hash, frame, LEN);
	vdev_step(&port.d, 1);
	netdev_rx_burst(port.dev, 0, &m, 1);
	cr_assert_not_null(m);
	frame_check(m, 5, LEN);
	return m;
}

Test(vnet_ctrl, the_hash_of_the_device_comes_with_the_packet)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_forms[l].legacy)
			continue;
		open_with((enum layout)l, HASH, "net.rx_offloads=rss_hash");
		cr_assert_eq(port.d.ctrl.commands, 1);
		cr_assert_eq(port.d.ctrl.hash.hash_types, 0x3f);
		cr_assert_eq(port.d.ctrl.hash.hash_key_length, 40);
		for (unsigned report = 0; report < 16; report++) {
			struct mbuf *m = receive_hash(0xdeadbeef, (uint16_t)report);
			const bool there = report && report <= VIRTIO_NET_HASH_REPORT_MAX;

			cr_assert_eq(m->flags, there ? MBUF_RX_HASH : 0);
			if (there) {
				cr_assert_eq(m->hash, 0xdeadbeef);
				cr_assert_eq(m->hash_type, report);
			}
			mbuf_free(m);
		}
		/* frames of several buffers, both ways: the header is longer everywhere */
		exchange_frames(&port, 40);
		port_close(&port);
	}
}

Test(vnet_ctrl, what_the_device_cannot_hash_is_not_asked_for)
{
	port_open(&port, MRG);
	port.d.offered |= HASH;
	port.d.nb_queues = 3;
	port.d.config.rss_max_key_size = 16;
	port.d.config.supported_hash_types = 0xf0000004;
	options("net.rx_offloads=rss_hash");
	port_start(&port);
	cr_assert_eq(port.d.ctrl.hash.hash_types, 4);
	cr_assert_eq(port.d.ctrl.hash.hash_key_length, 16);
	port_close(&port);
}

Test(vnet_ctrl, a_device_without_the_queue_that_it_offers_is_not_used)
{
	port_open(&port, MRG);
	port.d.offered |= HASH;
	options("net.rx_offloads=rss_hash");
	refused(&port, "control queue has 0 entries");
}

static void start_with_lie(enum layout layout, enum vdev_lie lie, uint32_t value)
{
	port_open(&port, layout);
	port.d.offered |= HASH;
	port.d.nb_queues = 3;
	port.d.config.rss_max_key_size = 40;
	options("net.rx_offloads=rss_hash");
	plat_test_time_step_ns = 1000000;
	plat_test_clear();
	port_probe(&port);
	vdev_lie(&port.d, 2, lie, 0, value);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
}

Test(vnet_ctrl, a_command_that_fails_leaves_the_port_without_hashes)
{
	/* with the lies not more than there may be ports */
	static const enum layout layouts[] = {MRG, IN_ORDER_PLAIN, PACKED_MRG,
	                                      PACKED_IN_ORDER_PLAIN};

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		for (size_t i = 0; i < ARRAY_SIZE(ctrl_lies); i++) {
			start_with_lie(layouts[l], ctrl_lies[i].lie, ctrl_lies[i].value);
			cr_assert_not_null(
			    strstr(plat_test_output(), "control command 4.2 failed"));
			if (!layout_is_packed(layouts[l]))
				cr_assert_not_null(strstr(plat_test_output(), ctrl_lies[i].says),
				                   "no \"%s\" in: %s", ctrl_lies[i].says,
				                   plat_test_output());
			exchange_frames(&port, 10);
			port_stop(&port);
			/* and works again after the next start */
			port.d.queue[2].lie = VDEV_TRUTH;
			cr_assert_eq(port.dev->ops->start(port.dev), 0);
			cr_assert_eq(port.d.ctrl.commands, 1);
			port_close(&port);
		}
	}
	plat_test_time_step_ns = 0;
}

Test(vnet_ctrl, a_command_without_an_answer_is_the_devices_until_the_next_start)
{
	static const enum layout layouts[] = {MRG, PACKED_MRG};

	for (size_t l = 0; l < ARRAY_SIZE(layouts); l++) {
		const struct vnet *vn;
		uint8_t posted[64];
		uint64_t kicks, time_ns;

		start_with_lie(layouts[l], VDEV_LIE_SILENT, 0);
		vn = port.vd.driver;
		kicks = port.d.queue[2].kicks;
		time_ns = plat_test_time_ns;
		cr_assert_geq(time_ns, VNET_CTRL_TIMEOUT_NS);
		memcpy(posted, vn->ctrl.cmd, sizeof(posted));
		cr_assert(vn->ctrl.vq.broken);
		/* it is neither written to nor waited for again, also when the answer comes late */
		for (unsigned late = 0; late < 2; late++) {
			struct rss rss = port.dev->rss->now;

			rss.types ^= RSS_IPV4;
			for (unsigned i = 0; i < 10; i++)
				cr_assert_eq(port.dev->rss->set(port.dev, &rss), -EIO);
			cr_assert_eq(memcmp(posted, vn->ctrl.cmd, sizeof(posted)), 0);
			cr_assert_eq(port.d.queue[2].kicks, kicks);
			cr_assert_lt(plat_test_time_ns - time_ns, VNET_CTRL_TIMEOUT_NS);
			port.d.queue[2].lie = VDEV_TRUTH;
			vdev_drain(&port.d);
			cr_assert_eq(port.d.ctrl.commands, 1);
		}
		exchange_frames(&port, 10);
		port_stop(&port);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(port.d.ctrl.commands, 1);
		port_close(&port);
	}
	plat_test_time_step_ns = 0;
}

Test(vnet_ctrl, large_receive_is_switched_at_run_time)
{
	const uint64_t more = VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (!layout_is_mrg((enum layout)l) || layout_forms[l].legacy)
			continue;
		open_with((enum layout)l, RX_ALL | more, RX_WORDS);
		cr_assert_eq(port.d.ctrl.commands, 0);
		/* more often than the ring is long */
		for (unsigned i = 0; i < 100; i++) {
			cr_assert_eq(port.dev->ops->set_lro(port.dev, false), 0);
			cr_assert_eq(port.d.ctrl.offloads, VIRTIO_NET_F_GUEST_CSUM);
			cr_assert_eq(port.dev->ops->set_lro(port.dev, true), 0);
			cr_assert_eq(port.d.ctrl.offloads, RX_ALL);
		}
		exchange_frames(&port, 10);
		port_close(&port);
	}
	open_with(MRG, RX_ALL, RX_WORDS);
	cr_assert_eq(port.dev->ops->set_lro(port.dev, false), -EOPNOTSUPP);
	port_close(&port);
	open_with(MRG, RX_ALL | more, "net.rx_offloads=csum");
	cr_assert_eq(port.dev->ops->set_lro(port.dev, true), -EOPNOTSUPP);
	port_close(&port);
}
