"""Several lcores: processors beside the first one are started, and each serves queues of its own."""

import re
import socket
import struct
import subprocess
import time

import pytest

from frames import ethernet, ipv4, udp
from ringzero import ARCH, BOOT_LIMIT, QEMU, Nic, wait_until
from test_multiqueue import GUEST_IP, OUR_IP, echo_flows, stats_of_queues

FLOWS, ROUNDS = 48, 3  # more loops spin than there are processors here: each round trip takes its time


@pytest.fixture
def serve(start, netns):
    """serve(cpus, queues, words) makes a guest with so many processors on a tap with so many queues."""
    def make(cpus, queues, words="", extra=(), limit=BOOT_LIMIT, **kwargs):
        netns.add_tap("tap0", f"{OUR_IP}/24", several=True)
        nic = Nic(f"mq=on,vectors={2 * queues + 2}", backend="tap", ifname="tap0", queues=queues)
        guest = start(nics=[nic], netns=netns, extra=["-smp", str(cpus), *extra], pcap=False,
                      options=f"net.ip={GUEST_IP}/24 net.rxq={queues} {words}", **kwargs)
        guest.wait_ready(limit)
        return guest
    return make


def lcores(guest):
    """The processors, in the order of the lcores on them."""
    found = (re.search(r"lcore: lcore (\d+) on processor (\d+)", line) for line in guest.read())
    return [int(m[2]) for m in found if m]


def crash(guest, how, lcore, nb_lcores, said):
    guest.type(f"debug crash {how} {lcore}")
    assert guest.wait_exit() not in (0, None)
    text = "\n".join(guest.lines)
    assert re.search(said, text)
    assert text.count("panic: ") == 1
    assert f"  on lcore {lcore} of {nb_lcores}" in text
    assert re.search(r"\bwork\+", text) and re.search(r"\bcpu_main\+", text), "a backtrace"


def test_every_lcore_serves_its_queues_and_a_full_stack_of_one_ends_all(serve, netns):
    guest = serve(4, 4)
    assert lcores(guest) == [0, 1, 2, 3]
    echo_flows(netns, FLOWS, ROUNDS)
    last = stats_of_queues(guest, FLOWS * ROUNDS)
    assert sorted(last) == [0, 1, 2, 3]
    for s in last.values():
        assert s["rx_packets"] >= ROUNDS, last
        assert -5 <= s["rx_packets"] - s["tx_packets"] <= 20
        assert s["rx_errors"] == s["tx_errors"] == s["tx_dropped"] == 0
    guest.type("debug crash stack 4", wrong=True)
    guest.wait_text("debug crash: one of .* and an lcore below 4")
    crash(guest, "stack", 2, 4, r"stack overflow: the main stack of 32768 bytes is full")


# Where the tables of processors, the interrupt controller or the way to the kernel differ.
WAYS = {"x86_64": [("kernel", "pc", "max,x2apic=off"), ("iso-uefi", "q35", "max")],
        "aarch64": [("kernel", "virt,gic-version=3", "max"),
                    ("efi", "virt,gic-version=3", "max")]}[ARCH]
MORE_WAYS = {"x86_64": [("iso-bios", "pc", "max"), ("kernel", "q35", "qemu64"), ("efi", "q35", "max,la57=on"),
                        ("iso-grub", "pc", "max")],
             "aarch64": [("iso-uefi", "virt", "max"), ("efi", "virt,acpi=off", "max"),
                         ("kernel", "virt,gic-version=3,virtualization=on", "max"),
                         ("kernel", "virt,gic-version=3,secure=on", "max"),
                         ("kernel", "virt", "cortex-a53"), ("kernel", "virt", "cortex-a72")]}[ARCH]


@pytest.mark.parametrize("boot,machine,cpu",
                         WAYS + [pytest.param(*way, marks=pytest.mark.soak) for way in MORE_WAYS])
def test_processors_are_found_and_started(serve, netns, request, boot, machine, cpu):
    if "efi" in boot:
        request.getfixturevalue("uefi")
    guest = serve(2, 2, "lcores=5", boot=boot, machine=machine, cpu=cpu,
                  memory=256 if "efi" in boot else 64)
    guest.wait_text("2 lcores instead of 5: each needs a processor")
    assert lcores(guest) == [0, 1]
    echo_flows(netns, flows=16, rounds=2)
    assert all(s["rx_packets"] for s in stats_of_queues(guest, 32).values())
    crash(guest, "panic", 1, 2, "panic: asked for at the console")


def test_a_list_names_what_is_not_there(serve, netns):
    """The first lcore stays where the machine has booted, wherever the list has that."""
    guest = serve(4, 4, "lcores=9,3,0,3")
    guest.wait_text("lcore 2 does not start on processor 9: there is none")
    guest.wait_text("lcore 2 does not start on processor 3: there is none, or it is taken")
    assert lcores(guest) == [0, 3]
    echo_flows(netns, flows=16, rounds=2)
    assert len(stats_of_queues(guest, 32)) == 4
    guest.type("poweroff")
    assert guest.wait_exit() == 0


