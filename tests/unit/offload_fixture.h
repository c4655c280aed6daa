/*
 * Ports with offloads, for the tests of them: opened with features and option words, packets with
 * any net header received, packets with any flags sent.
 */
#ifndef TESTS_UNIT_OFFLOAD_FIXTURE_H
#define TESTS_UNIT_OFFLOAD_FIXTURE_H

#include "kernel/errno.h"
#include "net/csum.h"
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

static inline void open_with(enum layout layout, uint64_t offered, const char *words)
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

/* A frame with this header; the packet that comes of it, NULL when it is dropped. */
static inline struct mbuf *receive(const struct virtio_net_hdr *hdr, const void *frame,
                                   uint32_t len)
{
	struct mbuf *m = NULL;

	vdev_net_rx_push_hdr(&port.d, 0, hdr, frame, len);
	vdev_step(&port.d, 1);
	return netdev_rx_burst(port.dev, 0, &m, 1) ? m : NULL;
}

static inline struct mbuf *receive_usual(const struct virtio_net_hdr *hdr)
{
	uint8_t frame[LEN];

	frame_fill(frame, 5, LEN);
	return receive(hdr, frame, LEN);
}

static inline struct mbuf *packet(uint32_t len, uint32_t flags)
{
	struct mbuf *m = mbuf_alloc(port.dev->queue[0].pool);

	frame_fill(mbuf_data(m), 7, len);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->flags = flags;
	m->csum_start = 34;
	m->csum_offset = 6;
	m->gso_size = 100;
	return m;
}

static inline struct vdev_frame *sent(struct mbuf *m)
{
	cr_assert_eq(netdev_tx_burst(port.dev, 0, &m, 1), 1);
	vdev_drain(&port.d);
	return vdev_net_tx_pop(&port.d, 0);
}

static inline void refused_to_send(struct mbuf *m)
{
	const uint64_t before = port_stats(&port).tx_errors;

	cr_assert_null(sent(m));
	cr_assert_eq(port_stats(&port).tx_errors, before + 1);
}

#endif
