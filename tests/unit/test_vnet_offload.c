/*
 * Offloads: what a received net header says and may not say, what is written into a sent one, tags
 * of VLANs, hashes and the control queue they need; on every form of ring, and with devices that
 * lie in each field.
 */
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "net/csum.h"
#include "net/vlan.h"
#include "tests/unit/vnet_fixture.h"

#define RX_ALL                                                                                     \
	(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 |             \
	 VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)
#define TX_ALL                                                                                     \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |                     \
	 VIRTIO_NET_F_HOST_USO | VIRTIO_NET_F_GUEST_HDRLEN)
#define HASH (VIRTIO_NET_F_HASH_REPORT | VIRTIO_NET_F_CTRL_VQ)
#define RX_WORDS "net.rx_offloads=csum,lro "
#define TX_WORDS "net.tx_offloads=csum,tso,uso "
#define LEN 200
#define NEEDS_CSUM VIRTIO_NET_HDR_F_NEEDS_CSUM
#define DATA_VALID VIRTIO_NET_HDR_F_DATA_VALID

static struct port port;

static void open_with(enum layout layout, uint64_t offered, const char *words)
{
	port_open(&port, layout);
	port.d.offered |= offered;
	if (offered & VIRTIO_NET_F_CTRL_VQ)
		port.d.nb_queues = 3;
	port.d.config.rss_max_key_size = 40;
	port.d.config.supported_hash_types = 0x3f;
	options(words);
	port_start(&port);
}

/* ---- receive ------------------------------------------------------------------------------ */

/* A frame with this header; the packet that comes of it, NULL when it is dropped. */
static struct mbuf *receive(const struct virtio_net_hdr *hdr, const void *frame, uint32_t len)
{
	struct mbuf *m = NULL;

	vdev_net_rx_push_hdr(&port.d, 0, hdr, frame, len);
	vdev_step(&port.d, 1);
	return netdev_rx_burst(port.dev, 0, &m, 1) ? m : NULL;
}

static struct mbuf *receive_usual(const struct virtio_net_hdr *hdr)
{
	uint8_t frame[LEN];

	frame_fill(frame, 5, LEN);
	return receive(hdr, frame, LEN);
}

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

/* ---- options and features ----------------------------------------------------------------- */

Test(vnet_offload, nothing_is_asked_for_without_an_option)
{
	open_with(MRG, RX_ALL | TX_ALL | HASH | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "");
	cr_assert_not(port.vd.features &
	              (RX_ALL | TX_ALL | HASH | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS));
	cr_assert_eq(port.dev->rx_offloads | port.dev->tx_offloads, 0);
	port_close(&port);
}

Test(vnet_offload, an_option_asks_for_what_belongs_to_it)
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

Test(vnet_offload, what_cannot_be_had_is_told_and_done_without)
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

/* ---- transmit ----------------------------------------------------------------------------- */

static struct mbuf *packet(uint32_t len, uint32_t flags)
{
	struct mbuf *m = mbuf_alloc(port.dev->pool);

	frame_fill(mbuf_data(m), 7, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->flags = flags;
	m->csum_start = 34;
	m->csum_offset = 6;
	m->gso_size = 100;
	return m;
}

static struct vdev_frame *sent(struct mbuf *m)
{
	cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	vdev_drain(&port.d);
	return vdev_net_tx_pop(&port.d, 0);
}

static void refused_to_send(struct mbuf *m)
{
	const uint64_t before = port_stats(&port).tx_errors;

	cr_assert_null(sent(m));
	cr_assert_eq(port_stats(&port).tx_errors, before + 1);
}

Test(vnet_offload, the_device_fills_in_the_checksum)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		uint8_t want[LEN];

		open_with((enum layout)l, TX_ALL, TX_WORDS);

		struct mbuf *m = packet(LEN, MBUF_TX_CSUM);
		const uint16_t csum =
		    csum_final(csum_fold(csum_bytes(mbuf_data(m) + 34, LEN - 34, 0)));
		struct vdev_frame *f = sent(m);

		frame_fill(want, 7, LEN);
		memcpy(want + 40, &csum, 2);
		cr_assert_not_null(f);
		cr_assert_eq(f->hdr.flags, NEEDS_CSUM);
		cr_assert_eq(f->len, LEN);
		cr_assert_eq(memcmp(f->data, want, LEN), 0);
		free(f);

