/*
 * The vector transmit bodies, for the primitives that were included before. Sending: a batch of
 * packets of one segment each, without offloads, where the ring does not wrap; all others one by
 * one. Reclaiming: a batch of buffers that the device has used, each by an entry of its own or,
 * in order, all by the last one's; they go back to the pool in one piece when they came from one
 * pool as single segments.
 */
#ifndef DRIVERS_VIRTIO_VEC_VNET_VEC_TX_H
#define DRIVERS_VIRTIO_VEC_VNET_VEC_TX_H

#include "drivers/virtio/vec/vec_batch.h"
#include "drivers/virtio/vnet_tx.h"

#define VEC_TX_FLAGS MBUF_TX_OFFLOADS /* packets with one of these need a header of their own */

/* Free eight sent packets. */
ALWAYS_INLINE void vec_tx_free(struct mbuf *const *m)
{
	struct mempool *pool = m[0]->pool;

	if (likely(vec_free_plain(m, pool))) {
		__builtin_memcpy(&pool->stack[pool->n], m, sizeof(*m) * VEC_BATCH);
		pool->n += VEC_BATCH;
		return;
	}
	for (unsigned i = 0; i < VEC_BATCH; i++)
		mbuf_free(m[i]);
}

#endif
