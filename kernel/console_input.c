/*
 * The input half of the console: typed bytes become lines (backspace, Ctrl-U, Tab), a line is a
 * command, and the command with the longest name that the line starts with is run.
 */
#include "kernel/assert.h"
#include "kernel/console.h"
#include "kernel/console_internal.h"
#include "kernel/nearest.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define TABLES_MAX 64
#define READS_MAX                                                                                  \
	256 /* bytes taken in one look, so that a flood of input cannot hold the caller            \
	     */
#define CTRL_U 0x15
#define ESC 0x1b
#define DELETE 0x7f

struct command_table {
	const struct console_command *commands;
	unsigned n;
};

/* Arrow keys and the like send escape sequences, which are swallowed. */
enum escape_state { PLAIN, AFTER_ESC, IN_SEQUENCE };

static struct {
	char line[CONSOLE_LINE_MAX];
	size_t len;
	char previous; /* byte before this one, to see "\r\n" as one end */
	bool running;  /* a command, which may call console_poll(): take no input meanwhile */
	enum escape_state escape;
} input;

static void run_help(const char *args);
static const struct console_command *command_find(const char *line);

static const struct console_command builtin[] = {
    {"help", "list the commands", run_help},
};

static struct command_table tables[TABLES_MAX] = {{builtin, ARRAY_SIZE(builtin)}};
static unsigned nb_tables = 1;

/* ---- commands ----------------------------------------------------------------------------- */

void console_add_commands(const struct console_command *table, unsigned n)
{
	assert(nb_tables < TABLES_MAX);
	tables[nb_tables++] = (struct command_table){table, n};
}

/* The command after @c, the first for NULL; NULL behind the last. */
static const struct console_command *command_next(const struct console_command *c)
{
	unsigned t = 0;

	if (c) {
		while (t < nb_tables &&
		       (c < tables[t].commands || c >= tables[t].commands + tables[t].n))
			t++;
		if (t < nb_tables && ++c < tables[t].commands + tables[t].n)
			return c;
		t++;
	}
	while (t < nb_tables && !tables[t].n)
		t++;
	return t < nb_tables ? tables[t].commands : NULL;
}

static void run_help(const char *args)
{
	(void)args;
	for (const struct console_command *c = command_next(NULL); c; c = command_next(c))
		if (command_find(c->name) == c)
			console_printf("%-32s %s\n", c->name, c->help);
}

/* What follows the name in @line, or its words from the first "*" on, which stands for any word;
 * NULL: that is another command. */
static const char *command_args(const char *line, const char *name)
{
	const char *any = NULL;

	for (; *name; name++) {
		if (*name != '*') {
			if (*line++ != *name)
				return NULL;
			continue;
		}
		any = any ? any : line;
		while (*line && *line != ' ')
			line++;
	}
	if (*line && *line != ' ')
		return NULL;
	return any ? any : line + (*line == ' ');
}

static const struct console_command *command_find(const char *line)
{
	const struct console_command *best = NULL;
	size_t best_len = 0;

	for (const struct console_command *c = command_next(NULL); c; c = command_next(c)) {
		const size_t len = strlen(c->name);

		if (len >= best_len && command_args(line, c->name)) {
			best = c;
			best_len = len;
		}
	}
	return best;
}

static unsigned count_words(const char *text)
{
	unsigned n = 1;

	for (; *text; text++)
		n += *text == ' ';
	return n;
}

static size_t first_words(const char *text, unsigned words)
{
	size_t len = 0;

	for (; text[len]; len++) {
		if (text[len] == ' ' && !--words)
			break;
	}
	return len;
}

/* A name is compared with as many typed words as it has, since arguments may follow. Of equally
 * near names the longest is meant. */
