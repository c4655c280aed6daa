"""The other end of the wire: raw Ethernet frames through a pair of unix datagram sockets
(QEMU's -netdev dgram), and a host small enough to be written by hand.

Frames are made with struct here, not with scapy, which takes a millisecond for each.
"""

import os
import select
import socket
import struct
import time

PEER_MAC = "52:55:00:d0:00:01"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac_bytes(mac):
    return bytes.fromhex(mac.replace(":", ""))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(dst, src, kind, payload):
    return mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + payload


def ipv4(src, dst, protocol, payload, ident=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, 0, 64, protocol, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def udp(src, dst, sport, dport, payload):
    length = 8 + len(payload)
    pseudo = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", 17, length)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    value = checksum(pseudo + head + payload) or 0xffff
    return head[:6] + struct.pack("!H", value) + payload


def icmp(kind, code, rest, payload):
    """A message with the right checksum; rest is the second word of the header."""
    head = struct.pack("!BBHI", kind, code, 0, rest)
    return head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:] + payload


def icmp_echo(kind, ident, seq, payload):
    return icmp(kind, 0, ident << 16 | seq, payload)


class Datagram:
    """A received UDP datagram whose every header field was checked."""

    def __init__(self, frame):
        ip = frame[14:]
        assert ip[0] == 0x45, "IPv4 header without options"
        total, = struct.unpack_from("!H", ip, 2)
        assert total <= len(ip), "IPv4 total length within the frame"
        assert checksum(ip[:20]) == 0, "IPv4 header checksum"
        self.src, self.dst = socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])
        self.sport, self.dport, length, check = struct.unpack_from("!HHHH", ip, 20)
        assert length == total - 20, "UDP length agrees with IPv4's"
        segment = ip[20:total]
        if check:
            pseudo = ip[12:20] + struct.pack("!HH", 17, length)
            assert checksum(pseudo + segment) == 0, "UDP checksum"
        self.payload = segment[8:]
        self.has_checksum = check != 0


def is_udp(frame):
    return len(frame) >= 42 and frame[12:14] == b"\x08\x00" and frame[23] == 17


def is_icmp(frame):
    return len(frame) >= 42 and frame[12:14] == b"\x08\x00" and frame[23] == 1


def is_arp(frame):
    return len(frame) >= 42 and frame[12:14] == b"\x08\x06"


