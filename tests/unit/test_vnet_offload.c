/*
 * What a received net header says and may not say, on every form of ring, and with devices that lie
 * in each field; tags of VLANs; vector paths.
 */
#include "drivers/virtio/vnet.h"
#include "tests/unit/offload_fixture.h"

/* ---- receive ------------------------------------------------------------------------------ */

static void comes_with(const struct virtio_net_hdr *hdr, uint32_t flags)
{
	struct mbuf *m = receive_usual(hdr);

	cr_assert_not_null(m, "flags %x gso %x start %u offset %u: dropped", hdr->flags,
	                   hdr->gso_type, hdr->csum_start, hdr->csum_offset);
	frame_check(m, 5, LEN);
	cr_assert_eq(m->flags, flags, "flags %x", m->flags);
	if (flags & MBUF_RX_CSUM_NONE) {
		cr_assert_eq(m->csum_start, hdr->csum_start);
		cr_assert_eq(m->csum_offset, hdr->csum_offset);
	}
	if (flags & MBUF_GSO)
		cr_assert_eq(m->gso_size, hdr->gso_size);
	mbuf_free(m);
}

/* Dropped and counted; the next one is received. */
static void dropped(const struct virtio_net_hdr *hdr)
{
	const struct netdev_stats before = port_stats(&port);
	const struct virtio_net_hdr good = {.flags = 0};
	struct netdev_stats after;

	cr_assert_null(receive_usual(hdr), "flags %x gso %x size %u start %u offset %u: accepted",
	               hdr->flags, hdr->gso_type, hdr->gso_size, hdr->csum_start, hdr->csum_offset);
	after = port_stats(&port);
	cr_assert_eq(after.rx_errors, before.rx_errors + 1);
	cr_assert_eq(after.rx_packets, before.rx_packets);
	cr_assert_eq(after.rx_bytes, before.rx_bytes);
	comes_with(&good, 0);
}

Test(vnet_offload, the_state_of_the_checksum_comes_with_the_packet)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		open_with((enum layout)l, RX_ALL, "net.rx_offloads=csum");
		cr_assert_eq(port.dev->rx_offloads, MBUF_RX_CSUM_GOOD | MBUF_RX_CSUM_NONE);
		comes_with(&(struct virtio_net_hdr){.flags = 0}, 0);
		comes_with(&(struct virtio_net_hdr){.flags = DATA_VALID, .csum_start = 0xffff},
		           MBUF_RX_CSUM_GOOD);
		for (unsigned flags = 0; flags < 256; flags += 4) /* bits that nobody knows */
			comes_with(&(struct virtio_net_hdr){.flags = (uint8_t)(flags | NEEDS_CSUM),
			                                    .csum_start = 34,
			                                    .csum_offset = 6},
			           MBUF_RX_CSUM_NONE);
		comes_with(&(struct virtio_net_hdr){.flags = NEEDS_CSUM | DATA_VALID,
		                                    .hdr_len = 0xffff,
		                                    .csum_start = 34,
		                                    .csum_offset = 6},
		           MBUF_RX_CSUM_NONE);
		port_close(&port);
	}
}

Test(vnet_offload, a_checksum_outside_the_packet_drops_it)
{
	static const struct {
		uint16_t start, offset;
		bool good;
	} cases[] = {
	    {14, 0, true},        {13, 6, false},        {0, 0, false},
	    {LEN - 2, 0, true},   {LEN - 1, 0, false},   {LEN, 0, false},
	    {14, LEN - 16, true}, {14, LEN - 15, false}, {0xffff, 0xffff, false},
	    {34, 0xfffe, false},  {0xffff, 0, false},    {34, 0xffde, false},
	};

	for (unsigned l = 0; l < LAYOUTS; l++) {
		open_with((enum layout)l, RX_ALL, "net.rx_offloads=csum");
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			const struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM,
			                                   .csum_start = cases[i].start,
			                                   .csum_offset = cases[i].offset};

			if (cases[i].good)
				comes_with(&hdr, MBUF_RX_CSUM_NONE);
			else
				dropped(&hdr);
		}
		port_close(&port);
	}
}

