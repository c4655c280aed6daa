/*
 * The tests of test_vnet_rx.c once more, with the vector paths where a device allows them: SSE for split
 * rings.
 */
#define PORT_OPTIONS "net.vectorized=1 isa=sse"
#include "tests/unit/test_vnet_rx.c"
