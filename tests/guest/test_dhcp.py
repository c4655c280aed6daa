"""DHCP: QEMU's server, dnsmasq on a tap, and a server of our own that misbehaves on purpose."""

import shutil
import time

import pytest
from scapy.all import BOOTP, DHCP, IP, UDP, Ether, rdpcap

from frames import PEER_MAC
from ringzero import Nic

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6


def test_an_address_from_qemu_s_server(start):
    guest = start(nics=[Nic(backend="user")], options="")
    addr = guest.wait_json("addr")
    assert addr == {"type": "addr", "port": 0, "family": 4, "ip": "10.0.2.15/24",
                    "gw": "10.0.2.2", "source": "dhcp"}
    guest.wait_ready()


# ---- a server of our own -----------------------------------------------------------------------


class Server:
    """Sees the client's messages and answers one at a time, as the test says."""

    def __init__(self, peer):
        self.peer = peer

    def message(self, limit=10):
        """The client's next message: its type, the frame, its options."""
        def is_dhcp(f):
            return f[12:14] == b"\x08\0" and f[23] == 17 and f[34:38] == b"\0\x44\0\x43"
        frame = self.peer.next(is_dhcp, limit)
        if frame is None:
            return None, None, None
        frame = Ether(frame)
        options = dict(o for o in frame[DHCP].options if isinstance(o, tuple) and len(o) == 2)
        return options["message-type"], frame, options

    def expect(self, kind, limit=10):
        got, frame, options = self.message(limit)
        assert got == kind
        return frame, options

    def answer(self, frame, kind, lease=3600, ip="10.0.2.40", xid=None, server="10.0.2.2",
               extra=(), mask="255.255.255.0"):
        bootp = BOOTP(op=2, xid=frame[BOOTP].xid if xid is None else xid, yiaddr=ip,
                      chaddr=frame[BOOTP].chaddr, flags=frame[BOOTP].flags)
        options = [("message-type", kind), ("server_id", server)]
        if kind != NAK:
            options += [("lease_time", lease), ("subnet_mask", mask), ("router", "10.0.2.2")]
        reply = (Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) /
                 IP(src=server, dst="255.255.255.255") / UDP(sport=67, dport=68) / bootp /
                 DHCP(options=[*options, *extra, "end"]))
        self.peer.send(bytes(reply))

    def bind(self, **lease):
        frame, _ = self.expect(DISCOVER)
        self.answer(frame, OFFER, **lease)
        frame, options = self.expect(REQUEST)
        self.answer(frame, ACK, **lease)
        return frame, options


@pytest.fixture
def dhcp(start):
    guest = start(nics=[Nic()], options="log=dhcp:debug")
    return guest, Server(guest.peer())


def test_asks_and_is_bound_as_rfc_2131_says(dhcp):
    guest, server = dhcp
    frame, options = server.expect(DISCOVER)
    assert frame[IP].src == "0.0.0.0" and frame[IP].dst == "255.255.255.255"
    assert frame.dst == "ff:ff:ff:ff:ff:ff" and frame[BOOTP].chaddr[:6] == bytes.fromhex(
        guest.nics[0].mac.replace(":", ""))
    assert {1, 3} <= set(options["param_req_list"])
    xid = frame[BOOTP].xid
    server.answer(frame, OFFER)
    frame, options = server.expect(REQUEST)
    assert frame[BOOTP].xid == xid
    assert (options["requested_addr"], options["server_id"]) == ("10.0.2.40", "10.0.2.2")
    assert frame[BOOTP].ciaddr == "0.0.0.0"
    server.answer(frame, ACK)
    addr = guest.wait_json("addr")
    assert (addr["ip"], addr["gw"], addr["source"]) == ("10.0.2.40/24", "10.0.2.2", "dhcp")
    server.peer.guest_ip = "10.0.2.40"
    assert server.peer.echo(b"hello")


def test_waits_longer_from_try_to_try_and_says_that_nobody_answers(dhcp):
    guest, server = dhcp
    times = []
    for _ in range(4):
        server.expect(DISCOVER, 15)
        times.append(time.monotonic())
    gaps = [b - a for a, b in zip(times, times[1:])]
    assert gaps[0] < gaps[1] < gaps[2]
    guest.wait_text(r"dhcp: .*(no (server|answer|offer)|nobody)", limit=10)
    assert guest.process.poll() is None
    assert not guest.json_lines("addr")


def test_an_address_that_comes_late_is_taken(dhcp):
    guest, server = dhcp
    server.expect(DISCOVER)
    server.expect(DISCOVER)
    server.bind()
    assert guest.wait_json("addr")["ip"] == "10.0.2.40/24"
    guest.wait_json("ready")


