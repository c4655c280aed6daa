"""app=l3fwd on the wire: two networks, a router beyond one of them, and what routers have to refuse."""

import socket
import struct
import time

import pytest

from frames import (Datagram, checksum, ethernet, icmp_echo, ipv4, is_icmp, is_udp, mac_bytes, udp)
from ringzero import Nic

NETS = "net0.ip=192.0.2.1/24 net1.ip=198.51.100.1/24"
ROUTES = "l3fwd.routes=10.0.0.0/8:1:198.51.100.254,10.9.0.0/16:0:192.0.2.9"
HERE, THERE, GATEWAY, FAR = "192.0.2.2", "198.51.100.2", "198.51.100.254", "10.1.2.3"
FRAMES = 200


@pytest.fixture
def router(start):
    guest = start(nics=[Nic(), Nic()], options=f"app=l3fwd {NETS} {ROUTES}")
    assert guest.wait_ready()["app"] == "l3fwd"
    for port, (host, own) in enumerate([(HERE, "192.0.2.1"), (THERE, "198.51.100.1")]):
        peer = guest.peer(port)
        peer.ip, peer.guest_ip = host, own
        assert peer.arp_ask() == guest.nics[port].mac
    return guest


def datagram(guest, dst, payload, ttl=64, src=HERE):
    packet = bytearray(ipv4(src, dst, 17, udp(src, dst, 1000, 2000, payload)))
    packet[8] = ttl
    packet[10:12] = bytes(2)
    packet[10:12] = struct.pack("!H", checksum(packet[:20]))
    return ethernet(guest.nics[0].mac, guest.peer(0).mac, 0x800, bytes(packet))


def test_datagrams_of_all_sizes_go_to_the_other_network(router):
    for n in range(FRAMES):
        payload = bytes((n + i) & 0xff for i in range(n * 37 % 1473))
        sent = datagram(router, THERE, payload)
        router.peer(0).send(sent)
        got = router.peer(1).next(is_udp)
        assert got is not None, f"datagram {n} of {len(payload)} bytes"
        assert got[:12] == mac_bytes(router.peer(1).mac) + mac_bytes(router.nics[1].mac)
        assert got[22] == 63, "the TTL is one less"
        assert Datagram(got).payload == payload
        assert got[14:22] + got[26:len(sent)] == sent[14:22] + sent[26:], "and nothing else changed"


@pytest.mark.parametrize("dst,port,gateway", [(FAR, 1, GATEWAY), ("10.9.1.1", 0, "192.0.2.9")])
def test_the_longest_prefix_and_its_gateway(router, dst, port, gateway):
    sender, peer = router.peer(0), router.peer(port)
    peer.ip = gateway  # answers ARP for it, and for nothing else
    sender.send(datagram(router, dst, b"far"))
    got = peer.next(is_udp)
    assert got is not None and Datagram(got).dst == dst
    assert got[:6] == mac_bytes(peer.mac)


@pytest.mark.parametrize("dst,ttl,size,kind,code", [
    (THERE, 1, 10, 11, 0), ("172.16.0.1", 64, 10, 3, 0), ("198.51.100.77", 64, 10, 3, 1)],
    ids=["ttl", "no-route", "silent-neighbour"])
def test_the_sender_is_told_by_icmp(router, dst, ttl, size, kind, code):
    sent = datagram(router, dst, bytes(size), ttl)
    router.peer(0).send(sent)
    told = router.peer(0).next(is_icmp, 10)
    assert told is not None
    assert (told[34], told[35]) == (kind, code)
    assert told[26:30] == bytes([192, 0, 2, 1]), "from the router's address there"
    assert checksum(told[34:34 + 36]) == 0
    assert told[42 + 12:42 + 28] == sent[26:42], "about this datagram"


def test_both_addresses_answer_ping(router):
    for address in ("192.0.2.1", "198.51.100.1"):
        router.peer(0).send(ethernet(router.nics[0].mac, router.peer(0).mac, 0x800,
                                     ipv4(HERE, address, 1, icmp_echo(8, 1, 2, b"are you there"))))
        answer = router.peer(0).next(is_icmp)
        assert answer[26:30] == bytes(map(int, address.split(".")))
        assert answer[34] == 0