class Peer:
    """A host on the wire: answers ARP for its address, sends and receives what tests want."""

    def __init__(self, qemu_path, own_path, ip="10.0.2.2", guest_ip="10.0.2.15"):
        self.qemu_path, self.own_path = str(qemu_path), str(own_path)
        self.ip, self.guest_ip = ip, guest_ip
        self.mac, self.guest_mac = PEER_MAC, BROADCAST
        self.answers_arp = True
        self.socket = None
        self.open()

    def open(self):
        if os.path.exists(self.own_path):
            os.unlink(self.own_path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.own_path)
        self.socket.setblocking(False)

    def close(self):
        """Leave the wire, so that another program may take this end."""
        if self.socket:
            self.socket.close()
            self.socket = None
        if os.path.exists(self.own_path):
            os.unlink(self.own_path)

    def send(self, frame, limit=5):
        """Hand a frame to QEMU, taking answers out of the way while its queue is full."""
        deadline = time.monotonic() + limit
        while True:
            try:
                self.socket.sendto(bytes(frame), self.qemu_path)
                return
            except OSError as e:
                if time.monotonic() > deadline:
                    raise AssertionError(f"QEMU takes no frame: {e}") from e
                time.sleep(0.001)

    def receive(self, limit):
        """The next frame, None if there is none in time."""
        ready, _, _ = select.select([self.socket], [], [], max(limit, 0))
        return self.socket.recv(65536) if ready else None

    def next(self, want, limit=5):
        """The first frame for which want(frame) is true; ARP requests are answered meanwhile."""
        deadline = time.monotonic() + limit
        while True:
            frame = self.receive(deadline - time.monotonic())
            if frame is None:
                return None
            if self.answers_arp and self.is_arp_request(frame):
                self.send(self.arp_reply(frame))
            if want(frame):
                return frame

    def drain(self, pause=0.1, most=10000, limit=10):
        """All frames until nothing comes for `pause` seconds; a guest that never stops fails."""
        found = []
        deadline = time.monotonic() + limit
        while len(found) < most and time.monotonic() < deadline:
            frame = self.next(lambda f: True, pause)
            if frame is None:
                return found
            found.append(frame)
        raise AssertionError(f"{len(found)} frames, and still more come")

    # ---- ARP ------------------------------------------------------------------------------

    def is_arp_request(self, frame):
        return (is_arp(frame) and frame[20:22] == b"\0\1" and
                frame[38:42] == socket.inet_aton(self.ip))

    def arp(self, op, target_mac, target_ip, dst):
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, op, mac_bytes(self.mac),
                           socket.inet_aton(self.ip), mac_bytes(target_mac),
                           socket.inet_aton(target_ip))
        return ethernet(dst, self.mac, 0x806, body)

    def arp_reply(self, request):
        asker = ":".join(f"{b:02x}" for b in request[22:28])
        return self.arp(2, asker, socket.inet_ntoa(request[28:32]), asker)

    def arp_ask(self, limit=5):
        """The guest's MAC address by ARP, None if it does not answer."""
        self.send(self.arp(1, "00:00:00:00:00:00", self.guest_ip, BROADCAST))
        reply = self.next(lambda f: is_arp(f) and f[20:22] == b"\0\2" and
                          f[28:32] == socket.inet_aton(self.guest_ip), limit)
        return reply and ":".join(f"{b:02x}" for b in reply[22:28])

    # ---- ICMP and UDP ---------------------------------------------------------------------

    def ip_frame(self, protocol, payload, ident=0):
        return ethernet(self.guest_mac, self.mac, 0x800,
                        ipv4(self.ip, self.guest_ip, protocol, payload, ident))

    def ping(self, payload=b"", seq=1, limit=5):
        """Is the echo answered, every byte of it?"""
        self.send(self.ip_frame(1, icmp_echo(8, 0x4711, seq, payload)))
        want = icmp_echo(0, 0x4711, seq, payload)
        return self.next(lambda f: is_icmp(f) and f[34:34 + len(want)] == want, limit) is not None

    def udp_frame(self, payload, dport=7, sport=40001, ident=0):
        return self.ip_frame(17, udp(self.ip, self.guest_ip, sport, dport, payload), ident)

    def udp_answer(self, sport=40001, limit=5):
        frame = self.next(lambda f: is_udp(f) and f[36:38] == struct.pack("!H", sport), limit)
        return frame and Datagram(frame)

    def echo(self, payload, sport=40001, limit=5):
        """Send a datagram to port 7; is it echoed, with right headers and every byte?"""
        self.send(self.udp_frame(payload, sport=sport))
        answer = self.udp_answer(sport, limit)
        return (answer is not None and answer.payload == payload and answer.sport == 7 and
                answer.src == self.guest_ip and answer.dst == self.ip)


# ---- many of them ------------------------------------------------------------------------------

FRAMES = 3000
FRAME_MIN, FRAME_MAX = 64, 1514
HEADERS = 14 + 20 + 8
WINDOW = 24  # frames on the way
PATTERN = bytes(i * 7 & 0xff for i in range(256)) * 6


def payload_of(n):
    """What the n-th frame carries; over all of them every size comes twice."""
    size = FRAME_MIN + n * 37 % (FRAME_MAX - FRAME_MIN + 1) - HEADERS
    return (struct.pack("!I", n) + PATTERN[n % 256:])[:size]


def exchange(peer, frames=FRAMES, window=WINDOW, limit=5):
    """Every frame is echoed once, in order and with every byte."""
    sent = 0
    for n in range(frames):
        while sent < frames and sent < n + window:
            peer.send(peer.udp_frame(payload_of(sent)))
            sent += 1
        answer = peer.udp_answer(limit=limit)
        assert answer is not None, f"frame {n} did not come back"
        payload = payload_of(n)
        assert answer.payload == payload, f"frame {n} of {len(payload)} bytes"
    assert peer.udp_answer(limit=0.05) is None, "more came back than was sent"
