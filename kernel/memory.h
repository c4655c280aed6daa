/*
 * Memory is taken at start and never given back: the platform hands over its free ranges with
 * mem_add(), set-up code takes pieces with mem_alloc(), the data path takes none. Recipe:
 *
 *	mem_add(base, len);			(platform, once per free range)
 *	p = mem_alloc("mempool", bytes, 64);	(set-up; NULL: report -ENOMEM upwards)
 */
#ifndef KERNEL_MEMORY_H
#define KERNEL_MEMORY_H

#include "kernel/compiler.h"

#define MEM_RANGES_MAX 32

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
