/* What an lcore's block of memory holds for the processor itself. */
#ifndef ARCH_CPU_BLOCK_H
#define ARCH_CPU_BLOCK_H

#include "kernel/compiler.h"

#define CPU_BLOCK_ALIGN PAGE_SIZE

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3], reserved1, ist[7], reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed, aligned(4)));
static_assert(sizeof(struct tss) == 104, "SDM 3A, figure 8-11");

struct cpu_arch {
	uint64_t gdt[5]; /* the last two are for the TSS */
	struct tss tss;
};

#endif
