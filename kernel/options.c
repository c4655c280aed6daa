/* Options that are declared, and the values that were given. */
#include "kernel/options.h"
#include "kernel/assert.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/options_internal.h"
#include "kernel/string.h"

struct option_table {
	const struct option *options;
	unsigned n;
};

struct option_value {
	const struct option *option;
	int port;
	char text[OPTIONS_VALUE_LEN];
};

static struct option_table tables[OPTIONS_TABLES_MAX];
static unsigned nb_tables;
static struct option_value values[OPTIONS_VALUES_MAX];
static unsigned nb_values;

/* ---- declarations ------------------------------------------------------------------------- */

void options_declare(const struct option *table, unsigned n)
{
	assert(nb_tables < OPTIONS_TABLES_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct option *o = &table[i];

		assert(!options_find(o->key, strlen(o->key)));
		assert(o->allowed || (o->kind != OPTION_WORD && o->kind != OPTION_LIST));
	}
	tables[nb_tables++] = (struct option_table){table, n};
}

const struct option *options_find(const char *key, size_t len)
{
	for (unsigned t = 0; t < nb_tables; t++) {
		for (unsigned i = 0; i < tables[t].n; i++) {
			const struct option *o = &tables[t].options[i];

			if (strlen(o->key) == len && !memcmp(o->key, key, len))
				return o;
		}
	}
	return NULL;
}

const struct option *options_next(const struct option *o)
{
	unsigned t = 0;

	if (o) {
		while (t < nb_tables &&
		       (o < tables[t].options || o >= tables[t].options + tables[t].n))
			t++;
		if (t < nb_tables && ++o < tables[t].options + tables[t].n)
			return o;
		t++;
	}
	while (t < nb_tables && !tables[t].n)
		t++;
	return t < nb_tables ? tables[t].options : NULL;
}

static const struct option *declared(const char *key)
{
	const struct option *o = options_find(key, strlen(key));

	assert(o);
	return o;
}

/* ---- values ------------------------------------------------------------------------------- */

static struct option_value *value_find(const struct option *o, int port)
{
	for (unsigned i = 0; i < nb_values; i++) {
		if (values[i].option == o && values[i].port == port)
			return &values[i];
	}
	return NULL;
}

int options_set(const struct option *o, int port, const char *text)
{
	struct option_value *v = value_find(o, port);

	assert(strlen(text) < OPTIONS_VALUE_LEN);
	if (!v) {
		if (nb_values == OPTIONS_VALUES_MAX)
			return -ENOSPC;
		v = &values[nb_values++];
		v->option = o;
		v->port = port;
	}
	memcpy(v->text, text, strlen(text) + 1);
	return 0;
}

static const char *value_text(const struct option *o, int port)
{
	const struct option_value *v = port == OPTIONS_NO_PORT ? NULL : value_find(o, port);

	if (!v)
		v = value_find(o, OPTIONS_NO_PORT);
	return v ? v->text : o->fallback;
}

static uint64_t text_u64(const char *text)
{
	uint64_t v = 0;

	if (text) {
		const int err = option_number(text, &v);

		assert(!err);
	}
	return v;
}

const char *options_get(const char *key)
{
	return value_text(declared(key), OPTIONS_NO_PORT);
}

uint64_t options_u64(const char *key)
{
	return text_u64(options_get(key));
}

const char *options_port_get(const char *key, unsigned port)
{
	return value_text(declared(key), (int)port);
}

uint64_t options_port_u64(const char *key, unsigned port)
{
	return text_u64(options_port_get(key, port));
}

bool options_given(const char *key, unsigned port)
{
	const struct option *o = declared(key);

	return value_find(o, (int)port) || value_find(o, OPTIONS_NO_PORT);
}

bool options_port_has(const char *key, unsigned port, const char *word)
{
	const char *list = options_port_get(key, port);
	const size_t len = strlen(word);

	while (list) {
		const char *comma = strchr(list, ',');
		const size_t n = comma ? (size_t)(comma - list) : strlen(list);

		if (n == len && !memcmp(list, word, len))
			return true;
		list = comma ? comma + 1 : NULL;
	}
	return false;
}

/* ---- all of them -------------------------------------------------------------------------- */

void options_print(void)
{
	char allowed[OPTIONS_ALLOWED_LEN];

	for (const struct option *o = options_next(NULL); o; o = options_next(o)) {
		const char *value = value_text(o, OPTIONS_NO_PORT);

		console_printf("%-20s %-16s %s; allowed: %s\n", o->key, value ? value : "-",
		               o->help ? o->help : "", option_allowed(o, allowed));
	}
	for (unsigned i = 0; i < nb_values; i++) {
		if (values[i].port != OPTIONS_NO_PORT)
			console_printf("net%d%-*s %s\n", values[i].port,
			               values[i].port > 9 ? 15 : 16,
			               strchr(values[i].option->key, '.'), values[i].text);
	}
}

void options_reset(void)
{
	nb_tables = 0;
	nb_values = 0;
	options_report_as(OPTIONS_REPORT_ERROR);
}
