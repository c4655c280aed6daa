/*
 * The table of memory ranges of the model device: filled in any order, sorted at the first look.
 */
#include "tests/model/vdev_memory.h"

#include <stdlib.h>

void vdev_memory_add(struct vdev_memory *mem, void *va, uint64_t iova, uint64_t len)
{
	if (mem->n == mem->room) {
		mem->room = mem->room ? 2 * mem->room : 64;
		mem->ranges = realloc(mem->ranges, mem->room * sizeof(*mem->ranges));
		if (!mem->ranges)
			abort();
	}
	mem->ranges[mem->n++] = (struct vdev_range){.iova = iova, .len = len, .va = va};
	mem->sorted = false;
}

static int by_iova(const void *a, const void *b)
{
	const struct vdev_range *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

static void *find(struct vdev_memory *mem, uint64_t iova, uint64_t len)
{
	size_t low = 0, high = mem->n;

	if (!mem->sorted && mem->n) {
		qsort(mem->ranges, mem->n, sizeof(*mem->ranges), by_iova);
		mem->sorted = true;
	}

	/* the last range that starts at or below @iova */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (mem->ranges[mid].iova <= iova)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;

	const struct vdev_range *r = &mem->ranges[low - 1];
	const uint64_t offset = iova - r->iova;

	if (offset >= r->len || len > r->len - offset)
		return NULL;
	return r->va + offset;
}

void *vdev_memory_at(struct vdev_memory *mem, uint64_t iova, uint64_t len)
{
	if (mem->miss && !find(mem, iova, 1) && !mem->miss(mem, iova))
		return NULL;
	return find(mem, iova, len);
}

void vdev_memory_free(struct vdev_memory *mem)
{
	free(mem->ranges);
	*mem = (struct vdev_memory){.ranges = NULL};
}
