/*
 * The composition root: the only file that names the platform's contract, a driver, the stack and
 * the applications together. It reads the options, brings up the ports, starts one application and
 * runs the loop.
 */
#include "kernel/main.h"
#include "apps/app.h"
#include "apps/commands.h"
#include "drivers/virtio/virtio_bus.h"
#include "drivers/virtio/virtio_net.h"
#include "kernel/assert.h"
#include "kernel/console.h"
#include "kernel/fmt.h"
#include "kernel/errno.h"
#include "kernel/json.h"
#include "kernel/lcore.h"
#include "kernel/log.h"
#include "kernel/memory.h"
#include "kernel/options.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/idle.h"
#include "net/net_stack.h"
#include "net/netdev_stats.h"
#include "net/share.h"
#include "net/soft_rss.h"
#include <arch/cpu.h>

#define NS_PER_SECOND 1000000000ull
#define HOUSEKEEPING_PER_SECOND 2000 /* timers, statistics, console */
#define APP_NAMES_LEN 256
#define LINK_POLL_NS (NS_PER_SECOND / 10) /* configuration changes of the devices */
#define CONSOLE_WAIT_NS 1000000ull        /* a slow transmitter takes some bytes more */

static bool app_is_known(const char *name);

static char app_names[APP_NAMES_LEN]; /* "echo sink": what app= may be */

static const struct option core_options[] = {
    {.key = "app",
     .kind = OPTION_TEXT,
     .fallback = "echo",
     .allowed = app_names,
     .check = app_is_known,
     .help = "the application to run"},
    {.key = "stats",
     .kind = OPTION_WORD,
     .fallback = "text",
     .allowed = "text json off",
     .help = "statistics on the console"},
    {.key = "stats.period",
     .kind = OPTION_UINT,
     .fallback = "1",
     .min = 1,
     .max = 86400,
     .help = "seconds between statistics"},
    {.key = "log",
     .kind = OPTION_TEXT,
     .fallback = "info",
     .allowed = "level or subsystem:level,... of error warn info debug",
     .check = log_levels_valid,
     .help = "how much is logged"},
    {.key = "lcores",
     .kind = OPTION_TEXT,
     .allowed = "a count, or a list of processors as 0-3,5",
     .check = lcores_valid,
     .help = "processors that poll (all that have work)"},
    {.key = "stop_on_error",
     .kind = OPTION_BOOL,
     .fallback = "1",
     .help = "stop the boot at a wrong option"},
};

/* The loop's state, of the first lcore. */
static struct main_loop {
	struct net_stack stack;
	const struct app *app;
	struct stats_printer stats;
	struct idle idle;
	uint64_t next_link_ns;
	struct worker *workers;
	bool rested; /* and no packet has ended it: something else may have */
	bool ready;
} loop;

/* Another lcore's. */
struct worker {
	struct net_stack *stack;
	struct stats_effort effort;
	struct idle idle;
} __attribute__((aligned(CACHE_LINE)));

/* ---- applications ------------------------------------------------------------------------- */

static const struct app *app_find(const char *name)
{
	for (const struct app *a = __start_ringzero_apps; a < __stop_ringzero_apps; a++) {
		if (!strcmp(a->name, name))
			return a;
	}
	return NULL;
}

static bool app_is_known(const char *name)
{
	return app_find(name) != NULL;
}

/* ---- options ------------------------------------------------------------------------------ */

static void declare_options(void)
{
	size_t len = 0;

	for (const struct app *a = __start_ringzero_apps; a < __stop_ringzero_apps; a++)
		len += fmt_buf(app_names + len, sizeof(app_names) - len, "%s%s", len ? " " : "",
		               a->name);
	assert(len < sizeof(app_names));
	options_declare(core_options, ARRAY_SIZE(core_options));
	options_declare(virtio_net_options, virtio_net_nb_options);
	options_declare(virtio_bus.options, virtio_bus.nb_options);
	options_declare(net_stack_options, net_stack_nb_options);
	for (const struct app *a = __start_ringzero_apps; a < __stop_ringzero_apps; a++) {
		if (a->nb_options)
			options_declare(a->options, a->nb_options);
	}
}

