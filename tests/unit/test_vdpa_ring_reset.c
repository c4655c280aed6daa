/* The tests of test_vnet_ring_reset.c once more, through the vDPA layer. */
#include "tests/unit/vdpa_port.h"

#include "tests/unit/test_vnet_ring_reset.c"
