"""Machines that are odd: more cards than there can be ports, tables of the firmware that lead
nowhere, a card that never lets go of an interrupt line."""

import socket
import struct

import pytest

from ringzero import MACHINES, STATIC, Nic

PORTS_MAX = 16
EDU_ID = 0x11e8  # QEMU's card for teaching: whatever is written to a register of it interrupts
EDU_RAISE = 0x60

x86_64 = pytest.mark.arch("x86_64")


def test_cards_beyond_the_last_port_are_told_of_and_left_alone(start):
    guest = start(nics=[Nic() for _ in range(PORTS_MAX + 2)],
                  options=f"net.ip=off net{PORTS_MAX - 1}.ip=10.0.2.15/24")
    guest.wait_ready()
    assert [p["port"] for p in guest.json_lines("port")] == list(range(PORTS_MAX))
    told, = (line for line in guest.lines if f"{PORTS_MAX + 2} network cards" in line)
    assert f"first {PORTS_MAX}" in told
    assert guest.peer(PORTS_MAX - 1).echo(b"the last port")


# ---- a table of the firmware -------------------------------------------------------------------


def mcfg(*entries):
    """The body of a table: 8 reserved bytes, then base, segment, first and last bus."""
    return bytes(8) + b"".join(struct.pack("<QHBB4x", *e) for e in entries)


@x86_64
@pytest.mark.parametrize("body", [
    mcfg(), mcfg()[:5], mcfg((0xb0000000, 0, 0, 255))[:20],
    mcfg((0xb0001000, 0, 0, 255)), mcfg((0, 0, 0, 255)), mcfg((0xb0000000, 0, 9, 8)),
    mcfg((0xd0000000, 0, 0, 255)), mcfg((0x200000, 0, 0, 0)), mcfg((1 << 63, 0, 0, 255)),
    mcfg((0xd0000000, 1, 0, 255)),
], ids=["empty", "short", "half-an-entry", "unaligned", "base-0", "no-bus", "nothing-there",
        "in-memory", "beyond-all-addresses", "other-segment"])
def test_a_useless_mcfg_does_not_hide_the_bus(start, tmp_path, body):
    table = tmp_path / "mcfg"
    table.write_bytes(body)
    guest = start(nics=[Nic()], extra=["-acpitable", f"sig=MCFG,rev=1,data={table}"])
    guest.wait_ready()
    assert any("0xcf8" in line for line in guest.lines), "configuration by ports"
    assert guest.peer().echo(b"hello")


# ---- an interrupt that does not end ------------------------------------------------------------


def raise_for_ever(guest, path):
    """Let the card that nobody drives raise its line, and not lower it."""
    card, = (d for d in guest.qmp("query-pci")[0]["devices"] if d["id"]["device"] == EDU_ID)
    register = card["regions"][0]["address"] + EDU_RAISE
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(str(path))
        s.sendall(b"writel 0x%x 0x1\n" % register)
        assert s.recv(100) == b"OK\n"


@x86_64  # elsewhere nobody switches on the registers of a card without driver
@pytest.mark.parametrize("machine", MACHINES)
def test_a_line_that_another_card_holds_is_switched_off(start, tmp_path, machine):
    path = tmp_path / "qtest"
    # four slots apart: the same line
    guest = start(nics=[Nic("addr=0x4,vectors=0")], machine=machine, options=STATIC,
                  extra=["-device", "edu,addr=0x8", "-qtest", f"unix:{path},server=on,wait=off",
                         "-qtest-log", "none"])
    guest.wait_ready()
    raise_for_ever(guest, path)
    guest.wait_text(r"irq: warning: interrupt line \d+ fired 1000 times", limit=10)
    assert guest.peer().echo(b"without it")
    guest.qmp("set_link", name="n0", up=False)
    guest.wait_text(r"virtio_net: .*link.*down", limit=10)
    stats = guest.fresh_stats()
    assert stats["busy_permille"] < 500, "nothing is left of the storm"
