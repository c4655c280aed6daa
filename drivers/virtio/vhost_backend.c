/* What every back end is told alike: our memory, and where a ring is in it. */
#include "drivers/virtio/vhost_backend.h"
#include "drivers/virtio/vhost_link.h"
#include "kernel/memory.h"
#include "kernel/plat.h"

#define MEMORY_GRAIN ((size_t)2 << 20) /* of what is shared; a huge page */

struct vhost_region vhost_shared(void)
{
	const struct vhost_memory *mem = vhost_memory();
	const size_t taken = mem_total_bytes() - mem_free_bytes();

	return (struct vhost_region){
	    .guest_addr = plat_iova(mem->base),
	    .bytes = min_u64(align_up(taken, MEMORY_GRAIN), mem->bytes),
	    .user_addr = (uint64_t)(uintptr_t)mem->base,
	};
}

/* Our address of what the device finds at @iova. */
static uint64_t user_addr(uint64_t iova)
{
	const struct vhost_memory *mem = vhost_memory();

	return iova - plat_iova(mem->base) + (uint64_t)(uintptr_t)mem->base;
}

struct vhost_vring_addr vhost_ring_addr(const struct virtqueue *vq)
{
	return (struct vhost_vring_addr){
	    .index = vq->index,
	    .desc = user_addr(vq->desc_iova),
	    .used = user_addr(vq->used_iova),
	    .avail = user_addr(vq->avail_iova),
	};
}
