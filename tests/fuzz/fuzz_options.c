/*
 * The fuzzer is the one who types: lines of options, console commands' words and log levels. What
 * is accepted must be what its key allows, and every getter must give a value that fits its kind.
 */
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/main.h"
#include "kernel/options.h"
#include "drivers/virtio/virtio_net.h"
#include "net/net_stack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/plat_test.h"

#include <stdlib.h>
#include <string.h>

static bool check_text(const char *value)
{
	return value[0] != 'x';
}

static const struct option keys[] = {
    {.key = "flag", .kind = OPTION_BOOL, .fallback = "1", .help = "h"},
    {.key = "n", .kind = OPTION_UINT, .min = 3, .max = 70000, .fallback = "5", .help = "h"},
    {.key = "big", .kind = OPTION_UINT, .help = "h"},
    {.key = "word", .kind = OPTION_WORD, .allowed = "one two three", .help = "h"},
    {.key = "list", .kind = OPTION_LIST, .allowed = "sse avx2 avx512", .help = "h"},
    {.key = "mac", .kind = OPTION_MAC, .help = "h"},
    {.key = "ip", .kind = OPTION_IP4, .help = "h"},
    {.key = "text", .kind = OPTION_TEXT, .check = check_text, .help = "h"},
    {.key = "log", .kind = OPTION_TEXT, .check = log_levels_valid, .help = "h"},
};

static void check_values(void)
{
	const uint64_t n = options_u64("n");
	const char *word = options_get("word"), *log = options_get("log");
	uint8_t mac[6];
	uint32_t ip;
	unsigned prefix;

	fuzz_require(n >= 3 && n <= 70000, "n is %llu", (unsigned long long)n);
	fuzz_require(options_u64("flag") <= 1, "flag is no flag");
	fuzz_require(!word || !strcmp(word, "one") || !strcmp(word, "two") ||
	                 !strcmp(word, "three"),
	             "word is %s", word);
	fuzz_require(!options_get("mac") ||
	                 (!options_mac(options_get("mac"), mac) && !(mac[0] & 1)),
	             "mac is %s", options_get("mac"));
	fuzz_require(!options_get("ip") || !options_ip4(options_get("ip"), &ip, &prefix),
	             "ip is %s", options_get("ip"));
	fuzz_require(!options_get("text") || options_get("text")[0] != 'x', "text was not checked");
	fuzz_require(!log || !log_set_levels(log), "log is %s", log);
	for (unsigned port = 0; port < OPTIONS_PORTS_MAX; port += 21) {
		const uint64_t mtu = options_port_u64("net.mtu", port);

		fuzz_require(!mtu || (mtu >= NETDEV_MTU_MIN && mtu <= NETDEV_MTU_MAX), "mtu %llu",
		             (unsigned long long)mtu);
		options_given("net.mac", port);
		options_port_get("net.ip", port);
	}
	options_u64("big");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t cut = size ? data[0] * size / 256 : 0;
	char *line[2];

	fuzz_quiet();
	options_reset();
	options_declare(keys, ARRAY_SIZE(keys));
	options_declare(net_stack_options, net_stack_nb_options);
	options_declare(virtio_net_options, virtio_net_nb_options);

	/* two sources, each a block of its own that ends with its terminator */
	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *from = i ? data + cut : data;
		size_t n = i ? size - cut : cut;

		if (n > BOOT_CMDLINE_LEN - 1)
			n = BOOT_CMDLINE_LEN - 1;
		line[i] = malloc(n + 1);
		if (!line[i])
			abort();
		if (n)
			memcpy(line[i], from, n);
		line[i][n] = '\0';
		options_parse(i ? line[i] : options_skip_path(line[i]),
		              i ? "fw_cfg" : "command line");
		log_levels_valid(line[i]);
	}
	/* values must not stand in the lines */
	free(line[0]);
	free(line[1]);
	check_values();
	options_print();
	return 0;
}
