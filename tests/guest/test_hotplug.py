"""Cards that are taken out while the machine runs, and put back."""

import os

import pytest

from ringzero import ARCH, Nic, wait_until

# a PCI Express slot that is served by its own registers, not by ACPI's byte code
NATIVE = ["-device", "pcie-root-port,id=rp,chassis=1"]
MACHINE = "virt" if ARCH == "aarch64" else "q35"
if ARCH == "x86_64":
    NATIVE += ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"]
PCIHP_SELECT, PCIHP_EJECT = 0xae10, 0xae08  # QEMU's registers behind ACPI's methods, on pc


def serves(guest):
    wait_until(lambda: guest.peer().echo(b"again?", limit=0.2), 15, "an echo")


def put_back(guest, nic, **more):
    guest.qmp("device_add", driver="virtio-net-pci", id="nic0", netdev="n0", mac=nic.mac, romfile="",
              **more)


def there(guest):
    return "nic0" in str(guest.qmp("query-pci"))


@pytest.mark.parametrize("props", ["packed=on", pytest.param("", marks=pytest.mark.soak)])
def test_a_card_is_taken_out_of_its_slot_and_put_back(start, props):
    nic = Nic(f"bus=rp,{props}")
    guest = start(nics=[nic], machine=MACHINE, extra=NATIVE)
    guest.wait_ready()
    serves(guest)
    more = dict(p.split("=") for p in nic.props.split(",") if p)
    more = {k: v == "on" if v in ("on", "off") else v for k, v in more.items()}
    for n in range(4 if os.environ.get("SOAK") else 1):
        after = len(guest.read())
        guest.qmp("device_del", id="nic0")
        guest.wait_text(r"warning: port 0: its card .* is taken out; port is down", 10, after)
        guest.wait_text("the card may be taken out", 10, after)
        wait_until(lambda: not there(guest), 10, "QEMU takes it out")
        put_back(guest, nic, **more)
        guest.wait_text("port 0: runs again, link up", 15, after)
        serves(guest)
    assert guest.fresh_stats()["failures"] == n + 1
    # its interrupts come, too
    after = len(guest.read())
    guest.qmp("set_link", name="n0", up=False)
    guest.wait_text("port 0: link down", 10, after)


@pytest.mark.arch("x86_64")
def test_a_card_that_is_gone_without_notice(start):
    """QEMU's slot is told to let go of it, from outside."""
    nic = Nic("addr=7")
    guest = start(nics=[nic, Nic("addr=8")], machine="pc",
                  options="net0.ip=10.0.2.15/24 net1.ip=10.0.3.15/24")
    guest.wait_ready()
    serves(guest)

    def write(port, value):
        guest.qmp("human-monitor-command", **{"command-line": f"o /w {port:#x} {value:#x}"})
    guest.qmp("device_del", id="nic0")
    write(PCIHP_SELECT, 0)
    write(PCIHP_EJECT, 1 << 7)
    wait_until(lambda: not there(guest), 10, "QEMU takes it out")
    guest.wait_text(r"warning: port 0: its card 0000:00:07.0 is taken out; port is down", 10)
    guest.peer(1).guest_ip, guest.peer(1).ip = "10.0.3.15", "10.0.3.2"
    assert guest.peer(1).echo(b"the other port goes on")
    after = len(guest.read())
    put_back(guest, nic, addr="7")
    guest.wait_text("port 0: runs again, link up", 15, after)
    serves(guest)
    assert guest.peer(1).echo(b"the other port goes on")


def test_a_card_that_nobody_expects_is_told_of(start):
    guest = start(nics=[Nic()], machine=MACHINE, extra=NATIVE)
    guest.wait_ready()
    guest.qmp("netdev_add", type="user", id="more")
    guest.qmp("device_add", driver="virtio-net-pci", id="more", netdev="more", bus="rp", romfile="")
    found = guest.wait_text(r"pci: warning: (\S+): a card was plugged in", 40)
    assert found[1].endswith(":00.0")
    assert guest.peer().echo(b"the other goes on")
