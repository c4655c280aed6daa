"""Offloads against a Linux host: a tap whose frames carry the net header, both ways.

What really went over the wire is in QEMU's dump of the port: a frame whose checksum the other side is
to fill in has a wrong one there, and segments that travel in one are one long frame.
"""

import collections
import socket
import struct

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import PcapReader

from ringzero import Nic

OUR_IP, GUEST_IP = "10.9.0.1", "10.9.0.2"
ADDRESS = f"net.ip={GUEST_IP}/24"
UDP_SEGMENT = 103
SOL_PACKET, PACKET_VNET_HDR = 263, 15
ETH_P_ALL = 3
NEEDS_CSUM, GSO_TCPV4 = 1, 1
ALL = "net.rx_offloads=csum,lro net.tx_offloads=csum,tso,uso"


@pytest.fixture
def serve(start, netns):
    """serve(words, props) makes a guest on a tap, and waits until it serves."""
    def make(words="", props="", **kwargs):
        netns.add_tap("tap0", f"{OUR_IP}/24")
        guest = start(nics=[Nic(props, backend="tap", ifname="tap0")], netns=netns,
                      options=f"{ADDRESS} {words}", **kwargs)
        guest.wait_ready()
        return guest
    return make


def features(guest):
    return guest.wait_json("port")["features"]


def needs_uso(guest):
    if "VIRTIO_NET_F_GUEST_USO4" not in features(guest):
        pytest.skip("needs a host whose tap has USO (Linux 6.2) and a QEMU that offers it (8.2)")


def echo(netns, payload):
    with netns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.sendto(payload, (GUEST_IP, 7))
        return s.recv(70000) == payload


def echo_segments(netns, segments):
    """Sends them all by one call, as one packet if the host can; how many came back."""
    with netns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, len(segments[0]))
        s.sendto(b"".join(segments), (GUEST_IP, 7))
        s.settimeout(3)
        wanted = collections.Counter(segments)
        try:
            while wanted:
                got = s.recv(70000)
                assert wanted[got] > 0, f"{len(got)} bytes that were not sent"
                wanted -= collections.Counter([got])
        except TimeoutError:
            pass
        return len(segments) - sum(wanted.values())


def segments_of(size, n, last):
    return [bytes((i * 7 + k) & 0xff for k in range(size if i + 1 < n else last))
            for i in range(n)]


def udp_frames(guest):
    """(from the host?, length, is the checksum right?) of each UDP frame of port 7."""
    found = []
    with PcapReader(str(guest.folder / "net0.pcap")) as reader:
        for frame in reader:
            if UDP not in frame or 7 not in (frame[UDP].sport, frame[UDP].dport):
                continue
            told = frame[UDP].chksum
            again = IP(bytes(frame[IP]))
            del again[UDP].chksum
            right = IP(bytes(again))[UDP].chksum
            found.append((frame[UDP].dport == 7, len(frame), told == right))
    return found


RINGS = ["", "packed=on", "mrg_rxbuf=off", "disable-modern=on", "in_order=on", "packed=on,in_order=on"]


# ---- checksums ---------------------------------------------------------------------------------


@pytest.mark.parametrize("props", RINGS)
def test_checksums_are_left_to_the_other_side(serve, netns, needs_property, props):
    if "in_order" in props:
        needs_property("in_order")
    guest = serve("net.rx_offloads=csum net.tx_offloads=csum", props)
    assert {"VIRTIO_NET_F_CSUM", "VIRTIO_NET_F_GUEST_CSUM"} <= set(features(guest))
    for size in [0, 1, 2, 3, 7, 64, 255, 1000, 1471, 1472]:
        assert echo(netns, bytes(i * 13 & 0xff for i in range(size))), f"{size} bytes"
    frames = udp_frames(guest)
    assert len(frames) == 20
    for from_host in (True, False):
        assert not any(right for host, _, right in frames if host == from_host), from_host
    stats = guest.net_stats()
    assert stats["drop_udp_csum"] == 0
    assert stats["rx_packets"] == stats["rx_delivered"] + stats["drop_proto"] + \
        stats["drop_not_for_us"]


def test_without_offloads_every_checksum_is_right(serve, netns):
    guest = serve()
    assert not [f for f in features(guest) if "CSUM" in f or "TSO" in f or "USO" in f]
    for size in (0, 1, 64, 1472):
        assert echo(netns, bytes(size))
    assert all(right for _, _, right in udp_frames(guest))


@pytest.mark.parametrize("words", ["net.rx_offloads=csum", "net.tx_offloads=csum"])
def test_one_direction_alone(serve, netns, words):
    """Received without a checksum, it has to be made; received with one, it is left out."""
    guest = serve(words)
    for size in (1, 64, 999, 1472):
        assert echo(netns, bytes(i & 0xff for i in range(size)))
    for from_host, _, right in udp_frames(guest):
        assert right == (not from_host if "rx" in words else True)


