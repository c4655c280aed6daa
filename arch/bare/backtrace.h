/* The callers of a function, as lines of a panic. */
#ifndef ARCH_BARE_BACKTRACE_H
#define ARCH_BARE_BACKTRACE_H

#include "kernel/compiler.h"

/** backtrace_print() - print the callers of the function whose frame pointer is @fp */
void backtrace_print(uint64_t fp);

/** backtrace_print_bad_call() - when @pc is not in the text, print who went there: the address at
 * the top of the stack */
void backtrace_print_bad_call(uint64_t pc, uint64_t sp);

/** backtrace_print_return() - one line, for the call that will return to @return_addr; nothing when
 * that is not in the text */
void backtrace_print_return(uint64_t return_addr);

/** backtrace_print_address() - one line of a backtrace */
void backtrace_print_address(uint64_t addr);

#endif
