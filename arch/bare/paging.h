/*
 * Page tables. Virtual addresses are physical ones: a unikernel has one address space, devices
 * get the addresses that the processor uses, and tables from firmware can be read where they are.
 * What the identity map must not allow it does not: text is not writable, data not executable,
 * page 0 and the pages below stacks are not there.
 */
#ifndef ARCH_BARE_PAGING_H
#define ARCH_BARE_PAGING_H

#include "kernel/compiler.h"

#define IDENTITY_END (1ull << 47) /* the lower half of x86_64: higher addresses are no identity */

#define TABLE_ENTRIES 512

struct page_table {
	uint64_t entry[TABLE_ENTRIES];
} __attribute__((aligned(PAGE_SIZE)));

/* What the processor can do. */
struct paging_limits {
	unsigned biggest_level; /* of pages: 0 4 KiB, 1 2 MiB, 2 1 GiB */
	uint64_t rights_mask;   /* less what it does not have, of PTE_RIGHTS */
	uint64_t end;           /* of the addresses that can be mapped */
};

/** paging_build() - begin tables that map the kernel image alone. Return: the root; NULL when the
 * image is too big for the tables set aside */
struct page_table *paging_build(const struct paging_limits *limits);

/** paging_table_new() - one more table, empty; NULL when there is no memory */
struct page_table *paging_table_new(void);

/** paging_init() - of the architecture: paging_build(), and use the tables. Return: 0, or -ENOMEM
 * when the image is too big for the tables set aside */
int paging_init(void);

/**
 * paging_map_ram() - map free memory, readable and writable, in pages as big as they can be
 *
 * @phys and @len are multiples of PAGE_SIZE. Return: 0, -ENOMEM when there is no memory for
 * tables, -EINVAL when the range is beyond what the tables reach.
 */
int paging_map_ram(uint64_t phys, uint64_t len);

/** paging_map_at() - map memory once more, as paging_map_ram() does, at @va, which is above all
 * physical addresses. Return: 0, -ENOMEM, or -EBUSY when something is there */
int paging_map_at(uint64_t va, uint64_t phys, uint64_t len);

/**
 * paging_map_ro() - make @len bytes of firmware tables readable
 *
 * What is mapped already keeps its rights. Return: the bytes, NULL when they cannot be mapped.
 */
const void *paging_map_ro(uint64_t phys, size_t len);

#endif
