/*
 * The device model's packed ring, and its completion in order: as in test_model.c a driver written
 * out by hand does one thing wrong at a time, and the model has to find just that.
 */
#include "tests/unit/model_rig.h"

#define AVAIL VRING_PACKED_DESC_F_AVAIL
#define USED VRING_PACKED_DESC_F_USED
#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT

/* The two rings are as large as split ones, so they have the same place. */
static struct vring_packed_desc *packed(unsigned q, unsigned pos)
{
	return (void *)&mem->ring[q].desc[pos];
}

static void driver_event(unsigned q, uint32_t word)
{
	memcpy(&mem->ring[q].avail_flags, &word, sizeof(word));
}

static uint32_t device_event(unsigned q)
{
	uint32_t word;

	memcpy(&word, &mem->ring[q].used_flags, sizeof(word));
	return word;
}

static void up_packed(uint64_t features)
{
	features |= VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC | VIRTIO_F_RING_PACKED;
	power_on(VDEV_MODERN);
	d.offered |= features;
	up_to_features(features);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(vd.ops->queue_enable(&vd, &vq[i], VIRTIO_MSI_NO_VECTOR), 0);
	vd.ops->set_status(&vd, vd.ops->get_status(&vd) | DOK);
	cr_assert_eq(d.violations, 0, "%s", d.violation[0].text);
}

/* A descriptor of the first lap, or with @lap 0 of the second. */
static struct vring_packed_desc *place(unsigned q, unsigned pos, uint32_t len, unsigned flags,
                                       bool lap)
{
	struct vring_packed_desc *p = packed(q, pos);

	*p = (struct vring_packed_desc){.addr = at(mem->buf[pos]),
	                                .len = len,
	                                .id = (uint16_t)pos,
	                                .flags = (uint16_t)(flags | (lap ? AVAIL : USED))};
	return p;
}

static struct vring_packed_desc *first(unsigned q, unsigned pos, uint32_t len, unsigned flags)
{
	return place(q, pos, len, flags, true);
}

static void expect_at_step(unsigned q, const char *section)
{
	kick(q);
	vdev_step(&d, 8);
	expect(section);
}

/* ---- a good driver ------------------------------------------------------------------------ */

