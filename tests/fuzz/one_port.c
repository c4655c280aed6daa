/*
 * A registry of ports, in the place of net/netdev.c, which cannot forget: each run makes its port
 * anew, and it is always number 0.
 */
#include "net/netdev.h"

int netdev_register(struct netdev *dev)
{
	dev->port = 0;
	return 0;
}

unsigned netdev_count(void)
{
	return 0;
}

struct netdev *netdev_get(unsigned port)
{
	(void)port;
	return NULL;
}
