/*
 * The device model itself: a driver written out by hand does one thing wrong at a time in its rings
 * and packets, and the model has to find just that. Without this, an empty list of breaches would
 * mean nothing.
 */
#include "tests/unit/model_rig.h"

/* ---- a good driver ------------------------------------------------------------------------ */

Test(model, carries_a_frame_each_way)
{
	uint8_t frame[100];
	struct vdev_frame *f;

	memset(frame, 0x5a, sizeof(frame));
	for (unsigned kind = VDEV_MODERN; kind <= VDEV_LEGACY; kind++) {
		const unsigned hdr_len = kind == VDEV_MODERN ? 12 : 10;

		up((enum vdev_kind)kind, VIRTIO_F_ANY_LAYOUT);
		desc(RX, 3, mem->buf[0], 2048, VRING_DESC_F_WRITE);
		offer(RX, 3);
		kick(RX);
		vdev_net_rx_push(&d, 0, frame, sizeof(frame));
		cr_assert_eq(vdev_step(&d, 8), 1);
		cr_assert_eq(mem->ring[RX].used_idx, 1);
		cr_assert_eq(mem->ring[RX].used[0].id, 3);
		cr_assert_eq(mem->ring[RX].used[0].len, hdr_len + 100);
		cr_assert_eq(memcmp(mem->buf[0] + hdr_len, frame, 100), 0);
		cr_assert_eq(mem->buf[0][hdr_len + 100], 0xa5);

		memcpy(mem->buf[1] + hdr_len, frame, 100);
		desc(TX, 0, mem->buf[1], hdr_len + 100, 0);
		offer(TX, 0);
		kick(TX);
		cr_assert_eq(vdev_step(&d, 8), 1);
		f = vdev_net_tx_pop(&d, 0);
		cr_assert(f && f->len == 100 && !memcmp(f->data, frame, 100));
		free(f);
		cr_assert_eq(vdev_close(&d), 0);
	}
}

Test(model, merges_buffers_and_fills_all_but_the_last)
{
	uint8_t frame[250];

	memset(frame, 0x77, sizeof(frame));
	up(VDEV_MODERN, VIRTIO_NET_F_MRG_RXBUF);
	for (uint16_t i = 0; i < 4; i++) {
		desc(RX, i, mem->buf[i], 100, VRING_DESC_F_WRITE);
		offer(RX, i);
	}
	kick(RX);
	vdev_net_rx_push(&d, 0, frame, sizeof(frame));
	vdev_step(&d, 8);

	const struct ring *r = &mem->ring[RX];

	cr_assert_eq(r->used_idx, 3);
	cr_assert(r->used[0].len == 100 && r->used[1].len == 100 && r->used[2].len == 62);
	cr_assert_eq(mem->buf[0][10], 3, "num_buffers");
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model, completes_in_the_order_it_is_told)
{
	const enum vdev_order orders[] = {VDEV_IN_ORDER, VDEV_REVERSED};

	for (unsigned o = 0; o < 2; o++) {
		up(VDEV_MODERN, 0);
		d.order = orders[o];
		for (uint16_t i = 0; i < 4; i++) {
			desc(TX, i, mem->buf[i], 200, 0);
			offer(TX, i);
		}
		kick(TX);
		vdev_step(&d, 8);
		for (uint32_t i = 0; i < 4; i++)
			cr_assert_eq(mem->ring[TX].used[i].id, o ? 3 - i : i);
		cr_assert_eq(vdev_close(&d), 0);
	}
}

Test(model, fills_in_a_checksum)
{
	static const uint8_t pseudo[] = {0x12, 0x34};
	struct vdev_frame *f;

	power_on(VDEV_MODERN);
	d.offered |= VIRTIO_NET_F_CSUM;
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_CSUM);
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
	mem->buf[0][0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	mem->buf[0][6] = 34;
	mem->buf[0][8] = 6;
	memcpy(&mem->buf[0][12 + 40], pseudo, 2);
	mem->buf[0][12 + 42] = 0x01;
	desc(TX, 0, mem->buf[0], 12 + 60, 0);
	offer(TX, 0);
	kick(TX);
	vdev_step(&d, 1);
	f = vdev_net_tx_pop(&d, 0);
	/* ~(0x1234 + 0x0100) */
	cr_assert(f && f->data[40] == 0xec && f->data[41] == 0xcb);
	free(f);
	cr_assert_eq(vdev_close(&d), 0);
}