Test(vnet_offload, several_segments_in_one_come_with_their_size)
{
	static const struct {
		uint8_t type;
		uint32_t flag;
	} types[] = {{VIRTIO_NET_HDR_GSO_TCPV4, MBUF_TSO4},
	             {VIRTIO_NET_HDR_GSO_TCPV6, MBUF_TSO6},
	             {VIRTIO_NET_HDR_GSO_UDP_L4, MBUF_USO}};

	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (!layout_is_mrg((enum layout)l) || layout_forms[l].legacy)
			continue;
		open_with((enum layout)l, RX_ALL, RX_WORDS);
		cr_assert_eq(port.dev->rx_offloads & MBUF_GSO, MBUF_GSO);
		for (unsigned i = 0; i < 3; i++) {
			struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM,
			                             .gso_type = types[i].type,
			                             .gso_size = 50,
			                             .csum_start = 34,
			                             .csum_offset = 6};

			comes_with(&hdr, MBUF_RX_CSUM_NONE | types[i].flag);
			hdr.flags = DATA_VALID;
			comes_with(&hdr, MBUF_RX_CSUM_GOOD | types[i].flag);
			hdr.flags = 0;
			dropped(&hdr);
			hdr.flags = NEEDS_CSUM;
			hdr.gso_size = 0;
			dropped(&hdr);
			hdr.gso_size = 50;
			hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN; /* not negotiated */
			dropped(&hdr);
		}
		port_close(&port);
	}
}

Test(vnet_offload, segments_of_a_kind_that_was_not_negotiated_are_dropped)
{
	struct virtio_net_hdr hdr = {
	    .flags = NEEDS_CSUM, .gso_size = 50, .csum_start = 34, .csum_offset = 6};

	open_with(MRG, VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO6, RX_WORDS);
	for (unsigned type = 1; type < 256; type++) {
		hdr.gso_type = (uint8_t)type;
		if (type != VIRTIO_NET_HDR_GSO_TCPV6)
			dropped(&hdr);
	}
	port_close(&port);
	open_with(MRG, RX_ALL, "net.rx_offloads=csum");
	hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
	dropped(&hdr);
	port_close(&port);
}

Test(vnet_offload, a_burst_loses_only_its_bad_packets)
{
	struct mbuf *pkts[32];

	for (unsigned l = 0; l < LAYOUTS; l++) {
		open_with((enum layout)l, RX_ALL, "net.rx_offloads=csum");
		for (unsigned i = 0; i < 32; i++) {
			uint8_t frame[LEN];
			/* every third one is a lie */
			const struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM,
			                                   .csum_start = i % 3 ? 34 : 1000};

			frame_fill(frame, i, LEN);
			vdev_net_rx_push_hdr(&port.d, 0, &hdr, frame, LEN);
		}
		vdev_step(&port.d, 32);
		cr_assert_eq(netdev_rx_burst(port.dev, 0, pkts, 32), 21);
		for (unsigned i = 0, k = 0; i < 32; i++) {
			if (i % 3) {
				frame_check(pkts[k], i, LEN);
				mbuf_free(pkts[k++]);
			}
		}
		cr_assert_eq(port_stats(&port).rx_packets, 21);
		cr_assert_eq(port_stats(&port).rx_bytes, 21 * LEN);
		cr_assert_eq(port_stats(&port).rx_errors, 11);
		port_close(&port);
	}
}

/* ---- 64 KiB ------------------------------------------------------------------------------- */

#define LONGEST 65549 /* 65535 bytes of IPv4 and the Ethernet header */

static uint8_t big[LONGEST];