# ---- several in one ----------------------------------------------------------------------------


@pytest.mark.parametrize("props", ["", "packed=on", "packed=on,in_order=on", "in_order=on"])
def test_datagrams_travel_in_one_both_ways(serve, netns, needs_property, props):
    if "in_order" in props:
        needs_property("in_order")
    guest = serve(ALL, props, memory=128)
    needs_uso(guest)
    assert echo(netns, b"first")
    for size, n, last in [(1472, 44, 700), (1400, 40, 1400), (100, 60, 1), (1, 30, 1), (500, 2, 500)]:
        assert echo_segments(netns, segments_of(size, n, last)) == n, f"{n} of {size} bytes"
    longest = {host: max(n for h, n, _ in udp_frames(guest) if h == host) for host in (True, False)}
    assert longest[True] == longest[False] == 42 + 43 * 1472 + 700
    stats = guest.fresh_stats()
    assert stats["rx_errors"] == stats["tx_errors"] == 0
    assert stats["rx_packets"] < 20, "177 datagrams in 5 packets"


@pytest.mark.parametrize("words", ["net.rx_offloads=lro", "net.rx_offloads=lro net.tx_offloads=csum"])
def test_datagrams_that_come_in_one_go_back_singly(serve, netns, words):
    """Where the device cannot cut, the stack does, and each has a checksum of its own."""
    guest = serve(words, memory=128)
    needs_uso(guest)
    assert echo(netns, b"first")
    assert echo_segments(netns, segments_of(1472, 44, 700)) == 44
    assert echo_segments(netns, segments_of(333, 20, 1)) == 20
    frames = udp_frames(guest)
    assert max(n for host, n, _ in frames if host) > 60000
    assert max(n for host, n, _ in frames if not host) == 1514
    stats = guest.net_stats()
    assert stats["rx_delivered"] >= 65
    assert stats["drop_no_mbuf"] == stats["drop_udp_csum"] == 0


def test_large_receive_is_switched_at_run_time(serve, netns):
    guest = serve(ALL, memory=128)
    needs_uso(guest)
    assert echo(netns, b"first")
    guest.command("port config all lro off", "port 0: lro off")
    before = len(udp_frames(guest))
    assert echo_segments(netns, segments_of(1400, 40, 1400)) == 40
    assert all(n <= 1514 for host, n, _ in udp_frames(guest)[before:] if host)
    guest.command("port config all lro on", "port 0: lro on")
    before = len(udp_frames(guest))
    assert echo_segments(netns, segments_of(1400, 40, 1400)) == 40
    assert max(n for host, n, _ in udp_frames(guest)[before:] if host) > 50000


def test_without_lro_the_host_cuts(serve, netns):
    guest = serve("net.rx_offloads=csum")
    assert echo_segments(netns, segments_of(1400, 20, 77)) == 20
    assert max(n for _, n, _ in udp_frames(guest)) == 1442


def raw_socket(netns):
    """Frames with a net header, put on the tap as if the host's stack had made them."""
    s = netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind(("tap0", ETH_P_ALL))
    return s


def vnet_header(flags=0, gso=0, hdr_len=0, gso_size=0, start=0, offset=0):
    return struct.pack("<BBHHHH", flags, gso, hdr_len, gso_size, start, offset)


@pytest.mark.parametrize("words", [ALL, "net.rx_offloads=csum"])
def test_tcp_segments_come_in_one(serve, netns, words):
    """Nobody here speaks TCP, so they are dropped; but as what they are."""
    guest = serve(words, memory=128)
    lro = "lro" in words
    if lro:
        assert "VIRTIO_NET_F_GUEST_TSO4" in features(guest)
    assert echo(netns, b"first")
    before = guest.net_stats()
    size, n = 1448, 40
    frame = bytes(Ether(dst=guest.nics[0].mac, src="02:00:00:00:00:01") /
                  IP(src=OUR_IP, dst=GUEST_IP) / TCP(sport=1, dport=2) / Raw(bytes(size * n)))
    with raw_socket(netns) as s:
        s.send(vnet_header(NEEDS_CSUM, GSO_TCPV4, 54, size, 34, 16) + frame)
    wanted = 1 if lro else n
    assert echo(netns, b"behind them")
    after = guest.net_stats()
    assert after["drop_proto"] - before["drop_proto"] == wanted
    stats = guest.fresh_stats()
    assert stats["rx_errors"] == 0
    assert stats["rx_bytes"] >= len(frame)


def answer_to(s, mac):
    """(net header, frame) of the next that goes to this address."""
    s.settimeout(10)
    while True:
        got = s.recv(70000)
        if got[10:16] == mac:
            return got[:10], got[10:]


OUR_MAC = bytes.fromhex("020000000001")


