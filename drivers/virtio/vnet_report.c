/*
 * How a port presents itself: which path was chosen, with which features and interrupts. Names are
 * those of the specification and of DPDK's driver, so that manuals and profiles agree.
 */
#include "drivers/virtio/vnet_report.h"
#include "kernel/fmt.h"
#include "kernel/log.h"

static const char *const irq_names[] = {
    [VIRTIO_IRQ_MSIX] = "MSI-X",
    [VIRTIO_IRQ_SHARED] = "MSI-X, one vector shared",
    [VIRTIO_IRQ_INTX] = "INTx",
    [VIRTIO_IRQ_EVENTS] = "events",
    [VIRTIO_IRQ_NONE] = "none, polling only",
};

static void mac_text(char text[18], const uint8_t mac[6])
{
	fmt_buf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
	        mac[5]);
}

static unsigned vectors_used(const struct vnet *vn)
{
	switch (vn->vd->irq_mode) {
	case VIRTIO_IRQ_MSIX:
		return 1u + vn->nb_queues;
	case VIRTIO_IRQ_SHARED:
		return 1;
	default:
		return 0;
	}
}

/* What was asked for and is not so, for which reason; what is vector code. */
static void log_vectorized(const struct vnet *vn)
{
	const struct vnet_choice *c = &vn->choice;

	if (c->why_no_vec_rx)
		log_info("virtio_net", "port %u: vectorized Rx disabled: %s", vn->dev.port,
		         c->why_no_vec_rx);
	if (c->why_no_vec_tx)
		log_info("virtio_net", "port %u: vectorized Tx disabled: %s", vn->dev.port,
		         c->why_no_vec_tx);
	if (c->tx->isa)
		log_info("virtio_net", "port %u: %s", vn->dev.port, c->tx->name);
	if (c->rx->isa || c->tx->isa)
		log_info("virtio_net", "port %u: vector code: Rx %s%s, Tx %s", vn->dev.port,
		         vnet_isa_name(c->rx->isa),
		         c->rx->isa && c->why_no_vec_rx ? " where one buffer holds the packet" : "",
		         vnet_isa_name(c->tx->isa));
}

void vnet_log_port(const struct vnet *vn)
{
	const struct virtio_dev *vd = vn->vd;
	char mac[18];

	mac_text(mac, vn->dev.mac);
	log_info("virtio_net", "port %u: %s, %s, %s, mtu %u, interrupts: %s", vn->dev.port,
	         vd->name, vd->ops->name, mac, vn->dev.mtu, irq_names[vd->irq_mode]);
	log_info("virtio_net", "port %u: %s, %u Rx and %u Tx descriptors, %u buffers of %u bytes",
	         vn->dev.port, vn->choice.rx->name, vn->rxd, vn->txd, vn->rxq->pool->size,
	         vn->data_room);
	if (vn->nb_queues > 1)
		log_info("virtio_net", "port %u: as much for each of %u queue pairs", vn->dev.port,
		         vn->nb_queues);
	log_vectorized(vn);
	log_debug("virtio_net", "port %u: features offered 0x%llx, negotiated 0x%llx", vn->dev.port,
	          (unsigned long long)vd->device_features, (unsigned long long)vd->features);
}

static void describe_features(const struct vnet *vn, struct json *j)
{
	json_array_begin(j, "features");
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *name = virtio_feature_name(bit);

		if (name && virtio_has(vn->vd, VIRTIO_BIT(bit)))
			json_array_string(j, name);
	}
	json_array_end(j);
}

static void describe_vectors(const struct vnet *vn, struct json *j)
{
	json_object_begin(j, "msix");
	json_u64(j, "vectors", vectors_used(vn));
	if (vectors_used(vn))
		json_u64(j, "config", 0);
	json_array_begin(j, "rx");
	for (unsigned i = 0; vectors_used(vn) && i < vn->nb_queues; i++)
		json_array_u64(j, vn->vd->irq_mode == VIRTIO_IRQ_MSIX ? 1 + i : 0);
	json_array_end(j);
	json_object_end(j);
}

static void describe_path(const struct vnet_choice *c, struct json *j)
{
	json_string(j, "path", c->rx->name);
	if (c->tx->isa)
		json_string(j, "tx_path", c->tx->name);
	json_string(j, "rx", c->rx->rx_name);
	json_string(j, "tx", c->tx->tx_name);
	json_string(j, "isa", vnet_isa_name(c->rx->isa ? c->rx->isa : c->tx->isa));
}

void vnet_describe(const struct netdev *dev, struct json *j)
{
	const struct vnet *vn = container_of(dev, struct vnet, dev);
	char mac[18];

	mac_text(mac, dev->mac);
	json_string(j, "bdf", vn->vd->name);
	json_string(j, "transport", vn->vd->ops->name);
	json_string(j, "mac", mac);
	describe_features(vn, j);
	describe_path(&vn->choice, j);
	json_u64(j, "rxq", vn->nb_active);
	json_u64(j, "txq", vn->nb_active);
	json_u64(j, "rxd", vn->rxq->vq.nentries);
	json_u64(j, "txd", vn->txq->vq.nentries);
	json_u64(j, "mtu", dev->mtu);
	json_string(j, "link", dev->link_up ? "up" : "down");
	json_u64(j, "speed", dev->speed);
	describe_vectors(vn, j);
}
