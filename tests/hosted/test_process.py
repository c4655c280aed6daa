"""ringzero as a program: options, signals, the terminal, and what it says when something is missing."""

import os
import pty
import select
import signal
import socket
import subprocess
import termios
import time

import pytest
from backend import Backend
from hosted import ASAN, HOSTED, LIMIT
from ringzero import STATIC, wait_until
from test_paths import serve

MAC = "02:00:00:00:00:07"


@pytest.mark.parametrize("options,says", [
    ("", "no port: name its backend's socket, for example net0.path=/run/vhost0"),
    ("net0.pth=/x", 'unknown key "net0.pth".*did you mean "net0.path"'),
    ("net0.path=/nowhere/s", "no backend listens there; start it first, or give net0.server=1"),
    ("net0.path=/nowhere/s net0.server=1", "net0.path=/nowhere/s: No such file or directory"),
    ("net0.path=/dev/null net0.server=1", "something that is no socket: give another path"),
    ("net0.path=/ net0.server=1", "something that is no socket: give another path"),
    ("net0.path=/dev/null", "Connection refused|no backend listens"),
    (f"net0.path=/{'x' * 120}", "File name too long"),
    ("net0.path=", 'net0.path=.*the path of a vhost-user socket'),
    ("net0.path=/x net1.path=/x", "net1.path=/x: net0 has this path; give each its own"),
    ("net1.path=/x", "numbers 0 to 15 without a gap"),
    ("net0.path=/x net0.queue_size=40000", "out of range; allowed: 1..32768"),
    ("net0.path=/x net0.queues=4 net0.cq=0", "net0.cq=0: 4 queue pairs need a control queue"),
    ("net0.path=/x net.queues=129", "out of range; allowed: 1..128"),
    ("net0.path=/dev/vhost-net net0.iface=0123456789abcdef", "names have 1 to 15 characters"),
])
def test_says_what_is_missing_and_fails(start, options, says):
    process = start(options)
    assert process.wait_exit(LIMIT) == 1
    process.wait_text(says)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_final_statistics(start, wire, peer, number):
    process = serve(start, wire, peer, "stats.period=3600")
    assert peer.echo(b"hello")
    assert not process.json_lines("stats")
    assert process.end(number) == 0
    last = process.json_lines("stats")[-1]
    assert last["rx_packets"] >= 1 and last["tx_packets"] >= 1
    process.wait_text("asked to end")


def test_the_final_statistics_count_what_the_stop_loses(start, tmp_path):
    backend = Backend(tmp_path / "s")  # sends none of its packets
    try:
        process = start(f"net0.path={tmp_path}/s {STATIC}")
        process.wait_ready()
        wait_until(lambda: any(line["tx_packets"] for line in process.json_lines("stats")), LIMIT,
                   "an announcement")
        assert process.end(signal.SIGTERM) == 0
    finally:
        backend.close()
    last = process.json_lines("stats")[-1]
    assert last["tx_lost"] == last["tx_packets"]


def test_two_signals_at_once_are_one(start, wire, peer):
    """As timeout(1) sends them: to what it started, and then to its group."""
    process = serve(start, wire, peer, "stats.period=3600")
    process.process.send_signal(signal.SIGTERM)
    assert process.end(signal.SIGHUP) == 0  # another one, as of the same only one is kept
    assert process.json_lines("stats")


def test_a_signal_that_is_not_heeded_can_be_repeated(start, tmp_path):
    """A backend that does not say a word is waited for three seconds."""
    process = start(f"net0.path={tmp_path}/s net0.server=1")
    process.wait_text("waiting for a backend")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(LIMIT)
        client.connect(f"{tmp_path}/s")
        assert client.recv(12)
        process.process.send_signal(signal.SIGTERM)
        time.sleep(1.05)
        assert process.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert not (tmp_path / "s").exists()


def test_poweroff_at_the_console_ends_it(start, wire, peer):
    process = serve(start, wire, peer, "")
    process.type("poweroff")
    assert process.wait_exit(LIMIT) == 0


def test_a_panic_has_a_backtrace_and_a_status(start, wire, peer):
    process = serve(start, wire, peer, "")
    process.type("debug crash panic")
    assert process.wait_exit(LIMIT) == 1
    process.wait_text("panic: asked for at the console")
    process.wait_text("backtrace:")


def test_lines_end_without_carriage_return(start):
    process = start("")
    process.wait_exit(LIMIT)
    assert b"\r" not in process.serial_path.read_bytes()


def test_a_closed_input_does_not_disturb(start, wire, peer):
    process = serve(start, wire, peer, "")
    process.process.stdin.close()
    process.fresh_stats()
    assert peer.echo(b"hello")


def test_output_that_nobody_reads_does_not_stop_it(wire, peer):
    """A pipe that is full, then closed: packets go on."""
    out, into = os.pipe()
    peer.guest_mac = MAC
    process = subprocess.Popen([HOSTED, f"net0.path={wire.socket}", *STATIC.split(), "stats=json",
                                f"net0.mac={MAC}"], stdin=subprocess.DEVNULL, stdout=into)
    os.close(into)
    try:
        deadline = time.monotonic() + LIMIT
        while not peer.echo(b"hello", limit=0.2):
            assert time.monotonic() < deadline
        os.close(out)
        time.sleep(2.5)
        assert peer.echo(b"hello")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT) == 0
    finally:
        process.kill()
        process.wait()


class Terminal:
    """A terminal with one process in its foreground."""

    def __init__(self, *arguments):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execv(HOSTED, [str(HOSTED), *arguments])
        self.text = b""

    def wait(self, what, limit=LIMIT):
        deadline = time.monotonic() + limit
        while what not in self.text:
            assert time.monotonic() < deadline, self.text
            if select.select([self.fd], [], [], 0.1)[0]:
                self.text += os.read(self.fd, 4096)

    def is_raw(self):
        return not termios.tcgetattr(self.fd)[3] & termios.ICANON

    def status(self):
        deadline = time.monotonic() + LIMIT
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = None
                return status
            assert time.monotonic() < deadline, "it does not end"
            time.sleep(0.01)

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def terminal(wire):
    made = []

    def make(*arguments):
        made.append(Terminal(f"net0.path={wire.socket}", "stats=off", *STATIC.split(), *arguments))
        made[-1].wait(b"is ready")
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_the_terminal_is_raw_while_it_runs_and_as_before_afterwards(terminal):
    t = terminal()
    assert t.is_raw()
    os.write(t.fd, b"show por\tinfo al\tx\x7f\r")  # completion and correction are the console's
    t.wait(b'"transport":"user"')
    os.write(t.fd, b"\x03")  # Ctrl-C
    assert t.status() == 0
    assert not t.is_raw()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT,
                                    signal.SIGUSR1, signal.SIGALRM])
def test_a_signal_that_kills_leaves_the_terminal_as_it_was(terminal, number):
    t = terminal()
    os.kill(t.pid, number)
    assert os.WTERMSIG(t.status()) == number
    assert not t.is_raw()


def test_a_stopped_process_gives_the_terminal_back(terminal):
    t = terminal()
    os.kill(t.pid, signal.SIGTSTP)
    deadline = time.monotonic() + LIMIT
    while t.is_raw():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(t.pid, signal.SIGCONT)
    while not t.is_raw():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_sanitizers_find_nothing_at_the_end(start, wire, peer):
    process = serve(start, wire, peer, "", ASAN)
    assert peer.echo(b"hello")
    assert process.end(signal.SIGTERM) == 0
    assert process.stderr_path.read_text() == ""
