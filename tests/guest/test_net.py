"""The stack as the other end of the wire sees it: ARP, ICMP, UDP of every size, frames that are
wrong in every way, load, and counters that add up."""

import random
import time

import pytest
from scapy.all import ARP, ICMP, IP, UDP, Dot1Q, Ether, IPv6, Raw

from frames import (BROADCAST, PEER_MAC, ethernet, icmp, icmp_echo, ipv4, is_arp, is_icmp, is_udp,
                    udp)
from ringzero import GUEST_IP, OUR_IP, STATIC, Nic

ICMP_A_SECOND, ICMP_BURST = 100, 20  # net/icmp.h
ANNOUNCEMENTS = 2  # of the address, net/arp.c


def drops(stats):
    return sum(v for k, v in stats.items() if k.startswith("drop_"))


def difference(after, before):
    return {k: after[k] - before[k] for k in after}


# ---- ARP ---------------------------------------------------------------------------------------


def test_announces_itself_at_start(start):
    guest = start(nics=[Nic()])
    frame = guest.peer().next(is_arp, 30)
    assert frame[:6] == b"\xff" * 6
    assert frame[28:32] == frame[38:42] == bytes([10, 0, 2, 15])


def test_answers_arp_for_its_address_only(serve):
    peer = serve().peer()
    assert peer.arp_ask() == peer.guest_mac
    peer.guest_ip = "10.0.2.16"
    assert peer.arp_ask(limit=0.3) is None


def test_asks_for_an_address_again_when_nobody_answers(serve):
    guest = serve()
    peer = guest.peer()
    peer.answers_arp = False
    peer.ip = "10.0.2.77"  # never seen before
    peer.send(peer.udp_frame(b"who am I"))
    times = []
    while len(times) < 3:
        assert peer.next(peer.is_arp_request, 5), f"{len(times)} requests"
        times.append(time.monotonic())
    assert times[2] - times[0] > 0.5, "not in a burst"


def test_waiting_packets_go_out_when_the_address_is_known(serve):
    guest = serve()
    peer = guest.peer()
    peer.ip = "10.0.2.78"
    peer.answers_arp = False
    for n in range(3):
        peer.send(peer.udp_frame(bytes([n]) * 30))
    request = peer.next(peer.is_arp_request)
    peer.send(peer.arp_reply(request))
    assert [peer.udp_answer().payload for _ in range(3)] == [bytes([n]) * 30 for n in range(3)]


def test_a_flood_of_strangers_does_not_lock_out_the_next_one(serve):
    peer = serve().peer()
    own_ip = peer.ip
    peer.answers_arp = False
    for n in range(600):
        peer.ip = f"10.0.2.{20 + n % 200}"
        peer.mac = f"52:55:00:d1:{n >> 8:02x}:{n & 0xff:02x}"
        peer.send(peer.udp_frame(b"x"))
        if n % 8 == 7:
            peer.drain(0)
    peer.drain()
    peer.answers_arp, peer.ip, peer.mac = True, own_ip, PEER_MAC
    # places for those who do not answer are free again after a few seconds at most
    assert any(peer.echo(b"still here", limit=1) for _ in range(8))


# ---- ICMP --------------------------------------------------------------------------------------


@pytest.mark.parametrize("props", ["", "mrg_rxbuf=off", "disable-modern=on"])
def test_ping_of_every_size(serve, props):
    peer = serve(props).peer()
    pattern = bytes(i * 5 & 0xff for i in range(1472))
    for size in [*range(0, 80), *range(80, 1472, 37), 1471, 1472]:
        assert peer.ping(pattern[:size], seq=size), f"{size} bytes"


def test_a_closed_port_is_answered_with_unreachable(serve):
    peer = serve().peer()
    sent = peer.udp_frame(b"anybody?", dport=9)
    peer.send(sent)
    frame = peer.next(is_icmp)
    assert frame is not None
    assert (frame[34], frame[35]) == (3, 3)
    assert frame[42:42 + 28] == sent[14:42], "the header and 8 bytes of what was sent"


