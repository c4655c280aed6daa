/*
 * The memory of a front end, mapped. Its file is the front end's, who may cut it short at any time,
 * by mistake or to do harm, and the next look at a page that is gone is a SIGBUS. DPDK's front ends
 * have no seals on their files, so such memory cannot be refused; instead, a region is replaced by
 * empty memory on the spot, and says so.
 */
#ifndef TOOLS_VSWITCH_VHOST_REGION_H
#define TOOLS_VSWITCH_VHOST_REGION_H

#include "drivers/virtio/vhost_spec.h"

#include <signal.h>

#define VHOST_REGIONS_MAX 64  /* of all ports together */
#define VHOST_REGION_ALIGN 16 /* the strictest of a ring's parts */

struct vhost_mapping {
	struct vhost_region r;
	void *map; /* from the file's start on; NULL: not mapped */
	size_t map_bytes;
	volatile sig_atomic_t cut; /* what is there now is empty and nobody else's */
};

/** vhost_region_guard() - survive SIGBUS in mapped regions from now on; once, before any other */
void vhost_region_guard(void);

/** vhost_region_map() - map @r of the file @fd, which stays the caller's. What is aligned so in the
 * device's addresses is so in ours, and its last byte is below the last address of all. Return:
 * 0; -EINVAL when the file is shorter than that, or @r cannot be; -ENOSPC ... */
int vhost_region_map(struct vhost_mapping *m, const struct vhost_region *r, int fd);

void vhost_region_unmap(struct vhost_mapping *m);

/** vhost_region_va() - where the region begins */
static inline uint8_t *vhost_region_va(const struct vhost_mapping *m)
{
	return (uint8_t *)m->map + m->r.mmap_offset;
}

#endif
