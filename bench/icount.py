"""Instructions per packet of each path, repeatable to the instruction.

QEMU counts instructions instead of time (-icount): each is 2^SHIFT ns of the guest's clock, and
the guest's own counter of cycles, from which it makes `cycles_per_packet` of its statistics,
counts them. Nothing may depend on when the host does what, so

* frames wait in a filter-buffer and are handed over together, at fixed instants of the guest's
  time;
* the device sends within the guest's kick (tx=timer, ioeventfd=off);
* the machine's random numbers and its date are fixed.

A run in which the host was too slow to have the next frames ready for their instant is seen by the
guest's counters, and made again.
"""

import contextlib
import socket
import struct
import time

from frames import BROADCAST, Peer
from ringzero import ARCH, STATIC, Guest, Nic, device_properties

SHIFT = 3
SHOT = 192              # packets at one instant: six turns of 32, of a ring of 256
INTERVAL_US = 700000    # instants: 0.7 s, then 1.4 s in the guest's second second, 2.1 and 2.8 s
SHOTS = 4               # the first one is to warm up
TRIES = 5
ANSWER_LIMIT = 60       # seconds
PAYLOAD = 22            # frames of 64 bytes
DEVICES = [             # properties, whether there is vector code for the rings
    ("", True), ("mrg_rxbuf=off", True),
    ("in_order=on", False), ("in_order=on,mrg_rxbuf=off", False),
    ("packed=on", False), ("packed=on,mrg_rxbuf=off", False),
    ("packed=on,in_order=on", True), ("packed=on,in_order=on,mrg_rxbuf=off", True),
]
ISAS = {"x86_64": ("avx2", "sse"), "aarch64": ("neon",)}
EXTRA = ["-icount", f"shift={SHIFT},sleep=off", "-seed", "1", "-rtc", "base=2026-01-01,clock=vm",
         "-object", f"filter-buffer,id=shots,netdev=n0,queue=tx,interval={INTERVAL_US}", "-S"]


class Late(Exception):
    """The host was; the run does not count."""


class StreamPeer(Peer):
    """A peer at a stream of frames with their lengths, into which a shot's answers fit: a unix
    datagram socket would be full after ten, and the device would wait for the host."""

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.own_path)
        self.listener.listen(1)
        self.listener.settimeout(10)
        self.received = b""

    def connected(self):
        if not self.socket:
            self.socket, _ = self.listener.accept()
            self.socket.settimeout(ANSWER_LIMIT)
        return self.socket

    def close(self):
        self.listener.close()
        super().close()

    def send(self, frame, limit=None):
        self.connected().sendall(struct.pack("!I", len(frame)) + frame)

    def receive(self, limit):
        self.connected().settimeout(max(limit, 0.001))
        while len(self.received) < 4 or len(self.received) < 4 + self.length():
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return None
            if not more:
                raise Late("QEMU ended")
            self.received += more
        end = 4 + self.length()
        frame, self.received = self.received[4:end], self.received[end:]
        return frame

    def length(self):
        return struct.unpack_from("!I", self.received)[0]


class StreamNic(Nic):
    """A card whose netdev connects to a StreamPeer, which has to listen before QEMU starts."""

    def netdev(self, n, folder):
        self.peer = StreamPeer("", f"{folder}/p{n}")
        return f"stream,id=n{n},server=off,addr.type=unix,addr.path={folder}/p{n}"


def shoot(peer, number):
    for n in range(number * SHOT, (number + 1) * SHOT):
        peer.send(peer.udp_frame(n.to_bytes(PAYLOAD, "big")))


def collect(peer, number):
    """The answers to a shot, in order."""
    for n in range(number * SHOT, (number + 1) * SHOT):
        answer = peer.udp_answer(limit=ANSWER_LIMIT)
        if not answer or answer.payload != n.to_bytes(PAYLOAD, "big"):
            raise Late(f"datagram {n} did not come back")


def run(props, words):
    """(port line of the console, cycles per packet of the guest's third second)"""
    nic = StreamNic(props=f"tx=timer,ioeventfd=off,{props}", backend="stream")
    with Guest(nics=[nic], pcap=False, accel="tcg", extra=EXTRA,
               options=f"{STATIC} {words}") as guest, contextlib.closing(nic.peer) as peer:
        peer.guest_mac = nic.mac
        peer.send(peer.arp(1, "00:00:00:00:00:00", peer.guest_ip, BROADCAST))
        for number in range(SHOTS):
            shoot(peer, number)
            if number == 0:
                guest.qmp("cont")
            collect(peer, number)
        lines = [guest.wait_json("stats", after=n) for n in range(3)]
        port = guest.json_lines("port")[0]
    packets = [line["rx_packets"] for line in lines]
    if packets[1] - packets[0] != SHOT or packets[2] - packets[1] != 2 * SHOT:
        raise Late(f"{packets} packets at the ends of seconds")
    return port, lines[2]["cycles_per_packet"]


def measure_one(props, words=""):
    """A row: what the path is, and its instructions."""
    for attempt in range(TRIES):
        try:
            port, cycles = run(props, words)
        except Late as e:
            why = e
            time.sleep(attempt)
            continue
        return {"path": port["path"], "tx_path": port.get("tx_path"), "isa": port["isa"],
                "insn": cycles / (1 << SHIFT)}
    raise AssertionError(f"{props} {words}: {why}")


def measure():
    """One row for each path and kind of code that this QEMU's device can have."""
    have = device_properties()
    rows = []
    for props, vector in DEVICES:
        if any(p.split("=")[0] not in have for p in props.split(",") if p):
            continue
        rows.append(measure_one(props))
        isas = [i for i in ISAS[ARCH] if vector and (i != "sse" or "packed" not in props)]
        rows += [measure_one(props, f"net.vectorized=1 isa={isa}") for isa in isas]
    return rows


def print_table(rows):
    from rich.console import Console
    from rich.table import Table
    table = Table(title=f"instructions per echoed packet, {ARCH}, -icount", title_justify="left")
    for title in ("path", "Tx path, if named apart", "isa"):
        table.add_column(title, no_wrap=True)
    table.add_column("insn", justify="right")
    for row in rows:
        table.add_row(row["path"], row["tx_path"] or "", row["isa"], f"{row['insn']:.1f}")
    Console(width=130).print(table)
