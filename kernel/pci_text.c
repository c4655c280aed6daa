/*
 * PCI functions as text. The shape of the lines is lspci's, so that they can be compared with
 * those of a Linux guest on the same machine.
 */
#include "kernel/pci_text.h"
#include "kernel/fmt.h"
#include "kernel/log.h"
#include "kernel/pci_bars.h"
#include "kernel/pci_names.h"
#include "kernel/pci_regs.h"

#define LINE_MAX 192
#define VENDOR_VIRTIO 0x1af4
#define VIRTIO_CAP_BAR 4
#define VIRTIO_CAP_OFFSET 8
#define VIRTIO_CAP_LENGTH 12
#define VIRTIO_CAP_MULTIPLIER 16
#define VIRTIO_CAP_NOTIFY 2

static void PRINTF_LIKE(2, 3) emit(const struct pci_text_out *out, const char *fmt, ...)
{
	char text[LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	fmt_vbuf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out->line(out->arg, text);
}

/* ---- one line ----------------------------------------------------------------------------- */

/* "Red Hat, Inc. Virtio network device", "Intel Corporation Device 1234", "Device 1234:1111" */
static void device_text(char *buf, size_t size, uint16_t vendor, uint16_t device)
{
	const char *who = pci_vendor_name(vendor), *what = pci_device_name(vendor, device);

	if (who && what)
		fmt_buf(buf, size, "%s %s", who, what);
	else if (who)
		fmt_buf(buf, size, "%s Device %04x", who, device);
	else
		fmt_buf(buf, size, "Device %04x:%04x", vendor, device);
}

void pci_text_short(const struct pci_dev *d, const struct pci_text_out *out)
{
	uint16_t class_code = (uint16_t)(d->class_code >> 8);
	const char *class_name = pci_class_name(class_code);
	char class_text[24], device[96], rev[16] = "", prog[24] = "";

	fmt_buf(class_text, sizeof(class_text), "Class [%04x]", class_code);
	device_text(device, sizeof(device), d->vendor, d->device);
	if (d->revision)
		fmt_buf(rev, sizeof(rev), " (rev %02x)", d->revision);
	if (d->class_code & 0xff)
		fmt_buf(prog, sizeof(prog), " (prog-if %02x)", d->class_code & 0xff);
	emit(out, "%02x:%02x.%x %s: %s [%04x:%04x]%s%s", d->bdf >> 8, d->bdf >> 3 & 0x1f,
	     d->bdf & 7, class_name ? class_name : class_text, device, d->vendor, d->device, rev,
	     prog);
}

/* ---- command and status ------------------------------------------------------------------- */

static char flag(uint16_t v, unsigned bit)
{
	return v >> bit & 1 ? '+' : '-';
}

static void command_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	uint16_t v = pci_read16(d, PCI_COMMAND);

	emit(out,
	     "\tControl: I/O%c Mem%c BusMaster%c SpecCycle%c MemWINV%c VGASnoop%c ParErr%c "
	     "Stepping%c SERR%c FastB2B%c DisINTx%c",
	     flag(v, 0), flag(v, 1), flag(v, 2), flag(v, 3), flag(v, 4), flag(v, 5), flag(v, 6),
	     flag(v, 7), flag(v, 8), flag(v, 9), flag(v, 10));
}

static void status_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	static const char *const speed[] = {"fast", "medium", "slow", "??"};
	uint16_t v = pci_read16(d, PCI_STATUS);

	emit(out,
	     "\tStatus: Cap%c 66MHz%c UDF%c FastB2B%c ParErr%c DEVSEL=%s >TAbort%c <TAbort%c "
	     "<MAbort%c >SERR%c <PERR%c INTx%c",
	     flag(v, 4), flag(v, 5), flag(v, 6), flag(v, 7), flag(v, 8), speed[v >> 9 & 3],
	     flag(v, 11), flag(v, 12), flag(v, 13), flag(v, 14), flag(v, 15), flag(v, 3));
}

static void interrupt_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	if (d->irq_pin)
		emit(out, "\tInterrupt: pin %c routed to IRQ %u", 'A' + (d->irq_pin - 1) % 26,
		     d->irq_line);
}

/* ---- regions and windows ------------------------------------------------------------------ */

