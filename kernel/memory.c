/*
 * A bump allocator over the machine's free ranges, first fit. Ranges that touch are joined:
 * firmware likes to cut memory into many pieces.
 */
#include "kernel/memory.h"
#include "kernel/assert.h"
#include "kernel/log.h"
#include "kernel/string.h"

#define MEM_ALIGN_MIN 8

/* [base, next) is taken, [next, end) is free. */
struct mem_range {
	uintptr_t base, next, end;
};

static struct mem_range ranges[MEM_RANGES_MAX];
static unsigned nb_ranges;

static bool range_join(struct mem_range *r, uintptr_t base, uintptr_t end)
{
	if (base == r->end) {
		r->end = end;
		return true;
	}
	if (end == r->base && r->next == r->base) {
		r->base = base;
		r->next = base;
		return true;
	}
	return false;
}

void mem_add(void *base, size_t len)
{
	const uintptr_t start = (uintptr_t)align_up((uintptr_t)base, MEM_ALIGN_MIN);
	const uintptr_t end = (uintptr_t)align_down((uintptr_t)base + len, MEM_ALIGN_MIN);

	if (len < MEM_ALIGN_MIN || start >= end)
		return;
	for (unsigned i = 0; i < nb_ranges; i++) {
		if (range_join(&ranges[i], start, end))
			return;
	}
	if (nb_ranges == MEM_RANGES_MAX) {
		log_warn("memory", "%zu KiB at %p are not used: more than %u ranges", len >> 10,
		         base, MEM_RANGES_MAX);
		return;
	}
	ranges[nb_ranges++] = (struct mem_range){.base = start, .next = start, .end = end};
}

void *mem_take(const char *what, size_t bytes, size_t align)
{
	assert(bytes > 0 && is_power_of_two(align));
	if (align < MEM_ALIGN_MIN)
		align = MEM_ALIGN_MIN;

	for (unsigned i = 0; i < nb_ranges; i++) {
		struct mem_range *r = &ranges[i];
		const uintptr_t start = (uintptr_t)align_up(r->next, align);

		if (start < r->next || start > r->end || r->end - start < bytes)
			continue;
		r->next = start + bytes;
		log_debug("memory", "%s: %zu bytes at %p", what, bytes, (void *)start);
		return (void *)start;
	}
	log_debug("memory", "%s: no room for %zu bytes, %zu are free", what, bytes,
	          mem_free_bytes());
	return NULL;
}

void *mem_alloc(const char *what, size_t bytes, size_t align)
{
	void *p = mem_take(what, bytes, align);

	return p ? memset(p, 0, bytes) : NULL;
}

void *mem_alloc_shared(const char *what, size_t bytes, size_t align)
{
	void *p = mem_take(what, bytes, align);

	return p ? memset(mem_shared(p), 0, bytes) : NULL;
}

size_t mem_free_bytes(void)
{
	size_t sum = 0;

	for (unsigned i = 0; i < nb_ranges; i++)
		sum += ranges[i].end - ranges[i].next;
	return sum;
}

size_t mem_largest_bytes(size_t align)
{
	size_t largest = 0;

	for (unsigned i = 0; i < nb_ranges; i++) {
		const uintptr_t start = (uintptr_t)align_up(ranges[i].next, align);

		if (start >= ranges[i].next && start < ranges[i].end &&
		    ranges[i].end - start > largest)
			largest = ranges[i].end - start;
	}
	return largest;
}

size_t mem_total_bytes(void)
{
	size_t sum = 0;

	for (unsigned i = 0; i < nb_ranges; i++)
		sum += ranges[i].end - ranges[i].base;
	return sum;
}

void mem_reset(void)
{
	nb_ranges = 0;
}
