/* The tests of test_virtio_net.c once more, through the vDPA layer. */
#include "tests/unit/vdpa_port.h"

#include "tests/unit/test_virtio_net.c"
