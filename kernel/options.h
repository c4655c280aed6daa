/*
 * Options: words key=value. Sources are parsed in order, later ones win; netN.key (port N) wins
 * over net.key wherever it stands. Every key is declared in a table with its kind, so that a bad
 * value is found before anything is started. Recipe:
 *
 *	options_declare(table, n);			(each module that owns keys)
 *	errors = options_parse("app=echo net.rxd=512", "command line");
 *	mtu = options_port_u64("net.mtu", port);
 *
 * A bad word is logged with what is allowed and, for a key, the nearest known one.
 */
#ifndef KERNEL_OPTIONS_H
#define KERNEL_OPTIONS_H

#include "kernel/compiler.h"

#define OPTIONS_TABLES_MAX 16
#define OPTIONS_VALUES_MAX 128 /* words remembered */
#define OPTIONS_PORTS_MAX 64   /* net0 .. net63 */
#define OPTIONS_VALUE_LEN 128

enum option_kind {
	OPTION_BOOL,    /* 0 1 */
	OPTION_UINT,    /* decimal or 0x..., min..max; max 0: no upper limit */
	OPTION_WORD,    /* one of @allowed, separated by spaces */
	OPTION_LIST,    /* comma-separated words of @allowed */
	OPTION_MAC,     /* xx:xx:xx:xx:xx:xx, unicast, not zero */
	OPTION_IP4,     /* A.B.C.D */
	OPTION_IP4_NET, /* A.B.C.D/len, or one of @allowed */
	OPTION_TEXT,    /* anything without spaces; checked by its owner through @check */
};

struct option {
	const char *key; /* "app", or "net.mtu" for one that netN.mtu may override */
	enum option_kind kind;
	const char *fallback; /* value when not given; NULL: options_get() returns NULL */
	const char
	    *allowed; /* what the error text says is allowed; NULL: made from kind and range */
	uint64_t min, max;
	const char *help;
	bool (*check)(const char *value); /* OPTION_TEXT; NULL: everything goes */
};

/** options_declare() - make a table of keys known; it must live for ever */
void options_declare(const struct option *table, unsigned n);

/* How bad words are told of. */
enum options_report {
	OPTIONS_REPORT_ERROR, /* until something else is said */
	OPTIONS_REPORT_WARNING,
	OPTIONS_REPORT_NOTHING,
};

/** options_report_as() - choose how options_parse() tells of bad words */
void options_report_as(enum options_report how);

/** options_skip_path() - what follows the kernel's path, which some boot loaders put in front of
 * the words; @line without leading blanks when they did not. Only for lines of boot loaders */
const char *options_skip_path(const char *line);

/**
 * options_parse() - read a line of words
 * @line:   at most BOOT_CMDLINE_LEN bytes
 * @source: where it came from, for the messages
 *
 * Good words are remembered even when others are bad. Return: the number of bad words.
 */
unsigned options_parse(const char *line, const char *source);

/** options_get() - the value of a key without port, or its fallback */
const char *options_get(const char *key);
uint64_t options_u64(const char *key); /* UINT and BOOL; 0 without value and fallback */

/** options_port_get() - netN.key, else net.key, else the fallback. @key is written "net.key" */
const char *options_port_get(const char *key, unsigned port);
uint64_t options_port_u64(const char *key, unsigned port);

/** options_given() - was "net.key" (for this port) or "key" set by anybody? */
bool options_given(const char *key, unsigned port);

/** options_port_has() - is @word in the list that options_port_get() gives? */
bool options_port_has(const char *key, unsigned port, const char *word);

/** options_ip4() - parse A.B.C.D[/len] into network order and a prefix length (32 without) */
int options_ip4(const char *text, uint32_t *be_addr, unsigned *prefix);

/** options_mac() - parse xx:xx:xx:xx:xx:xx */
int options_mac(const char *text, uint8_t mac[6]);

/** options_print() - all keys with value, help and what is allowed, to the console */
void options_print(void);

/** options_reset() - forget values, tables and errors (unit tests) */
void options_reset(void);

#endif
