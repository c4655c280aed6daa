/* What a device may do instead of a command of the control queue, and what is then said of it. */
#ifndef TESTS_UNIT_CTRL_LIES_H
#define TESTS_UNIT_CTRL_LIES_H

#include "kernel/compiler.h"
#include "tests/model/vdev.h"

static const struct ctrl_lie {
	enum vdev_lie lie;
	uint32_t value;
	const char *says; /* in a packed ring an id out of range is only another lie */
} ctrl_lies[] = {
    {VDEV_LIE_ACK, VIRTIO_NET_ERR, "the device says no"},
    {VDEV_LIE_ACK, 77, "the device says no"},
    {VDEV_LIE_SILENT, 0, "command without an answer"},
    {VDEV_LIE_ID_RANGE, 0, "used id"},
};

#endif
