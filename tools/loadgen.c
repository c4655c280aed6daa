/*
 * loadgen - closed-loop load for a guest that echoes UDP: keeps a window of datagrams outstanding,
 * checks every byte of every answer, and tells what was lost, late, doubled or wrong, the round
 * trip times and the rate, as one JSON object on standard output.
 *
 * Frames travel through QEMU's netdev "dgram" (unix or inet), through a tap (packet), or the
 * host's own UDP stack (for user networking's port forwarding). A datagram that is not answered
 * within --timeout is lost; an answer after that is late and does not make it less lost. So
 * sent = received + lost always holds at the end.
 *
 * Every payload begins with this run's number and a sequence number (8 bytes); the rest is a slice
 * of a fixed random pattern that starts elsewhere for every sequence number, so that an answer with
 * another datagram's tail is noticed.
 */
#define _GNU_SOURCE
#include "tools/loadgen.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STAMP_LEN 8
#define FRAME_MIN (HEADERS_LEN + STAMP_LEN)
#define FLIGHTS 65536u /* datagrams remembered, a power of two */
#define WINDOW_MAX 4096u
#define COUNT_MAX 10000000u
#define PATTERN_STEPS 1021u /* prime, so that no power of two of datagrams repeats it */

enum flight_state { UNUSED, OUTSTANDING, ANSWERED, LOST };

struct flight {
	uint32_t seq;
	enum flight_state state;
	uint64_t sent_ns;
};

struct config {
	unsigned frame_len, window;
	uint64_t count, warm;
	uint64_t time_ns, timeout_ns;
	uint64_t gap_ns; /* between an answer and what is sent next, with nothing outstanding */
	uint64_t first_t0_ns; /* CLOCK_REALTIME; 0: not asked for */
	bool busy;            /* never sleep */
};

struct tally {
	uint64_t sent, received, lost, late, duplicate, bad, foreign;
};

