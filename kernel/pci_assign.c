/*
 * Places for BARs that the firmware left without an address, and for the windows of the bridges
 * above them where these are closed (PCI-to-PCI bridge 1.2, 3.2.5). Sizes are powers of two, so on
 * each bus the largest are placed first, at the lowest free address: that packs without gaps. Buses
 * are taken in ascending order, so that a bridge's window has its place before what is in it.
 */
#include "kernel/log.h"
#include "kernel/pci_bars.h"
#include "kernel/pci_regs.h"
#include "kernel/string.h"

#define MIB 0x100000ull
#define GIB4 0x100000000ull

/* What can need a place: six BARs, then two windows. */
enum { SLOT_WINDOW_IO = PCI_BARS, SLOT_WINDOW_MEM, SLOTS };

/* Indexed as pci_dev() is. */
static struct {
	struct pci_range window[PCI_DEVICES_MAX][PCI_WINDOWS];
	uint64_t need[PCI_DEVICES_MAX][2]; /* sizes of the windows to open: I/O, memory */
	uint8_t no_place[PCI_DEVICES_MAX]; /* a bit for each slot */
	bool above[PCI_DEVICES_MAX];       /* bridges that lead to the bus in work */
	uint16_t bridge_at[PCI_BUSES];     /* which entry leads to a bus */
} plan;
static_assert(SLOTS <= 8, "no_place has a bit for each");

static bool is_bridge(const struct pci_dev *d)
{
	return (d->header_type & PCI_HEADER_KIND) == PCI_HEADER_BRIDGE;
}

static bool slot_is_io(const struct pci_dev *d, unsigned slot)
{
	return slot < PCI_BARS ? d->bar[slot].kind == PCI_BAR_IO : slot == SLOT_WINDOW_IO;
}

/* Return: the size of what needs a place, 0 when it has one, or needs none, or found none. */
static uint64_t slot_missing(unsigned i, unsigned slot)
{
	const struct pci_dev *d = pci_dev(i);

	if (plan.no_place[i] & 1u << slot)
		return 0;
	if (slot < PCI_BARS)
		return d->bar[slot].kind != PCI_BAR_NONE && !d->bar[slot].addr ? d->bar[slot].size
		                                                               : 0;
	slot -= SLOT_WINDOW_IO;
	return plan.window[i][slot].size ? 0 : plan.need[i][slot];
}

/* ---- free places -------------------------------------------------------------------------- */

static bool overlaps(struct pci_range a, struct pci_range b)
{
	return a.size && b.size && a.base < b.base + b.size && b.base < a.base + a.size;
}

/* Return: the end of something of function @i that @want overlaps, 0 when it overlaps nothing. */
static uint64_t function_blocks(unsigned i, struct pci_range want, bool io)
{
	const struct pci_dev *d = pci_dev(i);

	for (unsigned n = 0; n < PCI_BARS; n++) {
		const struct pci_bar *b = &d->bar[n];
		struct pci_range r = {b->addr, b->addr ? b->size : 0};

		if (b->kind != PCI_BAR_NONE && (b->kind == PCI_BAR_IO) == io && overlaps(want, r))
			return r.base + r.size;
	}
	if (plan.above[i])
		return 0;
	for (unsigned w = 0; w < PCI_WINDOWS; w++) {
		struct pci_range r = plan.window[i][w];

		if ((w == PCI_WINDOW_IO) == io && overlaps(want, r))
			return r.base + r.size;
	}
	return 0;
}

static uint64_t blocked_until(struct pci_range want, bool io)
{
	for (unsigned i = 0; i < pci_count(); i++) {
		uint64_t end = function_blocks(i, want, io);

		if (end)
			return end;
	}
	return 0;
}

