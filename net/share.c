/*
 * The rings between the first stack and the others. They are looked at when timers are, some
 * thousand times a second.
 */
#include "net/share.h"
#include "kernel/errno.h"
#include "kernel/memory.h"
#include "kernel/string.h"
#include "net/arp.h"
#include "net/csum.h"
#include "net/dhcp.h"
#include "net/stack.h"

enum msg_kind { MSG_ARP, MSG_DHCP, MSG_ADDR, MSG_FRAME };

struct addr {
	be32 ip, mask, gw;
};

struct msg {
	uint8_t kind; /* enum msg_kind */
	uint8_t ifi;
	uint16_t len; /* MSG_DHCP, MSG_FRAME */
	union {
		struct arp_hdr arp;
		struct addr addr;
		uint8_t data[NET_SHARE_DATA_MAX];
	};
};

struct ring {
	uint32_t head __attribute__((aligned(CACHE_LINE))); /* its writer's */
	uint32_t tail __attribute__((aligned(CACHE_LINE))); /* its reader's */
	struct msg slot[NET_SHARE_SLOTS];
};

/* What is between the first stack and another. */
struct branch {
	struct net_stack st;
	struct ring up, down;          /* to the first, and from it */
	struct addr told[NET_IFS_MAX]; /* the first's: what went down */
} __attribute__((aligned(CACHE_LINE)));

struct net_share {
	struct net_stack *first;
	unsigned n; /* branches */
	struct branch *branch;
};

/* ---- rings -------------------------------------------------------------------------------- */

/* A slot to write, NULL: there is none. */
static struct msg *ring_begin(struct ring *r)
{
	if (r->head - __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) == NET_SHARE_SLOTS)
		return NULL;
	return &r->slot[r->head % NET_SHARE_SLOTS];
}

/* For the lcore @to, which may sleep. */
static void ring_end(struct ring *r, unsigned to)
{
	__atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
	lcore_wake(to);
}

/* The oldest message, NULL: there is none. */
static const struct msg *ring_look(const struct ring *r)
{
	if (__atomic_load_n(&r->head, __ATOMIC_ACQUIRE) == r->tail)
		return NULL;
	return &r->slot[r->tail % NET_SHARE_SLOTS];
}

static void ring_drop(struct ring *r)
{
	__atomic_store_n(&r->tail, r->tail + 1, __ATOMIC_RELEASE);
}

/* ---- telling ------------------------------------------------------------------------------ */

static struct branch *branch_of(const struct net_stack *st)
{
	return &st->share->branch[st->lcore - 1];
}

static uint8_t number_of(const struct net_if *nif)
{
	return (uint8_t)(nif - nif->st->ifs);
}

static void tell_arp(struct ring *r, unsigned to, struct net_if *nif, const struct arp_hdr *arp)
{
	struct msg *m = ring_begin(r);

	if (!m) {
		nif->stats.share_lost++;
		return;
	}
	m->kind = MSG_ARP;
	m->ifi = number_of(nif);
	m->arp = *arp;
	ring_end(r, to);
}

/* To all others but the one that it came from. */
static void pass_down(struct net_if *nif, const struct arp_hdr *arp, const struct branch *from)
{
	struct net_share *sh = nif->st->share;

	for (unsigned i = 0; i < sh->n; i++) {
		if (&sh->branch[i] != from)
			tell_arp(&sh->branch[i].down, i + 1, nif, arp);
	}
}

void net_share_arp(struct net_if *nif, const struct arp_hdr *arp)
{
	if (nif->st->lcore)
		tell_arp(&branch_of(nif->st)->up, 0, nif, arp);
	else
		pass_down(nif, arp, NULL);
}

/* Owns @m. */
static void tell_packet(struct ring *r, unsigned to, struct net_if *nif, struct mbuf *m,
                        enum msg_kind kind)
{
	struct msg *msg = ring_begin(r);

	if (!msg || m->pkt_len > sizeof(msg->data)) {
		net_drop(m, &nif->stats.share_lost);
		return;
	}
	msg->kind = (uint8_t)kind;
	msg->ifi = number_of(nif);
	msg->len = 0;
	for (struct mbuf *s = m; s; s = s->next) {
		memcpy(msg->data + msg->len, mbuf_data(s), s->data_len);
		msg->len = (uint16_t)(msg->len + s->data_len);
	}
	ring_end(r, to);
	mbuf_free(m);
}

void net_share_dhcp(struct net_if *nif, struct mbuf *m)
{
	tell_packet(&branch_of(nif->st)->up, 0, nif, m, MSG_DHCP);
}

void net_share_send(struct net_if *nif)
{
	const unsigned to = nif->dev->queue[0].lcore;

	for (unsigned i = 0; i < nif->nb_out; i++) {
		struct mbuf *m = nif->out[i];

		if (nif->st->lcore) { /* whoever is not the first only answers */
			net_drop(m, &nif->stats.share_lost);
			continue;
		}
		if (m->flags & MBUF_TX_CSUM)
			csum_complete(m);
		tell_packet(&nif->st->share->branch[to - 1].down, to, nif, m, MSG_FRAME);
	}
	nif->nb_out = 0;
}

/* ---- hearing ------------------------------------------------------------------------------ */

/* NULL: there is no buffer, which is counted. */
static struct mbuf *hear_packet(struct net_if *nif, const struct msg *msg)
{
	struct mbuf *m = net_alloc(nif);

