/*
 * As much of Criterion as the tests with threads use, for the build with TSan, under which the real
 * one does not start: its memory for sandboxes lies where TSan has its shadow. Each case runs in a
 * process of its own, as there; runner.c has main().
 */
#ifndef TESTS_TSAN_CRITERION_H
#define TESTS_TSAN_CRITERION_H

#include "kernel/compiler.h"

struct tsan_params {
	void *first;
	size_t size, n;
};

struct tsan_test {
	const char *suite, *name;
	struct tsan_params (*params)(void);
	void (*run)(void *param);
	struct tsan_test *next;
};

void tsan_add(struct tsan_test *t);
void tsan_log(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* ends the case unless @ok */
void tsan_check(bool ok, const char *place, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define TSAN_TEXT_(x) #x
#define TSAN_TEXT(x) TSAN_TEXT_(x)
#define TSAN_CHECK(ok, ...) tsan_check((ok), __FILE__ ":" TSAN_TEXT(__LINE__), " " __VA_ARGS__)

#define cr_assert(c, ...) TSAN_CHECK(!!(c), __VA_ARGS__)
#define cr_assert_not(c, ...) TSAN_CHECK(!(c), __VA_ARGS__)
#define cr_assert_null(p, ...) TSAN_CHECK(!(p), __VA_ARGS__)
#define cr_assert_not_null(p, ...) TSAN_CHECK(!!(p), __VA_ARGS__)
#define cr_assert_eq(a, b, ...) TSAN_CHECK((a) == (b), __VA_ARGS__)
#define cr_assert_neq(a, b, ...) TSAN_CHECK((a) != (b), __VA_ARGS__)
#define cr_log_info(...) tsan_log(__VA_ARGS__)
#define cr_log_error(...) tsan_log(__VA_ARGS__)

#define cr_make_param_array(type, array, count)                                                    \
	((struct tsan_params){.first = (array), .size = sizeof(type), .n = (count)})

#define ParameterizedTestParameters(suite, name)                                                   \
	static struct tsan_params suite##_##name##_params(void)

#define ParameterizedTest(param, suite_, name_)                                                    \
	static void suite_##_##name_(param);                                                       \
	static void suite_##_##name_##_run(void *p)                                                \
	{                                                                                          \
		suite_##_##name_(p);                                                               \
	}                                                                                          \
	__attribute__((constructor)) static void suite_##_##name_##_add(void)                      \
	{                                                                                          \
		static struct tsan_test t = {.suite = #suite_,                                     \
		                             .name = #name_,                                       \
		                             .params = suite_##_##name_##_params,                  \
		                             .run = suite_##_##name_##_run};                       \
                                                                                                   \
		tsan_add(&t);                                                                      \
	}                                                                                          \
	static void suite_##_##name_(param)

#endif
