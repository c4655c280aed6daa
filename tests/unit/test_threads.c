/*
 * The device on a thread of its own, as it is in life: frames go in, the driver sends them back, on
 * every path. Built with TSan this proves that the ring's own words are all that orders the memory
 * behind them (pairs A and U); without, that no notification gets lost (pair K): here the device
 * sleeps until it is notified. Where the driver sleeps, it is woken by interrupts alone, and frames
 * come at random times around its falling asleep.
 */
#include "tests/unit/vnet_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#define FRAMES THREADS_FRAMES        /* the build says how many: sanitizers are slow */
#define FRAMES_RESTING (FRAMES / 50) /* in each case */
#define FRAMES_SOAK 1000000          /* in all of these cases together, with SOAK_SEEDS */
#define PAUSE_MAX 2000 /* loops between two frames, about as many as an arming takes */
/* Of each layout: to poll, sleep or rest, and to rest with vector code, each with both ways to ask
 * for events. A vector's load of flags is a race to TSan (docs/paths.md tells why it is none). */
#ifdef __SANITIZE_THREAD__
#define VARIANTS 6
#else
#define VARIANTS 8
#endif
#define ON_THE_WAY 300 /* frames between the device's two queues */
#define BURST 32
#define LEN_FULL MEMPOOL_DATA_ROOM /* fills a buffer exactly */
#define SILENCE_S 20               /* nothing moves any more */

struct thread_case {
	enum layout layout;
	bool event_idx, sleeps;
	bool rests; /* the driver, when it finds nothing */
	bool vectorized;
};

struct device {
	struct vdev *d;
	bool sleeps, rests;
	unsigned frames;
	unsigned pushed, popped;
	uint64_t rests_done, rests_spared; /* a frame came in the middle of falling asleep */
	uint64_t sleeps_done;
	char error[220]; /* why it gave up */
	bool done;       /* atomic: either side has ended */
};

static struct port port;

static uint32_t len_of(unsigned seq)
{
	const uint32_t dice = mix(77, seq);

	return dice % 16 ? FRAME_MIN + (dice >> 8) % 64 : LEN_FULL;
}

static bool is_done(const struct device *dev)
{
	return __atomic_load_n(&dev->done, __ATOMIC_ACQUIRE);
}

static void set_done(struct device *dev)
{
	__atomic_store_n(&dev->done, true, __ATOMIC_RELEASE);
}

static time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- the device's thread ------------------------------------------------------------------ */

static void push(struct device *dev)
{
	uint8_t frame[LEN_FULL];

	const unsigned most = dev->rests ? 2 : ON_THE_WAY;

	while (dev->pushed < dev->frames && dev->pushed - dev->popped < most) {
		const uint32_t len = len_of(dev->pushed);

		frame_fill(frame, dev->pushed, len);
		vdev_net_rx_push(dev->d, 0, frame, len);
		dev->pushed++;
		if (dev->rests)
			break;
	}
}

/* A moment before the next frame. */
static void hesitate(const struct device *dev)
{
	const unsigned n = mix(99, dev->pushed) % PAUSE_MAX;

	for (volatile unsigned i = 0; i < n; i++)
		;
}

/* Takes what came back: every frame once, in order and whole. */
static void check_back(struct device *dev)
{
	uint8_t want[LEN_FULL];
	struct vdev_frame *f;

	while ((f = vdev_net_tx_pop(dev->d, 0))) {
		const uint32_t len = len_of(dev->popped);

		frame_fill(want, dev->popped, len);
		if (f->len != len || memcmp(f->data, want, len) != 0)
			snprintf(dev->error, sizeof(dev->error), "frame %u is not what was sent",
			         dev->popped);
		dev->popped++;
		free(f);
	}
	if (dev->d->violations)
		snprintf(dev->error, sizeof(dev->error), "virtio %s", dev->d->violation[0].text);
}

static uint64_t kicks(const struct device *dev)
{
	return __atomic_load_n(&dev->d->queue[0].kicks, __ATOMIC_ACQUIRE) +
	       __atomic_load_n(&dev->d->queue[1].kicks, __ATOMIC_ACQUIRE);
}

/* Until a notification comes; the device's wish for it is in the rings. */
static void sleep_until_kicked(struct device *dev, uint64_t before)
{
	const time_t start = seconds();

	dev->sleeps_done++;
	while (kicks(dev) == before && !is_done(dev)) {
		sched_yield();
		if (seconds() - start > SILENCE_S) {
			snprintf(dev->error, sizeof(dev->error),
			         "a notification got lost after %u frames in and %u back",
			         dev->pushed, dev->popped);
			return;
		}
	}
}

