/*
 * Makes a struct vec_set of the primitives that were included before. VEC_SET is its name,
 * VEC_SET_SPLIT and VEC_SET_PACKED say for which rings it has primitives.
 */
#include "tests/vec/vec_set.h"

static bool one_buffer_each(struct mbuf *const *m, uint32_t hdr_len)
{
	return vec_one_buffer_each(m, hdr_len);
}

static bool tx_plain(struct mbuf *const *m, uint32_t flags, uint32_t len_max)
{
	return vec_tx_plain(m, flags, len_max);
}

static void hdr_clear(struct mbuf *const *m)
{
	vec_hdr_clear(m);
}

static bool free_plain(struct mbuf *const *m, const struct mempool *pool)
{
	return vec_free_plain(m, pool);
}

#if VEC_SET_SPLIT
#include "drivers/virtio/vec/vnet_vec_rx_split.h"
#include "drivers/virtio/vec/vnet_vec_tx_split.h"

static bool split_rx(const struct vring_used_elem *used, struct mbuf *const *m,
                     struct vec_rx_case *c)
{
	const struct vec_used v = vec_split_used(used, c->hdr_len);

	if (!vec_used_within(v, c->low_max, c->len_max))
		return false;
	c->bytes = vec_used_bytes(v);
	vec_used_ids(c->ids, v);
	vec_rx_mbufs(m, v, c->rearm);
	return true;
}

static void split_post(const struct virtqueue *vq, const uint16_t *ids, struct mbuf *const *m,
                       uint64_t offset, uint32_t len)
{
	vec_split_post(vq, ids, m, offset, len);
}

static uint64_t split_send(const struct virtqueue *vq, const uint16_t *ids, struct mbuf *const *m,
                           uint32_t hdr_len)
{
	return vec_split_send(vq, ids, m, hdr_len);
}

static uint16_t rx_split(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, 0);
}

static uint16_t rx_split_mrg(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_split(q, pkts, n, VNET_MRG);
}

static uint16_t tx_split(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_split(q, pkts, n);
}
#endif

#if VEC_SET_PACKED
#include "drivers/virtio/vec/vnet_vec_rx_packed.h"
#include "drivers/virtio/vec/vnet_vec_tx_packed.h"

static bool packed_rx(const struct vring_packed_desc *d, struct mbuf *const *m,
                      struct vec_rx_case *c)
{
	const struct vec_used v = vec_packed_used(d, c->id, c->hdr_len);

	if (!vec_used_within(v, c->low_max, c->len_max))
		return false;
	c->bytes = vec_used_bytes(v);
	vec_rx_mbufs(m, v, c->rearm);
	return true;
}

static bool packed_is_used(const struct vring_packed_desc *d, uint16_t used_flags)
{
	return vec_packed_is_used(d, used_flags);
}

static void packed_post(struct vring_packed_desc *d, struct mbuf *const *m, uint64_t offset,
                        uint64_t meta, uint64_t hide)
{
	vec_packed_post(d, m, offset, meta, hide);
}

static uint64_t packed_send(struct vring_packed_desc *d, struct mbuf *const *m, uint64_t hdr_len,
                            uint64_t meta, uint64_t hide)
{
	return vec_packed_send(d, m, hdr_len, meta, hide);
}

static void slots_set(struct vq_slot *slot, struct mbuf *const *m)
{
	vec_slots_set(slot, m);
}

static bool slots_get(struct mbuf **m, const struct vq_slot *slot)
{
	return vec_slots_get(m, slot);
}

static void slots_clear(struct vq_slot *slot)
{
	vec_slots_clear(slot);
}

static uint16_t rx_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, 0);
}

static uint16_t rx_packed_mrg(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_rx_packed(q, pkts, n, VNET_MRG);
}

static uint16_t tx_packed(void *q, struct mbuf **pkts, uint16_t n)
{
	return vnet_vec_tx_packed(q, pkts, n);
}
#endif

const struct vec_set VEC_SET = {
    .name = VEC_SET_NAME,
    .isa = VEC_SET_ISA,
    .one_buffer_each = one_buffer_each,
    .tx_plain = tx_plain,
    .hdr_clear = hdr_clear,
    .free_plain = free_plain,
#if VEC_SET_SPLIT
    .split_rx = split_rx,
    .split_post = split_post,
    .split_send = split_send,
    .rx_split = rx_split,
    .rx_split_mrg = rx_split_mrg,
    .tx_split = tx_split,
#endif
#if VEC_SET_PACKED
    .packed_rx = packed_rx,
    .packed_is_used = packed_is_used,
    .packed_post = packed_post,
    .packed_send = packed_send,
    .slots_set = slots_set,
    .slots_get = slots_get,
    .slots_clear = slots_clear,
    .rx_packed = rx_packed,
    .rx_packed_mrg = rx_packed_mrg,
    .tx_packed = tx_packed,
#endif
};