def test_unreachables_are_limited_in_rate(serve):
    peer = serve().peer()
    got = 0
    start = time.monotonic()
    for _ in range(500):
        peer.send(peer.udp_frame(b"?", dport=9))
        got += sum(map(is_icmp, peer.drain(0)))
    got += sum(map(is_icmp, peer.drain()))
    allowed = ICMP_BURST + ICMP_A_SECOND * (time.monotonic() - start)
    assert 1 <= got <= allowed + 1
    assert peer.echo(b"still here")


@pytest.mark.parametrize("dst", [BROADCAST, "01:00:5e:00:00:01"])
def test_no_error_for_broadcast_and_multicast(serve, dst):
    peer = serve().peer()
    target = "10.0.2.255" if dst == BROADCAST else "224.0.0.1"
    packet = ipv4(OUR_IP, target, 17, udp(OUR_IP, target, 40001, 9, b"everybody"))
    peer.send(ethernet(dst, peer.mac, 0x800, packet))
    assert not any(map(is_icmp, peer.drain(0.3)))


# ---- UDP ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("props", ["", "mrg_rxbuf=off", "disable-modern=on"])
def test_every_payload_from_0_to_1472_is_echoed(serve, props):
    peer = serve(props, pcap=False).peer()
    pattern = random.Random(1).randbytes(1472)
    for size in range(1473):
        assert peer.echo(pattern[:size]), f"{size} bytes"


def test_a_datagram_without_checksum_is_accepted(serve):
    peer = serve().peer()
    frame = bytearray(peer.udp_frame(b"no checksum"))
    frame[40:42] = b"\0\0"
    peer.send(frame)
    assert peer.udp_answer().payload == b"no checksum"


def test_a_computed_checksum_of_0_is_sent_as_ffff(serve):
    """The answer's checksum covers the same words, so that one chosen to give 0 gives 0 again."""
    peer = serve().peer()
    frame = peer.udp_frame(b"\0\0")
    tail = frame[40:42]  # the value itself as payload makes the sum 0
    peer.send(peer.udp_frame(tail))
    answer = peer.next(is_udp)
    assert answer[40:42] == b"\xff\xff"


def test_many_ports_and_addresses_are_answered_where_they_are(serve):
    peer = serve().peer()
    for n in range(100):
        peer.ip = f"10.0.2.{100 + n % 50}"
        assert peer.echo(bytes([n]), sport=1 + n * 655)


def test_answers_through_the_gateway(serve):
    """A sender outside the network is answered through the gateway's MAC address."""
    peer = serve().peer()
    peer.ip = "192.0.2.99"
    frame = peer.udp_frame(b"from far away")
    peer.ip = OUR_IP  # the gateway answers ARP
    peer.send(frame)
    answer = peer.next(is_udp)
    assert answer is not None and answer[:6] == bytes.fromhex(PEER_MAC.replace(":", ""))
    assert answer[42:] == b"from far away"


def test_padding_behind_the_datagram_is_cut(serve):
    peer = serve().peer()
    peer.send(peer.udp_frame(b"short") + b"\xee" * 30)
    assert peer.udp_answer().payload == b"short"


def test_user_networking_forwards_to_port_7(start):
    guest = start(nics=[Nic(backend="user")], options="")
    guest.wait_ready()
    with guest.udp_socket() as s:
        for n in range(50):
            s.send(b"%d" % n)
            assert s.recv(100) == b"%d" % n


# ---- wrong frames ------------------------------------------------------------------------------


