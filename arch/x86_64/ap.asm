; A further processor, from the start-up message to cpu_main(). It begins in real mode at a page
; below 1 MiB, to which ap.c copies these few bytes; with paging off, so that page need not be
; executable for anybody. They go on in the kernel's text, where paging is switched on with the
; control registers of the first processor.

extern ap_boot
extern cpu_main

; struct ap_boot
%define AP_CR0 0
%define AP_CR3 4
%define AP_CR4 8
%define AP_EFER 12
%define AP_STACK 16
%define AP_CPU 24

%define CR0_PE 1
%define MSR_EFER 0xc0000080
%define CODE64 0x08
%define CODE32 0x10
%define DATA32 0x18

section .rodata

align 8
ap_gdt:
	dq 0
	dq 0x00af9b000000ffff
	dq 0x00cf9b000000ffff
	dq 0x00cf93000000ffff
ap_gdt_end:

bits 16
global ap_trampoline
global ap_trampoline_end
ap_trampoline:
	cli
	o32 lgdt [cs:.gdtr - ap_trampoline]
	mov eax, cr0
	or al, CR0_PE
	mov cr0, eax
	jmp dword CODE32:ap_protected
.gdtr:
	dw ap_gdt_end - ap_gdt - 1
	dd ap_gdt
ap_trampoline_end:

section .text
bits 32

ap_protected:
	mov eax, DATA32
	mov ds, eax
	mov eax, [ap_boot + AP_CR4]
	mov cr4, eax
	mov eax, [ap_boot + AP_CR3]
	mov cr3, eax
	mov ecx, MSR_EFER
	mov eax, [ap_boot + AP_EFER]
	xor edx, edx
	wrmsr
	mov eax, [ap_boot + AP_CR0]
	mov cr0, eax
	jmp CODE64:ap_long

bits 64

ap_long:
	xor eax, eax
	mov ds, eax
	mov es, eax
	mov fs, eax
	mov gs, eax
	mov ss, eax
	mov rsp, [ap_boot + AP_STACK]
	mov rdi, [ap_boot + AP_CPU]
	xor ebp, ebp			; ends the backtrace
	call cpu_main
	ud2
