/*
 * Sentences of the specification that no other test would miss, one test for each group of them;
 * docs/spec-map.md says which. First the driver on the device model, then the verbs of both rings
 * alone. Those about PCI are in test_spec_pci.c.
 */
#include "tests/unit/vnet_fixture.h"

#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vq.h"

static struct port port;

/* ---- initialization (2.1.1, 3.1.1, 3.1.2) ------------------------------------------------- */

static const struct virtio_transport_ops *real;
static char steps[64];

static void step(char c)
{
	const size_t n = strlen(steps);

	/* how often the status is read while waiting is nobody's business */
	if (n + 1 < sizeof(steps) && !(c == 'r' && n && steps[n - 1] == 'r'))
		steps[n] = c;
}

static void logged_set_status(struct virtio_dev *vd, uint8_t status)
{
	const uint8_t new = status &(uint8_t) ~((struct vdev *)vd->transport)->status;

	step(!status                            ? '0'
	     : new == VIRTIO_STATUS_ACKNOWLEDGE ? 'A'
	     : new == VIRTIO_STATUS_DRIVER      ? 'D'
	     : new == VIRTIO_STATUS_FEATURES_OK ? 'O'
	     : new == VIRTIO_STATUS_DRIVER_OK   ? 'L'
	                                        : '?');
	real->set_status(vd, status);
}

static uint8_t logged_get_status(struct virtio_dev *vd)
{
	step('r');
	return real->get_status(vd);
}

static uint64_t logged_get_features(struct virtio_dev *vd)
{
	step('f');
	return real->get_features(vd);
}

static void logged_set_features(struct virtio_dev *vd, uint64_t features)
{
	step('F');
	real->set_features(vd, features);
}

static int logged_queue_enable(struct virtio_dev *vd, struct virtqueue *vq, uint16_t vector)
{
	step('q');
	return real->queue_enable(vd, vq, vector);
}

static void logged_notify(struct virtio_dev *vd, const struct virtqueue *vq)
{
	step('n');
	real->notify(vd, vq);
}

Test(spec, initialization_has_its_order)
{
	static struct virtio_transport_ops logged;

	for (unsigned legacy = 0; legacy < 2; legacy++) {
		port_open(&port, legacy ? LEGACY : MRG);
		port_memory(&port, 8u << 20);
		vdev_attach(&port.d, &port.vd);
		real = port.vd.ops;
		logged = *real;
		logged.set_status = logged_set_status;
		logged.get_status = logged_get_status;
		logged.get_features = logged_get_features;
		logged.set_features = logged_set_features;
		logged.queue_enable = logged_queue_enable;
		logged.notify = logged_notify;
		port.vd.ops = &logged;
		memset(steps, 0, sizeof(steps));
		port.dev = virtio_net_probe(&port.vd, port.arena_bytes);
		cr_assert_not_null(port.dev);
		port_share_all(&port);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_str_eq(steps, legacy ? "0rArDfFqqrLrn" : "0rArDfFrOrqqrLrn");
		port_close(&port);
	}
}

Test(spec, a_failed_device_is_reset_before_it_is_tried_again)
{
	port_open(&port, MRG);
	port.d.features_refused = VIRTIO_NET_F_MAC;
	port_probe(&port);
	cr_assert_null(port.dev);
	cr_assert(port.d.status & VIRTIO_STATUS_FAILED);

	port.d.features_refused = 0;
	port.dev = virtio_net_probe(&port.vd, port.arena_bytes);
	cr_assert_not_null(port.dev);
	port_share_all(&port);
	cr_assert_not(port.d.status & VIRTIO_STATUS_FAILED);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	port_close(&port);
}

Test(spec, a_device_given_up_in_probing_is_failed)
{
	port_open(&port, MRG);
	port.d.queue_max[1] = 0;
	port_probe(&port);
	cr_assert_null(port.dev);
	cr_assert(port.d.status & VIRTIO_STATUS_FAILED);
	port_close(&port);
}

/* ---- configuration (5.1.4.2) -------------------------------------------------------------- */

/* A frame as long as the device's MTU allows arrives, whatever the port was told to send. */
static void largest_frame_arrives(enum layout layout, uint16_t mtu, uint16_t ring)
{
	const uint32_t len = mtu + 14u;
	struct mbuf *m = NULL;

	port_open(&port, layout);
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = mtu;
	port.d.queue_max[0] = ring;
	options("net.mtu=1400");
	port_memory(&port, 16u << 20);
	port_start(&port);
	cr_assert(port.vd.features & VIRTIO_NET_F_MTU);
	cr_assert_eq(port.dev->mtu, 1400);
	frame_push(&port, 1, len);
	vdev_step(&port.d, 1);
	cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 1, "%s, ring of %u", layout_name(layout),
	             ring);
	frame_check(m, 1, len);
	mbuf_free(m);
	port_close(&port);
}

