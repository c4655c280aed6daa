/*
 * One JSON object on one console line, built in a buffer and printed whole, so that lines never
 * mix. Recipe:
 *
 *	struct json j;
 *
 *	json_begin(&j, "ready");
 *	json_string(&j, "app", name);
 *	json_u64(&j, "boot_us", us);
 *	json_end(&j);			(prints; a line that did not fit becomes an error line)
 */
#ifndef KERNEL_JSON_H
#define KERNEL_JSON_H

#include "kernel/compiler.h"

#define JSON_LINE_MAX 2048

struct json {
	char text[JSON_LINE_MAX];
	size_t len;
	bool overflow;
	bool first; /* no comma before the next member */
};

void json_begin(struct json *j, const char *type);
void json_string(struct json *j, const char *key, const char *value);
void json_u64(struct json *j, const char *key, uint64_t value);
void json_object_begin(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array_begin(struct json *j, const char *key);
void json_array_string(struct json *j, const char *value);
void json_array_u64(struct json *j, uint64_t value);
void json_array_end(struct json *j);
void json_end(struct json *j);

#endif
