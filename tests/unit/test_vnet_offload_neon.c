/* The tests of test_vnet_offload.c once more, with vector paths where the offloads allow them. */
#define PORT_OPTIONS "net.vectorized=1 isa=neon"
#include "tests/unit/test_vnet_offload.c"
