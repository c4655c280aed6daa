"""Devices behind an IOMMU: used where what they write goes where they say, refused where not."""

import gdb
import pytest

from ringzero import ARCH, Nic

CARD = "iommu_platform=on,disable-legacy=on"
THROUGH = {
    "x86_64": {
        "intel": ("q35", ["-device", "intel-iommu"]),
        "intel-intremap": ("q35", ["-device", "intel-iommu,intremap=on,device-iotlb=on"]),
        "amd": ("q35", ["-device", "amd-iommu"]),
        "virtio": ("q35", ["-device", "virtio-iommu-pci"]),
    },
    "aarch64": {
        "smmu": ("virt,iommu=smmuv3", []),
        "smmu-its": ("virt,gic-version=3,iommu=smmuv3", []),
        "virtio": ("virt", ["-device", "virtio-iommu-pci"]),
    },
}[ARCH]
DAILY = {"intel", "smmu"}
MACHINE = "virt" if ARCH == "aarch64" else "q35"


@pytest.mark.parametrize("name", [
    n if n in DAILY else pytest.param(n, marks=pytest.mark.soak) for n in THROUGH])
@pytest.mark.parametrize("ring", ["packed=on", pytest.param("", marks=pytest.mark.soak)])
def test_serves_behind_one_that_lets_all_through(start, name, ring):
    machine, extra = THROUGH[name]
    guest = start(nics=[Nic(f"{CARD},{ring}")], machine=machine, extra=extra)
    guest.wait_ready()
    assert "VIRTIO_F_ACCESS_PLATFORM" in guest.json_lines("port")[0]["features"]
    for n in range(20):
        assert guest.peer().echo(bytes(n))


def test_a_card_that_virtio_iommu_blocks_is_refused(start):
    """And one beside it, which the IOMMU is not asked about, is used."""
    guest = start(nics=[Nic(CARD), Nic("")], machine=MACHINE,
                  extra=["-device", "virtio-iommu-pci,boot-bypass=off"])
    guest.wait_text(r"error: 0000:00:0\d\.0: between the device and memory is virtio-iommu")
    guest.wait_ready()
    assert len(guest.json_lines("port")) == 1
    guest.peer(1).guest_ip = "10.0.2.15"
    assert guest.peer(1).echo(b"without an IOMMU")


VTD, VTD_ROOT, VTD_COMMAND, VTD_STATUS = 0xfed90000, 0x20, 0x18, 0x1c
VTD_SET_ROOT, VTD_TRANSLATE = 1 << 30, 1 << 31
SMMU_GBPA, SMMU_UPDATE, SMMU_ABORT = 0x09050000 + 0x44, 1 << 31, 1 << 20


def word(value):
    return value.to_bytes(4, "little")


def test_one_that_is_switched_on_already_is_in_the_way(start, tmp_path):
    """As firmware could have left it; here it is switched on from outside, before the start."""
    extra = gdb.arguments(tmp_path) + ["-S"]
    machine = "virt,iommu=smmuv3" if ARCH == "aarch64" else "q35"
    extra += [] if ARCH == "aarch64" else ["-device", "intel-iommu"]
    guest = start(nics=[Nic(CARD)], machine=machine, extra=extra)
    guest.qmp("query-status")  # QEMU is up
    with gdb.Memory(tmp_path / "gdb") as memory:
        if ARCH == "aarch64":
            memory.write(SMMU_GBPA, word(SMMU_UPDATE | SMMU_ABORT))
        else:
            memory.write(VTD + VTD_ROOT, word(0x1000))
            memory.write(VTD + VTD_COMMAND, word(VTD_SET_ROOT))
            memory.write(VTD + VTD_COMMAND, word(VTD_TRANSLATE))
            assert memory.read(VTD + VTD_STATUS, 4)[3] & 0x80
    guest.wait_text("error: .*between the device and memory is the (Intel IOMMU|Arm SMMU)")
    assert not guest.json_lines("port")
