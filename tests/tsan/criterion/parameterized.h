/* All of it is in criterion.h. */
#include "tests/tsan/criterion/criterion.h"
