/*
 * Runs the tests that were built with TSan, each case in a process of its own; what it takes of
 * Criterion's command line is --xml=FILE, for the totals.
 */
#include "tests/tsan/criterion/criterion.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tsan_test *tests;

void tsan_add(struct tsan_test *t)
{
	t->next = tests;
	tests = t;
}

void tsan_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void tsan_check(bool ok, const char *place, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		return;
	fprintf(stderr, "%s: assertion failed:", place);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}

/* True when the case passed; TSan makes the exit status of a process with races another one. */
static bool run(const struct tsan_test *t, void *param)
{
	int status = 0;
	const pid_t child = fork();

	if (child < 0) {
		perror("fork");
		exit(2);
	}
	if (!child) {
		t->run(param);
		exit(0);
	}
	waitpid(child, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static FILE *report_open(int argc, char **argv)
{
	const char *path = "/dev/null";
	FILE *f;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--xml=", 6))
			path = argv[i] + 6;
	}
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		exit(2);
	}
	fprintf(f, "<?xml version=\"1.0\"?>\n<testsuites>\n");
	fflush(f); /* the cases are forked */
	return f;
}

int main(int argc, char **argv)
{
	FILE *f = report_open(argc, argv);
	unsigned n = 0, failed = 0;

	for (struct tsan_test *t = tests; t; t = t->next) {
		const struct tsan_params params = t->params();

		for (size_t i = 0; i < params.n; i++, n++) {
			const bool ok = run(t, (char *)params.first + i * params.size);

			failed += !ok;
			printf("[%s] %s::%s, case %zu\n", ok ? "PASS" : "FAIL", t->suite, t->name,
			       i);
			fflush(stdout);
			fprintf(f, "<testcase name=\"%s::%s %zu\">%s</testcase>\n", t->suite,
			        t->name, i, ok ? "" : "<failure/>");
			fflush(f);
		}
	}
	fprintf(f, "</testsuites>\n");
	fclose(f);
	printf("Tested: %u | Passing: %u | Failing: %u\n", n, n - failed, failed);
	return failed != 0;
}