static struct criterion_test_params every_layout(void)
{
	static enum layout layouts[LAYOUTS];

	for (unsigned l = 0; l < LAYOUTS; l++)
		layouts[l] = (enum layout)l;
	return cr_make_param_array(enum layout, layouts, LAYOUTS);
}

ParameterizedTestParameters(spec, buffers_hold_the_devices_mtu_whatever_the_option_says)
{
	return every_layout();
}

ParameterizedTest(enum layout *l, spec, buffers_hold_the_devices_mtu_whatever_the_option_says)
{
	largest_frame_arrives(*l, 2500, 256);
	largest_frame_arrives(*l, 9000, 256);
}

ParameterizedTestParameters(spec, small_rings_hold_the_devices_mtu)
{
	return every_layout();
}

ParameterizedTest(enum layout *l, spec, small_rings_hold_the_devices_mtu)
{
	for (uint16_t ring = 2; ring <= 4; ring *= 2)
		largest_frame_arrives(*l, 9000, ring);
}

Test(spec, speed_is_read_again_when_the_configuration_changes)
{
	port_open(&port, MRG);
	port.d.offered |= VIRTIO_NET_F_SPEED_DUPLEX;
	port_start(&port);
	cr_assert_eq(port.dev->speed, 10000);

	struct virtio_net_config config = port.d.config;

	config.speed = 40000;
	config.duplex = 7;
	vdev_config_change(&port.d, &config);
	port.dev->ops->link_poll(port.dev);
	cr_assert_eq(port.dev->speed, 40000);
	cr_assert(port.dev->link_up);
	port_close(&port);
}

/* ---- received packets (5.1.9.4.2) --------------------------------------------------------- */

Test(spec, the_header_of_a_received_packet_is_not_believed)
{
	const struct virtio_net_hdr hdr = {.flags = 0xff,
	                                   .gso_type = 0x1f,
	                                   .hdr_len = 0xffff,
	                                   .gso_size = 1,
	                                   .csum_start = 0xfff0,
	                                   .csum_offset = 0xfff0};
	uint8_t frame[FRAME_MIN];
	struct mbuf *m = NULL;

	frame_fill(frame, 3, sizeof(frame));
	for (unsigned l = 0; l < LAYOUTS; l++) {
		port_open(&port, (enum layout)l);
		port_start(&port);
		vdev_net_rx_push_hdr(&port.d, 0, &hdr, frame, sizeof(frame));
		vdev_step(&port.d, 1);
		cr_assert_eq(netdev_rx_burst(port.dev, 0, &m, 1), 1);
		frame_check(m, 3, sizeof(frame));
		cr_assert_eq(m->flags, 0, "nothing is said of the checksum");
		mbuf_free(m);
		port_close(&port);
	}
}

/* ---- rings -------------------------------------------------------------------------------- */

#define N 8

static struct virtio_dev ring_vd;
static struct vq_slot slots[N];
static struct virtqueue vq;
static _Alignas(PAGE_SIZE) uint8_t ring_mem[2 * PAGE_SIZE];

static void split_up(bool event_idx)
{
	const struct vq_split_layout l = vq_split_layout(N, CACHE_LINE);

	vq = (struct virtqueue){
	    .nentries = N, .slot = slots, .vd = &ring_vd, .event_idx = event_idx};
	vq_split_init(&vq, ring_mem, &l);
}

static void packed_up(uint16_t n, bool event_idx)
{
	const struct vq_packed_layout l = vq_packed_layout(n);

	cr_assert(n <= N && l.bytes <= sizeof(ring_mem));
	memset(ring_mem, 0xcc, sizeof(ring_mem));
	vq = (struct virtqueue){
	    .nentries = n, .slot = slots, .vd = &ring_vd, .event_idx = event_idx};
	vq_packed_init(&vq, ring_mem, &l);
}

static const struct vq_buf bufs[4] = {{0x1000, 10}, {0x2000, 20}, {0x3000, 30}, {0x4000, 40}};

/* The device uses the buffer whose first descriptor is at @pos. */
static void packed_use(uint16_t pos, uint16_t id, bool lap)
{
	const unsigned both = VRING_PACKED_DESC_F_AVAIL | VRING_PACKED_DESC_F_USED;

	vq.packed.desc[pos].id = id;
	vq.packed.desc[pos].flags = (uint16_t)(lap ? both : 0);
}

