/*
 * AArch64, AAPCS64 (6.1.1, 6.1.2): x19-x29 and sp belong to the caller, x30 is where to return, and of
 * the vector registers the low halves d8-d15 are the caller's. (FPCR is thread state that only
 * fesetround() and its like change, not a callee-saved register.) A suspended context, from sp upwards:
 *
 *     0 x19 .. x28   80 x29 (frame pointer)   88 x30 (return address)   96 d8 .. d15   160 bytes in all
 *
 * co_gdb.py knows this layout.
 */
#if defined(__aarch64__) && !defined(CO_PORTABLE)

/* `bti c` where branch targets are enforced; a no-op on every other AArch64. */
#define LANDING_PAD hint #34

        .text

/* void co_switch(void **from: x0, void *to: x1) */
        .globl  co_switch
        .type   co_switch, %function
        .p2align 4
co_switch:
        .cfi_startproc
        LANDING_PAD
        sub     sp, sp, #160
        .cfi_adjust_cfa_offset 160
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152

        /* Both stacks look the same from here on, so what was said to the unwinder stays true. */
        mov     x9, sp
        str     x9, [x0]
        mov     sp, x1

        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #160
        .cfi_adjust_cfa_offset -160
        ret
        .cfi_endproc
        .size   co_switch, . - co_switch

/*
 * The outermost frame of a coroutine: the return address is declared unknown and the frame pointer is
 * zero, which is where unwinders stop. The nop is for those that look up the instruction before the
 * return address while the coroutine has not run yet.
 */
        .type   co_first_frame, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
        .cfi_undefined x29
        nop
co_first_frame:
        mov     x0, x19
        blr     x20
        brk     #1
        .cfi_endproc
        .size   co_first_frame, . - co_first_frame

/* void *co_context_new(void *stack: x0, size_t size: x1, entry: x2, arg: x3) */
        .globl  co_context_new
        .type   co_context_new, %function
        .p2align 4
co_context_new:
        .cfi_startproc
        LANDING_PAD
        add     x0, x0, x1
        sub     x0, x0, #160
        adr     x9, co_first_frame
        stp     x3, x2, [x0, #0]
        stp     xzr, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, x9, [x0, #80]
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        ret
        .cfi_endproc
        .size   co_context_new, . - co_context_new

#endif
        .section .note.GNU-stack, "", %progbits
