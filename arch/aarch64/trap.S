/*
 * The exception vectors (Arm ARM, D1.3.1.5). Code runs on SP_EL0 and exceptions are taken on
 * SP_EL1, so a full stack does no harm here. An exception in the handling of another one finds
 * SP_EL1 in use, which may be what went wrong: it gets a stack of its own, whose end is in TPIDR_EL1.
 */

/* struct trap_frame (trap.h) */
#define FRAME_BYTES 304
#define FRAME_SP 248
#define FRAME_ELR 256
#define FRAME_ESR 272
#define FRAME_VECTOR 288

	.macro vector number
	.balign 128
	sub sp, sp, #FRAME_BYTES
	stp x0, x1, [sp]
	mrs x0, sp_el0
	mov x1, #\number
	b trap_enter
	.endm

	.macro vector_nested number
	.balign 128
	msr tpidrro_el0, x0
	mov x0, sp
	msr tpidr_el0, x0
	mrs x0, tpidr_el1
	mov sp, x0
	mrs x0, tpidrro_el0
	sub sp, sp, #FRAME_BYTES
	stp x0, x1, [sp]
	mrs x0, tpidr_el0
	mov x1, #\number
	b trap_enter
	.endm

	.text
	.balign 2048
	.global trap_vectors
trap_vectors:
	.irp n, 0, 1, 2, 3
	vector \n
	.endr
	.irp n, 4, 5, 6, 7
	vector_nested \n
	.endr
	.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	vector \n
	.endr
	.balign 128

trap_enter:
	stp x2, x3, [sp, #16]
	stp x4, x5, [sp, #32]
	stp x6, x7, [sp, #48]
	stp x8, x9, [sp, #64]
	stp x10, x11, [sp, #80]
	stp x12, x13, [sp, #96]
	stp x14, x15, [sp, #112]
	stp x16, x17, [sp, #128]
	stp x18, x19, [sp, #144]
	stp x20, x21, [sp, #160]
	stp x22, x23, [sp, #176]
	stp x24, x25, [sp, #192]
	stp x26, x27, [sp, #208]
	stp x28, x29, [sp, #224]
	str x30, [sp, #240]
	str x0, [sp, #FRAME_SP]
	mrs x2, elr_el1
	mrs x3, spsr_el1
	stp x2, x3, [sp, #FRAME_ELR]
	mrs x2, esr_el1
	mrs x3, far_el1
	stp x2, x3, [sp, #FRAME_ESR]
	str x1, [sp, #FRAME_VECTOR]
	mov x0, sp
	bl trap_dispatch

	ldp x2, x3, [sp, #FRAME_ELR]
	msr elr_el1, x2
	msr spsr_el1, x3
	ldp x2, x3, [sp, #16]
	ldp x4, x5, [sp, #32]
	ldp x6, x7, [sp, #48]
	ldp x8, x9, [sp, #64]
	ldp x10, x11, [sp, #80]
	ldp x12, x13, [sp, #96]
	ldp x14, x15, [sp, #112]
	ldp x16, x17, [sp, #128]
	ldp x18, x19, [sp, #144]
	ldp x20, x21, [sp, #160]
	ldp x22, x23, [sp, #176]
	ldp x24, x25, [sp, #192]
	ldp x26, x27, [sp, #208]
	ldp x28, x29, [sp, #224]
	ldr x30, [sp, #240]
	ldp x0, x1, [sp], #FRAME_BYTES
	eret
