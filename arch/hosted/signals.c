/*
 * Signals: asking the kernel to end, stopping and going on with the terminal as the shell wants it,
 * and those that end a process. Handlers do what is safe in handlers and nothing else.
 */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "kernel/plat.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define STATUS_SIGNALLED 128 /* a shell's status of a process that a signal ended: 128 + number */

/* timeout(1) and others signal a process and its group: it gets two at once and has heeded neither
 */
#define UNHEEDED_NS 1000000000ull

static volatile sig_atomic_t end_asked;
static uint64_t end_asked_ns; /* of the first; handlers alone look at it */

bool plat_end_asked(void)
{
	return end_asked;
}

/* What others would find of us. */
static void leave_nothing(void)
{
	terminal_restore();
	links_remove();
}

static void on_end(int number)
{
	const uint64_t now_ns = plat_time_ns();

	if (!end_asked)
		end_asked_ns = now_ns;
	end_asked = 1;
	if (now_ns - end_asked_ns < UNHEEDED_NS)
		return;
	leave_nothing();
	_exit(STATUS_SIGNALLED + number);
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
static void on_fatal(int number)
{
	leave_nothing();
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
	/* crashes, and what others send or a limit does: all end a process unless it minds */
	static const int fatal[] = {SIGSEGV, SIGBUS,    SIGILL,  SIGFPE,  SIGABRT,
	                            SIGQUIT, SIGTRAP,   SIGSYS,  SIGUSR1, SIGUSR2,
	                            SIGALRM, SIGVTALRM, SIGPROF, SIGXCPU};

	signal(SIGPIPE, SIG_IGN);
	handle(SIGINT, on_end, SA_RESTART);
	handle(SIGTERM, on_end, SA_RESTART);
	handle(SIGHUP, on_end, SA_RESTART);
	handle(SIGTSTP, on_stop, SA_RESTART);
	handle(SIGCONT, on_continue, SA_RESTART);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		handle(fatal[i], on_fatal, (int)SA_RESETHAND | SA_NODEFER);
}