		f = sent(packet(LEN, 0));
		cr_assert_eq(f->hdr.flags | f->hdr.gso_type | f->hdr.csum_start | f->hdr.hdr_len,
		             0);
		free(f);
		port_close(&port);
	}
}

Test(vnet_offload, a_packet_of_several_pieces_has_one_header)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		open_with((enum layout)l, TX_ALL, TX_WORDS);

		struct mbuf *m = packet(LEN, MBUF_TX_CSUM);
		struct vdev_frame *f;

		m->next = packet(LEN, 0);
		m->pkt_len += LEN;
		m->nb_segs = 2;
		f = sent(m);
		cr_assert_eq(f->hdr.flags, NEEDS_CSUM);
		cr_assert_eq(f->len, 2 * LEN);
		free(f);
		port_close(&port);
	}
}

/* A TCP header with a length of @words at 34. */
static struct mbuf *tcp_packet(uint32_t flags, unsigned words)
{
	struct mbuf *m = packet(LEN, flags);

	m->csum_offset = 16;
	mbuf_data(m)[34 + 12] = (uint8_t)(words << 4);
	return m;
}

Test(vnet_offload, the_device_cuts_packets_into_segments)
{
	static const struct {
		uint32_t flag;
		uint8_t type;
	} types[] = {{MBUF_TSO4, VIRTIO_NET_HDR_GSO_TCPV4}, {MBUF_TSO6, VIRTIO_NET_HDR_GSO_TCPV6}};

	for (unsigned l = 0; l < LAYOUTS; l++) {
		struct vdev_frame *f;

		if (layout_forms[l].legacy)
			continue;
		open_with((enum layout)l, TX_ALL, TX_WORDS);
		f = sent(packet(LEN, MBUF_USO)); /* TX_CSUM goes without saying */
		cr_assert_eq(f->hdr.flags, NEEDS_CSUM);
		cr_assert_eq(f->hdr.gso_type, VIRTIO_NET_HDR_GSO_UDP_L4);
		cr_assert_eq(f->hdr.gso_size, 100);
		cr_assert_eq(f->hdr.hdr_len, 42);
		free(f);
		for (unsigned i = 0; i < 2; i++) {
			f = sent(tcp_packet(types[i].flag, 8));
			cr_assert_eq(f->hdr.gso_type, types[i].type);
			cr_assert_eq(f->hdr.hdr_len, 34 + 32);
			free(f);
		}
		port_close(&port);
	}
}

Test(vnet_offload, a_packet_whose_fields_make_no_sense_is_not_sent)
{
	struct mbuf *m;

	open_with(MRG, TX_ALL, TX_WORDS);
	m = packet(LEN, MBUF_TX_CSUM);
	m->csum_start = LEN - 7;
	refused_to_send(m);
	m = packet(LEN, MBUF_TX_CSUM);
	m->csum_offset = 0xffff;
	refused_to_send(m);
	m = packet(LEN, MBUF_USO);
	m->gso_size = 0;
	refused_to_send(m);
	m = packet(LEN, MBUF_USO);
	m->csum_start = LEN - 8;
	m->csum_offset = 6;
	free(sent(m)); /* just so: no payload */
	m = packet(LEN, MBUF_USO);
	m->csum_start = LEN - 7;
	m->csum_offset = 4;
	refused_to_send(m);
	refused_to_send(packet(LEN, MBUF_USO | MBUF_TSO4));
	refused_to_send(tcp_packet(MBUF_TSO4, 4));
	refused_to_send(tcp_packet(MBUF_TSO4 | MBUF_TSO6, 5));
	m = tcp_packet(MBUF_TSO4, 15);
	m->csum_start = LEN - 59;
	m->csum_offset = 2;
	refused_to_send(m);
	m = packet(LEN, MBUF_TSO6);
	m->csum_start = LEN - 19;
	m->csum_offset = 16;
	refused_to_send(m);
	port_close(&port);
}

Test(vnet_offload, flags_that_the_port_does_not_honour_are_ignored)
{
	static const char *const words[] = {"", "net.tx_offloads=csum"};

	for (unsigned i = 0; i < 2; i++) {
		struct vdev_frame *f;

		open_with(MRG, VIRTIO_NET_F_CSUM, words[i]);
		f = sent(packet(LEN, MBUF_USO | MBUF_TX_VLAN | MBUF_RX_CSUM_NONE | MBUF_RX_HASH));
		cr_assert_eq(f->len, LEN);
		cr_assert_eq(f->hdr.flags | f->hdr.gso_type, 0);
		free(f);
		port_close(&port);
	}
}

