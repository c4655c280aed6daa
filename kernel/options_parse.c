/*
 * Reading a line of options. The line comes from a boot loader, from fw_cfg or from a user: each
 * word is checked wholly before it is remembered, and a bad one is named with what would be right.
 */
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/nearest.h"
#include "kernel/options.h"
#include "kernel/options_internal.h"
#include "kernel/string.h"

#define KEY_LEN 64 /* longest key, without its port, and the end of the string */
#define COMPLAINT_LEN 1024
#define SHOWN_LEN 160 /* bytes of a word that an error text shows */

/* A word of the line, taken apart. */
struct word {
	const char *source;
	const char *text;
	size_t len;
	char shown[SHOWN_LEN + 4];

	size_t key_len;    /* in @text */
	char key[KEY_LEN]; /* "net.mtu" where the word says "net3.mtu"; cut when too long */
	int port;
	bool has_value;
	char value[OPTIONS_VALUE_LEN];
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* ---- taking words apart ------------------------------------------------------------------- */

/* "net12.mtu" is key "net.mtu" of port 12. A number that no port can have gives OPTIONS_PORTS_MAX.
 */
static void split_port(struct word *w)
{
	static const char prefix[] = "net";
	const size_t prefix_len = sizeof(prefix) - 1;
	size_t at = prefix_len;
	unsigned port = 0;

	w->port = OPTIONS_NO_PORT;
	if (w->key_len <= prefix_len || memcmp(w->text, prefix, prefix_len))
		at = 0;
	for (; at && at < w->key_len && w->text[at] >= '0' && w->text[at] <= '9'; at++)
		port =
		    (unsigned)min_u64(port * 10 + (unsigned)(w->text[at] - '0'), OPTIONS_PORTS_MAX);

	const bool has_port = at > prefix_len && w->text[at] == '.';

	if (has_port)
		w->port = (int)port;
	fmt_buf(w->key, sizeof(w->key), "%s%.*s", has_port ? prefix : "",
	        (int)(w->key_len - (has_port ? at : 0)), w->text + (has_port ? at : 0));
}

static void word_split(struct word *w)
{
	const char *equals = memchr(w->text, '=', w->len);

	fmt_buf(w->shown, sizeof(w->shown), "%.*s%s", (int)min_u64(w->len, SHOWN_LEN), w->text,
	        w->len > SHOWN_LEN ? "..." : "");
	w->key_len = equals ? (size_t)(equals - w->text) : w->len;
	w->has_value = equals != NULL;
	split_port(w);
}

/* ---- telling what is wrong ---------------------------------------------------------------- */

static enum options_report report_as = OPTIONS_REPORT_ERROR;

void options_report_as(enum options_report how)
{
	report_as = how;
}

PRINTF_LIKE(1, 2) static void complain(const char *fmt, ...)
{
	char text[COMPLAINT_LEN];
	va_list ap;

	if (report_as == OPTIONS_REPORT_NOTHING)
		return;
	va_start(ap, fmt);
	fmt_vbuf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line(report_as == OPTIONS_REPORT_WARNING ? LOG_WARN : LOG_ERROR, "options", "%s", text);
}

/* The known key nearest to the word's, with the word's port number. */
static const char *nearest_key(const struct word *w, char *buf, size_t size)
{
	struct nearest n;

	nearest_init(&n, w->key, strlen(w->key));
	for (const struct option *o = options_next(NULL); o; o = options_next(o))
		nearest_offer(&n, o->key);
	if (!n.best)
		return "none is known";
	if (w->port == OPTIONS_NO_PORT || strncmp(n.best, "net.", 4))
		return n.best;
	fmt_buf(buf, size, "net%d%s", w->port, n.best + 3);
	return buf;
}

static void report_unknown(const struct word *w)
{
	char near[KEY_LEN];

	if (w->has_value)
		complain("%s: unknown key \"%.*s\" in \"%s\"; did you mean \"%s\"?", w->source,
		         (int)min_u64(w->key_len, KEY_LEN), w->text, w->shown,
		         nearest_key(w, near, sizeof(near)));
	else
		complain("%s: \"%s\": not of the form key=value; did you mean \"%s=\"?", w->source,
		         w->shown, nearest_key(w, near, sizeof(near)));
}

static void report_bad_value(const struct word *w, const struct option *o, const char *why)
{
	char allowed[OPTIONS_ALLOWED_LEN];

	complain("%s: \"%s\": %s; allowed: %s", w->source, w->shown, why,
	         option_allowed(o, allowed));
}

/* ---- words and lines ---------------------------------------------------------------------- */

static bool word_use(struct word *w)
{
	const struct option *o = options_find(w->key, strlen(w->key));
	const char *why = "no value";

	if (!o) {
		report_unknown(w);
		return false;
	}
	if (w->port >= OPTIONS_PORTS_MAX) {
		complain("%s: \"%s\": no such port; allowed: net0 to net%d", w->source, w->shown,
		         OPTIONS_PORTS_MAX - 1);
		return false;
	}

	const size_t value_len = w->has_value ? w->len - w->key_len - 1 : 0;

	if (value_len >= sizeof(w->value)) {
		complain("%s: \"%s\": the value is %zu bytes long; allowed: %d", w->source,
		         w->shown, value_len, OPTIONS_VALUE_LEN - 1);
		return false;
	}
	memcpy(w->value, w->text + w->len - value_len, value_len);
	w->value[value_len] = '\0';

	if (w->has_value)
		why = option_check(o, w->value);
	if (why) {
		report_bad_value(w, o, why);
		return false;
	}
	if (options_set(o, w->port, w->value)) {
		complain("%s: \"%s\": one option too many; allowed: %d", w->source, w->shown,
		         OPTIONS_VALUES_MAX);
		return false;
	}
	return true;
}

static bool is_path(const char *word, size_t len)
{
	static const char *const endings[] = {".efi", ".EFI", ".elf"};

	if (memchr(word, '=', len))
		return false;
	if (len && (*word == '/' || *word == '\\' || *word == '('))
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(endings); i++) {
		const size_t n = strlen(endings[i]);

		if (len >= n && !memcmp(word + len - n, endings[i], n))
			return true;
	}
	return false;
}

const char *options_skip_path(const char *line)
{
	size_t len = 0;

	while (is_blank(*line))
		line++;
	while (line[len] && !is_blank(line[len]))
		len++;
	return is_path(line, len) ? line + len : line;
}

unsigned options_parse(const char *line, const char *source)
{
	const size_t len = strnlen(line, BOOT_CMDLINE_LEN + 1);
	unsigned bad = 0;

	if (len > BOOT_CMDLINE_LEN) {
		complain("%s: the line is too long, nothing of it is used; allowed: %d bytes",
		         source, BOOT_CMDLINE_LEN);
		return 1;
	}
	for (size_t at = 0; at < len;) {
		struct word w = {.source = source, .text = line + at};

		while (at + w.len < len && !is_blank(line[at + w.len]))
			w.len++;
		at += w.len ? w.len : 1;
		if (!w.len)
			continue;

		word_split(&w);
		if (!word_use(&w))
			bad++;
	}
	return bad;
}
