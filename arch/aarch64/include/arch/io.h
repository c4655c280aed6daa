/*
 * Loads and stores of device registers: one instruction each, never merged or split. Written out,
 * since a hypervisor can emulate only those without write-back.
 */
#ifndef ARCH_IO_H
#define ARCH_IO_H

#include <stdint.h>

static inline uint8_t mmio_read8(const volatile uint8_t *p)
{
	uint32_t v;

	__asm__ volatile("ldrb %w0, %1" : "=r"(v) : "Q"(*p));
	return (uint8_t)v;
}

static inline uint16_t mmio_read16(const volatile uint16_t *p)
{
	uint32_t v;

	__asm__ volatile("ldrh %w0, %1" : "=r"(v) : "Q"(*p));
	return (uint16_t)v;
}

static inline uint32_t mmio_read32(const volatile uint32_t *p)
{
	uint32_t v;

	__asm__ volatile("ldr %w0, %1" : "=r"(v) : "Q"(*p));
	return v;
}

static inline void mmio_write8(volatile uint8_t *p, uint8_t v)
{
	__asm__ volatile("strb %w1, %0" : "=Q"(*p) : "r"(v));
}

static inline void mmio_write16(volatile uint16_t *p, uint16_t v)
{
	__asm__ volatile("strh %w1, %0" : "=Q"(*p) : "r"(v));
}

static inline void mmio_write32(volatile uint32_t *p, uint32_t v)
{
	__asm__ volatile("str %w1, %0" : "=Q"(*p) : "r"(v));
}

/* Aligned 64-bit registers, of the interrupt controller alone. */
static inline uint64_t mmio_read64(const volatile uint64_t *p)
{
	uint64_t v;

	__asm__ volatile("ldr %x0, %1" : "=r"(v) : "Q"(*p));
	return v;
}

static inline void mmio_write64(volatile uint64_t *p, uint64_t v)
{
	__asm__ volatile("str %x1, %0" : "=Q"(*p) : "r"(v));
}

#endif