/* ---- descriptors -------------------------------------------------------------------------- */

Test(model, finds_a_loop)
{
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, VRING_DESC_F_NEXT)->next = 1;
	desc(TX, 1, mem->buf[1], 100, VRING_DESC_F_NEXT)->next = 0;
	expect_after(TX, 0, "3.3.1");
}

Test(model, finds_a_next_outside_the_table)
{
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, VRING_DESC_F_NEXT)->next = N;
	expect_after(TX, 0, "2.7.5:");
}

Test(model, finds_a_head_outside_the_table)
{
	up(VDEV_MODERN, 0);
	expect_after(TX, N, "2.7.6:");
}

Test(model, finds_memory_it_may_not_touch)
{
	static const uint64_t addrs[] = {0, 0x1000, IOVA - 1, IOVA + sizeof(struct memory) - 50,
	                                 UINT64_MAX - 20};

	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		up(VDEV_MODERN, 0);
		desc(TX, 0, mem->buf[0], 100, 0)->addr = addrs[i];
		expect_after(TX, 0, "2.7.5:");
	}
	/* a pointer instead of an I/O address */
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, 0)->addr = (uint64_t)(uintptr_t)mem->buf[0];
	expect_after(TX, 0, "2.7.5:");
}

Test(model, finds_readable_memory_behind_writable)
{
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE)->next = 1;
	desc(TX, 1, mem->buf[1], 100, 0);
	expect_after(TX, 0, "2.7.4.2");
}

Test(model, finds_unknown_flags_and_empty_descriptors)
{
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, 8);
	expect_after(TX, 0, "2.7.5:");
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 0, 0);
	expect_after(TX, 0, "2.7.5:");
}

Test(model, finds_the_wrong_direction)
{
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 100, VRING_DESC_F_WRITE);
	offer(TX, 0);
	kick(TX);
	vdev_step(&d, 1);
	cr_assert_eq(vdev_expect(&d, "5.1.9.2:"), 1, "nothing to send");
	expect("5.1.2:");
	up(VDEV_MODERN, 0);
	desc(RX, 0, mem->buf[0], 100, VRING_DESC_F_NEXT)->next = 1;
	desc(RX, 1, mem->buf[1], 2048, VRING_DESC_F_WRITE);
	expect_after(RX, 0, "5.1.2:");
}

Test(model, finds_a_descriptor_used_twice)
{
	up(VDEV_MODERN, 0);
	desc(RX, 0, mem->buf[0], 2048, VRING_DESC_F_WRITE);
	offer(RX, 0);
	expect_after(RX, 0, "3.3.1:");
}

Test(model, finds_changes_of_what_the_device_has)
{
	up(VDEV_MODERN, 0);
	d.hold = 1;
	desc(TX, 0, mem->buf[0], 100, 0);
	offer(TX, 0);
	kick(TX);
	vdev_step(&d, 1);
	d.hold = 0;
	mem->buf[0][77] ^= 1;
	vdev_step(&d, 1);
	expect("3.3.1: queue 1: buffer");

	up(VDEV_MODERN, 0);
	d.hold = 1;
	desc(TX, 0, mem->buf[0], 100, 0);
	offer(TX, 0);
	kick(TX);
	vdev_step(&d, 1);
	d.hold = 0;
	mem->ring[TX].desc[0].len++;
	vdev_step(&d, 1);
	expect("3.3.1: queue 1: descriptors");
}

/* ---- indirect ----------------------------------------------------------------------------- */

static void indirect(unsigned entries, uint32_t bytes, unsigned flags)
{
	for (unsigned i = 0; i < entries; i++) {
		mem->table[i] = (struct vring_desc){
		    .addr = at(mem->buf[i % 16]),
		    .len = 50,
		    .flags = i + 1 < entries ? VRING_DESC_F_NEXT : 0,
		    .next = (uint16_t)(i + 1),
		};
	}
	desc(TX, 0, mem->table, bytes, VRING_DESC_F_INDIRECT | flags);
}

