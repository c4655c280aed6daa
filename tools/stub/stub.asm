; The smallest kernel that QEMU boots (PVH): ends the machine at once, through isa-debug-exit at
; port 0xf4, else by a triple fault. Its life is what QEMU and the firmware cost by themselves.

bits 32

section .note.pvh note alloc noexec nowrite align=4
	dd 4			; length of the name
	dd 4			; length of the entry address
	dd 18			; XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dd start

section .text
global start
start:
	mov	dx, 0xf4
	xor	eax, eax
	out	dx, al		; exit status 1
	lidt	[no_idt]
	ud2

no_idt:
	dw 0
	dd 0
