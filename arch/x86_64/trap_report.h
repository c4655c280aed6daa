/* What is printed when the processor raises an exception, and when code asks who called it. */
#ifndef ARCH_X86_64_TRAP_REPORT_H
#define ARCH_X86_64_TRAP_REPORT_H

#include "arch/x86_64/trap.h"

/** trap_report() - print an exception with registers and backtrace, end the machine */
NORETURN COLD void trap_report(const struct trap_frame *f);

#endif