static unsigned parse_lines(const struct boot_args *boot, enum options_report how)
{
	unsigned errors = 0;

	options_report_as(how);
	for (unsigned i = 0; i < boot->nb_cmdlines; i++)
		errors += options_parse(boot->cmdline[i], boot->cmdline_from[i]);
	return errors;
}

static unsigned report_cuts(const struct boot_args *boot, enum log_level level)
{
	unsigned errors = 0;

	for (unsigned i = 0; i < boot->nb_cmdlines; i++) {
		if (!boot->cmdline_cut[i])
			continue;
		errors++;
		log_line(level, "options",
		         "%s: longer than %d bytes: what does not fit is not used, the first such "
		         "word stands behind byte %zu",
		         boot->cmdline_from[i], BOOT_CMDLINE_LEN - 1, strlen(boot->cmdline[i]));
	}
	return errors;
}

/*
 * Wrong words are logged one by one; then they end the boot, or do not. They are read twice, for
 * how they are told of is an option itself.
 */
static void read_options(const struct boot_args *boot)
{
	parse_lines(boot, OPTIONS_REPORT_NOTHING);
	log_set_json(!strcmp(options_get("stats"), "json"));

	const bool stop = options_u64("stop_on_error");
	const unsigned errors =
	    parse_lines(boot, stop ? OPTIONS_REPORT_ERROR : OPTIONS_REPORT_WARNING) +
	    report_cuts(boot, stop ? LOG_ERROR : LOG_WARN);

	log_set_levels(options_get("log"));
	if (!errors)
		return;
	if (stop) {
		log_err("options",
		        "%u wrong word(s): the boot stops here; correct them, or give "
		        "stop_on_error=0 to go on without them",
		        errors);
		console_flush();
		plat_fail();
	}
	log_warn("options", "%u wrong word(s) ignored, as stop_on_error=0 says", errors);
}

static enum stats_mode stats_mode(void)
{
	const char *mode = options_get("stats");

	if (!strcmp(mode, "json"))
		return STATS_JSON;
	return !strcmp(mode, "text") ? STATS_TEXT : STATS_OFF;
}

/* ---- ports -------------------------------------------------------------------------------- */

/* The reason is logged. */
static void port_missing(void)
{
	if (!virtio_bus.all_needed)
		return;
	console_flush();
	plat_fail();
}

static void start_port(struct netdev *dev)
{
	int err;

	if (loop.app->tell_idle && !options_given("net.mode", dev->port))
		dev->mode = NETDEV_INTERRUPT;
	soft_rss_attach(dev);
	err = dev->ops->start(dev);
	if (err && err != -EAGAIN) {
		log_err("net", "port %u does not start (error %d)", dev->port, -err);
		port_missing();
		return;
	}
	if (log_json())
		netdev_print(dev);
	err = loop.app->take_port ? loop.app->take_port(dev) : net_stack_add_port(&loop.stack, dev);
	if (err)
		log_err("net", "port %u is not served (error %d)", dev->port, -err);
}

static void probe_card(unsigned nth, size_t budget)
{
	struct virtio_dev *vd = virtio_bus.probe(nth);

	if (vd && virtio_net_probe(vd, budget))
		return;
	if (vd)
		virtio_bus.release(vd);
	port_missing();
}

/* Every virtio network device becomes a port. */
static void probe_ports(void)
{
	const unsigned found = virtio_bus.scan();
	const unsigned nb_cards = (unsigned)min_u64(found, NETDEV_PORTS_MAX);
	/* an equal share for each, and a quarter stays free */
	const size_t budget = mem_free_bytes() / max_u64(nb_cards, 1) / 4 * 3;

	if (found > nb_cards)
		log_warn("net",
		         "%u network cards, of which the first %u are used, which is the most",
		         found, nb_cards);
	for (unsigned i = 0; i < nb_cards; i++)
		probe_card(i, budget);
	for (unsigned i = 0; i < netdev_count(); i++)
		start_port(netdev_get(i));
}

/* ---- the loop ----------------------------------------------------------------------------- */