def crafted_frames(mac):
    """Frames that are wrong in one way each; built by scapy, then broken."""
    ether = Ether(dst=mac, src=PEER_MAC)
    ip = IP(src=OUR_IP, dst=GUEST_IP)
    datagram = UDP(sport=40001, dport=7) / Raw(b"payload")
    good = bytes(ether / ip / datagram)
    arp = bytes(Ether(dst=BROADCAST, src=PEER_MAC) / ARP(hwsrc=PEER_MAC, psrc=OUR_IP,
                                                         pdst=GUEST_IP))

    def patched(frame, at, value):
        return frame[:at] + value + frame[at + len(value):]

    return {
        "one byte": b"\0",
        "13 bytes": good[:13],
        "Ethernet header only": good[:14],
        "half an IPv4 header": good[:24],
        "half a UDP header": good[:38],
        "for another MAC": patched(good, 0, b"\x52\x54\0\0\0\1"),
        "from a multicast MAC": patched(good, 6, b"\x01\0\0\0\0\1"),
        "unknown EtherType": patched(good, 12, b"\x88\xb5"),
        "802.3 length": patched(good, 12, b"\0\x40"),
        "VLAN": bytes(ether / Dot1Q(vlan=5) / ip / datagram),
        "IPv6": bytes(ether / IPv6(src="fe80::1", dst="fe80::2") / datagram),
        "IP version 5": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, version=5) / datagram),
        "IP header of 16 bytes": patched(good, 14, b"\x44"),
        "IP header of 60 bytes": patched(good, 14, b"\x4f"),
        "IP total length 0": patched(good, 16, b"\0\0"),
        "IP total length 19": patched(good, 16, b"\0\x13"),
        "IP total length beyond the frame": patched(good, 16, b"\x05\xdc"),
        "IP checksum wrong": patched(good, 24, b"\xde\xad"),
        "for another IP address": bytes(ether / IP(src=OUR_IP, dst="10.0.2.99") / datagram),
        "from 255.255.255.255": bytes(ether / IP(src="255.255.255.255", dst=GUEST_IP) / datagram),
        "from 224.0.0.1": bytes(ether / IP(src="224.0.0.1", dst=GUEST_IP) / datagram),
        "from 127.0.0.1": bytes(ether / IP(src="127.0.0.1", dst=GUEST_IP) / datagram),
        "from the guest's own address": bytes(ether / IP(src=GUEST_IP, dst=GUEST_IP) / datagram),
        "first fragment": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, flags="MF") / datagram),
        "last fragment": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, frag=100) / datagram),
        "source route": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP,
                                         options=b"\x83\x07\x04\x0a\0\x02\1\0") / datagram),
        "IP option of length 0": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP,
                                                  options=b"\x07\0\0\0") / datagram),
        "TCP": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, proto=6) / Raw(bytes(20))),
        "protocol 255": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, proto=255) / Raw(bytes(20))),
        "UDP length 0": bytes(ether / ip / UDP(sport=40001, dport=7, len=0) / Raw(b"x")),
        "UDP length 7": bytes(ether / ip / UDP(sport=40001, dport=7, len=7) / Raw(b"x")),
        "UDP length beyond the packet": bytes(ether / ip / UDP(sport=40001, dport=7, len=999)
                                              / Raw(b"x")),
        "UDP checksum wrong": bytes(ether / ip / UDP(sport=40001, dport=7, chksum=1) / Raw(b"x")),
        "UDP to port 0": bytes(ether / ip / UDP(sport=40001, dport=0) / Raw(b"x")),
        "ICMP of 4 bytes": bytes(ether / IP(src=OUR_IP, dst=GUEST_IP, proto=1) / Raw(bytes(4))),
        "ICMP checksum wrong": bytes(ether / ip / ICMP(type=8, chksum=1) / Raw(b"x")),
        "ICMP unknown type": bytes(ether / ip / ICMP(type=77) / Raw(b"x")),
        "ICMP unreachable, empty": bytes(ether / ip / ICMP(type=3, code=3)),
        "ARP of 20 bytes": arp[:34],
        "ARP hardware 6": patched(arp, 14, b"\0\6"),
        "ARP address lengths": patched(arp, 18, b"\xff\xff"),
        "ARP operation 9": patched(arp, 20, b"\0\x09"),
        "ARP from a broadcast MAC": patched(arp, 22, b"\xff" * 6),
        "ARP that claims the guest's address": patched(arp, 28, bytes([10, 0, 2, 15])),
        "a frame of 4000 bytes": bytes(ether / ip / UDP(sport=40001, dport=9)
                                       / Raw(bytes(4000 - 42))),
    }


