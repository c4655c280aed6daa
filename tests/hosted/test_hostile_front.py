"""Front ends that mean harm to vhost-switch: they lose their connection, and the other ports go on."""

import contextlib
import os
import struct
import time

import pytest
from backend import GET_FEATURES, SET_FEATURES, SET_MEM_TABLE
from frontend import (BUFFER, BYTES, GUEST, RING, SET_OWNER, SET_VRING_BASE, SET_VRING_CALL, SIZE, USER,
                      FrontEnd)
from hosted import ASAN, LIMIT, SWITCH, SWITCH_ASAN, exchange, wait_served
from ringzero import STATIC, wait_until

MAC = "02:00:00:00:00:01"
FRAME = b"\xff" * 6 + bytes.fromhex("020000000002") + b"\x88\xb5" + bytes(46)
PACKED = 1 << 34
CUT = "port1: closed, as the front end has cut its memory short"


@pytest.fixture(params=[SWITCH, SWITCH_ASAN], ids=["plain", "asan"])
def served(request, start, switch):
    """A switch whose port 0 serves a process; port 1 is for the front end."""
    s = switch(ports=2, program=request.param)
    process = start(f"net0.path={s.sockets[0]} net0.mac={MAC} {STATIC}", program=ASAN)
    process.wait_ready()
    s.peer.guest_mac = MAC
    wait_served(s.peer)
    return s


@pytest.fixture
def front():
    """front(switch) makes a front end at port 1, which the one before it leaves."""
    made = []

    def make(s):
        for one in made:
            one.close()
        made.append(FrontEnd(s.sockets[1]))
        return made[-1]
    yield make
    for one in made:
        one.close()


def wait_log(s, text):
    wait_until(lambda: text in s.log.read_text(), LIMIT, f"{text} from vhost-switch")


def goes_on(s, front):
    """The other port, and this one for whoever comes next. Of who has cut its memory there is more to
    say: what is there in its place makes no sense."""
    exchange(s.peer, 100)
    f = front(s).run()
    f.send(FRAME)
    wait_until(f.is_used, LIMIT, "a frame of the next front end to be taken")
    f.close()
    ends(s, CUT in s.log.read_text())


def ends(s, may_be_broken=True):
    """A sanitizer's status is 1, too."""
    status, log = s.end(), s.log.read_text()
    assert status == 0 or (may_be_broken and status == 1 and "the driver broke" in log), log
    assert "ERROR: " not in log and "runtime error" not in log, "the sanitizers"


def test_an_honest_one(served, front):
    f = front(served).run()
    f.send(FRAME)
    wait_until(f.is_used, LIMIT, "the frame to be taken")
    goes_on(served, front)


def test_a_file_that_is_shorter_than_it_says_is_refused(served, front):
    f = front(served)
    f.greet()
    os.ftruncate(f.memory, BYTES - 1)
    assert f.share() != bytes(8)
    wait_log(served, "port1: message 5 refused: Invalid argument")
    goes_on(served, front)


@pytest.mark.parametrize("left", [0, 4096], ids=["nothing", "a_page"])
def test_a_file_that_is_cut_short_ends_the_connection(served, front, left):
    f = front(served).run()
    os.ftruncate(f.memory, left)
    wait_log(served, CUT)
    assert f.answer() is None
    goes_on(served, front)


def test_a_file_that_is_cut_short_may_be_larger_than_the_machine(served, front):
    f = front(served)
    os.ftruncate(f.memory, 1 << 40)
    f.run(1 << 40)
    os.ftruncate(f.memory, 0)
    wait_log(served, CUT)
    goes_on(served, front)


def test_a_frame_may_be_in_what_is_cut_off(served, front):
    f = front(served).run()
    os.ftruncate(f.memory, 0x8000)  # the rings are left
    f.write(0x4000 + 0x1000, b"")
    f.write(0x4000, bytes.fromhex("0000012000000000") + (72).to_bytes(4, "little") + bytes(4))
    f.write(0x4000 + 0x1000, bytes([0, 0, 1, 0, 0, 0]))
    wait_log(served, CUT)
    goes_on(served, front)


def test_what_is_called_may_be_a_pipe_that_nobody_reads(served, front):
    f = front(served)
    read, f.call = os.pipe()
    f.fds.append(f.call)
    os.close(read)
    f.run().send(FRAME)
    wait_until(f.is_used, LIMIT, "the frame to be taken")
    goes_on(served, front)


