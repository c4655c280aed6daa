/*
 * The device tree (Devicetree Specification 0.4): what is read of it into struct machine and struct
 * boot_info. Pure functions over untrusted bytes; libfdt keeps inside them.
 *
 *	bytes = devtree_bytes(first 40 bytes);
 *	devtree_parse(fdt, bytes, &machine, &info);
 */
#ifndef ARCH_AARCH64_DEVTREE_H
#define ARCH_AARCH64_DEVTREE_H

#include "arch/aarch64/machine.h"
#include "arch/bare/boot_info.h"

#define DEVTREE_HEADER_BYTES 40
#define DEVTREE_BYTES_MAX (2u << 20) /* the boot protocol allows no more */

/** devtree_bytes() - how long the tree is whose first DEVTREE_HEADER_BYTES are at @head; 0 when
 * that is no device tree */
size_t devtree_bytes(const void *head);

/**
 * devtree_parse() - read the tree of @bytes bytes
 *
 * What is missing or makes no sense is left as it is in @m and @bi, which the caller cleared.
 * Return: 0, or -EINVAL when the tree as a whole is damaged.
 */
int devtree_parse(const void *fdt, size_t bytes, struct machine *m, struct boot_info *bi);

/** devtree_cpus() - the processors that PSCI starts, of a tree that was read; apart, as libfdt
 * takes its time and most machines use one */
void devtree_cpus(const void *fdt, struct machine *m);

/* of devtree_pci.c: the host bridge */
void devtree_pci(const void *fdt, struct pci_info *pci);

/* ---- shared by the two ---------------------------------------------------------------------- */

/* The cells of a property: 32-bit words, the most significant first. */
struct cells {
	const uint8_t *at;
	unsigned nb;
};

/** devtree_cells() - a property of @node as cells; none when it is not there */
struct cells devtree_cells(const void *fdt, int node, const char *name);

/** cells_take() - take @n cells off the front as one number, the low 64 bits of it; 0 when there
 * are not so many */
uint64_t cells_take(struct cells *c, unsigned n);

/** devtree_u32() - the first cell of a property, or @fallback */
uint32_t devtree_u32(const void *fdt, int node, const char *name, uint32_t fallback);

/** devtree_reg() - entry @n of "reg"; no bytes when there is none. Addresses are taken as they are:
 * the buses above must translate nothing */
struct machine_range devtree_reg(const void *fdt, int node, unsigned n);

#endif
