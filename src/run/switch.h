/* switch.h - changes from one stack to another; one assembly file per instruction set.
 *
 * A switch saves the callee-saved registers of the ABI on the stack that is left, so everything
 * else is the compiler's. Signal masks and floating-point control words are not switched: nobody
 * changes them. It ends with an indirect jump instead of a return, because the processor predicts a
 * return to go back to its own caller and would be wrong every time (measured: 1.8 against 9 ns).
 * There are two copies, one for each direction, so that each jump has a target of its own most of
 * the time: with one copy the prediction failed in some layouts of the program (2.4 against 8.4
 * ns).
 *
 * Threads: a stack is resumed on the thread that it was left on.
 */
#pragma once

#include <stdint.h>

/* Stores the stack pointer of the running stack in *save and goes on where `load` was saved. The
 * first is for going to one of many stacks, the second for coming back from them. */
void switch_to(void **save, void *load);
void switch_back(void **save, void *load);
/* Where a new stack begins: calls the entry that switch_prepare stored; unwinders stop here. It is
 * entered behind its first instruction, a nop: until then its address is a return address, and
 * unwinders look up the byte in front of these. */
void switch_start(void);

/* Makes a fresh stack that ends below `top` (aligned to 16) ready for switch_to: it will call
 * entry(arg), which must never return. Returns the stack pointer to load. */
static inline void *switch_prepare(void *top, void (*entry)(void *), void *arg)
{
#if defined(__x86_64__)
    enum { R13 = 1, R12 = 2, RIP = 6, WORDS = 7, NOP = 1 };
    uintptr_t *frame = (uintptr_t *)top - WORDS;
    for (int i = 0; i < WORDS; i++)
        frame[i] = 0;
    frame[R12] = (uintptr_t)arg;
    frame[R13] = (uintptr_t)entry;
    frame[RIP] = (uintptr_t)switch_start + NOP;
#elif defined(__aarch64__)
    enum { X19 = 0, X20 = 1, X30 = 11, WORDS = 20, NOP = 4 };
    uintptr_t *frame = (uintptr_t *)top - WORDS;
    for (int i = 0; i < WORDS; i++)
        frame[i] = 0;
    frame[X19] = (uintptr_t)arg;
    frame[X20] = (uintptr_t)entry;
    frame[X30] = (uintptr_t)switch_start + NOP;
#else
#error "no stack switch for this processor: add src/run/switch_<cpu>.S"
#endif
    return frame;
}