	if (!m)
		return NULL;
	assert(msg->len <= mbuf_tailroom(m));
	memcpy(mbuf_data(m), msg->data, msg->len);
	m->data_len = msg->len;
	m->pkt_len = msg->len;
	return m;
}

static void first_poll(struct net_stack *st, struct branch *b)
{
	const struct msg *m;

	for (unsigned i = 0; i < NET_SHARE_SLOTS && (m = ring_look(&b->up)); i++) {
		struct net_if *nif = &st->ifs[m->ifi];

		if (m->kind == MSG_DHCP) {
			struct mbuf *packet = hear_packet(nif, m);

			if (packet)
				dhcp_input(nif, packet);
		} else {
			arp_hear(nif, &m->arp);
			pass_down(nif, &m->arp, b);
		}
		ring_drop(&b->up);
	}
}

static void tell_addr(const struct net_if *nif, struct branch *b)
{
	const struct addr now = {nif->ip, nif->mask, nif->gw};
	struct addr *told = &b->told[number_of(nif)];
	struct msg *m;

	if (!memcmp(told, &now, sizeof(now)))
		return;
	m = ring_begin(&b->down);
	if (!m)
		return; /* next time */
	m->kind = MSG_ADDR;
	m->ifi = number_of(nif);
	m->addr = now;
	ring_end(&b->down, b->st.lcore);
	*told = now;
}

static void other_poll(struct net_stack *st, struct branch *b)
{
	const struct msg *m;

	for (unsigned i = 0; i < NET_SHARE_SLOTS && (m = ring_look(&b->down)); i++) {
		struct net_if *nif = &st->ifs[m->ifi];

		if (m->kind == MSG_FRAME) {
			struct mbuf *packet = hear_packet(nif, m);

			if (packet)
				stack_enqueue(nif, packet);
		} else if (m->kind == MSG_ADDR) {
			net_if_take_addr(nif, m->addr.ip, m->addr.mask, m->addr.gw);
		} else {
			arp_hear(nif, &m->arp);
		}
		ring_drop(&b->down);
	}
}

bool net_share_waiting(const struct net_stack *st)
{
	const struct net_share *sh = st->share;
	bool waiting = false;

	if (!sh)
		return false;
	if (st->lcore)
		return ring_look(&branch_of(st)->down) != NULL;
	for (unsigned i = 0; i < sh->n; i++)
		waiting |= ring_look(&sh->branch[i].up) != NULL;
	return waiting;
}

void net_share_poll(struct net_stack *st)
{
	struct net_share *sh = st->share;

	if (st->lcore) {
		other_poll(st, branch_of(st));
		return;
	}
	for (unsigned i = 0; i < sh->n; i++) {
		first_poll(st, &sh->branch[i]);
		for (unsigned k = 0; k < st->nb_ifs; k++)
			tell_addr(&st->ifs[k], &sh->branch[i]);
	}
}

/* ---- set-up ------------------------------------------------------------------------------- */

static void deal_pairs(const struct net_stack *first)
{
	unsigned nth = 0;

	for (unsigned i = 0; i < first->nb_ifs; i++) {
		struct netdev *dev = first->ifs[i].dev;

		for (unsigned q = 0; q < dev->nb_queues; q++)
			dev->queue[q].lcore = (uint16_t)(nth++ % first->nb_lcores);
	}
}

/* What is to be sent by a port without a queue pair of ours is made in a buffer of another's. */
static void lend_pools(struct net_stack *st)
{
	struct mempool *pool = NULL;

	for (unsigned i = 0; i < st->nb_ifs; i++)
		pool = st->ifs[i].queue_last < 0 ? pool : st->ifs[i].pool;
	assert(pool || !st->nb_ifs);
	for (unsigned i = 0; i < st->nb_ifs; i++) {
		if (st->ifs[i].queue_last < 0)
			st->ifs[i].pool = pool;
	}
}

/* A stack with the ports of the first one, and no address yet. */
static int branch_init(struct net_share *sh, unsigned i)
{
	struct net_stack *st = &sh->branch[i].st;
	int err = net_stack_init(st);

	st->lcore = i + 1;
	st->nb_lcores = sh->n + 1;
	st->share = sh;
	for (unsigned k = 0; !err && k < sh->first->nb_ifs; k++)
		err = net_stack_join_port(st, &sh->first->ifs[k]);
	lend_pools(st);
	return err;
}

int net_share_create(struct net_stack *first, unsigned n)
{
	struct net_share *sh = mem_alloc("stacks", sizeof(*sh), CACHE_LINE);
	int err = 0;

	if (!sh)
		return -ENOMEM;
	sh->first = first;
	sh->n = n - 1;
	sh->branch = mem_alloc("stacks", sh->n * sizeof(*sh->branch), CACHE_LINE);
	if (!sh->branch)
		return -ENOMEM;
	first->nb_lcores = n;
	first->share = sh;
	deal_pairs(first);
	for (unsigned i = 0; i < first->nb_ifs; i++)
		net_if_deal(&first->ifs[i]);
	lend_pools(first);
	for (unsigned i = 0; !err && i < sh->n; i++)
		err = branch_init(sh, i);
	return err;
}

struct net_stack *net_share_stack(const struct net_stack *first, unsigned i)
{
	return &first->share->branch[i - 1].st;
}
