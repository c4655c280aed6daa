/*
 * What is written into the net header of a sent packet, and which packets are not sent; tags that
 * are put in; sending on what was received.
 */
#include "tests/unit/offload_fixture.h"

/* ---- transmit ----------------------------------------------------------------------------- */

Test(vnet_offload_tx, the_device_fills_in_the_checksum)
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

Test(vnet_offload_tx, a_packet_of_several_pieces_has_one_header)
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

Test(vnet_offload_tx, the_device_cuts_packets_into_segments)
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

Test(vnet_offload_tx, a_packet_whose_fields_make_no_sense_is_not_sent)
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

Test(vnet_offload_tx, flags_that_the_port_does_not_honour_are_ignored)
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

Test(vnet_offload_tx, only_what_the_device_cuts_may_be_longer_than_its_mtu)
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

Test(vnet_offload_tx, a_tag_is_put_in_and_the_checksum_moves_with_the_data)
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

Test(vnet_offload_tx, a_packet_that_has_to_wait_gets_its_tag_once)
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

Test(vnet_offload_tx, without_headroom_there_is_no_tag)
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

/* ---- sending on what was received ---------------------------------------------------------- */

Test(vnet_offload_tx, what_was_received_can_be_sent_on_with_or_without_help)
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

Test(vnet_offload_tx, a_checksum_over_odd_segments_is_completed)
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
