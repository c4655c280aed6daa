/*
 * An interrupt line that several devices share. Each handler is called and looks at its own device;
 * a level-triggered line that fires again and again without any of them having raised it is held by
 * a device that nobody drives, and would fire for ever: it is masked, and its handlers are called
 * now and then without an interrupt.
 */
#ifndef ARCH_BARE_IRQ_LINE_H
#define ARCH_BARE_IRQ_LINE_H

#include "kernel/plat.h"

#define IRQ_LINE_HANDLERS_MAX 8

struct irq_line {
	unsigned irq; /* as the first handler named it */
	bool level;   /* an edge ends by itself */
	void (*mask)(struct irq_line *l);

	unsigned nb_unclaimed;
	bool masked, reported;
	unsigned nb_handlers;
	struct {
		plat_intx_fn fn;
		void *arg;
	} handler[IRQ_LINE_HANDLERS_MAX];
};

/* Lines that are masked: their devices interrupt nobody. */
extern unsigned irq_lines_off;

/** irq_line_add() - one more handler, for a line that is not masked; the caller keeps its
 * interrupts off meanwhile. Return: 0 or -ENOSPC */
int irq_line_add(struct irq_line *l, plat_intx_fn fn, void *arg);

/** irq_line_fire() - the line was raised; the interrupt's handler, with the struct irq_line */
void irq_line_fire(void *line);

/** irq_line_check() - call the handlers of a line that was masked, and log once that it was; from
 * the main loop, now and then */
void irq_line_check(struct irq_line *l);

#endif