/* 2.7.5.2 */
Test(spec, in_order_chains_follow_the_table)
{
	struct vq_used used;

	split_up(false);
	for (unsigned round = 0; round < 40; round++) {
		const unsigned n = 1 + round % 4;
		const uint16_t head = (uint16_t)(vq.desc_head);

		vq_split_add(&vq, bufs, n, &vq, VQ_IN_ORDER);
		vq_split_publish(&vq);
		cr_assert_eq(vq.split.avail->ring[round % N], head);
		for (unsigned i = 0; i < n; i++) {
			const unsigned x = (head + i) % N;
			const struct vring_desc *d = &vq.split.desc[x];

			cr_assert_eq(d->addr, bufs[i].iova);
			cr_assert_eq(d->flags, i + 1 < n ? VRING_DESC_F_NEXT : 0);
			if (d->flags & VRING_DESC_F_NEXT)
				cr_assert_eq(d->next, x == N - 1 ? 0 : x + 1);
		}
		vq.split.used->ring[round % N] = (struct vring_used_elem){.id = head};
		vq.split.used->idx++;
		cr_assert(vq_split_used_pop(&vq, &used, VQ_IN_ORDER));
	}
}

/* 2.7.5.3.1 */
Test(spec, indirect_tables_are_in_order)
{
	struct vring_desc table[4];

	vq_indirect_fill(table, bufs, 4, VQ_IN_ORDER);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(table[i].addr, bufs[i].iova);
		cr_assert_eq(table[i].len, bufs[i].len);
		cr_assert_eq(table[i].flags, i < 3 ? VRING_DESC_F_NEXT : 0);
		if (i < 3)
			cr_assert_eq(table[i].next, i + 1);
	}
}

/* 2.7.10.1 */
Test(spec, without_event_idx_the_event_index_is_not_looked_at)
{
	split_up(false);
	for (unsigned i = 0; i < 4; i++) {
		*vq.split.avail_event = (uint16_t)(i & 1 ? 0 : 0x8000);
		vq.split.used->flags = (uint16_t)(i & 2 ? VRING_USED_F_NO_NOTIFY : 0);
		vq_split_add(&vq, bufs, 1, &vq, 0);
		vq_split_publish(&vq);
		cr_assert_eq(vq_split_need_kick(&vq), !(i & 2));
	}
}

/* 2.7.10.1 */
Test(spec, with_event_idx_the_flags_are_not_looked_at)
{
	split_up(true);
	for (uint16_t i = 0; i < 4; i++) {
		*vq.split.avail_event = (uint16_t)(i & 1 ? i : 0x8000);
		vq.split.used->flags = (uint16_t)(i & 2 ? VRING_USED_F_NO_NOTIFY : 0);
		vq_split_add(&vq, bufs, 1, &vq, 0);
		vq_split_publish(&vq);
		cr_assert_eq(vq_split_need_kick(&vq), i & 1);
	}
}

/* 2.8.11 with the table of 2.8.10.1 */
Test(spec, packed_parts_are_aligned)
{
	for (uint32_t n = 1; n <= VRING_SIZE_MAX; n += 1 + n / 7) {
		const struct vq_packed_layout l = vq_packed_layout((uint16_t)n);

		cr_assert(l.driver_event >= 16u * n && l.driver_event % 4 == 0);
		cr_assert(l.device_event >= l.driver_event + 4 && l.device_event % 4 == 0);
		cr_assert(l.bytes >= l.device_event + 4);
	}
	packed_up(5, false);
	cr_assert_eq(vq.desc_iova, plat_test_iova(ring_mem));
	cr_assert_eq(vq.desc_iova % 16, 0);
	cr_assert_eq((vq.avail_iova | vq.used_iova) % 4, 0);
	cr_assert_eq((uint8_t *)vq.packed.driver_event, ring_mem + (vq.avail_iova - vq.desc_iova));
	cr_assert_eq((uint8_t *)vq.packed.device_event, ring_mem + (vq.used_iova - vq.desc_iova));
}

