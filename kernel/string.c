/*
 * The C library's memory and string functions for the bare build. Most copies are headers of 6 to
 * 64 bytes: those are done with loads and stores that may overlap each other, without a loop over
 * bytes. Longer ones go by 32 bytes a turn.
 *
 * GCC turns loops that look like memcpy() or memset() into calls of them; the file is compiled with
 * -fno-tree-loop-distribute-patterns so that these functions do not call themselves.
 */
#include "kernel/string.h"
#include <stdint.h>

/* Words at any address, of any type. */
struct word16 {
	uint16_t v;
} __attribute__((packed, may_alias));

struct word32 {
	uint32_t v;
} __attribute__((packed, may_alias));

struct word64 {
	uint64_t v;
} __attribute__((packed, may_alias));

struct block32 {
	struct word64 w[4];
} __attribute__((packed, may_alias));

#define BLOCK sizeof(struct block32)

static inline uint64_t load64(const uint8_t *p)
{
	return ((const struct word64 *)(const void *)p)->v;
}

static inline void store64(uint8_t *p, uint64_t v)
{
	((struct word64 *)(void *)p)->v = v;
}

static inline uint32_t load32(const uint8_t *p)
{
	return ((const struct word32 *)(const void *)p)->v;
}

static inline void store32(uint8_t *p, uint32_t v)
{
	((struct word32 *)(void *)p)->v = v;
}

static inline uint16_t load16(const uint8_t *p)
{
	return ((const struct word16 *)(const void *)p)->v;
}

static inline void store16(uint8_t *p, uint16_t v)
{
	((struct word16 *)(void *)p)->v = v;
}

/* Everything is loaded before anything is stored, so the two may overlap. */
static inline void copy32(uint8_t *d, const uint8_t *s)
{
	const uint64_t a = load64(s), b = load64(s + 8), c = load64(s + 16), e = load64(s + 24);

	store64(d, a);
	store64(d + 8, b);
	store64(d + 16, c);
	store64(d + 24, e);
}

/* Up to 32 bytes, first from the front and then up to the end; the two may overlap. */
static inline void copy_short(uint8_t *d, const uint8_t *s, size_t n)
{
	if (n >= 16) {
		const uint64_t a = load64(s), b = load64(s + 8);
		const uint64_t c = load64(s + n - 16), e = load64(s + n - 8);

		store64(d, a);
		store64(d + 8, b);
		store64(d + n - 16, c);
		store64(d + n - 8, e);
	} else if (n >= 8) {
		const uint64_t a = load64(s), b = load64(s + n - 8);

		store64(d, a);
		store64(d + n - 8, b);
	} else if (n >= 4) {
		const uint32_t a = load32(s), b = load32(s + n - 4);

		store32(d, a);
		store32(d + n - 4, b);
	} else if (n >= 2) {
		const uint16_t a = load16(s), b = load16(s + n - 2);

		store16(d, a);
		store16(d + n - 2, b);
	} else if (n) {
		*d = *s;
	}
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (n <= BLOCK) {
		copy_short(d, s, n);
		return dst;
	}
	for (size_t i = 0; i < n - BLOCK; i += BLOCK)
		copy32(d + i, s + i);
	copy32(d + n - BLOCK, s + n - BLOCK);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	uint8_t *d = dst;
	const uint8_t *s = src;

	if (n <= BLOCK) {
		copy_short(d, s, n);
		return dst;
	}

	/* the end that the loop reaches last is overwritten by then: take it first */
	if ((uintptr_t)d - (uintptr_t)s >= n) {
		const struct block32 last = *(const struct block32 *)(const void *)(s + n - BLOCK);

		for (size_t i = 0; i < n - BLOCK; i += BLOCK)
			copy32(d + i, s + i);
		*(struct block32 *)(void *)(d + n - BLOCK) = last;
	} else {
		const struct block32 first = *(const struct block32 *)(const void *)s;

		for (size_t i = n; i > BLOCK; i -= BLOCK)
			copy32(d + i - BLOCK, s + i - BLOCK);
		*(struct block32 *)(void *)d = first;
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	const uint64_t v = 0x0101010101010101u * (uint8_t)c;
	uint8_t *d = dst;

	if (n >= 8) {
		for (size_t i = 0; i < n - 8; i += 8)
			store64(d + i, v);
		store64(d + n - 8, v);
	} else if (n >= 4) {
		store32(d, (uint32_t)v);
		store32(d + n - 4, (uint32_t)v);
	} else {
		for (size_t i = 0; i < n; i++)
			d[i] = (uint8_t)v;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	size_t i = 0;

	while (i + 8 <= n && load64(x + i) == load64(y + i))
		i += 8;
	for (; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const uint8_t *p = s;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == (uint8_t)c)
			return (void *)(uintptr_t)(p + i);
	}
	return NULL;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return (uint8_t)a[i] - (uint8_t)b[i];
		if (!a[i])
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)(uintptr_t)found;
	}
}
