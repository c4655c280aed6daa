"""A backend that writes to all memory it was given: packets and rings are spoilt, never the process."""

import mmap
import os
import random
from pathlib import Path

import pytest
from hosted import ASAN, HOSTED, exchange, wait_served
from ringzero import STATIC

ROUNDS = 3
SHARED = 4 << 20  # more than one queue pair takes
PIECE = 128 << 10
MAC = "02:00:00:00:00:01"


def shared_memory(process):
    """What each backend is handed a descriptor of."""
    for fd in Path(f"/proc/{process.process.pid}/fd").iterdir():
        if os.readlink(fd).startswith("/memfd:ringzero"):
            with open(fd, "r+b") as f:
                return mmap.mmap(f.fileno(), 2 * SHARED)
    raise AssertionError("no memory is shared")


@pytest.mark.parametrize("program, options", [
    (HOSTED, ""), (ASAN, "net.in_order=0"), (ASAN, "net.packed_vq=1"),
    (ASAN, "net.in_order=0 net.mrg_rxbuf=0 net.vectorized=1")],
    ids=["plain", "split", "packed", "vector"])
def test_no_byte_that_is_shared_is_trusted(start, switch, tmp_path, program, options):
    chance = random.Random(options)
    path = tmp_path / "s"
    process = start(f"net0.path={path} net0.server=1 net0.mac={MAC} {STATIC} {options}",
                    program=program)
    s = switch("-c", str(path), ports=0)
    process.wait_ready()
    memory = shared_memory(process)
    assert any(memory[:SHARED]) and not any(memory[SHARED:])
    for _ in range(ROUNDS):
        s.peer.guest_mac = MAC
        wait_served(s.peer)
        for at in chance.sample(range(0, SHARED, PIECE), SHARED // PIECE):
            memory[at:at + PIECE] = chance.randbytes(PIECE)
            for n in range(8):
                s.peer.send(s.peer.udp_frame(b"x" * 100, sport=41000 + n))
        assert process.process.poll() is None, process.tail()
        s.close()
        s = switch("-c", str(path), ports=0)  # one that is well
    s.peer.guest_mac = MAC
    exchange(s.peer, 1000)  # with all buffers
    process.wait_text("port 0: runs again, link up")
    assert process.end(15) == 0
    assert process.stderr_path.read_text() == "", "the sanitizers"
