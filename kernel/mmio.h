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

#endif
