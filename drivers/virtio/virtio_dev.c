/*
 * The life of a virtio device from reset to DRIVER_OK (virtio 2.1, 2.2, 2.5, 3.1).
 */
#include "drivers/virtio/virtio_dev.h"
#include "kernel/assert.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/cpu.h>

#define CONFIG_READ_MAX 64

static void status_add(struct virtio_dev *vd, uint8_t bits)
{
	vd->ops->set_status(vd, (uint8_t)(vd->ops->get_status(vd) | bits));
}

int virtio_dev_reset(struct virtio_dev *vd)
{
	const uint64_t deadline_ns = plat_time_ns() + VIRTIO_RESET_TIMEOUT_NS;

	vd->ops->set_status(vd, 0);
	while (vd->ops->get_status(vd)) {
		/* nothing is there that could write to our memory: no device has all bits set */
		if (vd->ops->get_status(vd) == 0xff && vd->ops->present && !vd->ops->present(vd))
			return 0;
		if (plat_time_ns() > deadline_ns) {
			log_err("virtio", "%s: status is still 0x%02x one second after a reset",
			        vd->name, vd->ops->get_status(vd));
			return -ETIMEDOUT;
		}
		cpu_pause();
	}
	return 0;
}

int virtio_dev_begin(struct virtio_dev *vd)
{
	int err = vd->ops->open ? vd->ops->open(vd) : 0;

	if (!err)
		err = virtio_dev_reset(vd);
	if (err)
		return err;
	status_add(vd, VIRTIO_STATUS_ACKNOWLEDGE);
	status_add(vd, VIRTIO_STATUS_DRIVER);
	vd->device_features = vd->ops->get_features(vd);
	vd->features = 0;
	return 0;
}

int virtio_dev_negotiate(struct virtio_dev *vd, uint64_t wanted)
{
	uint8_t status;

	vd->features = vd->device_features & wanted;
	if (!vd->legacy && !virtio_has(vd, VIRTIO_F_VERSION_1)) {
		log_err("virtio",
		        "%s: a modern device that does not offer VIRTIO_F_VERSION_1; not used "
		        "(is it broken, or should it be legacy: disable-modern=on?)",
		        vd->name);
		virtio_dev_fail(vd);
		return -EOPNOTSUPP;
	}
	vd->ops->set_features(vd, vd->features);
	if (vd->legacy)
		return 0;

	status_add(vd, VIRTIO_STATUS_FEATURES_OK);
	status = vd->ops->get_status(vd);
	if (!(status & VIRTIO_STATUS_FEATURES_OK)) {
		if (status & VIRTIO_STATUS_NEEDS_RESET)
			log_err("virtio", "%s: the device failed before it had agreed to features",
			        vd->name);
		else
			log_err("virtio",
			        "%s: the device refuses the features 0x%llx out of 0x%llx",
			        vd->name, (unsigned long long)vd->features,
			        (unsigned long long)vd->device_features);
		virtio_dev_fail(vd);
		return -EOPNOTSUPP;
	}
	return 0;
}

int virtio_dev_ready(struct virtio_dev *vd)
{
	status_add(vd, VIRTIO_STATUS_DRIVER_OK);
	if (vd->ops->get_status(vd) & VIRTIO_STATUS_NEEDS_RESET) {
		log_err("virtio", "%s: the device failed, or needs a reset, right after DRIVER_OK",
		        vd->name);
		return -EIO;
	}
	return 0;
}

void virtio_dev_fail(struct virtio_dev *vd)
{
	status_add(vd, VIRTIO_STATUS_FAILED);
}

int virtio_dev_config_read(struct virtio_dev *vd, unsigned offset, void *out, unsigned len)
{
	uint8_t again[CONFIG_READ_MAX];

	assert(len <= sizeof(again));
	for (unsigned i = 0; i < VIRTIO_CONFIG_TRIES; i++) {
		const uint32_t before = vd->ops->config_generation(vd);
		int err = vd->ops->config_read(vd, offset, out, len);

		if (err)
			return err;
		if (vd->legacy) {
			/* no generation there: two equal readings must do (virtio 2.5.4) */
			err = vd->ops->config_read(vd, offset, again, len);
			if (!err && !memcmp(out, again, len))
				return 0;
		} else if (vd->ops->config_generation(vd) == before) {
			return 0;
		}
	}
	return -EAGAIN;
}

