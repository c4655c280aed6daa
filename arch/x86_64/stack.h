/* The stacks: one to run on, and one each for the exceptions that must not trust it. */
#ifndef ARCH_X86_64_STACK_H
#define ARCH_X86_64_STACK_H

#include "arch/bare/stack.h"

/* From the second on also the numbers of IST stacks. */
enum stack_id { STACK_BOOT, STACK_DOUBLE_FAULT, STACK_NMI, STACK_MACHINE_CHECK, STACKS };

#endif