Test(model, takes_an_indirect_table)
{
	up(VDEV_MODERN, VIRTIO_F_INDIRECT_DESC);
	indirect(N, N * 16, 0);
	offer(TX, 0);
	kick(TX);
	cr_assert_eq(vdev_step(&d, 1), 1);

	struct vdev_frame *f = vdev_net_tx_pop(&d, 0);

	cr_assert(f && f->indirect && f->nb_descs == N && f->len == N * 50 - 12);
	free(f);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model, finds_bad_indirect_tables)
{
	const uint64_t with = VIRTIO_F_INDIRECT_DESC;

	up(VDEV_MODERN, 0);
	indirect(2, 32, 0);
	expect_after(TX, 0, "2.7.5.3.1: INDIRECT without");
	up(VDEV_MODERN, with);
	indirect(2, 32, VRING_DESC_F_NEXT);
	expect_after(TX, 0, "2.7.5.3.1: INDIRECT and NEXT");
	up(VDEV_MODERN, with);
	indirect(2, 33, 0);
	expect_after(TX, 0, "2.7.5.3:");
	up(VDEV_MODERN, with);
	indirect(2, 0, 0);
	expect_after(TX, 0, "2.7.5.3:");
	up(VDEV_MODERN, with);
	indirect(3, 32, 0);
	expect_after(TX, 0, "2.7.5.3: next outside");
	up(VDEV_MODERN, with);
	indirect(N + 1, (N + 1) * 16, 0);
	expect_after(TX, 0, "2.7.5.3.1: chain longer");
	up(VDEV_MODERN, with);
	indirect(2, 32, 0);
	mem->table[1].next = 0;
	mem->table[1].flags = VRING_DESC_F_NEXT;
	expect_after(TX, 0, "2.7.5.3.1: chain longer");
	up(VDEV_MODERN, with);
	indirect(2, 32, 0);
	mem->table[1].flags = VRING_DESC_F_INDIRECT;
	expect_after(TX, 0, "2.7.5.3.1: INDIRECT inside");
	up(VDEV_MODERN, with);
	indirect(2, 32, 0);
	mem->ring[TX].desc[0].addr = 64;
	expect_after(TX, 0, "2.7.5.3: indirect table outside");
}

/* ---- rings -------------------------------------------------------------------------------- */

Test(model, finds_an_available_index_that_jumps)
{
	static const uint16_t jumps[] = {N + 1, 0x8000, 0xffff};

	for (size_t i = 0; i < ARRAY_SIZE(jumps); i++) {
		up(VDEV_MODERN, 0);
		mem->ring[TX].avail_idx = jumps[i];
		kick(TX);
		vdev_step(&d, 1);
		expect("2.7.6.1:");
	}
}

Test(model, finds_writes_to_the_used_ring)
{
	up(VDEV_MODERN, 0);
	mem->ring[TX].used_idx = 1;
	vdev_step(&d, 1);
	expect("2.7: queue 1: the driver wrote to the used ring");
	up(VDEV_MODERN, 0);
	mem->ring[RX].used[N - 1].len = 1;
	vdev_step(&d, 1);
	expect("2.7: queue 0: the driver wrote used entries");
}

Test(model, finds_bad_flags_of_the_available_ring)
{
	up(VDEV_MODERN, 0);
	mem->ring[TX].avail_flags = 2;
	vdev_step(&d, 1);
	expect("2.7.7.1:");
	up(VDEV_MODERN, VIRTIO_F_EVENT_IDX);
	mem->ring[TX].avail_flags = 1;
	vdev_step(&d, 1);
	expect("2.7.7.1:");
}

Test(model, finds_a_missing_notification)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		up(VDEV_MODERN, event_idx ? VIRTIO_F_EVENT_IDX : 0);
		desc(TX, 0, mem->buf[0], 100, 0);
		offer(TX, 0);
		vdev_step(&d, 1);
		expect("2.7.10.1:");

		up(VDEV_MODERN, event_idx ? VIRTIO_F_EVENT_IDX : 0);
		d.kick = VDEV_KICK_NEVER;
		vdev_step(&d, 1);
		desc(TX, 0, mem->buf[0], 100, 0);
		offer(TX, 0);
		vdev_step(&d, 1);
		cr_assert_eq(d.queue[TX].packets, 1);
		kick(TX);
		cr_assert_eq(d.queue[TX].kicks_unwanted, 1);
		cr_assert_eq(vdev_close(&d), 0);
	}
}

