/*
 * What the parts of the device model share:
 *
 *	vdev.c		 steps, completions, lies, the list of breaches
 *	vdev_memory.c	 I/O addresses
 *	vdev_split.c	 the split ring from the device's side
 *	vdev_packed.c	 the packed ring, likewise
 *	vdev_walk.c	 descriptors of one buffer, what both rings share
 *	vdev_net.c	 packets in buffers
 *	vdev_ctrl.c	 commands in the control queue
 *	vdev_filter.c	 those about filters and announcements
 *	vdev_coal.c	 those about notifications and statistics
 *	vdev_rss.c	 hashes of frames, and those that choose a queue
 *	vdev_transport.c registers: features, status, configuration, queues, interrupts
 *
 * A ring format is a table of functions, so that a further one needs nothing but its own file.
 */
#ifndef TESTS_MODEL_VDEV_INTERNAL_H
#define TESTS_MODEL_VDEV_INTERNAL_H

#include "kernel/compiler.h"
#include "tests/model/vdev.h"

/* The walk over the descriptors of one buffer. */
struct vdev_walk {
	struct vdev_queue *q;
	unsigned nb_segs, nb_descs;
	bool indirect;
	uint64_t bytes;
	struct vdev_seg seg[VDEV_SEGS_MAX];
	uint16_t desc[VDEV_SEGS_MAX];
};

struct vdev_place {
	uint64_t iova, bytes, align;
};

struct vdev_ring_ops {
	const char *kick_rule; /* the section that obliges the driver to notify */
	/* the driver enables the queue: is it where and as it has to be? */
	bool (*open)(struct vdev_queue *q);
	void (*close)(struct vdev_queue *q);
	/* the next available buffer; NULL when there is none or the queue has died */
	struct vdev_chain *(*fetch)(struct vdev_queue *q);
	/* over all descriptors of a fetched buffer as they are now */
	uint64_t (*sum)(struct vdev_queue *q, const struct vdev_chain *c);
	/* the buffer is not with the device any more */
	void (*release)(struct vdev_queue *q, const struct vdev_chain *c);
	/* some id that is not with the device, other than @id; the queue size if all are */
	uint32_t (*idle_id)(const struct vdev_queue *q, uint16_t id);
	/* write a used entry or descriptor, not yet visible */
	void (*used)(struct vdev_queue *q, const struct vdev_used *u);
	/* make used entries visible, with the index off by @lie. Is an interrupt wanted? */
	bool (*publish)(struct vdev_queue *q, int lie);
	/* does what was made available since the last look oblige the driver to notify? */
	bool (*kick_due)(const struct vdev_queue *q);
	/* was there a wish at a place that the driver has passed before? NULL: cannot be */
	bool (*kick_late)(const struct vdev_queue *q);
	/* the look */
	void (*kick_seen)(struct vdev_queue *q);
	/* write the device's wish for notifications */
	void (*kick_ask)(struct vdev_queue *q, enum vdev_kick wish);
	/* the driver's own rules: suppression words; @thorough: all that it must not write */
	void (*check)(struct vdev_queue *q, bool thorough);
};

extern const struct vdev_ring_ops vdev_ring_split, vdev_ring_packed;

/* vdev_walk.c: functions that return bool have noted a breach when it is false */
bool vdev_bad(struct vdev_queue *q, const char *section, const char *why);
void vdev_walk_begin(struct vdev_walk *w, struct vdev_queue *q);
bool vdev_walk_desc(struct vdev_walk *w, uint16_t at);
bool vdev_walk_seg(struct vdev_walk *w, uint64_t addr, uint32_t len, bool write);
struct vdev_chain *vdev_walk_end(const struct vdev_walk *w, uint16_t id);
/* host address of a part of the ring; NULL, and a breach noted, when it cannot be there */
void *vdev_part(struct vdev_queue *q, const char *part, const struct vdev_place *at);

/* vdev.c */
void vdev_violate(struct vdev *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
bool vdev_has(const struct vdev *d, uint64_t feature);
uint64_t vdev_random(struct vdev *d);
uint64_t vdev_sum(uint64_t sum, const void *data, size_t len);
bool vdev_lie_due(struct vdev_queue *q, enum vdev_lie lie);
/* fetches until @n buffers are pending or there are no more */
void vdev_fetch(struct vdev_queue *q, unsigned n);
/* takes a pending buffer in the device's order, NULL when there is none */
struct vdev_chain *vdev_pick(struct vdev_queue *q);
void vdev_complete(struct vdev_queue *q, struct vdev_chain *c, uint32_t len);
/* a step of one queue; of its packets at most @budget */
unsigned vdev_queue_step(struct vdev_queue *q, unsigned budget);
/* the bytes from @from on that a driver has written */
void vdev_gather(const struct vdev_chain *c, uint32_t from, uint8_t *out, uint32_t len);

/* vdev_net.c: one packet, false when nothing can be done; its name in messages */
bool vdev_net_rx_one(struct vdev_queue *q);
bool vdev_net_tx_fetch(struct vdev_queue *q);
void vdev_net_check(struct vdev_queue *q, const struct vdev_chain *c);
static inline bool vdev_is_rx(const struct vdev_queue *q)
{
	return !(q->index & 1);
}

/* vdev_ctrl.c: the queue behind all pairs is another kind (5.1.2) */
bool vdev_is_ctrl(const struct vdev_queue *q);
void vdev_ctrl_check(struct vdev_queue *q, const struct vdev_chain *c);
unsigned vdev_ctrl_step(struct vdev_queue *q);

/* vdev_filter.c: commands of the classes RX, MAC, VLAN and ANNOUNCE. Return: the answer, -1 for
 * another class */
int vdev_filter_command(struct vdev *d);

/* vdev_rss.c: RSS_CONFIG and HASH_CONFIG; the answer */
uint8_t vdev_rss_config(struct vdev *d);
uint8_t vdev_hash_config(struct vdev *d);

/* vdev_coal.c: commands of the classes NOTF_COAL and STATS. Return: as vdev_filter_command() */
int vdev_coal_command(struct vdev *d);

/* vdev_transport.c */
void vdev_interrupt_queue(struct vdev_queue *q);
void vdev_interrupt_config(struct vdev *d);
void vdev_queue_close(struct vdev_queue *q);

#endif
