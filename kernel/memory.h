/*
 * Memory is taken at start and never given back: the platform hands over its free ranges with
 * mem_add(), set-up code takes pieces with mem_alloc(), the data path takes none. Recipe:
 *
 *	mem_add(base, len);			(platform, once per free range)
 *	p = mem_alloc("mempool", bytes, 64);	(set-up; NULL: report -ENOMEM upwards)
 *	ring = mem_alloc_shared("ring", bytes, 64);
 *
 * What devices write to may be spoilt at any time. Where a device can be kept from the rest (the
 * hosted build, whose devices are processes), each byte is there twice, MEM_SHARED_OFFSET apart:
 * one is ours alone, the other is shared. A byte is used here or there, never in both places.
 *
 *	| ours:   struct mbuf |  -   | slots |  -   |     mem_alloc()
 *	| shared:      -      | data |   -   | ring |     mem_shared(), mem_alloc_shared()
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel/compiler.h"

#define MEM_RANGES_MAX 32

/* Elsewhere ours and shared are the same bytes. */
#ifndef MEM_SHARED_OFFSET
#define MEM_SHARED_OFFSET 0
#endif

/** mem_add() - hand a range of free, mapped memory to the allocator; a 33rd range is ignored with
 * a warning */
void mem_add(void *base, size_t len);

/**
 * mem_alloc() - take zeroed memory for ever
 * @what:  its purpose, for the debug log
 * @bytes: size, more than 0
 * @align: power of two, at least 8 is used
 *
 * Return: the memory, physically contiguous, or NULL when no range has room.
 */
void *mem_alloc(const char *what, size_t bytes, size_t align);

/** mem_shared() - where devices see what mem_alloc() or mem_take() gave at @p: what plat_iova()
 * takes
 */
static inline void *mem_shared(const void *p)
{
	return (void *)((uintptr_t)p + MEM_SHARED_OFFSET);
}

/** mem_alloc_shared() - mem_alloc(), but of memory that devices see */
void *mem_alloc_shared(const char *what, size_t bytes, size_t align);

/** mem_take() - mem_alloc(), but the memory holds what it held before: for large pieces that are
 * written before they are read */
void *mem_take(const char *what, size_t bytes, size_t align);

/** mem_free_bytes() - what is left, in all ranges */
size_t mem_free_bytes(void);

/** mem_largest_bytes() - the largest piece that mem_alloc() could give at @align */
size_t mem_largest_bytes(size_t align);

/** mem_total_bytes() - what was handed over */
size_t mem_total_bytes(void);

/** mem_reset() - forget all ranges (unit tests) */
void mem_reset(void);

#endif
