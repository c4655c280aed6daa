/*
 * As much of Criterion as our tests use, for where the real one does not run: under TSan, where its
 * memory for sandboxes lies in the way of the shadow, and under qemu-user, where it would have to
 * start itself as a program of the machine. Each case runs in a process of its own, as there;
 * runner.c has main().
 */
#ifndef TESTS_CRITERION_H
#define TESTS_CRITERION_H

#include "kernel/compiler.h"
#include <signal.h>
#include <string.h>

/* The values of ParameterizedTestParameters, found again under Criterion's name. */
struct criterion_test_params {
	size_t size;
	void *params;
	size_t length;
};

/* A test or, with a suite's name alone, what all of its tests have. */
struct cr_test {
	const char *suite, *name;
	struct criterion_test_params (*params)(void); /* NULL: one case */
	void (*run)(void *param);
	void (*init)(void), (*fini)(void);
	int signal;           /* by which the case has to end */
	double timeout;       /* not looked at: an emulator is slow, the runner has a limit */
	struct cr_test *next; /* the runner's */
};

void cr_add(struct cr_test *t);

/** cr_fail(), cr_end() - the case fails: where and what was expected there; cr_end() ends it, too
 */
void cr_fail(const char *what, const char *fmt, ...) PRINTF_LIKE(2, 3);
NORETURN void cr_end(const char *what, const char *fmt, ...) PRINTF_LIKE(2, 3);
NORETURN void cr_skip_test(const char *fmt, ...) PRINTF_LIKE(1, 2);
void cr_log(const char *fmt, ...) PRINTF_LIKE(1, 2);

#define cr_log_info cr_log
#define cr_log_error cr_log

#define CR_TEXT_(x) #x
#define CR_TEXT(x) CR_TEXT_(x)
#define CR_PLACE __FILE__ ":" CR_TEXT(__LINE__) ": "
#define CR_CHECK(react, ok, what, ...)                                                             \
	do {                                                                                       \
		if (!(ok))                                                                         \
			react(CR_PLACE what, " " __VA_ARGS__);                                     \
	} while (0)
#define CR_COMPARE(react, a, op, b, ...)                                                           \
	CR_CHECK(react, (a)op(b), "(" #a ") " #op " (" #b ")", __VA_ARGS__)

#define cr_assert(c, ...) CR_CHECK(cr_end, !!(c), #c, __VA_ARGS__)
#define cr_assert_not(c, ...) CR_CHECK(cr_end, !(c), "not " #c, __VA_ARGS__)
#define cr_assert_fail(...) cr_end(CR_PLACE "fails", " " __VA_ARGS__)
#define cr_assert_null(p, ...) CR_CHECK(cr_end, !(p), #p " is NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) CR_CHECK(cr_end, !!(p), #p " is not NULL", __VA_ARGS__)
#define cr_assert_eq(a, b, ...) CR_COMPARE(cr_end, a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) CR_COMPARE(cr_end, a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) CR_COMPARE(cr_end, a, <, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) CR_COMPARE(cr_end, a, <=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) CR_COMPARE(cr_end, a, >, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) CR_COMPARE(cr_end, a, >=, b, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)                                                                \
	CR_CHECK(cr_end, !strcmp(a, b), #a " as text is " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...)                                                               \
	CR_CHECK(cr_end, !!strcmp(a, b), #a " as text is not " #b, __VA_ARGS__)
#define cr_assert_str_empty(s, ...) CR_CHECK(cr_end, !*(s), #s " is empty", __VA_ARGS__)
#define cr_assert_str_not_empty(s, ...) CR_CHECK(cr_end, !!*(s), #s " is not empty", __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...)                                                             \
	CR_CHECK(cr_end, !memcmp(a, b, n), #a " as bytes is " #b, __VA_ARGS__)

#define cr_expect(c, ...) CR_CHECK(cr_fail, !!(c), #c, __VA_ARGS__)
#define cr_expect_not(c, ...) CR_CHECK(cr_fail, !(c), "not " #c, __VA_ARGS__)
#define cr_expect_fail(...) cr_fail(CR_PLACE "fails", " " __VA_ARGS__)
#define cr_expect_null(p, ...) CR_CHECK(cr_fail, !(p), #p " is NULL", __VA_ARGS__)
#define cr_expect_not_null(p, ...) CR_CHECK(cr_fail, !!(p), #p " is not NULL", __VA_ARGS__)
#define cr_expect_eq(a, b, ...) CR_COMPARE(cr_fail, a, ==, b, __VA_ARGS__)
#define cr_expect_neq(a, b, ...) CR_COMPARE(cr_fail, a, !=, b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) CR_COMPARE(cr_fail, a, <, b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) CR_COMPARE(cr_fail, a, <=, b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) CR_COMPARE(cr_fail, a, >, b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) CR_COMPARE(cr_fail, a, >=, b, __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...)                                                                \
	CR_CHECK(cr_fail, !strcmp(a, b), #a " as text is " #b, __VA_ARGS__)
#define cr_expect_str_neq(a, b, ...)                                                               \
	CR_CHECK(cr_fail, !!strcmp(a, b), #a " as text is not " #b, __VA_ARGS__)
#define cr_expect_str_empty(s, ...) CR_CHECK(cr_fail, !*(s), #s " is empty", __VA_ARGS__)
#define cr_expect_str_not_empty(s, ...) CR_CHECK(cr_fail, !!*(s), #s " is not empty", __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...)                                                             \
	CR_CHECK(cr_fail, !memcmp(a, b, n), #a " as bytes is " #b, __VA_ARGS__)

#define CR_REGISTER(id, ...)                                                                       \
	__attribute__((constructor)) static void id##_add(void)                                    \
	{                                                                                          \
		static struct cr_test t = {__VA_ARGS__};                                           \
                                                                                                   \
		cr_add(&t);                                                                        \
	}

#define TestSuite(suite_, ...) CR_REGISTER(cr_suite_##suite_, .suite = #suite_, __VA_ARGS__)

#define Test(suite_, name_, ...)                                                                   \
	static void suite_##_##name_##_impl(void *);                                               \
	CR_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_,                            \
	            .run = suite_##_##name_##_impl, ##__VA_ARGS__)                                 \
	static void suite_##_##name_##_impl(__attribute__((unused)) void *cr_none)

#endif
