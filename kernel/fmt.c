/*
 * printf for the freestanding build: one pass over the format, everything goes through out_char(),
 * which counts what does not fit. Integers are taken at their full width and cut to the length
 * modifier, as C does.
 */
#include "kernel/fmt.h"
#include "kernel/string.h"

#define DIGITS_MAX 20 /* of 2^64 - 1 in decimal */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also when it does not fit */
};

struct spec {
	bool left, zero, plus, space, alt;
	unsigned width;
	int precision; /* -1: none */
	char length;   /* 'H' for hh, 'L' for ll, or h l z j, or 0 */
};

static void out_char(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void out_repeat(struct out *o, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out_char(o, c);
}

static void out_text(struct out *o, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out_char(o, text[i]);
}

static void out_padded(struct out *o, const struct spec *s, const char *text, size_t n)
{
	const size_t pad = s->width > n ? s->width - n : 0;

	if (!s->left)
		out_repeat(o, ' ', pad);
	out_text(o, text, n);
	if (s->left)
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

	if (s->precision < 0 && s->zero && !s->left && s->width > prefix_len + n)
		zeros = s->width - prefix_len - n;

	const size_t total = prefix_len + zeros + n;
	const size_t pad = s->width > total ? s->width - total : 0;

	if (!s->left)
		out_repeat(o, ' ', pad);
	out_text(o, prefix, prefix_len);
	out_repeat(o, '0', zeros);
	while (n)
		out_char(o, rev[--n]);
	if (s->left)
		out_repeat(o, ' ', pad);
}

static void out_signed(struct out *o, const struct spec *s, int64_t v)
{
	const char *sign = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

	out_number(o, s, sign, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, "0123456789");
}

static void out_hex(struct out *o, const struct spec *s, uint64_t v, bool upper)
{
	const char *prefix = !s->alt || !v ? "" : upper ? "0X" : "0x";

	out_number(o, s, prefix, v, upper ? "0123456789ABCDEF" : "0123456789abcdef");
}

static int64_t arg_signed(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case 'H':
		return (signed char)va_arg(*ap, int);
	case 'h':
		return (short)va_arg(*ap, int);
	case 'l':
		return va_arg(*ap, long);
	case 'L':
		return va_arg(*ap, long long);
	case 'z':
		return va_arg(*ap, ptrdiff_t);
	case 'j':
		return va_arg(*ap, intmax_t);
	default:
		return va_arg(*ap, int);
	}
}

static uint64_t arg_unsigned(const struct spec *s, va_list *ap)
{
	switch (s->length) {
	case 'H':
		return (unsigned char)va_arg(*ap, unsigned);
	case 'h':
		return (unsigned short)va_arg(*ap, unsigned);
	case 'l':
		return va_arg(*ap, unsigned long);
	case 'L':
		return va_arg(*ap, unsigned long long);
	case 'z':
		return va_arg(*ap, size_t);
	case 'j':
		return va_arg(*ap, uintmax_t);
	default:
		return va_arg(*ap, unsigned);
	}
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		switch (*f) {
		case '-':
			s->left = true;
			break;
		case '0':
			s->zero = true;
			break;
		case '+':
			s->plus = true;
			break;
		case ' ':
			s->space = true;
			break;
		case '#':
			s->alt = true;
			break;
		default:
			return f;
		}
	}
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

	*s = (struct spec){.precision = -1};
	f = parse_flags(f, s);
	f = parse_int(f, &width, ap);
	if (width < 0)
		s->left = true;
	s->width = width < 0 ? 0 - (unsigned)width : (unsigned)width;
	if (*f == '.')
		f = parse_int(f + 1, &s->precision, ap);

	if (*f == 'h' || *f == 'l' || *f == 'z' || *f == 'j') {
		s->length = *f++;
		if (*f == s->length && (*f == 'h' || *f == 'l')) {
			s->length = *f == 'h' ? 'H' : 'L';
			f++;
		}
	}
	return f;
}

static void out_conversion(struct out *o, struct spec *s, char conversion, va_list *ap)
{
	char c;

	switch (conversion) {
	case 'd':
	case 'i':
		out_signed(o, s, arg_signed(s, ap));
		break;
	case 'u':
		out_number(o, s, "", arg_unsigned(s, ap), "0123456789");
		break;
	case 'x':
	case 'X':
		out_hex(o, s, arg_unsigned(s, ap), conversion == 'X');
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
		out_char(o, '%');
		break;
	default:
		out_char(o, '%');
		out_char(o, conversion);
	}
}

size_t fmt_vbuf(char *buf, size_t size, const char *fmt, va_list ap)
{
	struct out o = {.buf = buf, .size = size};
	struct spec s;
	va_list args;

	va_copy(args, ap);
	for (const char *f = fmt; *f; f++) {
		if (*f != '%') {
			out_char(&o, *f);
			continue;
		}
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
