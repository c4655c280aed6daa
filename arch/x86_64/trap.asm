; The 256 entry stubs of the IDT and the common way into and out of trap_dispatch(). Stub v is at
; trap_stubs + 8 * v, so the IDT needs no table of addresses.

extern trap_dispatch

; Vectors for which the processor pushes an error code (Intel SDM 3A, table 6-1).
%define ERROR_CODE_VECTORS ((1 << 8) | (1 << 10) | (1 << 11) | (1 << 12) | (1 << 13) | (1 << 14) \
	| (1 << 17) | (1 << 21) | (1 << 29) | (1 << 30))

section .text
bits 64

align 8
global trap_stubs
trap_stubs:
%assign v 0
%rep 256
	push byte v - 128		; a signed byte: every stub is 7 bytes long
%if v < 32
	%assign has_error (ERROR_CODE_VECTORS >> v) & 1
%else
	%assign has_error 0
%endif
%if has_error
	jmp near trap_enter
%else
	jmp near trap_enter_no_error
%endif
	align 8
	%assign v v + 1
%endrep

trap_enter_no_error:
	push qword [rsp]
	mov qword [rsp + 8], 0

; The stack has struct trap_frame from @vector on; rsp is then a multiple of 16 at the call,
; because the processor aligned it before pushing.
trap_enter:
	add qword [rsp], 128
	push rax
	push rbx
	push rcx
	push rdx
	push rsi
	push rdi
	push rbp
	push r8
	push r9
	push r10
	push r11
	push r12
	push r13
	push r14
	push r15
	cld
	mov rdi, rsp
	call trap_dispatch
	pop r15
	pop r14
	pop r13
	pop r12
	pop r11
	pop r10
	pop r9
	pop r8
	pop rbp
	pop rdi
	pop rsi
	pop rdx
	pop rcx
	pop rbx
	pop rax
	add rsp, 16			; vector, error
	iretq
