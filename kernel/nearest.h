/*
 * "Did you mean ...?": the known name that is nearest to a mistyped one. Recipe:
 *
 *	nearest_init(&n, word, strlen(word));
 *	for each known name: nearest_offer(&n, name);
 *	log_err(..., "did you mean \"%s\"?", n.best);	(NULL when no name was offered)
 */
#ifndef KERNEL_NEAREST_H
#define KERNEL_NEAREST_H

#include "kernel/compiler.h"

#define NEAREST_LEN_MAX 64 /* what is longer is compared by its first bytes */

struct nearest {
	const char *word;
	size_t len;
	const char *best;
	unsigned best_distance;
};

/** nearest_init() - look for @word, of @len bytes, which must stay valid */
void nearest_init(struct nearest *n, const char *word, size_t len);

/** nearest_offer() - @name is known; of equally near ones the first offered is kept */
void nearest_offer(struct nearest *n, const char *name);

/** nearest_distance() - letters to insert, delete or change to make @a into @b */
unsigned nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len);

#endif
