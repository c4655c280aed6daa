/*
 * Receive-side scaling in software, for ports whose device has none (net.rss=software): a layer
 * between a driver and whoever calls netdev_rx_burst(), of which neither knows. Who receives from
 * a queue of the device hashes what came, keeps what is the queue's own, and gives the rest to the
 * other queues, each through a ring with one writer and one reader:
 *
 *	device's queue 0 ---> hash --+--> whoever polls queue 0
 *	                              \/ rings
 *	device's queue 1 ---> hash --+--> whoever polls queue 1
 *
 * Packets of a flow that came by one queue stay in order. Nothing is locked, and no mbuf is freed
 * by another than its pool's lcore: who takes a packet from a ring makes its mbufs his own, and
 * leaves as many of his own pool in the same place, which then belong to the giver's. So pools keep
 * their size, nothing is copied, and a giver has his buffers back as soon as the packet was taken.
 * An lcore that sleeps (net/idle.h) is woken for what it was given, and looks before it falls
 *asleep.
 */
#ifndef NET_SOFT_RSS_H
#define NET_SOFT_RSS_H

#include "net/netdev.h"

#define SOFT_RSS_SLOTS 256 /* packets that are on their way from one queue to another */

/**
 * soft_rss_attach() - put the layer onto a port that was not started, if net.rss says so
 *
 * net.rss=software always, net.rss=auto if the device does not do it. Sets dev->rss. Without memory
 * or with one queue pair the port stays as it is, which is told.
 */
void soft_rss_attach(struct netdev *dev);

#endif
