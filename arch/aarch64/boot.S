/*
 * Where the kernel starts: the header by which loaders know a Linux arm64 image (Linux
 * Documentation/arch/arm64/booting.rst), then down to EL1, and on with the MMU.
 *
 * The image may lie anywhere. What the linker could not know is put right by the loop over the
 * relocations, with the MMU off, when memory is not cached yet. The first page tables map the
 * gigabytes that the image lies in; arch/bare/paging.c makes the real ones.
 */

#define SCTLR_RES1 0x30d00800		/* Arm ARM, D19.2.120: EL1, bits that are one */
#define SCTLR_MMU_CACHES 0x1005		/* M, C, I */

#define MAIR 0x04ff			/* 0: memory, write-back; 1: Device-nGnRE (arch/pte.h) */
#define TCR (16 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23) /* 48 bits, cached walks, TTBR0 alone */
#define PARANGE_48 5

#define PTE_TABLE 3
#define PTE_BLOCK_MEMORY (1 | 3 << 8 | 1 << 10)	/* shared, accessed; attribute 0 */

/* struct cpu_arch (arch/cpu_block.h) */
#define CPU_ROOT 2048
#define CPU_STACK 2064
#define CPU_NESTED 2080

#define HCR_RW (1 << 31)
#define SPSR_EL1H_MASKED 0x3c5
#define R_AARCH64_RELATIVE 1027

	.section .head, "ax"
	.global head
head:
	b entry
	.long 0
	.quad 0				/* offset from a 2 MiB boundary */
	.quad image_bytes		/* linker.ld */
	.quad 1 << 1 | 1 << 3		/* little-endian, 4 KiB pages, anywhere in memory */
	.quad 0, 0, 0
	.ascii "ARM\x64"
	.long 0

	.text
entry:
	mov x19, x0
	mrs x0, CurrentEL
	cmp x0, #2 << 2
	b.ne at_el1
	bl leave_el2
at_el1:
	ldr x0, =SCTLR_RES1
	msr sctlr_el1, x0
	isb
	bl relocate
	bl clear_bss
	bl forget_cached
	bl early_map
	adrp x0, early_tables
	ldr x1, =SCTLR_RES1 | SCTLR_MMU_CACHES
	bl mmu_on

	adrp x0, stack_boot_top
	ldr x0, [x0, :lo12:stack_boot_top]
	adrp x1, stack_exception_top
	ldr x1, [x1, :lo12:stack_exception_top]
	adrp x2, stack_nested_top
	ldr x2, [x2, :lo12:stack_nested_top]
	bl stacks_and_vectors
	mov x0, x19
	b start

/* A further processor, with its block (struct cpu) in x0: everything is there already. */
	.global cpu_entry
cpu_entry:
	mov x19, x0
	mrs x0, CurrentEL
	cmp x0, #2 << 2
	b.ne 1f
	bl leave_el2
