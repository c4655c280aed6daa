/*
 * ringzero as a Linux process: its arguments are the kernel's options. A few have other defaults
 * here, those of DPDK's virtio-user, and are put in front of the arguments, which win.
 */
#include "arch/hosted/hosted.h"
#include "kernel/console.h"
#include "kernel/main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULTS "net.packed_vq=0"

static char cmdline[BOOT_CMDLINE_LEN];

/* Return: false when they do not fit. */
static bool arguments_join(int argc, char **argv)
{
	size_t at = 0;

	for (int i = 1; i < argc; i++) {
		const size_t len = strlen(argv[i]);

		if (len + 2 > sizeof(cmdline) - at)
			return false;
		memcpy(cmdline + at, argv[i], len);
		at += len;
		cmdline[at++] = ' ';
	}
	return true;
}

int main(int argc, char **argv)
{
	static const struct boot_args args = {
	    .loader = "hosted",
	    .cmdline = {DEFAULTS, cmdline},
	    .cmdline_from = {"defaults", "command line"},
	    .nb_cmdlines = 2,
	};

	if (!arguments_join(argc, argv)) {
		fprintf(stderr, "ringzero: the options are longer than %d bytes\n",
		        BOOT_CMDLINE_LEN);
		return EXIT_FAILURE;
	}
	clock_init();
	signals_init();
	terminal_init();
	console_hold();
	memory_init();
	kmain(&args);
}
