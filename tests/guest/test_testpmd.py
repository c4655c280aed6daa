"""app=testpmd on the wire: every mode between two ports, what it generates, and its counters."""

import re
import struct

import pytest

from frames import (FRAME_MAX, Datagram, ethernet, icmp_echo, ipv4, is_arp, is_udp, mac_bytes, udp)
from ringzero import Nic

A, B = "02:00:00:00:aa:0a", "02:00:00:00:bb:0b"
FRAMES, WINDOW = 300, 24
SOME = 50
VLAN = b"\x81\x00\x00\x05"


def frame(n):
    """The n-th of frames of many sizes: UDP, some with a tag."""
    size = 60 + n * 37 % (FRAME_MAX - 60 + 1)
    tag = VLAN if n % 5 == 0 and size >= 64 else b""
    payload = struct.pack("!I", n) + bytes(i * 7 & 0xff for i in range(size - 46 - len(tag)))
    packet = ipv4("192.0.2.1", "198.51.100.9", 17,
                  udp("192.0.2.1", "198.51.100.9", 1000 + n, 2000, payload))
    return mac_bytes(B) + mac_bytes(A) + tag + ethernet(B, A, 0x800, packet)[12:]


def swap5(f, _):
    at = 14 + 4 * (f[12:16] == VLAN)
    return (f[6:12] + f[:6] + f[12:at + 12] + f[at + 16:at + 20] + f[at + 12:at + 16]
            + f[at + 22:at + 24] + f[at + 20:at + 22] + f[at + 24:])


MODES = {  # mode: what becomes of a frame that port `out`, of this MAC address, sends
    "io": lambda f, out: f,
    "mac": lambda f, out: (bytes([2, 0, 0, 0, 0, out[0]]) + mac_bytes(out[1]) + f[12:]),
    "macswap": lambda f, out: f[6:12] + f[:6] + f[12:],
    "5tswap": swap5,
}


def begin(start, options, ports=2, **kwargs):
    guest = start(nics=[Nic() for _ in range(ports)], options=f"app=testpmd {options}", **kwargs)
    assert guest.wait_ready()["app"] == "testpmd"
    return guest


def is_ours(f):
    return f[:6] != b"\x33\x33"


def forward(guest, a, b, change, frames=FRAMES):
    """Each frame that goes in at a comes out at b, changed, in order."""
    out, sent = (b, guest.nics[b].mac), 0
    for n in range(frames):
        while sent < frames and sent < n + WINDOW:
            guest.peer(a).send(frame(sent))
            sent += 1
        got = guest.peer(b).next(is_ours)
        assert got is not None, f"frame {n} did not come out"
        assert got == change(frame(n), out), f"frame {n} of {len(frame(n))} bytes"
    assert guest.peer(b).next(is_ours, 0.05) is None, "more came out than went in"


def fwd_stats(guest):
    """[(received, generated, sent, dropped)] of the streams; each packet is counted once."""
    text = guest.command("show fwd stats all", rf"port {len(guest.nics) - 1} to \d+: .*by fwd=")
    found = []
    for line in text.splitlines():
        m = re.match(r"port \d+ to \d+: (\d+) received, (\d+) generated, (\d+) sent, dropped: "
                     r"(\d+) ring full, (\d+) unsendable, (\d+) by", line)
        if m:
            received, generated, sent, *dropped = map(int, m.groups())
            assert received + generated == sent + sum(dropped)
            found.append((received, generated, sent, sum(dropped)))
    return found


@pytest.mark.parametrize("mode", MODES)
def test_forwards_between_two_ports(start, mode):
    guest = begin(start, f"fwd={mode}")
    for a, b in ((0, 1), (1, 0)):
        forward(guest, a, b, MODES[mode])
    for port in (0, 1):
        stats = guest.wait_stats(lambda s: s["rx_packets"] == s["tx_packets"] == FRAMES, port)
        assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
    guest.wait_stats(lambda s: s["cycles_per_packet"] > 0)
    assert fwd_stats(guest)[0] == (FRAMES, 0, FRAMES, 0)


@pytest.mark.parametrize("props,options", [
    ("packed=on", ""), ("mrg_rxbuf=off", "net.vectorized=1"),
    ("in_order=on,packed=on,mrg_rxbuf=off", "net.vectorized=1"), ("", "burst=1"),
    ("", "burst=512")])
def test_on_other_paths_and_with_other_bursts(start, needs_property, props, options):
    needs_property(*(p.split("=")[0] for p in props.split(",") if p))
    guest = start(nics=[Nic(props), Nic()], options=f"app=testpmd fwd=macswap {options}")
    guest.wait_ready()
    for a, b in ((0, 1), (1, 0)):
        forward(guest, a, b, MODES["macswap"])


def test_an_odd_last_port_sends_to_itself(start):
    guest = begin(start, "", ports=3)
    forward(guest, 2, 2, MODES["io"], 50)
    forward(guest, 1, 0, MODES["io"], 50)


def test_icmpecho_answers_at_the_port_where_it_was_asked(start):
    guest = begin(start, "fwd=icmpecho")
    for n in (0, 1):
        peer = guest.peer(n)
        peer.guest_ip = "198.51.100.9"
        assert peer.arp_ask() == guest.nics[n].mac
        assert peer.ping(b"x" * 1000)
        assert not peer.echo(b"no answer", limit=0.2)
    peer.send(mac_bytes(peer.guest_mac) + mac_bytes(peer.mac) + VLAN + b"\x08\x00" +
              ipv4(peer.ip, peer.guest_ip, 1, icmp_echo(8, 1, 2, b"tagged")))
    assert peer.next(lambda f: f[12:16] == VLAN and f[38] == 0) is not None
    assert fwd_stats(guest) == [(3, 0, 2, 1), (4, 0, 3, 1)]


