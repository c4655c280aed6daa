/* What random.c needs from the architecture. */
#ifndef ARCH_BARE_RANDOM_H
#define ARCH_BARE_RANDOM_H

#include "kernel/compiler.h"

/** random_hardware() - a number from the processor's random number unit, 0 when it has none; with
 * interrupts off */
uint64_t random_hardware(void);

#endif
