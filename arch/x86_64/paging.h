/*
 * Page tables. Virtual addresses are physical ones: a unikernel has one address space, devices
 * get the addresses that the processor uses, and tables from firmware can be read where they are.
 * What the identity map must not allow it does not: text is not writable, data not executable,
 * page 0 and the pages below stacks are not there.
 */
#ifndef ARCH_X86_64_PAGING_H
#define ARCH_X86_64_PAGING_H

#include "kernel/compiler.h"

#define IDENTITY_END (1ull << 47) /* the lower half: higher addresses are no identity */

/** paging_init() - build tables that map the kernel image alone, and use them. Return: 0, or
 * -ENOMEM when the image is too big for the tables set aside */
int paging_init(void);

/**
 * paging_map_ram() - map free memory, readable and writable, in pages as big as they can be
 *
 * @phys and @len are multiples of PAGE_SIZE. Return: 0, -ENOMEM when there is no memory for
 * tables, -EINVAL when the range is beyond what the tables reach.
 */
int paging_map_ram(uint64_t phys, uint64_t len);

/**
 * paging_map_ro() - make @len bytes of firmware tables readable
 *
 * What is mapped already keeps its rights. Return: the bytes, NULL when they cannot be mapped.
 */
const void *paging_map_ro(uint64_t phys, size_t len);

#endif
