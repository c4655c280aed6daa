"""vhost-switch as the backend: the device model, which knows every rule, and breaks them when told."""

import contextlib
import os
import socket
import struct
import subprocess
import time

import pytest
from frames import is_udp
from frontend import FrontEnd
from hosted import ASAN, HOSTED, LIMIT, SWITCH, SWITCH_ASAN, Switch, exchange
from ringzero import STATIC
from test_paths import ROW_NAMES, ROWS, row_options

RING = 256
MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]


def serve(start, switch, options="", program=ASAN, port=0, ip=None):
    process = start(f"net0.path={switch.sockets[port]} net0.mac={MACS[port]} "
                    f"{ip or STATIC} {options}", program=program)
    process.wait_ready()
    switch.peer.guest_mac = MACS[port]
    return process


@pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES)
def test_no_rule_is_broken_on_any_path(start, switch, row):
    s = switch(program=SWITCH)
    process = serve(start, s, row_options(row), HOSTED)
    assert process.json_lines("port")[0]["rx"] == row[1]
    exchange(s.peer, 500)
    process.close()
    assert s.end() == 0, s.log.read_text()


def wait_served(peer, limit=LIMIT, load=0):
    deadline = time.monotonic() + limit
    while not peer.echo(b"there?", limit=0.2):
        assert time.monotonic() < deadline, f"no service within {limit} s"
        for n in range(load):
            peer.send(peer.udp_frame(b"x" * 100, sport=41000 + n))


# What the device does, -x PORT:RING:LIE:AFTER:VALUE. (A device that merely falls silent is not among
# them: nothing tells it from one that has nothing to say. For the same reason a packed ring has no
# used_jump: descriptors that become used too early look as if they were used.)
LIES = ["0:0:id_range:20", "0:1:id_range:20:65535", "0:0:id_idle:20", "0:1:id_idle:20",
        "0:0:id_repeated:20", "0:0:len_long:20", "0:0:len:20:4000000000", "0:0:len_short:20",
        "0:0:needs_reset:20", "0:0:num_buffers:20:65535"]
SPLIT_LIES = ["0:0:used_jump:20", "0:1:used_jump:20"]
SPLIT = "net.in_order=0"
PACKED = ["net.packed_vq=1", "net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1"]


@pytest.mark.parametrize("lie,options", [*((lie, SPLIT) for lie in LIES + SPLIT_LIES),
                                         *((lie, o) for lie in LIES for o in PACKED)])
def test_service_goes_on_after_a_lie(start, switch, lie, options):
    s = switch("-x", lie)
    process = serve(start, s, options)
    wait_served(s.peer)  # also: it knows our address now
    for n in range(RING + 50):
        s.peer.send(s.peer.udp_frame(b"x" * 100, sport=41000 + n))
    wait_served(s.peer, load=RING)  # what was sent is looked at when the ring fills up
    # what was sent before it has been answered, or never will be
    assert any(s.peer.echo(b"last", sport=49000 + n, limit=1) for n in range(LIMIT))
    exchange(s.peer, 100)
    assert process.process.poll() is None
    assert process.stderr_path.read_text() == "", "the sanitizers"


def test_switches_between_two_processes(start, switch):
    s = switch(ports=2)
    one = serve(start, s, "net.packed_vq=1", port=0)
    serve(start, s, port=1, ip="net.ip=10.0.2.16/24")
    for n, ip in enumerate(("10.0.2.15", "10.0.2.16")):
        s.peer.guest_ip, s.peer.guest_mac = ip, MACS[n]
        assert s.peer.ping(b"data")
        exchange(s.peer, 50)
    before = one.fresh_stats()["rx_packets"]
    exchange(s.peer, 50)  # with the second
    assert one.fresh_stats()["rx_packets"] <= before + 5, "what is for one is not sent to all"


def test_captures_what_passes(start, switch, tmp_path):
    s = switch("-w", str(tmp_path))
    process = serve(start, s)
    assert s.peer.echo(b"captured")
    process.close()
    assert s.end() == 0
    data = (tmp_path / "port0.pcap").read_bytes()
    assert struct.unpack_from("<I", data)[0] == 0xa1b2c3d4
    frames, at = [], 24
    while at < len(data):
        kept, = struct.unpack_from("<I", data, at + 8)
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    assert sum(is_udp(f) and f[42:] == b"captured" for f in frames) == 2, "there and back"


