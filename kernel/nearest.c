/* Edit distance (Levenshtein) with one row of the table, for error messages. */
#include "kernel/nearest.h"
#include "kernel/string.h"

unsigned nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned row[NEAREST_LEN_MAX + 1];

	a_len = min_u64(a_len, NEAREST_LEN_MAX);
	b_len = min_u64(b_len, NEAREST_LEN_MAX);
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;

	for (unsigned i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			const unsigned change = diagonal + (a[i - 1] != b[j - 1]);
			const unsigned insert_or_delete = 1 + (unsigned)min_u64(row[j], row[j - 1]);

			diagonal = row[j];
			row[j] = (unsigned)min_u64(change, insert_or_delete);
		}
	}
	return row[b_len];
}

void nearest_init(struct nearest *n, const char *word, size_t len)
{
	*n = (struct nearest){.word = word, .len = len};
}

void nearest_offer(struct nearest *n, const char *name)
{
	const unsigned distance = nearest_distance(n->word, n->len, name, strlen(name));

	if (n->best && distance >= n->best_distance)
		return;
	n->best = name;
	n->best_distance = distance;
}
