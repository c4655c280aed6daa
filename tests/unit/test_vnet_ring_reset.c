/* One queue that is stopped, started and resized while the others go on, on the device model. */
#include "kernel/errno.h"
#include "tests/unit/said.h"
#include "tests/unit/vnet_fixture.h"

static struct port port;

/* Those that can have RING_RESET. */
static bool modern(unsigned layout)
{
	return !layout_forms[layout].legacy;
}

static void begin(unsigned layout)
{
	port_open(&port, (enum layout)layout);
	port.d.offered |= VIRTIO_F_RING_RESET;
	plat_test_time_step_ns = 1000;
	port_start(&port);
	cr_assert(port.vd.features & VIRTIO_F_RING_RESET);
}

static int stop(bool tx)
{
	return port.dev->ops->queue_stop(port.dev, 0, tx);
}

static int start(bool tx)
{
	return port.dev->ops->queue_start(port.dev, 0, tx);
}

static int resize(bool tx, unsigned n)
{
	return port.dev->ops->queue_resize(port.dev, 0, tx, n);
}

static unsigned send(unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < n; i++) {
		struct mbuf *m = mbuf_alloc(port.dev->queue[0].pool);

		cr_assert_not_null(m);
		m->data_len = 64;
		m->pkt_len = 64;
		sent += netdev_tx_burst(port.dev, 0, &m, 1);
		if (sent <= i)
			mbuf_free(m);
	}
	return sent;
}

static void forget_sent(void)
{
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(&port.d, 0)) != NULL)
		free(f);
}

Test(vnet_ring_reset, a_tx_queue_stops_and_starts)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		if (!modern(layout))
			continue;
		begin(layout);
		exchange_frames(&port, 20);
		for (unsigned i = 1; i <= 3; i++) {
			cr_assert_eq(send(5), 5);
			port.d.hold = 2;
			vdev_step(&port.d, 5);
			cr_assert_eq(stop(true), 0);
			cr_assert_eq(port_stats(&port).tx_lost, 2 * i, "what it had not sent");
			cr_assert_eq(send(3), 0);
			port.dev->ops->link_poll(port.dev);
			cr_assert(port.dev->link_up);
			cr_assert_eq(stop(true), -EBUSY);
			cr_assert_eq(start(true), 0);
			cr_assert_eq(start(true), -EBUSY);
			port.d.hold = 0;
			forget_sent();
			exchange_frames(&port, 20);
		}
		cr_assert_eq(port_stats(&port).failures, 0);
		cr_assert_eq(port.d.resets, 1);
		port_close(&port);
	}
}

Test(vnet_ring_reset, an_rx_queue_stops_and_starts)
{
	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		struct mbuf *m;

		if (!modern(layout))
			continue;
		begin(layout);
		exchange_frames(&port, 20);

		const struct mempool *pool = port.dev->queue[0].pool;

		frame_push(&port, 0, 64);
		frame_push(&port, 1, 64);
		vdev_step(&port.d, 5);
		cr_assert_eq(stop(false), 0);
		cr_assert_eq(port_stats(&port).rx_errors, 2, "received, and read by nobody");
		cr_assert_eq(port_stats(&port).rx_packets, 20);
		cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 0);
		cr_assert_geq(pool->n + port.d.queue_max[1], pool->size, "its buffers are back");
		cr_assert_eq(send(3), 3, "the other direction goes on");
		vdev_drain(&port.d);
		forget_sent();
		cr_assert_eq(start(false), 0);
		exchange_frames(&port, 20);
		cr_assert_eq(port.d.resets, 1);
		port_close(&port);
	}
}

/* Whatever was done with the rings: a frame of the longest kind does not get stuck in front of all
 * others. */
static void exchange_long_frame(bool mrg)
{
	static const uint8_t frame[65000];
	struct mbuf *m = NULL;

	vdev_net_rx_push(&port.d, 0, frame, mrg ? sizeof(frame) : 1514);
	vdev_drain(&port.d);
	cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 1);
	cr_assert_eq(m->pkt_len, mrg ? sizeof(frame) : 1514);
	mbuf_free(m);
}

