/*
 * How many queue pairs a port has, and how many entries their rings: what the options ask for
 * within what the device has (virtio 2.7, 2.8.10.1, 5.1.2).
 */
#include "drivers/virtio/virtio_net.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_hdr.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"

#define PAIRS_MAX 0x7fff /* of a device whose control queue has a number of 16 bits */

/* Split rings wrap by a mask, packed ones have any size (virtio 2.7, 2.8.10.1). */
static bool queue_size_fits(const struct virtio_dev *vd, uint16_t size)
{
	return is_power_of_two(size) || virtio_has(vd, VIRTIO_F_RING_PACKED);
}

/* Size of a queue: the option within the device's bound (virtio 2.7, 4.1.5.1.3). 0: unusable. */
static uint16_t queue_size(struct vnet *vn, unsigned port, const char *key, uint16_t index)
{
	const struct virtio_transport_ops *ops = vn->vd->ops;
	const uint16_t max = ops->queue_size(vn->vd, index);
	uint16_t size = max;

	if (!max || max > VRING_SIZE_MAX ||
	    (ops->queue_size_is_fixed && !queue_size_fits(vn->vd, max))) {
		log_err("virtio_net",
		        "%s: queue %u has %u entries; 1 to %u are possible, in a split ring a "
		        "power of two",
		        vn->vd->name, index, max, VRING_SIZE_MAX);
		return 0;
	}
	if (options_given(key, port)) {
		const uint64_t wish = options_port_u64(key, port);

		if (wish > max || (ops->queue_size_is_fixed && wish != max))
			log_warn("virtio_net", "port %u: %s=%llu, but the device has %u; using %u",
			         port, key, (unsigned long long)wish, max, max);
		else
			size = (uint16_t)wish;
	}
	if (!queue_size_fits(vn->vd, size)) {
		const uint16_t down = (uint16_t)(1u << (31 - __builtin_clz(size)));

		log_warn("virtio_net", "port %u: %s=%u%s is no power of two; using %u", port, key,
		         size, options_given(key, port) ? "" : " (the device's own number)", down);
		size = down;
	}
	return size;
}

/* Pairs that are as large as the first one, at most @wanted. */
static unsigned alike_pairs(struct vnet *vn, unsigned wanted)
{
	const struct virtio_transport_ops *ops = vn->vd->ops;
	const bool fixed = ops->queue_size_is_fixed;

	for (unsigned i = 1; i < wanted; i++) {
		const uint16_t rxd = ops->queue_size(vn->vd, (uint16_t)(2 * i));
		const uint16_t txd = ops->queue_size(vn->vd, (uint16_t)(2 * i + 1));

		if (rxd < vn->rxd || txd < vn->txd ||
		    (fixed && (rxd != vn->rxd || txd != vn->txd))) {
			log_warn("virtio_net",
			         "%s: queue pair %u has %u and %u entries, the first %u and %u; "
			         "using %u",
			         vn->vd->name, i, rxd, txd, vn->rxd, vn->txd, i);
			return i;
		}
	}
	return wanted;
}

uint16_t vnet_pairs_max(struct virtio_dev *vd)
{
	uint16_t max = 0;

	if (virtio_dev_config_read(vd, offsetof(struct virtio_net_config, max_virtqueue_pairs),
	                           &max, sizeof(max)))
		return 0;
	return max <= PAIRS_MAX ? max : 0;
}

unsigned vnet_pairs_wanted(const struct virtio_dev *vd, unsigned port)
{
	uint64_t pairs = 0;

	if (options_given("net.rxq", port))
		pairs = options_port_u64("net.rxq", port);
	if (options_given("net.txq", port))
		pairs = max_u64(pairs, options_port_u64("net.txq", port));
	return (unsigned)max_u64(pairs ? pairs : vd->pairs, 1);
}

/* How many queue pairs are used: at least the first one. */
static unsigned nb_pairs(struct vnet *vn, unsigned port, size_t budget)
{
	const unsigned wanted = vnet_pairs_wanted(vn->vd, port);
	const unsigned there = (unsigned)min_u64(wanted, vn->pairs_max);

	if (there < wanted)
		log_warn("virtio_net",
		         "port %u: %u queue pairs are wanted, but the device has %u; using %u",
		         port, wanted, vn->pairs_max, there);
	return vnet_queues_afford(vn, alike_pairs(vn, there), budget);
}

int vnet_sizes_probe(struct vnet *vn, unsigned port, size_t budget)
{
	vn->rxd = queue_size(vn, port, "net.rxd", 0);
	vn->txd = queue_size(vn, port, "net.txd", 1);
	vn->hdr_len = vnet_hdr_len(vn->vd->legacy, vn->vd->features);
	if (!vn->rxd || !vn->txd)
		return -EINVAL;
	vn->nb_queues = (uint16_t)nb_pairs(vn, port, budget);
	vn->rxq = mem_alloc("Rx queues", sizeof(*vn->rxq) * vn->nb_queues, CACHE_LINE);
	vn->txq = mem_alloc("Tx queues", sizeof(*vn->txq) * vn->nb_queues, CACHE_LINE);
	vn->dev.queue = mem_alloc("queues", sizeof(*vn->dev.queue) * vn->nb_queues, CACHE_LINE);
	if (!vn->rxq || !vn->txq || !vn->dev.queue) {
		log_err("virtio_net", "%s: no memory for queues; give the machine more memory",
		        vn->vd->name);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < vn->nb_queues; i++) {
		vn->dev.queue[i].rx = &vn->rxq[i];
		vn->dev.queue[i].tx = &vn->txq[i];
	}
	return 0;
}