Test(model_packed, carries_a_frame_each_way)
{
	uint8_t frame[100];
	struct vdev_frame *f;

	memset(frame, 0x5a, sizeof(frame));
	up_packed(0);
	first(RX, 0, 2048, WRITE)->id = 7;
	kick(RX);
	vdev_net_rx_push(&d, 0, frame, sizeof(frame));
	cr_assert_eq(vdev_step(&d, 8), 1);
	cr_assert_eq(packed(RX, 0)->id, 7);
	cr_assert_eq(packed(RX, 0)->len, 112);
	cr_assert_eq(packed(RX, 0)->flags, AVAIL | USED | WRITE);
	cr_assert_eq(memcmp(mem->buf[0] + 12, frame, 100), 0);

	memcpy(mem->buf[1] + 12, frame, 100);
	first(TX, 0, 112, 0)->addr = at(mem->buf[1]);
	kick(TX);
	cr_assert_eq(vdev_step(&d, 8), 1);
	cr_assert_eq(packed(TX, 0)->flags, AVAIL | USED);
	f = vdev_net_tx_pop(&d, 0);
	cr_assert(f && f->len == 100 && !memcmp(f->data, frame, 100));
	free(f);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, goes_around_the_ring_with_chains)
{
	unsigned pos = 0;
	bool lap = true;

	up_packed(0);
	for (unsigned round = 0; round < 50; round++) {
		const unsigned start = pos;
		const bool start_lap = lap;

		for (unsigned i = 0; i < 3; i++) {
			place(TX, pos, 50, i < 2 ? NEXT : 0, lap)->id = (uint16_t)start;
			pos = (pos + 1) % N;
			lap ^= pos == 0;
		}
		kick(TX);
		cr_assert_eq(vdev_step(&d, 8), 1);
		cr_assert_eq(packed(TX, start)->id, start);
		cr_assert_eq(packed(TX, start)->flags, start_lap ? AVAIL | USED : 0);
		free(vdev_net_tx_pop(&d, 0));
	}
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, completes_a_batch_in_order_by_its_last_buffer)
{
	up_packed(VIRTIO_F_IN_ORDER);
	d.batch = VDEV_BATCH_ALL;
	d.order = VDEV_REVERSED; /* not allowed now */
	first(TX, 0, 100, NEXT)->id = 1;
	first(TX, 1, 100, 0)->id = 1;
	first(TX, 2, 100, 0)->id = 6;
	first(TX, 3, 100, 0)->id = 4;
	kick(TX);
	cr_assert_eq(vdev_step(&d, 8), 3);
	cr_assert_eq(packed(TX, 0)->id, 4);
	cr_assert_eq(packed(TX, 0)->flags, AVAIL | USED);
	for (unsigned i = 1; i < 4; i++)
		cr_assert_eq(packed(TX, i)->flags & (AVAIL | USED), AVAIL, "skipped");
	first(TX, 4, 100, 0);
	kick(TX);
	vdev_step(&d, 8);
	cr_assert_eq(packed(TX, 4)->flags, AVAIL | USED);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, a_batch_ends_with_a_buffer_that_is_not_full)
{
	uint8_t frame[2048 - 12];

	memset(frame, 1, sizeof(frame));
	up_packed(VIRTIO_F_IN_ORDER);
	d.batch = VDEV_BATCH_ALL;
	for (unsigned i = 0; i < 5; i++)
		first(RX, i, 2048, WRITE);
	kick(RX);
	/* full, full, short, full, short */
	for (unsigned i = 0; i < 5; i++)
		vdev_net_rx_push(&d, 0, frame, i == 2 || i == 4 ? 100 : sizeof(frame));
	cr_assert_eq(vdev_step(&d, 8), 5);
	cr_assert(packed(RX, 0)->id == 2 && packed(RX, 0)->len == 112);
	cr_assert(packed(RX, 3)->id == 4 && packed(RX, 3)->len == 112);
	cr_assert_eq(packed(RX, 3)->flags & (AVAIL | USED), AVAIL | USED);
	cr_assert_eq(packed(RX, 4)->flags & (AVAIL | USED), AVAIL);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, split_rings_too_complete_batches)
{
	power_on(VDEV_MODERN);
	d.offered |= VIRTIO_F_IN_ORDER;
	d.batch = VDEV_BATCH_ALL;
	up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER);
	vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
	vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
	for (uint16_t i = 0; i < 3; i++) {
		desc(TX, i, mem->buf[i], 100, 0);
		offer(TX, i);
	}
	kick(TX);
	cr_assert_eq(vdev_step(&d, 8), 3);
	cr_assert_eq(mem->ring[TX].used_idx, 3);
	cr_assert_eq(mem->ring[TX].used[0].id, 2);
	cr_assert_eq(mem->ring[TX].used[1].id, 0, "not written");
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, finds_split_descriptors_out_of_order)
{
	for (unsigned wrong = 0; wrong < 3; wrong++) {
		power_on(VDEV_MODERN);
		d.offered |= VIRTIO_F_IN_ORDER | VIRTIO_F_INDIRECT_DESC;
		up_to_features(VIRTIO_F_VERSION_1 | VIRTIO_F_IN_ORDER | VIRTIO_F_INDIRECT_DESC);
		vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
		vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
		desc(TX, 1, mem->buf[0], 100, 0);
		desc(TX, 0, mem->buf[1], 100, NEXT)->next = 2;
		desc(TX, 2, mem->buf[2], 100, 0);
		if (wrong == 2) {
			desc(TX, 0, mem->table, 48, INDIRECT);
			for (unsigned i = 0; i < 3; i++)
				mem->table[i] =
				    (struct vring_desc){.addr = at(mem->buf[i]), .len = 50};
			mem->table[0].flags = NEXT;
			mem->table[0].next = 2;
		}
		expect_after(TX, wrong == 0,
		             wrong == 0   ? "2.7.5:"
		             : wrong == 1 ? "2.7.5.2:"
		                          : "2.7.5.3.1:");
	}
}