/* "ready" when the first port can be reached; an application with ports of its own is at once. */
static void check_ready(uint64_t now_ns)
{
	struct json j;

	loop.ready = loop.app->take_port != NULL;
	for (unsigned i = 0; i < loop.stack.nb_ifs; i++)
		loop.ready |= net_if_ready(&loop.stack.ifs[i]);
	if (!loop.ready)
		return;
	log_info("main", "application %s is ready after %u us", loop.app->name,
	         (unsigned)(now_ns / 1000));
	if (!log_json())
		return;
	json_begin(&j, "ready");
	json_string(&j, "app", loop.app->name);
	json_u64(&j, "boot_us", now_ns / 1000);
	json_end(&j);
}

/* All of them when it is time, before that those that have news. */
static void poll_links(uint64_t now_ns)
{
	const bool all = now_ns >= loop.next_link_ns;

	if (all)
		loop.next_link_ns = now_ns + LINK_POLL_NS;
	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);

		if (!all && likely(!__atomic_load_n(&dev->news, __ATOMIC_RELAXED)))
			continue;
		__atomic_store_n(&dev->news, false, __ATOMIC_SEQ_CST);
		dev->ops->link_poll(dev);
	}
	if (!all)
		return;
	if (virtio_bus.poll)
		virtio_bus.poll();
	plat_irq_report();
}

static void tell_idle(uint64_t now_ns)
{
	idle_tell(&loop.idle, loop.app->tell_idle, now_ns);
	for (unsigned i = 1; i < loop.stack.nb_lcores; i++)
		idle_tell(&loop.workers[i - 1].idle, loop.app->tell_idle, now_ns);
}

/* What need not be done for every packet. */
static NOINLINE void housekeeping(void)
{
	const uint64_t now_ns = plat_time_ns();

	net_stack_timers(&loop.stack, now_ns);
	if (unlikely(!loop.ready))
		check_ready(now_ns);
	poll_links(now_ns);
	if (loop.app->tell_idle)
		tell_idle(now_ns);
	stats_poll(&loop.stats, now_ns);
	console_poll();
}

/* Platforms that nobody can ask to end need not supply it. */
__attribute__((weak)) bool plat_end_asked(void)
{
	return false;
}

static NORETURN void end(void)
{
	for (unsigned i = 0; i < netdev_count(); i++)
		netdev_get(i)->ops->stop(netdev_get(i));
	/* behind it: what the devices still had is lost, and counted */
	stats_print_now(&loop.stats, plat_time_ns());
	log_info("main", "asked to end");
	console_flush();
	plat_poweroff();
}

/* When the first lcore has something to do, whatever comes. */
static uint64_t next_duty_ns(void)
{
	uint64_t next = min_u64(loop.stack.next_timer_ns, loop.next_link_ns);

	if (loop.stats.mode != STATS_OFF)
		next = min_u64(next, loop.stats.next_ns);
	if (console_waits())
		next = min_u64(next, plat_time_ns() + CONSOLE_WAIT_NS);
	return next;
}

/* An application that has work of its own never sleeps. */
static bool wants_rest(struct idle *idle, const struct stats_effort *effort, uint64_t now)
{
	return !(loop.app->busy && loop.app->busy()) && idle_wants(idle, effort->busy_packets, now);
}

/* Nothing came in. Return: cpu_cycles() from when on the next turn counts. */
static NOINLINE uint64_t rest_first(uint64_t now)
{
	if (!wants_rest(&loop.idle, &loop.stats.effort, now))
		return now;
	loop.rested = !idle_sleep(&loop.idle, next_duty_ns());
	if (loop.rested)
		console_look();
	/* what came meanwhile is not as old as the last look at the clock */
	net_stack_timers(&loop.stack, plat_time_ns());
	stats_work(&loop.stats.effort, cpu_cycles() - now, 0);
	return cpu_cycles();
}

static NOINLINE uint64_t rest_other(struct worker *w, uint64_t now)
{
	if (!wants_rest(&w->idle, &w->effort, now))
		return now;
	(void)idle_sleep(&w->idle, w->stack->next_timer_ns);
	net_stack_timers(w->stack, plat_time_ns());
	stats_work(&w->effort, cpu_cycles() - now, 0);
	return cpu_cycles();
}

