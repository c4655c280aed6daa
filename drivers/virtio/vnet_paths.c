/*
 * The wrappers that give each path its name in profiles and debuggers, and the table that chooses
 * among them. Names and rules are those of DPDK's virtio driver.
 */
#include "drivers/virtio/vnet_paths.h"
#include "drivers/virtio/vnet.h"
#include "drivers/virtio/vnet_rx.h"
#include "drivers/virtio/vnet_tx.h"
#include "kernel/plat.h"
#include "kernel/string.h"

/* Some names serve two paths, as in DPDK: then the queue says which it is, once a burst. */
static bool rx_mergeable(const struct vnet_rxq *q)
{
	return q->mergeable;
}

static bool rx_in_order(const struct vnet_rxq *q)
{
	return q->in_order;
}

static bool tx_in_order(const struct vnet_txq *q)
{
	return q->in_order;
}

bool vnet_rx_pop_late(struct virtqueue *vq, struct vq_used *out, unsigned ring)
{
	return vq_used_pop(vq, out, ring);
}

/* ---- split ------------------------------------------------------------------------------- */

static uint16_t virtio_recv_mergeable_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_rx_burst(q, pkts, n, VNET_MRG);
}

static uint16_t virtio_recv_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_rx_burst(q, pkts, n, 0);
}

static uint16_t virtio_xmit_pkts(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_tx_burst(q, pkts, n, 0);
}

static uint16_t virtio_recv_pkts_inorder(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_mergeable(q))
		return vnet_rx_burst(q, pkts, n, VNET_IN_ORDER | VNET_MRG);
	return vnet_rx_burst(q, pkts, n, VNET_IN_ORDER);
}

static uint16_t virtio_xmit_pkts_inorder(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_tx_burst(q, pkts, n, VNET_IN_ORDER);
}

/* ---- packed ------------------------------------------------------------------------------- */

static uint16_t virtio_recv_mergeable_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_in_order(q))
		return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER | VNET_MRG);
	return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_MRG);
}

static uint16_t virtio_recv_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (rx_in_order(q))
		return vnet_rx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER);
	return vnet_rx_burst(q, pkts, n, VNET_PACKED);
}

static uint16_t virtio_xmit_pkts_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	if (tx_in_order(q))
		return vnet_tx_burst(q, pkts, n, VNET_PACKED | VNET_IN_ORDER);
	return vnet_tx_burst(q, pkts, n, VNET_PACKED);
}

#define PACKED VIRTIO_F_RING_PACKED
#define IN_ORDER VIRTIO_F_IN_ORDER
#define MRG VIRTIO_NET_F_MRG_RXBUF
#define PATH(title, needs, forbids, rx_fn, tx_fn)                                                  \
	{                                                                                          \
		.name = (title), .need = (needs), .forbid = (forbids), .rx_name = #rx_fn,          \
		.tx_name = #tx_fn, .rx = (rx_fn), .tx = (tx_fn)                                    \
	}

/* Best first; the last row needs nothing. */
static const struct vnet_path paths[] = {
    PATH("Packed virtqueue in-order mergeable path", PACKED | IN_ORDER | MRG, 0,
         virtio_recv_mergeable_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue in-order non-mergeable path", PACKED | IN_ORDER, MRG,
         virtio_recv_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue mergeable path", PACKED | MRG, IN_ORDER,
         virtio_recv_mergeable_pkts_packed, virtio_xmit_pkts_packed),
    PATH("Packed virtqueue non-mergeable path", PACKED, MRG | IN_ORDER, virtio_recv_pkts_packed,
         virtio_xmit_pkts_packed),
    PATH("Split virtqueue in-order mergeable path", IN_ORDER | MRG, PACKED,
         virtio_recv_pkts_inorder, virtio_xmit_pkts_inorder),
    PATH("Split virtqueue in-order non-mergeable path", IN_ORDER, PACKED | MRG,
         virtio_recv_pkts_inorder, virtio_xmit_pkts_inorder),
    PATH("Split virtqueue mergeable path", MRG, PACKED | IN_ORDER, virtio_recv_mergeable_pkts,
         virtio_xmit_pkts),
    PATH("Split virtqueue non-mergeable path", 0, PACKED | MRG | IN_ORDER, virtio_recv_pkts,
         virtio_xmit_pkts),
};

