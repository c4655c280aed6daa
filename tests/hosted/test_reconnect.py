"""Backends that go away and come back, and processes that do."""

import os
import signal
import socket

import pytest
from hosted import LIMIT, TapPeer, Testpmd, exchange, need_dpdk, wait_served
from ringzero import STATIC
from test_paths import ROW_NAMES, ROWS, row_options

SERVICE_LIMIT = 3  # seconds from a backend that is there again to service


@pytest.fixture
def backend(netns, tmp_path):
    """backend(...) makes a Testpmd with a tap, at the same socket each time."""
    need_dpdk()
    made = []

    def make(**kwargs):
        made.append(Testpmd(tmp_path / "vhost.sock", netns, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


def peer_of(process, netns, testpmd):
    host = TapPeer(netns, testpmd.tap)
    host.guest_mac = process.json_lines("port")[0]["mac"]
    return host


@pytest.mark.parametrize("row,server", [
    pytest.param(row, server, id=f"{name}-{'server' if server else 'client'}",
                 marks=[pytest.mark.soak] if (i + 2 * server) % 4 else [])
    for i, (row, name) in enumerate(zip(ROWS, ROW_NAMES)) for server in (0, 1)])
def test_service_goes_on_after_the_backend_died(start, backend, netns, tmp_path, server, row):
    options = row_options(row)
    path = tmp_path / "vhost.sock"
    first = None if server else backend()
    process = start(f"net0.path={path} net0.server={server} {STATIC} {options}")
    first = first or backend(server=False)
    process.wait_ready()
    assert process.json_lines("port")[0]["rx"] == row[1]
    peer = peer_of(process, netns, first)
    exchange(peer, 100)

    peer.close()
    first.kill()
    process.wait_text(r"port 0: link down", LIMIT)
    if not server:
        path.unlink()  # net_vhost refuses a socket that is there
    second = backend(server=not server)
    process.wait_text(r"port 0: runs again, link up", LIMIT)
    peer = peer_of(process, netns, second)
    wait_served(peer, SERVICE_LIMIT)
    exchange(peer, 100)
    peer.close()
    assert process.end(signal.SIGTERM) == 0
    assert process.json_lines("stats")[-1]["rx_packets"] >= 200, "counters go on"


def test_waits_as_a_server_and_ends_when_asked_to(start, tmp_path):
    process = start(f"net0.path={tmp_path}/s net0.server=1")
    process.wait_text("waiting for a backend")
    assert process.end(signal.SIGINT) == 0
    assert not os.path.exists(tmp_path / "s"), "the socket is taken away"


def greeted(path):
    """A connection to who listens there, who has said something."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(LIMIT)
    client.connect(str(path))
    assert client.recv(12), "it closed the connection"
    return client


def test_a_stale_socket_is_replaced_a_living_one_is_not(start, tmp_path):
    first = start(f"net0.path={tmp_path}/s net0.server=1")
    first.wait_text("waiting for a backend")
    second = start(f"net0.path={tmp_path}/s net0.server=1")
    assert second.wait_exit(LIMIT) == 1
    second.wait_text("Address already in use")
    with greeted(tmp_path / "s"):
        assert "the connection is closed" not in "".join(first.read()), "nobody has disturbed it"
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    third = start(f"net0.path={tmp_path}/s net0.server=1")
    third.wait_text("waiting for a backend")
    greeted(tmp_path / "s").close()


def test_a_socket_that_is_another_ones_by_now_is_not_taken_away(start, tmp_path):
    path = tmp_path / "s"
    process = start(f"net0.path={path} net0.server=1")
    process.wait_text("waiting for a backend")
    path.rename(tmp_path / "moved")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        assert process.end(signal.SIGTERM) == 0
        assert path.is_socket()