Test(vnet_offload, only_what_the_device_cuts_may_be_longer_than_its_mtu)
{
	struct mbuf *m;

	open_with(MRG, TX_ALL | VIRTIO_NET_F_MTU, TX_WORDS);
	m = packet(1519, MBUF_TX_CSUM);
	refused_to_send(m);
	m = packet(1519, MBUF_USO);
	free(sent(m));
	cr_assert_eq(port_stats(&port).tx_packets, 1);
	port_close(&port);
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

Test(vnet_offload, a_tag_is_put_in_and_the_checksum_moves_with_the_data)
{
	for (unsigned l = 0; l < LAYOUTS; l++) {
		uint8_t want[LEN];

		open_with((enum layout)l, TX_ALL, "net.tx_offloads=csum,vlan_insert");

		struct mbuf *m = packet(LEN, MBUF_TX_CSUM | MBUF_TX_VLAN);
		struct vdev_frame *f;

		m->vlan_tci = 0x2005;
		f = sent(m);
		frame_fill(want, 7, LEN);
		cr_assert_eq(f->len, LEN + 4);
		cr_assert_eq(f->hdr.csum_start, 38);
		cr_assert_eq(memcmp(f->data, want, 12), 0);
		cr_assert_eq(memcmp(f->data + 12, "\x81\0\x20\x05", 4), 0);
		cr_assert_eq(memcmp(f->data + 16, want + 12, 28), 0);
		cr_assert_eq(port_stats(&port).tx_bytes, LEN + 4);
		free(f);
		port_close(&port);
	}
}

Test(vnet_offload, a_packet_that_has_to_wait_gets_its_tag_once)
{
	struct mbuf *pkts[6];
	unsigned n;

	open_with(MRG, TX_ALL, "net.txd=4 net.tx_offloads=csum,vlan_insert");
	for (unsigned i = 0; i < 6; i++)
		pkts[i] = packet(LEN, MBUF_TX_CSUM | MBUF_TX_VLAN);
	n = netdev_tx_burst(port.dev, 0, pkts, 6);
	cr_assert_lt(n, 6);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + n, (uint16_t)(6 - n)), 0);
	vdev_drain(&port.d);
	cr_assert_eq(netdev_tx_burst(port.dev, 0, pkts + n, (uint16_t)(6 - n)), 6 - n);
	vdev_drain(&port.d);
	for (unsigned i = 0; i < 6; i++) {
		struct vdev_frame *f = vdev_net_tx_pop(&port.d, 0);

		cr_assert_eq(f->len, LEN + 4);
		cr_assert_eq(f->hdr.csum_start, 38);
		free(f);
	}
	port_close(&port);
}

