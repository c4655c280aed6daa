/*
 * An IPv4 router, as DPDK's l3fwd: datagrams go out through the port that the longest matching
 * route names (RFC 1812). Each port has its address by net.ip, finds its neighbours by ARP and
 * answers ping; the subnets of the ports are routes by themselves.
 *
 *	app=l3fwd net0.ip=192.0.2.1/24 net1.ip=198.51.100.1/24
 *	    l3fwd.routes=10.0.0.0/8:1:198.51.100.9
 *
 * app=l3fwd-power is the same with ports that wait for interrupts, and says when lcores sleep.
 */
#include "apps/app.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include "kernel/string.h"
#include "net/forward.h"
#include "net/stack.h"

#define ROUTE_TEXT_LEN 48

static struct route routes[FORWARD_ROUTES_MAX];
static unsigned nb_routes;

/* ---- the option --------------------------------------------------------------------------- */

/* Cut @text at the next @sep. Return: what follows it, or NULL. */
static char *cut(char *text, char sep)
{
	for (; *text; text++) {
		if (*text == sep) {
			*text = '\0';
			return text + 1;
		}
	}
	return NULL;
}

/* A.B.C.D/len:port[:gateway] */
static bool route_parse(char *text, struct route *r)
{
	char *port = cut(text, ':');
	char *gw = port ? cut(port, ':') : NULL;
	unsigned prefix, gw_prefix, n = 0;
	bool has_len = false;

	for (const char *c = text; *c; c++)
		has_len |= *c == '/';
	*r = (struct route){.gw = 0};
	if (!port || !*port || !has_len || options_ip4(text, &r->dst, &prefix))
		return false;
	for (; *port >= '0' && *port <= '9' && n < NET_IFS_MAX; port++)
		n = n * 10 + (unsigned)(*port - '0');
	if (*port || n >= NET_IFS_MAX || (r->dst & ~ipv4_mask(prefix)))
		return false;
	if (gw && (options_ip4(gw, &r->gw, &gw_prefix) || gw_prefix != 32 || !ipv4_is_host(r->gw)))
		return false;
	r->prefix = (uint8_t)prefix;
	r->ifi = (uint8_t)n;
	return true;
}

/* Return: the number of routes in the list, -1 when one is wrong or there are too many. */
static int routes_parse(const char *list, struct route *out)
{
	int n = 0;

	while (*list) {
		char text[ROUTE_TEXT_LEN];
		size_t len = 0;

		for (; list[len] && list[len] != ','; len++) {
			if (len == sizeof(text) - 1)
				return -1;
			text[len] = list[len];
		}
		text[len] = '\0';
		if (n == FORWARD_ROUTES_MAX || !route_parse(text, &out[n]))
			return -1;
		n++;
		list += len + (list[len] == ',');
	}
	return n;
}

static bool routes_valid(const char *value)
{
	struct route scratch[FORWARD_ROUTES_MAX];

	return routes_parse(value, scratch) >= 0;
}

static const struct option l3fwd_options[] = {
    {.key = "l3fwd.routes",
     .kind = OPTION_TEXT,
     .fallback = "",
     .allowed = "network/len:port[:gateway],...",
     .check = routes_valid,
     .help = "app=l3fwd: where datagrams go that are for no neighbour of a port"},
};

/* ---- the application ---------------------------------------------------------------------- */

static struct net_stack *stack;

static void l3fwd_show(const char *args)
{
	(void)args;
	for (unsigned i = 0; i < nb_routes; i++) {
		const struct route *r = &routes[i];

		console_printf("%s/%u port %u %s\n", ip4_text(r->dst).s, r->prefix, r->ifi,
		               r->gw ? ip4_text(r->gw).s : "directly");
	}
	for (unsigned i = 0; i < stack->nb_ifs; i++) {
		const struct net_if *nif = &stack->ifs[i];

		if (nif->ip)
			console_printf("%s/%d port %u, its own\n", ip4_text(nif->ip & nif->mask).s,
			               ipv4_prefix(nif->mask), i);
	}
}

static const struct console_command l3fwd_commands[] = {
    {"show routes", "where app=l3fwd sends datagrams", l3fwd_show},
};

static int l3fwd_start_lcore(struct net_stack *st)
{
	int err = forward_start(st, routes, nb_routes);

	if (err)
		log_err("l3fwd", "no memory for %zu KiB of routes; give the machine more",
		        sizeof(struct route_table) >> 10);
	return err;
}

static int l3fwd_start(struct net_stack *st)
{
	stack = st;
	nb_routes = (unsigned)routes_parse(options_get("l3fwd.routes"), routes);
	for (unsigned i = 0; i < nb_routes; i++) {
		if (routes[i].ifi >= st->nb_ifs) {
			log_err("l3fwd", "l3fwd.routes: %s/%u goes to port %u, the machine has %u",
			        ip4_text(routes[i].dst).s, routes[i].prefix, routes[i].ifi,
			        st->nb_ifs);
			return -EINVAL;
		}
	}
	console_add_commands(l3fwd_commands, ARRAY_SIZE(l3fwd_commands));
	return l3fwd_start_lcore(st);
}

/* Whatever comes in may leave by any port. */
static unsigned l3fwd_lcores_most(const struct net_stack *st)
{
	unsigned most = NETDEV_QUEUES_MAX;

	for (unsigned i = 0; i < st->nb_ifs; i++)
		most = (unsigned)min_u64(most, st->ifs[i].dev->nb_queues);
	return st->nb_ifs ? most : 0;
}

#define L3FWD_LCORE_NEEDS "a queue pair of every port"

/* As DPDK's program says it. */
static void power_tell(const struct idle_news *news)
{
	char again[32] = "";

	if (news->times > 1)
		fmt_buf(again, sizeof(again), " (%llu times)", (unsigned long long)news->times);
	if (news->woken_by)
		log_info("l3fwd-power",
		         "lcore %u is waked up from rx interrupt on port %u queue %u%s",
		         news->lcore, news->woken_by->port, news->queue, again);
	else
		log_info("l3fwd-power", "lcore %u sleeps until interrupt triggers%s", news->lcore,
		         again);
}

APP_REGISTER(l3fwd_power) = {
    .name = "l3fwd-power",
    .help = "l3fwd that sleeps until a packet comes, as DPDK's l3fwd-power",
    .start = l3fwd_start,
    .start_lcore = l3fwd_start_lcore,
    .lcores_most = l3fwd_lcores_most,
    .lcore_needs = L3FWD_LCORE_NEEDS,
    .tell_idle = power_tell,
};

APP_REGISTER(l3fwd) = {
    .name = "l3fwd",
    .help = "routes IPv4 between ports, as DPDK's l3fwd",
    .start = l3fwd_start,
    .start_lcore = l3fwd_start_lcore,
    .lcores_most = l3fwd_lcores_most,
    .lcore_needs = L3FWD_LCORE_NEEDS,
    .options = l3fwd_options,
    .nb_options = ARRAY_SIZE(l3fwd_options),
};
