/*
 * The serial console. Output goes through a ring buffer that console_poll() drains as fast as the
 * transmitter takes it, so that statistics never make the data path wait. Input is collected into
 * lines, which are commands.
 */
#ifndef KERNEL_CONSOLE_H
#define KERNEL_CONSOLE_H

#include "kernel/compiler.h"

#define CONSOLE_RING 16384
#define CONSOLE_LINE_MAX 256

/** console_write() - queue text. At first it waits until all is out, between console_hold() and
 * console_live() for room only; afterwards text that does not fit is dropped whole and counted,
 * and the count is printed as soon as there is room. Commands wait for room also then, until the
 * transmitter took nothing for a second: nothing else is done meanwhile */
void console_write(const char *text, size_t len);

/** console_printf() - formatted console_write(), at most 1023 bytes a call */
void console_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/** console_hold() - until console_live() text may wait in the ring as long as there is room */
void console_hold(void);

/** console_urgent() - what was written must be out even if the machine dies next: flushes, unless
 * the console is live */
void console_urgent(void);

/** console_live() - from now on nobody but commands waits for the console */
void console_live(void);

/** console_flush() - wait until all queued output is out; bounded by one second without progress */
void console_flush(void);

/* A console command: one row of a table; @fn gets the rest of the line behind the name. A word "*"
 * of the name stands for any word; then @fn gets the line from that on. */
struct console_command {
	const char *name; /* words with single spaces: "show port stats" */
	const char *help;
	void (*fn)(const char *args);
};

/** console_add_commands() - make commands known, in the place of those of the same names; the table
 * must live for ever. At most 64 tables */
void console_add_commands(const struct console_command *table, unsigned n);

/** console_waits() - is there output that the transmitter did not take yet? */
bool console_waits(void);

/** console_look() - the next console_poll() looks for input, which it does not do each time */
void console_look(void);

/** console_poll() - drain some output, take some input, run a completed line's command */
void console_poll(void);

#endif
