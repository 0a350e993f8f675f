/* The stack switch for x86-64, System V ABI: rbx, rbp and r12-r15 are the callee's to keep.
 * The frame that is pushed and the frame that is popped have the same layout, so the unwind
 * information stays true across the change of rsp.
 */
    .text

.macro SWITCH name
    .globl \name
    .type \name, @function
    .p2align 4
\name:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmp *%rcx
    .cfi_endproc
    .size \name, . - \name
.endm

SWITCH switch_to
SWITCH switch_back

    .globl switch_start
    .type switch_start, @function
    .p2align 4
switch_start:
    .cfi_startproc
    .cfi_undefined rip
    nop
    xorl %ebp, %ebp
    movq %r12, %rdi
    call *%r13
    ud2
    .cfi_endproc
    .size switch_start, . - switch_start

    .section .note.GNU-stack, "", @progbits
