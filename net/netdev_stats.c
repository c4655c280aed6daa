/*
 * Printing of statistics. The JSON lines carry the counters themselves, which never go back; the
 * table carries what happened in the period, and totals. Numbers stay integers: what is large
 * loses digits, not its column.
 */
#include "net/netdev_stats.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/json.h"
#include "kernel/string.h"

#define HEADER_EVERY 20 /* rows */
#define NS_PER_US 1000
#define US_PER_S 1000000
#define COUNT_TEXT 12

/* What a loop did in a period. */
struct effort {
	uint64_t cycles_per_packet;
	uint64_t busy_permille;
};

/* The period that is being printed. */
struct period {
	uint64_t now_ns;
	uint64_t elapsed_us; /* at least 1 */
	struct effort effort[LCORES_MAX];
};

READS_OTHERS void netdev_stats_collect(const struct netdev *dev, uint16_t queue,
                                       struct netdev_stats *out)
{
	*out = (struct netdev_stats){0};
	dev->ops->stats(dev, queue, out);
	out->tx_dropped += dev->queue[queue].tx_dropped;
}

void stats_init(struct stats_printer *s, enum stats_mode mode, uint64_t period_ns)
{
	*s = (struct stats_printer){.mode = mode, .period_ns = period_ns, .nb_lcores = 1};
}

void stats_add_lcore(struct stats_printer *s, const struct stats_effort *effort)
{
	assert(s->nb_lcores < LCORES_MAX);
	s->effort_of[s->nb_lcores++] = effort;
}

/* ---- numbers ------------------------------------------------------------------------------ */

/* Events a second, without overflow for any count and any period below half a year. */
static uint64_t per_second(uint64_t count, uint64_t elapsed_us)
{
	return count / elapsed_us * US_PER_S + count % elapsed_us * US_PER_S / elapsed_us;
}

/* At most 5 digits as they are, more with three digits and a unit: 123k 1.23M 12.3M 4.56G */
static const char *count_text(char *buf, uint64_t v)
{
	static const char units[] = " kMGTPE";
	uint64_t scale = 1;
	unsigned unit = 0;

	if (v < 100000) {
		fmt_buf(buf, COUNT_TEXT, "%llu", (unsigned long long)v);
		return buf;
	}
	for (; v / scale >= 1000; unit++)
		scale *= 1000;

	const unsigned whole = (unsigned)(v / scale);
	const unsigned milli = (unsigned)(v / (scale / 1000) % 1000);

	if (whole >= 100)
		fmt_buf(buf, COUNT_TEXT, "%u%c", whole, units[unit]);
	else if (whole >= 10)
		fmt_buf(buf, COUNT_TEXT, "%u.%u%c", whole, milli / 100, units[unit]);
	else
		fmt_buf(buf, COUNT_TEXT, "%u.%02u%c", whole, milli / 10, units[unit]);
	return buf;
}

/* Megabits: two decimals below 100, none above. */
static const char *mbit_text(char *buf, uint64_t bits)
{
	const uint64_t mbit = bits / 1000000;

	if (mbit < 100)
		fmt_buf(buf, COUNT_TEXT, "%u.%02u", (unsigned)mbit, (unsigned)(bits / 10000 % 100));
	else
		count_text(buf, mbit);
	return buf;
}

/* ---- the table ---------------------------------------------------------------------------- */

static void print_header(struct stats_printer *s)
{
	if (s->rows_to_header--)
		return;
	s->rows_to_header = HEADER_EVERY - 1;
	console_printf("port  rx/s  tx/s  rxMb  txMb rxtot txtot  errs drops nobuf kicks  irqs "
	               "cy/pk busy\n");
}

struct row {
	char name[16];
	unsigned lcore; /* whose effort it shows: of several, the first one's */
	struct netdev_stats now;
};

static void print_row(struct stats_printer *s, const struct row *r, const struct netdev_stats *last,
                      const struct period *p)
{
	const struct netdev_stats *now = &r->now;
	const struct effort *e = &p->effort[r->lcore];
	const uint64_t us = p->elapsed_us;
	char t[12][COUNT_TEXT];

	print_header(s);
	console_printf("%-4s %5s %5s %5s %5s %5s %5s %5s %5s %5s %5s %5s %5s %3u%%\n", r->name,
	               count_text(t[0], per_second(now->rx_packets - last->rx_packets, us)),
	               count_text(t[1], per_second(now->tx_packets - last->tx_packets, us)),
	               mbit_text(t[2], 8 * per_second(now->rx_bytes - last->rx_bytes, us)),
	               mbit_text(t[3], 8 * per_second(now->tx_bytes - last->tx_bytes, us)),
	               count_text(t[4], now->rx_packets), count_text(t[5], now->tx_packets),
	               count_text(t[6], now->rx_errors + now->tx_errors),
	               count_text(t[7], now->tx_dropped), count_text(t[8], now->rx_nombuf),
	               count_text(t[9], per_second(now->kicks - last->kicks, us)),
	               count_text(t[10], per_second(now->interrupts - last->interrupts, us)),
	               count_text(t[11], e->cycles_per_packet), (unsigned)(e->busy_permille / 10));
}

static void stats_add(struct netdev_stats *sum, const struct netdev_stats *s)
{
	sum->rx_packets += s->rx_packets;
	sum->rx_bytes += s->rx_bytes;
	sum->rx_errors += s->rx_errors;
	sum->rx_nombuf += s->rx_nombuf;
	sum->tx_packets += s->tx_packets;
	sum->tx_bytes += s->tx_bytes;
	sum->tx_errors += s->tx_errors;
	sum->tx_dropped += s->tx_dropped;
	sum->kicks += s->kicks;
	sum->interrupts += s->interrupts;
	sum->tx_lost += s->tx_lost;
	sum->failures += s->failures;
}

