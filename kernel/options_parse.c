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

#define KEY_LEN 64    /* longest key, without its port, and the end of the string */
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

/* Boot loaders put the kernel's path in front. */
static bool is_kernel_path(const struct word *w)
{
	static const char *const endings[] = {".efi", ".EFI", ".elf"};

	if (memchr(w->text, '/', w->key_len))
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(endings); i++) {
		const size_t n = strlen(endings[i]);

		if (!w->has_value && w->len >= n && !memcmp(w->text + w->len - n, endings[i], n))
			return true;
	}
	return false;
}

/* ---- telling what is wrong ---------------------------------------------------------------- */

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
		log_err("options", "%s: unknown key \"%.*s\" in \"%s\"; did you mean \"%s\"?",
		        w->source, (int)min_u64(w->key_len, KEY_LEN), w->text, w->shown,
		        nearest_key(w, near, sizeof(near)));
	else
		log_err("options", "%s: \"%s\": not of the form key=value; did you mean \"%s=\"?",
		        w->source, w->shown, nearest_key(w, near, sizeof(near)));
}

static void report_bad_value(const struct word *w, const struct option *o, const char *why)
{
	char allowed[OPTIONS_ALLOWED_LEN];

	log_err("options", "%s: \"%s\": %s; allowed: %s", w->source, w->shown, why,
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
		log_err("options", "%s: \"%s\": no such port; allowed: net0 to net%d", w->source,
		        w->shown, OPTIONS_PORTS_MAX - 1);
		return false;
	}

	const size_t value_len = w->has_value ? w->len - w->key_len - 1 : 0;

	if (value_len >= sizeof(w->value)) {
		log_err("options", "%s: \"%s\": the value is %zu bytes long; allowed: %d",
		        w->source, w->shown, value_len, OPTIONS_VALUE_LEN - 1);
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
		log_err("options", "%s: \"%s\": one option too many; allowed: %d", w->source,
		        w->shown, OPTIONS_VALUES_MAX);
		return false;
	}
	return true;
}

unsigned options_parse(const char *line, const char *source)
{
	const size_t len = strnlen(line, BOOT_CMDLINE_LEN + 1);
	unsigned bad = 0;
	bool first = true;

	if (len > BOOT_CMDLINE_LEN) {
		log_err("options",
		        "%s: the line is too long, nothing of it is used; allowed: %d bytes",
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
		if (!(first && is_kernel_path(&w)) && !word_use(&w))
			bad++;
		first = false;
	}
	return bad;
}