/* ---- descriptors -------------------------------------------------------------------------- */

Test(model_packed, finds_flags_that_say_neither_yes_nor_no)
{
	up_packed(0);
	first(TX, 0, 100, 0)->flags = AVAIL | USED;
	vdev_step(&d, 8);
	expect("2.8.1:");
	up_packed(0);
	first(TX, 0, 100, 0)->flags = USED;
	vdev_step(&d, 8);
	expect("2.8.1:");
}

Test(model_packed, finds_a_list_whose_rest_is_not_available)
{
	up_packed(0);
	first(TX, 0, 100, NEXT);
	expect_at_step(TX, "2.8.17: first");
	up_packed(0);
	first(TX, 0, 100, NEXT);
	first(TX, 1, 100, 0)->flags = AVAIL | USED;
	expect_at_step(TX, "2.8.17: first");
}

Test(model_packed, finds_a_list_without_an_end)
{
	up_packed(0);
	for (unsigned i = 0; i < N; i++)
		first(TX, i, 100, NEXT);
	expect_at_step(TX, "2.8.17:");
}

Test(model_packed, finds_bad_descriptors)
{
	up_packed(0);
	first(TX, 0, 100, 8);
	expect_at_step(TX, "2.8.13:");
	up_packed(0);
	first(TX, 0, 0, 0);
	expect_at_step(TX, "2.8.5:");
	up_packed(0);
	first(TX, 0, 100, 0)->addr = 64;
	expect_at_step(TX, "2.8.5:");
	up_packed(0);
	first(TX, 1, 100, 0);
	first(TX, 0, 100, NEXT | WRITE);
	expect_at_step(TX, "2.8.17: device-readable");
	up_packed(0);
	first(RX, 0, 2048, 0);
	kick(RX);
	vdev_step(&d, 8);
	cr_assert_eq(vdev_expect(&d, "5.1.9.3.1:"), 1, "nothing to write to");
	expect("5.1.2:");
}

Test(model_packed, finds_ids_that_are_not_free)
{
	up_packed(0);
	first(TX, 0, 100, 0)->id = N;
	expect_at_step(TX, "2.8.21.1:");

	up_packed(0);
	d.hold = 1;
	first(TX, 0, 100, 0)->id = 5;
	kick(TX);
	vdev_step(&d, 8);
	first(TX, 1, 100, 0)->id = 5;
	kick(TX);
	vdev_step(&d, 8);
	expect("2.8.21.1:");
}

Test(model_packed, the_id_is_in_the_last_descriptor)
{
	up_packed(0);
	first(TX, 0, 100, NEXT)->id = 0xffff;
	first(TX, 1, 100, 0)->id = 3;
	kick(TX);
	vdev_step(&d, 8);
	cr_assert_eq(packed(TX, 0)->id, 3);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, finds_changes_of_what_the_device_has)
{
	for (unsigned what = 0; what < 3; what++) {
		up_packed(0);
		d.hold = 1;
		first(TX, 0, 100, 0);
		kick(TX);
		vdev_step(&d, 1);
		if (what == 0)
			mem->buf[0][77] ^= 1;
		else if (what == 1)
			packed(TX, 0)->len++;
		else
			packed(TX, 0)->flags ^= NEXT;
		/* used now, or still there at the end */
		d.hold = what == 2;
		vdev_step(&d, 1);
		expect(what ? "2.8.16:" : "3.3.1: queue 1: buffer");
	}
}

