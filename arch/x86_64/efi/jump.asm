; The way from the firmware to the kernel; see jump.h. Position independent: it runs from a page to
; which it was copied, below 4 GiB, mapped one to one both before and after the change of CR3.

bits 64
default rel

%define CR0_PG		(1 << 31)
%define CR4_PAE		(1 << 5)
%define MSR_EFER	0xc0000080
%define EFER_LME	(1 << 8)

%define CODE64		0x08
%define CODE32		0x10
%define DATA		0x18

; struct jump_args
%define ARGS_CR3	0
%define ARGS_STACK	8
%define ARGS_ENTRY	16
%define ARGS_HANDOFF	24
%define ARGS_NB_MOVES	32
%define ARGS_MOVES	40

; struct elf_move
%define MOVE_DST	0
%define MOVE_SRC	8
%define MOVE_COPY	16
%define MOVE_ZERO	24
%define MOVE_SIZE	32

section .rodata

global jump_code:data hidden
global jump_code_end:data hidden

align 16
jump_code:
	cli
	cld
	mov	rbx, rdi
	mov	rsp, [rbx + ARGS_STACK]
	lea	rax, [gdt]
	mov	[gdt_pointer + 2], rax
	lgdt	[gdt_pointer]
	lea	rax, [down]
	push	qword CODE32
	push	rax
	lea	rbp, [up]
	retfq

bits 32
down:
	mov	ax, DATA
	mov	ds, ax
	mov	es, ax
	mov	ss, ax

	; long mode ends with paging; only then may CR4.LA57 change
	mov	eax, cr0
	and	eax, ~CR0_PG
	mov	cr0, eax
	mov	eax, CR4_PAE
	mov	cr4, eax
	mov	eax, [ebx + ARGS_CR3]
	mov	cr3, eax
	mov	ecx, MSR_EFER
	rdmsr
	or	eax, EFER_LME
	wrmsr
	mov	eax, cr0
	or	eax, CR0_PG
	mov	cr0, eax
	push	dword CODE64
	push	ebp
	retf

bits 64
up:
	mov	r8, [rbx + ARGS_NB_MOVES]
	lea	r9, [rbx + ARGS_MOVES]
.move:
	test	r8, r8
	jz	.moved
	mov	rdi, [r9 + MOVE_DST]
	mov	rsi, [r9 + MOVE_SRC]
	mov	rcx, [r9 + MOVE_COPY]
	rep movsb
	mov	rcx, [r9 + MOVE_ZERO]
	xor	eax, eax
	rep stosb
	add	r9, MOVE_SIZE
	dec	r8
	jmp	.move
.moved:
	mov	rdi, [rbx + ARGS_HANDOFF]
	jmp	[rbx + ARGS_ENTRY]

align 8
gdt:
	dq	0
	dq	0x00af9b000000ffff	; CODE64
	dq	0x00cf9b000000ffff	; CODE32
	dq	0x00cf93000000ffff	; DATA
gdt_end:
gdt_pointer:
	dw	gdt_end - gdt - 1
	dq	0
jump_code_end:

; KERNEL_FILE and KERNEL_ENTRY come from the build (image.mk).
global kernel_file:data hidden
global kernel_file_end:data hidden
global kernel_entry:data hidden

align 16
kernel_file:
	incbin	KERNEL_FILE
kernel_file_end:
align 8
kernel_entry:
	dq	KERNEL_ENTRY

section .note.GNU-stack noalloc noexec nowrite progbits