def test_starts_again_after_a_nak(dhcp):
    guest, server = dhcp
    frame, _ = server.expect(DISCOVER)
    server.answer(frame, OFFER)
    frame, _ = server.expect(REQUEST)
    server.answer(frame, NAK)
    server.bind(ip="10.0.2.41")
    assert guest.wait_json("addr")["ip"] == "10.0.2.41/24"


def test_renews_at_t1_by_unicast_and_rebinds_at_t2_by_broadcast(dhcp):
    guest, server = dhcp
    times = [("renewal_time", 2), ("rebinding_time", 4)]
    server.bind(lease=300, extra=times)
    bound = time.monotonic()
    server.peer.guest_ip = "10.0.2.40"

    frame, options = server.expect(REQUEST, 6)
    assert 1 < time.monotonic() - bound < 5
    assert frame.dst == PEER_MAC and frame[IP].dst == "10.0.2.2"
    assert (frame[IP].src, frame[BOOTP].ciaddr) == ("10.0.2.40", "10.0.2.40")
    assert "requested_addr" not in options and "server_id" not in options
    server.answer(frame, ACK, lease=300, extra=times)
    bound = time.monotonic()

    frame, _ = server.expect(REQUEST, 6)  # T1 again, not answered
    deadline = bound + 8
    while frame is not None and frame[IP].dst != "255.255.255.255":
        _, frame, _ = server.message(deadline - time.monotonic())
    assert frame is not None and frame.dst == "ff:ff:ff:ff:ff:ff"
    assert frame[BOOTP].ciaddr == "10.0.2.40"
    assert server.peer.echo(b"in between")
    server.answer(frame, ACK, lease=300)
    assert server.peer.echo(b"afterwards")


def test_gives_the_address_up_when_the_lease_ends(dhcp):
    guest, server = dhcp
    server.bind(lease=4)
    server.peer.guest_ip = "10.0.2.40"
    guest.wait_json("addr")
    assert server.peer.echo(b"still mine")
    guest.wait_text(r"dhcp: .*lease.*(end|expire|over)", limit=10)
    assert server.peer.arp_ask(limit=0.3) is None
    kind = None
    while kind != DISCOVER:
        kind, _, _ = server.message(10)
        assert kind is not None
    assert guest.process.poll() is None


@pytest.mark.parametrize("wrong", [
    {"xid": 0x12345678}, {"ip": "0.0.0.0"}, {"ip": "255.255.255.255"}, {"ip": "127.0.0.1"},
    {"ip": "224.0.0.1"}, {"mask": "255.0.255.0"},
], ids=lambda w: "=".join(map(str, *w.items())))
def test_a_wrong_offer_is_not_taken(dhcp, wrong):
    guest, server = dhcp
    frame, _ = server.expect(DISCOVER)
    server.answer(frame, OFFER, **wrong)
    kind, frame, _ = server.message(10)
    if kind == REQUEST and "mask" in wrong:  # the class's mask will do
        return
    assert kind == DISCOVER
    server.answer(frame, OFFER)
    frame, _ = server.expect(REQUEST)
    server.answer(frame, ACK)
    assert guest.wait_json("addr")["ip"] == "10.0.2.40/24"


def test_broken_options_do_no_harm(dhcp):
    guest, server = dhcp
    frame, _ = server.expect(DISCOVER)
    head = (Ether(dst="ff:ff:ff:ff:ff:ff", src=PEER_MAC) / IP(src="10.0.2.2",
            dst="255.255.255.255") / UDP(sport=67, dport=68))
    bootp = bytes(BOOTP(op=2, xid=frame[BOOTP].xid, yiaddr="10.0.2.40",
                        chaddr=frame[BOOTP].chaddr))[:236]
    cookie = b"\x63\x82\x53\x63"
    for body in (bootp, bootp[:100], bootp + cookie[:3], bootp + cookie,
                 bootp + cookie + b"\x35\x01\x02\x36", bootp + cookie + b"\x35\xff\x02",
                 bootp + cookie + b"\x35\x00\xff", bootp + cookie + b"\x35\x01\x02\x01\x02\xff\xff",
                 bootp + cookie + b"\0" * 900, bootp + b"\x63\x82\x53\x64\x35\x01\x02\xff"):
        server.peer.send(bytes(head / body))
    server.bind()
    assert guest.wait_json("addr")["ip"] == "10.0.2.40/24"


def test_net_ip_off_asks_nobody(start):
    guest = start(nics=[Nic()], options="net.ip=off")
    guest.wait_json("ready")
    kind, _, _ = Server(guest.peer()).message(2)
    assert kind is None
    assert not guest.json_lines("addr")


# ---- dnsmasq -----------------------------------------------------------------------------------