Test(model_packed, finds_a_driver_that_overtakes_the_device)
{
	up_packed(0);
	d.hold = N;
	for (unsigned i = 0; i < N; i++)
		first(TX, i, 100, 0);
	kick(TX);
	vdev_step(&d, 8);
	cr_assert_eq(d.queue[TX].packets, N);
	place(TX, 0, 100, 0, false);
	vdev_step(&d, 8);
	expect("2.8.16:");
}

Test(model_packed, finds_a_ring_that_is_not_empty_or_not_aligned)
{
	const uint64_t features = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED;

	for (unsigned what = 0; what < 4; what++) {
		power_on(VDEV_MODERN);
		d.offered |= features;
		up_to_features(features);
		if (what == 0)
			packed(TX, 3)->len = 1;
		else if (what == 1)
			mem->ring[TX].used_idx = 1;
		else if (what == 2)
			vq[TX].avail_iova += 2;
		else
			vq[TX].desc_iova = 16;
		vd.ops->queue_enable(&vd, &vq[TX], VIRTIO_MSI_NO_VECTOR);
		expect(what == 0   ? "2.8.13:"
		       : what == 1 ? "2.8.10:"
		       : what == 2 ? "2.8.11:"
		                   : "2.8:");
	}
}

/* ---- indirect ----------------------------------------------------------------------------- */

static void indirect(unsigned entries, uint32_t bytes, unsigned flags)
{
	struct vring_packed_desc *table = (void *)mem->table;

	for (unsigned i = 0; i < entries; i++)
		table[i] = (struct vring_packed_desc){.addr = at(mem->buf[i % 16]), .len = 50};
	first(TX, 0, bytes, INDIRECT | flags)->addr = at(mem->table);
}

Test(model_packed, takes_an_indirect_table)
{
	up_packed(VIRTIO_F_INDIRECT_DESC);
	indirect(N, N * 16, WRITE); /* which is reserved there and ignored (2.8.7) */
	kick(TX);
	cr_assert_eq(vdev_step(&d, 1), 1);

	struct vdev_frame *f = vdev_net_tx_pop(&d, 0);

	cr_assert(f && f->indirect && f->nb_descs == N && f->len == N * 50 - 12);
	free(f);
	cr_assert_eq(vdev_close(&d), 0);
}

Test(model_packed, finds_bad_indirect_tables)
{
	const uint64_t with = VIRTIO_F_INDIRECT_DESC;

	up_packed(0);
	indirect(2, 32, 0);
	d.features &= ~with;
	expect_at_step(TX, "2.8.19: INDIRECT without");
	up_packed(with);
	indirect(2, 32, NEXT);
	expect_at_step(TX, "2.8.19: INDIRECT in a list");
	up_packed(with);
	indirect(2, 33, 0);
	expect_at_step(TX, "2.8.7: length");
	up_packed(with);
	indirect(2, 0, 0);
	expect_at_step(TX, "2.8.7: length");
	up_packed(with);
	indirect(2, 32, 0);
	((struct vring_packed_desc *)(void *)mem->table)[0].flags = NEXT;
	expect_at_step(TX, "2.8.19: flags");
	up_packed(with);
	indirect(N + 1, (N + 1) * 16, 0);
	expect_at_step(TX, "2.8.17: chain longer");
	up_packed(with);
	indirect(2, 32, 0);
	packed(TX, 0)->addr = 64;
	expect_at_step(TX, "2.8.7: indirect table outside");

	up_packed(with);
	d.hold = 1;
	indirect(2, 32, 0);
	kick(TX);
	vdev_step(&d, 1);
	d.hold = 0;
	((struct vring_packed_desc *)(void *)mem->table)[1].len++;
	vdev_step(&d, 1);
	expect("3.3.1: queue 1: descriptors");
}

/* ---- events ------------------------------------------------------------------------------- */

