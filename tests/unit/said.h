/* What was logged and printed, for tests that look for a text in it. */
#ifndef TESTS_UNIT_SAID_H
#define TESTS_UNIT_SAID_H

#include "tests/unit/plat_test.h"

#include <string.h>

static inline bool said(const char *text)
{
	return strstr(plat_test_output(), text) != NULL;
}

static inline unsigned lines_said(void)
{
	unsigned n = 0;

	for (const char *p = plat_test_output(); *p; p++)
		n += *p == '\n';
	return n;
}

#endif
