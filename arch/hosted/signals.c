/*
 * Signals: asking the kernel to end, stopping and going on with the terminal as the shell wants it,
 * and crashes. Handlers do what is safe in handlers and nothing else.
 */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "kernel/plat.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STATUS_SIGNALLED 128 /* a shell's status of a process that a signal ended: 128 + number */

static volatile sig_atomic_t end_asked;

bool plat_end_asked(void)
{
	return end_asked;
}

static void on_end(int number)
{
	if (end_asked) { /* the first was not heeded */
		terminal_restore();
		_exit(STATUS_SIGNALLED + number);
	}
	end_asked = 1;
}

static void on_stop(int number)
{
	(void)number;
	terminal_restore();
	raise(SIGSTOP);
}

static void on_continue(int number)
{
	(void)number;
	terminal_init();
}

/* The default action follows: installed to be used once. */
static void on_crash(int number)
{
	terminal_restore();
	raise(number);
}

static void handle(int number, void (*handler)(int), int flags)
{
	struct sigaction old, sa = {.sa_handler = handler, .sa_flags = flags};

	sigfillset(&sa.sa_mask);
	/* a sanitizer, or a parent that ignores it, was here before */
	if (sigaction(number, NULL, &old) || old.sa_handler != SIG_DFL)
		return;
	sigaction(number, &sa, NULL);
}

void signals_init(void)
{
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT};

	signal(SIGPIPE, SIG_IGN);
	handle(SIGINT, on_end, SA_RESTART);
	handle(SIGTERM, on_end, SA_RESTART);
	handle(SIGHUP, on_end, SA_RESTART);
	handle(SIGTSTP, on_stop, SA_RESTART);
	handle(SIGCONT, on_continue, SA_RESTART);
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
		handle(crashes[i], on_crash, (int)SA_RESETHAND | SA_NODEFER);
}
