/*
 * Numbers and formats of Linux for vhost-net, vhost-vdpa (linux/vhost.h, linux/vhost_types.h) and
 * taps (linux/if_tun.h, net/if.h). What vhost-user took over from there is in vhost_spec.h: ring
 * states and addresses, and memory tables. arch/hosted/vhost_dev.c compares the numbers with the
 * system's.
 */
#ifndef DRIVERS_VIRTIO_VHOST_IOCTL_H
#define DRIVERS_VIRTIO_VHOST_IOCTL_H

#include "kernel/compiler.h"

/* As asm-generic/ioctl.h has it. */
#define VHOST_IO(nr) (0xaf00u | (nr))
#define VHOST_IO_W(nr, bytes) (1u << 30 | (bytes) << 16 | VHOST_IO(nr))
#define VHOST_IO_R(nr, bytes) (2u << 30 | (bytes) << 16 | VHOST_IO(nr))
#define VHOST_IO_RW(nr, bytes) (3u << 30 | (bytes) << 16 | VHOST_IO(nr))
#define TAP_IO_W(nr) (1u << 30 | 4u << 16 | 0x5400u | (nr))
#define TAP_IO_R(nr) (2u << 30 | 4u << 16 | 0x5400u | (nr))

enum {
	VHOST_IO_GET_FEATURES = VHOST_IO_R(0x00, 8),
	VHOST_IO_SET_FEATURES = VHOST_IO_W(0x00, 8),
	VHOST_IO_SET_OWNER = VHOST_IO(0x01),
	VHOST_IO_SET_MEM_TABLE = VHOST_IO_W(0x03, 8),
	VHOST_IO_SET_VRING_NUM = VHOST_IO_W(0x10, 8),
	VHOST_IO_SET_VRING_ADDR = VHOST_IO_W(0x11, 40),
	VHOST_IO_SET_VRING_BASE = VHOST_IO_W(0x12, 8),
	VHOST_IO_SET_VRING_KICK = VHOST_IO_W(0x20, 8),
	VHOST_IO_SET_VRING_CALL = VHOST_IO_W(0x21, 8),
	VHOST_IO_SET_VRING_ERR = VHOST_IO_W(0x22, 8),
	VHOST_IO_SET_BACKEND_FEATURES = VHOST_IO_W(0x25, 8),
	VHOST_IO_GET_BACKEND_FEATURES = VHOST_IO_R(0x26, 8),
	VHOST_IO_NET_SET_BACKEND = VHOST_IO_W(0x30, 8),
	VHOST_IO_VDPA_GET_DEVICE_ID = VHOST_IO_R(0x70, 4),
	VHOST_IO_VDPA_GET_STATUS = VHOST_IO_R(0x71, 1),
	VHOST_IO_VDPA_SET_STATUS = VHOST_IO_W(0x72, 1),
	VHOST_IO_VDPA_GET_CONFIG = VHOST_IO_R(0x73, 8),
	VHOST_IO_VDPA_SET_VRING_ENABLE = VHOST_IO_W(0x75, 8),
	VHOST_IO_VDPA_GET_VRING_NUM = VHOST_IO_R(0x76, 2),
	VHOST_IO_VDPA_GET_IOVA_RANGE = VHOST_IO_R(0x78, 16),

	TAP_IO_SET_IFF = TAP_IO_W(202),
	TAP_IO_SET_OFFLOAD = TAP_IO_W(208), /* the flags are the argument */
	TAP_IO_GET_IFF = TAP_IO_R(210),
	TAP_IO_SET_VNET_HDR_SZ = TAP_IO_W(216),
	TAP_IO_SET_QUEUE = TAP_IO_W(217),
	IF_IO_GET_FLAGS = 0x8913,
};

/* Of vhost-net's features: it makes the packets' headers itself. The place of ANY_LAYOUT. */
#define VHOST_NET_F_HDR (1ull << 27)

/* Backend features. */
#define BACKEND_F_IOTLB_MSG_V2 (1ull << 1)
#define BACKEND_F_IOTLB_BATCH (1ull << 2)

#define TAP_IFF_TAP 0x0002u
#define TAP_IFF_MULTI_QUEUE 0x0100u
#define TAP_IFF_ATTACH_QUEUE 0x0200u
#define TAP_IFF_DETACH_QUEUE 0x0400u
#define TAP_IFF_NO_PI 0x1000u
#define TAP_IFF_VNET_HDR 0x4000u
#define IF_FLAG_UP 0x0001u

#define TAP_F_CSUM 0x01u
#define TAP_F_TSO4 0x02u
#define TAP_F_TSO6 0x04u
#define TAP_F_USO4 0x20u
#define TAP_F_USO6 0x40u

#define IF_NAME_LEN 16 /* with its end */

struct vhost_ring_file {
	uint32_t index;
	int32_t fd; /* -1: none */
};

struct vdpa_config_head {
	uint32_t offset, size; /* the bytes follow */
};

struct iova_range {
	uint64_t first, last;
};

#define IOTLB_MSG_V2 2u
#define IOTLB_ACCESS_RW 3u

enum iotlb_what {
	IOTLB_UPDATE = 2,
	IOTLB_INVALIDATE = 3,
	IOTLB_BATCH_BEGIN = 5,
	IOTLB_BATCH_END = 6,
};

/* What is written to a vhost-vdpa device. */
struct iotlb_message {
	uint32_t type, asid;
	uint64_t iova, bytes, user_addr;
	uint8_t access, what;
	uint8_t padding[38];
};
static_assert(sizeof(struct iotlb_message) == 72, "struct vhost_msg_v2");

struct if_request {
	char name[IF_NAME_LEN];
	uint16_t flags;
	uint8_t rest[22];
};
static_assert(sizeof(struct if_request) == 40, "struct ifreq");

#endif
