/*
 * Formats and numbers of vhost-user as they go over the socket (QEMU's
 * docs/interop/vhost-user.rst): shared by the front end and the back end, so nothing but formats
 * may be here. A message is a header of 12 bytes and a payload without padding, all in the
 * processor's byte order.
 */
#ifndef DRIVERS_VIRTIO_VHOST_SPEC_H
#define DRIVERS_VIRTIO_VHOST_SPEC_H

#include "kernel/compiler.h"

/* Of the feature bits, these are about vhost-user itself. */
#define VHOST_F_LOG_ALL (1ull << 26)
#define VHOST_USER_F_PROTOCOL_FEATURES (1ull << 30)

#define VHOST_USER_PROTOCOL_F_MQ (1ull << 0)
#define VHOST_USER_PROTOCOL_F_REPLY_ACK (1ull << 3)
#define VHOST_USER_PROTOCOL_F_NET_MTU (1ull << 4)
#define VHOST_USER_PROTOCOL_F_CONFIG (1ull << 9)
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE (1ull << 13)
#define VHOST_USER_PROTOCOL_F_STATUS (1ull << 16)

#define VHOST_USER_VERSION 1u
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_REPLY (1u << 2)
#define VHOST_USER_NEED_REPLY (1u << 3)

#define VHOST_USER_RING_MASK 0xffu /* of SET_VRING_KICK and SET_VRING_CALL */
#define VHOST_USER_RING_NO_FD (1u << 8)

#define VHOST_USER_REGIONS_MAX 8
#define VHOST_USER_CONFIG_MAX 256
#define VHOST_USER_CONFIG_HEAD 12 /* offset, size, flags */
#define VHOST_USER_HEAD 12

enum vhost_user_request {
	VHOST_USER_NOTHING = 0,
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_NET_SET_MTU = 20,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
	VHOST_USER_REQUESTS
};

struct vhost_vring_state {
	uint32_t index, num;
};

struct vhost_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log;
};

struct vhost_region {
	uint64_t guest_addr, bytes, user_addr, mmap_offset;
};

struct vhost_memory_table {
	uint32_t nb_regions, padding;
	struct vhost_region region[VHOST_USER_REGIONS_MAX]; /* so many of them are sent */
};

struct vhost_config {
	uint32_t offset, size, flags;
	uint8_t bytes[VHOST_USER_CONFIG_MAX];
};

struct vhost_message {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vhost_memory_table memory;
		struct vhost_config config;
	} __attribute__((packed, aligned(4)));
};
static_assert(offsetof(struct vhost_message, u64) == VHOST_USER_HEAD, "no padding behind the head");
static_assert(sizeof(struct vhost_vring_addr) == 40, "two words and four addresses");
static_assert(offsetof(struct vhost_memory_table, region) == 8, "two words");

#endif
