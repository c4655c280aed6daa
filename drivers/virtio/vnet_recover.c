/*
 * A port whose device failed, or went away, is stopped and started again: at once, then after ever
 * longer waits of at most RECOVER_WAIT_MAX_NS. Only on transports that can reach a device anew.
 */
#include "drivers/virtio/vnet.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/plat.h"

#define RECOVER_WAIT_MIN_NS 100000000ull
#define RECOVER_WAIT_MAX_NS 1000000000ull
#define RECOVER_SETTLED_NS 5000000000ull /* a port that ran for so long is well */

/* One more attempt, the next so long after its end: it may have waited for the device. */
static void back_off(struct vnet_recovery *r, uint64_t now_ns)
{
	if (now_ns - r->tried_ns > RECOVER_SETTLED_NS)
		r->wait_ns = 0;
	r->wait_ns = min_u64(max_u64(2 * r->wait_ns, RECOVER_WAIT_MIN_NS), RECOVER_WAIT_MAX_NS);
}

void vnet_recover(struct vnet *vn)
{
	struct vnet_recovery *r = &vn->recovery;
	const uint64_t now_ns = plat_time_ns();
	struct netdev *dev = &vn->dev;
	int err;

	if (!r->wanted || now_ns - r->tried_ns < r->wait_ns)
		return;
	back_off(r, now_ns);
	dev->ops->stop(dev);
	err = dev->ops->start(dev);
	r->tried_ns = plat_time_ns();
	if (!err) {
		log_info("virtio_net", "port %u: runs again, link %s", dev->port,
		         dev->link_up ? "up" : "down");
		r->failures = 0;
		return;
	}
	r->wanted = true;
	if (!r->failures++ && err == -EAGAIN)
		log_info("virtio_net", "port %u: waiting for its device to come back", dev->port);
}
