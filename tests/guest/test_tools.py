"""The measuring tools themselves: a load generator that overlooks a fault would make every load
test worthless, and a wrong subtraction every figure."""

import json
import socket
import subprocess
import sys
import threading

import pytest

from ringzero import ROOT

sys.path.insert(0, str(ROOT / "bench"))

import icount  # noqa: E402
import insn  # noqa: E402


def swap(frame):
    """The frame, sent back: addresses and ports exchanged, which keeps the checksums right."""
    return bytearray(frame[6:12] + frame[:6] + frame[12:26] + frame[30:34] + frame[26:30]
                     + frame[36:38] + frame[34:36] + frame[38:])


def faulty(kind, frame):
    """What comes back for every 100th frame."""
    answer = swap(frame)
    if kind == "payload":
        answer[-1] ^= 1
    elif kind == "checksum":
        answer[40] ^= 1
    elif kind == "ip-checksum":
        answer[24] ^= 1
    elif kind == "short":
        answer = answer[:-1]
    return {"loses": [], "doubles": [answer, answer]}.get(kind, [answer])


@pytest.fixture
def echo(tmp_path):
    """echo(kind) starts a host at the other end of the wire that makes one fault in 100."""
    sockets = []

    def start(kind):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        s.bind(str(tmp_path / "q"))
        sockets.append(s)

        def serve():
            n = 0
            while True:
                frame = s.recv(65536)
                if not frame:
                    return
                n += 1
                for answer in faulty(kind, frame) if n % 100 == 0 else [swap(frame)]:
                    s.sendto(answer, str(tmp_path / "p"))
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return thread
    yield start
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
        last.sendto(b"", str(tmp_path / "q"))
    for s in sockets:
        s.close()


@pytest.mark.parametrize("kind,counted,status", [
    ("none", {}, 0),
    ("loses", {"lost": 10}, 1),
    ("doubles", {"duplicate": 10}, 1),
    ("payload", {"bad": 10, "lost": 10}, 1),
    ("checksum", {"bad": 10, "lost": 10}, 1),
    ("ip-checksum", {"bad": 10, "lost": 10}, 1),
    ("short", {"bad": 10, "lost": 10}, 1),
])
def test_the_load_generator_counts_every_fault(echo, loadgen, tmp_path, kind, counted, status):
    echo(kind)
    timeout_ms = 1000 if "lost" in counted else 5000  # a busy machine loses nothing, only time
    done = subprocess.run(
        [loadgen, "--unix", f"{tmp_path}/p,{tmp_path}/q", "--window", "4", "--count", "1000",
         "--warm", "0", "--size", "200", "--timeout", str(timeout_ms)],
        capture_output=True, text=True, timeout=30, check=False)
    result = json.loads(done.stdout)
    wanted = {"lost": 0, "duplicate": 0, "bad": 0, "late": 0, **counted}
    # the answer that comes last may be the second of two
    assert {k: result[k] for k in wanted if k != "duplicate"} == \
           {k: v for k, v in wanted.items() if k != "duplicate"}
    assert wanted["duplicate"] - 1 <= result["duplicate"] <= wanted["duplicate"]
    assert (result["sent"], result["sent"]) == (1000, result["received"] + result["lost"])
    assert done.returncode == status


def test_the_load_generator_says_what_is_wrong_with_its_arguments(loadgen):
    for words in (["--window", "3"], ["--unix", "a,b", "--size", "20"], ["--frobnicate"],
                  ["--unix", "a,b", "--guest-ip", "10.0.2"], ["--unix"]):
        done = subprocess.run([loadgen, *words], capture_output=True, text=True, timeout=5,
                              check=False)
        assert done.returncode == 2 and "loadgen: " in done.stderr


def test_instructions_of_idle_turns_are_taken_out():
    """A loop of 10 + 5 instructions, of which idle turns execute both blocks and busy turns the
    first one and 100 of their own; housekeeping of 40, twenty times a second."""
    poll, nothing, work, rare = (0x1000, 10), (0x1010, 5), (0x2000, 100), (0x3000, 40)
    idle = {poll: 100_000, nothing: 100_000, rare: 20}
    loaded = {poll: 250_000, nothing: 200_000, work: 50_000, rare: 60}
    cost = insn.cost(idle, 1.0, loaded, 3.0, 50_000)
    assert cost.per_packet == 110
    assert cost.packet_only == 100
    assert cost.idle_turn == 15
    assert cost.idle_turns_per_packet == 4
    assert cost.housekeeping == 800


def test_instructions_under_icount_are_the_same_every_time():
    first, second = icount.measure_one(""), icount.measure_one("")
    assert first == second
    assert first["path"] == "Split virtqueue mergeable path"
    assert 100 < first["insn"] < 1000
