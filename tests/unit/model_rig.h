/*
 * A driver written out by hand, for the tests of the device model: two rings and some buffers in
 * one piece of memory, and the steps of bringing a device up, each of which a test may do wrong.
 */
#ifndef TESTS_UNIT_MODEL_RIG_H
#define TESTS_UNIT_MODEL_RIG_H

#include "drivers/virtio/virtqueue.h"
#include "kernel/compiler.h"
#include "kernel/errno.h"
#include "tests/model/vdev.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#define N 8
#define IOVA 0x7000000000ull
#define RX 0
#define TX 1
#define ACK VIRTIO_STATUS_ACKNOWLEDGE
#define DRV VIRTIO_STATUS_DRIVER
#define FOK VIRTIO_STATUS_FEATURES_OK
#define DOK VIRTIO_STATUS_DRIVER_OK

/* Two rings and some buffers in one piece of memory. */
struct ring {
	struct vring_desc desc[N];
	uint16_t avail_flags, avail_idx, avail[N], used_event;
	uint8_t padding[4096 - 16 * N - 6 - 2 * N];
	uint16_t used_flags, used_idx;
	struct vring_used_elem used[N];
	uint16_t avail_event;
} __attribute__((aligned(4096)));

static struct vdev d;
static struct virtio_dev vd;
static struct virtqueue vq[2];
static struct memory {
	struct ring ring[2];
	struct vring_desc table[64];
	uint8_t buf[16][4096];
} memory, *const mem = &memory;

static inline uint64_t at(const void *va)
{
	return IOVA + (uint64_t)((const uint8_t *)va - (const uint8_t *)mem);
}

static inline void power_on(enum vdev_kind kind)
{
	vdev_open(&d, kind);
	memset(mem, 0, sizeof(*mem));
	vdev_memory_add(&d.memory, mem, IOVA, sizeof(*mem));
	d.queue_max[RX] = d.queue_max[TX] = N;
	vdev_attach(&d, &vd);
	for (uint16_t i = 0; i < 2; i++) {
		vq[i] = (struct virtqueue){
		    .index = i,
		    .nentries = N,
		    .desc_iova = at(mem->ring[i].desc),
		    .avail_iova = at(&mem->ring[i].avail_flags),
		    .used_iova = at(&mem->ring[i].used_flags),
		};
	}
}

static inline void reset(void)
{
	vd.ops->set_status(&vd, 0);
	while (vd.ops->get_status(&vd))
		;
}

static inline void up_to_features(uint64_t features)
{
	reset();
	vd.ops->set_status(&vd, ACK);
	vd.ops->set_status(&vd, ACK | DRV);
	vd.ops->set_features(&vd, vd.ops->get_features(&vd) & features);
	if (!vd.legacy)
		vd.ops->set_status(&vd, ACK | DRV | FOK);
}

static inline void up(enum vdev_kind kind, uint64_t features)
{
	power_on(kind);
	up_to_features(features | VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC);
	for (unsigned i = 0; i < 2; i++)
		cr_assert_eq(vd.ops->queue_enable(&vd, &vq[i], VIRTIO_MSI_NO_VECTOR), 0);
	vd.ops->set_status(&vd, vd.ops->get_status(&vd) | DOK);
	cr_assert_eq(d.violations, 0, "%s", d.violation[0].text);
}

static inline struct vring_desc *desc(unsigned q, unsigned i, void *va, uint32_t len,
                                      unsigned flags)
{
	mem->ring[q].desc[i] =
	    (struct vring_desc){.addr = at(va), .len = len, .flags = (uint16_t)flags};
	return &mem->ring[q].desc[i];
}

static inline void offer(unsigned q, uint16_t head)
{
	struct ring *r = &mem->ring[q];

	r->avail[r->avail_idx % N] = head;
	r->avail_idx++;
}

static inline void kick(unsigned q)
{
	vd.ops->notify(&vd, &vq[q]);
}

/* The list must hold this breach and no other. */
static inline void expect(const char *section)
{
	vdev_close(&d);
	cr_assert_gt(vdev_expect(&d, section), 0, "not found: %s; found: %s", section,
	             d.nb_violations ? d.violation[0].text : "nothing");
	cr_assert_eq(d.violations, 0, "besides %s: %s", section, d.violation[0].text);
}

static inline void expect_after(unsigned q, uint16_t head, const char *section)
{
	offer(q, head);
	kick(q);
	vdev_step(&d, 8);
	expect(section);
}

#endif
