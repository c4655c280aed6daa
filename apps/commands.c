/*
 * The console's commands that every application has: power off, a look at ports, counters and PCI,
 * and, for testing what happens then, six ways to crash.
 */
#include "apps/commands.h"
#include "kernel/console.h"
#include "kernel/errno.h"
#include "kernel/lcore.h"
#include "kernel/panic.h"
#include "kernel/pci.h"
#include "kernel/pci_text.h"
#include "kernel/plat.h"
#include "kernel/string.h"
#include "net/net_stack.h"
#include "net/netdev_stats.h"

static const struct net_stack *stack;

static void cmd_poweroff(const char *args)
{
	(void)args;
	console_printf("power off\n");
	for (unsigned i = 0; i < netdev_count(); i++)
		netdev_get(i)->ops->stop(netdev_get(i));
	console_flush();
	plat_poweroff();
}

static void print_line(void *arg, const char *line)
{
	(void)arg;
	console_printf("%s\n", line);
}

static void cmd_lspci(const char *args)
{
	static const struct pci_text_out console = {.line = print_line};

	for (unsigned i = 0; i < pci_count(); i++) {
		const struct pci_dev *d = pci_dev(i);

		if (!strcmp(args, "-vv")) {
			pci_text_verbose(d, &console);
			continue;
		}
		pci_text_short(d, &console);
		if (!strcmp(args, "-x"))
			pci_text_hex(d, &console);
	}
}

static void cmd_port_info(const char *args)
{
	(void)args;
	for (unsigned i = 0; i < netdev_count(); i++)
		netdev_print(netdev_get(i));
}

static void cmd_net_stats(const char *args)
{
	(void)args;
	net_stack_print_stats(stack);
}

static void cmd_lro(const char *args)
{
	const bool on = !strcmp(args, "on");

	if (!on && strcmp(args, "off")) {
		console_printf("port config all lro: one of on off\n");
		return;
	}
	for (unsigned i = 0; i < netdev_count(); i++) {
		struct netdev *dev = netdev_get(i);
		const int err = dev->ops->set_lro ? dev->ops->set_lro(dev, on) : -EOPNOTSUPP;

		if (err == -EOPNOTSUPP)
			console_printf("port %u: lro cannot be switched (net.rx_offloads=lro, and "
			               "a device with ctrl_guest_offloads)\n",
			               i);
		else
			console_printf("port %u: lro %s\n", i, err ? "not switched" : args);
	}
}

/* ---- ways to crash ------------------------------------------------------------------------ */

static void dig(unsigned depth);
static void (*volatile dig_again)(unsigned) = dig; /* unknown to the compiler */

static void dig(unsigned depth)
{
	volatile unsigned here[64];

	here[0] = depth + 1;
	dig_again(here[0]);
	here[0] = depth; /* keeps the call from becoming a jump */
}

static void crash_null(void *arg)
{
	*(volatile unsigned *)arg = 1;
}

static void crash_ud(void *arg)
{
	(void)arg;
	__builtin_trap();
}

static void crash_stack(void *arg)
{
	(void)arg;
	dig(0);
}

static void crash_exec(void *arg)
{
	static uint8_t data[16] = {
	    0xc3}; /* a return on x86: nothing happens if it may be executed */
	const uintptr_t at = (uintptr_t)data;

	(void)arg;
	((void (*)(void))at)();
}

static void crash_code(void *arg)
{
	volatile uintptr_t code = (uintptr_t)crash_exec;

	(void)arg;
	*(volatile uint8_t *)code = 0; /* must not be written */
}

static void crash_panic(void *arg)
{
	(void)arg;
	panic("asked for at the console");
}

static const struct {
	const char *name;
	lcore_fn fn;
} crashes[] = {
    {"null", crash_null}, {"ud", crash_ud},     {"stack", crash_stack},
    {"code", crash_code}, {"exec", crash_exec}, {"panic", crash_panic},
};

/* HOW, or HOW LCORE of one digit or two */
static void cmd_crash(const char *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
		const size_t len = strlen(crashes[i].name);
		const char *digit = args + len + 1;
		unsigned lcore = 0;

		if (strncmp(args, crashes[i].name, len) != 0 || (args[len] && args[len] != ' '))
			continue;
		for (unsigned n = 0; args[len] && n < 2 && *digit >= '0' && *digit <= '9'; n++)
			lcore = 10 * lcore + (unsigned)(*digit++ - '0');
		if (lcore < lcore_count() && !(args[len] && *digit)) {
			lcore_run(lcore, crashes[i].fn, NULL);
			return;
		}
	}
	console_printf("debug crash: one of null ud stack code exec panic, and an lcore below %u\n",
	               lcore_count());
}

static const struct console_command commands[] = {
    {"poweroff", "stop the ports and end the machine with status 0", cmd_poweroff},
    {"lspci", "list PCI functions; -vv in full, -x as bytes", cmd_lspci},
    {"show port info all", "what was negotiated, one JSON line a port", cmd_port_info},
    {"show net stats", "what the stack received, sent and dropped, and why", cmd_net_stats},
    {"port config all lro", "on, off: large receive of ports that have it", cmd_lro},
    {"debug crash", "crash: null, ud, stack, code, exec or panic; on which lcore", cmd_crash},
};

void commands_init(const struct net_stack *st)
{
	stack = st;
	console_add_commands(commands, ARRAY_SIZE(commands));
	port_commands_init();
	rss_commands_init();
	coal_commands_init();
	xstats_commands_init();
}