struct loadgen {
	struct config cfg;
	struct link link;
	struct tally tally;
	uint32_t run;
	uint32_t next_seq, oldest_seq; /* those between may be outstanding */
	unsigned outstanding;
	uint64_t measured_from_ns, last_answer_ns;
	uint64_t received_when_warm;
	uint32_t *rtt_ns;
	uint64_t nb_rtt;
	struct flight flights[FLIGHTS];
	uint8_t pattern[PATTERN_STEPS + FRAME_MAX];
	uint8_t tx[BATCH][FRAME_MAX], rx[BATCH][FRAME_MAX];
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static size_t payload_len(const struct loadgen *lg)
{
	return lg->cfg.frame_len - HEADERS_LEN;
}

static void fill_payload(const struct loadgen *lg, uint8_t *p, uint32_t seq)
{
	const uint32_t stamp[2] = {lg->run, seq};

	memcpy(p, stamp, STAMP_LEN);
	memcpy(p + STAMP_LEN, lg->pattern + seq % PATTERN_STEPS, payload_len(lg) - STAMP_LEN);
}

/* ---- answers ------------------------------------------------------------------------------- */

static void settle(struct loadgen *lg, uint32_t seq, uint64_t now)
{
	struct flight *fl = &lg->flights[seq % FLIGHTS];
	uint64_t rtt;

	if (fl->seq != seq || fl->state == UNUSED || fl->state == LOST) {
		lg->tally.late++;
		return;
	}
	if (fl->state == ANSWERED) {
		lg->tally.duplicate++;
		return;
	}
	fl->state = ANSWERED;
	lg->outstanding--;
	lg->last_answer_ns = now;
	if (++lg->tally.received <= lg->cfg.warm) {
		lg->measured_from_ns = now;
		lg->received_when_warm = lg->tally.received;
		return;
	}
	rtt = now - fl->sent_ns;
	if (lg->nb_rtt < lg->cfg.count)
		lg->rtt_ns[lg->nb_rtt++] = rtt > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt;
}

static void take_answer(struct loadgen *lg, const struct buffer *in, uint64_t now)
{
	const uint8_t *payload;
	const enum verdict verdict = link_judge(&lg->link, in, payload_len(lg), &payload);
	uint32_t stamp[2];

	if (verdict == FOREIGN) {
		lg->tally.foreign++;
		return;
	}
	memcpy(stamp, payload, STAMP_LEN); /* buffers are longer than any header and stamp */
	if (verdict == ANSWER && stamp[0] != lg->run) {
		lg->tally.foreign++; /* an earlier run's, still under way */
		return;
	}
	if (verdict == BAD || memcmp(payload + STAMP_LEN, lg->pattern + stamp[1] % PATTERN_STEPS,
	                             payload_len(lg) - STAMP_LEN)) {
		lg->tally.bad++;
		return;
	}
	settle(lg, stamp[1], now);
}

static unsigned receive(struct loadgen *lg)
{
	struct buffer buffers[BATCH];
	uint64_t now;
	unsigned n;

	for (unsigned i = 0; i < BATCH; i++)
		buffers[i] = (struct buffer){lg->rx[i], FRAME_MAX};
	n = link_receive(&lg->link, buffers, BATCH);
	now = now_ns(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < n; i++)
		take_answer(lg, &buffers[i], now);
	return n;
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* Give up what has waited too long. Sent in order, so the oldest come first. */
static void expire(struct loadgen *lg, uint64_t now)
{
	while (lg->oldest_seq != lg->next_seq) {
		struct flight *fl = &lg->flights[lg->oldest_seq % FLIGHTS];

		if (fl->state == OUTSTANDING) {
			if (now - fl->sent_ns < lg->cfg.timeout_ns)
				return;
			fl->state = LOST;
			lg->outstanding--;
			lg->tally.lost++;
		}
		lg->oldest_seq++;
	}
}

/* How many more may be sent now. */
static unsigned room(const struct loadgen *lg)
{
	uint64_t left = lg->cfg.count + lg->cfg.warm - lg->tally.sent;
	unsigned n = lg->cfg.window - lg->outstanding;

	if (lg->next_seq - lg->oldest_seq + n > FLIGHTS)
		n = 0; /* one slow answer holds the memory of all later ones: wait for it */
	if (n > BATCH)
		n = BATCH;
	return n < left ? n : (unsigned)left;
}

static void fill_buffer(const struct loadgen *lg, struct buffer *b, uint32_t seq)
{
	fill_payload(lg, b->data + link_payload_at(&lg->link), seq);
	b->len = link_finish(&lg->link, b->data, payload_len(lg), (uint16_t)seq);
}

/* Fill the window. Returns true when the other end takes no more at the moment. */
static bool fill_window(struct loadgen *lg)
{
	struct buffer buffers[BATCH];
	unsigned n, sent;

	while ((n = room(lg)) > 0) {
		const uint64_t now = now_ns(CLOCK_MONOTONIC);

		for (unsigned i = 0; i < n; i++) {
			buffers[i].data = lg->tx[i];
			fill_buffer(lg, &buffers[i], lg->next_seq + i);
		}
		sent = link_send(&lg->link, buffers, n);
		for (unsigned i = 0; i < sent; i++, lg->next_seq++)
			lg->flights[lg->next_seq % FLIGHTS] =
			    (struct flight){lg->next_seq, OUTSTANDING, now};
		lg->outstanding += sent;
		lg->tally.sent += sent;
		if (sent < n)
			return true;
	}
	return false;
}

/* Time for the guest to fall asleep. */
static void keep_gap(const struct loadgen *lg)
{
	const uint64_t until = lg->last_answer_ns + lg->cfg.gap_ns;
	const struct timespec t = {(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};

	if (lg->cfg.gap_ns && !lg->outstanding)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static bool finished(const struct loadgen *lg, uint64_t now, uint64_t deadline)
{
	if (lg->cfg.first_t0_ns && lg->tally.received + lg->tally.late)
		return true;
	if (now >= deadline)
		return true;
	return lg->tally.sent == lg->cfg.count + lg->cfg.warm && !lg->outstanding;
}

static void run(struct loadgen *lg)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	const uint64_t deadline = now + lg->cfg.time_ns;

	lg->measured_from_ns = lg->last_answer_ns = now;
	while (!finished(lg, now, deadline)) {
		keep_gap(lg);

		bool blocked = fill_window(lg);

		if (!receive(lg) && !lg->cfg.busy)
			link_wait(&lg->link, blocked, lg->cfg.first_t0_ns ? 1 : 20);
		now = now_ns(CLOCK_MONOTONIC);
		expire(lg, now);
	}
	lg->tally.lost += lg->outstanding;
}

/* ---- results ------------------------------------------------------------------------------- */

static int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void print_rtt(struct loadgen *lg)
{
	const uint64_t n = lg->nb_rtt;
	double sum = 0;

	if (!n) {
		printf("\"rtt_us\":null");
		return;
	}
	qsort(lg->rtt_ns, n, sizeof(lg->rtt_ns[0]), compare_u32);
	for (uint64_t i = 0; i < n; i++)
		sum += lg->rtt_ns[i];

	const uint64_t median = n / 2, p99 = n - 1 - n / 100;

	printf("\"rtt_us\":{\"min\":%.1f,\"median\":%.1f,\"mean\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
	       lg->rtt_ns[0] / 1e3, lg->rtt_ns[median] / 1e3, sum / (double)n / 1e3,
	       lg->rtt_ns[p99] / 1e3, lg->rtt_ns[n - 1] / 1e3);
}

static int print_first(const struct loadgen *lg)
{
	const double ms = (double)(now_ns(CLOCK_REALTIME) - lg->cfg.first_t0_ns) / 1e6;

	if (!(lg->tally.received + lg->tally.late)) {
		printf("{\"first_ms\":null,\"sent\":%" PRIu64 "}\n", lg->tally.sent);
		return 1;
	}
	printf("{\"first_ms\":%.2f,\"sent\":%" PRIu64 "}\n", ms, lg->tally.sent);
	return 0;
}

static int print_results(struct loadgen *lg)
{
	const struct tally *t = &lg->tally;
	const double s = (double)(lg->last_answer_ns - lg->measured_from_ns) / 1e9;
	const double pps = s > 0 ? (double)(t->received - lg->received_when_warm) / s : 0;

	printf("{\"frame\":%u,\"window\":%u,\"sent\":%" PRIu64 ",\"received\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"late\":%" PRIu64 ",\"duplicate\":%" PRIu64
	       ",\"bad\":%" PRIu64 ",\"foreign\":%" PRIu64 ",\"blocked\":%" PRIu64,
	       lg->cfg.frame_len, lg->cfg.window, t->sent, t->received, t->lost, t->late,
	       t->duplicate, t->bad, t->foreign, lg->link.blocked);
	printf(",\"seconds\":%.4f,\"pps\":%.0f,\"mbit_s\":%.1f,", s, pps,
	       pps * lg->cfg.frame_len * 8 / 1e6);
	print_rtt(lg);
	printf("}\n");
	return t->received && !t->lost && !t->bad && !t->duplicate ? 0 : 1;
}

/* ---- options ------------------------------------------------------------------------------- */

static const char usage_text[] =
    "usage: loadgen TRANSPORT [OPTION...]\n"
    "  --unix OWN,QEMU       unix datagram sockets (QEMU: -netdev dgram, type unix)\n"
    "  --inet OWN,QEMU       UDP ports of 127.0.0.1 (QEMU: -netdev dgram, type inet)\n"
    "  --packet INTERFACE    a tap or veth, as root\n"
    "  --udp HOST:PORT       the host's own UDP (QEMU: -netdev user,hostfwd=...)\n"
    "  --size BYTES          frame without FCS, 50..9728 (64); the payload has 42 less\n"
    "  --window N            outstanding at most, 1..4096 (1)\n"
    "  --count N, --warm N   datagrams measured (20000), and before them (100)\n"
    "  --time MS             give up after (30000)\n"
    "  --timeout MS          an answer later than this is lost (250)\n"
    "  --gap US              between an answer and the next datagram, with window 1 (0)\n"
    "  --first T0            only time from T0 (ns since 1970, 'date +%s%N') to the first answer\n"
    "  --guest-mac --guest-ip --guest-port --own-mac --own-ip --own-port\n"
    "  --any-header          take answers by payload alone (a guest that swaps only MACs)\n"
    "  --busy                never sleep\n"
    "Exit status: 0 all answered, 1 some lost or wrong, 2 could not run.\n";

static void NORETURN usage(const char *why, const char *word)
{
	fprintf(stderr, "loadgen: %s: \"%s\"\n%s", why, word, usage_text);
	exit(2);
}

enum option_kind {
	OWN_END,
	ADDRESS_IP,
	ADDRESS_MAC,
	PORT,
	UNSIGNED,
	NUMBER,
	MILLISECONDS,
	MICROSECONDS,
	FLAG
};

static const struct option {
	const char *name;
	enum option_kind kind;
	size_t offset; /* in struct loadgen; of a transport: its enum value */
	uint64_t min, max;
} options[] = {
    {"--unix", OWN_END, UNIX_DGRAM, 0, 0},
    {"--inet", OWN_END, INET_DGRAM, 0, 0},
    {"--packet", OWN_END, PACKET, 0, 0},
    {"--udp", OWN_END, UDP, 0, 0},
    {"--size", UNSIGNED, offsetof(struct loadgen, cfg.frame_len), FRAME_MIN, FRAME_MAX},
    {"--window", UNSIGNED, offsetof(struct loadgen, cfg.window), 1, WINDOW_MAX},
    {"--count", NUMBER, offsetof(struct loadgen, cfg.count), 1, COUNT_MAX},
    {"--warm", NUMBER, offsetof(struct loadgen, cfg.warm), 0, COUNT_MAX},
    {"--time", MILLISECONDS, offsetof(struct loadgen, cfg.time_ns), 1, 3600000},
    {"--timeout", MILLISECONDS, offsetof(struct loadgen, cfg.timeout_ns), 1, 60000},
    {"--gap", MICROSECONDS, offsetof(struct loadgen, cfg.gap_ns), 0, 1000000},
    {"--first", NUMBER, offsetof(struct loadgen, cfg.first_t0_ns), 1, UINT64_MAX},
    {"--guest-mac", ADDRESS_MAC, offsetof(struct loadgen, link.guest_mac), 0, 0},
    {"--guest-ip", ADDRESS_IP, offsetof(struct loadgen, link.guest_ip), 0, 0},
    {"--guest-port", PORT, offsetof(struct loadgen, link.guest_port), 1, 65535},
    {"--own-mac", ADDRESS_MAC, offsetof(struct loadgen, link.own_mac), 0, 0},
    {"--own-ip", ADDRESS_IP, offsetof(struct loadgen, link.own_ip), 0, 0},
    {"--own-port", PORT, offsetof(struct loadgen, link.own_port), 1, 65535},
    {"--any-header", FLAG, offsetof(struct loadgen, link.any_header), 0, 0},
    {"--busy", FLAG, offsetof(struct loadgen, cfg.busy), 0, 0},
};

static uint64_t number(const struct option *opt, const char *text)
{
	char *end;
	const uint64_t v = strtoull(text, &end, 0);

	if (end == text || *end || v < opt->min || v > opt->max) {
		fprintf(stderr, "loadgen: %s %s: not a number of %" PRIu64 "..%" PRIu64 "\n",
		        opt->name, text, opt->min, opt->max);
		exit(2);
	}
	return v;
}

static bool set_address(const struct option *opt, void *field, const char *arg)
{
	uint8_t *b = field;

	if (opt->kind == ADDRESS_IP)
		return inet_pton(AF_INET, arg, field) == 1;
	return sscanf(arg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", b, b + 1, b + 2, b + 3, b + 4, b + 5) ==
	       6;
}

static void set_option(struct loadgen *lg, const struct option *opt, const char *arg)
{
	void *field = (char *)lg + opt->offset;

	switch (opt->kind) {
	case OWN_END:
		lg->link.transport = (enum transport)opt->offset;
		lg->link.where = arg;
		break;
	case ADDRESS_IP:
	case ADDRESS_MAC:
		if (!set_address(opt, field, arg))
			usage("not an address", arg);
		break;
	case PORT:
		*(uint16_t *)field = (uint16_t)number(opt, arg);
		break;
	case UNSIGNED:
		*(unsigned *)field = (unsigned)number(opt, arg);
		break;
	case NUMBER:
		*(uint64_t *)field = number(opt, arg);
		break;
	case MILLISECONDS:
		*(uint64_t *)field = number(opt, arg) * NS_PER_MS;
		break;
	case MICROSECONDS:
		*(uint64_t *)field = number(opt, arg) * NS_PER_US;
		break;
	case FLAG:
		*(bool *)field = true;
		break;
	}
}

static const struct option *find_option(const char *word)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!strcmp(options[i].name, word))
			return &options[i];
	usage("unknown option", word);
}

static void read_options(struct loadgen *lg, int argc, char **argv)
{
	lg->cfg = (struct config){
	    .frame_len = 64,
	    .window = 1,
	    .count = 20000,
	    .warm = 100,
	    .time_ns = 30 * NS_PER_S,
	    .timeout_ns = 250 * NS_PER_MS,
	};
	lg->link = (struct link){
	    .guest_mac = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56},
	    .own_mac = {0x52, 0x55, 0x00, 0xd0, 0x00, 0x01},
	    .guest_ip = inet_addr("10.0.2.15"),
	    .own_ip = inet_addr("10.0.2.2"),
	    .guest_port = 7,
	    .own_port = 40000,
	};
	for (int i = 1; i < argc; i++) {
		const struct option *opt = find_option(argv[i]);

		if (opt->kind != FLAG && ++i == argc)
			usage("needs a value", opt->name);
		set_option(lg, opt, argv[i]);
	}
	if (lg->link.transport == NO_TRANSPORT)
		usage("one of these is needed", "--unix --inet --packet --udp");
	if (lg->cfg.first_t0_ns) { /* a probe a millisecond, until one is answered */
		lg->cfg.window = 1;
		lg->cfg.timeout_ns = NS_PER_MS;
		lg->cfg.count = COUNT_MAX;
		lg->cfg.warm = 0;
	}
}

int main(int argc, char **argv)
{
	static struct loadgen lg;
	uint32_t random = 1;

	read_options(&lg, argc, argv);
	lg.run = (uint32_t)now_ns(CLOCK_REALTIME) ^ (uint32_t)getpid() << 16;
	for (size_t i = 0; i < sizeof(lg.pattern); i++) {
		random = random * 1664525u + 1013904223u;
		lg.pattern[i] = (uint8_t)(random >> 24);
	}
	lg.rtt_ns = calloc(lg.cfg.count, sizeof(lg.rtt_ns[0]));
	if (!lg.rtt_ns)
		die("memory");
	link_open(&lg.link);
	run(&lg);
	return lg.cfg.first_t0_ns ? print_first(&lg) : print_results(&lg);
}
