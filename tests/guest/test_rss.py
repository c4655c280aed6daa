"""Receive-side scaling, by QEMU's device and in our software: testpmd's counters tell which queue a packet came
by, and the hash computed here says which it had to be. QEMU computes hashes for taps only."""

import random
import re
import socket
import time
from collections import Counter

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from ringzero import Nic, wait_until
from toeplitz import NAMES, USUAL_KEY, hash_of, queue_of

PAIRS = 4
FLOWS = 40
OTHER_KEY = bytes((i * 37 + 11) & 0xff for i in range(40))
MAC = "52:54:00:12:34:56"


@pytest.fixture
def testpmd(start, netns):
    """testpmd(words, props) makes a guest on a tap with PAIRS queues that counts and drops what comes, and waits
    until all that is sent does come."""
    def make(words, props, rss="rss=on,hash=on,", cpus=1):
        # the host says nothing of its own
        netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6")
        netns.add_tap("tap0", "10.9.0.1/24", several=True)
        netns.run("ip", "link", "set", "tap0", "arp", "off", "multicast", "off")
        nic = Nic(f"mq=on,vectors=10,{rss}{props}", backend="tap", ifname="tap0", queues=PAIRS)
        guest = start(nics=[nic], netns=netns, options=f"app=testpmd fwd=rxonly net.rxq={PAIRS} {words}",
                      pcap=False, extra=["-smp", str(cpus)])
        guest.wait_ready()
        for _ in range(20):
            before = sum(received(guest).values())
            send(netns, flows(0))
            time.sleep(0.2)
            if sum(received(guest).values()) - before == FLOWS + 1:
                return guest
        raise AssertionError("the tap goes on losing frames")
    return make


def flows(seed):
    """FLOWS frames of all kinds, no two of the same addresses and ports."""
    dice = random.Random(seed)
    for n in range(FLOWS):
        ether = Ether(dst=MAC, src="02:00:00:00:00:01")
        if n % 5 == 4:
            ether = ether / Dot1Q(vlan=1 + n)
        if n % 2:
            ip = IPv6(src=f"fd00::{dice.randrange(1 << 16):x}:{n:x}", dst=f"fd00:1::{dice.randrange(1 << 16):x}")
        else:
            ip = IP(src=f"10.{n}.{dice.randrange(256)}.7", dst=f"192.0.2.{dice.randrange(1, 255)}")
        sport, dport = dice.randrange(1 << 16), dice.randrange(1 << 16)
        l4 = [UDP(sport=sport, dport=dport), TCP(sport=sport, dport=dport), ICMP()][n % 3]
        if n % 3 == 2 and n % 2:
            ip.nh, l4 = 89, Raw(b"\0" * 8)
        yield ether / ip / l4 / Raw(bytes(20))
    yield Ether(dst="ff:ff:ff:ff:ff:ff", src="02:00:00:00:00:01") / Raw(b"\x08\x06" + bytes(46))


def received(guest):
    """Packets of each queue until now."""
    text = guest.command("show fwd stats all", rf"queue {PAIRS - 1} of port 0 to 0: \d+ received.*")
    last = {}
    for queue, count in re.findall(r"queue (\d+) of port 0 to 0: (\d+) received", text):
        last[int(queue)] = int(count)
    return Counter(last)


def send(netns, frames):
    with netns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
        s.bind(("tap0", 0))
        for frame in frames:
            s.send(bytes(frame))


def check(guest, netns, types, table, key=USUAL_KEY, seed=1):
    """Frames of all kinds come by the queues that the hash chooses."""
    frames = list(flows(seed))
    want = Counter(queue_of(f, NAMES[types], table, key) for f in frames)
    before = received(guest)
    send(netns, frames)
    wait_until(lambda: sum(received(guest).values()) - sum(before.values()) >= len(frames), 15,
               f"{len(frames)} packets")
    got = received(guest)
    got.subtract(before)
    assert +got == want, (types, table)


def set_table(guest, table, entries):
    """The first entries of the console's table, as the list says, and of our own."""
    for at in range(0, entries, 16):  # a console's line holds so many
        pairs = ",".join(f"({i},{table[i]})" for i in range(at, at + 16))
        guest.command(f"port config 0 rss reta {pairs}", r"port 0: rss: done")


def check_changes(guest, netns):
    """Types, table and key, changed one after the other at the console."""
    table = [i % PAIRS for i in range(128)]
    check(guest, netns, "all", table)
    for n, (types, entries, key) in enumerate([("udp", 32, OTHER_KEY), ("ip", 16, OTHER_KEY[::-1])]):
        table[:entries] = [(i * 7 + n) // 3 % PAIRS for i in range(entries)]
        guest.command(f"port config 0 rss-hash-key {types} {key.hex()}", r"port 0: rss: done")
        set_table(guest, table, entries)
        check(guest, netns, types, table, key, seed=n)
    shown = guest.command("show port 0 rss reta 128 (8000,8000000000000000)", r"hash index=127, queue=3")
    assert f"hash index=15, queue={table[15]}" in shown
    guest.command("port config all rss none", r"port 0: rss: done")
    assert "RSS disabled" in guest.command("show port 0 rss-hash", "RSS disabled")
    check(guest, netns, "none", table)
    guest.command("port config all rss all", r"port 0: rss: done")
    assert OTHER_KEY[::-1].hex().upper() in guest.command("show port 0 rss-hash key", r"^[0-9A-F]{80}")


@pytest.mark.parametrize("words,props", [
    ("net.rx_offloads=rss_hash", ""),
    pytest.param("net.vectorized=1", "packed=on,in_order=on,mrg_rxbuf=off", marks=pytest.mark.soak),
    pytest.param("net.rx_offloads=rss_hash net.vectorized=1", "packed=on,in_order=on,mrg_rxbuf=off",
                 marks=pytest.mark.soak),
], ids=["split", "packed vector", "packed vector with hashes"])
def test_the_device_chooses_queues_by_hash(testpmd, netns, needs_property, words, props):
    needs_property("rss", *(["in_order"] if "in_order" in props else []))
    guest = testpmd(f"net.rss=device {words}", props)
    assert "VIRTIO_NET_F_RSS" in guest.json_lines("port")[0]["features"]
    check_changes(guest, netns)


@pytest.mark.soak
def test_software_chooses_queues_by_hash(testpmd, netns):
    """From one processor to the other."""
    guest = testpmd("net.rss=auto net.rss_reta=0,1,2,3 lcores=2", "", rss="", cpus=2)
    guest.wait_text(r"lcore 1 on processor")
    guest.wait_text(r"flows are spread over 4 queues in software")
    check_changes(guest, netns)
    assert "soft_rss_given" in guest.command("show port xstats all", r"rx_q3_soft_rss_nombuf: \d+")


def test_examples_of_the_definition():
    for src, dst, sport, dport, of_ip, of_tcp in (
            ("66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178),
            ("199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea)):
        frame = IP(src=src, dst=dst) / TCP(sport=sport, dport=dport)
        assert hash_of(frame, NAMES["ip"]) == of_ip
        assert hash_of(frame, NAMES["tcp"]) == of_tcp
