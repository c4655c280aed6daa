/*
 * The control queue (virtio 5.1.9.5). A command is a chain of two: what the device reads, and one
 * byte for its answer, behind which some commands have a result. Sent here are the number of queue
 * pairs (5.1.9.5.6) and offloads at run time (5.1.9.5.9); filters are in vnet_filter.c, hashes in
 * vnet_rss.c.
 *
 *	| class | command | data ... |   | ack | result ... |
 *	 device reads                     device writes
 */
#include "drivers/virtio/vnet_ctrl.h"
#include "drivers/virtio/vnet_rss.h"
#include "drivers/virtio/vq.h"
#include "kernel/atomic.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include <arch/cpu.h>

#define CTRL_ENTRIES_MAX 64
#define CTRL_NO_ANSWER 0xff
#define CTRL_RESETS_MAX 3u
#define CTRL_SETTLED_NS 60000000000ull /* a queue that worked for so long is well */

struct vnet_ctrl_cmd {
	struct virtio_net_ctrl_hdr hdr;
	uint8_t data[VNET_CTRL_DATA_MAX];
	uint8_t ack;
	uint8_t result[VNET_CTRL_RESULT_MAX];
};

/* ---- set-up ------------------------------------------------------------------------------- */

/* Behind all pairs that the device has, however many are used (virtio 5.1.2). */
static uint16_t ctrl_index(const struct vnet *vn)
{
	return (uint16_t)(2 * vn->pairs_max);
}

int vnet_ctrl_alloc(struct vnet *vn)
{
	const struct virtio_transport_ops *ops = vn->vd->ops;
	struct vnet_ctrl *c = &vn->ctrl;
	uint16_t size;

	if (!virtio_has(vn->vd, VIRTIO_NET_F_CTRL_VQ) || ops->ctrl)
		return 0;
	size = ops->queue_size(vn->vd, ctrl_index(vn));
	if (size < 2 || size > VRING_SIZE_MAX ||
	    (!is_power_of_two(size) && !virtio_has(vn->vd, VIRTIO_F_RING_PACKED))) {
		log_err("virtio_net", "%s: the control queue has %u entries; not usable",
		        vn->vd->name, size);
		return -EINVAL;
	}
	if (!ops->queue_size_is_fixed)
		size = (uint16_t)min_u64(size, CTRL_ENTRIES_MAX);
	c->cmd = mem_alloc_shared("control command", sizeof(*c->cmd), CACHE_LINE);
	return c->cmd ? vnet_ring_alloc(vn, &c->vq, ctrl_index(vn), size) : -ENOMEM;
}

void vnet_ctrl_init(struct vnet *vn)
{
	struct virtqueue *vq = &vn->ctrl.vq;

	if (!vq->nentries)
		return;
	/* a command that was never answered */
	for (unsigned id = 0; id < vq->nentries; id++)
		vq->slot[id].cookie = NULL;
	vq->index = ctrl_index(vn);
	vq->stopped = false;
	vnet_ring_init(vn, vq);
}

/* ---- failure ------------------------------------------------------------------------------ */

bool vnet_ctrl_needs_reset(struct vnet *vn)
{
	struct vnet_ctrl *c = &vn->ctrl;
	const uint64_t now_ns = plat_time_ns();

	if (!c->vq.nentries || !c->vq.broken || c->vq.stopped)
		return false;
	if (now_ns - c->failed_ns > CTRL_SETTLED_NS)
		c->failures = 0;
	c->failed_ns = now_ns;
	if (c->failures++ < CTRL_RESETS_MAX) {
		log_err("virtio_net", "port %u: the control queue is broken: %s; port is down",
		        vn->dev.port, c->vq.broken_why);
		return true;
	}
	c->vq.stopped = true;
	log_err("virtio_net",
	        "port %u: the control queue broke again after %u resets: going on without; its "
	        "device takes no commands until the port is stopped and started",
	        vn->dev.port, CTRL_RESETS_MAX);
	return false;
}

/* ---- a command ---------------------------------------------------------------------------- */

static unsigned ring_kind(const struct virtio_dev *vd)
{
	return (virtio_has(vd, VIRTIO_F_RING_PACKED) ? VQ_PACKED : 0) |
	       (virtio_has(vd, VIRTIO_F_IN_ORDER) ? VQ_IN_ORDER : 0);
}

/* The second of the two descriptors that are being added is the one that the device writes to. */
static void make_writable(struct virtqueue *vq, uint16_t id, uint16_t pos, unsigned ring)
{
	if (ring & VQ_PACKED)
		vq->packed.desc[pos + 1 < vq->nentries ? pos + 1 : 0].flags |= VRING_DESC_F_WRITE;
	else
		vq->split.desc[vq_split_next_id(vq, id, ring)].flags |= VRING_DESC_F_WRITE;
}

static void post(struct vnet *vn, size_t len, size_t result_len, unsigned ring)
{
	struct virtqueue *vq = &vn->ctrl.vq;
	const uint64_t iova = plat_iova(vn->ctrl.cmd);
	const struct vq_buf bufs[2] = {
	    {iova, (uint32_t)(sizeof(vn->ctrl.cmd->hdr) + len)},
	    {iova + offsetof(struct vnet_ctrl_cmd, ack),
	     (uint32_t)(sizeof(vn->ctrl.cmd->ack) + result_len)},
	};
	const uint16_t id = vq->desc_head;
	const uint16_t pos = (ring & VQ_PACKED) ? vq->packed.avail_pos : 0;

	vq_add(vq, bufs, 2, vn->ctrl.cmd, ring);
	make_writable(vq, id, pos, ring);
	vq_publish(vq, ring);
	if (vq_need_kick(vq, ring))
		virtqueue_notify(vq);
}

