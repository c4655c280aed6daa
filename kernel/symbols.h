/*
 * Function names for backtraces. tools/symbols.py makes the table from the linked kernel; the
 * kernel is then linked again with the table at the end of its read-only data, where it moves no
 * function.
 */
#ifndef KERNEL_SYMBOLS_H
#define KERNEL_SYMBOLS_H

#include "kernel/compiler.h"

struct symbols {
	unsigned nb;          /* functions */
	const uint32_t *addr; /* @nb start addresses, rising, and the end of the last function */
	const char *names;    /* @nb names in the same order, each ended by a 0 byte */
	size_t names_bytes;
};

extern const struct symbols symbols_table; /* of this kernel, generated */

/**
 * symbols_find() - the function that @addr is in
 * @offset: set to the distance from its start
 *
 * Return: its name, NULL when @addr is in none.
 */
const char *symbols_find(const struct symbols *table, uint64_t addr, uint64_t *offset);

#endif