Test(vnet_offload, without_headroom_there_is_no_tag)
{
	struct mbuf *m;

	open_with(MRG, TX_ALL, "net.tx_offloads=vlan_insert");
	m = packet(LEN, MBUF_TX_VLAN);
	m->data_off = MBUF_HEADROOM_MIN - 1;
	refused_to_send(m);
	m = packet(LEN, MBUF_TX_VLAN);
	m->data_len = 13;
	m->pkt_len = 13;
	refused_to_send(m);
	port_close(&port);
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

Test(vnet_offload, the_hash_of_the_device_comes_with_the_packet)
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

Test(vnet_offload, what_the_device_cannot_hash_is_not_asked_for)
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

Test(vnet_offload, a_device_without_the_queue_that_it_offers_is_not_used)
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

Test(vnet_offload, a_command_that_fails_leaves_the_port_without_hashes)
{
	static const struct {
		enum vdev_lie lie;
		uint32_t value;
		const char *says;
	} lies[] = {
	    {VDEV_LIE_ACK, VIRTIO_NET_ERR, "the device says no"},
	    {VDEV_LIE_ACK, 77, "the device says no"},
	    {VDEV_LIE_SILENT, 0, "command without an answer"},
	    {VDEV_LIE_ID_RANGE, 0, "used id"},
	};

	for (unsigned l = 0; l < LAYOUTS; l++) {
		if (layout_forms[l].legacy)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
			fprintf(stderr, "X %u %zu\n", l, i);
			start_with_lie((enum layout)l, lies[i].lie, lies[i].value);
			cr_assert_not_null(
			    strstr(plat_test_output(), "control command 4.2 failed"));
			if (!layout_is_packed((enum layout)l))
				cr_assert_not_null(strstr(plat_test_output(), lies[i].says),
				                   "no \"%s\" in: %s", lies[i].says,
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

Test(vnet_offload, large_receive_is_switched_at_run_time)
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

/* ---- vector paths ------------------------------------------------------------------------- */

Test(vnet_offload, vector_paths_of_packed_rings_do_offloads)
{
	const struct vnet *vn;
	struct mbuf *pkts[32];

	open_with(PACKED_IN_ORDER_PLAIN, RX_ALL | TX_ALL,
	          "net.vectorized=1 net.rx_offloads=csum,vlan_strip " TX_WORDS);
	vn = container_of(port.dev, struct vnet, dev);
	if (!vn->choice.rx->isa || !vn->choice.tx->isa)
		cr_skip_test("no AVX2 on this processor");
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

/* ---- sending on what was received ---------------------------------------------------------- */

Test(vnet_offload, what_was_received_can_be_sent_on_with_or_without_help)
{
	struct netdev other = {.tx_offloads = 0};
	struct mbuf *m;
	uint16_t csum;

	open_with(MRG, TX_ALL, TX_WORDS);
	m = packet(LEN, MBUF_RX_CSUM_NONE);
	csum = csum_final(csum_fold(csum_bytes(mbuf_data(m) + 34, LEN - 34, 0)));
	cr_assert_eq(netdev_tx_prepare(port.dev, m), 0);
	cr_assert_eq(m->flags, MBUF_TX_CSUM);

	m->flags = MBUF_RX_CSUM_NONE;
	cr_assert_eq(netdev_tx_prepare(&other, m), 0);
	cr_assert_eq(m->flags, 0);
	cr_assert_eq(memcmp(mbuf_data(m) + 40, &csum, 2), 0);

	m->flags = MBUF_RX_CSUM_GOOD | MBUF_RX_HASH;
	cr_assert_eq(netdev_tx_prepare(&other, m), 0);
	cr_assert_eq(m->flags, 0);

	m->flags = MBUF_RX_CSUM_NONE | MBUF_USO;
	cr_assert_eq(netdev_tx_prepare(&other, m), -EOPNOTSUPP);
	cr_assert_eq(netdev_tx_prepare(port.dev, m), 0);
	cr_assert_eq(m->flags, MBUF_TX_CSUM | MBUF_USO);

	other.tx_offloads = MBUF_TX_VLAN;
	m->flags = MBUF_RX_VLAN;
	cr_assert_eq(netdev_tx_prepare(&other, m), 0);
	cr_assert_eq(m->flags, MBUF_TX_VLAN);
	cr_assert_eq(m->pkt_len, LEN);
	m->flags = MBUF_RX_VLAN;
	m->vlan_tci = 7;
	cr_assert_eq(netdev_tx_prepare(port.dev, m), 0);
	cr_assert_eq(m->flags, 0);
	cr_assert_eq(m->pkt_len, LEN + 4);
	cr_assert_eq(memcmp(mbuf_data(m) + 12, "\x81\0\0\7", 4), 0);
	m->flags = MBUF_RX_VLAN;
	m->data_off = 4;
	cr_assert_eq(netdev_tx_prepare(port.dev, m), -EINVAL);
	mbuf_free(m);
	port_close(&port);
}

Test(vnet_offload, a_checksum_over_odd_segments_is_completed)
{
	uint8_t flat[3 * LEN];
	struct mbuf *m;
	uint16_t csum;

	open_with(MRG, 0, "");
	for (unsigned odd = 0; odd < 3; odd++) {
		m = packet(LEN - odd, MBUF_RX_CSUM_NONE);
		m->next = packet(101, 0);
		m->next->next = packet(LEN, 0);
		memcpy(flat, mbuf_data(m), LEN - odd);
		memcpy(flat + LEN - odd, mbuf_data(m->next), 101);
		memcpy(flat + LEN - odd + 101, mbuf_data(m->next->next), LEN);
		csum = csum_final(
		    csum_fold(csum_bytes(flat + 33 + odd, 2 * LEN + 101 - odd - (33 + odd), 0)));
		m->csum_start = (uint16_t)(33 + odd);
		m->pkt_len = 2 * LEN + 101 - odd;
		m->nb_segs = 3;
		csum_complete(m);
		cr_assert_eq(memcmp(mbuf_data(m) + 39 + odd, &csum, 2), 0, "odd %u", odd);
		mbuf_free(m);
	}
	port_close(&port);
}
