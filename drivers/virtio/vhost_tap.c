/* Taps; see the header. The requests are those of Linux' Documentation/networking/tuntap.rst. */
#include "drivers/virtio/vhost_tap.h"
#include "kernel/errno.h"
#include "kernel/string.h"

#define FLAGS (TAP_IFF_TAP | TAP_IFF_NO_PI | TAP_IFF_VNET_HDR)
#define TSO (TAP_F_CSUM | TAP_F_TSO4 | TAP_F_TSO6)
#define USO (TAP_F_USO4 | TAP_F_USO6) /* Linux 6.2 and later, and only both */
#define GUEST_USO (VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6)
#define FEATURES_TSO                                                                               \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 |                     \
	 VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6)
#define FEATURES_USO (VIRTIO_NET_F_HOST_USO | GUEST_USO)

static int set_offload(int fd, unsigned flags)
{
	return vhost_dev_ioctl(fd, TAP_IO_SET_OFFLOAD, (void *)(uintptr_t)flags);
}

int tap_open(char name[IF_NAME_LEN], bool multi_queue)
{
	struct if_request r = {.flags = FLAGS | (multi_queue ? TAP_IFF_MULTI_QUEUE : 0)};
	const int fd = vhost_dev_open(TAP_PATH);
	int err;

	if (fd < 0)
		return fd;
	memcpy(r.name, name, IF_NAME_LEN);
	err = vhost_dev_ioctl(fd, TAP_IO_SET_IFF, &r);
	if (err == -EINVAL && !multi_queue) {
		/* it exists, and was made for several queues */
		r.flags = FLAGS | TAP_IFF_MULTI_QUEUE;
		err = vhost_dev_ioctl(fd, TAP_IO_SET_IFF, &r);
	}
	if (err < 0) {
		vhost_dev_close(fd);
		return err;
	}
	memcpy(name, r.name, IF_NAME_LEN);
	name[IF_NAME_LEN - 1] = '\0';
	return fd;
}

uint64_t tap_features(int fd)
{
	uint64_t features = 0;

	if (set_offload(fd, TSO | USO) >= 0)
		features = FEATURES_TSO | FEATURES_USO;
	else if (set_offload(fd, TSO) >= 0)
		features = FEATURES_TSO;
	set_offload(fd, 0);
	return features;
}

int tap_set_features(struct vhost_backend *b, int fd, uint64_t features)
{
	int hdr_len = VIRTIO_NET_HDR_LEN; /* with VERSION_1 (virtio 5.1.6) */
	unsigned offload = 0;
	int err;

	if (features & VIRTIO_NET_F_GUEST_CSUM) {
		offload |= TAP_F_CSUM;
		if (features & VIRTIO_NET_F_GUEST_TSO4)
			offload |= TAP_F_TSO4;
		if (features & VIRTIO_NET_F_GUEST_TSO6)
			offload |= TAP_F_TSO6;
		if ((features & GUEST_USO) == GUEST_USO)
			offload |= USO;
	}
	err = vhost_request(b, fd, TAP_IO_SET_VNET_HDR_SZ, &hdr_len);
	return err < 0 ? err : vhost_request(b, fd, TAP_IO_SET_OFFLOAD, (void *)(uintptr_t)offload);
}

int tap_attach_queue(struct vhost_backend *b, int fd, bool on)
{
	struct if_request r = {.flags = on ? TAP_IFF_ATTACH_QUEUE : TAP_IFF_DETACH_QUEUE};

	return vhost_request(b, fd, TAP_IO_SET_QUEUE, &r);
}

int tap_is_up(int fd, int ask_fd)
{
	struct if_request r = {.flags = 0};
	const int err = vhost_dev_ioctl(fd, TAP_IO_GET_IFF, &r);

	if (err < 0)
		return err;
	return vhost_dev_ioctl(ask_fd, IF_IO_GET_FLAGS, &r) < 0 || (r.flags & IF_FLAG_UP);
}
