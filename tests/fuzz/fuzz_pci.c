/*
 * The fuzzer is a PCI bus: configuration spaces with capability lists that loop or lie, BARs of any
 * size, bridges; and behind a virtio function its registers, which answer anything. Register
 * accesses come here instead of going to memory: each must lie inside a BAR of the function.
 */
#define ARCH_IO_H
#include <stdint.h>

static uint32_t reg_read(const volatile void *p, unsigned width);
static void reg_write(const volatile void *p, unsigned width);

static inline uint8_t mmio_read8(const volatile uint8_t *p)
{
	return (uint8_t)reg_read(p, 1);
}

static inline uint16_t mmio_read16(const volatile uint16_t *p)
{
	return (uint16_t)reg_read(p, 2);
}

static inline uint32_t mmio_read32(const volatile uint32_t *p)
{
	return reg_read(p, 4);
}

static inline void mmio_write8(const volatile uint8_t *p, uint8_t v)
{
	(void)v;
	reg_write(p, 1);
}

static inline void mmio_write16(const volatile uint16_t *p, uint16_t v)
{
	(void)v;
	reg_write(p, 2);
}

static inline void mmio_write32(const volatile uint32_t *p, uint32_t v)
{
	(void)v;
	reg_write(p, 4);
}

/* with the accesses above instead of <arch/io.h> */
#include "drivers/virtio/virtio_pci_modern.c"
#include "kernel/msix.c"

#include "drivers/virtio/virtio_dev.h"
#include "drivers/virtio/virtqueue.h"
#include "kernel/pci_regs.h"
#include "kernel/pci_text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/plat_test.h"

#include <string.h>

#define FUNCTIONS_MAX 6
#define CONFIG_READS_MAX 2000000 /* a scan of 256 buses takes some 10000 */

static struct fuzz_in *regs; /* what registers answer */
static const struct pci_dev *probed;

static void reg_check(uint64_t at, unsigned width)
{
	for (unsigned i = 0; probed && i < PCI_BARS; i++) {
		const struct pci_bar *b = &probed->bar[i];

		if (b->kind >= PCI_BAR_MEM32 && at >= b->addr && at - b->addr < b->size &&
		    width <= b->size - (at - b->addr))
			return;
	}
	fuzz_require(false, "a register at 0x%llx, which is in no BAR", (unsigned long long)at);
}

static uint32_t reg_read(const volatile void *p, unsigned width)
{
	uint32_t v = 0;

	reg_check((uint64_t)(uintptr_t)p, width);
	fuzz_bytes(regs, &v, width);
	return v;
}

static void reg_write(const volatile void *p, unsigned width)
{
	reg_check((uint64_t)(uintptr_t)p, width);
}

static uint32_t port_read(uint32_t port, unsigned width)
{
	uint32_t v = 0;

	(void)port;
	fuzz_bytes(regs, &v, width);
	return v;
}

/* ---- functions ---------------------------------------------------------------------------- */

static void caps_from(struct fuzz_in *in, struct fake_pci *f)
{
	const unsigned n = fuzz_u8(in) % 9;

	for (unsigned i = 0; i < n && f->cap_end < 224; i++) {
		const uint8_t kind = fuzz_u8(in);

		if (kind < 160)
			fake_pci_virtio_cap(f, 1 + kind % 5, (kind / 5) % 7,
			                    fuzz_u16(in) * (kind & 64 ? 65537u : 1u), fuzz_u16(in));
		else if (kind < 200)
			fake_pci_msix_cap(f, 1 + fuzz_u8(in), kind % 7);
		else
			fake_pci_cap(f, kind, 4 + fuzz_u8(in) % 16);
	}
	for (unsigned i = fuzz_u8(in) % 12; i; i--) {
		const uint8_t at = fuzz_u8(in);

		f->config[at] = fuzz_u8(in);
	}
}

static void function_from(struct fuzz_in *in, unsigned slot)
{
	const uint8_t what = fuzz_u8(in);
	struct fake_pci *f;

	if ((what & 7) == 7) {
		const uint8_t from = fuzz_u8(in), to = fuzz_u8(in);

		f = fake_pci_bridge(NULL, slot, from, to);
	} else {
		f = fake_pci_add(NULL, slot, 0, (what & 1) ? 0x10411af4 : 0x10001af4);
		f->config[PCI_REVISION] = what & 1;
	}
	for (unsigned i = 0; i < PCI_BARS && (what & 8); i++) {
		const uint8_t size = fuzz_u8(in), kind = fuzz_u8(in);

		if (size & 63)
			fake_pci_bar(f, i, (uint64_t)fuzz_u16(in) << (size & 63),
			             1ull << (size & 63), kind & 15);
	}
	caps_from(in, f);
}

/* ---- a virtio function in use ------------------------------------------------------------- */

static void irq(struct virtio_dev *vd, unsigned vector)
{
	(void)vd;
	fuzz_require(vector <= 1, "vector %u", vector);
}

static void use(struct virtio_dev *vd)
{
	static struct vq_slot slots[8];
	struct virtqueue vq = {.nentries = 8, .vd = vd, .slot = slots, .desc_iova = 0x10000};
	uint8_t config[24];

	if (!virtio_dev_begin(vd) && !virtio_dev_negotiate(vd, UINT64_MAX)) {
		for (unsigned at = 0; at < sizeof(config); at += 4)
			virtio_dev_config_read(vd, at, config, 4);
		vd->ops->nb_queues(vd);
		vd->irq_mode = vd->ops->irq_setup(vd, 2, irq);
		vd->ops->set_config_vector(vd, 0);
		for (vq.index = 0; vq.index < 2; vq.index++) {
			vd->ops->queue_size(vd, vq.index);
			if (!vd->ops->queue_enable(vd, &vq, vq.index ? VIRTIO_MSI_NO_VECTOR : 1))
				vd->ops->notify(vd, &vq);
		}
		virtio_dev_ready(vd);
	}
	for (unsigned i = 0; i < plat_test_nb_irqs; i++)
		plat_test_irqs[i].fn(plat_test_irqs[i].arg);
	for (unsigned i = 0; i < plat_test_nb_intx; i++)
		plat_test_intx[i].intx_fn(plat_test_intx[i].arg);
	virtio_dev_fail(vd);
}

static void line(void *arg, const char *text)
{
	(void)arg;
	fuzz_require(strlen(text) < 1024, "a line without end");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pci_text_out out = {.line = line};
	struct fuzz_in in = {data, data + size};
	const uint8_t how = fuzz_u8(&in);
	const unsigned n = 1 + how % FUNCTIONS_MAX;

	fuzz_quiet();
	fuzz_memory(1u << 20);
	plat_test_nb_irqs = plat_test_nb_intx = 0;
	plat_test_irq_limit = (how & 64) ? 1 : PLAT_TEST_IRQS_MAX;
	plat_test_time_step_ns = 1000000;
	plat_test_io_read = port_read;
	regs = &in;
	probed = NULL;
	fake_pci_start(how & 128);
	for (unsigned i = 0; i < n && fuzz_more(&in); i++)
		function_from(&in, i);

	fuzz_require(pci_scan() <= PCI_DEVICES_MAX, "too many functions");
	for (unsigned i = 0; i < pci_count() && i < n; i++) {
		struct pci_dev *d = pci_dev(i);
		struct virtio_dev *vd = NULL;
		unsigned caps = 0;

		for (unsigned at = 0; (at = pci_cap_next(d, 0, at)); caps++)
			fuzz_require(caps < PCI_CAPS_MAX, "a list of capabilities without end");
		pci_text_verbose(d, &out);
		pci_text_hex(d, &out);
		probed = d;
		if (virtio_pci_device_id(d))
			vd = virtio_pci_probe(d);
		if (vd)
			use(vd);
	}
	fuzz_require(fake_pci_reads < CONFIG_READS_MAX, "%u reads", fake_pci_reads);
	return 0;
}
