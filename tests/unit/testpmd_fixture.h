/* Ports of testpmd that are not there, and what goes through them; at the end every packet must
 * have been counted once, and none lost. */
#ifndef TESTS_UNIT_TESTPMD_FIXTURE_H
#define TESTS_UNIT_TESTPMD_FIXTURE_H

/* An archive's member that nobody names is not linked, and an application has no name. */
#include "apps/testpmd.c"
#include "tests/unit/fake_netdev.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 3

static struct fake_netdev port[PORTS];
static unsigned nb_ports;
static uint16_t queues_of[PORTS]; /* 0: one */
static struct net_stack st = {.nb_lcores = 1};
static uint8_t frame[FAKE_FRAME_MAX], data[FAKE_FRAME_MAX];
static const uint8_t eth_peer[6] = {0x02, 0, 0, 0, 0, 0};

static const struct option port_options[] = {
    {.key = "net.promisc", .kind = OPTION_BOOL, .fallback = "0"},
};

static inline int set_rx_mode(struct netdev *dev, unsigned mode)
{
	dev->rx_mode = mode;
	return 0;
}

static unsigned ports_stopped, ports_started;

static inline void count_stop(struct netdev *dev)
{
	(void)dev;
	cr_assert(!pmd.running || !pmd.lcore[0].nb_streams, "somebody forwards");
	ports_stopped++;
}

static inline int count_start(struct netdev *dev)
{
	(void)dev;
	ports_started++;
	return 0;
}

static const struct netdev_ops port_ops = {
    .set_rx_mode = set_rx_mode, .stop = count_stop, .start = count_start};

static inline unsigned parse(const char *options)
{
	options_reset();
	options_declare(port_options, ARRAY_SIZE(port_options));
	options_declare(testpmd_options, ARRAY_SIZE(testpmd_options));
	return options_parse(options, "test");
}

static inline void start(unsigned n, const char *options)
{
	cr_assert_eq(parse(options), 0, "%s", plat_test_output());
	nb_ports = n;
	for (unsigned i = 0; i < n; i++) {
		fake_netdev_init(&port[i]);
		port[i].dev.port = (uint16_t)i;
		port[i].dev.ops = &port_ops;
		port[i].dev.nb_queues = queues_of[i] ? queues_of[i] : 1;
		port[i].dev.mac[5] = (uint8_t)(0xa0 + i);
		cr_assert_eq(app_testpmd.take_port(&port[i].dev), 0);
	}
	cr_assert_eq(app_testpmd.start(&st), 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 256);
}

static inline unsigned turn(void)
{
	return app_testpmd.poll(&st);
}

static inline void stop(void)
{
	for (unsigned i = 0; i < pmd.nb_streams; i++) {
		const struct fwd_stream *s = &pmd.streams[i];

		cr_assert_eq(s->received + s->generated,
		             s->sent + s->full + s->unsendable + s->consumed);
	}
	for (unsigned i = 0; i < nb_ports; i++)
		cr_assert_eq(fake_leaks(&port[i]), 0, "%u packets leaked", fake_leaks(&port[i]));
}

TestSuite(testpmd, .fini = stop);

/* @len bytes of the frame go in at port 0. Return: what comes out at @out, NULL for nothing. */
static inline const struct fake_frame *pass(unsigned len, unsigned out)
{
	fake_forget(&port[out]);
	fake_inject(&port[0], frame, len);
	cr_assert_eq(turn(), 1);
	return port[out].nb_tx ? fake_sent(&port[out], 0) : NULL;
}

static inline void assert_bytes(const struct fake_frame *f, const uint8_t *want, unsigned len)
{
	cr_assert_not_null(f);
	cr_assert_eq(f->len, len);
	for (unsigned i = 0; i < len; i++)
		cr_assert_eq(f->bytes[i], want[i], "byte %u of %u: %02x, not %02x", i, len,
		             f->bytes[i], want[i]);
}

#endif
