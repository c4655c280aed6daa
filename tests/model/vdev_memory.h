/*
 * The memory that the model device may reach: I/O addresses to host addresses through a table of
 * ranges with gaps. An address that lies in no range, or a buffer that runs over the end of one, is
 * a mistake of the driver which the model reports instead of following it.
 */
#ifndef TESTS_MODEL_VDEV_MEMORY_H
#define TESTS_MODEL_VDEV_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vdev_range {
	uint64_t iova, len;
	uint8_t *va;
};

struct vdev_memory {
	struct vdev_range *ranges;
	size_t n, room;
	bool sorted;
	/* NULL, or add what is at @iova now that it is looked for. Return: is it there? */
	bool (*miss)(struct vdev_memory *mem, uint64_t iova);
};

/** vdev_memory_add() - let the device reach @len bytes at @va under @iova */
void vdev_memory_add(struct vdev_memory *mem, void *va, uint64_t iova, uint64_t len);

/** vdev_memory_at() - host address of @len bytes at @iova, NULL when they are not all in one range
 */
void *vdev_memory_at(struct vdev_memory *mem, uint64_t iova, uint64_t len);

void vdev_memory_free(struct vdev_memory *mem);

#endif
