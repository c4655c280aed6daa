/*
 * What all vector primitives share: the batch of eight packets they work on, and the facts about
 * layouts that they rely on. The contract of each primitive is in vec_scalar.h, which is also the
 * reference that the others are tested against, byte by byte. A source file includes one set of
 * primitives and then the bodies of vnet_vec_rx.h and vnet_vec_tx.h, which hold the control flow.
 *
 *	vec_scalar.h	reference, on every machine
 *	vec_sse.h	SSE4.1		split rings
 *	vec_avx2.h	AVX2		split and packed rings
 *	vec_avx512.h	AVX-512 F BW VL	packed rings
 *	vec_neon.h	NEON		split and packed rings
 */
#ifndef DRIVERS_VIRTIO_VEC_BATCH_H
#define DRIVERS_VIRTIO_VEC_BATCH_H

#include "drivers/virtio/virtio_spec.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/atomic.h"
#include "net/mbuf.h"
#include "net/mempool.h"
#include <arch/cpu.h>

#define VEC_BATCH 8
#define VEC_UNROLL _Pragma("GCC unroll 8") /* gcc keeps short loops at -O2 */

/* Zeroed in front of a packet's data: its net header, and up to 6 free bytes of headroom. */
#define VEC_HDR_CLEAR 16
static_assert(VEC_HDR_CLEAR >= VIRTIO_NET_HDR_LEN, "covers the header");
static_assert(VEC_HDR_CLEAR <= MBUF_HEADROOM_MIN, "stays in the headroom");

/* num_buffers in the second 8 bytes of a net header. */
#define VEC_NUM_BUFFERS_SHIFT 16
static_assert(offsetof(struct virtio_net_hdr, num_buffers) == 10, "VEC_NUM_BUFFERS_SHIFT");

/* The fields of a packed descriptor's upper 8 bytes. */
#define VEC_META_ID_SHIFT 32
#define VEC_META_FLAGS_SHIFT 48
static_assert(offsetof(struct vring_packed_desc, len) == 8, "meta starts with the length");
static_assert(offsetof(struct vring_packed_desc, id) == 12, "VEC_META_ID_SHIFT");
static_assert(offsetof(struct vring_desc, flags) == 12, "likewise in a split ring");

static_assert(sizeof(struct vq_slot) == 16 && offsetof(struct vq_slot, nb_desc) == 8, "slots");
static_assert(offsetof(struct mbuf, next) == 0 && offsetof(struct mbuf, pool) == 8, "one load");
static_assert(offsetof(struct mbuf, data_off) == 16 && offsetof(struct mbuf, nb_segs) == 18 &&
                  offsetof(struct mbuf, iova) == 24,
              "one load");
static_assert(offsetof(struct mbuf, pkt_len) - offsetof(struct mbuf, packet_type) == 4, "rx word");
static_assert(offsetof(struct mbuf, hash) - offsetof(struct mbuf, packet_type) == 12, "rx word");

/**
 * vec_loaded() - what was loaded from memory that the device writes to stays as it was loaded
 *
 * What was checked has to be what is used, but the compiler may load memory again rather than keep
 * a register, and the device may have written in between. Behind this, as far as the compiler
 * knows, all memory has changed: what is in registers it has to keep. Before it each word is loaded
 * for one use only, the register that is checked. It is no instruction, and unlike a volatile
 * vector it leaves the loads to be operands of others.
 */
ALWAYS_INLINE void vec_loaded(void)
{
	atomic_signal_fence(memory_order_acq_rel);
}

/** vec_rearm() - the 8 bytes from mbuf.data_off of a received packet */
static inline uint64_t vec_rearm(uint16_t port, uint32_t data_room)
{
	return NETDEV_HEADROOM | 1ull << 16 | (uint64_t)port << 32 |
	       (uint64_t)(NETDEV_HEADROOM + data_room) << 48;
}

/** vec_rearm_store() - that, and what else a received packet has before its length; its data is
 * going to be read */
ALWAYS_INLINE void vec_rearm_store(struct mbuf *m, uint64_t rearm)
{
	m->next = NULL;
	__builtin_memcpy(&m->data_off, &rearm, sizeof(rearm));
	m->flags = 0;
	cpu_prefetch(mbuf_buf(m) + NETDEV_HEADROOM);
}

#endif
