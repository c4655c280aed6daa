/* lspci's texts of a virtio-net function, from the 64 header bytes of a running QEMU guest. */
#include "kernel/pci_text.h"
#include "kernel/log.h"
#include "kernel/pci_regs.h"
#include "tests/unit/fake_pci.h"
#include "tests/unit/plat_test.h"
#include <criterion/criterion.h>
#include <string.h>

static const uint8_t net_header[PCI_HEADER_BYTES] = {
    0xf4, 0x1a, 0x00, 0x10, 0x07, 0x05, 0x10, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
    0xe1, 0xc0, 0x00, 0x00, 0x00, 0x10, 0xbd, 0xfe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x0c, 0x00, 0x00, 0xfe, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf4, 0x1a, 0x01, 0x00,
    0x00, 0x00, 0xb4, 0xfe, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0x01, 0x00, 0x00};

static char text[8192];

static void collect(void *arg, const char *line)
{
	(void)arg;
	strcat(text, line);
	strcat(text, "\n");
}

static const struct pci_text_out out = {collect, NULL};

static struct fake_pci *net_function(void)
{
	struct fake_pci *f;
	unsigned at;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 3, 0, 0x10001af4);
	fake_pci_bar(f, 0, 0xc0e0, 32, PCI_BAR_IS_IO);
	fake_pci_bar(f, 1, 0xfebd1000, 4096, 0);
	fake_pci_bar(f, 4, 0xfe000000, 16384, PCI_BAR_TYPE_64 | PCI_BAR_PREFETCH);
	at = fake_pci_msix_cap(f, 3, 1);
	f->config[at + PCI_MSIX_CONTROL + 1] = 0x80;
	fake_pci_virtio_cap(f, 5, 0, 0, 0);
	at = fake_pci_virtio_cap(f, 2, 4, 0x3000, 0x1000);
	fake_pci_put32(f, at + 16, 4);
	fake_pci_virtio_cap(f, 4, 4, 0x2000, 0x1000);
	fake_pci_virtio_cap(f, 3, 4, 0x1000, 0x1000);
	fake_pci_virtio_cap(f, 1, 4, 0, 0x1000);
	memcpy(f->config, net_header, sizeof(net_header));
	pci_scan();
	return f;
}

Test(pci_text, names_a_function_in_one_line)
{
	net_function();
	pci_text_short(pci_dev(0), &out);
	cr_assert_str_eq(text, "00:03.0 Ethernet controller: Red Hat, Inc. Virtio network device "
	                       "[1af4:1000]\n");
}

Test(pci_text, names_what_it_does_not_know_by_numbers)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = fake_pci_add(NULL, 31, 0, 0x11111234);
	fake_pci_put32(f, PCI_REVISION, 0x12340203);
	fake_pci_add(NULL, 30, 0, 0xabcd8086);
	pci_scan();
	pci_text_short(pci_dev(1), &out);
	pci_text_short(pci_dev(0), &out);
	cr_assert_str_eq(
	    text, "00:1f.0 Class [1234]: Device 1234:1111 [1234:1111] (rev 03) (prog-if 02)\n"
		  "00:1e.0 Ethernet controller: Intel Corporation Device abcd "
		  "[8086:abcd]\n");
}