static unsigned count_queues(void)
{
	unsigned n = 0;

	for (unsigned port = 0; port < netdev_count(); port++)
		n += netdev_get(port)->nb_queues;
	return n;
}

/* Row @i of the table: a queue, or a port when there are too many queues. */
static bool row_get(unsigned i, bool per_port, struct row *r)
{
	unsigned port = 0;

	for (; port < netdev_count(); port++) {
		const unsigned rows = per_port ? 1 : netdev_get(port)->nb_queues;

		if (i < rows)
			break;
		i -= rows;
	}
	if (port == netdev_count())
		return false;

	const struct netdev *dev = netdev_get(port);

	if (!per_port) {
		fmt_buf(r->name, sizeof(r->name), "%u.%u", port, i);
		r->lcore = dev->queue[i].lcore;
		netdev_stats_collect(dev, (uint16_t)i, &r->now);
		return true;
	}
	fmt_buf(r->name, sizeof(r->name), "%u.all", port);
	r->lcore = dev->queue[0].lcore;
	r->now = (struct netdev_stats){0};
	for (uint16_t q = 0; q < dev->nb_queues; q++) {
		struct netdev_stats one;

		netdev_stats_collect(dev, q, &one);
		stats_add(&r->now, &one);
	}
	return true;
}

static void print_table(struct stats_printer *s, const struct period *p, bool always)
{
	const bool per_port = count_queues() > STATS_ROWS_MAX;
	const bool was_active = s->active;
	struct row r;

	s->active = false;
	for (unsigned i = 0; i < STATS_ROWS_MAX && row_get(i, per_port, &r); i++)
		s->active |= memcmp(&r.now, &s->last[i], sizeof(r.now)) != 0;
	if (!s->active && !was_active && !always)
		return;

	for (unsigned i = 0; i < STATS_ROWS_MAX && row_get(i, per_port, &r); i++) {
		print_row(s, &r, &s->last[i], p);
		s->last[i] = r.now;
	}
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void print_json(const struct netdev *dev, uint16_t queue, const struct period *p)
{
	const struct effort *e = &p->effort[dev->queue[queue].lcore];
	struct netdev_stats st;
	struct json j;

	netdev_stats_collect(dev, queue, &st);
	json_begin(&j, "stats");
	json_u64(&j, "t_us", p->now_ns / NS_PER_US);
	json_u64(&j, "port", dev->port);
	json_u64(&j, "queue", queue);
	json_u64(&j, "rx_packets", st.rx_packets);
	json_u64(&j, "rx_bytes", st.rx_bytes);
	json_u64(&j, "rx_errors", st.rx_errors);
	json_u64(&j, "rx_nombuf", st.rx_nombuf);
	json_u64(&j, "tx_packets", st.tx_packets);
	json_u64(&j, "tx_bytes", st.tx_bytes);
	json_u64(&j, "tx_errors", st.tx_errors);
	json_u64(&j, "tx_dropped", st.tx_dropped);
	json_u64(&j, "kicks", st.kicks);
	json_u64(&j, "interrupts", st.interrupts);
	json_u64(&j, "tx_lost", st.tx_lost);
	json_u64(&j, "failures", st.failures);
	json_u64(&j, "cycles_per_packet", e->cycles_per_packet);
	json_u64(&j, "busy_permille", e->busy_permille);
	json_end(&j);
}

static void print_all_json(const struct period *p)
{
	for (unsigned port = 0; port < netdev_count(); port++) {
		const struct netdev *dev = netdev_get(port);

		for (uint16_t q = 0; q < dev->nb_queues; q++)
			print_json(dev, q, p);
	}
}

/* ---- periods ------------------------------------------------------------------------------ */

static READS_OTHERS struct stats_effort effort_now(const struct stats_printer *s, unsigned lcore)
{
	return lcore ? *s->effort_of[lcore] : s->effort;
}

/* What lcore @i did since the last period. */
static struct effort effort_take(struct stats_printer *s, unsigned i)
{
	const struct stats_effort last = s->seen[i], now = effort_now(s, i);
	const uint64_t total = now.total_cycles - last.total_cycles;
	const uint64_t busy = now.busy_cycles - last.busy_cycles;
	const uint64_t packets = now.busy_packets - last.busy_packets;

	s->seen[i] = now;
	return (struct effort){
	    .cycles_per_packet = packets ? busy / packets : 0,
	    .busy_permille = total ? busy * 1000 / total : 0,
	};
}

static void print_period(struct stats_printer *s, uint64_t now_ns, bool always)
{
	struct period p = {
	    .now_ns = now_ns,
	    .elapsed_us = max_u64((now_ns - s->last_ns) / NS_PER_US, 1),
	};

	assert(s->nb_lcores);
	for (unsigned i = 0; i < s->nb_lcores; i++)
		p.effort[i] = effort_take(s, i);
	if (s->mode == STATS_JSON)
		print_all_json(&p);
	else if (s->mode == STATS_TEXT)
		print_table(s, &p, always);
	s->last_ns = now_ns;
}

void stats_poll(struct stats_printer *s, uint64_t now_ns)
{
	if (likely(now_ns < s->next_ns))
		return;
	if (!s->next_ns)
		s->last_ns = now_ns;
	else
		print_period(s, now_ns, false);

	/* periods that were missed are not made up for */
	s->next_ns += s->period_ns;
	if (s->next_ns <= now_ns)
		s->next_ns = now_ns + s->period_ns;
}

void stats_print_now(struct stats_printer *s, uint64_t now_ns)
{
	print_period(s, now_ns, true);
}
