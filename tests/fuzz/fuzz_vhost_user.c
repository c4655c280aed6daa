/*
 * The fuzzer is the vhost-user backend of a port: what it answers to each message, when it says
 * something unasked, falls silent or leaves, while the driver starts, stops, sends, and recovers.
 * The backend of the unit tests answers where the fuzzer does not, and checks what it is sent.
 * After each step the books are looked at, and at the end a backend that is well again must get
 * the port to run.
 */
#include "drivers/virtio/vhost_user.h"
#include "drivers/virtio/virtio_net.h"
#include "drivers/virtio/virtio_user.h"
#include "drivers/virtio/vnet.h"
#include "kernel/errno.h"
#include "kernel/options.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_backend.h"
#include "tests/unit/plat_test.h"

#include <string.h>

#define STEPS_MAX 256
#define BURST 4
#define MS 1000000ull
/* stop, first answer, greeting, start, of a port that has run */
#define PAIRS_MAX 2
#define STEP_NS_MAX (3 * (VHOST_BRISK_MAX_NS + PAIRS_MAX * VHOST_BRISK_PAIR_NS) + VHOST_GREET_NS)
#define SERVICE_NS (3000 * MS) /* until a backend that is well is made use of */
#define MESSAGES_MAX 64        /* in one step, for each queue pair */
#define BUDGET 65536
#define BUDGET_OF_TWO (8 * BUDGET)

struct world {
	struct fuzz_in *in;
	struct virtio_user u;
	struct vhost_user vu;
	struct vnet *vn;
	struct netdev *dev;
	uint64_t step_ns; /* when the step began */
	/* of the backend, when the port was made for it */
	struct virtio_user known;
	struct vhost_backend known_backend;
	bool fair; /* it is as it was then, from now on */
};

static struct world world;

/* ---- the backend -------------------------------------------------------------------------- */

static void say_anything(struct fuzz_in *in)
{
	uint8_t bytes[32];
	const size_t n = fuzz_u8(in) % (sizeof(bytes) + 1);

	fuzz_bytes(in, bytes, n);
	fake_backend_say(bytes, n);
}

/* A whole answer, any part of which may be another. */
static void answer_otherwise(struct fuzz_in *in, const struct vhost_message *m)
{
	const uint8_t what = fuzz_u8(in);
	struct vhost_message a = *m;

	a.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	if (m->request != VHOST_USER_GET_CONFIG && m->request != VHOST_USER_GET_VRING_BASE)
		a.size = sizeof(a.u64);
	if (what & 1)
		a.request = fuzz_u8(in);
	if (what & 2)
		a.flags = fuzz_u8(in);
	if (what & 4)
		a.size = fuzz_u32(in);

	const size_t payload = min_u64(a.size, sizeof(a) - VHOST_USER_HEAD);

	if (what & 8) /* its start */
		fuzz_bytes(in, (uint8_t *)&a + VHOST_USER_HEAD, min_u64(payload, 12));
	fake_backend_say(&a, VHOST_USER_HEAD + (what & 16 ? fuzz_u8(in) % (payload + 1) : payload));
}

static void change(struct fuzz_in *in)
{
	const uint8_t what = fuzz_u8(in);

	if (what & 1)
		backend.status ^= fuzz_u8(in);
	if (what & 2)
		backend.features ^= (uint64_t)fuzz_u8(in) << (fuzz_u8(in) & 63);
	if (what & 4)
		backend.protocol ^= (uint64_t)fuzz_u8(in) << (fuzz_u8(in) & 31);
	if (what & 8)
		fuzz_bytes(in, &backend.config, 16);
	if (what & 16)
		backend.config_bytes = fuzz_u8(in);
	if (what & 32)
		backend.pairs = fuzz_u32(in);
}

static bool fault(const struct vhost_message *m)
{
	struct fuzz_in *in = world.in;
	const uint8_t what = world.fair ? 0 : fuzz_u8(in);

	backend.refused = 0;
	switch (what) {
	case 1:
		return backend.hung_up = true;
	case 2: /* silence */
		return true;
	case 3:
		say_anything(in);
		return true;
	case 4:
		answer_otherwise(in, m);
		return true;
	case 5:
		answer_otherwise(in, m);
		return backend.hung_up = true;
	case 6:
		backend.readable_ns += fuzz_u16(in) * MS;
		return false;
	case 7:
		backend.refused = UINT64_MAX;
		return false;
	case 8:
		change(in);
		return false;
	case 9: /* before its answer */
		say_anything(in);
		return false;
	default:
		return false;
	}
}

/* Without being asked. */
static void act(struct fuzz_in *in)
{
	const uint8_t what = fuzz_u8(in);

	if (what & 1)
		change(in);
	if (what & 2)
		say_anything(in);
	if (what & 4)
		backend.hung_up = true;
	backend.absent = what & 8;
	backend.open_error = what & 16 ? -EIO : 0;
	backend.full = what & 32;
}

/* ---- what has to hold --------------------------------------------------------------------- */

static void check_home(const struct netdev *dev)
{
	for (unsigned q = 0; q < dev->nb_queues; q++) {
		const struct mempool *pool = dev->queue[q].pool;

		fuzz_require(pool->n == pool->size, "stopped, and %u buffers of %u are home",
		             pool->n, pool->size);
	}
}

