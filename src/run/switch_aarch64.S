/* The stack switch for aarch64, AAPCS64: x19-x30 and the low halves of v8-v15 are the callee's to
 * keep. The frame that is stored and the frame that is loaded have the same layout, so the unwind
 * information stays true across the change of sp.
 */
    .text

.macro SWITCH name
    .globl \name
    .type \name, %function
    .p2align 4
\name:
    .cfi_startproc
    sub sp, sp, #160
    .cfi_def_cfa_offset 160
    stp x19, x20, [sp, #0]
    .cfi_offset x19, -160
    .cfi_offset x20, -152
    stp x21, x22, [sp, #16]
    .cfi_offset x21, -144
    .cfi_offset x22, -136
    stp x23, x24, [sp, #32]
    .cfi_offset x23, -128
    .cfi_offset x24, -120
    stp x25, x26, [sp, #48]
    .cfi_offset x25, -112
    .cfi_offset x26, -104
    stp x27, x28, [sp, #64]
    .cfi_offset x27, -96
    .cfi_offset x28, -88
    stp x29, x30, [sp, #80]
    .cfi_offset x29, -80
    .cfi_offset x30, -72
    stp d8, d9, [sp, #96]
    .cfi_offset d8, -64
    .cfi_offset d9, -56
    stp d10, d11, [sp, #112]
    .cfi_offset d10, -48
    .cfi_offset d11, -40
    stp d12, d13, [sp, #128]
    .cfi_offset d12, -32
    .cfi_offset d13, -24
    stp d14, d15, [sp, #144]
    .cfi_offset d14, -16
    .cfi_offset d15, -8
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_def_cfa_offset 0
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_restore d8
    .cfi_restore d9
    .cfi_restore d10
    .cfi_restore d11
    .cfi_restore d12
    .cfi_restore d13
    .cfi_restore d14
    .cfi_restore d15
    br x30
    .cfi_endproc
    .size \name, . - \name
.endm

SWITCH switch_to
SWITCH switch_back

    .globl switch_start
    .type switch_start, %function
    .p2align 4
switch_start:
    .cfi_startproc
    .cfi_undefined x30
    nop
    mov x29, xzr
    mov x0, x19
    blr x20
    brk #1
    .cfi_endproc
    .size switch_start, . - switch_start

    .section .note.GNU-stack, "", %progbits
