/* The registry of ports. Numbers are given in the order of registration and never reused. */
#include "net/netdev.h"
#include "kernel/errno.h"
#include "kernel/json.h"

static struct netdev *ports[NETDEV_PORTS_MAX];
static unsigned nb_ports;

int netdev_register(struct netdev *dev)
{
	if (nb_ports == NETDEV_PORTS_MAX)
		return -ENOSPC;
	dev->port = (uint16_t)nb_ports;
	ports[nb_ports++] = dev;
	return 0;
}

unsigned netdev_count(void)
{
	return nb_ports;
}

struct netdev *netdev_get(unsigned port)
{
	return port < nb_ports ? ports[port] : NULL;
}

void netdev_print(const struct netdev *dev)
{
	struct json j;

	json_begin(&j, "port");
	json_u64(&j, "port", dev->port);
	dev->ops->describe(dev, &j);
	json_end(&j);
}
