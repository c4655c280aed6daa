/* Looking up function names. Names have no index, which would cost more than it is worth for
 * something that is needed once, in a panic: the n-th name is found by skipping n - 1. */
#include "kernel/symbols.h"
#include "kernel/string.h"

static const char *name_at(const struct symbols *t, unsigned pos)
{
	const char *name = t->names;
	const char *const end = t->names + t->names_bytes;

	for (unsigned i = 0; i < pos && name < end; i++)
		name += strnlen(name, (size_t)(end - name)) + 1;
	if (name >= end || strnlen(name, (size_t)(end - name)) == (size_t)(end - name))
		return NULL;
	return name;
}

const char *symbols_find(const struct symbols *table, uint64_t addr, uint64_t *offset)
{
	unsigned low = 0;
	unsigned high = table->nb;

	if (!table->nb || addr < table->addr[0] || addr >= table->addr[table->nb])
		return NULL;
	while (high - low > 1) { /* addr[low] <= addr < addr[high] */
		const unsigned mid = low + (high - low) / 2;

		if (table->addr[mid] <= addr)
			low = mid;
		else
			high = mid;
	}
	*offset = addr - table->addr[low];
	return name_at(table, low);
}
