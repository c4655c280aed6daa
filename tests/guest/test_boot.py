"""Every way of booting ends with a guest that serves; ends of the machine have the right status."""

import time

import pytest

from ringzero import ARCH, MACHINES, STATIC, Nic

x86_64 = pytest.mark.arch("x86_64")
aarch64 = pytest.mark.arch("aarch64")


@pytest.mark.parametrize("machine", MACHINES)
def test_boots_the_kernel_alone(serve, machine):
    guest = serve(machine=machine)
    assert guest.peer().echo(b"hello")


@x86_64
@pytest.mark.parametrize("machine", MACHINES)
def test_boots_the_iso_by_bios(serve, machine):
    guest = serve(machine=machine, boot="iso-bios", memory=128)
    assert guest.peer().echo(b"hello")


@x86_64
def test_boots_the_iso_as_a_disk(serve):
    guest = serve(boot="iso-disk", memory=128)
    assert guest.peer().echo(b"hello")


@x86_64
def test_boots_without_hpet(serve):
    """The clock is measured against the next best reference."""
    guest = serve(machine="pc,hpet=off")
    assert guest.wait_text(r"clock: TSC \d+ MHz, reference (.*)")[1].startswith("PM timer")
    before = guest.fresh_stats()["t_us"], time.monotonic()
    after = guest.fresh_stats()["t_us"], time.monotonic()
    assert (after[0] - before[0]) / 1e6 == pytest.approx(after[1] - before[1], abs=1)
    assert guest.peer().echo(b"hello")


@pytest.mark.parametrize("machine", MACHINES)
def test_boots_the_iso_by_uefi(serve, uefi, machine):
    guest = serve(machine=machine, boot="iso-uefi", memory=256)
    assert guest.peer().echo(b"hello")


@pytest.mark.parametrize("machine", MACHINES)
def test_boots_the_efi_application(serve, uefi, machine):
    guest = serve(machine=machine, boot="efi", memory=256)
    assert guest.peer().echo(b"hello")


def test_the_efi_application_takes_load_options(serve, uefi):
    guest = serve(machine=MACHINES[1], boot="efi-shell", memory=256, options=f"{STATIC} net.mtu=1400")
    assert guest.json_lines("port")[0]["mtu"] == 1400


@x86_64
def test_the_grub_line_carries_options(serve):
    guest = serve(boot="iso-grub", memory=128, options=f"{STATIC} net.mtu=1300",
                  fw_cfg="net.mtu=1400")
    assert guest.json_lines("port")[0]["mtu"] == 1400, "fw_cfg wins over the GRUB line"
    assert guest.peer().echo(b"hello"), "the address of the GRUB line is in force"


@x86_64
@pytest.mark.parametrize("machine,memory", [
    ("pc", 8), ("q35", 8), ("q35", 2048), ("pc", 6144), ("q35", 6144),
])
def test_serves_with_little_and_much_memory(serve, machine, memory):
    guest = serve(machine=machine, memory=memory)
    assert guest.peer().echo(bytes(1400))


@aarch64
@pytest.mark.parametrize("machine,memory", [
    ("virt", 8), ("virt,gic-version=3", 8), ("virt", 2048), ("virt,gic-version=3", 6144),
    ("virt,highmem=off", 2048),
])
def test_serves_with_little_and_much_memory_on_virt(serve, machine, memory):
    guest = serve(machine=machine, memory=memory)
    assert guest.peer().echo(bytes(1400))


@pytest.mark.parametrize("memory", [2, 3, 4] if ARCH == "x86_64" else [5, 6, 7])
def test_too_little_memory_is_said_or_enough(start, memory):
    """Below 8 MiB nothing is promised, but one of two: it serves, or says that memory is short."""
    guest = start(nics=[Nic()], memory=memory)
    guest.wait_text(r'"type":"ready"|error: .*memory|panic: .*memory', limit=20)
    if guest.json_lines("ready"):
        assert guest.peer().echo(bytes(1400))


