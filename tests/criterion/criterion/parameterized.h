/* Tests that run once for each value of an array; see criterion.h. */
#ifndef TESTS_CRITERION_PARAMETERIZED_H
#define TESTS_CRITERION_PARAMETERIZED_H

#include <criterion/criterion.h>

#define cr_make_param_array(type, array, count)                                                    \
	((struct criterion_test_params){.size = sizeof(type), .params = (array), .length = (count)})

#define ParameterizedTestParameters(suite_, name_)                                                 \
	static struct criterion_test_params suite_##_##name_##_params(void)

#define ParameterizedTest(param, suite_, name_, ...)                                               \
	static void suite_##_##name_##_impl(param);                                                \
	static void suite_##_##name_##_run(void *p)                                                \
	{                                                                                          \
		suite_##_##name_##_impl(p);                                                        \
	}                                                                                          \
	CR_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_,                            \
	            .params = suite_##_##name_##_params, .run = suite_##_##name_##_run,            \
	            ##__VA_ARGS__)                                                                 \
	static void suite_##_##name_##_impl(param)

#endif
