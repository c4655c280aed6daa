/* The tests of test_vnet_books.c once more, with vector paths. */
#define PORT_OPTIONS "net.vectorized=1 isa=neon"
#include "tests/unit/test_vnet_books.c"