static unsigned irqs[3];

static void irq(struct virtio_dev *dev, unsigned vector)
{
	(void)dev;
	irqs[vector]++;
}

Test(model, interrupts_as_the_driver_wishes)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		memset(irqs, 0, sizeof(irqs));
		power_on(VDEV_MODERN);
		up_to_features(VIRTIO_F_VERSION_1 | (event_idx ? VIRTIO_F_EVENT_IDX : 0));
		cr_assert_eq(vd.ops->irq_setup(&vd, 3, irq), VIRTIO_IRQ_MSIX);
		cr_assert_eq(vd.ops->set_config_vector(&vd, 0), 0);
		vd.ops->queue_enable(&vd, &vq[TX], 2);
		vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
		for (uint16_t i = 0; i < 4; i++) {
			desc(TX, i, mem->buf[i], 100, 0);
			if (event_idx)
				mem->ring[TX].used_event = 2;
			else
				mem->ring[TX].avail_flags = i != 2;
			offer(TX, i);
			kick(TX);
			vdev_step(&d, 1);
			cr_assert_eq(irqs[2], i >= 2);
		}
		vdev_needs_reset(&d);
		cr_assert_eq(irqs[0], 1);
		cr_assert_eq(vdev_close(&d), 0);
	}
}

/* ---- network ------------------------------------------------------------------------------ */

Test(model, finds_receive_buffers_that_are_too_small)
{
	up(VDEV_MODERN, 0);
	desc(RX, 0, mem->buf[0], 1525, VRING_DESC_F_WRITE);
	expect_after(RX, 0, "5.1.9.3.1:");
	up(VDEV_MODERN, VIRTIO_NET_F_MRG_RXBUF);
	desc(RX, 0, mem->buf[0], 11, VRING_DESC_F_WRITE);
	expect_after(RX, 0, "5.1.9.3.1:");

	power_on(VDEV_MODERN);
	d.offered |= VIRTIO_NET_F_MTU;
	d.config.mtu = 1501;
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MTU);
	vd.ops->queue_enable(&vd, &vq[RX], VIRTIO_MSI_NO_VECTOR);
	vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
	desc(RX, 0, mem->buf[0], 1526, VRING_DESC_F_WRITE);
	expect_after(RX, 0, "5.1.4.2:");
}

Test(model, finds_bad_headers_and_frames)
{
	static const struct {
		unsigned offset;
		uint8_t value;
	} fields[] = {{0, 1}, {0, 2}, {0, 128}, {1, 1}, {10, 1}, {11, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		up(VDEV_MODERN, 0);
		desc(TX, 0, mem->buf[0], 100, 0);
		mem->buf[0][fields[i].offset] = fields[i].value;
		expect_after(TX, 0, "5.1.9.2.1:");
	}
	up(VDEV_MODERN, 0);
	desc(TX, 0, mem->buf[0], 12, 0);
	expect_after(TX, 0, "5.1.9.2:");
}

Test(model, wants_the_legacy_header_in_a_descriptor_of_its_own)
{
	for (unsigned hdr_len = 9; hdr_len < 13; hdr_len++) {
		power_on(VDEV_LEGACY);
		d.offered &= ~VIRTIO_F_ANY_LAYOUT;
		up_to_features(VIRTIO_NET_F_MAC);
		vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
		vd.ops->set_status(&vd, ACK | DRV | DOK);
		desc(TX, 0, mem->buf[0], hdr_len, VRING_DESC_F_NEXT)->next = 1;
		desc(TX, 1, mem->buf[1], 60, 0);
		offer(TX, 0);
		kick(TX);
		vdev_step(&d, 1);
		cr_assert_eq(vdev_expect(&d, "5.1.9.8:"), hdr_len != 10);
		cr_assert_eq(vdev_close(&d), 0);
	}
}
