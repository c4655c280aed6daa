/* Requests to the kernel, by name when they fail. */
#include "drivers/virtio/vhost_request.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/errno.h"
#include "kernel/log.h"

static const struct {
	uint32_t request;
	const char *name;
} names[] = {
    {VHOST_IO_GET_FEATURES, "VHOST_GET_FEATURES"},
    {VHOST_IO_SET_FEATURES, "VHOST_SET_FEATURES"},
    {VHOST_IO_SET_OWNER, "VHOST_SET_OWNER"},
    {VHOST_IO_SET_MEM_TABLE, "VHOST_SET_MEM_TABLE"},
    {VHOST_IO_SET_VRING_NUM, "VHOST_SET_VRING_NUM"},
    {VHOST_IO_SET_VRING_ADDR, "VHOST_SET_VRING_ADDR"},
    {VHOST_IO_SET_VRING_BASE, "VHOST_SET_VRING_BASE"},
    {VHOST_IO_SET_VRING_KICK, "VHOST_SET_VRING_KICK"},
    {VHOST_IO_SET_VRING_CALL, "VHOST_SET_VRING_CALL"},
    {VHOST_IO_SET_VRING_ERR, "VHOST_SET_VRING_ERR"},
    {VHOST_IO_SET_BACKEND_FEATURES, "VHOST_SET_BACKEND_FEATURES"},
    {VHOST_IO_GET_BACKEND_FEATURES, "VHOST_GET_BACKEND_FEATURES"},
    {VHOST_IO_NET_SET_BACKEND, "VHOST_NET_SET_BACKEND"},
    {VHOST_IO_VDPA_GET_DEVICE_ID, "VHOST_VDPA_GET_DEVICE_ID"},
    {VHOST_IO_VDPA_GET_STATUS, "VHOST_VDPA_GET_STATUS"},
    {VHOST_IO_VDPA_SET_STATUS, "VHOST_VDPA_SET_STATUS"},
    {VHOST_IO_VDPA_GET_CONFIG, "VHOST_VDPA_GET_CONFIG"},
    {VHOST_IO_VDPA_SET_VRING_ENABLE, "VHOST_VDPA_SET_VRING_ENABLE"},
    {VHOST_IO_VDPA_GET_VRING_NUM, "VHOST_VDPA_GET_VRING_NUM"},
    {TAP_IO_GET_IFF, "TUNGETIFF"},
    {TAP_IO_SET_OFFLOAD, "TUNSETOFFLOAD"},
    {TAP_IO_SET_QUEUE, "TUNSETQUEUE"},
    {TAP_IO_SET_VNET_HDR_SZ, "TUNSETVNETHDRSZ"},
};

static const char *name_of(uint32_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].request == request)
			return names[i].name;
	}
	return "a request";
}

int vhost_fail(struct vhost_backend *b, const char *what, int err, const char *why)
{
	log_err("vhost", "%s: %s: %s; the device is closed", b->path, what, why);
	b->ops->close(b);
	return err;
}

int vhost_absent(struct vhost_backend *b, const char *what, int err)
{
	if (b->said != err)
		log_err("vhost", "%s: %s", what, vhost_link_error(err));
	b->said = err;
	return -EAGAIN;
}

int vhost_request(struct vhost_backend *b, int fd, uint32_t request, void *arg)
{
	int n;

	if (!b->up)
		return -ENOTCONN;
	n = vhost_dev_ioctl(fd, request, arg);
	return n < 0 ? vhost_fail(b, name_of(request), n, vhost_link_error(n)) : n;
}

int vhost_request_ring(struct vhost_backend *b, int fd, uint32_t request,
                       struct vhost_vring_state s)
{
	return vhost_request(b, fd, request, &s);
}

int vhost_request_file(struct vhost_backend *b, int fd, uint32_t request, struct vhost_ring_file f)
{
	return vhost_request(b, fd, request, &f);
}
