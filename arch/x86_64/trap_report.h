/* What is printed when the processor raises an exception, and when code asks who called it. */
#ifndef ARCH_X86_64_TRAP_REPORT_H
#define ARCH_X86_64_TRAP_REPORT_H

#include "arch/x86_64/trap.h"

/** trap_report() - print an exception with registers and backtrace, end the machine */
NORETURN COLD void trap_report(const struct trap_frame *f);

/** backtrace_print() - print the callers of the function whose frame pointer is @rbp */
void backtrace_print(uint64_t rbp);

/** backtrace_print_bad_call() - when @rip is not in the text, print who went there */
void backtrace_print_bad_call(uint64_t rip, uint64_t rsp);

/** backtrace_print_address() - one line of a backtrace */
void backtrace_print_address(uint64_t addr);

#endif
