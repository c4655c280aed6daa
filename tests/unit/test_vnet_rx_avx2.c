/*
 * The tests of test_vnet_rx.c once more, with vector paths where a device allows them: up to avx2.
 */
#define PORT_OPTIONS "net.vectorized=1 isa=avx2"
#include "tests/unit/test_vnet_rx.c"