def test_what_is_called_may_be_full(served, front):
    f = front(served)
    os.eventfd_write(f.call, 2 ** 64 - 2)
    f.run().send(FRAME)
    wait_until(f.is_used, LIMIT, "the frame to be taken")
    goes_on(served, front)


def test_rings_that_cannot_be_are_refused(served, front):
    available = struct.pack("<QIHH", 0, 64, 0, 0x80) * ((BYTES - RING) // 16)
    for features, how in (
            (PACKED, {"base": SIZE}), (PACKED, {"base": 0x7fff}), (PACKED, {"base": 0xffff}),
            (0, {"size": 7}), (0, {"at": (USER, USER + BYTES)}), (0, {"at": (USER + 2, USER + RING)}),
            (PACKED, {"at": (USER, 0)}), (PACKED, {"at": (USER + BYTES - 16, USER)}),
            *((f, {"size": size}) for f in (0, PACKED) for size in (0, 0x10000, 0x10000 + SIZE))):
        f = front(served)
        f.greet(features)
        assert f.share() == bytes(8)
        f.write(RING, available)
        assert any(f.bring_up(**how)), f"{features:#x} {how}"
        assert f.share() is not None, "a refusal is no end, and may be followed by other memory"
        f.write(RING, available)
        assert f.ask(SET_VRING_BASE, struct.pack("<II", 0, 0xffff)) is not None
        assert f.ask(SET_FEATURES, struct.pack("<Q", 1 << 63)) != bytes(8)
        exchange(served.peer, 10)
    f.close()
    exchange(served.peer, 100)
    ends(served)


def test_buffers_of_gigabytes_are_not_walked_through(served, front):
    f = front(served)
    os.ftruncate(f.memory, 1 << 30)
    f.run(1 << 30)
    for ring, writable in ((0, 2), (RING, 0)):
        f.write(ring, struct.pack("<QIHH", GUEST + BUFFER, 1 << 29, writable, 0))
        f.write(ring + 0x1000, struct.pack("<HHH", 0, 1, 0))
    served.peer.send(FRAME)
    wait_until(lambda: f.is_used() and f.is_used(0), LIMIT, "both to be taken")
    assert os.fstat(f.memory).st_blocks * 512 < 1 << 24, "what it looked at"
    exchange(served.peer, 10)
    ends(served)


def test_half_a_message_stops_nobody(served, front):
    f = front(served)
    f.greet()
    whole = struct.pack("<III", GET_FEATURES, 1, 8) + bytes(8)
    for cut in (1, 12, 19):
        f.say_bytes(whole[:cut])
        exchange(served.peer, 10)
        time.sleep(1.2 if cut == 12 else 0)
        f.say_bytes(whole[cut:])
        assert f.answer() is not None, "it was waited for"
    f.say_bytes(whole + whole[:12])
    assert f.answer() is not None
    goes_on(served, front)


def test_descriptors_that_nobody_takes_are_closed(served, front):
    def open_files():
        return len(os.listdir(f"/proc/{served.process.pid}/fd"))

    before = open_files()
    head = struct.Struct("<III").pack
    for data, n in ((b"x", 8), (b"x" * 11, 8), (head(GET_FEATURES, 1, 8), 8),
                    (head(GET_FEATURES, 1, 1 << 20), 8), (head(SET_OWNER, 1, 0), 8),
                    (head(SET_OWNER, 1, 0), 9), (head(SET_OWNER, 1, 0), 200),
                    (head(SET_VRING_CALL, 1, 8) + bytes(8), 3),
                    (head(SET_MEM_TABLE, 1, 8) + bytes(8), 8)):
        for _ in range(3):
            f = front(served)
            f.say_bytes(data, [f.kick] * n)
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                f.say_bytes(data[-1:], [f.kick] * 8)  # where the first did not end it
            f.close()
    front(served).greet()
    exchange(served.peer, 10)
    wait_until(lambda: open_files() <= before + 1, LIMIT, "descriptors to be closed")
    goes_on(served, front)


def test_answers_may_be_left_unread(served, front):
    f = front(served)
    f.greet()
    try:
        for _ in range(100000):
            f.say(GET_FEATURES)
    except OSError:
        pass
    wait_log(served, "port1: closed, as the front end does not make sense")
    goes_on(served, front)