static void check(const struct world *w, unsigned messages)
{
	const struct vhost_user *vu = &w->vu;
	const struct vnet *vn = w->vn;

	fuzz_require(!backend.breach, "message %u: %s", backend.breach_request, backend.breach);
	fuzz_require(plat_test_time_ns - w->step_ns <= STEP_NS_MAX, "a step of %llu ms",
	             (unsigned long long)((plat_test_time_ns - w->step_ns) / MS));
	fuzz_require(backend.nb_seen - messages <= MESSAGES_MAX * w->u.nb_pairs,
	             "%u messages in a step", backend.nb_seen - messages);
	fuzz_require(!(backend.ack_features & ~vu->b.features) || !vu->b.up,
	             "features that were not offered");
	fuzz_require(!vu->b.up || vu->link.fd != VHOST_LINK_NONE, "up without a connection");
	fuzz_require(backend.open_fds == 4u * w->u.nb_pairs, "%u event counters", backend.open_fds);
	if (!vn->started)
		check_home(w->dev);
	fuzz_require(vn->started || !vn->dev.link_up, "stopped with its link up");
	fuzz_require(!vn->failed || !vn->dev.link_up, "failed with its link up");
	fuzz_require(!vn->failed || !vn->started || vn->recovery.wanted, "failed for ever");
}

/* ---- what the driver is asked to do ------------------------------------------------------- */

static void do_tx(struct netdev *dev, uint16_t queue)
{
	struct mbuf *pkts[BURST];
	unsigned n = 0;

	for (; n < BURST && (pkts[n] = mbuf_alloc(dev->queue[queue].pool)); n++)
		pkts[n]->data_len = (uint16_t)(pkts[n]->pkt_len = 64);
	for (unsigned i = netdev_tx_burst(dev, queue, pkts, (uint16_t)n); i < n; i++)
		mbuf_free(pkts[i]);
}

static void step(struct world *w)
{
	const uint8_t what = fuzz_u8(w->in);
	const uint16_t queue = (what >> 3) % w->dev->nb_queues;
	struct mbuf *pkts[BURST];

	if ((what & 7) <= 1)
		plat_test_time_ns += (what >> 3) * 50 * MS;
	w->step_ns = plat_test_time_ns;
	switch (what & 7) {
	case 0:
	case 1:
		w->dev->ops->link_poll(w->dev);
		break;
	case 2:
		do_tx(w->dev, queue);
		break;
	case 3:
		w->dev->ops->stop(w->dev);
		break;
	case 4:
		(void)w->dev->ops->start(w->dev);
		break;
	case 5:
		fuzz_require(!netdev_rx_burst(w->dev, queue, pkts, BURST), "packets from nowhere");
		break;
	default:
		act(w->in);
		break;
	}
}

/* The backend is as it was at first, and stays so: service goes on. */
static void get_well(struct world *w)
{
	struct netdev *dev = w->dev;

	w->fair = true;
	backend.features = w->known_backend.features;
	backend.pairs = w->known_backend.pairs_max;
	backend.protocol = w->known_backend.protocol;
	backend.config = w->known.config;
	backend.config.status = VIRTIO_NET_S_LINK_UP;
	backend.config_bytes = w->known.has_config ? sizeof(backend.config) : 0;
	backend.status &= (uint8_t)~VIRTIO_STATUS_NEEDS_RESET;
	backend.absent = backend.full = false;
	backend.open_error = 0;
	backend.hung_up = true; /* a new process */
	backend.readable_ns = 0;
	if (!w->vn->started && !w->vn->recovery.wanted)
		return; /* nobody asked for service */
	for (uint64_t ns = 0; ns < SERVICE_NS; ns += 100 * MS) {
		plat_test_time_ns += 100 * MS;
		dev->ops->link_poll(dev);
	}
	fuzz_require(w->vn->started && !w->vn->failed && dev->link_up && w->vu.b.up,
	             "no service: started %d, failed %d, link %d, up %d", w->vn->started,
	             w->vn->failed, dev->link_up, w->vu.b.up);
}

/* ---- one input ---------------------------------------------------------------------------- */

static bool probe(struct world *w)
{
	w->u.queue_size = (uint16_t)(1 + fuzz_u8(w->in) % 64);

	const uint8_t how = fuzz_u8(w->in);

	w->u.mtu = how & 1 ? 1300 : 0;
	w->u.nb_pairs = how & 2 ? PAIRS_MAX : 1;
	w->u.has_ctrl = how & 6;
	(void)vhost_user_init(&w->vu, "/run/vhost0", fuzz_u8(w->in) & 1);
	fuzz_require(!virtio_user_init(&w->u, &w->vu.b, "user0"), "no event counters");
	w->dev = virtio_net_probe(&w->u.vd, w->u.nb_pairs > 1 ? BUDGET_OF_TWO : BUDGET);
	if (w->dev)
		w->vn = container_of(w->dev, struct vnet, dev);
	return w->dev;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = &world;
	struct fuzz_in in = {data, data + size};

	memset(w, 0, sizeof(*w));
	fuzz_quiet();
	fuzz_memory(8u << 20);
	options_reset();
	options_declare(virtio_net_options, virtio_net_nb_options);
	fake_backend_open(0);
	plat_test_time_ns = 10000 * MS;
	plat_test_time_step_ns = 0;
	backend.addresses_anywhere = backend.offers_change = true;
	backend.fault = fault;
	backend.late_ns = 0;
	w->in = &in;
	change(&in);
	if (!probe(w)) {
		fuzz_require(!backend.breach, "message %u: %s", backend.breach_request,
		             backend.breach);
		return 0;
	}
	w->known = w->u;
	w->known_backend = w->vu.b;
	if (w->dev->ops->start(w->dev)) {
		w->step_ns = plat_test_time_ns;
		check(w, backend.nb_seen);
		return 0;
	}
	for (unsigned i = 0; i < STEPS_MAX && fuzz_more(&in); i++) {
		const unsigned messages = backend.nb_seen;

		step(w);
		check(w, messages);
	}
	get_well(w);
	w->dev->ops->stop(w->dev);
	check_home(w->dev);
	return 0;
}
