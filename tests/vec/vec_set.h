/*
 * One set of vector primitives behind function pointers, so that sets for different instructions
 * can be compared in one program. NULL: the set does not have it.
 */
#ifndef TESTS_VEC_VEC_SET_H
#define TESTS_VEC_VEC_SET_H

#include "drivers/virtio/vec/vec_batch.h"
#include "net/netdev.h"

/* Limits and constants of a received batch, and what came out of it. */
struct vec_rx_case {
	uint32_t hdr_len, low_max, len_max;
	uint16_t id;
	uint64_t rearm;
	uint32_t bytes;
	uint16_t ids[VEC_BATCH];
};

struct vec_set {
	const char *name;
	unsigned isa;
	bool (*split_rx)(const struct vring_used_elem *used, struct mbuf *const *m,
	                 struct vec_rx_case *c);
	bool (*packed_rx)(const struct vring_packed_desc *d, struct mbuf *const *m,
	                  struct vec_rx_case *c);
	bool (*packed_is_used)(const struct vring_packed_desc *d, uint16_t used_flags);
	bool (*one_buffer_each)(struct mbuf *const *m, uint32_t hdr_len);
	void (*split_post)(const struct virtqueue *vq, const uint16_t *ids, struct mbuf *const *m,
	                   uint64_t offset, uint32_t len);
	uint64_t (*split_send)(const struct virtqueue *vq, const uint16_t *ids,
	                       struct mbuf *const *m, uint32_t hdr_len);
	void (*packed_post)(struct vring_packed_desc *d, struct mbuf *const *m, uint64_t offset,
	                    uint64_t meta, uint64_t hide);
	uint64_t (*packed_send)(struct vring_packed_desc *d, struct mbuf *const *m,
	                        uint64_t hdr_len, uint64_t meta, uint64_t hide);
	void (*slots_set)(struct vq_slot *slot, struct mbuf *const *m);
	bool (*slots_get)(struct mbuf **m, const struct vq_slot *slot);
	void (*slots_clear)(struct vq_slot *slot);
	bool (*tx_plain)(struct mbuf *const *m, uint32_t flags, uint32_t len_max);
	void (*hdr_clear)(struct mbuf *const *m);
	bool (*free_plain)(struct mbuf *const *m, const struct mempool *pool);

	/* the bodies made with them */
	netdev_burst_fn rx_split, rx_split_mrg, tx_split, rx_packed, rx_packed_mrg, tx_packed;
};

extern const struct vec_set vec_set_scalar, vec_set_sse, vec_set_avx2, vec_set_avx512, vec_set_neon;

/* All of an architecture, the reference first. */
#ifdef __aarch64__
#define VEC_SETS &vec_set_scalar, &vec_set_neon
#else
#define VEC_SETS &vec_set_scalar, &vec_set_sse, &vec_set_avx2, &vec_set_avx512
#endif

/** vec_compare() - every primitive of @set against the scalar ones, on inputs made from @seed, all
 * memory they could reach compared. Return: NULL, or the name of the one that differs */
const char *vec_compare(const struct vec_set *set, uint64_t seed);

/* One run of a body against a device. */
struct vec_run {
	bool packed, mrg;
	uint16_t nentries, burst;
	unsigned order;  /* enum ring_dev_order, split only */
	unsigned batch;  /* in-order buffers completed by one entry; what is received is full */
	bool whole;      /* everything comes and goes by eights: each packet has to be of a batch */
	unsigned chains; /* every so many packets one has several segments; 0: none. Receiving: of
	                  * several buffers, with MRG_RXBUF */
	uint64_t seed;
	unsigned packets;
};

/** vec_run_rx(), vec_run_tx() - packets through a body of @set, each checked. Return: NULL, or what
 * is wrong */
const char *vec_run_rx(const struct vec_set *set, const struct vec_run *r);
const char *vec_run_tx(const struct vec_set *set, const struct vec_run *r);

/* What a device says wrongly of one buffer in the middle of many. */
enum vec_lie {
	VEC_LIE_ID_RANGE,
	VEC_LIE_ID_REPEATED,
	VEC_LIE_ID_IDLE, /* packed: another's, out of turn */
	VEC_LIE_LEN_LONG,
	VEC_LIE_LEN_SHORT,
	VEC_LIES,
};

/** vec_run_lie() - receive 32 buffers of which the one at @at is lied about. Everything before it
 * comes, nothing is lost. Return: NULL, or what is wrong */
const char *vec_run_lie(const struct vec_set *set, bool packed, enum vec_lie lie, unsigned at);

/** vec_run_too_many() - a packed ring in which the device marks more descriptors used than it was
 * given. Return: NULL, or what is wrong */
const char *vec_run_too_many(const struct vec_set *set, bool tx);

/** vec_run_batch_told_twice() - a packed ring in which the device completes many by one descriptor,
 * and then marks each of them used as well. Return: NULL, or what is wrong */
const char *vec_run_batch_told_twice(const struct vec_set *set, bool tx);

/** vec_run_beyond() - a packed ring in which the device goes on counting ids where they start again
 * at 0, in a place where descriptors do not; or, without @ids, the other way round, with
 * descriptors behind the ring. Return: NULL, or what is wrong */
const char *vec_run_beyond(const struct vec_set *set, bool ids);

#endif