def test_a_card_without_memory_is_one_line(start):
    """Buffers of 9 KiB for so many cards do not fit; every card that is not served is named once."""
    cards, memory, last = {"x86_64": (8, 2, "0000:00:09.0"), "aarch64": (16, 5, "0000:00:10.0")}[ARCH]
    guest = start(nics=[Nic("mrg_rxbuf=off,rx_queue_size=1024") for _ in range(cards)],
                  memory=memory, options="net.mtu=9714 net.ip=off net7.ip=10.0.2.15/24")
    guest.wait_text(rf'error: {last}: memory|panic', limit=20)
    errors = [e["detail"] for e in guest.json_lines("error") if e["what"] == "virtio_net"]
    assert all("memory" in e for e in errors), errors
    assert len(errors) == cards - len(guest.json_lines("port"))
    shown = [line for line in guest.lines if "virtio_net: error: " in line]
    assert len(shown) == len(errors)


@x86_64
@pytest.mark.parametrize("cpu", ["qemu64", "Nehalem", "Haswell-v4", "max"])
def test_boots_on_processors_old_and_new(serve, cpu):
    guest = serve(cpu=cpu)
    assert guest.peer().echo(b"hello")


@aarch64
@pytest.mark.parametrize("machine", ["virt,acpi=off", "virt,acpi=off,gic-version=3"])
def test_boots_by_uefi_with_a_device_tree(serve, uefi, machine):
    guest = serve(machine=machine, boot="efi", memory=256)
    guest.wait_text(r"port 0: .*interrupts: MSI-X")
    assert guest.peer().echo(b"hello")
    guest.type("poweroff")
    assert guest.wait_exit() == 0


@aarch64
@pytest.mark.parametrize("cpu", ["cortex-a57", "cortex-a72", "neoverse-n1", "neoverse-v1", "max"])
def test_boots_on_processors_of_arm_old_and_new(serve, cpu):
    guest = serve(cpu=cpu)
    assert guest.peer().echo(b"hello")


@aarch64
@pytest.mark.parametrize("machine,interrupts", [
    ("virt", "MSI-X"),
    ("virt,highmem=off", "MSI-X"),
    ("virt,gic-version=3", "MSI-X"),
    ("virt,gic-version=3,highmem=off", "MSI-X"),
    ("virt,gic-version=3,its=off", "INTx"),
    ("virt,virtualization=on", "MSI-X"),
    ("virt,virtualization=on,gic-version=3", "MSI-X"),
    ("virt,virtualization=on,gic-version=4", "MSI-X"),
])
@pytest.mark.parametrize("props", ["", "disable-modern=on"])
def test_boots_on_every_kind_of_virt(serve, machine, interrupts, props):
    """Entered at EL1 and EL2; ECAM above and below 4 GiB; the I/O window for legacy devices; and
    the interrupts come: a change of the link is told of."""
    guest = serve(props, machine=machine)
    guest.wait_text(rf"port 0: .*interrupts: {interrupts}")
    assert guest.peer().echo(b"hello")
    guest.qmp("set_link", name="n0", up=False)
    guest.wait_text(r"virtio_net: .*link.*down", limit=10)
    guest.qmp("set_link", name="n0", up=True)
    guest.type("poweroff")
    assert guest.wait_exit() == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_poweroff_ends_with_status_0(serve, machine):
    guest = serve(machine=machine)
    guest.type("poweroff")
    assert guest.wait_exit() == 0


def test_poweroff_works_after_uefi(serve, uefi):
    guest = serve(machine=MACHINES[1], boot="efi", memory=256)
    guest.type("poweroff")
    assert guest.wait_exit() == 0


def test_survives_a_reset_of_the_machine(serve):
    """The NIC is left running by the guest before; the next must start it afresh."""
    guest = serve(reboot=True)
    assert guest.peer().echo(b"before")
    seen = len(guest.json_lines("ready"))
    guest.qmp("system_reset")
    guest.wait_json("ready", after=seen)
    assert guest.peer().echo(b"after")


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("machine", MACHINES)
def test_serves_on_several_ports(start, machine, count):
    addresses = [f"10.0.{n}.15" for n in range(count)]
    words = " ".join(f"net{n}.ip={ip}/24" for n, ip in enumerate(addresses))
    guest = start(nics=[Nic() for _ in range(count)], machine=machine, options=words)
    guest.wait_ready()
    assert [p["port"] for p in guest.json_lines("port")] == list(range(count))
    bdfs = [p["bdf"] for p in guest.json_lines("port")]
    assert bdfs == sorted(bdfs)
    for n, ip in enumerate(addresses):
        peer = guest.peer(n)
        peer.guest_ip, peer.ip = ip, f"10.0.{n}.2"
        assert peer.arp_ask() == guest.nics[n].mac
        assert peer.echo(f"port {n}".encode())