Test(model_packed, finds_bad_driver_areas)
{
	static const struct {
		uint32_t word;
		const char *section;
	} cases[] = {
	    {3u << 16, "2.8.10: queue 1: reserved flags"},
	    {1u << 18, "2.8.14:"},
	    {1u << 31, "2.8.14:"},
	    {2u << 16 | N, "2.8.10: queue 1: event at 8"},
	    {2u << 16 | 0x8000 | N, "2.8.10: queue 1: event at 8"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		up_packed(VIRTIO_F_EVENT_IDX);
		driver_event(TX, cases[i].word);
		vdev_step(&d, 1);
		expect(cases[i].section);
	}
	up_packed(0);
	d.features &= ~VIRTIO_F_EVENT_IDX;
	driver_event(TX, 2u << 16);
	vdev_step(&d, 1);
	expect("2.8.10: queue 1: DESC without");

	up_packed(0);
	mem->ring[TX].used_flags ^= 1;
	vdev_step(&d, 1);
	expect("2.8.10: queue 1: the driver wrote");
}

Test(model_packed, finds_a_missing_notification)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		const uint64_t features = event_idx ? VIRTIO_F_EVENT_IDX : 0;

		up_packed(features);
		first(TX, 0, 100, 0);
		vdev_step(&d, 1);
		expect("2.8.21.2:");

		up_packed(features);
		vdev_step(&d, 1);
		first(TX, 0, 100, 0);
		vdev_step(&d, 1);
		expect("2.8.21.2:");

		up_packed(features);
		d.kick = VDEV_KICK_NEVER;
		vdev_step(&d, 1);
		cr_assert_eq(device_event(TX) >> 16, 1);
		first(TX, 0, 100, 0);
		vdev_step(&d, 1);
		cr_assert_eq(d.queue[TX].packets, 1);
		kick(TX);
		cr_assert_eq(d.queue[TX].kicks_unwanted, 1);
		cr_assert_eq(vdev_close(&d), 0);
	}
}

Test(model_packed, tells_late_notifications_from_unwanted_ones)
{
	up_packed(VIRTIO_F_EVENT_IDX);
	vdev_step(&d, 1);
	cr_assert_eq(device_event(TX), 2u << 16 | 0x8000);
	first(TX, 0, 100, 0);
	kick(TX);
	first(TX, 1, 100, 0);
	kick(TX);
	cr_assert_eq(d.queue[TX].kicks_late, 1);
	cr_assert_eq(d.queue[TX].kicks_unwanted, 0);
	vdev_step(&d, 8);
	cr_assert_eq(device_event(TX), 2u << 16 | 0x8000 | 2);
	kick(TX);
	cr_assert_eq(d.queue[TX].kicks_unwanted, 1);
	cr_assert_eq(vdev_close(&d), 0);
}

static unsigned irqs;

static void irq(struct virtio_dev *dev, unsigned vector)
{
	(void)dev;
	irqs += vector == 2;
}

Test(model_packed, interrupts_as_the_driver_wishes)
{
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		const uint64_t features = VIRTIO_F_VERSION_1 | VIRTIO_F_RING_PACKED |
		                          (event_idx ? VIRTIO_F_EVENT_IDX : 0);

		irqs = 0;
		power_on(VDEV_MODERN);
		d.offered |= features;
		up_to_features(features);
		cr_assert_eq(vd.ops->irq_setup(&vd, 3, irq), VIRTIO_IRQ_MSIX);
		vd.ops->queue_enable(&vd, &vq[TX], 2);
		vd.ops->set_status(&vd, ACK | DRV | FOK | DOK);
		for (unsigned i = 0; i < 4; i++) {
			first(TX, i, 100, 0);
			driver_event(TX,
			             event_idx ? 2u << 16 | 0x8000 | 2 : (i != 2 ? 1u << 16 : 0));
			kick(TX);
			vdev_step(&d, 1);
			cr_assert_eq(irqs, i >= 2, "%u after buffer %u", irqs, i);
		}
		cr_assert_eq(vdev_close(&d), 0);
	}
}
