/*
 * The queues of a port on the device model: sizes that the device has, that options ask for and
 * that a kind of ring can have; tiny ones, and memory that does not suffice.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "kernel/errno.h"

static struct port port;

static uint16_t rxd_of(struct port *p)
{
	return ((struct vnet *)p->vd.driver)->rxd;
}

Test(virtio_net_queues, takes_the_devices_queue_size_or_the_options)
{
	port_open(&port, MRG);
	port.d.queue_max[0] = 1024;
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 1024);
	port_close(&port);

	port_open(&port, MRG);
	options("net.rxd=64");
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 64);
	exchange_frames(&port, 100);
	port_close(&port);
}

Test(virtio_net_queues, warns_and_goes_on_when_more_descriptors_are_wanted_than_there_are)
{
	port_open(&port, MRG);
	options("net.rxd=4096 net.txd=100");
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 256);
	cr_assert_eq(((struct vnet *)port.vd.driver)->txd, 64);
	cr_assert_not_null(strstr(plat_test_output(), "net.rxd=4096"));
	cr_assert_not_null(strstr(plat_test_output(), "net.txd=100"));
	exchange_frames(&port, 30);
	port_close(&port);
}

Test(virtio_net_queues, a_legacy_queue_has_the_devices_size)
{
	port_open(&port, LEGACY);
	options("net.rxd=64");
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 256);
	cr_assert_not_null(strstr(plat_test_output(), "net.rxd=64"));
	port_close(&port);
}

Test(virtio_net_queues, refuses_queues_that_cannot_be)
{
	port_open(&port, MRG);
	port.d.queue_max[1] = 0;
	refused(&port, "queue 1");
	port_open(&port, MRG);
	port.d.nb_queues = 1;
	refused(&port, "queue 1");
	port_open(&port, LEGACY);
	port.d.queue_max[0] = 300;
	refused(&port, "queue 0");
	port_open(&port, MRG);
	port.d.queue_max[0] = 65535;
	refused(&port, "queue 0");
}

Test(virtio_net_queues, a_packed_queue_has_any_size)
{
	port_open(&port, PACKED_MRG);
	port.d.queue_max[0] = 300;
	port.d.queue_max[1] = 257;
	options("net.txd=100");
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 300);
	cr_assert_eq(((struct vnet *)port.vd.driver)->txd, 100);
	cr_assert_null(strstr(plat_test_output(), "warn"));
	exchange_frames(&port, 1000);
	port_close(&port);
}

Test(virtio_net_queues, one_descriptor_is_too_few_when_the_header_needs_its_own)
{
	port_open(&port, NO_ANY_LAYOUT);
	port.d.queue_max[0] = 1;
	refused(&port, "error: model: 1 Rx descriptors are too few, 2 are needed; raise net.rxd");
}

Test(virtio_net_queues, warns_when_the_rx_buffers_cannot_hold_a_frame)
{
	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 65535;
	port_memory(&port, 128u << 10);
	port_start(&port);
	cr_assert_not_null(strstr(plat_test_output(), "cannot hold a frame of 65609 bytes"), "%s",
	                   plat_test_output());
	exchange_frames(&port, 10);
	port_close(&port);
}

Test(virtio_net_queues, rounds_a_modern_queue_down_to_a_power_of_two)
{
	port_open(&port, MRG);
	port.d.queue_max[0] = 300;
	port_start(&port);
	cr_assert_eq(rxd_of(&port), 256);
	exchange_frames(&port, 30);
	port_close(&port);
}

ParameterizedTestParameters(virtio_net_queues, every_small_ring_carries_frames)
{
	static enum layout layouts[LAYOUTS];

	for (unsigned i = 0; i < LAYOUTS; i++)
		layouts[i] = (enum layout)i;
	return cr_make_param_array(enum layout, layouts, LAYOUTS);
}

ParameterizedTest(enum layout *layout, virtio_net_queues, every_small_ring_carries_frames)
{
	const bool packed = layout_is_packed(*layout);

	/* a header on its own and its data need two descriptors */
	for (uint16_t n = layout_hdr_alone(*layout) ? 2 : 1; n <= 16;
	     n = (uint16_t)(packed ? n + 1 : 2 * n)) {
		port_open(&port, *layout);
		port.d.queue_max[0] = port.d.queue_max[1] = n;
		port.d.batch = VDEV_BATCH_ALL;
		port_start(&port);
		cr_log_info("%s, rings of %u", layout_name(*layout), n);
		exchange_frames(&port, 50);
		port_close(&port);
	}
}

Test(virtio_net_queues, a_queue_that_the_device_does_not_take_stops_the_start_only)
{
	for (unsigned q = 0; q < 2; q++) {
		port_open(&port, MRG);
		port.d.queue_error = -EIO;
		port.d.queue_error_at = q;
		port_probe(&port);
		cr_assert_not_null(port.dev);
		cr_assert_eq(port.dev->ops->start(port.dev), -EIO);
		cr_assert_eq(port.d.status, 0, "the device was reset");
		cr_assert_eq(port.dev->queue[0].pool->n, port.dev->queue[0].pool->size);

		/* nothing goes into rings that nobody looks at */
		struct mbuf *m = mbuf_alloc(port.dev->queue[0].pool), *got;

		m->pkt_len = m->data_len = 64;
		cr_expect_eq(netdev_tx_burst(port.dev, 0, &m, 1), 0);
		mbuf_free(m);
		cr_expect_eq(netdev_rx_burst(port.dev, 0, &got, 1), 0);
		cr_expect_eq(port.dev->queue[0].pool->n, port.dev->queue[0].pool->size);
		port.d.queue_error = 0;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		exchange_frames(&port, 5);
		port_close(&port);
	}
}

Test(virtio_net_queues, a_ring_beyond_the_devices_reach_is_an_error)
{
	port_open(&port, LEGACY);
	port.d.ring_reach = 1;
	port_probe(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), -ERANGE);
	port_close(&port);
}

Test(virtio_net_queues, too_little_memory_is_one_clear_error)
{
	unsigned probed = 0;

	for (size_t kib = 4; kib <= 512; kib *= 2) {
		port_open(&port, MRG);
		port_memory(&port, kib << 10);
		port_probe(&port);
		if (!port.dev) {
			cr_assert_not_null(strstr(plat_test_output(), "memory"));
			port_close(&port);
			continue;
		}
		probed++;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		exchange_frames(&port, 30);
		port_close(&port);
	}
	cr_assert(probed >= 2 && probed < 8);
}
