/*
 * The tests of test_vnet_rx.c once more, with the vector paths where a device allows them: AVX2 for split
 * rings, AVX-512 for packed ones.
 */
#define PORT_OPTIONS "net.vectorized=1 isa=avx512"
#include "tests/unit/test_vnet_rx.c"