1:
	add x20, x19, #CPU_ROOT
	ldp x0, x1, [x20]
	bl mmu_on
	ldp x0, x1, [x20, #CPU_STACK - CPU_ROOT]
	ldr x2, [x20, #CPU_NESTED - CPU_ROOT]
	bl stacks_and_vectors
	mov x0, x19
	b cpu_main

/* Exceptions are taken on SP_EL1 (x1), everything else runs on SP_EL0 (x0); x2: see trap.S. */
stacks_and_vectors:
	mov x3, #3 << 20		/* vector registers: libraries use them */
	msr cpacr_el1, x3
	adrp x3, trap_vectors
	add x3, x3, :lo12:trap_vectors
	msr vbar_el1, x3
	isb
	msr tpidr_el1, x2
	msr spsel, #1
	mov sp, x1
	msr spsel, #0
	mov sp, x0
	mov x2, x30
	mov x29, xzr
	mov x30, xzr
	br x2

/* EL1 gets the timer, the interrupt controller's registers and the vector unit. */
leave_el2:
	ldr x0, =SCTLR_RES1
	msr sctlr_el1, x0
	mov x0, #HCR_RW
	msr hcr_el2, x0
	isb
	mov x0, #3
	msr cnthctl_el2, x0
	msr cntvoff_el2, xzr
	mov x0, #0x33ff
	msr cptr_el2, x0
	msr hstr_el2, xzr
	mrs x0, midr_el1
	msr vpidr_el2, x0
	mrs x0, mpidr_el1
	msr vmpidr_el2, x0

	mrs x0, id_aa64pfr0_el1
	ubfx x0, x0, #24, #4
	cbz x0, 1f
	mov x0, #0xf			/* ICC_SRE_EL2: EL1 may use the system registers */
	msr s3_4_c12_c9_5, x0
	isb
	msr s3_4_c12_c11_0, xzr		/* ICH_HCR_EL2 */
1:
	mov x0, #SPSR_EL1H_MASKED
	msr spsr_el2, x0
	msr elr_el2, x30
	eret

/* Linked at 0: what is added is where the image lies. The build lets no other kind through. */
relocate:
	adrp x0, image_start
	adrp x1, rela_start
	add x1, x1, :lo12:rela_start
	adrp x2, rela_end
	add x2, x2, :lo12:rela_end
1:
	cmp x1, x2
	b.hs 2f
	ldp x3, x4, [x1], #16		/* place, kind */
	ldr x5, [x1], #8		/* value */
	cmp w4, #R_AARCH64_RELATIVE
	b.ne 1b
	add x5, x5, x0
	str x5, [x3, x0]
	b 1b
2:
	ret

clear_bss:
	adrp x0, bss_start
	adrp x1, image_end
1:
	stp xzr, xzr, [x0], #16
	cmp x0, x1
	b.lo 1b
	ret

/* What was written lies in memory; lines cached before that must not be found any more. */
forget_cached:
	mrs x2, ctr_el0
	ubfx x2, x2, #16, #4
	mov x3, #4
	lsl x3, x3, x2			/* bytes of the smallest line */
	adrp x0, image_start
	adrp x1, image_end
	dmb sy
1:
	dc ivac, x0
	add x0, x0, x3
	cmp x0, x1
	b.lo 1b
	dsb sy
	ret

/* The first and the last byte of the image, each in a page of 1 GiB. */
early_map:
	adrp x0, early_tables
	add x1, x0, #4096
	adrp x2, image_start
	adrp x3, image_end
	sub x3, x3, #1

	add x4, x1, #PTE_TABLE
	ubfx x5, x2, #39, #9
	str x4, [x0, x5, lsl #3]

	ldr x6, =PTE_BLOCK_MEMORY
	ubfx x5, x2, #30, #9
	and x4, x2, #~((1 << 30) - 1)
	orr x4, x4, x6
	str x4, [x1, x5, lsl #3]
	ubfx x5, x3, #30, #9
	and x4, x3, #~((1 << 30) - 1)
	orr x4, x4, x6
	str x4, [x1, x5, lsl #3]
	dc ivac, x0
	dc ivac, x1
	dsb sy
	ret

/* mmu_on(root, sctlr): from no MMU at all. */
mmu_on:
	ldr x2, =MAIR
	msr mair_el1, x2
	mrs x3, id_aa64mmfr0_el1
	and x3, x3, #0xf
	mov x4, #PARANGE_48
	cmp x3, x4
	csel x3, x3, x4, lo
	ldr x2, =TCR
	orr x2, x2, x3, lsl #32
	msr tcr_el1, x2
	/* falls through */

/*
 * mmu_switch(root, sctlr): use other tables. The old and the new map the same addresses in pages of
 * different sizes, which a processor must never see together: the MMU is off meanwhile, and
 * nothing touches memory.
 */
	.global mmu_switch
mmu_switch:
	dsb sy
	ldr x2, =SCTLR_RES1
	msr sctlr_el1, x2
	isb
	msr ttbr0_el1, x0
	isb
	tlbi vmalle1
	ic iallu
	dsb nsh
	isb
	msr sctlr_el1, x1
	isb
	ret
	.ltorg

	.bss
	.balign 4096
	.global early_tables, early_tables_end
early_tables:
	.skip 2 * 4096
early_tables_end:
