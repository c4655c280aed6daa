/*
 * The kinds of option values: what is a number, a word, a MAC or an IPv4 address, and how the user
 * is told. Everything here comes from outside and is checked to its last byte.
 */
#include "kernel/errno.h"
#include "kernel/fmt.h"
#include "kernel/options.h"
#include "kernel/options_internal.h"
#include "kernel/string.h"

#define IP4_LOOPBACK 127
#define IP4_MULTICAST 224 /* first byte from which on addresses are no host's */

/* ---- numbers ------------------------------------------------------------------------------ */

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned)(c - 'A' + 10);
	return UINT32_MAX;
}

int option_number(const char *text, uint64_t *out)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const unsigned base = hex ? 16 : 10;
	uint64_t v = 0;

	text += hex ? 2 : 0;
	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		const unsigned d = digit_value(*text);

		if (d >= base)
			return -EINVAL;
		if (v > (UINT64_MAX - d) / base)
			return -ERANGE;
		v = v * base + d;
	}
	*out = v;
	return 0;
}

/* A decimal number of at most three digits, at most @max. Return: behind it, NULL if there is none.
 */
static const char *short_number(const char *text, unsigned max, unsigned *out)
{
	unsigned n = 0, v = 0;

	for (; n < 4 && digit_value(text[n]) < 10; n++)
		v = v * 10 + digit_value(text[n]);
	if (n == 0 || n > 3 || v > max)
		return NULL;
	*out = v;
	return text + n;
}

/* ---- addresses ---------------------------------------------------------------------------- */

int options_ip4(const char *text, uint32_t *be_addr, unsigned *prefix)
{
	uint8_t bytes[4];
	unsigned v;

	for (unsigned i = 0; i < 4; i++) {
		if (i && *text++ != '.')
			return -EINVAL;
		text = short_number(text, 255, &v);
		if (!text)
			return -EINVAL;
		bytes[i] = (uint8_t)v;
	}

	unsigned len = 32;

	if (*text == '/') {
		text = short_number(text + 1, 32, &len);
		if (!text)
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	memcpy(be_addr, bytes, sizeof(bytes));
	*prefix = len;
	return 0;
}

int options_mac(const char *text, uint8_t mac[6])
{
	uint8_t bytes[6];

	for (unsigned i = 0; i < 6; i++) {
		if (i && *text++ != ':')
			return -EINVAL;

		const unsigned high = digit_value(text[0]);
		const unsigned low = high < 16 ? digit_value(text[1]) : high;

		if (low >= 16)
			return -EINVAL;
		bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	memcpy(mac, bytes, sizeof(bytes));
	return 0;
}

static const char *check_mac(const char *value)
{
	static const uint8_t zero[6];
	uint8_t mac[6];

	if (options_mac(value, mac))
		return "not a MAC address";
	if (mac[0] & 1)
		return "a group address, not a port's own";
	return memcmp(mac, zero, sizeof(mac)) ? NULL : "zero is no MAC address";
}

static const char *check_ip4(const char *value)
{
	uint32_t addr;
	unsigned prefix;

	if (options_ip4(value, &addr, &prefix) || strchr(value, '/'))
		return "not an IPv4 address";
	return NULL;
}

static const char *check_ip4_net(const char *value)
{
	uint32_t be_addr;
	unsigned prefix;
	uint8_t b[4];

	if (options_ip4(value, &be_addr, &prefix))
		return "not an IPv4 address";
	if (!strchr(value, '/'))
		return "the prefix length is missing";

	memcpy(b, &be_addr, sizeof(b));
	if (b[0] == 0 || b[0] == IP4_LOOPBACK || b[0] >= IP4_MULTICAST || prefix == 0)
		return "not the address of a host";

	/* with /31 and /32 there is neither network nor broadcast address (RFC 3021) */
	const uint32_t addr =
	    (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
	const uint32_t host_bits = prefix < 31 ? UINT32_MAX >> prefix : 0;

	if (host_bits && ((addr & host_bits) == 0 || (addr & host_bits) == host_bits))
		return "the network's or broadcast address, not a host's";
	return NULL;
}

/* ---- kinds -------------------------------------------------------------------------------- */

static bool word_is_allowed(const char *words, const char *word, size_t len)
{
	while (*words) {
		const char *end = strchr(words, ' ');
		const size_t n = end ? (size_t)(end - words) : strlen(words);

		if (n == len && !memcmp(words, word, n))
			return true;
		words += n + (end ? 1 : 0);
	}
	return false;
}

static const char *check_list(const struct option *o, const char *value)
{
	for (;;) {
		const char *comma = strchr(value, ',');
		const size_t len = comma ? (size_t)(comma - value) : strlen(value);

		if (!word_is_allowed(o->allowed, value, len))
			return "not a list of allowed words";
		if (!comma)
			return NULL;
		value = comma + 1;
	}
}

static uint64_t uint_max(const struct option *o)
{
	return o->max ? o->max : UINT64_MAX;
}

static const char *check_uint(const struct option *o, const char *value)
{
	uint64_t v;
	const int err = option_number(value, &v);

	if (err == -EINVAL)
		return "not a number";
	return err || v < o->min || v > uint_max(o) ? "out of range" : NULL;
}

const char *option_check(const struct option *o, const char *value)
{
	switch (o->kind) {
	case OPTION_BOOL:
		return strcmp(value, "0") && strcmp(value, "1") ? "neither 0 nor 1" : NULL;
	case OPTION_UINT:
		return check_uint(o, value);
	case OPTION_WORD:
		return word_is_allowed(o->allowed, value, strlen(value)) ? NULL
		                                                         : "not an allowed word";
	case OPTION_LIST:
		return check_list(o, value);
	case OPTION_MAC:
		return check_mac(value);
	case OPTION_IP4:
		return check_ip4(value);
	case OPTION_IP4_NET:
		if (o->allowed && word_is_allowed(o->allowed, value, strlen(value)))
			return NULL;
		return check_ip4_net(value);
	case OPTION_TEXT:
		break;
	}
	return !o->check || o->check(value) ? NULL : "not understood";
}

const char *option_allowed(const struct option *o, char *buf)
{
	static const char *const fixed[] = {
	    [OPTION_BOOL] = "0 1",
	    [OPTION_MAC] = "xx:xx:xx:xx:xx:xx, of one station",
	    [OPTION_IP4] = "A.B.C.D",
	    [OPTION_TEXT] = "a text without spaces",
	};

	if (o->kind == OPTION_IP4_NET)
		fmt_buf(buf, OPTIONS_ALLOWED_LEN, "A.B.C.D/len%s%s", o->allowed ? " or " : "",
		        o->allowed ? o->allowed : "");
	else if (o->allowed)
		return o->allowed;
	else if (o->kind == OPTION_UINT && !o->max)
		fmt_buf(buf, OPTIONS_ALLOWED_LEN, "a number from %llu", (unsigned long long)o->min);
	else if (o->kind == OPTION_UINT)
		fmt_buf(buf, OPTIONS_ALLOWED_LEN, "%llu..%llu", (unsigned long long)o->min,
		        (unsigned long long)o->max);
	else
		return fixed[o->kind];
	return buf;
}