Test(pci_text, tells_everything_in_the_verbose_form)
{
	net_function();
	pci_text_verbose(pci_dev(0), &out);
	cr_assert_str_eq(
	    text,
	    "00:03.0 Ethernet controller: Red Hat, Inc. Virtio network device [1af4:1000]\n"
	    "\tSubsystem: Red Hat, Inc. Device 0001 [1af4:0001]\n"
	    "\tControl: I/O+ Mem+ BusMaster+ SpecCycle- MemWINV- VGASnoop- ParErr- Stepping- SERR+ "
	    "FastB2B- DisINTx+\n"
	    "\tStatus: Cap+ 66MHz- UDF- FastB2B- ParErr- DEVSEL=fast >TAbort- <TAbort- <MAbort- "
	    ">SERR- <PERR- INTx-\n"
	    "\tLatency: 0\n"
	    "\tInterrupt: pin A routed to IRQ 11\n"
	    "\tRegion 0: I/O ports at c0e0 [size=32]\n"
	    "\tRegion 1: Memory at febd1000 (32-bit, non-prefetchable) [size=4K]\n"
	    "\tRegion 4: Memory at fe000000 (64-bit, prefetchable) [size=16K]\n"
	    "\tCapabilities: [40] MSI-X: Enable+ Count=3 Masked-\n"
	    "\t\tVector table: BAR=1 offset=00000000\n"
	    "\t\tPBA: BAR=1 offset=00000800\n"
	    "\tCapabilities: [4c] Vendor Specific Information: VirtIO: PciCfg\n"
	    "\t\tBAR=0 offset=00000000 size=00000000\n"
	    "\tCapabilities: [5c] Vendor Specific Information: VirtIO: Notify\n"
	    "\t\tBAR=4 offset=00003000 size=00001000 multiplier=00000004\n"
	    "\tCapabilities: [70] Vendor Specific Information: VirtIO: DeviceCfg\n"
	    "\t\tBAR=4 offset=00002000 size=00001000\n"
	    "\tCapabilities: [80] Vendor Specific Information: VirtIO: ISR\n"
	    "\t\tBAR=4 offset=00001000 size=00001000\n"
	    "\tCapabilities: [90] Vendor Specific Information: VirtIO: CommonCfg\n"
	    "\t\tBAR=4 offset=00000000 size=00001000\n");
}

Test(pci_text, shows_the_buses_and_windows_of_a_bridge)
{
	struct fake_pci *f;

	fake_pci_start(true);
	f = fake_pci_bridge(NULL, 2, 1, 4);
	fake_pci_put16(f, PCI_IO_BASE, 0xd0c0);
	fake_pci_put16(f, PCI_MEM_BASE, 0xfe80);
	fake_pci_put16(f, PCI_MEM_LIMIT, 0xfe90);
	fake_pci_put16(f, PCI_PREF_BASE, 0x0001);
	fake_pci_put16(f, PCI_PREF_LIMIT, 0x0ff1);
	fake_pci_put32(f, PCI_PREF_BASE_HI, 0x80);
	fake_pci_put32(f, PCI_PREF_LIMIT_HI, 0x80);
	pci_scan();
	pci_text_verbose(pci_dev(0), &out);
	cr_expect_not_null(strstr(text, "\tBus: primary=00, secondary=01, subordinate=04\n"));
	cr_expect_not_null(strstr(text, "\tI/O behind bridge: 0000c000-0000dfff [size=8K]\n"));
	cr_expect_not_null(strstr(text, "\tMemory behind bridge: fe800000-fe9fffff [size=2M]\n"));
	cr_expect_not_null(strstr(text, "\tPrefetchable memory behind bridge: "
	                                "8000000000-800fffffff [size=256M]\n"));
}

Test(pci_text, dumps_the_header)
{
	net_function();
	pci_text_hex(pci_dev(0), &out);
	cr_assert_str_eq(text, "00: f4 1a 00 10 07 05 10 00 00 00 00 02 00 00 00 00\n"
	                       "10: e1 c0 00 00 00 10 bd fe 00 00 00 00 00 00 00 00\n"
	                       "20: 0c 00 00 fe 00 00 00 00 00 00 00 00 f4 1a 01 00\n"
	                       "30: 00 00 b4 fe 40 00 00 00 00 00 00 00 0b 01 00 00\n");
}

Test(pci_text, is_in_the_log_at_debug_level_only)
{
	net_function();
	plat_test_clear();
	pci_text_log();
	cr_expect_str_empty(plat_test_output());
	cr_assert_eq(log_set_levels("pci:debug"), 0);
	pci_text_log();
	cr_expect_not_null(strstr(plat_test_output(), "Region 4: Memory at fe000000"));
	cr_expect_not_null(strstr(plat_test_output(), "20: 0c 00 00 fe"));
}
