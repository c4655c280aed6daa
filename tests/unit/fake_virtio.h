/*
 * A virtio device's registers as PCI has them, modern and legacy: a model on the fake bus that
 * counts breaches of the specification. Plain memory could not refuse a vector or select a queue,
 * nor see the width of an access, so a test program that includes this header compiles the modern
 * transport's source itself, with the register accesses led to the model:
 *
 *	#include "tests/unit/fake_virtio.h"
 *	#include "drivers/virtio/virtio_pci_modern.c"
 */
#ifndef TESTS_UNIT_FAKE_VIRTIO_H
#define TESTS_UNIT_FAKE_VIRTIO_H

#define ARCH_IO_H
#include <stdint.h>

uint32_t fake_virtio_read(const volatile void *p, unsigned width);
void fake_virtio_write(volatile void *p, unsigned width, uint32_t v);

static inline uint8_t mmio_read8(const volatile uint8_t *p)
{
	return (uint8_t)fake_virtio_read(p, 1);
}

static inline uint16_t mmio_read16(const volatile uint16_t *p)
{
	return (uint16_t)fake_virtio_read(p, 2);
}

static inline uint32_t mmio_read32(const volatile uint32_t *p)
{
	return fake_virtio_read(p, 4);
}

static inline void mmio_write8(volatile uint8_t *p, uint8_t v)
{
	fake_virtio_write(p, 1, v);
}

static inline void mmio_write16(volatile uint16_t *p, uint16_t v)
{
	fake_virtio_write(p, 2, v);
}

static inline void mmio_write32(volatile uint32_t *p, uint32_t v)
{
	fake_virtio_write(p, 4, v);
}

#include "drivers/virtio/virtio_pci.h"
#include "drivers/virtio/virtqueue.h"
#include "tests/unit/fake_pci.h"

#define FAKE_VIRTIO_QUEUES 3
#define FAKE_VIRTIO_VECTORS 4
#define FAKE_VIRTIO_PORT 0xc000
#define FAKE_VIRTIO_BAR_BYTES 0x4000

/* What the device knows, and what it is told to do wrong. */
struct fake_virtio {
	uint64_t offered, accepted;
	uint32_t device_select, driver_select;
	uint16_t config_vector, nb_queues, selected;
	uint8_t status, isr;
	struct {
		uint16_t size, vector, enabled, notify_off;
		uint64_t desc, driver, device;
		uint32_t pfn;
	} q[FAKE_VIRTIO_QUEUES];
	bool refuse_queue_vectors, refuse_vector_0, refuse_size, refuse_enable;
	bool status_stuck; /* it reads as all ones */
	bool reset_sticks; /* of a queue */
	unsigned
	    reset_reads; /* of queue_reset until a queue is reset; 0: it is, or was not asked */
	bool keep_queue_vectors; /* has vector 2 where it is to have none */

	unsigned breaches; /* of virtio 4.1.3.1 and 4.1.4.3.2 */
	uint32_t notified_at, notified_value, notified_width;
	char widths[32]; /* of the accesses to the device configuration */
};

extern struct fake_virtio card;
extern struct fake_pci *dev_pci;
extern uint8_t *dev_bar; /* BAR 4: common, ISR, device configuration, notification, 4 KiB each */
extern uint8_t *dev_msix_table;
/* offsets of the capabilities; their order is msix common isr device notify */
extern unsigned cap_msix, cap_common, cap_isr, cap_device, cap_notify;

/** fake_virtio_start() - a modern network device 1af4:1041 at 00:03.0, not scanned yet */
void fake_virtio_start(void);
void fake_virtio_finish(void);
/** fake_virtio_make_legacy() - hide the capabilities, be 1af4:1000 revision 0 */
void fake_virtio_make_legacy(void);
bool fake_virtio_msix_is_on(void);

/** fake_virtio_probe() - scan the bus and probe the device */
struct virtio_dev *fake_virtio_probe(void);
/** fake_virtio_queue() - a queue whose rings are somewhere above 4 GiB */
struct virtqueue fake_virtio_queue(struct virtio_dev *vd, uint16_t index, uint16_t nentries);

#endif