static void report_unknown(const char *line)
{
	const char *best = NULL;
	unsigned best_distance = 0;

	for (const struct console_command *c = command_next(NULL); c; c = command_next(c)) {
		const size_t len = first_words(line, count_words(c->name));
		const unsigned distance = nearest_distance(line, len, c->name, strlen(c->name));

		if (!best || distance < best_distance ||
		    (distance == best_distance && strlen(c->name) > strlen(best))) {
			best = c->name;
			best_distance = distance;
		}
	}
	console_printf("console: error: unknown command \"%s\"; did you mean \"%s\"? "
	               "\"help\" lists all commands\n",
	               line, best);
}

static void run_line(const char *line)
{
	const struct console_command *c = command_find(line);

	if (!c) {
		report_unknown(line);
		return;
	}
	c->fn(command_args(line, c->name));
}

/* ---- lines -------------------------------------------------------------------------------- */

/* Runs of blanks become one, those at the ends none: names are written with single blanks. */
static void squeeze_blanks(char *line)
{
	size_t out = 0;

	for (const char *in = line; *in; in++) {
		if (*in == ' ' && (out == 0 || in[1] == ' ' || in[1] == '\0'))
			continue;
		line[out++] = *in;
	}
	line[out] = '\0';
}

static void line_end(void)
{
	console_echo("\n", 1);
	console_echo_end();
	input.line[input.len] = '\0';
	squeeze_blanks(input.line);
	if (input.line[0]) {
		input.running = true;
		console_patient(true);
		run_line(input.line);
		console_patient(false);
		input.running = false;
	}
	input.len = 0;
}

static void line_erase(size_t n)
{
	n = min_u64(n, input.len);
	input.len -= n;
	while (n--)
		console_echo("\b \b", 3);
	if (!input.len)
		console_echo_end();
}

static void line_append(const char *text, size_t len)
{
	if (len >= sizeof(input.line) - input.len) {
		console_echo("\a", 1);
		return;
	}
	memcpy(input.line + input.len, text, len);
	input.len += len;
	console_echo(text, len);
}

/* Adds what all names that start with the typed text go on with; a bell when that is nothing. */
static void line_complete(void)
{
	const char *common = NULL;
	size_t common_len = 0;
	unsigned matches = 0;

	for (const struct console_command *c = command_next(NULL); c; c = command_next(c)) {
		if (strncmp(c->name, input.line, input.len))
			continue;

		const char *rest = c->name + input.len;
		size_t len = 0;

		while (rest[len] && (!matches || (len < common_len && rest[len] == common[len])))
			len++;
		common = rest;
		common_len = len;
		matches++;
	}
	if (matches && common_len)
		line_append(common, common_len);
	if (matches == 1)
		line_append(" ", 1);
	else if (!common_len)
		console_echo("\a", 1);
}

/* Takes the bytes of an escape sequence. Return: whether @c was one of them. */
static bool input_escape(char c)
{
	switch (input.escape) {
	case AFTER_ESC:
		input.escape = c == '[' || c == 'O' ? IN_SEQUENCE : PLAIN;
		return true;
	case IN_SEQUENCE:
		if (c >= '@' && c <= '~')
			input.escape = PLAIN;
		return true;
	default:
		if (c == ESC)
			input.escape = AFTER_ESC;
		return c == ESC;
	}
}

static void input_byte(char c)
{
	const char previous = input.previous;

	input.previous = c;
	if (input_escape(c) || (c == '\n' && previous == '\r'))
		return;

	if (c == '\r' || c == '\n')
		line_end();
	else if (c == '\b' || c == DELETE)
		line_erase(1);
	else if (c == CTRL_U)
		line_erase(input.len);
	else if (c == '\t')
		line_complete();
	else if (c >= ' ' && c <= '~')
		line_append(&c, 1);
}

void console_input_poll(void)
{
	if (input.running)
		return;
	if (input.len && console_echo_broken())
		console_echo(input.line, input.len);
	for (unsigned i = 0; i < READS_MAX; i++) {
		const int c = plat_console_read();

		if (c < 0)
			return;
		input_byte((char)c);
	}
}
