/*
 * Several queue pairs on the device model: how many there are, by options and device; the command
 * that switches them on, and devices that refuse it; buffers of each pair, and memory for few.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "kernel/errno.h"
#include "kernel/json.h"
#include "tests/unit/ctrl_lies.h"
#include "tests/unit/said.h"

#define MQ (VIRTIO_NET_F_MQ | VIRTIO_NET_F_CTRL_VQ)
#define PAIRS 4

static struct port port;

static struct vnet *vnet_of(void)
{
	return port.vd.driver;
}

static void open_pairs(enum layout layout, unsigned there, const char *words)
{
	port_open(&port, layout);
	vdev_pairs(&port.d, there);
	plat_test_clear();
	options(words);
}

/* What was sent is of no interest. */
static void forget_sent(void)
{
	vdev_drain(&port.d);
	for (unsigned q = 0; q < PAIRS; q++) {
		struct vdev_frame *f;

		while ((f = vdev_net_tx_pop(&port.d, q)))
			free(f);
	}
}

/* ---- how many ----------------------------------------------------------------------------- */

Test(vnet_pairs, one_is_used_unless_an_option_says_more)
{
	open_pairs(MRG, PAIRS, "");
	port_start(&port);
	cr_assert_not(port.vd.features & MQ);
	cr_assert_eq(port.dev->nb_queues, 1);
	cr_assert_eq(port.d.irq_wanted, 2);
	cr_assert_eq(port.d.ctrl.commands, 0);
	exchange_frames(&port, 20);
	port_close(&port);
}

Test(vnet_pairs, the_larger_of_rxq_and_txq_counts)
{
	static const struct {
		const char *words;
		unsigned pairs;
	} cases[] = {
	    {"net0.rxq=3 net.rxq=2", 3},
	    {"net.rxq=1", 1},
	    {"net.rxq=3", 3},
	    {"net.txq=2", 2},
	    {"net.rxq=2 net.txq=4", 4},
	    {"net.rxq=4 net.txq=1", 4},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_pairs(MRG, PAIRS, cases[i].words);
		port_start(&port);
		cr_assert_eq(port.dev->nb_queues, cases[i].pairs, "%s", cases[i].words);
		cr_assert_eq(port.d.ctrl.pairs, cases[i].pairs);
		cr_assert_eq(!!(port.vd.features & VIRTIO_NET_F_MQ), cases[i].pairs > 1);
		cr_assert_not(said("queue pairs are wanted"));
		for (uint16_t q = 0; q < cases[i].pairs; q++)
			exchange_frames_of(&port, q, 20);
		port_close(&port);
	}
}

Test(vnet_pairs, more_than_there_are_is_told_and_done_without)
{
	open_pairs(MRG, 2, "net.rxq=128");
	port_start(&port);
	cr_assert(said("port 0: 128 queue pairs are wanted, but the device has 2; using 2"));
	cr_assert_eq(port.dev->nb_queues, 2);
	port_close(&port);

	/* multiqueue with a single pair is none */
	open_pairs(MRG, 1, "net.rxq=2");
	port_start(&port);
	cr_assert(said("2 queue pairs are wanted, but the device has 1; using 1"));
	cr_assert_not(port.vd.features & MQ);
	port_close(&port);

	for (unsigned i = 0; i < 2; i++) {
		open_pairs(MRG, PAIRS, "net.rxq=2");
		port.d.offered &= i ? ~VIRTIO_NET_F_MQ : ~VIRTIO_NET_F_CTRL_VQ;
		port_start(&port);
		cr_assert(said("the device has 1; using 1"));
		cr_assert_not(port.vd.features & MQ);
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(vnet_pairs, numbers_that_cannot_be_are_not_believed)
{
	/* 5.1.4.1: 1 to 0x8000; the control queue of the latter would have no number */
	static const uint16_t numbers[] = {0, 0x8000, 0x8001, 0xffff};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		open_pairs(MRG, PAIRS, "net.rxq=4");
		port.d.config.max_virtqueue_pairs = numbers[i];
		port_start(&port);
		cr_assert(said("no number of queue pairs that can be"), "%u: %s", numbers[i],
		          plat_test_output());
		cr_assert_not(port.vd.features & MQ);
		cr_assert_eq(port.dev->nb_queues, 1);
		exchange_frames(&port, 20);
		port_close(&port);
	}
}

Test(vnet_pairs, a_pair_unlike_the_first_is_not_used)
{
	open_pairs(MRG, PAIRS, "net.rxq=4");
	port.d.queue_max[5] = 128;
	port_start(&port);
	cr_assert(said("queue pair 2 has 256 and 128 entries, the first 256 and 256; using 2"));
	cr_assert_eq(port.d.ctrl.pairs, 2);
	exchange_frames_of(&port, 1, 20);
	port_close(&port);

	/* a larger ring can be made smaller, but not by legacy registers */
	for (unsigned legacy = 0; legacy < 2; legacy++) {
		open_pairs(legacy ? LEGACY_MRG : MRG, PAIRS, "net.rxq=4");
		port.d.queue_max[6] = 512;
		port_start(&port);
		cr_assert_eq(port.d.ctrl.pairs, legacy ? 3 : 4);
		port_close(&port);
	}
}

Test(vnet_pairs, without_any_layout_there_is_no_command_and_one_pair)
{
	open_pairs(NO_ANY_LAYOUT, PAIRS, "net.rxq=4");
	port_start(&port);
	cr_assert_eq(port.dev->nb_queues, 1);
	exchange_frames(&port, 20);
	port_close(&port);
}

/* ---- all of them -------------------------------------------------------------------------- */

Test(vnet_pairs, every_pair_carries_frames_on_every_path)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_hdr_alone((enum layout)l))
			continue;
		open_pairs((enum layout)l, PAIRS, "net.rxq=4 net.rxd=64 net.txd=64");
		for (unsigned i = 0; layout_forms[l].legacy && i < VDEV_QUEUES_MAX; i++)
			port.d.queue_max[i] = 64;
		port_start(&port);
		cr_assert_eq(port.d.ctrl.pairs, PAIRS);
		cr_assert_eq(port.d.irq_mode, VIRTIO_IRQ_MSIX);
		for (uint16_t q = PAIRS; q-- > 0;)
			exchange_frames_of(&port, q, 200);
		for (uint16_t q = 0; q < PAIRS; q++) {
			struct netdev_stats s = {.rx_packets = 0};

			port.dev->ops->stats(port.dev, q, &s);
			cr_assert_eq(s.rx_packets, 200);
			cr_assert_eq(s.tx_packets, 200);
			cr_assert_eq(port.d.queue[2 * q].vector, 1 + q);
		}
		port_close(&port);
	}
}