ANSWERED = {"from a multicast MAC"}  # nothing forbids to answer; all others must not be echoed


def check_alive_and_counted(guest, before, sent):
    """The guest still serves; every frame was counted exactly once, by driver and stack."""
    peer = guest.peer()
    peer.drain()
    assert peer.echo(b"still here")
    assert peer.ping(b"still here")
    sent += 2
    after = difference(guest.net_stats(), before)
    driver = guest.wait_stats(lambda s: s["rx_packets"] + s["rx_errors"] >= guest.sent_in_all + 2)
    assert driver["rx_packets"] + driver["rx_errors"] == guest.sent_in_all + 2
    assert after["rx_packets"] + driver["rx_errors"] == sent
    assert after["rx_packets"] == after["rx_delivered"] + drops(after)
    return after


@pytest.fixture
def counted(serve):
    """A guest that has seen one datagram (so that it knows us), and its counters then."""
    def make(props=""):
        # all that comes is the stack's to judge
        guest = serve(props, options=f"{STATIC} net.promisc=1")
        assert guest.peer().echo(b"first")
        assert guest.peer().drain() is not None
        before = guest.net_stats()
        guest.sent_in_all = before["rx_packets"]
        return guest, before
    return make


@pytest.mark.parametrize("props", ["", "mrg_rxbuf=off", "disable-modern=on"])
def test_wrong_frames_are_dropped_and_counted(counted, props):
    guest, before = counted(props)
    peer = guest.peer()
    frames = crafted_frames(guest.nics[0].mac)
    if "mrg_rxbuf=off" in props:
        del frames["a frame of 4000 bytes"]  # QEMU itself drops what fits no buffer
    for name, frame in frames.items():
        peer.send(frame)
        echoed = [f for f in peer.drain(0.5 if name in ANSWERED else 0.01) if is_udp(f)]
        assert not echoed or name in ANSWERED, f"{name}: was echoed"
    guest.sent_in_all += len(frames)
    after = check_alive_and_counted(guest, before, len(frames))
    for reason in ("drop_short", "drop_not_for_us", "drop_proto", "drop_ip_header", "drop_ip_csum",
                   "drop_fragment", "drop_udp_csum", "drop_udp_length", "drop_no_port",
                   "drop_icmp", "drop_arp"):
        assert after[reason] > 0, reason


@pytest.mark.parametrize("seed", [1, 2])
def test_2000_random_frames_do_no_harm(counted, seed):
    """Half are noise, half a good datagram with some bytes changed and an end cut off."""
    guest, before = counted()
    peer = guest.peer()
    rng = random.Random(seed)
    head = bytes.fromhex(guest.nics[0].mac.replace(":", "")) + bytes.fromhex("525500d00001")
    for n in range(2000):
        if n % 2:
            frame = head + rng.choice([b"\x08\0", b"\x08\x06"]) + rng.randbytes(rng.randrange(1500))
        else:
            frame = bytearray(peer.udp_frame(rng.randbytes(rng.randrange(200))))
            for _ in range(rng.randrange(1, 6)):
                frame[rng.randrange(12, len(frame))] = rng.randrange(256)
            frame = frame[:rng.randrange(14, len(frame) + 1)]
        peer.send(frame)
        if n % 4 == 3:
            peer.drain(0)
    guest.sent_in_all += 2000
    check_alive_and_counted(guest, before, 2000)


def test_icmp_errors_are_not_answered(serve):
    """Two hosts that answer each other's errors would never stop."""
    guest = serve()
    peer = guest.peer()
    before = guest.net_stats()
    inner = ipv4(GUEST_IP, OUR_IP, 17, udp(GUEST_IP, OUR_IP, 7, 9, b""))
    for code in range(6):
        peer.send(peer.ip_frame(1, icmp(3, code, 0, inner)))
    peer.send(peer.ip_frame(1, icmp_echo(0, 1, 1, b"an answer nobody asked for")))
    assert not any(map(is_icmp, peer.drain(0.3)))
    assert peer.ping(b"all before this one were looked at")
    change = difference(guest.net_stats(), before)
    assert (change["icmp_errors"], change["drop_icmp"]) == (6, 1)


