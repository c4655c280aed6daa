/*
 * What the driver's bodies leave behind, exactly: counters, fields of mbufs that had another life,
 * how much of the pool a ring takes, and what is said of a queue that broke.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"

#define LONGEST 65589 /* virtio 5.1.9.3: the longest frame */

static struct port port;

/* Takes all but @left mbufs out of the pool. */
static unsigned hoard(struct mbuf **held, unsigned left)
{
	return mempool_get_bulk(port.dev->queue[0].pool, held, port.dev->queue[0].pool->n - left);
}

static void give_back(struct mbuf **held, unsigned n)
{
	while (n)
		mempool_put(held[--n]);
}

/* One step of the device, one burst; the packets stay in @held. */
static unsigned receive(struct mbuf **held, unsigned frames)
{
	for (unsigned i = 0; i < frames; i++)
		frame_push(&port, i, 64);
	vdev_step(&port.d, frames);
	return netdev_rx_burst(port.dev, 0, held, 64);
}

Test(vnet_books, a_received_packet_has_nothing_of_its_buffers_former_life)
{
	static struct netdev other;
	struct mbuf *m;

	/* so that the port's number is not 0 */
	cr_assert_eq(netdev_register(&other), 0);
	port_open(&port, PLAIN);
	port_probe(&port);
	for (unsigned i = 0; i < port.dev->queue[0].pool->n; i++) {
		m = port.dev->queue[0].pool->stack[i];
		m->flags = MBUF_TX_CSUM;
		m->packet_type = 0x123;
		m->nb_segs = 7;
		m->port = 99;
		m->next = m;
	}
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(receive(&m, 1), 1);
	cr_assert_eq(m->flags, 0);
	cr_assert_eq(m->packet_type, 0);
	cr_assert_eq(m->port, 1);
	frame_check(m, 0, 64);
	mbuf_free(m);
	port_close(&port);
}

static unsigned nombuf(void)
{
	return (unsigned)port_stats(&port).rx_nombuf;
}

Test(vnet_books, a_refill_takes_what_the_pool_has_and_counts_each_shortage_once)
{
	struct mbuf *held[512], *pkts[64];

	port_open(&port, MRG);
	port.d.queue_max[0] = port.d.queue_max[1] = 64;
	port_start(&port);
	for (unsigned round = 0; round < 3; round++) {
		const unsigned n = hoard(held, 5);

		cr_assert_eq(nombuf(), round);
		cr_assert_eq(receive(pkts, 16), 16);
		cr_assert_eq(nombuf(), round + 1);
		cr_assert_eq(port.dev->queue[0].pool->n, 0, "%u mbufs are left",
		             port.dev->queue[0].pool->n);
		cr_assert_eq(receive(pkts + 16, 10), 10);
		cr_assert_eq(nombuf(), round + 1, "still the same shortage");

		give_back(held, n);
		give_back(pkts, 26);
		cr_assert_eq(receive(pkts, 20), 20);
		give_back(pkts, 20);
	}
	port_close(&port);
}

Test(vnet_books, a_refill_that_takes_the_last_of_the_pool_lacks_nothing)
{
	struct mbuf *held[512], *pkts[64];

	port_open(&port, MRG);
	port.d.queue_max[0] = port.d.queue_max[1] = 64;
	port_start(&port);

	const unsigned n = hoard(held, 16);

	cr_assert_eq(receive(pkts, 16), 16);
	cr_assert_eq(port.dev->queue[0].pool->n, 0, "%u mbufs are left",
	             port.dev->queue[0].pool->n);
	cr_assert_eq(nombuf(), 0);
	give_back(held, n);
	give_back(pkts, 16);
	port_close(&port);
}

Test(vnet_books, a_ring_larger_than_the_pool_takes_half_of_it)
{
	struct mbuf *m[64];
	unsigned half;

	port_open(&port, MRG);
	port.d.queue_max[0] = port.d.queue_max[1] = 1024;
	port_memory(&port, 400 << 10);
	port_start(&port);
	half = port.dev->queue[0].pool->size / 2;
	cr_assert_eq(port.dev->queue[0].pool->n, port.dev->queue[0].pool->size - half);

	/* and no more when it is filled up again */
	for (unsigned i = 0; i < 20; i++) {
		const unsigned n = receive(m, 32);

		for (unsigned k = 0; k < n; k++)
			mbuf_free(m[k]);
		cr_assert_geq(port.dev->queue[0].pool->n, port.dev->queue[0].pool->size - half);
	}
	port_close(&port);
}

