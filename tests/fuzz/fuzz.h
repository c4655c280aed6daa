/*
 * What the fuzz targets share. An input is read as a list of decisions; behind its end all of them
 * are 0, so that every input is a whole story. A broken invariant aborts, which libFuzzer reports
 * with the input that led there.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "kernel/compiler.h"

struct fuzz_in {
	const uint8_t *at, *end;
};

static inline bool fuzz_more(const struct fuzz_in *in)
{
	return in->at < in->end;
}

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_in *in)
{
	const unsigned low = fuzz_u8(in);

	return (uint16_t)(low | (unsigned)fuzz_u8(in) << 8);
}

static inline uint32_t fuzz_u32(struct fuzz_in *in)
{
	const uint32_t low = fuzz_u16(in);

	return low | (uint32_t)fuzz_u16(in) << 16;
}

/** fuzz_bytes() - the next @n bytes, zeros where there are none left */
void fuzz_bytes(struct fuzz_in *in, void *out, size_t n);

/** fuzz_rest() - the next bytes, at most @max, as a heap block of exactly their number, so that
 * AddressSanitizer sees a read behind them. @len gets it; to be freed by the caller */
uint8_t *fuzz_rest(struct fuzz_in *in, size_t max, size_t *len);

/** fuzz_require() - an invariant of the code under test; ends the process when it does not hold */
void fuzz_require(bool holds, const char *fmt, ...) PRINTF_LIKE(2, 3);

/** fuzz_quiet() - nothing below errors is logged, and what was is forgotten; once an input */
void fuzz_quiet(void);

/**
 * fuzz_memory() - give mem_alloc() @bytes, after freeing all that it gave before
 *
 * Each mem_alloc() is a heap block of its own here, with red zones around it.
 */
void fuzz_memory(size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
