/*
 * DHCP messages (RFC 2131 2, options of RFC 2132). Options are read from three places: their own
 * field, and by option 52 the fields "file" and "sname", each with its own end.
 */
#include "net/dhcp_msg.h"
#include "kernel/assert.h"
#include "kernel/atomic.h"
#include "kernel/string.h"

#define BOOTP_REQUEST 1
#define BOOTP_REPLY 2
#define OVERLOAD_FILE 1
#define OVERLOAD_SNAME 2

/* What the options said; of an option given twice the first counts. */
struct dhcp_options {
	uint8_t type, overload;
	be32 mask, router, server;
	be32 lease, t1, t2;
};

static void dhcp_option(struct dhcp_options *o, uint8_t code, const uint8_t *value, size_t len)
{
	be32 *word;

	switch (code) {
	case DHCP_OPT_TYPE:
		if (len == 1 && !o->type)
			o->type = *value;
		return;
	case DHCP_OPT_OVERLOAD:
		if (len == 1)
			o->overload = *value;
		return;
	case DHCP_OPT_MASK:
		word = &o->mask;
		break;
	case DHCP_OPT_ROUTER: /* a list, best first */
		word = &o->router;
		break;
	case DHCP_OPT_SERVER:
		word = &o->server;
		break;
	case DHCP_OPT_LEASE:
		word = &o->lease;
		break;
	case DHCP_OPT_T1:
		word = &o->t1;
		break;
	case DHCP_OPT_T2:
		word = &o->t2;
		break;
	default:
		return;
	}
	if (len >= 4 && (len == 4 || code == DHCP_OPT_ROUTER) && !*word)
		*word = load_u32(value);
}

/* Return: false when an option runs over the end. A missing end mark is forgiven. */
static bool dhcp_options_read(struct dhcp_options *o, const uint8_t *p, size_t len)
{
	size_t at = 0;

	while (at < len && p[at] != DHCP_OPT_END) {
		if (p[at] == DHCP_OPT_PAD) {
			at++;
			continue;
		}
		if (len - at < 2)
			return false;

		/* once: the device may go on writing to the message */
		const uint8_t n = ring_load_relaxed(&p[at + 1]);

		if (n > len - at - 2)
			return false;
		dhcp_option(o, p[at], &p[at + 2], n);
		at += 2u + n;
	}
	return true;
}

static bool dhcp_is_answer_to(const struct dhcp_hdr *h, const uint8_t *mac)
{
	return h->op == BOOTP_REPLY && h->htype == 1 && h->hlen == 6 &&
	       h->cookie == cpu_to_be32(DHCP_COOKIE) && mac_equal(h->chaddr, mac);
}

bool dhcp_parse(const uint8_t *msg, size_t len, const uint8_t *mac, struct dhcp_answer *out)
{
	const struct dhcp_hdr *h = (const void *)msg;
	struct dhcp_options o = {0};

	if (len < sizeof(*h) || !dhcp_is_answer_to(h, mac))
		return false;
	if (!dhcp_options_read(&o, msg + sizeof(*h), len - sizeof(*h)))
		return false;

	uint8_t overload = o.overload;

	if (overload & OVERLOAD_FILE && !dhcp_options_read(&o, h->file, sizeof(h->file)))
		return false;
	if (overload & OVERLOAD_SNAME && !dhcp_options_read(&o, h->sname, sizeof(h->sname)))
		return false;

	*out = (struct dhcp_answer){
	    .type = o.type,
	    .xid = h->xid,
	    .lease = {.ip = h->yiaddr,
	              .mask = o.mask,
	              .router = o.router,
	              .server = o.server,
	              .lease_s = be32_to_cpu(o.lease),
	              .t1_s = be32_to_cpu(o.t1),
	              .t2_s = be32_to_cpu(o.t2)},
	};
	return o.type == DHCP_OFFER || o.type == DHCP_ACK || o.type == DHCP_NAK;
}

static uint8_t *put_option(uint8_t *at, uint8_t code, const void *value, uint8_t len)
{
	*at++ = code;
	*at++ = len;
	memcpy(at, value, len);
	return at + len;
}

void dhcp_build(uint8_t msg[DHCP_MSG_MIN], const struct dhcp_question *q)
{
	static const uint8_t wanted[] = {DHCP_OPT_MASK,   DHCP_OPT_ROUTER, DHCP_OPT_LEASE,
	                                 DHCP_OPT_SERVER, DHCP_OPT_T1,     DHCP_OPT_T2};
	static const char hostname[] = "ringzero";
	uint8_t type = (uint8_t)q->type;
	bool answered = q->type != DHCP_DECLINE;
	be16 max_size = cpu_to_be16(q->max_size);
	uint8_t client_id[7] = {1}; /* hardware type Ethernet, then the address */
	struct dhcp_hdr h = {
	    .op = BOOTP_REQUEST,
	    .htype = 1,
	    .hlen = 6,
	    .xid = q->xid,
	    .secs = cpu_to_be16(q->secs),
	    /* without an address of our own, answers must come by broadcast (RFC 2131 4.1) */
	    .flags = q->ciaddr || !answered ? 0 : cpu_to_be16(DHCP_FLAG_BROADCAST),
	    .ciaddr = q->ciaddr,
	    .cookie = cpu_to_be32(DHCP_COOKIE),
	};

	mac_copy(h.chaddr, q->mac);
	mac_copy(&client_id[1], q->mac);
	memset(msg, 0, DHCP_MSG_MIN);
	memcpy(msg, &h, sizeof(h));

	uint8_t *at = msg + sizeof(h);

	at = put_option(at, DHCP_OPT_TYPE, &type, 1);
	at = put_option(at, DHCP_OPT_CLIENT_ID, client_id, sizeof(client_id));
	if (q->requested_ip)
		at = put_option(at, DHCP_OPT_REQUESTED_IP, &q->requested_ip, 4);
	if (q->server)
		at = put_option(at, DHCP_OPT_SERVER, &q->server, 4);
	if (answered) {
		at = put_option(at, DHCP_OPT_MAX_SIZE, &max_size, 2);
		at = put_option(at, DHCP_OPT_HOSTNAME, hostname, sizeof(hostname) - 1);
		at = put_option(at, DHCP_OPT_PARAMETERS, wanted, sizeof(wanted));
	}
	*at++ = DHCP_OPT_END;
	assert(at <= msg + DHCP_MSG_MIN);
}