@pytest.mark.soak
def test_one_lcore(serve, netns):
    guest = serve(2, 2, "lcores=1")
    assert lcores(guest) == [0]
    echo_flows(netns, flows=16, rounds=2)
    assert all(s["rx_packets"] for s in stats_of_queues(guest, 32).values())


@pytest.mark.soak
@pytest.mark.parametrize("lcore", [1, 3])
@pytest.mark.parametrize("how,said", [
    ("null", r"page fault.*: write to 0x0"), ("ud", r"(?i)invalid opcode|breakpoint instruction"),
    ("code", r"write to [0-9a-fx]+"), ("exec", r"execut\w+"), ("panic", r"asked for at the console")])
def test_a_crash_of_any_lcore_ends_the_machine(serve, how, said, lcore):
    crash(serve(4, 4), how, lcore, 4, said)


@pytest.mark.soak
@pytest.mark.arch("aarch64")
def test_a_processor_that_the_firmware_does_not_know(serve, netns, tmp_path):
    """The device tree names processor 1 by an affinity that nobody has."""
    tree = tmp_path / "tree.dtb"
    subprocess.run([QEMU, "-M", f"virt,dumpdtb={tree}", "-cpu", "max", "-m", "64", "-smp", "2", "-nodefaults",
                    "-display", "none"], check=True, timeout=30, capture_output=True)
    data = tree.read_bytes()
    strings, = struct.unpack(">I", data[12:16])
    size = strings + struct.unpack(">I", data[32:36])[0]  # the rest is room for more
    data = data[:4] + struct.pack(">I", size) + data[8:size]
    reg = data.index(b"\0reg\0", strings) + 1 - strings
    at = data.index(struct.pack(">4I", 3, 4, reg, 1), data.index(b"cpu@1\0"))
    tree.write_bytes(data[:at + 12] + struct.pack(">I", 0x300) + data[at + 16:])
    guest = serve(2, 2, extra=["-dtb", str(tree)])
    guest.wait_text("lcore 1 does not start on processor 1: this machine has no way to start it")
    assert lcores(guest) == [0]
    echo_flows(netns, flows=16, rounds=2)


@pytest.mark.soak
def test_sixty_four_lcores(serve, netns):
    """Far more than there are processors here: it takes long, but comes up, and every queue has its lcore."""
    machine = {} if ARCH == "x86_64" else {"machine": "virt,gic-version=3"}
    guest = serve(64, 64, "stats.period=60", memory=512, limit=90, **machine)
    assert lcores(guest) == list(range(64))
    answered = 0
    with netns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(4):
            try:
                s.sendto(b"hello", (GUEST_IP, 7))
                answered += s.recv(2000) == b"hello"
            except TimeoutError:
                pass
            if answered:
                break
    assert answered


def flood(s, n):
    """Frames of 40 flows, which go to both queues."""
    for k in range(200):
        packet = ipv4(OUR_IP, GUEST_IP, 17, udp(OUR_IP, GUEST_IP, 1000 + k % 40, 7, bytes([n, k]) * 50))
        s.send(ethernet("52:54:00:12:34:56", "02:00:00:00:00:01", 0x800, packet))


def totals(guest, enough):
    stats = stats_of_queues(guest, enough)
    return {name: sum(s[name] for s in stats.values())
            for name in ("rx_packets", "tx_packets", "tx_dropped", "tx_lost", "rx_nombuf", "tx_errors")}


@pytest.mark.parametrize("rounds", [3, pytest.param(15, marks=pytest.mark.soak)])
def test_ports_stop_and_start_under_traffic_on_two_lcores(serve, netns, rounds):
    guest = serve(2, 2, "app=testpmd fwd=macswap")
    with netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind(("tap0", 0))
        for n in range(rounds):
            for line, answer in (("port stop 0", "^Done"), ("port start 0", "^Done"),
                                 ("stop", "^Done."), ("start", "^macswap packet forwarding - ")):
                flood(s, n)
                guest.command(line, answer)
        before = totals(guest, 1)["tx_packets"]
        for n in range(10):
            flood(s, n)  # more than there are buffers
            time.sleep(0.05)
    guest.wait_text("lcore 1 on processor")
    wait_until(lambda: totals(guest, 1)["tx_packets"] - before > 1500, 30, "packets, as before")
    stats = guest.fresh_stats()
    assert stats["failures"] == stats["rx_nombuf"] == 0
    total = totals(guest, 1)
    assert total["tx_packets"] + total["tx_dropped"] == total["rx_packets"], total
    assert total["rx_nombuf"] == total["tx_errors"] == 0
    guest.type("poweroff")
    assert guest.wait_exit() == 0