class Dnsmasq:
    def __init__(self, netns, folder):
        if not shutil.which("dnsmasq"):
            pytest.skip("needs dnsmasq (package dnsmasq-base)")
        self.netns, self.log = netns, folder / "dnsmasq.log"
        netns.add_tap("tap0", "10.9.0.1/24")

    def start(self, first=50, options=()):
        self.netns.start(
            "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=tap0",
            "--bind-interfaces", f"--dhcp-range=10.9.0.{first},10.9.0.{first + 9},120", "--no-ping",
            "--log-dhcp", "--leasefile-ro", "--dhcp-authoritative", "--dhcp-option=option:T1,3",
            "--dhcp-option=option:T2,6", "--user=root", "--pid-file=", *options, log=self.log)

    def vanish(self):
        process = self.netns.processes[-1]
        process.kill()
        process.wait(10)

    def count(self, what):
        return self.log.read_text().count(what) if self.log.exists() else 0


@pytest.fixture
def dnsmasq(netns, tmp_path):
    return Dnsmasq(netns, tmp_path)


@pytest.mark.parametrize("late", [False, True], ids=["there", "comes-late"])
def test_dnsmasq_on_a_tap(start, netns, dnsmasq, late):
    if not late:
        dnsmasq.start()
    guest = start(nics=[Nic(backend="tap", ifname="tap0")], options="", netns=netns)
    if late:
        time.sleep(3)
        assert not guest.json_lines("addr")
        dnsmasq.start()
    addr = guest.wait_json("addr")
    assert addr["ip"].startswith("10.9.0.5") and addr["ip"].endswith("/24")
    assert (addr["gw"], addr["source"]) == ("10.9.0.1", "dhcp")
    address = (addr["ip"].split("/")[0], 7)
    with netns.socket(2, 2) as s:
        s.sendto(b"through a tap", address)
        assert s.recv(100) == b"through a tap"
        # T1 is 3 s: the lease is renewed, the address stays
        acks = dnsmasq.count("DHCPACK")
        deadline = time.monotonic() + 10
        while dnsmasq.count("DHCPACK") == acks:
            assert time.monotonic() < deadline, "the lease was not renewed"
            time.sleep(0.1)
        s.sendto(b"after the renewal", address)
        assert s.recv(100) == b"after the renewal"


def dhcp_requests(guest):
    """How many the client sent so far, by QEMU's capture."""
    packets = rdpcap(str(guest.folder / "net0.pcap"))
    return sum(DHCP in p and UDP in p and p[UDP].dport == 67 for p in packets)


def test_a_server_that_vanishes_does_not_take_the_lease_along(start, netns, dnsmasq):
    """T1 and T2 pass without an answer: the lease runs for 120 s, and is kept."""
    dnsmasq.start()
    guest = start(nics=[Nic(backend="tap", ifname="tap0")], options="", netns=netns)
    addr = guest.wait_json("addr")
    address = (addr["ip"].split("/")[0], 7)
    dnsmasq.vanish()
    before = dhcp_requests(guest)
    time.sleep(8)
    assert dhcp_requests(guest) > before, "it asks for the lease to be renewed"
    with netns.socket(2, 2) as s:
        s.sendto(b"nobody renews", address)
        assert s.recv(100) == b"nobody renews"
    assert not any("lease" in line and "ended" in line for line in guest.read())
    assert len(guest.json_lines("addr")) == 1


def test_a_server_that_forgot_the_lease_gives_another(start, netns, dnsmasq):
    """The renewal is answered by a NAK: the address is given up, and a new one asked for."""
    dnsmasq.start()
    guest = start(nics=[Nic(backend="tap", ifname="tap0")], options="", netns=netns)
    assert guest.wait_json("addr")["ip"].startswith("10.9.0.5")
    dnsmasq.vanish()
    dnsmasq.start(first=80)
    addr = guest.wait_json("addr", 15, after=1)
    assert dnsmasq.count("DHCPNAK") > 0
    assert addr["ip"].startswith("10.9.0.8")
    with netns.socket(2, 2) as s:
        s.sendto(b"at the new address", (addr["ip"].split("/")[0], 7))
        assert s.recv(100) == b"at the new address"


def test_another_server_takes_the_lease_over(start, netns, dnsmasq):
    """The first one is gone with its address: at T2 everybody is asked, and the second answers."""
    dnsmasq.start()
    guest = start(nics=[Nic(backend="tap", ifname="tap0")], options="", netns=netns)
    before = guest.wait_json("addr")
    dnsmasq.vanish()
    netns.run("ip", "addr", "del", "10.9.0.1/24", "dev", "tap0")
    netns.run("ip", "addr", "add", "10.9.0.2/24", "dev", "tap0")
    dnsmasq.start()
    after = guest.wait_json("addr", 15, after=1)
    assert dnsmasq.count("DHCPNAK") == 0
    assert after == {**before, "gw": "10.9.0.2"}
    with netns.socket(2, 2) as s:
        s.sendto(b"rebound", (before["ip"].split("/")[0], 7))
        assert s.recv(100) == b"rebound"