Test(vnet_pairs, what_stays_with_the_device_comes_home_to_its_own_pool)
{
	struct mbuf *m;

	open_pairs(MRG, PAIRS, "net.rxq=4");
	port_start(&port);
	/* received by one pair, sent by another */
	for (uint16_t q = 0; q < PAIRS; q++) {
		frame_push_to(&port, q, q, 100);
		vdev_step(&port.d, 8);
		cr_assert_eq(netdev_rx_burst(port.dev, q, &m, 1), 1);
		cr_assert_eq(m->pool, port.dev->queue[q].pool);
		cr_assert_eq(netdev_tx_burst(port.dev, (uint16_t)(PAIRS - 1 - q), &m, 1), 1);
	}
	port_stop(&port);
	forget_sent();
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	for (uint16_t q = 0; q < PAIRS; q++)
		exchange_frames_of(&port, q, 30);
	port_close(&port);
}

Test(vnet_pairs, a_lie_on_any_of_them_takes_the_port_down_and_a_start_brings_it_back)
{
	for (unsigned q = 0; q < 2 * PAIRS; q++) {
		struct mbuf *m;

		open_pairs(MRG, PAIRS, "net.rxq=4");
		port_start(&port);
		vdev_lie(&port.d, q, VDEV_LIE_ID_RANGE, 0, 0);
		frame_push_to(&port, q / 2, 1, 100);
		vdev_step(&port.d, 8);
		if (netdev_rx_burst(port.dev, (uint16_t)(q / 2), &m, 1) == 1)
			netdev_tx_burst(port.dev, (uint16_t)(q / 2), &m, 1);
		vdev_step(&port.d, 8);
		netdev_tx_burst(port.dev, (uint16_t)(q / 2), NULL, 0);
		/* Tx completions are looked at when there are many */
		vnet_of()->txq[q / 2].reclaim_at = 256;
		netdev_tx_burst(port.dev, (uint16_t)(q / 2), NULL, 0);
		port.dev->ops->link_poll(port.dev);
		cr_assert_not(port.dev->link_up, "queue %u", q);
		cr_assert(said(q & 1 ? "Tx queue" : "Rx queue"));
		port_stop(&port);
		forget_sent();
		port.d.queue[q].lie = VDEV_TRUTH;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		for (uint16_t i = 0; i < PAIRS; i++)
			exchange_frames_of(&port, i, 10);
		port_close(&port);
	}
}

Test(vnet_pairs, fewer_vectors_are_shared)
{
	open_pairs(MRG, PAIRS, "net.rxq=4");
	port.d.vectors = PAIRS; /* one too few */
	port_start(&port);
	cr_assert_eq(port.vd.irq_mode, VIRTIO_IRQ_SHARED);
	for (uint16_t q = 0; q < PAIRS; q++) {
		exchange_frames_of(&port, q, 10);
		cr_assert_eq(port.d.queue[2 * q].vector, 0);
	}
	port_close(&port);
}

