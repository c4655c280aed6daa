/*
 * The console: standard output and input. Nothing here waits: a pipe that nobody reads is a
 * transmitter that is busy. A terminal gives every byte at once and does not echo, as the kernel's
 * console does both itself; Ctrl-C and Ctrl-Z stay what they are.
 */
#define _GNU_SOURCE
#include "arch/hosted/hosted.h"
#include "kernel/plat.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define WRITE_MAX 4096 /* a pipe that is ready takes as much without waiting (PIPE_BUF) */
#define INPUT_MAX 256

static struct termios original;
static volatile bool changed; /* the terminal is not as it was */

static struct {
	char text[INPUT_MAX];
	size_t at, len;
	bool closed;
} input;

/* ---- output ------------------------------------------------------------------------------- */

static bool ready(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	return poll(&p, 1, 0) == 1;
}

/* The kernel ends lines as a serial terminal wants it, "\r\n"; here '\n' is enough. Return: bytes
 * of @text that stand for the first @n of those without '\r'. */
static size_t with_returns(const char *text, size_t len, size_t n)
{
	size_t i = 0;

	while (i < len && (n || text[i] == '\r'))
		n -= text[i++] != '\r';
	return i;
}

size_t plat_console_write(const char *text, size_t len)
{
	char out[WRITE_MAX];
	size_t n = 0;

	if (len > sizeof(out))
		len = sizeof(out);
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\r')
			out[n++] = text[i];
	}
	if (!ready(STDOUT_FILENO, POLLOUT))
		return 0;
	if (!n)
		return len;

	const ssize_t written = write(STDOUT_FILENO, out, n);

	if (written > 0)
		return with_returns(text, len, (size_t)written);
	/* nobody will ever read it: gone */
	return written < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : len;
}

/* ---- input -------------------------------------------------------------------------------- */

/* Who reads from a terminal in the background is stopped. */
static bool is_background(void)
{
	const pid_t owner = tcgetpgrp(STDIN_FILENO);

	return owner >= 0 && owner != getpgrp();
}

int plat_console_read(void)
{
	if (input.at < input.len)
		return (unsigned char)input.text[input.at++];
	if (input.closed || is_background() || !ready(STDIN_FILENO, POLLIN))
		return -1;

	const ssize_t n = read(STDIN_FILENO, input.text, sizeof(input.text));

	if (n <= 0) {
		input.closed = n == 0 || (errno != EAGAIN && errno != EINTR);
		return -1;
	}
	input.at = 1;
	input.len = (size_t)n;
	return (unsigned char)input.text[0];
}

/* ---- the terminal ------------------------------------------------------------------------- */

void terminal_restore(void)
{
	if (changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &original);
	changed = false;
}

void terminal_init(void)
{
	struct termios raw;

	if (changed || is_background() || tcgetattr(STDIN_FILENO, &original))
		return;
	raw = original;
	raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	changed = true;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}
