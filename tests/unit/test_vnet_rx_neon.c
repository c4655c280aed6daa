/*
 * The tests of test_vnet_rx.c once more, with vector paths where a device allows them: up to neon.
 */
#define PORT_OPTIONS "net.vectorized=1 isa=neon"
#include "tests/unit/test_vnet_rx.c"
