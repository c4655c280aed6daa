"""Run ringzero as a process, and DPDK's testpmd as its backend.

    backend = Testpmd(folder, netns, forward="io")
    process = Hosted(f"net0.path={backend.socket} {STATIC}")
    process.wait_ready()
"""

import functools
import itertools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import frames
from frames import Peer
from ringzero import BUILD, Guest, Timeout, wait_until

STATIC_HOSTED = BUILD / "hosted" / "ringzero"
VARIANT = os.environ.get("HOSTED_VARIANT", "")  # "tsan", "asan": all processes are of that build
HOSTED = BUILD / "hosted" / VARIANT / "ringzero"
ASAN = BUILD / "hosted" / (VARIANT or "asan") / "ringzero"
SWITCH = BUILD / "tools" / "vhost-switch"
SWITCH_ASAN = BUILD / "tools" / "vhost-switch-asan"
LIMIT = 20  # seconds for anything that one of the processes does
PACKET_OUTGOING = 4
PROBE_PORT = 40900
FRAMES = 1000
_numbers = itertools.count()


@functools.cache
def drivers():
    """The folder of DPDK's drivers, None when DPDK is not there."""
    found = sorted(Path("/usr/lib").glob("*/dpdk/pmds-*/librte_net_vhost.so"))
    return found[-1].parent if found and shutil.which("dpdk-testpmd") else None


@functools.cache
def processor():
    return set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)[1].split())


def need_dpdk():
    if not drivers():
        pytest.skip("needs dpdk-testpmd and DPDK's net_vhost (packages dpdk, librte-net-vhost23)")


class Hosted(Guest):
    """One process of ringzero, with the console of a guest."""

    def __init__(self, options, program=HOSTED, stats="json"):
        self.folder = Path(tempfile.mkdtemp(prefix="ringzero-"))
        self.serial_path = self.folder / "serial.log"
        self.stderr_path = self.folder / "stderr.log"
        self.lines, self._typed, self._partial, self._peers = [], [], "", {}
        self._qmp = self.netns = self.process = None
        self.nics = []
        self._start([str(program), f"stats={stats}", *options.split()])

    def end(self, number):
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        return self.wait_exit(LIMIT)


class Testpmd:
    """DPDK's testpmd with a vhost-user port, and, in a namespace, a tap for a second one.

    server   net_vhost listens at the socket; else it connects to it
    vdev     another device in net_vhost's place, such as DPDK's virtio-user
    queues   queue pairs of both its ports
    """
    __test__ = False

    def __init__(self, path, netns=None, forward="io", server=True, args=(), vhost="", vdev=None,
                 queues=1):
        self.socket = str(path)
        self.log = Path(f"{path}.testpmd.log")
        self.netns = netns
        self.tap = f"tp{next(_numbers)}"
        vhost = f"net_vhost0,iface={path},queues={queues}{'' if server else ',client=1'}{vhost}"
        command = ["stdbuf", "-oL", "dpdk-testpmd", "-l", "0,1", "--no-huge", "-m", "256",
                   "--iova-mode=va", "--no-pci",
                   f"--file-prefix=ringzero-{os.getpid()}-{next(_numbers)}"]
        for name in ("net_vhost", "net_virtio", "net_tap", "mempool_ring"):
            command += ["-d", str(drivers() / f"librte_{name}.so")]
        command += ["--vdev", vdev or vhost]
        if netns:
            command = ["ip", "netns", "exec", netns.name, *command, "--vdev",
                       f"net_tap0,iface={self.tap}"]
        command += ["--", "-i", "--total-num-mbufs=16384", "--nb-cores=1", "--no-mlockall",
                    f"--forward-mode={forward}", f"--rxq={queues}", f"--txq={queues}", *args]
        self.command = command
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out,
                                            stderr=subprocess.STDOUT)
        self.wait("testpmd>")
        if netns:
            netns.run("sysctl", "-qw", f"net.ipv6.conf.{self.tap}.disable_ipv6=1")
        self.type("start")

    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self, pattern, after=0, limit=LIMIT):
        def find():
            found = re.search(pattern, self.text()[after:])
            if not found and self.process.poll() is not None:
                raise AssertionError(f"testpmd ended before {pattern}: {self.text()[-2000:]}")
            return found
        return wait_until(find, limit, f"{pattern} from testpmd: {self.text()[-2000:]}")

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def stats(self, port=0):
        """The counters of a port: rx_packets, rx_bytes, tx_packets ..."""
        start = len(self.text())
        self.type(f"show port stats {port}")
        self.wait(r"Tx-pps", start)
        found = re.findall(r"([RT]X-\w+): +(\d+)", self.text()[start:])
        return {name.lower().replace("-", "_"): int(value) for name, value in found}

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            try:
                self.type("quit")
                self.process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                self.kill()
        self.process.stdin.close()


class Switch:
    """vhost-switch with `ports` vhost-user sockets, .sockets, and a wire for a Peer, .peer."""

    def __init__(self, folder, *args, ports=1, program=SWITCH_ASAN):
        self.sockets = [str(folder / f"port{n}") for n in range(ports)]
        self.log = folder / "switch.log"
        self.peer = Peer(folder / "wire", folder / "peer")
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [program, "-d", f"{folder}/wire,{folder}/peer", *args, *self.sockets],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        wait_until(lambda: "ports\n" in self.log.read_text(), LIMIT, "vhost-switch")

    def end(self):
        """The exit status: 0 when no driver broke a rule."""
        self.process.terminate()
        return self.process.wait(LIMIT)

    def close(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self.peer.close()


class TapPeer(Peer):
    """A host at the tap of a Testpmd that forwards between it and the vhost-user port."""

    def __init__(self, netns, tap):
        self.netns, self.tap = netns, tap
        super().__init__(None, "/nonexistent")

    def open(self):
        self.socket = self.netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((self.tap, 0))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setblocking(False)

    def send(self, frame, limit=5):
        deadline = time.monotonic() + limit
        while True:
            try:
                self.socket.send(bytes(frame))
                return
            except OSError as e:
                if time.monotonic() > deadline:
                    raise Timeout(f"the tap takes no frame: {e}") from e
                time.sleep(0.001)

    def receive(self, limit):
        deadline = time.monotonic() + max(limit, 0)
        while True:
            try:
                frame, address = self.socket.recvfrom(65536)
                if address[2] != PACKET_OUTGOING:
                    return frame
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.0005)


def wait_served(peer, limit=LIMIT):
    """A backend says that it is ready before it forwards. Answers that come late are told from those to
    other frames by their port."""
    deadline = time.monotonic() + limit
    while not peer.echo(b"there?", sport=PROBE_PORT, limit=0.2):
        assert time.monotonic() < deadline, f"no service within {limit} s"


def exchange(peer, count=FRAMES):
    """Every frame is echoed once, in order and with every byte, as soon as there is service."""
    wait_served(peer)
    frames.exchange(peer, count, limit=10)
