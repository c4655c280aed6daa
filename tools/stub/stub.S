/*
 * The smallest kernel that QEMU's virt machine boots: ends the machine at once, by PSCI. Its life is
 * what QEMU costs by itself.
 */
	.text
	.globl	start
start:
	ldr	w0, =0x84000008		// SYSTEM_OFF
	hvc	#0
	b	.