def test_the_switch_can_go_and_come_back(start, switch, tmp_path):
    path = tmp_path / "s"
    process = start(f"net0.path={path} net0.server=1 net0.mac={MACS[0]} {STATIC}", program=ASAN)
    for _ in range(2):
        s = switch("-c", str(path), ports=0)
        process.wait_ready()
        s.peer.guest_mac = MACS[0]
        wait_served(s.peer)
        s.close()
        process.wait_text("link down", LIMIT)


def refused(*args):
    """What a switch says that does not even start."""
    run = subprocess.run([SWITCH_ASAN, *map(str, args)], capture_output=True, text=True, timeout=LIMIT)
    assert run.returncode == 2, run
    return run.stderr


def test_living_sockets_are_left_alone(start, switch):
    s = switch()
    serve(start, s)
    exchange(s.peer, 10)
    folder, said = os.path.dirname(s.sockets[0]), s.log.read_text()
    assert "port0: in use by another process" in refused(s.sockets[0])
    assert "wire: in use by another process" in refused("-d", f"{folder}/wire,{folder}/x", f"{folder}/b")
    exchange(s.peer, 10)
    assert s.log.read_text() == said, "nobody has disturbed it"
    os.rename(s.sockets[0], f"{folder}/moved")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(s.sockets[0])
        assert s.end() == 0
        assert os.path.exists(s.sockets[0]), "it is another one's by now"
    assert not os.path.exists(f"{folder}/wire")


def test_stale_sockets_are_replaced(switch):
    first = switch()
    first.close()
    assert os.path.exists(first.sockets[0])
    first.log.unlink()
    with contextlib.closing(Switch(first.log.parent)) as second:
        FrontEnd(second.sockets[0]).run().close()
        assert second.end() == 0
        assert not os.path.exists(second.sockets[0])


def test_a_start_that_fails_leaves_nothing_behind(tmp_path):
    (tmp_path / "file").write_text("precious")
    for path, text in ((tmp_path / ("x" * 108), "File name too long"),
                       (tmp_path / "file", "there is something that is no socket"),
                       (tmp_path / "none" / "s", "No such file or directory")):
        assert text in refused("-d", f"{tmp_path}/wire,{tmp_path}/peer", tmp_path / "s", path)
        assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("args", [["-f", "abc"], ["-f", "0x"], ["-f", "-1"], ["-f", "1 "], ["-f", "9" * 20],
                                  ["-x", "0:0:len:20:7x"], ["-x", "0:0:len:20x"], ["-d", "wire"]])
def test_options_that_make_no_sense_are_refused(args, tmp_path):
    assert "usage: vhost-switch" in refused(*args, tmp_path / "s")


@pytest.mark.parametrize("frames", [1, 200])
def test_a_capture_that_cannot_be_written_is_an_error(start, switch, tmp_path, frames):
    (tmp_path / "port0.pcap").symlink_to("/dev/full")
    s = switch("-w", str(tmp_path))
    serve(start, s)
    exchange(s.peer, frames)
    assert s.end() == 2
    assert s.log.read_text().count("port0.pcap: No space left on device: the capture is not complete") == 1


def test_the_other_end_may_refuse_be_full_or_be_absent(start, switch, tmp_path):
    """With -c it is looked for at most ten times a second, and the other port does not notice."""
    with contextlib.ExitStack() as stack:
        at = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for n, listener in enumerate(at):
            listener.bind(f"{tmp_path}/at{n}")
            listener.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(f"{tmp_path}/at1")  # nobody else is let in
        path = tmp_path / "served"
        process = start(f"net0.path={path} net0.server=1 net0.mac={MACS[0]} {STATIC}", program=ASAN)
        s = switch("-c", str(path), f"{tmp_path}/at0", f"{tmp_path}/at1", f"{tmp_path}/none", ports=0)
        process.wait_ready()
        s.peer.guest_mac = MACS[0]
        wait_served(s.peer)
        at[0].settimeout(0.05)
        taken, begin = 0, time.monotonic()
        while time.monotonic() < begin + 1.5:
            with contextlib.suppress(TimeoutError):
                at[0].accept()[0].close()
                taken += 1
        exchange(s.peer, 100)
        assert 1 <= taken <= 10, f"{taken} connections in 1.5 s"
    assert "File name too long" in refused("-c", "x" * 108)
