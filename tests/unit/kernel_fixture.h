/*
 * For the tests of the back ends in the kernel: virtio-user's registers on devices in memory, what
 * a driver does with them, and what has to hold whatever was refused.
 */
#ifndef TESTS_UNIT_KERNEL_FIXTURE_H
#define TESTS_UNIT_KERNEL_FIXTURE_H

#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/virtio_user.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/fake_vhost_dev.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"

#include <criterion/criterion.h>
#include <string.h>

#define SECOND 1000000000ull
#define FIXTURE_QUEUES 6
#define CALLS_MAX 200 /* of one start; more than any needs */

static struct virtio_user u;
static struct virtio_dev *const vd = &u.vd;
static struct virtqueue vq[FIXTURE_QUEUES];
static uint64_t wanted;

static inline void fixture_begin(void)
{
	fake_backend_open((size_t)8 << 20);
	fake_dev_reset();
	plat_test_time_ns = SECOND;
	memset(&u, 0, sizeof(u));
	u.queue_size = 256;
	u.nb_pairs = 1;
	wanted = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_F_EVENT_IDX |
	         VIRTIO_F_INDIRECT_DESC | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_NET_F_MAC |
	         VIRTIO_NET_F_MTU | VIRTIO_NET_F_STATUS;
	for (uint16_t i = 0; i < FIXTURE_QUEUES; i++) {
		vq[i].index = i;
		vq[i].nentries = 256;
		vq[i].vd = vd;
		vq[i].desc_iova = plat_iova(mem_alloc("ring", 16384, PAGE_SIZE));
		vq[i].avail_iova = vq[i].desc_iova + 4096;
		vq[i].used_iova = vq[i].desc_iova + 8192;
	}
}

static inline void fixture_finish(void)
{
	cr_assert_null(dev.breach, "%s", dev.breach);
}

static inline int start(void)
{
	int err = virtio_dev_begin(vd);

	if (!err)
		err = virtio_dev_negotiate(vd, wanted);
	for (uint16_t i = 0; !err && i < vd->ops->nb_queues(vd); i++)
		err = vd->ops->queue_enable(vd, &vq[i], VIRTIO_MSI_NO_VECTOR);
	return err ? err : virtio_dev_ready(vd);
}

static inline bool is_link_up(void)
{
	struct virtio_net_config c;

	cr_assert_eq(vd->ops->config_read(vd, 0, &c, sizeof(c)), 0);
	return c.status & VIRTIO_NET_S_LINK_UP;
}

/* What the driver's loop does. */
static inline uint8_t polled(void)
{
	plat_test_time_ns += VHOST_NEWS_NS;
	return vd->ops->get_status(vd);
}

/* Each call of a start, a look and a reset is refused, one at a time: the device ends closed or as
 * if nothing had happened, is said to be so at most once, and the next start is as good as the
 * first. */
static inline void refuse_each(void)
{
	unsigned times = 0;

	for (unsigned at = 1; at < CALLS_MAX; at++) {
		plat_test_clear();
		dev.calls = 0;
		dev.refuse_at = at;
		dev.error = -ENODEV;

		const int err = start();
		const uint8_t status = polled();

		virtio_dev_reset(vd);
		if (dev.calls < at) {
			cr_expect_eq(err, 0);
			break;
		}
		times++;
		cr_expect(lines_said() <= 4, "call %u: %s", at, plat_test_output());
		cr_expect(!err || said("No such device") || said("is gone"), "call %u: %s", at,
		          plat_test_output());
		cr_expect(u.backend->up || !dev.open_files, "call %u leaves %u files", at,
		          dev.open_files);
		cr_expect(!err || !(status & VIRTIO_STATUS_DRIVER_OK) ||
		              (status & VIRTIO_STATUS_NEEDS_RESET),
		          "call %u: status %u", at, status);
		dev.refuse_at = 0;
		u.backend->ops->close(u.backend);
		cr_expect_eq(dev.open_files, 0);
		cr_assert_eq(start(), 0, "after call %u: %s", at, plat_test_output());
		cr_expect_eq(polled(), 15);
		u.backend->ops->close(u.backend);
	}
	cr_expect_gt(times, 20);
}

#endif