/* 2.8.17: as long as the first descriptor does not say so, nothing is available; then all is. */
Test(spec, a_packed_list_appears_at_once)
{
	packed_up(5, false);
	for (unsigned round = 0; round < 20; round++) {
		const uint16_t first = vq.packed.avail_pos;
		const bool lap = vq.packed.avail_flags & VRING_PACKED_DESC_F_AVAIL;
		const uint16_t before = vq.packed.desc[first].flags;
		const uint16_t id = vq.desc_head;
		struct vq_used used;

		vq_packed_add(&vq, bufs, 2, &vq, 0);
		vq_packed_add(&vq, bufs + 2, 1, slots, VRING_DESC_F_WRITE);
		cr_assert_eq(vq.packed.desc[first].flags, before, "not yet");
		for (unsigned i = 1; i < 3; i++) {
			const uint16_t flags = vq.packed.desc[(first + i) % 5].flags;
			const bool wrapped = first + i >= 5 ? !lap : lap;

			cr_assert_eq(!!(flags & VRING_PACKED_DESC_F_AVAIL), wrapped);
			cr_assert_eq(!!(flags & VRING_PACKED_DESC_F_USED), !wrapped);
			cr_assert_eq(flags & 7, i == 2 ? VRING_DESC_F_WRITE : 0);
		}
		vq_packed_publish(&vq);
		cr_assert_eq(!!(vq.packed.desc[first].flags & VRING_PACKED_DESC_F_AVAIL), lap);
		cr_assert_eq(vq.packed.desc[first].flags & 7, VRING_DESC_F_NEXT);

		packed_use(first, id, lap);
		cr_assert(vq_packed_used_pop(&vq, &used, 0) && used.cookie == &vq);
		packed_use((uint16_t)((first + 2) % 5), vq.packed.desc[(first + 2) % 5].id,
		           first + 2 >= 5 ? !lap : lap);
		cr_assert(vq_packed_used_pop(&vq, &used, 0) && used.cookie == slots);
	}
}

/* 2.8.16 */
Test(spec, a_packed_descriptor_is_not_touched_while_with_the_device)
{
	struct vring_packed_desc before[N];
	struct vq_used used;

	packed_up(N, false);
	for (unsigned i = 0; i < N; i++)
		vq_packed_add(&vq, bufs, 1, &vq, 0);
	vq_packed_publish(&vq);
	cr_assert_eq(vq.free_cnt, 0);
	memcpy(before, vq.packed.desc, sizeof(before));
	cr_assert_not(vq_packed_used_pop(&vq, &used, 0), "none is used");
	vq_packed_need_kick(&vq);
	vq_packed_intr_set(&vq, true);
	cr_assert_arr_eq((uint8_t *)vq.packed.desc, (uint8_t *)before, sizeof(before));

	/* the last one comes back first: only one may be filled again, the one that was read */
	packed_use(0, N - 1, true);
	memcpy(before, vq.packed.desc, sizeof(before));
	cr_assert(vq_packed_used_pop(&vq, &used, 0));
	cr_assert_eq(vq.free_cnt, 1);
	cr_assert_not(vq_packed_used_pop(&vq, &used, 0));
	vq_packed_add(&vq, bufs, 1, &vq, 0);
	vq_packed_publish(&vq);
	cr_assert_eq(vq.packed.desc[0].id, N - 1);
	cr_assert_arr_eq((uint8_t *)(vq.packed.desc + 1), (uint8_t *)(before + 1),
	                 sizeof(before) - sizeof(before[0]));
}

/* 2.8.19 */
Test(spec, indirect_tables_of_a_packed_ring_have_no_flags)
{
	struct vring_packed_desc table[4];

	memset(table, 0xff, sizeof(table));
	vq_indirect_fill(table, bufs, 4, VQ_PACKED);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_eq(table[i].addr, bufs[i].iova);
		cr_assert_eq(table[i].len, bufs[i].len);
		cr_assert_eq(table[i].flags, 0);
	}
}

/* 2.8.10, 2.8.14: enabled, disabled, or at a descriptor that this burst reached */
Test(spec, packed_kicks_when_the_device_asks)
{
	for (uint16_t pos = 0; pos < 5; pos++) {
		packed_up(5, true);
		vq.packed.device_event->word = VRING_PACKED_EVENT_DISABLE << 16;
		vq_packed_add(&vq, bufs, 3, &vq, 0);
		vq_packed_publish(&vq);
		cr_assert_not(vq_packed_need_kick(&vq));
		vq.packed.device_event->word = VRING_PACKED_EVENT_ENABLE << 16;
		cr_assert(vq_packed_need_kick(&vq));
		vq.packed.device_event->word =
		    VRING_PACKED_EVENT_DESC << 16 | VRING_PACKED_EVENT_WRAP | pos;
		cr_assert_eq(vq_packed_need_kick(&vq), pos < 3, "position %u", pos);
	}
}

/* 2.8.22 */
Test(spec, a_packed_ring_starts_with_interrupts_off)
{
	packed_up(5, false);
	cr_assert_eq(vq.packed.driver_event->word >> 16, VRING_PACKED_EVENT_DISABLE);
	vq_packed_intr_set(&vq, true);
	cr_assert_eq(vq.packed.driver_event->word >> 16, VRING_PACKED_EVENT_ENABLE);
}
