/*
 * Linux' vhost-net, taps and vhost-vdpa without Linux: drivers/virtio/vhost_dev.h on devices in
 * memory, for one test at a time. They are strict: what Linux would refuse, or what would do harm
 * there, is a breach. Any call may be refused instead. Event counters and memory are those of
 * fake_backend.h.
 */
#ifndef TESTS_UNIT_FAKE_VHOST_DEV_H
#define TESTS_UNIT_FAKE_VHOST_DEV_H

#include "drivers/virtio/vhost_dev.h"
#include "drivers/virtio/vhost_ioctl.h"
#include "drivers/virtio/vhost_spec.h"
#include "drivers/virtio/virtio_spec.h"

#define FAKE_DEV_FILES 64
#define FAKE_DEV_RINGS 2
#define FAKE_DEV_SEEN 256

enum fake_dev_kind {
	FAKE_DEV_CLOSED,
	FAKE_DEV_VHOST_NET,
	FAKE_DEV_TUN,
	FAKE_DEV_VDPA,
	FAKE_DEV_SOCKET
};

struct fake_dev_ring {
	uint32_t num, base;
	struct vhost_vring_addr addr;
	int kick_fd, call_fd, err_fd;
	int tap_fd; /* vhost-net: it runs */
	bool has_base, enabled;
};

struct fake_dev_file {
	enum fake_dev_kind kind;
	bool owned, has_memory, attached;
	bool detached; /* a queue that gets nothing */
	bool batch, in_batch;
	uint64_t features;
	struct fake_dev_ring ring[FAKE_DEV_RINGS];
};

struct fake_dev {
	/* set by the test */
	uint64_t features;
	uint64_t backend_features;
	uint32_t device_id;
	uint16_t vring_num;
	struct iova_range range; /* all zero: the question is not known */
	struct virtio_net_config config;
	uint32_t config_bytes;
	bool does_not_agree; /* to any features */
	unsigned tap_offloads;
	bool tap_has_queues; /* it was made for several */
	bool tap_gone, tap_up, tap_elsewhere;
	const char *absent; /* a path that cannot be opened */
	unsigned refuse_at; /* which call fails, from 1 on; 0: none */
	uint32_t refuse;    /* or which request */
	int error;          /* with what; of absent, too */

	/* what became of it */
	unsigned calls;
	uint32_t seen[FAKE_DEV_SEEN]; /* requests */
	struct fake_dev_file file[FAKE_DEV_FILES];
	uint8_t status; /* vDPA */
	struct vhost_region mapped;
	unsigned maps;
	unsigned open_files;
	char tap_name[IF_NAME_LEN];
	unsigned tap_offload;
	int tap_hdr_len;
	const char *breach;
};

extern struct fake_dev dev;

/** fake_dev_reset() - honest devices, with all of what Linux 6.12 offers, and a tap that is up */
void fake_dev_reset(void);

/** fake_dev_file() - the @n-th open file of that kind, NULL: there is none */
struct fake_dev_file *fake_dev_file(enum fake_dev_kind kind, unsigned n);

/** fake_dev_times() - how often @request was made */
unsigned fake_dev_times(uint32_t request);

#endif
