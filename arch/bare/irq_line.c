/* Sharing of interrupt lines. */
#include "arch/bare/irq_line.h"
#include "kernel/errno.h"
#include "kernel/log.h"

#define UNCLAIMED_MAX 1000 /* in a row; then it is no accident */

unsigned irq_lines_off;

int irq_line_add(struct irq_line *l, plat_intx_fn fn, void *arg)
{
	if (l->nb_handlers == IRQ_LINE_HANDLERS_MAX)
		return -ENOSPC;
	l->handler[l->nb_handlers].fn = fn;
	l->handler[l->nb_handlers].arg = arg;
	l->nb_handlers++;
	return 0;
}

/* Return: one of the line's devices had raised it. */
static bool call_handlers(const struct irq_line *l)
{
	bool claimed = false;

	for (unsigned i = 0; i < l->nb_handlers; i++)
		claimed |= l->handler[i].fn(l->handler[i].arg);
	return claimed;
}

void irq_line_fire(void *line)
{
	struct irq_line *l = line;

	if (call_handlers(l)) {
		l->nb_unclaimed = 0;
		return;
	}
	if (++l->nb_unclaimed >= UNCLAIMED_MAX && l->level) {
		l->mask(l);
		l->masked = true;
		irq_lines_off++;
	}
}

void irq_line_check(struct irq_line *l)
{
	if (!l->masked)
		return;
	call_handlers(l);
	if (l->reported)
		return;
	l->reported = true;
	log_warn("irq",
	         "interrupt line %u fired %u times and none of its %u device(s) had raised it: "
	         "switched off, they are polled; another card holds it, give yours MSI-X (QEMU: "
	         "not vectors=0)",
	         l->irq, UNCLAIMED_MAX, l->nb_handlers);
}
