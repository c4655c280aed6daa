/* The stacks: one to run on, one for exceptions and interrupts, one for exceptions in these. */
#ifndef ARCH_AARCH64_STACK_H
#define ARCH_AARCH64_STACK_H

#include "arch/bare/stack.h"

enum stack_id { STACK_BOOT, STACK_EXCEPTION, STACK_NESTED, STACKS };

#endif