def test_routes_are_shown(router):
    shown = router.command("show routes", r"^198\.51\.100\.0/24 port 1, its own")
    assert "10.0.0.0/8 port 1 198.51.100.254" in shown and "10.9.0.0/16 port 0 192.0.2.9" in shown


@pytest.mark.parametrize("routes,words", [
    ("10.0.0.0/8:7", "port 7, the machine has 1"), ("10.0.0.0/8", "l3fwd.routes"),
    ("10.0.0.1/8:0", "l3fwd.routes"), ("10.0.0.0/8:0:127.0.0.1", "l3fwd.routes")])
def test_a_wrong_route_ends_the_boot_and_is_named(start, routes, words):
    guest = start(nics=[Nic()], options=f"app=l3fwd net.ip=192.0.2.1/24 l3fwd.routes={routes}")
    guest.wait_text(words)
    assert guest.wait_exit() != 0


# ---- several lcores ------------------------------------------------------------------------------

FLOWS = 40


def flow(guest, port, n):
    """A datagram of the n-th flow that comes in at a port, for the host behind the other one."""
    src, dst = (HERE, THERE) if port == 0 else (THERE, HERE)
    packet = ipv4(src, dst, 17, udp(src, dst, 1000 + n, 2000 + port, b"flow %d" % n))
    return ethernet(guest.nics[port].mac, f"02:00:00:00:00:0{port + 1}", 0x800, packet)


def collect(sock, port):
    """The flows that come out of a port, until all have."""
    found, deadline = set(), time.monotonic() + 20
    while len(found) < FLOWS and time.monotonic() < deadline:
        try:
            frame = sock.recv(2000)
        except TimeoutError:
            break
        if is_udp(frame) and Datagram(frame).dport == 2000 + 1 - port:
            assert frame[22] == 63
            found.add(Datagram(frame).sport - 1000)
    return found


@pytest.mark.parametrize("app,queues", [
    ("l3fwd", 2), pytest.param("l3fwd-power", 2, marks=pytest.mark.soak),
    pytest.param("l3fwd", 4, marks=pytest.mark.soak)])
def test_each_lcore_routes_what_comes_in_by_its_queues(start, netns, app, queues):
    nics = []
    for n, host in enumerate((HERE, THERE)):
        netns.add_tap(f"tap{n}", f"{host}/24", several=True)
        nics.append(Nic(f"mq=on,vectors={2 * queues + 2}", backend="tap", ifname=f"tap{n}", queues=queues))
    guest = start(nics=nics, netns=netns, extra=["-smp", str(queues)], pcap=False,
                  options=f"app={app} {NETS} net.rxq={queues} lcores={queues + 1}")
    guest.wait_ready()
    guest.wait_text(f"{queues} lcores instead of {queues + 1}: .* a queue pair of every port, which is there "
                    f"for {queues}: ")
    guest.wait_text(f"lcore {queues - 1} on processor")
    socks = [netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800)) for _ in nics]
    for n, sock in enumerate(socks):
        sock.bind((f"tap{n}", 0))
        sock.settimeout(5)
    for _ in range(3):  # the first finds no neighbour
        for port in (0, 1):
            for n in range(FLOWS):
                socks[port].send(flow(guest, port, n))
            collect(socks[1 - port], 1 - port)
    for port in (0, 1):
        for n in range(FLOWS):
            socks[port].send(flow(guest, port, n))
        assert collect(socks[1 - port], 1 - port) == set(range(FLOWS)), f"from port {port}"
    last = {}
    guest.fresh_stats(1)
    for s in guest.json_lines("stats"):
        last[s["port"], s["queue"]] = s
    assert len(last) == 2 * queues
    assert all(s["rx_packets"] and s["tx_packets"] for s in last.values()), last
    assert sum(s["tx_dropped"] + s["rx_errors"] for s in last.values()) == 0
    if app == "l3fwd-power":
        guest.wait_text(f"lcore {queues - 1} is waked up from rx interrupt on port . queue {queues - 1}")
    for sock in socks:
        sock.close()
