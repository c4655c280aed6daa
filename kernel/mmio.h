/*
 * Device registers. The width of an access is the width of the register's field, so a driver
 * cannot get it wrong: mmio_read(&cfg->queue_size).
 */
#ifndef KERNEL_MMIO_H
#define KERNEL_MMIO_H

#include <arch/io.h>
#include <stdint.h>

#define mmio_read(p)                                                                               \
	_Generic((p),                                 \
	    volatile uint8_t *: mmio_read8,           \
	    const volatile uint8_t *: mmio_read8,     \
	    volatile uint16_t *: mmio_read16,         \
	    const volatile uint16_t *: mmio_read16,   \
	    volatile uint32_t *: mmio_read32,         \
	    const volatile uint32_t *: mmio_read32)(p)

#define mmio_write(p, v)                                                                           \
	_Generic((p), volatile uint8_t *                                                           \
	         : mmio_write8, volatile uint16_t *                                                \
	         : mmio_write16, volatile uint32_t *                                               \
	         : mmio_write32)(p, v)

/** mmio_read_width() - of 1, 2 or 4 bytes, at a multiple of that: where the width is a value */
static inline uint32_t mmio_read_width(const volatile void *p, unsigned width)
{
	if (width == 1)
		return mmio_read8(p);
	if (width == 2)
		return mmio_read16(p);
	return mmio_read32(p);
}

static inline void mmio_write_width(volatile void *p, unsigned width, uint32_t value)
{
	if (width == 1)
		mmio_write8(p, (uint8_t)value);
	else if (width == 2)
		mmio_write16(p, (uint16_t)value);
	else
		mmio_write32(p, value);
}

#endif
