/*
 * What both kinds of ring share: the state of an empty queue.
 */
#include "drivers/virtio/virtqueue.h"

void virtqueue_reset(struct virtqueue *vq)
{
	for (uint16_t i = 0; i < vq->nentries; i++)
		vq->slot[i] = (struct vq_slot){.nb_desc = 1, .next = (uint16_t)(i + 1)};
	for (uint16_t i = 0; vq->ids && i < vq->nentries; i++)
		vq->ids[i] = i;
	vq->free_cnt = vq->nentries;
	vq->desc_head = 0;
	vq->avail_idx = 0;
	vq->kick_idx = 0;
	vq->used_cons_idx = 0;
	vq->used_idx_shadow = 0;
	vq->order_head = 0;
	vq->batch_left = 0;
	vq->broken = false;
	vq->broken_why = NULL;
}
