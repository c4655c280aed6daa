/*
 * Log lines with a time stamp, a subsystem and a level. A line is built whole and handed to the
 * console in one piece, so that lines never mix.
 */
#include "kernel/log.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/json.h"
#include "kernel/plat.h"
#include "kernel/string.h"

#define LOG_LINE_MAX 1024 /* longer ones are cut, and end with "..." */
#define LOG_SUBSYSTEMS_MAX 32
#define LOG_NAME_MAX 24

struct log_levels {
	enum log_level others;
	unsigned n;
	struct {
		char name[LOG_NAME_MAX];
		enum log_level level;
	} subsystem[LOG_SUBSYSTEMS_MAX];
};

static struct log_levels levels = {.others = LOG_INFO};
static bool json_errors;

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARN] = "warn",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static const char *const level_marks[] = {
    [LOG_ERROR] = "error: ",
    [LOG_WARN] = "warning: ",
    [LOG_INFO] = "",
    [LOG_DEBUG] = "",
};

bool log_enabled(enum log_level level, const char *subsystem)
{
	for (unsigned i = 0; i < levels.n; i++) {
		if (!strcmp(levels.subsystem[i].name, subsystem))
			return level <= levels.subsystem[i].level;
	}
	return level <= levels.others;
}

/* Not inlined, since a line of JSON takes much stack. */
static COLD void log_json_error(const char *subsystem, const char *message)
{
	struct json j;

	json_begin(&j, "error");
	json_string(&j, "what", subsystem);
	json_string(&j, "detail", message);
	json_end(&j);
}

/* Texts from devices, peers and users must not end the line or drive the terminal. Tabs are
 * lspci's, and harmless. */
static void log_make_printable(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\t')
			text[i] = '?';
	}
}

/* The message stands at the end of @line, which keeps room for the newline. */
static size_t log_append_message(char *line, size_t len, const char *fmt, va_list ap)
{
	const size_t room = LOG_LINE_MAX - 1 - len;
	const size_t want = fmt_vbuf(line + len, room, fmt, ap);

	if (want < room)
		return len + want;
	memcpy(line + LOG_LINE_MAX - 5, "...", 4);
	return LOG_LINE_MAX - 2;
}

void log_line(enum log_level level, const char *subsystem, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;

	if (!log_enabled(level, subsystem))
		return;

	const uint64_t us = plat_time_ns() / 1000;
	const size_t head =
	    fmt_buf(line, sizeof(line) / 2, "[%5u.%06u] %.*s: %s", (unsigned)(us / 1000000),
	            (unsigned)(us % 1000000), LOG_NAME_MAX, subsystem, level_marks[level]);

	va_start(ap, fmt);
	const size_t len = log_append_message(line, head, fmt, ap);

	va_end(ap);
	log_make_printable(line + head, len - head);
	if (json_errors && level == LOG_ERROR)
		log_json_error(subsystem, line + head);
	line[len] = '\n';
	console_write(line, len + 1);
	/* the last lines before a silent death; information alone is not worth the wait */
	if (level != LOG_INFO)
		console_urgent();
}

static int level_parse(const char *text, size_t len, enum log_level *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (strlen(level_names[i]) == len && !memcmp(level_names[i], text, len)) {
			*out = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* The place of a subsystem's level, an old one when it was named before. */
static enum log_level *levels_slot(struct log_levels *lv, const char *name, size_t len)
{
	for (unsigned i = 0; i < lv->n; i++) {
		if (strlen(lv->subsystem[i].name) == len &&
		    !memcmp(lv->subsystem[i].name, name, len))
			return &lv->subsystem[i].level;
	}
	if (!len || len >= LOG_NAME_MAX || lv->n == LOG_SUBSYSTEMS_MAX)
		return NULL;
	memcpy(lv->subsystem[lv->n].name, name, len);
	return &lv->subsystem[lv->n++].level;
}

/* "level" or "subsystem:level" */
static int levels_add(struct log_levels *lv, const char *item, size_t len)
{
	const char *colon = memchr(item, ':', len);

	if (!colon)
		return level_parse(item, len, &lv->others);

	const size_t name_len = (size_t)(colon - item);
	enum log_level *slot = levels_slot(lv, item, name_len);

	return slot ? level_parse(colon + 1, len - name_len - 1, slot) : -EINVAL;
}

static int levels_parse(const char *spec, struct log_levels *lv)
{
	*lv = (struct log_levels){.others = LOG_INFO};
	for (;;) {
		const char *comma = strchr(spec, ',');
		const size_t len = comma ? (size_t)(comma - spec) : strlen(spec);
		const int err = levels_add(lv, spec, len);

		if (err || !comma)
			return err;
		spec = comma + 1;
	}
}

int log_set_levels(const char *spec)
{
	struct log_levels lv;
	const int err = levels_parse(spec, &lv);

	if (!err)
		levels = lv;
	return err;
}

bool log_levels_valid(const char *spec)
{
	struct log_levels lv;

	return levels_parse(spec, &lv) == 0;
}

void log_set_json(bool on)
{
	json_errors = on;
}

bool log_json(void)
{
	return json_errors;
}
