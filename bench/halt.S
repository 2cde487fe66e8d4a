/* SPDX-License-Identifier: MPL-2.0 */
/*
 * A kernel that ends its machine with its first instructions: what QEMU itself
 * takes to start and to stop. Entered by PVH in 32-bit protected mode; an
 * exception without an interrupt table is a triple fault, which is a reset.
 */

	.section .note.Xen, "a", @note
	.balign 4
	.long	4, 4, 18	/* XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz	"Xen"
	.long	start

	.text
	.code32
	.globl start
start:
	cli
	lidt	none
	int3

none:
	.word	0
	.long	0

	.section .note.GNU-stack, "", @progbits
