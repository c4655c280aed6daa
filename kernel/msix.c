/*
 * MSI-X (PCI 3.0, 6.8.2). The table lies in a memory BAR that the device names, so its place is
 * checked against the BAR. An entry is masked whenever it is changed.
 */
#include "kernel/msix.h"
#include "kernel/errno.h"
#include "kernel/log.h"
#include "kernel/mmio.h"
#include "kernel/pci_regs.h"

#define ENTRY_BYTES 16
#define ENTRY_WORDS 4
enum { WORD_ADDR_LO, WORD_ADDR_HI, WORD_DATA, WORD_CONTROL };
#define CONTROL_MASKED 1u

static void control_write(const struct pci_dev *dev, unsigned cap, uint16_t clear, uint16_t set)
{
	uint16_t v = pci_read16(dev, cap + PCI_MSIX_CONTROL);

	pci_write16(dev, cap + PCI_MSIX_CONTROL, (uint16_t)((v & ~clear) | set));
}

void msix_mask(struct msix *mx, unsigned entry, bool masked)
{
	volatile uint32_t *control;

	if (entry >= mx->nb_vectors)
		return;
	/* the other bits of the word are reserved and must be kept */
	control = &mx->table[entry * ENTRY_WORDS + WORD_CONTROL];
	mmio_write(control, (mmio_read(control) & ~CONTROL_MASKED) | (masked ? CONTROL_MASKED : 0));
}

unsigned msix_open(struct msix *mx, const struct pci_dev *dev)
{
	unsigned nb_vectors, bir;
	uint32_t where;

	mx->dev = dev;
	mx->nb_vectors = 0;
	mx->table = NULL;
	mx->cap = pci_cap_next(dev, PCI_CAP_ID_MSIX, 0);
	if (!mx->cap)
		return 0;
	nb_vectors = (pci_read16(dev, mx->cap + PCI_MSIX_CONTROL) & PCI_MSIX_SIZE_MASK) + 1u;
	where = pci_read32(dev, mx->cap + PCI_MSIX_TABLE);
	bir = where & PCI_MSIX_BIR_MASK;
	where &= ~PCI_MSIX_BIR_MASK;

	mx->table = pci_bar_map(dev, bir, where, (uint64_t)nb_vectors * ENTRY_BYTES);
	if (!mx->table) {
		log_warn("pci",
		         "%s: the MSI-X table (%u entries at 0x%x) is not inside BAR %u: "
		         "MSI-X is not used",
		         dev->name, nb_vectors, where, bir);
		return 0;
	}
	mx->nb_vectors = nb_vectors;
	control_write(dev, mx->cap, PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK, 0);
	for (unsigned i = 0; i < nb_vectors; i++)
		msix_mask(mx, i, true);
	return nb_vectors;
}

/* The entry is masked. */
static void message_write(volatile uint32_t *e, const struct plat_msi *msg)
{
	mmio_write(&e[WORD_ADDR_LO], (uint32_t)msg->addr);
	mmio_write(&e[WORD_ADDR_HI], (uint32_t)(msg->addr >> 32));
	mmio_write(&e[WORD_DATA], msg->data);
}

void msix_save(const struct msix *mx, unsigned entry, struct plat_msi *msg)
{
	volatile uint32_t *e = &mx->table[entry * ENTRY_WORDS];

	msg->addr = mmio_read(&e[WORD_ADDR_LO]) | (uint64_t)mmio_read(&e[WORD_ADDR_HI]) << 32;
	msg->data = mmio_read(&e[WORD_DATA]);
}

void msix_restore(struct msix *mx, unsigned entry, const struct plat_msi *msg)
{
	message_write(&mx->table[entry * ENTRY_WORDS], msg);
	msix_mask(mx, entry, false);
}

int msix_set(struct msix *mx, unsigned entry, plat_irq_fn fn, void *arg)
{
	struct plat_msi msg;
	int err;

	if (entry >= mx->nb_vectors)
		return -ERANGE;
	msix_mask(mx, entry, true);
	err = plat_irq_msi(pci_requester(mx->dev), fn, arg, &msg);
	if (err)
		return err;
	msix_restore(mx, entry, &msg);
	return 0;
}

/* What the table gives back is the device's word: plat_irq_move() checks it. */
int msix_move(struct msix *mx, unsigned entry, unsigned lcore)
{
	volatile uint32_t *e;
	struct plat_msi msg;
	bool masked;
	int err;

	if (entry >= mx->nb_vectors)
		return -ERANGE;
	e = &mx->table[entry * ENTRY_WORDS];
	msix_save(mx, entry, &msg);
	err = plat_irq_move(pci_requester(mx->dev), lcore, &msg);
	if (err)
		return err;
	masked = mmio_read(&e[WORD_CONTROL]) & CONTROL_MASKED;
	msix_mask(mx, entry, true);
	message_write(e, &msg);
	msix_mask(mx, entry, masked);
	return 0;
}

void msix_disable(const struct pci_dev *dev)
{
	unsigned cap = pci_cap_next(dev, PCI_CAP_ID_MSIX, 0);

	if (cap)
		control_write(dev, cap, PCI_MSIX_ENABLE, 0);
}

void msix_enable(struct msix *mx, bool on)
{
	if (!mx->cap)
		return;
	pci_intx_enable(mx->dev, !on);
	control_write(mx->dev, mx->cap, PCI_MSIX_ENABLE | PCI_MSIX_FUNCTION_MASK,
	              on ? PCI_MSIX_ENABLE : 0);
}
