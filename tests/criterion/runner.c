/*
 * Runs the tests of a program that is linked with criterion.h of this folder instead of Criterion:
 * each case in a process of its own, several at a time, each with a limit of time. What they print
 * is shown when they fail. Of Criterion's command line it takes -jN and --xml=FILE.
 */
#include <criterion/criterion.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64
#define CASE_SECONDS 120 /* then SIGALRM ends it */

enum result { PASS, FAIL, SKIP, RESULTS };

static struct {
	const char *line, *element;
} const results[RESULTS] = {{"PASS", ""}, {"FAIL", "<failure/>"}, {"SKIP", "<skipped/>"}};

/* A case that runs. */
struct job {
	pid_t pid; /* 0: none */
	const struct cr_test *test;
	size_t at; /* of its parameters */
	FILE *said;
};

static struct cr_test *tests, **last = &tests;
static struct job jobs[JOBS_MAX];
static unsigned nb_jobs = 1, nb_results[RESULTS];
static FILE *report;
static bool failed; /* of the case that this process is */

void cr_add(struct cr_test *t)
{
	*last = t;
	last = &t->next;
}

NORETURN static void die(const char *what)
{
	perror(what);
	exit(FAIL);
}

/* ---- in the process of a case ------------------------------------------------------------- */

static void say(const char *fmt, va_list ap)
{
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void cr_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

void cr_fail(const char *what, const char *fmt, ...)
{
	va_list ap;

	failed = true;
	fprintf(stderr, "%s: wrong.", what);
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
}

NORETURN void cr_end(const char *what, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: wrong.", what);
	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	_exit(FAIL);
}

NORETURN void cr_skip_test(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap);
	va_end(ap);
	_exit(SKIP);
}

static const struct cr_test *suite_of(const struct cr_test *t)
{
	static const struct cr_test none;

	for (const struct cr_test *s = tests; s; s = s->next) {
		if (!s->name && !strcmp(s->suite, t->suite))
			return s;
	}
	return &none;
}

static void call(void (*fn)(void))
{
	if (fn)
		fn();
}

NORETURN static void case_run(const struct cr_test *t, void *param, FILE *said)
{
	const struct cr_test *suite = suite_of(t);

	if (dup2(fileno(said), 1) < 0 || dup2(fileno(said), 2) < 0)
		die("dup2");
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){.rlim_cur = 0}))
		die("setrlimit");
	alarm(CASE_SECONDS);
	call(suite->init);
	call(t->init);
	t->run(param);
	call(t->fini);
	call(suite->fini);
	exit(failed ? FAIL : PASS);
}

/* ---- in the runner ------------------------------------------------------------------------ */

static void show(FILE *said)
{
	char text[4096];

	rewind(said);
	for (size_t n; (n = fread(text, 1, sizeof(text), said)) > 0;)
		fwrite(text, 1, n, stdout);
}

/* TSan makes the exit status of a process with races another one. */
static enum result result_of(const struct cr_test *t, int status)
{
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == t->signal ? PASS : FAIL;
	if (t->signal || (WEXITSTATUS(status) != PASS && WEXITSTATUS(status) != SKIP))
		return FAIL;
	return (enum result)WEXITSTATUS(status);
}

/* Waits for any. Return: its place, free now */
static struct job *finish_one(void)
{
	struct job *j = jobs;
	int status = 0;
	const pid_t pid = wait(&status);

	if (pid < 0)
		die("wait");
	while (j->pid != pid)
		j++;

	const enum result r = result_of(j->test, status);

	nb_results[r]++;
	printf("[%s] %s::%s", results[r].line, j->test->suite, j->test->name);
	if (j->test->params)
		printf(", case %zu", j->at);
	if (r == FAIL && WIFSIGNALED(status))
		printf(", ended by signal %d", WTERMSIG(status));
	putchar('\n');
	if (r != PASS)
		show(j->said);
	fprintf(report, "<testcase classname=\"%s\" name=\"%s %zu\">%s</testcase>\n",
	        j->test->suite, j->test->name, j->at, results[r].element);
	fclose(j->said);
	j->pid = 0;
	return j;
}

static struct job *free_job(void)
{
	struct job *j = jobs;

	while (j < jobs + nb_jobs && j->pid)
		j++;
	return j < jobs + nb_jobs ? j : finish_one();
}

static void start_one(const struct cr_test *t, void *param, size_t at)
{
	struct job *j = free_job();

	*j = (struct job){.test = t, .at = at, .said = tmpfile()};
	if (!j->said)
		die("a temporary file");
	fflush(stdout);
	fflush(report); /* or both would write what is left */
	j->pid = fork();
	if (j->pid < 0)
		die("fork");
	if (!j->pid)
		case_run(t, param, j->said);
}

static void options(int argc, char **argv)
{
	const char *path = "/dev/null";

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--xml=", 6))
			path = argv[i] + 6;
		if (!strncmp(argv[i], "-j", 2))
			nb_jobs = (unsigned)strtoul(argv[i] + 2, NULL, 10);
	}
	if (!nb_jobs || nb_jobs > JOBS_MAX)
		nb_jobs = 1;
	report = fopen(path, "w");
	if (!report)
		die(path);
}

int main(int argc, char **argv)
{
	options(argc, argv);
	fprintf(report, "<?xml version=\"1.0\"?>\n<testsuites>\n");
	for (const struct cr_test *t = tests; t; t = t->next) {
		struct criterion_test_params p = {.length = 1};

		if (!t->name)
			continue; /* a suite */
		if (t->params)
			p = t->params();
		for (size_t i = 0; i < p.length; i++)
			start_one(t, (char *)p.params + i * p.size, i);
	}
	for (struct job *j = jobs; j < jobs + nb_jobs; j++) {
		while (j->pid)
			finish_one();
	}
	fprintf(report, "</testsuites>\n");
	fclose(report);
	printf("Tested: %u | Passing: %u | Failing: %u | Skipped: %u\n",
	       nb_results[PASS] + nb_results[FAIL] + nb_results[SKIP], nb_results[PASS],
	       nb_results[FAIL], nb_results[SKIP]);
	return nb_results[FAIL] != 0;
}