static void big_check(const struct vdev_frame *f)
{
	cr_assert_not_null(f);
	cr_assert_eq(f->len, LONGEST);
	/* the device fills in the sum of what it cuts only afterwards */
	cr_assert_eq(memcmp(f->data, big, LONGEST), 0);
	cr_assert_eq(f->hdr.flags, NEEDS_CSUM);
	cr_assert_eq(f->hdr.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
	cr_assert_eq(f->hdr.gso_size, 1400);
	cr_assert_eq(f->hdr.csum_start, 34);
	cr_assert_eq(f->hdr.csum_offset, 6);
	cr_assert_eq(f->hdr.hdr_len, 42);
}

Test(vnet_offload, sixty_four_kilobytes_come_in_one_and_go_back_in_one)
{
	const struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM,
	                                   .gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
	                                   .gso_size = 1400,
	                                   .csum_start = 34,
	                                   .csum_offset = 6};

	for (size_t i = 0; i < LONGEST; i++)
		big[i] = (uint8_t)mix(9, i);
	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (!layout_is_mrg((enum layout)l) || layout_forms[l].legacy)
			continue;
		port_open(&port, (enum layout)l);
		port.d.offered |= RX_ALL | TX_ALL | VIRTIO_NET_F_MTU;
		options(RX_WORDS TX_WORDS);
		port_memory(&port, 16u << 20);
		port_start(&port);

		struct mbuf *m = receive(&hdr, big, LONGEST);

		cr_assert_not_null(m);
		cr_assert_eq(m->pkt_len, LONGEST);
		cr_assert_leq(m->nb_segs, VQ_SEGS_MAX - 1);
		cr_assert_eq(m->flags, MBUF_RX_CSUM_NONE | MBUF_USO);
		cr_assert_eq(netdev_tx_prepare(port.dev, m), 0);
		cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
		vdev_drain(&port.d);

		struct vdev_frame *f = vdev_net_tx_pop(&port.d, 0);

		big_check(f);
		free(f);
		port_close(&port);
	}
}

/* ---- VLAN --------------------------------------------------------------------------------- */

static void tag(uint8_t *frame, uint16_t tci)
{
	frame[12] = 0x81;
	frame[13] = 0;
	frame[14] = (uint8_t)(tci >> 8);
	frame[15] = (uint8_t)tci;
}

Test(vnet_offload, a_tag_is_taken_out_behind_the_checksums_offsets)
{
	const struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM, .csum_start = 38, .csum_offset = 6};
	uint8_t frame[LEN];

	for (unsigned l = 0; l < LAYOUTS; l++) {
		open_with((enum layout)l, RX_ALL, "net.rx_offloads=csum,vlan_strip");
		frame_fill(frame, 3, LEN);
		tag(frame, 0x6123);

		struct mbuf *m = receive(&hdr, frame, LEN);

		cr_assert_not_null(m);
		cr_assert_eq(m->flags, MBUF_RX_CSUM_NONE | MBUF_RX_VLAN);
		cr_assert_eq(m->vlan_tci, 0x6123);
		cr_assert_eq(m->csum_start, 34);
		cr_assert_eq(m->csum_offset, 6);
		cr_assert_eq(m->pkt_len, LEN - 4);
		cr_assert_eq(m->data_len, LEN - 4);
		cr_assert_eq(memcmp(mbuf_data(m), frame, 12), 0);
		cr_assert_eq(memcmp(mbuf_data(m) + 12, frame + 16, LEN - 16), 0);
		mbuf_free(m);
		cr_assert_eq(port_stats(&port).rx_bytes, LEN, "as on the wire");

		m = receive_usual(&hdr); /* no tag */
		cr_assert_eq(m->flags, MBUF_RX_CSUM_NONE);
		cr_assert_eq(m->csum_start, 38);
		mbuf_free(m);
		port_close(&port);
	}
}

Test(vnet_offload, a_tag_in_what_is_summed_up_drops_the_packet)
{
	struct virtio_net_hdr hdr = {.flags = NEEDS_CSUM, .csum_start = 18, .csum_offset = 6};
	uint8_t frame[LEN] = {0};

	open_with(MRG, RX_ALL, "net.rx_offloads=csum,vlan_strip");
	tag(frame, 5);
	mbuf_free(receive(&hdr, frame, LEN));
	cr_assert_eq(port_stats(&port).rx_packets, 1);
	hdr.csum_start = 17;
	cr_assert_null(receive(&hdr, frame, LEN));
	cr_assert_eq(port_stats(&port).rx_errors, 1);
	port_close(&port);
}

