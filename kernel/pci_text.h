/*
 * PCI functions as text, in the words of lspci: a line each, all that is known of one, or the
 * header in hexadecimal. Lines go to a callback, so that the log and the console can both print
 * them. Registers are read when asked.
 */
#ifndef KERNEL_PCI_TEXT_H
#define KERNEL_PCI_TEXT_H

#include "kernel/pci.h"

/* Gets a line at a time, without newline; @text is gone when it returns. */
struct pci_text_out {
	void (*line)(void *arg, const char *text);
	void *arg;
};

/** pci_text_short() - like lspci: "00:03.0 Ethernet controller: Red Hat, Inc. ..." */
void pci_text_short(const struct pci_dev *d, const struct pci_text_out *out);

/** pci_text_verbose() - like lspci -vv: pci_text_short(), then what the header and the
 * capabilities say, a tab before each line. BARs that pci_scan() did not size
 * are sized for it, with decoding off for a moment */
void pci_text_verbose(const struct pci_dev *d, const struct pci_text_out *out);

/** pci_text_hex() - like lspci -x without its first line: 64 bytes, 16 on a line */
void pci_text_hex(const struct pci_dev *d, const struct pci_text_out *out);

/** pci_text_log() - all three, of every function, to the log at debug level ("log=pci:debug") */
void pci_text_log(void);

#endif
