/*
 * A writer of one-line JSON objects. Whatever the values are, the line is valid JSON in ASCII:
 * control characters and bytes above 126 become \u00XX. (RFC 8259)
 */
#include "kernel/json.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/string.h"

#define JSON_TYPE_AT 9 /* behind {"type":" */

static void put(struct json *j, const char *text, size_t len)
{
	/* one byte stays free for the newline */
	if (len >= sizeof(j->text) - j->len) {
		j->overflow = true;
		return;
	}
	memcpy(j->text + j->len, text, len);
	j->len += len;
}

static void put_escaped(struct json *j, char c)
{
	char text[8];
	size_t len = 0;

	if (c == '"' || c == '\\')
		len = fmt_buf(text, sizeof(text), "\\%c", c);
	else if (c == '\n')
		len = fmt_buf(text, sizeof(text), "\\n");
	else if (c == '\t')
		len = fmt_buf(text, sizeof(text), "\\t");
	else if (c < ' ' || c > '~')
		len = fmt_buf(text, sizeof(text), "\\u%04x", (unsigned char)c);
	else
		text[len++] = c;
	put(j, text, len);
}

static void put_string(struct json *j, const char *value)
{
	put(j, "\"", 1);
	for (; *value && !j->overflow; value++)
		put_escaped(j, *value);
	put(j, "\"", 1);
}

static void put_u64(struct json *j, uint64_t value)
{
	char text[24];

	put(j, text, fmt_buf(text, sizeof(text), "%llu", (unsigned long long)value));
}

static void put_comma(struct json *j)
{
	if (!j->first)
		put(j, ",", 1);
	j->first = false;
}

static void put_key(struct json *j, const char *key)
{
	put_comma(j);
	put_string(j, key);
	put(j, ":", 1);
}

static void put_open(struct json *j, const char *key, const char *bracket)
{
	put_key(j, key);
	put(j, bracket, 1);
	j->first = true;
}

static void put_close(struct json *j, const char *bracket)
{
	put(j, bracket, 1);
	j->first = false;
}

void json_begin(struct json *j, const char *type)
{
	j->len = 0;
	j->overflow = false;
	j->first = true;
	put(j, "{", 1);
	json_string(j, "type", type);
}

void json_string(struct json *j, const char *key, const char *value)
{
	put_key(j, key);
	put_string(j, value);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	put_key(j, key);
	put_u64(j, value);
}

void json_object_begin(struct json *j, const char *key)
{
	put_open(j, key, "{");
}

void json_object_end(struct json *j)
{
	put_close(j, "}");
}

void json_array_begin(struct json *j, const char *key)
{
	put_open(j, key, "[");
}

void json_array_string(struct json *j, const char *value)
{
	put_comma(j);
	put_string(j, value);
}

void json_array_u64(struct json *j, uint64_t value)
{
	put_comma(j);
	put_u64(j, value);
}

void json_array_end(struct json *j)
{
	put_close(j, "]");
}

static void print_overflow(const struct json *j)
{
	const char *type = j->text + JSON_TYPE_AT;
	const char *end = j->len > JSON_TYPE_AT ? memchr(type, '"', j->len - JSON_TYPE_AT) : NULL;

	console_printf("{\"type\":\"error\",\"what\":\"json\",\"detail\":\"a line of type %.*s is "
	               "longer than %d bytes\"}\n",
	               end ? (int)(end - type) : 1, end ? type : "?", JSON_LINE_MAX);
}

void json_end(struct json *j)
{
	put(j, "}", 1);
	if (j->overflow) {
		print_overflow(j);
		return;
	}
	j->text[j->len] = '\n';
	console_write(j->text, j->len + 1);
}