# ---- load --------------------------------------------------------------------------------------


def settled(guest, wanted):
    """The first statistics that show at least so many packets."""
    return guest.wait_stats(lambda s: s["rx_packets"] >= wanted)


@pytest.mark.parametrize("props", ["", pytest.param("mrg_rxbuf=off", marks=pytest.mark.soak),
                                   pytest.param("disable-modern=on", marks=pytest.mark.soak)])
def test_100000_datagrams_and_none_lost(serve, loadgen, props):
    guest = serve(props, pcap=False)
    before = guest.net_stats()
    result = guest.load(loadgen, "--window", 8, "--count", 100000, "--warm", 0, "--size", 128,
                        "--timeout", 5000, "--time", 60000, limit=80)
    assert (result["sent"], result["received"]) == (100000, 100000)
    assert (result["lost"], result["bad"], result["duplicate"], result["late"]) == (0, 0, 0, 0)

    stats = settled(guest, 100000)
    arp = stats["rx_packets"] - 100000  # our answers to its questions
    assert 0 <= arp <= 3
    assert 100000 <= stats["tx_packets"] <= 100000 + 5
    assert (stats["rx_errors"], stats["tx_errors"], stats["tx_dropped"]) == (0, 0, 0)
    assert stats["rx_bytes"] == 100000 * 128 + arp * 42
    assert 0 < stats["kicks"] <= 2 * 100000
    net = difference(guest.net_stats(), before)
    assert net["rx_packets"] == net["rx_delivered"] == 100000 + arp
    assert drops(net) == 0


@pytest.mark.parametrize("size", [64, 512, 1514])
def test_a_large_window_loses_nothing(serve, loadgen, size):
    """Half of the Tx ring, so that nothing else that is sent finds it full."""
    guest = serve(pcap=False)
    assert guest.peer().arp_ask()  # so many do not wait for an address
    result = guest.load(loadgen, "--window", 128, "--count", 20000, "--warm", 0, "--size", size,
                        "--timeout", 5000, "--time", 40000)
    assert result["received"] == 20000
    assert (result["lost"], result["bad"], result["duplicate"]) == (0, 0, 0)


def test_what_a_full_tx_ring_does_not_take_is_counted(serve, loadgen):
    guest = serve(options=f"{STATIC} net.txd=16", pcap=False)
    assert guest.peer().arp_ask()
    result = guest.load(loadgen, "--window", 128, "--count", 20000, "--warm", 0, "--timeout", 2000,
                        "--time", 40000)
    stats = guest.fresh_stats()
    assert result["sent"] == result["received"] + result["lost"] == 20000
    assert stats["tx_dropped"] > 0, "16 descriptors for bursts of 32"
    assert stats["tx_dropped"] == guest.net_stats()["tx_ring_full"]
    # the announcements of the address may be among them
    assert result["lost"] <= stats["tx_dropped"] <= result["lost"] + ANNOUNCEMENTS
    assert result["bad"] == 0


def test_jumbo_frames_under_load(serve, loadgen):
    guest = serve("host_mtu=9000", options=f"{STATIC} net.mtu=9000", memory=128, pcap=False)
    assert guest.peer().arp_ask()
    result = guest.load(loadgen, "--window", 16, "--count", 5000, "--warm", 0, "--size", 8942,
                        "--timeout", 5000, "--time", 40000)
    assert (result["received"], result["bad"]) == (5000, 0)


def test_statistics_show_that_the_loop_was_busy(serve, loadgen):
    guest = serve(pcap=False)
    idle = guest.fresh_stats()
    guest.load(loadgen, "--window", 32, "--count", 30000, "--time", 20000)
    busy = guest.wait_stats(lambda s: s["rx_packets"] > 0)
    assert any(s["cycles_per_packet"] > 0 for s in guest.json_lines("stats"))
    assert max(s["busy_permille"] for s in guest.json_lines("stats")) > idle["busy_permille"]
    assert busy["rx_packets"] > idle["rx_packets"]