def test_rxonly_sends_nothing(start):
    guest = begin(start, "fwd=rxonly")
    for n in range(100):
        guest.peer(0).send(frame(n))
    assert guest.wait_stats(lambda s: s["rx_packets"] == 100)["tx_packets"] == 0
    assert guest.peer(1).next(is_ours, 0.1) is None
    assert fwd_stats(guest)[0] == (100, 0, 0, 100)


def test_txonly_sends_all_the_time(start):
    guest = begin(start, "fwd=txonly txpkts=100,50")
    for port in (0, 1):
        for _ in range(200):
            got = guest.peer(port).next(is_udp)
            d = Datagram(got)
            assert len(got) == 150 and got[:12] == MODES["mac"](got, (port, guest.nics[port].mac))[:12]
            assert (d.src, d.sport, d.dst, d.dport) == ("198.18.0.1", 9, "198.18.0.2", 9)
            assert d.payload == bytes(108)
    assert guest.fresh_stats()["rx_packets"] == 0


def test_tx_first_and_then_it_forwards(start):
    guest = begin(start, "fwd=macswap tx_first=2 burst=8")
    for port in (0, 1):
        got = [guest.peer(port).next(is_udp) for _ in range(16)]
        assert all(f is not None and len(f) == 64 for f in got)
        assert guest.peer(port).next(is_ours, 0.1) is None
    forward(guest, 0, 1, MODES["macswap"], 50)


def test_nothing_else_is_sent(start):
    """The ports are not the stack's: no ARP, no DHCP, whatever the options say of addresses."""
    guest = begin(start, "net.ip=dhcp net1.ip=192.0.2.1/24")
    guest.peer(1).send(guest.peer(1).arp(1, "00:00:00:00:00:00", "192.0.2.1", B))
    assert is_arp(guest.peer(0).next(is_ours)), "it is forwarded, not answered"
    for port in (0, 1):
        assert guest.peer(port).next(is_ours, 0.5) is None
    assert not guest.json_lines("addr")


def test_without_a_port_it_says_so_and_ends(start):
    guest = start(nics=[], options="app=testpmd")
    assert guest.wait_exit() != 0
    guest.wait_text("no port to forward from; give the machine a virtio network card")


def test_forwarding_stops_starts_and_changes_its_mode(start):
    """With two ports of one queue each, on two lcores."""
    guest = begin(start, "fwd=io", extra=["-smp", "2"])
    guest.wait_text("lcore 1 on processor 1")
    shown = guest.command("show config fwd", r"Logical Core 1: .*")
    assert "io packet forwarding - ports=2 - cores=2 - streams=2" in shown
    assert "Logical Core 0: RX P=0/Q=0 (socket 0) -> TX P=1/Q=0 (socket 0) peer=02:00:00:00:00:01" in shown
    assert "Logical Core 1: RX P=1/Q=0 (socket 0) -> TX P=0/Q=0 (socket 0)" in shown
    forward(guest, 0, 1, MODES["io"], SOME)
    forward(guest, 1, 0, MODES["io"], SOME)
    shown = guest.command("stop", "^Done.")
    assert shown.index("Telling cores to stop...") < shown.index("port 1 to 0: ")
    for line in re.findall(r"port \d to \d: .*", shown):
        received, _, sent, *dropped = map(int, re.findall(r"(\d+) [a-z]", line.split(": ", 1)[1]))
        assert received >= SOME and received == sent + sum(dropped)
    guest.peer(0).send(frame(0))
    assert guest.peer(1).next(is_ours, 0.3) is None
    assert guest.command("stop", "Packet forwarding not started")
    guest.command("port stop 1", "^Done")
    guest.command("start", "Not all ports were started")
    guest.command("port start 1", "^Done")
    guest.command("set fwd macswap", "^Set macswap packet forwarding mode$")
    guest.command("start", "macswap packet forwarding - ports=2 - cores=2 - streams=2")
    assert guest.peer(1).next(is_ours, 5) == MODES["macswap"](frame(0), None), "what came meanwhile"
    guest.command("start", "Packet forwarding already started")
    for mode in ("mac", "macswap"):  # at once
        guest.command(f"set fwd {mode}", f"^Set {mode} packet forwarding mode$")
        forward(guest, 0, 1, MODES[mode], SOME)
        forward(guest, 1, 0, MODES[mode], SOME)
    # packets go back: each sending queue is another lcore's
    for _ in range(2):
        guest.command("set fwd icmpecho", "^Set icmpecho packet forwarding mode$")
        for n in (0, 1):
            assert guest.peer(n).ping(b"who is it"), n
        guest.command("set fwd io", "^Set io packet forwarding mode$")
        forward(guest, 0, 1, MODES["io"], SOME)
        forward(guest, 1, 0, MODES["io"], SOME)
    guest.command("set fwd txonly", "^Set txonly")
    for n in (0, 1):  # generated from the buffers of the port that it would receive from
        for _ in range(200):
            assert guest.peer(n).next(is_ours, 5)[:6] == bytes([2, 0, 0, 0, 0, n])
    guest.command("stop", "^Done.")
    guest.command("set fwd rubbish", "^Invalid rubbish packet forwarding mode: one of io mac", wrong=True)
    guest.command("start tx_first 1 2", "^start: nothing, or tx_first", wrong=True)
    guest.type("poweroff")
    assert guest.wait_exit() == 0