Test(vnet_pairs, the_port_says_how_many_are_used)
{
	static struct json j;

	open_pairs(MRG, PAIRS, "net.rxq=3");
	port_start(&port);
	cr_assert(said("as much for each of 3 queue pairs"));
	json_begin(&j, "port");
	port.dev->ops->describe(port.dev, &j);
	cr_assert_not_null(strstr(j.text, "\"rxq\":3,\"txq\":3"));
	cr_assert_not_null(strstr(j.text, "\"msix\":{\"vectors\":4,\"config\":0,\"rx\":[1,2,3]}"));
	port_close(&port);
}

Test(vnet_pairs, hashes_are_asked_for_after_the_pairs)
{
	open_pairs(MRG, PAIRS, "net.rxq=4 net.rx_offloads=rss_hash");
	port.d.offered |= VIRTIO_NET_F_HASH_REPORT;
	port.d.config.rss_max_key_size = 40;
	port.d.config.supported_hash_types = 0x3f;
	port_start(&port);
	cr_assert_eq(port.d.ctrl.commands, 2);
	cr_assert_eq(port.d.ctrl.what.command, VIRTIO_NET_CTRL_MQ_HASH_CONFIG);
	cr_assert_eq(port.d.ctrl.pairs, PAIRS);
	port_close(&port);
}

/* ---- a device that does not do it --------------------------------------------------------- */

Test(vnet_pairs, a_device_that_does_not_switch_them_on_serves_with_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(ctrl_lies); i++) {
		struct mbuf *m;

		open_pairs(MRG, PAIRS, "net.rxq=4");
		plat_test_time_step_ns = 1000000;
		port_probe(&port);
		vdev_lie(&port.d, 2 * PAIRS, ctrl_lies[i].lie, 0, ctrl_lies[i].value);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert(said("control command 4.0 failed"));
		cr_assert(said(ctrl_lies[i].says), "no \"%s\" in: %s", ctrl_lies[i].says,
		          plat_test_output());
		cr_assert(said("one queue pair is used instead of 4"));
		cr_assert_eq(vnet_of()->nb_active, 1);
		exchange_frames(&port, 20);
		/* nothing goes by the others, and nothing is wrong with them */
		m = mbuf_alloc(port.dev->queue[3].pool);
		m->pkt_len = m->data_len = 64;
		cr_assert_eq(netdev_tx_burst(port.dev, 3, &m, 1), 0);
		mbuf_free(m);
		/* one that said no is left at that, one that lied is reset */
		port.dev->ops->link_poll(port.dev);
		cr_assert_eq(port.dev->link_up, ctrl_lies[i].lie == VDEV_LIE_ACK);

		port_stop(&port);
		port.d.queue[2 * PAIRS].lie = VDEV_TRUTH;
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(vnet_of()->nb_active, PAIRS);
		exchange_frames_of(&port, 3, 20);
		port_close(&port);
	}
	plat_test_time_step_ns = 0;
}

Test(vnet_pairs, a_device_that_comes_back_with_fewer_is_refused)
{
	open_pairs(MRG, PAIRS, "net.rxq=3");
	port_start(&port);
	port_stop(&port);
	port.d.config.max_virtqueue_pairs = 2;
	cr_assert_eq(port.dev->ops->start(port.dev), -EOPNOTSUPP);
	cr_assert(said("the device now has 2 queue pairs; not used"));
	/* with as many as needed the control queue has moved */
	port.d.config.max_virtqueue_pairs = 3;
	port.d.nb_queues = 7;
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_eq(port.d.ctrl.pairs, 3);
	exchange_frames_of(&port, 2, 20);
	port_close(&port);
}

Test(vnet_pairs, little_memory_gives_fewer_pairs_and_the_first_always)
{
	bool one = false, some = false;

	for (size_t kib = 64; kib <= 4096; kib *= 2) {
		open_pairs(MRG, PAIRS, "net.rxq=4");
		port_memory(&port, kib << 10);
		port_probe(&port);
		if (!port.dev) {
			cr_assert_lt(kib, 128);
			port_close(&port);
			continue;
		}
		one |= port.dev->nb_queues == 1;
		some |= port.dev->nb_queues > 1 && port.dev->nb_queues < PAIRS;
		cr_assert(port.dev->nb_queues == PAIRS || said("memory for"), "%zu KiB", kib);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		for (uint16_t q = 0; q < port.dev->nb_queues; q++)
			exchange_frames_of(&port, q, 30);
		port_close(&port);
	}
	cr_assert(one && some);
}