/* Return: the lowest free address in @in that is aligned to @size, 0 when there is none. */
static uint64_t place_find(struct pci_range in, uint64_t size, bool io)
{
	/* address 0 means "not assigned" */
	struct pci_range want = {align_up(max_u64(in.base, 1), size), size};

	/* each turn leaves a BAR or a window behind */
	for (unsigned n = 0; n < PCI_DEVICES_MAX * (PCI_BARS + PCI_WINDOWS); n++) {
		uint64_t end, skipped = want.base - in.base;

		if (want.base < in.base || skipped > in.size || size > in.size - skipped)
			return 0;
		end = blocked_until(want, io);
		if (!end)
			return want.base;
		want.base = align_up(end, size);
	}
	return 0;
}

static struct pci_range host_range(const struct pci_window *w, bool io)
{
	struct pci_range r = {io ? w->bus : w->base, w->size};

	return r;
}

/* The ranges in which a slot may lie, best first. */
static void slot_ranges(unsigned i, unsigned slot, struct pci_range out[2])
{
	const struct pci_dev *d = pci_dev(i);
	bool io = slot_is_io(d, slot);
	bool wide = slot < PCI_BARS && d->bar[slot].kind == PCI_BAR_MEM64;
	const struct pci_range *up;

	out[1] = (struct pci_range){0, 0};
	if (!pci_bridge_of((uint8_t)(d->bdf >> 8))) {
		out[0] = host_range(io     ? &d->host->io
		                    : wide ? &d->host->mem64
		                           : &d->host->mem32,
		                    io);
		if (wide)
			out[1] = host_range(&d->host->mem32, false);
		return;
	}

	up = plan.window[plan.bridge_at[d->bdf >> 8]];
	out[0] = up[io ? PCI_WINDOW_IO : PCI_WINDOW_MEM];
	if (slot < PCI_BARS && d->bar[slot].prefetchable &&
	    (wide || up[PCI_WINDOW_PREF].base + up[PCI_WINDOW_PREF].size <= GIB4)) {
		out[1] = out[0];
		out[0] = up[PCI_WINDOW_PREF];
	}
}

static void slot_fails(unsigned i, unsigned slot, uint64_t size, const char *why)
{
	plan.no_place[i] |= (uint8_t)(1u << slot);
	log_warn("pci", "%s: %s for %s %u of %llu bytes: what needs it will not work",
	         pci_dev(i)->name, why, slot < PCI_BARS ? "BAR" : "bridge window",
	         slot < PCI_BARS ? slot : slot - SLOT_WINDOW_IO, (unsigned long long)size);
}

static void window_place(unsigned i, unsigned slot, struct pci_range r)
{
	enum pci_bridge_window w = slot == SLOT_WINDOW_IO ? PCI_WINDOW_IO : PCI_WINDOW_MEM;

	/* a bridge need not have an I/O window at all */
	pci_bridge_open(pci_dev(i), w, r);
	plan.window[i][w] = pci_bridge_range(pci_dev(i), w);
	if (plan.window[i][w].base == r.base && plan.window[i][w].size == r.size)
		return;
	plan.window[i][w].size = 0;
	slot_fails(i, slot, r.size, "no register");
}

static void slot_place(unsigned i, unsigned slot, uint64_t size)
{
	struct pci_dev *d = pci_dev(i);
	bool io = slot_is_io(d, slot);
	struct pci_range ranges[2], r = {0, size};

	slot_ranges(i, slot, ranges);
	r.base = place_find(ranges[0], size, io);
	if (!r.base)
		r.base = place_find(ranges[1], size, io);
	if (!r.base) {
		slot_fails(i, slot, size, "no room");
		return;
	}
	if (slot >= PCI_BARS) {
		window_place(i, slot, r);
		return;
	}
	pci_bar_set(d, slot, r.base);
	log_debug("pci", "%s: BAR %u placed at 0x%llx", d->name, slot, (unsigned long long)r.base);
}

/* ---- the plan ----------------------------------------------------------------------------- */

/* Mark the bridges whose windows contain @bus, so that they do not count as occupied. */
static void bridges_above(uint8_t bus)
{
	const struct pci_dev *up = pci_bridge_of(bus);

	memset(plan.above, 0, sizeof(plan.above));
	for (unsigned n = 0; n < PCI_BUSES && up; n++) {
		plan.above[plan.bridge_at[bus]] = true;
		bus = (uint8_t)(up->bdf >> 8);
		up = pci_bridge_of(bus);
	}
}

