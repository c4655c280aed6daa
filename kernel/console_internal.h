/* Between console.c, the output ring, and console_input.c, lines and commands. */
#ifndef KERNEL_CONSOLE_INTERNAL_H
#define KERNEL_CONSOLE_INTERNAL_H

#include "kernel/compiler.h"

/** console_echo() - show typed text. Other output that comes before the typed line is complete
 * starts on a line of its own */
void console_echo(const char *text, size_t len);

/** console_echo_end() - the typed line is complete */
void console_echo_end(void);

/** console_echo_broken() - did other output come behind the typed text, so that it should be shown
 * again? */
bool console_echo_broken(void);

/** console_patient() - whether console_write() waits for room although the console is live: while a
 * command runs, whose output somebody asked for */
void console_patient(bool on);

/** console_input_poll() - take what was typed; run a completed line's command */
void console_input_poll(void);

#endif