/* "32", "4K", "16K", "8M", "2G" */
static void size_text(char *buf, size_t size, uint64_t bytes)
{
	static const char *const unit[] = {"", "K", "M", "G", "T"};
	unsigned n = 0;

	while (n + 1 < ARRAY_SIZE(unit) && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		n++;
	}
	fmt_buf(buf, size, "%llu%s", (unsigned long long)bytes, unit[n]);
}

static void regions_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	uint16_t command = pci_read16(d, PCI_COMMAND);

	for (unsigned i = 0; i < PCI_BARS; i++) {
		const struct pci_bar *b = &d->bar[i];
		bool io = b->kind == PCI_BAR_IO;
		bool on = command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEM);
		const char *state = !b->addr ? " [unassigned]" : on ? "" : " [disabled]";
		char size[24];

		if (b->kind == PCI_BAR_NONE)
			continue;
		size_text(size, sizeof(size), b->size);
		if (io)
			emit(out, "\tRegion %u: I/O ports at %04llx%s [size=%s]", i,
			     (unsigned long long)b->addr, state, size);
		else
			emit(out,
			     "\tRegion %u: Memory at %08llx (%s-bit, %sprefetchable)%s [size=%s]",
			     i, (unsigned long long)b->addr, b->kind == PCI_BAR_MEM64 ? "64" : "32",
			     b->prefetchable ? "" : "non-", state, size);
	}
}

static void bridge_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	static const char *const what[] = {"I/O", "Memory", "Prefetchable memory"};

	emit(out, "\tBus: primary=%02x, secondary=%02x, subordinate=%02x",
	     pci_read8(d, PCI_PRIMARY_BUS), pci_read8(d, PCI_SECONDARY_BUS),
	     pci_read8(d, PCI_SUBORDINATE_BUS));
	for (unsigned w = 0; w < PCI_WINDOWS; w++) {
		struct pci_range r = pci_bridge_range(d, (enum pci_bridge_window)w);
		char size[24];

		size_text(size, sizeof(size), r.size);
		if (r.size)
			emit(out, "\t%s behind bridge: %08llx-%08llx [size=%s]", what[w],
			     (unsigned long long)r.base, (unsigned long long)(r.base + r.size - 1),
			     size);
		else
			emit(out, "\t%s behind bridge: [disabled]", what[w]);
	}
}

/* ---- capabilities ------------------------------------------------------------------------- */

static void msix_text(const struct pci_dev *d, unsigned at, const struct pci_text_out *out)
{
	uint16_t control = pci_read16(d, at + PCI_MSIX_CONTROL);
	uint32_t table = pci_read32(d, at + PCI_MSIX_TABLE), pba = pci_read32(d, at + PCI_MSIX_PBA);

	emit(out, "\tCapabilities: [%02x] MSI-X: Enable%c Count=%u Masked%c", at, flag(control, 15),
	     (control & PCI_MSIX_SIZE_MASK) + 1u, flag(control, 14));
	emit(out, "\t\tVector table: BAR=%u offset=%08x", table & PCI_MSIX_BIR_MASK,
	     table & ~PCI_MSIX_BIR_MASK);
	emit(out, "\t\tPBA: BAR=%u offset=%08x", pba & PCI_MSIX_BIR_MASK, pba & ~PCI_MSIX_BIR_MASK);
}

static void virtio_text(const struct pci_dev *d, unsigned at, const struct pci_text_out *out)
{
	static const char *const types[] = {
	    [1] = "CommonCfg", [2] = "Notify",       [3] = "ISR",       [4] = "DeviceCfg",
	    [5] = "PciCfg",    [8] = "SharedMemory", [9] = "VendorData"};
	uint8_t type = pci_read8(d, at + 3);
	const char *name = type < ARRAY_SIZE(types) ? types[type] : NULL;
	char multiplier[24] = "";

	if (type == VIRTIO_CAP_NOTIFY)
		fmt_buf(multiplier, sizeof(multiplier), " multiplier=%08x",
		        pci_read32(d, at + VIRTIO_CAP_MULTIPLIER));
	emit(out, "\tCapabilities: [%02x] Vendor Specific Information: VirtIO: %s", at,
	     name ? name : "<unknown>");
	emit(out, "\t\tBAR=%u offset=%08x size=%08x%s", pci_read8(d, at + VIRTIO_CAP_BAR),
	     pci_read32(d, at + VIRTIO_CAP_OFFSET), pci_read32(d, at + VIRTIO_CAP_LENGTH),
	     multiplier);
}

