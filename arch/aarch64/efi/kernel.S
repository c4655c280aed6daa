/* The kernel's image, and the step into it (arch/aarch64/efi/kernel.h). */

#define SCTLR_MMU_CACHES 0x1005		/* M, C, I */

	.macro write_back			/* [x3, x4) by lines of x5 bytes */
	sub x6, x5, #1
	bic x3, x3, x6
1:
	dc civac, x3
	add x3, x3, x5
	cmp x3, x4
	b.lo 1b
	.endm

	.text
	.global kernel_enter
kernel_enter:
	msr daifset, #0xf
	mov x9, x0
	mov x10, x1
	mrs x5, ctr_el0
	ubfx x5, x5, #16, #4
	mov x6, #4
	lsl x5, x6, x5			/* bytes of the smallest line */

	mov x3, x1
	add x4, x1, x2
	write_back
	adr x3, mmu_off
	adr x4, mmu_off_end
	write_back
	dsb sy
	ic iallu
	dsb sy
	isb

mmu_off:
	mov x7, #SCTLR_MMU_CACHES
	mrs x6, CurrentEL
	cmp x6, #2 << 2
	b.eq at_el2
	mrs x8, sctlr_el1
	bic x8, x8, x7
	msr sctlr_el1, x8
	isb
	b enter
at_el2:
	mrs x8, sctlr_el2
	bic x8, x8, x7
	msr sctlr_el2, x8
	isb
enter:
	mov x0, x9
	mov x1, xzr
	mov x2, xzr
	mov x3, xzr
	br x10
mmu_off_end:

	.section .rodata
	.balign 4096
	.global kernel_file, kernel_file_end
kernel_file:
	.incbin KERNEL_FILE
kernel_file_end:
