/*
 * Interrupts of virtio devices on PCI: a vector for each queue, one for all, the pin, none.
 */
#include "tests/unit/fake_virtio.h"

#include "drivers/virtio/virtio_pci_modern.c"

#include "kernel/pci_regs.h"
#include "tests/unit/plat_test.h"
#include "tests/unit/said.h"
#include <criterion/criterion.h>

TestSuite(virtio_pci_irq, .init = fake_virtio_start, .fini = fake_virtio_finish);

static struct virtio_dev *probe_legacy(void)
{
	fake_virtio_make_legacy();
	return fake_virtio_probe();
}

static unsigned calls[3], any, any_queue;

static void on_irq(struct virtio_dev *vd, unsigned vector)
{
	cr_assert_eq(vd->device_id, VIRTIO_ID_NET);
	if (vector >= VIRTIO_IRQ_ANY_QUEUE) {
		any += vector == VIRTIO_IRQ_ANY;
		any_queue += vector == VIRTIO_IRQ_ANY_QUEUE;
		return;
	}
	cr_assert_lt(vector, ARRAY_SIZE(calls));
	calls[vector]++;
}

static void device_raises(unsigned vector)
{
	const uint32_t *e = (const uint32_t *)(const void *)(dev_msix_table + 16 * vector);

	cr_assert(fake_virtio_msix_is_on());
	cr_assert_eq(e[3], 0, "vector %u is masked", vector);
	cr_assert(plat_test_msi((uint64_t)e[1] << 32 | e[0], e[2]));
}

static void expect_calls(unsigned config, unsigned rx0, unsigned rx1)
{
	cr_expect_eq(calls[0], config);
	cr_expect_eq(calls[1], rx0);
	cr_expect_eq(calls[2], rx1);
	cr_expect_eq(any | any_queue, 0);
	memset(calls, 0, sizeof(calls));
}

/* One call, which speaks for everything, or for all queues. */
static void expect_shared(unsigned all, unsigned queues, unsigned config)
{
	cr_expect_eq(any, all);
	cr_expect_eq(any_queue, queues);
	any = any_queue = 0;
	expect_calls(config, 0, 0);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static void vectors_work(struct virtio_dev *vd)
{
	struct virtqueue vq[2] = {fake_virtio_queue(vd, 0, 256), fake_virtio_queue(vd, 1, 256)};

	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_MSIX);
	cr_expect_eq(vd->nb_vectors, 3);
	cr_assert_eq(vd->ops->set_config_vector(vd, 0), 0);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq[0], 1), 0);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq[1], VIRTIO_MSI_NO_VECTOR), 0);
	cr_expect_eq(card.config_vector, 0);
	cr_expect_eq(card.q[0].vector, 1);
	cr_expect_eq(card.q[1].vector, VIRTIO_MSI_NO_VECTOR);

	device_raises(0);
	expect_calls(1, 0, 0);
	device_raises(1);
	expect_calls(0, 1, 0);
	device_raises(2);
	expect_calls(0, 0, 1);

	vd->ops->irq_route(vd, 1, 2);
	device_raises(1);
	cr_expect_eq(plat_test_irqs[1].lcore, 0);
	device_raises(2);
	cr_expect_eq(plat_test_irqs[2].lcore, 2);
	expect_calls(0, 1, 1);
	vd->ops->irq_route(vd, 0, plat_test_cpus);
	cr_expect(said("vector 1 cannot go to lcore"));
	device_raises(1);
	expect_calls(0, 1, 0);
}

Test(virtio_pci_irq, gives_each_modern_queue_a_vector)
{
	vectors_work(fake_virtio_probe());
}

Test(virtio_pci_irq, gives_each_legacy_queue_a_vector)
{
	vectors_work(probe_legacy());
}

static void sharing_works(struct virtio_dev *vd, unsigned wanted)
{
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	cr_assert_eq(vd->ops->irq_setup(vd, wanted, on_irq), VIRTIO_IRQ_SHARED);
	cr_expect_eq(vd->nb_vectors, 1);
	cr_assert_eq(vd->ops->set_config_vector(vd, 0), 0);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, 0), 0);
	vd->ops->irq_route(vd, 1, 1); /* it is the other queue's, too */
	device_raises(0);
	expect_shared(1, 0, 0);
	cr_expect_eq(plat_test_irqs[0].lcore, 0);
}

Test(virtio_pci_irq, shares_a_vector_when_the_device_has_too_few)
{
	sharing_works(fake_virtio_probe(), FAKE_VIRTIO_VECTORS + 1);
	cr_expect(said("4 MSI-X vectors where 5 are wanted"));
}

Test(virtio_pci_irq, shares_a_vector_when_the_machine_has_too_few)
{
	const uint32_t *table = (const uint32_t *)(const void *)dev_msix_table;

	plat_test_irq_limit = 2;
	sharing_works(fake_virtio_probe(), 3);
	cr_expect(said("the machine has no interrupt for vector 2"));
	cr_expect_eq(table[7], 1, "the vector that is not used is masked");
}

static void pin_works(struct virtio_dev *vd)
{
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_INTX);
	cr_expect_not(fake_virtio_msix_is_on());
	cr_expect(said("interrupts by pin, line 11"));
	cr_expect_eq(vd->ops->set_config_vector(vd, VIRTIO_MSI_NO_VECTOR), 0);
	cr_expect_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);

	card.isr = VIRTIO_ISR_QUEUE;
	cr_assert_eq(plat_test_raise_intx(11), 1);
	expect_shared(0, 1, 0);
	cr_expect_eq(card.isr, 0);
	card.isr = VIRTIO_ISR_CONFIG;
	plat_test_raise_intx(11);
	expect_calls(1, 0, 0);
	cr_expect_eq(plat_test_intx[0].claimed, 2);
	plat_test_raise_intx(11); /* another device of the line */
	expect_calls(0, 0, 0);
	cr_expect_eq(plat_test_intx[0].claimed, 2);
	card.isr = VIRTIO_ISR_CONFIG | VIRTIO_ISR_QUEUE;
	plat_test_raise_intx(11);
	expect_shared(0, 1, 1);
}

Test(virtio_pci_irq, uses_the_pin_of_a_modern_device_without_msix)
{
	dev_pci->config[cap_msix] = PCI_CAP_ID_PM;
	pin_works(fake_virtio_probe());
}

Test(virtio_pci_irq, uses_the_pin_of_a_legacy_device_without_msix)
{
	dev_pci->config[cap_msix] = PCI_CAP_ID_PM;
	pin_works(probe_legacy());
}

Test(virtio_pci_irq, uses_the_pin_when_the_machine_has_no_messages)
{
	plat_test_irq_limit = 0;
	pin_works(fake_virtio_probe());
}

Test(virtio_pci_irq, is_left_to_polling_without_a_pin)
{
	struct virtio_dev *vd;

	dev_pci->config[cap_msix] = PCI_CAP_ID_PM;
	dev_pci->config[PCI_IRQ_LINE + 1] = 0;
	vd = fake_virtio_probe();
	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_NONE);
	cr_expect(said("polling only"));
	cr_expect_eq(plat_test_nb_intx, 0);
	cr_expect(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
}

Test(virtio_pci_irq, is_left_to_polling_when_the_line_is_not_connected)
{
	struct virtio_dev *vd;

	dev_pci->config[cap_msix] = PCI_CAP_ID_PM;
	plat_test_intx_limit = 0;
	vd = fake_virtio_probe();
	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_NONE);
	cr_expect(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
}

Test(virtio_pci_irq, shares_vector_0_with_a_queue_whose_own_is_refused)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	card.refuse_queue_vectors = true;
	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_MSIX);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, 1), 0);
	cr_expect_eq(vd->irq_mode, VIRTIO_IRQ_SHARED);
	cr_expect_eq(card.q[0].vector, 0);
	device_raises(0);
	expect_shared(1, 0, 0);
}

Test(virtio_pci_irq, says_so_when_every_vector_is_refused)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct virtqueue vq = fake_virtio_queue(vd, 0, 256);

	card.refuse_queue_vectors = card.refuse_vector_0 = true;
	vd->ops->irq_setup(vd, 3, on_irq);
	cr_expect_eq(vd->ops->set_config_vector(vd, 0), -EIO);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, 1), 0);
	cr_expect_eq(vd->irq_mode, VIRTIO_IRQ_NONE);
	cr_expect_eq(card.q[0].vector, VIRTIO_MSI_NO_VECTOR);
	cr_expect(said("no interrupts for queue 0: polling only"));
}

Test(virtio_pci_irq, only_tells_of_a_queue_that_keeps_a_vector)
{
	struct virtio_dev *vd = fake_virtio_probe();
	struct virtqueue vq = fake_virtio_queue(vd, 1, 256);

	card.keep_queue_vectors = true;
	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_MSIX);
	cr_assert_eq(vd->ops->queue_enable(vd, &vq, VIRTIO_MSI_NO_VECTOR), 0);
	cr_expect_eq(vd->irq_mode, VIRTIO_IRQ_MSIX, "the other queues keep theirs");
	cr_expect_neq(card.q[1].vector, 0);
	cr_expect(said("gives queue 1 a vector that was not asked for"));
	device_raises(0);
	expect_calls(1, 0, 0);
}

Test(virtio_pci_irq, a_released_device_is_silent)
{
	const uint32_t *table = (const uint32_t *)(const void *)dev_msix_table;
	struct virtio_dev *vd = fake_virtio_probe();

	cr_assert_eq(vd->ops->irq_setup(vd, 3, on_irq), VIRTIO_IRQ_MSIX);
	cr_assert(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_MASTER);
	virtio_pci_release(vd);
	cr_expect_not(fake_virtio_msix_is_on());
	cr_expect_not(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_MASTER);
	cr_expect(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(table[4 * i + 3], 1, "vector %u is masked", i);
}

Test(virtio_pci_irq, a_device_without_interrupts_is_released_too)
{
	dev_pci->config[cap_msix] = PCI_CAP_ID_PM;
	virtio_pci_release(fake_virtio_probe());
	cr_expect_not(fake_pci_get16(dev_pci, PCI_COMMAND) & PCI_COMMAND_MASTER);
}
