/* The kernel's vhost devices and taps: system calls, and the proof that vhost_ioctl.h has Linux's
 * numbers and formats. */
#define _GNU_SOURCE
#include "drivers/virtio/vhost_dev.h"
#include "drivers/virtio/vhost_ioctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vhost.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the same numbers and formats ---- */

#define SAME(ours, linuxs) static_assert((uint64_t)(ours) == (uint64_t)(linuxs), "as Linux has it")

SAME(VHOST_IO_GET_FEATURES, VHOST_GET_FEATURES);
SAME(VHOST_IO_SET_FEATURES, VHOST_SET_FEATURES);
SAME(VHOST_IO_SET_OWNER, VHOST_SET_OWNER);
SAME(VHOST_IO_SET_MEM_TABLE, VHOST_SET_MEM_TABLE);
SAME(VHOST_IO_SET_VRING_NUM, VHOST_SET_VRING_NUM);
SAME(VHOST_IO_SET_VRING_ADDR, VHOST_SET_VRING_ADDR);
SAME(VHOST_IO_SET_VRING_BASE, VHOST_SET_VRING_BASE);
SAME(VHOST_IO_SET_VRING_KICK, VHOST_SET_VRING_KICK);
SAME(VHOST_IO_SET_VRING_CALL, VHOST_SET_VRING_CALL);
SAME(VHOST_IO_SET_VRING_ERR, VHOST_SET_VRING_ERR);
SAME(VHOST_IO_SET_BACKEND_FEATURES, VHOST_SET_BACKEND_FEATURES);
SAME(VHOST_IO_GET_BACKEND_FEATURES, VHOST_GET_BACKEND_FEATURES);
SAME(VHOST_IO_NET_SET_BACKEND, VHOST_NET_SET_BACKEND);
SAME(VHOST_IO_VDPA_GET_DEVICE_ID, VHOST_VDPA_GET_DEVICE_ID);
SAME(VHOST_IO_VDPA_GET_STATUS, VHOST_VDPA_GET_STATUS);
SAME(VHOST_IO_VDPA_SET_STATUS, VHOST_VDPA_SET_STATUS);
SAME(VHOST_IO_VDPA_GET_CONFIG, VHOST_VDPA_GET_CONFIG);
SAME(VHOST_IO_VDPA_SET_VRING_ENABLE, VHOST_VDPA_SET_VRING_ENABLE);
SAME(VHOST_IO_VDPA_GET_VRING_NUM, VHOST_VDPA_GET_VRING_NUM);
SAME(VHOST_IO_VDPA_GET_IOVA_RANGE, VHOST_VDPA_GET_IOVA_RANGE);
SAME(TAP_IO_SET_IFF, TUNSETIFF);
SAME(TAP_IO_SET_OFFLOAD, TUNSETOFFLOAD);
SAME(TAP_IO_GET_IFF, TUNGETIFF);
SAME(TAP_IO_SET_VNET_HDR_SZ, TUNSETVNETHDRSZ);
SAME(TAP_IO_SET_QUEUE, TUNSETQUEUE);
SAME(IF_IO_GET_FLAGS, SIOCGIFFLAGS);
SAME(BACKEND_F_IOTLB_MSG_V2, (1ull << VHOST_BACKEND_F_IOTLB_MSG_V2));
SAME(BACKEND_F_IOTLB_BATCH, (1ull << VHOST_BACKEND_F_IOTLB_BATCH));
SAME(VHOST_NET_F_HDR, (1ull << VHOST_NET_F_VIRTIO_NET_HDR));
SAME(TAP_IFF_TAP, IFF_TAP);
SAME(TAP_IFF_MULTI_QUEUE, IFF_MULTI_QUEUE);
SAME(TAP_IFF_ATTACH_QUEUE, IFF_ATTACH_QUEUE);
SAME(TAP_IFF_DETACH_QUEUE, IFF_DETACH_QUEUE);
SAME(TAP_IFF_NO_PI, IFF_NO_PI);
SAME(TAP_IFF_VNET_HDR, IFF_VNET_HDR);
SAME(IF_FLAG_UP, IFF_UP);
SAME(TAP_F_CSUM, TUN_F_CSUM);
SAME(TAP_F_TSO4, TUN_F_TSO4);
SAME(TAP_F_TSO6, TUN_F_TSO6);
SAME(IF_NAME_LEN, IFNAMSIZ);
SAME(IOTLB_MSG_V2, VHOST_IOTLB_MSG_V2);
SAME(IOTLB_ACCESS_RW, VHOST_ACCESS_RW);
SAME(IOTLB_UPDATE, VHOST_IOTLB_UPDATE);
SAME(IOTLB_INVALIDATE, VHOST_IOTLB_INVALIDATE);
SAME(IOTLB_BATCH_BEGIN, VHOST_IOTLB_BATCH_BEGIN);
SAME(IOTLB_BATCH_END, VHOST_IOTLB_BATCH_END);
SAME(sizeof(struct iotlb_message), sizeof(struct vhost_msg_v2));
SAME(offsetof(struct iotlb_message, what), offsetof(struct vhost_msg_v2, iotlb.type));
SAME(sizeof(struct vhost_ring_file), sizeof(struct vhost_vring_file));
SAME(sizeof(struct vdpa_config_head), offsetof(struct vhost_vdpa_config, buf));
SAME(sizeof(struct iova_range), sizeof(struct vhost_vdpa_iova_range));
SAME(sizeof(struct if_request), sizeof(struct ifreq));

/* ---- system calls ---- */

int vhost_dev_open(const char *path)
{
	const int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int vhost_dev_socket(void)
{
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

void vhost_dev_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int vhost_dev_ioctl(int fd, uint32_t request, void *arg)
{
	const int n = ioctl(fd, request, arg);

	return n < 0 ? -errno : n;
}

int vhost_dev_write(int fd, const void *data, size_t len)
{
	const ssize_t n = write(fd, data, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}