/* Wait for the answer. *@result_len: room for a result, then what there is of it. */
static int answer(struct vnet *vn, size_t *result_len, unsigned ring)
{
	struct virtqueue *vq = &vn->ctrl.vq;
	const uint64_t from_ns = plat_time_ns();
	struct vq_used used;
	bool late = false;

	while (!vq_used_pop(vq, &used, ring)) {
		if (vq->broken)
			return -EIO;
		if (late) {
			virtqueue_give_up(vq, "command without an answer");
			return -ETIMEDOUT;
		}
		/* it may be we who stood still: then the answer is there at the next look */
		late = plat_time_ns() - from_ns > VNET_CTRL_TIMEOUT_NS;
		cpu_pause();
	}
	*result_len = min_u64(*result_len, used.len ? used.len - sizeof(vn->ctrl.cmd->ack) : 0);
	return ring_load_relaxed(&vn->ctrl.cmd->ack) == VIRTIO_NET_OK ? 0 : -EIO;
}

static int command(struct vnet *vn, const struct virtio_net_ctrl_hdr *what, const void *data,
                   size_t len, size_t *result_len)
{
	const unsigned ring = ring_kind(vn->vd);
	struct vnet_ctrl_cmd *cmd = vn->ctrl.cmd;
	uint64_t from_ns;
	int err;

	if (vn->vd->ops->ctrl)
		return *result_len ? -EOPNOTSUPP : vn->vd->ops->ctrl(vn->vd, what, data, len);
	if (vn->ctrl.vq.broken)
		return -EIO;
	if (vn->ctrl.waited_ns >= VNET_CTRL_WAIT_MAX_NS)
		return -ETIMEDOUT;
	assert(len <= sizeof(cmd->data));
	cmd->hdr = *what;
	if (len)
		memcpy(cmd->data, data, len);
	cmd->ack = CTRL_NO_ANSWER;
	from_ns = plat_time_ns();
	post(vn, len, *result_len, ring);
	err = answer(vn, result_len, ring);
	vn->ctrl.waited_ns += min_u64(plat_time_ns() - from_ns, VNET_CTRL_TIMEOUT_NS);
	return err;
}

static int logged_command(struct vnet *vn, struct virtio_net_ctrl_hdr what, const void *data,
                          size_t len, size_t *result_len)
{
	int err;

	if (!virtio_has(vn->vd, VIRTIO_NET_F_CTRL_VQ))
		return -EOPNOTSUPP;
	err = command(vn, &what, data, len, result_len);
	if (err)
		log_err("virtio_net", "port %u: control command %u.%u failed: %s", vn->dev.port,
		        what.class, what.command,
		        vn->ctrl.vq.broken  ? vn->ctrl.vq.broken_why
		        : err == -ETIMEDOUT ? "those before it took too long"
		                            : "the device says no");
	return err;
}

int vnet_ctrl_command(struct vnet *vn, struct virtio_net_ctrl_hdr what, const void *data,
                      size_t len)
{
	size_t none = 0;

	return logged_command(vn, what, data, len, &none);
}

int vnet_ctrl_query(struct vnet *vn, struct virtio_net_ctrl_hdr what, const struct vnet_query *q)
{
	size_t got = q->result_len;
	int err;

	assert(got <= VNET_CTRL_RESULT_MAX);
	err = logged_command(vn, what, q->data, q->len, &got);
	if (err)
		return err;
	for (size_t i = 0; i < got; i++) /* once: the device may go on writing */
		((uint8_t *)q->result)[i] = ring_load_relaxed(&vn->ctrl.cmd->result[i]);
	return (int)got;
}

/* ---- what is sent ------------------------------------------------------------------------- */

/* A device that has been reset uses one pair. */
static void start_pairs(struct vnet *vn)
{
	static const struct virtio_net_ctrl_hdr what = {VIRTIO_NET_CTRL_MQ,
	                                                VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};
	const uint16_t pairs = vn->nb_queues;

	vn->nb_active = pairs;
	if (pairs == 1 || !vnet_ctrl_command(vn, what, &pairs, sizeof(pairs)))
		return;
	log_warn("virtio_net", "port %u: one queue pair is used instead of %u", vn->dev.port,
	         pairs);
	vn->nb_active = 1;
	for (unsigned i = 1; i < pairs; i++) {
		virtqueue_give_up(&vn->rxq[i].vq, "the device does not use it");
		virtqueue_give_up(&vn->txq[i].vq, "the device does not use it");
	}
}

void vnet_ctrl_start(struct vnet *vn)
{
	/* first: devices may forget about hashes at these commands */
	if (vnet_rss_start(vn))
		vn->nb_active = vn->nb_queues;
	else
		start_pairs(vn);
	vnet_hash_start(vn);
}

int vnet_ctrl_lro(struct vnet *vn, bool on)
{
	static const struct virtio_net_ctrl_hdr what = {VIRTIO_NET_CTRL_GUEST_OFFLOADS,
	                                                VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET};
	const uint64_t lro = vn->vd->features & VNET_GUEST_GSO;
	const uint64_t csum = vn->vd->features & VIRTIO_NET_F_GUEST_CSUM;
	/* the bits of the command are those of the features */
	const uint64_t offloads = csum | (on ? lro : 0);

	if (!lro || !virtio_has(vn->vd, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return -EOPNOTSUPP;
	return vnet_ctrl_command(vn, what, &offloads, sizeof(offloads));
}