Test(vnet_offload, a_tag_needs_a_frame_around_it)
{
	const struct virtio_net_hdr hdr = {.flags = 0};
	uint8_t frame[LEN] = {0};
	struct mbuf *m;

	open_with(MRG, 0, "net.rx_offloads=vlan_strip");
	tag(frame, 5);
	m = receive(&hdr, frame, 17);
	cr_assert_eq(m->flags, 0);
	cr_assert_eq(m->pkt_len, 17);
	mbuf_free(m);
	m = receive(&hdr, frame, 18);
	cr_assert_eq(m->flags, MBUF_RX_VLAN);
	cr_assert_eq(m->pkt_len, 14);
	mbuf_free(m);
	port_close(&port);
}

/* ---- vector paths ------------------------------------------------------------------------- */

Test(vnet_offload, vector_paths_of_packed_rings_do_offloads)
{
	const struct vnet *vn;
	struct mbuf *pkts[32];

	open_with(PACKED_IN_ORDER_PLAIN, RX_ALL | TX_ALL,
	          "net.vectorized=1 net.rx_offloads=csum,vlan_strip " TX_WORDS);
	vn = container_of(port.dev, struct vnet, dev);
	if (!vn->choice.rx->isa || !vn->choice.tx->isa)
		cr_skip_test("this processor has no %s", vnet_isa_name(VEC_ISA_BOTH));
	for (unsigned i = 0; i < 32; i++) {
		uint8_t frame[LEN];
		const struct virtio_net_hdr hdr = {
		    .flags = i % 5 ? NEEDS_CSUM : 0, .csum_start = 34, .csum_offset = 6};

		frame_fill(frame, i, LEN);
		vdev_net_rx_push_hdr(&port.d, 0, &hdr, frame, LEN);
	}
	vdev_step(&port.d, 32);
	cr_assert_eq(netdev_rx_burst(port.dev, 0, pkts, 32), 32);
	for (unsigned i = 0; i < 32; i++) {
		frame_check(pkts[i], i, LEN);
		cr_assert_eq(pkts[i]->flags, i % 5 ? MBUF_RX_CSUM_NONE : 0);
		cr_assert_eq(netdev_tx_prepare(port.dev, pkts[i]), 0);
	}
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts, 32), 32);
	vdev_drain(&port.d);
	for (unsigned i = 0; i < 32; i++) {
		struct vdev_frame *f = vdev_net_tx_pop(&port.d, 0);

		cr_assert_eq(f->hdr.flags, i % 5 ? NEEDS_CSUM : 0, "frame %u", i);
		free(f);
	}
	port_close(&port);
}

Test(vnet_offload, vector_paths_that_cannot_say_why)
{
	static const struct {
		enum layout layout;
		uint64_t offered;
		const char *words, *says;
	} cases[] = {
	    {PLAIN, RX_ALL, "net.rx_offloads=csum", "vectorized Rx disabled: Rx offloads enabled"},
	    {PLAIN, 0, "net.rx_offloads=vlan_strip", "vectorized Rx disabled: Rx offloads enabled"},
	    {PLAIN, TX_ALL, "net.tx_offloads=csum", "vectorized Tx disabled: Tx offloads enabled"},
	    {PACKED_IN_ORDER_PLAIN, HASH, "net.rx_offloads=rss_hash",
	     "vectorized Tx disabled: hash report negotiated"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		plat_test_clear();
		port_open(&port, cases[i].layout);
		port.d.offered |= cases[i].offered;
		port.d.nb_queues = 3;
		port.d.config.rss_max_key_size = 40;
		options("net.vectorized=1");
		options(cases[i].words);
		port_start(&port);
		cr_assert_not_null(strstr(plat_test_output(), cases[i].says), "no \"%s\" in: %s",
		                   cases[i].says, plat_test_output());
		exchange_frames(&port, 40);
		port_close(&port);
	}
}