static bool path_fits(const struct vnet_path *p, const struct vnet_wish *w)
{
	return (w->features & p->need) == p->need && !(w->features & p->forbid) &&
	       (w->wish & p->need_wish) == p->need_wish && !(w->wish & p->forbid_wish) &&
	       (w->isa & p->isa) == p->isa;
}

/* Why a vector row does not fit, in the order in which people ask; NULL when it does. */
static const char *refusal(const struct vnet_path *p, const struct vnet_wish *w)
{
	static const struct {
		uint64_t feature;
		const char *missing, *present;
	} features[] = {
	    {PACKED, "ring_packed not negotiated", "ring_packed negotiated"},
	    {MRG, "mrg_rxbuf not negotiated", "mrg_rxbuf negotiated"},
	    {IN_ORDER, "in_order not negotiated", "in_order negotiated"},
	    {VIRTIO_F_INDIRECT_DESC, "indirect_desc not negotiated", "indirect_desc negotiated"},
	};
	static const struct {
		unsigned wish;
		const char *present;
	} wishes[] = {
	    {VNET_WISH_LRO, "LRO enabled"},
	    {VNET_WISH_RX_OFFLOADS, "Rx offloads enabled"},
	    {VNET_WISH_TX_OFFLOADS, "Tx offloads enabled"},
	    {VNET_WISH_HDR_HASH, "hash report negotiated"},
	    {VNET_WISH_HDR_ALONE, "legacy device without any_layout"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
		if (p->need & ~w->features & features[i].feature)
			return features[i].missing;
		if (p->forbid & w->features & features[i].feature)
			return features[i].present;
	}
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		if (p->forbid_wish & w->wish & wishes[i].wish)
			return wishes[i].present;
	}
	return p->isa & ~w->isa ? "no vector instructions for this ring" : NULL;
}

/* The first vector row of this direction that fits. The reason is that of the vectorized path of
 * this kind of ring: its rows differ by their ISA only. A mergeable row may stand in for it, which
 * does not change that it was asked for and refused. */
static const struct vnet_path *vec_select(const struct vnet_wish *w, bool rx, const char **why)
{
	*why = NULL;
	if (!(w->wish & VNET_WISH_VECTORIZED))
		return NULL;
	for (unsigned i = 0; i < vnet_nb_vec_paths; i++) {
		const struct vnet_path *p = &vnet_vec_paths[i];

		if (!(rx ? p->rx : p->tx) || (p->need & PACKED) != (w->features & PACKED))
			continue;

		const char *reason = refusal(p, w);

		if (!(p->need & MRG))
			*why = reason;
		if (!reason)
			return p;
	}
	return NULL;
}

struct vnet_choice vnet_path_select(const struct vnet_wish *w)
{
	struct vnet_choice c = {.rx = NULL};
	const struct vnet_path *scalar = paths;

	/* the last row needs nothing */
	while (scalar < &paths[ARRAY_SIZE(paths) - 1] && !path_fits(scalar, w))
		scalar++;
	c.rx = vec_select(w, true, &c.why_no_vec_rx);
	c.tx = vec_select(w, false, &c.why_no_vec_tx);
	if (!c.rx)
		c.rx = scalar;
	if (!c.tx)
		c.tx = scalar;
	return c;
}

static const struct {
	const char *name;
	unsigned isa, allowed;
} isas[] = {
    {"scalar", 0, 0},
    {"sse", ISA_SSE, ISA_SSE},
    {"avx2", ISA_AVX2, ISA_SSE | ISA_AVX2},
    {"avx512", ISA_AVX512, ISA_SSE | ISA_AVX2 | ISA_AVX512},
    {"neon", ISA_NEON, ISA_NEON},
};

unsigned vnet_isa_allowed(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(isas); i++) {
		if (!strcmp(option, isas[i].name))
			return isas[i].allowed;
	}
	return UINT32_MAX; /* auto */
}

const char *vnet_isa_name(unsigned isa)
{
	for (size_t i = 0; i < ARRAY_SIZE(isas); i++) {
		if (isa == isas[i].isa)
			return isas[i].name;
	}
	return "unknown";
}

void vnet_queues_fill(struct vnet *vn)
{
	for (unsigned i = 0; i < vn->nb_active; i++)
		vn->choice.rx->rx(&vn->rxq[i], NULL, 0); /* takes nothing, fills the ring */
}