const char *virtio_feature_name(unsigned bit)
{
	static const char *const names[64] = {
	    [0] = "VIRTIO_NET_F_CSUM",
	    [1] = "VIRTIO_NET_F_GUEST_CSUM",
	    [2] = "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS",
	    [3] = "VIRTIO_NET_F_MTU",
	    [5] = "VIRTIO_NET_F_MAC",
	    [6] = "VIRTIO_NET_F_GSO",
	    [7] = "VIRTIO_NET_F_GUEST_TSO4",
	    [8] = "VIRTIO_NET_F_GUEST_TSO6",
	    [9] = "VIRTIO_NET_F_GUEST_ECN",
	    [10] = "VIRTIO_NET_F_GUEST_UFO",
	    [11] = "VIRTIO_NET_F_HOST_TSO4",
	    [12] = "VIRTIO_NET_F_HOST_TSO6",
	    [13] = "VIRTIO_NET_F_HOST_ECN",
	    [14] = "VIRTIO_NET_F_HOST_UFO",
	    [15] = "VIRTIO_NET_F_MRG_RXBUF",
	    [16] = "VIRTIO_NET_F_STATUS",
	    [17] = "VIRTIO_NET_F_CTRL_VQ",
	    [18] = "VIRTIO_NET_F_CTRL_RX",
	    [19] = "VIRTIO_NET_F_CTRL_VLAN",
	    [20] = "VIRTIO_NET_F_CTRL_RX_EXTRA",
	    [21] = "VIRTIO_NET_F_GUEST_ANNOUNCE",
	    [22] = "VIRTIO_NET_F_MQ",
	    [23] = "VIRTIO_NET_F_CTRL_MAC_ADDR",
	    [24] = "VIRTIO_F_NOTIFY_ON_EMPTY",
	    [27] = "VIRTIO_F_ANY_LAYOUT",
	    [28] = "VIRTIO_F_INDIRECT_DESC",
	    [29] = "VIRTIO_F_EVENT_IDX",
	    [32] = "VIRTIO_F_VERSION_1",
	    [33] = "VIRTIO_F_ACCESS_PLATFORM",
	    [34] = "VIRTIO_F_RING_PACKED",
	    [35] = "VIRTIO_F_IN_ORDER",
	    [36] = "VIRTIO_F_ORDER_PLATFORM",
	    [37] = "VIRTIO_F_SR_IOV",
	    [38] = "VIRTIO_F_NOTIFICATION_DATA",
	    [39] = "VIRTIO_F_NOTIF_CONFIG_DATA",
	    [40] = "VIRTIO_F_RING_RESET",
	    [41] = "VIRTIO_F_ADMIN_VQ",
	    [43] = "VIRTIO_F_SUSPEND",
	    [50] = "VIRTIO_NET_F_DEVICE_STATS",
	    [51] = "VIRTIO_NET_F_HASH_TUNNEL",
	    [52] = "VIRTIO_NET_F_VQ_NOTF_COAL",
	    [53] = "VIRTIO_NET_F_NOTF_COAL",
	    [54] = "VIRTIO_NET_F_GUEST_USO4",
	    [55] = "VIRTIO_NET_F_GUEST_USO6",
	    [56] = "VIRTIO_NET_F_HOST_USO",
	    [57] = "VIRTIO_NET_F_HASH_REPORT",
	    [59] = "VIRTIO_NET_F_GUEST_HDRLEN",
	    [60] = "VIRTIO_NET_F_RSS",
	    [61] = "VIRTIO_NET_F_RSC_EXT",
	    [62] = "VIRTIO_NET_F_STANDBY",
	    [63] = "VIRTIO_NET_F_SPEED_DUPLEX",
	};

	return bit < ARRAY_SIZE(names) ? names[bit] : NULL;
}
