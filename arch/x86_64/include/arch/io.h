/* Loads and stores of device registers: one instruction each, never merged or split. */
#ifndef ARCH_IO_H
#define ARCH_IO_H

#include <stdint.h>

static inline uint8_t mmio_read8(const volatile uint8_t *p)
{
	return *p;
}

static inline uint16_t mmio_read16(const volatile uint16_t *p)
{
	return *p;
}

static inline uint32_t mmio_read32(const volatile uint32_t *p)
{
	return *p;
}

static inline void mmio_write8(volatile uint8_t *p, uint8_t v)
{
	*p = v;
}

static inline void mmio_write16(volatile uint16_t *p, uint16_t v)
{
	*p = v;
}

static inline void mmio_write32(volatile uint32_t *p, uint32_t v)
{
	*p = v;
}

#endif