static void breaks_saying(enum vdev_lie lie, const char *reason)
{
	struct mbuf *m;

	port_open(&port, MRG);
	port_start(&port);
	vdev_lie(&port.d, 0, lie, 0, 0);
	cr_assert_eq(receive(&m, 1), 0);
	plat_test_clear();
	port.dev->ops->link_poll(port.dev);
	cr_assert_not_null(strstr(plat_test_output(), reason), "no \"%s\" in: %s", reason,
	                   plat_test_output());
	port_close(&port);
}

Test(vnet_books, says_why_a_queue_is_broken)
{
	breaks_saying(VDEV_LIE_ID_IDLE, "used id that is not with the device");
	breaks_saying(VDEV_LIE_LEN_LONG, "used length above the buffer's capacity");
	breaks_saying(VDEV_LIE_USED_JUMP, "used index ahead of what was made available");
}

/* ---- transmit ----------------------------------------------------------------------------- */

static void send(unsigned n)
{
	struct mbuf *m[64];

	for (unsigned i = 0; i < n; i++) {
		m[i] = mbuf_alloc(port.dev->queue[0].pool);
		m[i]->data_len = 64;
		m[i]->pkt_len = 64;
		memset(mbuf_data(m[i]), 0, 64);
	}
	cr_assert_eq(netdev_tx_burst(port.dev, 0, m, (uint16_t)n), n);
	vdev_step(&port.d, n);
	for (struct vdev_frame *f; (f = vdev_net_tx_pop(&port.d, 0));)
		free(f);
}

static const enum layout split_and_packed[] = {MRG, PACKED_IN_ORDER_MRG};

Test(vnet_books, sent_buffers_are_freed_when_more_than_32_have_piled_up)
{
	unsigned before;

	for (unsigned l = 0; l < ARRAY_SIZE(split_and_packed); l++) {
		port_open(&port, split_and_packed[l]);
		port.d.queue_max[1] = 256;
		port_start(&port);
		before = port.dev->queue[0].pool->n;
		for (unsigned i = 1; i <= 33; i++) {
			send(1);
			cr_assert_eq(port.dev->queue[0].pool->n, before - i, "%u were sent", i);
		}
		send(1);
		cr_assert_eq(port.dev->queue[0].pool->n, before - 1);
		port_close(&port);
	}
}

Test(vnet_books, a_burst_that_just_fits_waits_for_nothing)
{
	unsigned before;

	for (unsigned l = 0; l < ARRAY_SIZE(split_and_packed); l++) {
		port_open(&port, split_and_packed[l]);
		port.d.queue_max[1] = 64;
		port_start(&port);
		before = port.dev->queue[0].pool->n;
		send(32);
		send(32);
		cr_assert_eq(port.dev->queue[0].pool->n, before - 64);
		send(1);
		cr_assert_eq(port.dev->queue[0].pool->n, before - 1);
		port_close(&port);
	}
}

Test(vnet_books, buffers_that_wait_for_their_batch_are_not_missed)
{
	static const uint8_t longest[LONGEST];
	struct mbuf *m[VNET_BATCH];

	for (uint16_t ring = 4; ring <= 256; ring *= 2) {
		port_open(&port, MRG);
		port.d.queue_max[0] = ring;
		port_start(&port);
		for (unsigned i = 0; i < 2 * VNET_BATCH; i++) {
			vdev_net_rx_push(&port.d, 0, longest, i % 3 ? 64 : LONGEST);
			vdev_drain(&port.d);
			cr_assert_eq(netdev_rx_burst(port.dev, 0, m, VNET_BATCH), 1,
			             "frame %u of a ring of %u", i, ring);
			mbuf_free(m[0]);
		}
		port_close(&port);
	}
}

Test(vnet_books, a_small_ring_holds_the_largest_frame_of_another_port)
{
	struct mbuf *m[8];

	for (uint16_t ring = 4; ring <= 16; ring *= 2) {
		port_open(&port, MRG);
		port.d.queue_max[0] = ring;
		port_start(&port);
		frame_push(&port, 3, FRAME_MAX);
		vdev_drain(&port.d);
		cr_assert_eq(netdev_rx_burst(port.dev, 0, m, 8), 1, "ring of %u", ring);
		frame_check(m[0], 3, FRAME_MAX);
		mbuf_free(m[0]);
		port_close(&port);
	}
}

Test(vnet_books, a_frame_beyond_the_devices_mtu_is_not_sent_but_counted)
{
	struct mbuf *m;

	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = 1000;
	port_start(&port);
	for (uint16_t len = 1018; len <= 1019; len++) {
		m = mbuf_alloc(port.dev->queue[0].pool);
		memset(mbuf_data(m), 0, len);
		m->data_len = len;
		m->pkt_len = len;
		cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	}
	cr_assert_eq(port_stats(&port).tx_packets, 1);
	cr_assert_eq(port_stats(&port).tx_errors, 1);
	port_close(&port);
}
