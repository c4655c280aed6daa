/*
 * printf for the freestanding build: one pass over the format, everything goes through out_char(),
 * which counts what does not fit. Integers are taken at their full width and cut to the length
 * modifier, as C does.
 */
#include "kernel/fmt.h"
#include "kernel/compiler.h"
#include "kernel/string.h"

#define DIGITS_MAX 20 /* of 2^64 - 1 in decimal */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also when it does not fit */
};

/* In the order of flag_marks. */
enum spec_flag {
	FLAG_LEFT = 1u << 0,
	FLAG_ZERO = 1u << 1,
	FLAG_PLUS = 1u << 2,
	FLAG_SPACE = 1u << 3,
	FLAG_ALT = 1u << 4,
};

static const char flag_marks[] = "-0+ #";

struct spec {
	unsigned flags;
	unsigned width;
	int precision;  /* -1: none */
	unsigned bytes; /* of an integer, after its length modifier */
};
static_assert(sizeof(long) == 8 && sizeof(long long) == 8 && sizeof(size_t) == 8 &&
                  sizeof(intmax_t) == 8,
              "l, ll, z and j are the same");

static void out_char(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static NOINLINE void out_repeat(struct out *o, char c, size_t n)
{
	while (n--)
		out_char(o, c);
}

static NOINLINE void out_text(struct out *o, const char *text, size_t n)
{
	while (n--)
		out_char(o, *text++);
}

static void out_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
	const size_t pad = s->width > n ? s->width - n : 0;

	if (!(s->flags & FLAG_LEFT))
		out_repeat(o, ' ', pad);
	out_text(o, text, n);
	if (s->flags & FLAG_LEFT)
		out_repeat(o, ' ', pad);
}

static void out_string(struct out *o, const struct spec *s, const char *text)
{
	if (!text)
		text = "(null)";
	out_padded(o, s, text,
	           s->precision < 0 ? strlen(text) : strnlen(text, (size_t)s->precision));
}

/* Sign or "0x", then zeros up to the precision (or the width), then the digits. */
static void out_number(struct out *o, const struct spec *s, const char *prefix, uint64_t v,
                       const char *digits)
{
	const unsigned base = (unsigned)strlen(digits);
	char rev[DIGITS_MAX];
	size_t n = 0;

	for (; v; v /= base)
		rev[n++] = digits[v % base];
	if (!n && s->precision != 0)
		rev[n++] = '0';

	const size_t prefix_len = strlen(prefix);
	size_t zeros = s->precision > (int)n ? (size_t)s->precision - n : 0;

	if (s->precision < 0 && (s->flags & (FLAG_ZERO | FLAG_LEFT)) == FLAG_ZERO &&
	    s->width > prefix_len + n)
		zeros = s->width - prefix_len - n;

	const size_t total = prefix_len + zeros + n;
	const size_t pad = s->width > total ? s->width - total : 0;

	if (!(s->flags & FLAG_LEFT))
		out_repeat(o, ' ', pad);
	out_text(o, prefix, prefix_len);
	out_repeat(o, '0', zeros);
	while (n)
		out_repeat(o, rev[--n], 1);
	if (s->flags & FLAG_LEFT)
		out_repeat(o, ' ', pad);
}

/* Widened by its sign, or by zeros. */
static uint64_t arg_integer(const struct spec *s, va_list *ap, bool is_signed)
{
	const uint64_t v = s->bytes == 8 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);
	const unsigned above = 64 - 8 * s->bytes;

	return is_signed ? (uint64_t)((int64_t)(v << above) >> above) : v << above >> above;
}

static void out_integer(struct out *o, const struct spec *s, char conversion, va_list *ap)
{
	const bool is_signed = conversion == 'd' || conversion == 'i';
	const char *digits = "0123456789", *prefix = "";
	uint64_t v = arg_integer(s, ap, is_signed);

	if (is_signed) {
		prefix = (int64_t)v < 0          ? "-"
		         : s->flags & FLAG_PLUS  ? "+"
		         : s->flags & FLAG_SPACE ? " "
		                                 : "";
		v = (int64_t)v < 0 ? 0 - v : v;
	} else if (conversion == 'x') {
		digits = "0123456789abcdef";
		prefix = s->flags & FLAG_ALT && v ? "0x" : "";
	} else if (conversion == 'X') {
		digits = "0123456789ABCDEF";
		prefix = s->flags & FLAG_ALT && v ? "0X" : "";
	}
	out_number(o, s, prefix, v, digits);
}

static const char *parse_flags(const char *f, struct spec *s)
{
	const char *mark;

	for (; *f && (mark = strchr(flag_marks, *f)); f++)
		s->flags |= 1u << (mark - flag_marks);
	return f;
}

static const char *parse_int(const char *f, int *value, va_list *ap)
{
	if (*f == '*') {
		*value = va_arg(*ap, int);
		return f + 1;
	}
	for (*value = 0; *f >= '0' && *f <= '9'; f++)
		*value = *value * 10 + (*f - '0');
	return f;
}

static const char *parse_spec(const char *f, struct spec *s, va_list *ap)
{
	int width;

	*s = (struct spec){.precision = -1, .bytes = sizeof(int)};
	f = parse_flags(f, s);
	f = parse_int(f, &width, ap);
	if (width < 0)
		s->flags |= FLAG_LEFT;
	s->width = width < 0 ? 0 - (unsigned)width : (unsigned)width;
	if (*f == '.')
		f = parse_int(f + 1, &s->precision, ap);

	for (; *f == 'h'; f++)
		s->bytes = (s->bytes + 1) / 2;
	for (; *f == 'l' || *f == 'z' || *f == 'j'; f++)
		s->bytes = 8;
	return f;
}

static void out_conversion(struct out *o, struct spec *s, char conversion, va_list *ap)
{
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
	case 'u':
	case 'x':
	case 'X':
		out_integer(o, s, conversion, ap);
		break;
	case 'p':
		out_number(o, s, "0x", (uintptr_t)va_arg(*ap, void *), "0123456789abcdef");
		break;
	case 's':
		out_string(o, s, va_arg(*ap, const char *));
		break;
	case 'c':
		c = (char)va_arg(*ap, int);
		out_padded(o, s, &c, 1);
		break;
	case '%':
		out_repeat(o, '%', 1);
		break;
	default:
		out_repeat(o, '%', 1);
		out_repeat(o, conversion, 1);
	}
}

size_t fmt_vbuf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	struct spec s;
	va_list args;

	va_copy(args, ap);
	for (const char *f = fmt; *f; f++) {
		const char *text = f;

		while (*f && *f != '%')
			f++;
		out_text(&o, text, (size_t)(f - text));
		if (!*f)
			break;
		f = parse_spec(f + 1, &s, &args);
		if (!*f)
			break;
		out_conversion(&o, &s, *f, &args);
	}
	va_end(args);

	if (size)
		buf[o.len < size ? o.len : size - 1] = '\0';
	return o.len;
}

size_t fmt_buf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = fmt_vbuf(buf, size, fmt, ap);
	va_end(ap);
	return len;
}
