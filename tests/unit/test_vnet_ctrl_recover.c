/* Devices that do not answer commands, or take their time, on the device model. */
#include "drivers/virtio/vnet_ctrl.h"
#include "kernel/errno.h"
#include "tests/unit/said.h"
#include "tests/unit/vnet_fixture.h"

#define MS 1000000ull
#define SECOND 1000000000ull
#define POLL_NS (100 * MS)
#define CTRLQ 2
#define FILTERS                                                                                    \
	(VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR |                \
	 VIRTIO_NET_F_CTRL_VLAN)

static struct port port;
static const enum layout layouts[] = {MRG, IN_ORDER_PLAIN, PACKED_MRG, PACKED_IN_ORDER_PLAIN};

static void begin(enum layout layout)
{
	plat_test_clear();
	port_open(&port, layout);
	port.d.offered |= FILTERS;
	port.d.nb_queues = 3;
	options("net.rx_offloads=vlan_filter net.promisc=1");
	plat_test_time_step_ns = MS;
	port_start(&port);
}

static void end(void)
{
	plat_test_on_time = NULL;
	port_close(&port);
	plat_test_time_step_ns = 0;
}

/* link_poll for so long. */
static void polls(uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += POLL_NS) {
		plat_test_time_ns += POLL_NS;
		vdev_drain(&port.d);
		port.dev->ops->link_poll(port.dev);
	}
}

static int vlan(uint16_t vid)
{
	return port.dev->ops->set_vlan(port.dev, vid, true);
}

static void silent(bool on)
{
	if (on)
		vdev_lie(&port.d, CTRLQ, VDEV_LIE_SILENT, 0, 0);
	else
		port.d.queue[CTRLQ].lie = VDEV_TRUTH;
}

Test(vnet_ctrl_recover, a_command_without_an_answer_costs_a_reset_and_no_more)
{
	static const uint8_t mac[6] = {2, 3, 4, 5, 6, 7};

	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		const struct vnet_ctrl *c;
		uint8_t posted[64];

		begin(layouts[i]);
		c = &((struct vnet *)port.vd.driver)->ctrl;
		cr_assert_eq(port.dev->ops->set_mac(port.dev, mac), 0);
		cr_assert_eq(vlan(5), 0);
		silent(true);
		cr_assert_eq(vlan(6), -ETIMEDOUT);
		cr_assert_eq(vlan(7), -EIO);
		memcpy(posted, c->cmd, sizeof(posted));
		exchange_frames(&port, 10);
		plat_test_time_ns += POLL_NS;
		port.dev->ops->link_poll(port.dev);
		cr_assert_not(port.dev->link_up);
		cr_assert(said("the control queue is broken: command without an answer; port is "
		               "down"));
		cr_assert_eq(vlan(7), -EIO);
		cr_assert_eq(memcmp(posted, c->cmd, sizeof(posted)), 0, "it is the device's");
		silent(false);
		port.d.config.mac[5] ^= 1; /* its maker's */
		polls(SECOND);
		cr_assert(port.dev->link_up);
		cr_assert_eq(port_stats(&port).failures, 1);
		cr_assert_eq(memcmp(port.d.ctrl.mac, mac, 6), 0);
		cr_assert(port.d.ctrl.vlan[5] && !port.d.ctrl.vlan[6]);
		cr_assert_eq(vlan(7), 0);
		exchange_frames(&port, 10);
		end();
	}
}

Test(vnet_ctrl_recover, a_device_that_never_answers_is_not_reset_for_ever)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		begin(layouts[i]);
		cr_assert_eq(vlan(4), 0);
		silent(true);
		cr_assert_eq(vlan(5), -ETIMEDOUT);
		polls(300 * SECOND);
		cr_assert_eq(port_stats(&port).failures, 3);
		cr_assert(said("the control queue broke again after 3 resets: going on without"));
		cr_assert(port.dev->link_up);
		cr_assert_eq(vlan(5), -EIO);
		exchange_frames(&port, 10);
		port_stop(&port);
		silent(false);
		cr_assert_eq(port.dev->ops->start(port.dev), 0);
		cr_assert_eq(vlan(5), 0);
		exchange_frames(&port, 10);
		end();
	}
}

Test(vnet_ctrl_recover, a_device_that_fails_to_answer_now_and_then_is_reset_each_time)
{
	begin(MRG);
	for (uint16_t i = 1; i <= 10; i++) {
		silent(true);
		cr_assert_eq(vlan(100), -ETIMEDOUT);
		silent(false);
		polls(120 * SECOND);
		cr_assert_eq(port_stats(&port).failures, i);
		cr_assert_eq(vlan(i), 0);
	}
	for (unsigned i = 1; i <= 10; i++)
		cr_assert(port.d.ctrl.vlan[i] || i == 10);
	end();
}

static unsigned readings;

/* We stand still behind our first look, and the device does not. */
static void stand_still(void)
{
	if (++readings != 3)
		return;
	plat_test_time_ns += 10 * SECOND;
	silent(false);
	vdev_drain(&port.d);
}

Test(vnet_ctrl_recover, an_answer_that_came_while_we_stood_still_is_one)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
		begin(layouts[i]);
		silent(true);
		readings = 0;
		plat_test_on_time = stand_still;
		cr_assert_eq(vlan(5), 0);
		cr_assert_geq(readings, 3);
		plat_test_on_time = NULL;
		polls(SECOND);
		cr_assert_eq(port_stats(&port).failures, 0);
		end();
	}
}

/* Each command takes 0.9 s. */
static void take_time(void)
{
	if (++readings % 9 || !(port.d.status & VIRTIO_STATUS_DRIVER_OK))
		return;
	silent(false);
	vdev_drain(&port.d);
	silent(true);
}

Test(vnet_ctrl_recover, many_slow_commands_do_not_stop_everything_for_long)
{
	uint64_t before_ns;

	begin(MRG);
	for (uint16_t i = 0; i < 4000; i++) {
		cr_assert_eq(vlan(i), 0);
		port.dev->ops->link_poll(port.dev);
	}
	port_stop(&port);
	plat_test_time_step_ns = 100 * MS;
	silent(true);
	plat_test_on_time = take_time;
	before_ns = plat_test_time_ns;
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert_lt(plat_test_time_ns - before_ns, VNET_CTRL_WAIT_MAX_NS + 3 * SECOND);
	cr_assert_gt(port.d.ctrl.commands, 4);
	cr_assert(said("failed: those before it took too long"));
	cr_assert(said("the device does not filter as it should; all that comes is received"));
	plat_test_on_time = NULL;
	plat_test_time_step_ns = MS;
	silent(false);
	polls(10 * SECOND);
	cr_assert_eq(port_stats(&port).failures, 0);
	exchange_frames(&port, 10);
	/* the next start finds it in time */
	plat_test_time_step_ns = 1000;
	port_stop(&port);
	cr_assert_eq(port.dev->ops->start(port.dev), 0);
	cr_assert(port.d.ctrl.vlan[3999]);
	end();
}