/* The loop of a further lcore. It logs nothing and uses no console. */
static void work(void *arg)
{
	const uint64_t interval = plat_cycles_hz() / HOUSEKEEPING_PER_SECOND;
	struct worker *w = arg;
	uint64_t last = cpu_cycles(), next = last;

	for (;;) {
		unsigned packets;
		uint64_t now;

		lcore_rest_if_asked(w->stack->lcore);
		packets = net_stack_poll(w->stack);
		if (loop.app->poll)
			packets += loop.app->poll(w->stack);
		now = cpu_cycles();
		stats_work(&w->effort, now - last, packets);
		last = now;
		if (unlikely((int64_t)(now - next) >= 0)) {
			net_stack_timers(w->stack, plat_time_ns());
			next = now + interval;
		}
		if (!packets && unlikely(w->idle.on))
			last = rest_other(w, now);
	}
}

/* So many that there is work for each. */
static unsigned plan_lcores(void)
{
	const struct app *app = loop.app;
	unsigned most = 0;

	for (unsigned i = 0; i < loop.stack.nb_ifs; i++)
		most += loop.stack.ifs[i].dev->nb_queues;
	if (app->lcores_most)
		most = app->lcores_most(&loop.stack);
	if (!app->start_lcore)
		most = 1;
	return lcore_plan((unsigned)min_u64(max_u64(most, 1), LCORES_MAX),
	                  app->lcore_needs ? app->lcore_needs : "a queue pair");
}

static int start_worker(struct worker *w, unsigned i)
{
	w->stack = net_share_stack(&loop.stack, i);
	idle_init(&w->idle, w->stack);
	stats_add_lcore(&loop.stats, &w->effort);
	return loop.app->start_lcore(w->stack);
}

/* The application runs on the first lcore; now on the others, too. */
static void start_lcores(unsigned n)
{
	struct worker *w = mem_alloc("lcores", (n - 1) * sizeof(*w), CACHE_LINE);
	int err = w ? 0 : -ENOMEM;

	loop.workers = w;
	for (unsigned i = 1; !err && i < n; i++)
		err = start_worker(&w[i - 1], i);
	if (err)
		panic("%u lcores do not start (error %d); ask for fewer: lcores=", n, -err);
	for (unsigned i = 1; i < n; i++)
		lcore_start(i, work, &w[i - 1]);
}

static NORETURN void run(void)
{
	const uint64_t interval = plat_cycles_hz() / HOUSEKEEPING_PER_SECOND;
	uint64_t last = cpu_cycles(), next = last;

	for (;;) {
		unsigned packets = net_stack_poll(&loop.stack);
		uint64_t now;

		if (loop.app->poll)
			packets += loop.app->poll(&loop.stack);
		now = cpu_cycles();
		stats_work(&loop.stats.effort, now - last, packets);
		last = now;
		/* the difference, so that a counter that jumps back only delays */
		if (unlikely((int64_t)(now - next) >= 0)) {
			housekeeping();
			if (unlikely(plat_end_asked()))
				end();
			loop.rested = false;
			next = now + interval;
		}
		if (!packets && unlikely(loop.idle.on)) {
			last = rest_first(now);
			next = loop.rested ? last : next;
		}
	}
}

void kmain(const struct boot_args *boot)
{
	unsigned nb_lcores;

	declare_options();
	read_options(boot);
	log_info("main", "ringzero, booted by %s, %zu KiB of memory free", boot->loader,
	         mem_free_bytes() >> 10);
	commands_init(&loop.stack);

	loop.app = app_find(options_get("app"));
	stats_init(&loop.stats, stats_mode(), options_u64("stats.period") * NS_PER_SECOND);
	if (net_stack_init(&loop.stack))
		panic("memory for the network stack is missing: %zu KiB are free; give the machine "
		      "more",
		      mem_free_bytes() >> 10);
	probe_ports();
	nb_lcores = plan_lcores();
	if (nb_lcores > 1 && net_share_create(&loop.stack, nb_lcores))
		panic("memory for %u lcores is missing; ask for fewer: lcores=", nb_lcores);
	if (loop.app->start(&loop.stack)) {
		log_err("main", "application %s does not start", loop.app->name);
		console_flush();
		plat_fail();
	}
	idle_init(&loop.idle, &loop.stack);
	if (nb_lcores > 1)
		start_lcores(nb_lcores);
	console_live();
	run();
}
