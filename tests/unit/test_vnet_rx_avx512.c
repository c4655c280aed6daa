/*
 * The tests of test_vnet_rx.c once more, with vector paths where a device allows them: up to
 * avx512.
 */
#define PORT_OPTIONS "net.vectorized=1 isa=avx512"
#include "tests/unit/test_vnet_rx.c"
