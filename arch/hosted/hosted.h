/* Between the files of the hosted platform: ringzero as a Linux process. */
#ifndef ARCH_HOSTED_HOSTED_H
#define ARCH_HOSTED_HOSTED_H

#include "kernel/compiler.h"

/** memory_init() - map the memory that is shared with the backends and hand it to the kernel;
 * panics when there is none */
void memory_init(void);

/** clock_init() - time begins; takes some milliseconds to measure the cycle counter */
void clock_init(void);

/** terminal_init() - bytes as they are typed, as a serial line gives them, until the process ends
 * or is stopped. Only when standard input is a terminal and ours */
void terminal_init(void);

/** terminal_restore() - as it was; safe in signal handlers */
void terminal_restore(void);

/** signals_init() - SIGINT, SIGTERM and SIGHUP ask the kernel to end, another one a second later or
 * after that ends it at once; whatever signal ends it leaves the terminal as it was, and no socket
 */
void signals_init(void);

/** links_remove() - take away the sockets that we listen at; safe in signal handlers */
void links_remove(void);

#endif