@pytest.mark.parametrize("props", ["", "packed=on", "packed=on,in_order=on"])
def test_tcp_segments_go_on_in_one(serve, netns, needs_property, props):
    """What came in one is sent on in one, for the other side to cut."""
    if "in_order" in props:
        needs_property("in_order")
    guest = serve(f"app=testpmd fwd=macswap {ALL}", props, memory=128)
    assert "VIRTIO_NET_F_HOST_TSO4" in features(guest)
    size, n = 1448, 40
    rest = b"\x08\0" + bytes(IP(src=OUR_IP, dst=GUEST_IP) / TCP(sport=1, dport=2) /
                            Raw(bytes(i * 7 & 0xff for i in range(size * n))))
    mac = bytes.fromhex(guest.nics[0].mac.replace(":", ""))
    with raw_socket(netns) as s:
        s.send(vnet_header(NEEDS_CSUM, GSO_TCPV4, 54, size, 34, 16) + mac + OUR_MAC + rest)
        header, frame = answer_to(s, OUR_MAC)
    assert frame == OUR_MAC + mac + rest
    flags, gso, hdr_len, gso_size, start, offset = struct.unpack("<BBHHHH", header)
    assert (flags, gso, gso_size, start, offset) == (NEEDS_CSUM, GSO_TCPV4, size, 34, 16)
    assert hdr_len >= 54
    assert guest.fresh_stats()["tx_errors"] == 0


# ---- VLAN --------------------------------------------------------------------------------------


def tagged(guest, vid, payload):
    frame = bytearray(bytes(Ether(dst=guest.nics[0].mac, src="02:00:00:00:00:01") /
                            Dot1Q(vlan=vid, prio=5) / IP(src=OUR_IP, dst=GUEST_IP) /
                            UDP(sport=4000, dport=7) / Raw(payload)))
    # as a stack leaves it to the device: the sum of the pseudo header
    pseudo = sum(struct.unpack(">6H", socket.inet_aton(OUR_IP) + socket.inet_aton(GUEST_IP) +
                               struct.pack(">HH", 17, len(payload) + 8)))
    frame[44:46] = struct.pack(">H", (pseudo & 0xffff) + (pseudo >> 16))
    return vnet_header(NEEDS_CSUM, start=38, offset=6) + frame


def test_a_tag_is_stripped_with_the_checksum_open(serve, netns):
    """A tag of VLAN 0 has only a priority: such frames are ours. Those of a VLAN are not."""
    guest = serve("net.rx_offloads=csum,vlan_strip net.tx_offloads=csum")
    assert echo(netns, b"first")
    before = guest.net_stats()
    with raw_socket(netns) as s, netns.socket(socket.AF_INET, socket.SOCK_DGRAM) as answers:
        answers.bind((OUR_IP, 4000))
        s.send(tagged(guest, 5, b"not for us"))
        for size in (1, 100, 1400):
            s.send(tagged(guest, 0, bytes(size)))
            assert answers.recv(2000) == bytes(size)
    after = guest.net_stats()
    assert after["drop_proto"] - before["drop_proto"] == 1
    assert after["drop_udp_csum"] == 0


def test_a_tag_that_was_stripped_is_put_in_again(serve, netns):
    guest = serve("app=testpmd fwd=macswap net.rx_offloads=csum,vlan_strip "
                  "net.tx_offloads=csum,vlan_insert")
    sizes = (1, 100, 1400)
    with raw_socket(netns) as s:
        for size in sizes:
            s.send(tagged(guest, 5, bytes(size)))
            answer_to(s, OUR_MAC)  # without its tag, which Linux keeps beside the frame
    with PcapReader(str(guest.folder / "net0.pcap")) as reader:
        back = [frame for frame in reader if bytes(frame)[:6] == OUR_MAC]
    assert [(f[Dot1Q].vlan, f[Dot1Q].prio, len(f)) for f in back] == [
        (5, 5, 46 + size) for size in sizes]


# ---- hash report -------------------------------------------------------------------------------


@pytest.mark.parametrize("props", ["hash=on", "hash=on,mrg_rxbuf=off", "hash=on,packed=on"])
def test_hash_report_makes_the_header_longer(serve, netns, needs_property, props):
    needs_property("hash")
    guest = serve("net.rx_offloads=csum,rss_hash net.tx_offloads=csum", props)
    if "VIRTIO_NET_F_HASH_REPORT" not in features(guest):
        pytest.skip("needs a QEMU that offers HASH_REPORT on a tap with one queue")
    assert not [line for line in guest.read() if "control command" in line]
    for size in [0, 1, 64, 1000, 1472]:
        assert echo(netns, bytes(i * 13 & 0xff for i in range(size))), f"{size} bytes"
    assert guest.fresh_stats()["rx_errors"] == 0