static void bus_assign(uint8_t bus, unsigned first, unsigned end)
{
	bridges_above(bus);
	for (unsigned n = 0; n < (end - first) * SLOTS; n++) {
		unsigned best_i = 0, best_slot = 0;
		uint64_t best = 0;

		for (unsigned i = first; i < end; i++) {
			for (unsigned slot = 0; slot < SLOTS; slot++) {
				uint64_t size = slot_missing(i, slot);

				if (size > best) {
					best = size;
					best_i = i;
					best_slot = slot;
				}
			}
		}
		if (!best)
			return;
		slot_place(best_i, best_slot, best);
	}
}

static uint64_t power_of_two_above(uint64_t v, uint64_t least)
{
	while (least < v && least < GIB4)
		least *= 2;
	return least;
}

/* Add what function @i needs to the windows of the bridge that leads to its bus. */
static void need_pass_up(unsigned i)
{
	const struct pci_dev *d = pci_dev(i);
	uint64_t *need = plan.need[plan.bridge_at[d->bdf >> 8]];

	for (unsigned slot = 0; slot < SLOTS; slot++)
		need[slot_is_io(d, slot) ? 0 : 1] += slot_missing(i, slot);
}

/*
 * Find out how large the windows must be that are closed now, from the leaves up: a bus number is
 * higher than that of every bus above it, and the table is in order of bus numbers.
 */
static void windows_plan(void)
{
	for (unsigned i = pci_count(); i-- > 0;) {
		uint64_t *need = plan.need[i];

		if (need[0])
			need[0] = power_of_two_above(need[0], PAGE_SIZE);
		if (need[1])
			need[1] = power_of_two_above(need[1], MIB);
		if (pci_bridge_of((uint8_t)(pci_dev(i)->bdf >> 8)))
			need_pass_up(i);
	}
}

static void windows_read(unsigned i)
{
	static const struct pci_range closed;
	const struct pci_dev *d = pci_dev(i);

	for (unsigned w = 0; w < PCI_WINDOWS; w++) {
		enum pci_bridge_window window = (enum pci_bridge_window)w;
		struct pci_range r = pci_bridge_range(d, window);

		/* as it comes out of reset a window is open at 0, where memory is */
		if (r.base == 0)
			pci_bridge_open(d, window, closed);
		else
			plan.window[i][w] = r;
	}
}

static void plan_start(void)
{
	memset(&plan, 0, sizeof(plan));
	for (unsigned i = 0; i < pci_count(); i++) {
		if (!is_bridge(pci_dev(i)))
			continue;
		for (unsigned bus = 0; bus < PCI_BUSES; bus++)
			if (pci_bridge_of((uint8_t)bus) == pci_dev(i))
				plan.bridge_at[bus] = (uint16_t)i;
		windows_read(i);
	}
}

/* Most machines need nothing of all this. */
static bool anything_missing(void)
{
	for (unsigned i = 0; i < pci_count(); i++)
		if (!pci_bars_assigned(pci_dev(i), true) || !pci_bars_assigned(pci_dev(i), false))
			return true;
	return false;
}

void pci_assign(void)
{
	unsigned first = 0;

	if (!anything_missing())
		return;
	/* only now do the BARs of the others matter */
	for (unsigned i = 0; i < pci_count(); i++)
		pci_size(pci_dev(i));
	plan_start();
	windows_plan();

	while (first < pci_count()) {
		uint8_t bus = (uint8_t)(pci_dev(first)->bdf >> 8);
		unsigned end = first;

		while (end < pci_count() && pci_dev(end)->bdf >> 8 == bus)
			end++;
		bus_assign(bus, first, end);
		first = end;
	}

	for (unsigned i = 0; i < pci_count(); i++)
		if (plan.need[i][0] || plan.need[i][1])
			pci_enable(pci_dev(i));
}