Test(vnet_ring_reset, queues_get_other_sizes)
{
	static const unsigned sizes[] = {4, 128, 256, 64, 16, 256};

	for (unsigned layout = 0; layout < LAYOUTS; layout++) {
		const bool mrg = layout_is_mrg((enum layout)layout);

		if (!modern(layout))
			continue;
		begin(layout);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			const bool short_of = mrg && sizes[i] < 33;
			const unsigned before = port.d.queue[0].size;

			cr_assert_eq(resize(true, sizes[i]), 0);
			cr_assert_eq(resize(false, sizes[i]), short_of ? -EINVAL : 0);
			cr_assert_eq(port.d.queue[0].size, short_of ? before : sizes[i]);
			cr_assert_eq(port.d.queue[1].size, sizes[i]);
			exchange_long_frame(mrg);
			exchange_frames(&port, 600 / (unsigned)(i + 1));
		}
		cr_assert_eq(said("4 Rx buffers of 2048 bytes cannot hold a frame of 65609 bytes"),
		             mrg);
		/* they stay so */
		cr_assert_eq(resize(false, 128), 0);
		port_stop(&port);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(port.d.queue[0].size, 128);
		exchange_frames(&port, 100);
		port_close(&port);
		plat_test_clear();
	}
}

Test(vnet_ring_reset, a_queue_that_is_stopped_gets_its_size_with_its_start)
{
	begin(MRG);
	cr_assert_eq(stop(true), 0);
	cr_assert_eq(resize(true, 8), 0);
	cr_assert_not(port.d.queue[1].enabled);
	cr_assert_eq(start(true), 0);
	cr_assert_eq(port.d.queue[1].size, 8);
	exchange_frames(&port, 50);
	port_close(&port);
}

Test(vnet_ring_reset, sizes_that_cannot_be)
{
	begin(MRG);
	cr_assert_eq(resize(true, 0), -EINVAL);
	cr_assert_eq(resize(true, 100), -EINVAL);
	cr_assert_eq(resize(true, 512), -ENOSPC);
	cr_assert_eq(resize(false, 65536), -ENOSPC);
	cr_assert_eq(port.dev->ops->queue_stop(port.dev, 1, true), -EINVAL);
	exchange_frames(&port, 50);
	port_close(&port);

	begin(PACKED_MRG);
	cr_assert_eq(resize(true, 100), 0);
	cr_assert_eq(resize(false, 33), 0);
	exchange_long_frame(true);
	exchange_frames(&port, 500);
	port_close(&port);
}

Test(vnet_ring_reset, a_device_without_it)
{
	port_open(&port, MRG);
	port_start(&port);
	cr_assert_eq(stop(true), -EOPNOTSUPP);
	cr_assert_eq(start(false), -EOPNOTSUPP);
	cr_assert_eq(resize(true, 128), -EOPNOTSUPP);
	exchange_frames(&port, 5);
	port_close(&port);
}

Test(vnet_ring_reset, a_port_that_does_not_run)
{
	begin(MRG);
	cr_assert_eq(stop(true), 0);
	port_stop(&port);
	cr_assert_eq(stop(false), -EIO);
	cr_assert_eq(start(true), -EIO);
	/* a start starts all queues */
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	exchange_frames(&port, 5);
	port_close(&port);
}

Test(vnet_ring_reset, a_queue_that_does_not_reset_fails_the_port)
{
	begin(MRG);
	cr_assert_eq(send(3), 3);
	port.d.queue_reset_sticks = true;
	cr_assert_eq(stop(true), -EIO);
	cr_assert_not(port.dev->link_up);
	plat_test_time_ns += 100000000;
	port.dev->ops->link_poll(port.dev);
	cr_assert(port.dev->link_up);
	cr_assert_eq(port_stats(&port).tx_lost, 3);
	exchange_frames(&port, 5);
	port_close(&port);
}

Test(vnet_ring_reset, one_of_several_pairs)
{
	port_open(&port, PACKED_MRG);
	port.d.offered |= VIRTIO_F_RING_RESET;
	vdev_pairs(&port.d, 3);
	options("net.rxq=3");
	port_start(&port);
	for (uint16_t i = 0; i < 3; i++) {
		cr_assert_eq(port.dev->ops->queue_resize(port.dev, i, false, 64 + i), 0);
		cr_assert_eq(port.dev->ops->queue_stop(port.dev, i, true), 0);
		exchange_frames_of(&port, (uint16_t)((i + 1) % 3), 40);
		cr_assert_eq(port.dev->ops->queue_start(port.dev, i, true), 0);
		exchange_frames_of(&port, i, 40);
		cr_assert_eq(port.d.queue[2 * i].size, 64 + i);
		cr_assert_eq(port.d.queue[2 * i].vector, 1 + i);
	}
	port_close(&port);
}