static void express_text(const struct pci_dev *d, unsigned at, const struct pci_text_out *out)
{
	static const char *const ports[16] = {"Endpoint",
	                                      "Legacy Endpoint",
	                                      "??",
	                                      "??",
	                                      "Root Port",
	                                      "Upstream Port",
	                                      "Downstream Port",
	                                      "PCI-Express to PCI/PCI-X Bridge",
	                                      "PCI/PCI-X to PCI-Express Bridge",
	                                      "Root Complex Integrated Endpoint",
	                                      "Root Complex Event Collector"};
	uint16_t v = pci_read16(d, at + PCI_EXPRESS_FLAGS);
	const char *port = ports[PCI_EXPRESS_PORT(v)];

	emit(out, "\tCapabilities: [%02x] Express (v%u) %s, MSI %02x", at, v & 0xfu,
	     port ? port : "??", v >> 9 & 0x1fu);
}

static void capability_text(const struct pci_dev *d, unsigned at, uint8_t id,
                            const struct pci_text_out *out)
{
	switch (id) {
	case PCI_CAP_ID_MSIX:
		msix_text(d, at, out);
		break;
	case PCI_CAP_ID_EXPRESS:
		express_text(d, at, out);
		break;
	case PCI_CAP_ID_PM:
		emit(out, "\tCapabilities: [%02x] Power Management version %u", at,
		     pci_read16(d, at + 2) & 7u);
		break;
	case PCI_CAP_ID_MSI:
		emit(out, "\tCapabilities: [%02x] MSI: Enable%c", at,
		     flag(pci_read16(d, at + 2), 0));
		break;
	case PCI_CAP_ID_VENDOR:
		if (d->vendor == VENDOR_VIRTIO) {
			virtio_text(d, at, out);
			break;
		}
		emit(out, "\tCapabilities: [%02x] Vendor Specific Information: Len=%02x", at,
		     pci_read8(d, at + 2));
		break;
	default:
		emit(out, "\tCapabilities: [%02x] #%02x", at, id);
		break;
	}
}

static void capabilities_text(const struct pci_dev *d, const struct pci_text_out *out)
{
	unsigned at = 0;

	while ((at = pci_cap_next(d, PCI_CAP_ID_ANY, at)) != 0)
		capability_text(d, at, pci_read8(d, at), out);
}

/* ---- all ---------------------------------------------------------------------------------- */

void pci_text_verbose(const struct pci_dev *d, const struct pci_text_out *out)
{
	struct pci_dev sized = *d;
	char sub[96];

	pci_size(&sized);
	pci_text_short(d, out);
	if (d->subvendor) {
		device_text(sub, sizeof(sub), d->subvendor, d->subdevice);
		emit(out, "\tSubsystem: %s [%04x:%04x]", sub, d->subvendor, d->subdevice);
	}
	command_text(d, out);
	status_text(d, out);
	emit(out, "\tLatency: %u", pci_read8(d, PCI_LATENCY));
	interrupt_text(d, out);
	regions_text(&sized, out);
	if ((d->header_type & PCI_HEADER_KIND) == PCI_HEADER_BRIDGE)
		bridge_text(d, out);
	capabilities_text(d, out);
}

void pci_text_hex(const struct pci_dev *d, const struct pci_text_out *out)
{
	for (unsigned row = 0; row < PCI_HEADER_BYTES; row += 16) {
		char text[64];
		size_t len = fmt_buf(text, sizeof(text), "%02x:", row);

		for (unsigned i = 0; i < 16; i++)
			len +=
			    fmt_buf(text + len, sizeof(text) - len, " %02x", pci_read8(d, row + i));
		out->line(out->arg, text);
	}
}

static void log_out(void *arg, const char *text)
{
	unsigned tabs = 0;

	(void)arg;
	while (text[tabs] == '\t')
		tabs++;
	/* the log keeps control characters out of the console */
	log_debug("pci", "%*s%s", (int)(8 * tabs), "", text + tabs);
}

void pci_text_log(void)
{
	static const struct pci_text_out out = {log_out, NULL};

	if (!log_enabled(LOG_DEBUG, "pci"))
		return;
	for (unsigned i = 0; i < pci_count(); i++) {
		pci_text_verbose(pci_dev(i), &out);
		pci_text_hex(pci_dev(i), &out);
	}
}