static void *device_thread(void *arg)
{
	struct device *dev = arg;
	time_t moved = seconds();

	while (dev->popped < dev->frames && !dev->error[0] && !is_done(dev)) {
		const uint64_t before = kicks(dev);

		if (dev->rests)
			hesitate(dev);
		push(dev);

		unsigned n = vdev_step(dev->d, BURST);

		/* the second step is the look behind the wish that the first one left */
		if (!n)
			n = vdev_step(dev->d, BURST);
		if (n)
			moved = seconds();
		else if (dev->sleeps)
			sleep_until_kicked(dev, before);
		else if (seconds() - moved > SILENCE_S)
			snprintf(dev->error, sizeof(dev->error), "nothing moves after %u frames",
			         dev->popped);
		else
			sched_yield();
		check_back(dev);
	}
	set_done(dev);
	return NULL;
}

/* ---- the driver's ------------------------------------------------------------------------- */

static uint64_t interrupts(void)
{
	return port_stats(&port).interrupts;
}

/* As an lcore that finds nothing: until an interrupt comes. */
static void rest(struct device *dev)
{
	const uint64_t before = interrupts();
	const time_t start = seconds();

	if (port.dev->ops->rx_arm(port.dev, 0)) {
		dev->rests_done++;
		while (interrupts() == before && !is_done(dev)) {
			sched_yield();
			if (seconds() - start < SILENCE_S)
				continue;
			snprintf(dev->error, sizeof(dev->error),
			         "an interrupt got lost after %u frames in and %u back",
			         dev->pushed, dev->popped);
			set_done(dev);
		}
	} else {
		dev->rests_spared++;
	}
	(void)port.dev->ops->rx_disarm(port.dev, 0);
}

static void echo(struct device *dev)
{
	struct mbuf *pkts[BURST];

	while (!is_done(dev)) {
		const uint16_t n = netdev_rx_burst(port.dev, 0, pkts, BURST);
		uint16_t sent = 0;

		while (sent < n && !is_done(dev)) {
			sent = (uint16_t)(sent + netdev_tx_burst(port.dev, 0, pkts + sent,
			                                         (uint16_t)(n - sent)));
			if (sent < n)
				sched_yield();
		}
		for (; sent < n; sent++)
			mbuf_free(pkts[sent]);
		if (!n && dev->rests)
			rest(dev);
		else if (!n)
			sched_yield();
	}
}

static unsigned frames_soak(void)
{
	unsigned cases = 0;

	for (unsigned l = 0; l < LAYOUTS; l++)
		cases += layout_forms[l].legacy ? 0 : 4;
	return (FRAMES_SOAK + cases - 1) / cases;
}

ParameterizedTestParameters(threads, every_frame_comes_back)
{
	static struct thread_case cases[LAYOUTS * VARIANTS];
	size_t n = 0;

	for (unsigned l = 0; l < LAYOUTS; l++) {
		for (unsigned i = 0; i < VARIANTS && !layout_forms[l].legacy; i++)
			cases[n++] = (struct thread_case){(enum layout)l, i & 1, i / 2 == 1,
			                                  i / 2 >= 2, i / 2 == 3};
	}
	return cr_make_param_array(struct thread_case, cases, n);
}

ParameterizedTest(struct thread_case *c, threads, every_frame_comes_back)
{
	static struct device dev;
	pthread_t thread;

	port_open(&port, c->layout);
	if (!c->event_idx)
		port.d.offered &= ~VIRTIO_F_EVENT_IDX;
	/* a frame of the MTU with a tag fills a buffer */
	port.d.offered |= VIRTIO_NET_F_MTU;
	port.d.config.mtu = LEN_FULL - 14;
	port.d.threaded = true;
	port.d.order = VDEV_RANDOM;
	port.d.batch = VDEV_BATCH_RANDOM;
	port.d.scribble = true;
	port.d.kick = c->sleeps ? VDEV_KICK_ALWAYS : VDEV_KICK_RANDOM;
	options(c->vectorized ? "net.mtu=2030 net.vectorized=1" : "net.mtu=2030");
	port_start(&port);

	dev =
	    (struct device){.d = &port.d, .sleeps = c->sleeps, .rests = c->rests, .frames = FRAMES};
	if (c->rests)
		dev.frames = getenv("SOAK_SEEDS") ? frames_soak() : FRAMES_RESTING;
	cr_assert_eq(pthread_create(&thread, NULL, device_thread, &dev), 0);
	echo(&dev);
	pthread_join(thread, NULL);
	cr_log_info("%s, event_idx %d: %llu kicks, %llu sleeps, %llu rests, %llu spared",
	            layout_name(c->layout), c->event_idx, (unsigned long long)kicks(&dev),
	            (unsigned long long)dev.sleeps_done, (unsigned long long)dev.rests_done,
	            (unsigned long long)dev.rests_spared);
	cr_assert_eq(dev.error[0], '\0', "%s, event_idx %d: %s", layout_name(c->layout),
	             c->event_idx, dev.error);
	cr_assert_eq(dev.popped, dev.frames);
	cr_assert(!c->rests || dev.rests_done > dev.frames / 100, "it hardly ever fell asleep");
	cr_assert_not(port.vd.stats.broken);
	port.d.threaded = false;
	port_close(&port);
}
