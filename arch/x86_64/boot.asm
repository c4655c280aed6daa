; Entry from the boot loader. Three loaders, one kernel:
;
;   PVH         QEMU -kernel; 32-bit protected mode, ebx = hvm_start_info   (Xen docs/misc/pvh)
;   multiboot2  GRUB;         32-bit protected mode, ebx = boot information (Multiboot2 3.3)
;   EFI         BOOTX64.EFI;  long mode, rdi = struct efi_handoff           (efi_handoff.h)
;
; The 32-bit ones get early page tables here that map the first 4 GiB, where every address that
; such a loader can name lies. All of them end in start(kind, pointer), which never returns.

%define MB2_MAGIC 0xe85250d6
%define MB2_LOADER_MAGIC 0x36d76289
%define XEN_ELFNOTE_PHYS32_ENTRY 18

; enum boot_kind in boot_info.h
%define BOOT_PVH 1
%define BOOT_MULTIBOOT2 2
%define BOOT_EFI 3

%define CR0_PE 1
%define CR0_PG (1 << 31)
%define CR0_WP (1 << 16)
%define CR4_PAE (1 << 5)
%define MSR_EFER 0xc0000080
%define EFER_LME (1 << 8)

%define PTE_TABLE 0x3		; present, writable
%define PTE_BIG 0x83		; the same, a 2 MiB page
%define EARLY_GIB 4

%define COM1 0x3f8

extern start
extern stack_boot_top

; ---- headers the loaders look for ----------------------------------------------------------------

section .multiboot2 progbits alloc noexec nowrite align=8
mb2_header:
	dd MB2_MAGIC
	dd 0				; i386 protected mode
	dd mb2_header_end - mb2_header
	dd 0x100000000 - (MB2_MAGIC + (mb2_header_end - mb2_header))
	dw 0, 0				; end tag
	dd 8
mb2_header_end:

section .note.pvh note alloc noexec nowrite align=4
	dd 4, 4, XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dd pvh_entry

; ---- 32 bit --------------------------------------------------------------------------------------

section .text
bits 32

global pvh_entry
pvh_entry:
	mov edi, BOOT_PVH
	jmp enter_long_mode

global multiboot2_entry
multiboot2_entry:
	mov edi, BOOT_MULTIBOOT2
	cmp eax, MB2_LOADER_MAGIC
	je enter_long_mode
	mov esi, text_bad_loader
	jmp die

; edi = kind, ebx = what the loader passed. There is no stack yet.
enter_long_mode:
	cli
	cld
	mov eax, 0x80000000
	mov ebp, ebx			; cpuid changes ebx
	cpuid
	cmp eax, 0x80000001
	jb .not_64
	mov eax, 0x80000001
	cpuid
	bt edx, 29
	jc .has_64
.not_64:
	mov esi, text_no_long_mode
	jmp die

.has_64:
	mov eax, early_pd + PTE_TABLE
	mov ecx, EARLY_GIB
	mov esi, early_pdpt
.pdpt:
	mov [esi], eax
	add eax, 4096
	add esi, 8
	loop .pdpt

	mov eax, PTE_BIG
	mov ecx, EARLY_GIB * 512
	mov esi, early_pd
.pd:
	mov [esi], eax
	add eax, 0x200000
	add esi, 8
	loop .pd

	mov eax, early_pdpt + PTE_TABLE
	mov [early_pml4], eax
	mov eax, early_pml4
	mov cr3, eax

	mov eax, cr4
	or eax, CR4_PAE
	mov cr4, eax
	mov ecx, MSR_EFER
	rdmsr
	or eax, EFER_LME
	wrmsr
	mov eax, cr0
	or eax, CR0_PG | CR0_WP | CR0_PE
	mov cr0, eax

	lgdt [early_gdtr]
	jmp 0x08:entered_long_mode

; esi = text. The serial port is the only place for it; no machine of ours lacks one.
die:
	mov dx, COM1 + 5
	mov ecx, 100000			; bounds the wait for a transmitter that is not there
.wait:
	in al, dx
	test al, 0x20
	loopz .wait
	mov dx, COM1
	lodsb
	test al, al
	jz .halt
	out dx, al
	jmp die
.halt:
	cli
	hlt
	jmp .halt

; ---- 64 bit --------------------------------------------------------------------------------------

bits 64

entered_long_mode:
	xor eax, eax
	mov ds, eax
	mov es, eax
	mov fs, eax
	mov gs, eax
	mov ss, eax
	mov edi, edi			; the upper halves are undefined after the switch
	mov esi, ebp
	jmp run

global efi_entry
efi_entry:
	cli
	cld
	mov rsi, rdi
	mov edi, BOOT_EFI

run:
	mov rsp, [stack_boot_top]
	xor ebp, ebp			; ends the backtrace
	call start
	ud2

; ---- data ----------------------------------------------------------------------------------------

section .rodata

align 8
early_gdt:
	dq 0
	dq 0x00af9b000000ffff		; 64-bit code
early_gdtr:
	dw early_gdtr - early_gdt - 1
	dd early_gdt

text_no_long_mode:
	db "ringzero: this processor has no 64-bit mode", 13, 10, 0
text_bad_loader:
	db "ringzero: not started by a multiboot2 loader", 13, 10, 0

; The final page tables take over in paging_init(); start.c then gives these pages to the allocator.
section .bss
alignb 4096
global early_tables
global early_tables_end
early_tables:
early_pml4:	resb 4096
early_pdpt:	resb 4096
early_pd:	resb 4096 * EARLY_GIB
early_tables_end:
