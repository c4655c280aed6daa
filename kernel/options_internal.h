/* Between options.c (tables, values), options_parse.c (lines) and options_value.c (kinds). */
#ifndef KERNEL_OPTIONS_INTERNAL_H
#define KERNEL_OPTIONS_INTERNAL_H

#include "kernel/options.h"

#define OPTIONS_NO_PORT (-1)
#define OPTIONS_ALLOWED_LEN 256

/** options_find() - the declaration of a key of @len bytes, NULL when there is none */
const struct option *options_find(const char *key, size_t len);

/** options_next() - the declaration after @o, the first for NULL; NULL behind the last */
const struct option *options_next(const struct option *o);

/**
 * options_set() - remember a checked value, shorter than OPTIONS_VALUE_LEN
 * @port: or OPTIONS_NO_PORT
 *
 * Return: 0, -ENOSPC when OPTIONS_VALUES_MAX others are remembered already.
 */
int options_set(const struct option *o, int port, const char *text);

/** option_check() - what is wrong with a value, NULL when it is good */
const char *option_check(const struct option *o, const char *value);

/** option_allowed() - words for what an option takes; @buf has OPTIONS_ALLOWED_LEN bytes */
const char *option_allowed(const struct option *o, char *buf);

/** option_number() - parse decimal or 0x... Return: 0, -EINVAL, -ERANGE above 64 bits */
int option_number(const char *text, uint64_t *out);

#endif
