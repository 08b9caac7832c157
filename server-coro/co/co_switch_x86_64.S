/*
 * x86-64, System V ABI (3.2.1, 3.2.3): rbx, rbp, r12-r15 and rsp belong to the caller, and so do the
 * control bits of MXCSR and the x87 control word (rounding, exception masks). All else is the callee's
 * to destroy. A suspended context, from its stack pointer upwards:
 *
 *     0 MXCSR   4 x87 control word   8 r15   16 r14   24 r13   32 r12   40 rbx   48 rbp   56 return address
 *
 * co_gdb.py knows this layout.
 */
#if defined(__x86_64__) && !defined(CO_PORTABLE)

#if defined(__CET__) && (__CET__ & 1)
#define LANDING_PAD endbr64
#else
#define LANDING_PAD
#endif

        .text

/* void co_switch(void **from: rdi, void *to: rsi) */
        .globl  co_switch
        .type   co_switch, @function
        .p2align 4
co_switch:
        .cfi_startproc
        LANDING_PAD
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)

        /* Both stacks look the same from here on, so what was said to the unwinder stays true. */
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp

        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        /*
         * Not `ret`: the processor expects that to return to the last caller, who is on the other stack, and
         * is wrong each time (13 ns a switch, and 5 so). `notrack`: a return address is no landing pad.
         */
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   co_switch, . - co_switch

/*
 * The outermost frame of a coroutine. Return address and frame pointer are declared unknown (and rbp is
 * zero), which is how gdb, perf and _Unwind_Backtrace know where to stop. The nop is for unwinders that
 * look up the byte before the return address while the coroutine has not run yet.
 */
        .type   co_first_frame, @function
        .p2align 4
        .cfi_startproc
        .cfi_undefined %rip
        .cfi_undefined %rbp
        nop
co_first_frame:
        movq    %r12, %rdi
        call    *%rbx
        ud2
        .cfi_endproc
        .size   co_first_frame, . - co_first_frame

/* void *co_context_new(void *stack: rdi, size_t size: rsi, entry: rdx, arg: rcx) */
        .globl  co_context_new
        .type   co_context_new, @function
        .p2align 4
co_context_new:
        .cfi_startproc
        LANDING_PAD
        leaq    -64(%rdi, %rsi), %rax
        leaq    co_first_frame(%rip), %r8
        stmxcsr (%rax)
        fnstcw  4(%rax)
        movq    $0, 8(%rax)
        movq    $0, 16(%rax)
        movq    $0, 24(%rax)
        movq    %rcx, 32(%rax)
        movq    %rdx, 40(%rax)
        movq    $0, 48(%rax)
        movq    %r8, 56(%rax)
        ret
        .cfi_endproc
        .size   co_context_new, . - co_context_new

#endif
        .section .note.GNU-stack, "", %progbits
